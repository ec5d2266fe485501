package tasks

import (
	"strconv"
	"strings"
	"time"
)

// String is the snapshot as one line for people:
//
//	1,204 done · 3 failed · 210/s · 18,400 tokens/s · $1.2345 · 2m10s left
//
// Runs that a cache answered are named where there are any. Without a forecast
// the line ends with the time it took so far.
func (s Snapshot) String() string {
	parts := []string{grouped(s.Done) + " done", grouped(s.Failed) + " failed"}
	if s.Cached > 0 {
		parts = append(parts, grouped(s.Cached)+" cached")
	}
	parts = append(parts, pace(s.PerSecond), grouped(int64(s.TokensPerSecond+0.5))+" tokens/s", s.spent())
	switch {
	case s.Left > 0:
		parts = append(parts, span(s.Left)+" left")
	case s.Left == 0:
		parts = append(parts, "in "+span(s.Elapsed))
	default:
		parts = append(parts, span(s.Elapsed)+" so far")
	}
	return strings.Join(parts, " · ")
}

// pace writes slow rates by the minute.
func pace(perSecond float64) string {
	switch {
	case perSecond >= 9.95:
		return grouped(int64(perSecond+0.5)) + "/s"
	case perSecond >= 0.95, perSecond <= 0:
		return strconv.FormatFloat(perSecond, 'f', 1, 64) + "/s"
	}
	return strconv.FormatFloat(perSecond*60, 'f', 1, 64) + "/min"
}

// spent never shows a sum with a part of unknown price as the cost.
func (s Snapshot) spent() string {
	const unit = 100_000 // nano-dollars in the last place shown
	n := (s.Spent.Nano + unit/2) / unit
	places := strconv.FormatInt(n%10_000+10_000, 10)[1:]
	dollars := "$" + grouped(n/10_000) + "." + places
	switch {
	case !s.Spent.Unknown:
		return dollars
	case n == 0:
		return "cost unknown"
	}
	return "more than " + dollars
}

// grouped writes n, which is not negative, with commas between thousands.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// span writes seconds up to an hour and minutes from there.
func span(d time.Duration) string {
	if d = d.Round(time.Second); d < time.Hour {
		return d.String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}
