package ledger

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Group is what the runs of one name came to: an agent, a model.
type Group struct {
	Name string `json:"name"`
	Figures
}

// Groups reads the figures of each name of a dimension, the dearest first. s
// is nil where nothing was ever kept.
func Groups(ctx context.Context, s Store, by Dimension, from Hour) ([]Group, error) {
	out := []Group{}
	if s == nil {
		return out, nil
	}
	counts, err := s.Counts(ctx, by, from)
	if err != nil {
		return nil, err
	}
	for name, c := range counts {
		out = append(out, Group{name, c.Figures()})
	}
	slices.SortFunc(out, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.TotalCost, a.TotalCost), cmp.Compare(b.Runs, a.Runs), cmp.Compare(a.Name, b.Name))
	})
	return out, nil
}

// Period is the length of a step of a trend.
type Period string

// The periods. Weeks begin on Monday; all are of UTC.
const (
	ByHour Period = "hour"
	ByDay  Period = "day"
	ByWeek Period = "week"
)

// start is the first hour of the period that an hour belongs to.
func (p Period) start(h Hour) Hour {
	switch p {
	case ByDay:
		return h - h%24
	case ByWeek:
		const monday = 4 * 24 // the first one of 1970; the days before it share its predecessor
		return max(h-((h-monday)%168+168)%168, 0)
	}
	return h
}

// next is the first hour of the period after that which begins with h.
func (p Period) next(h Hour) Hour {
	switch p {
	case ByDay:
		return h + 24
	case ByWeek:
		return p.start(h + 168) // the first one is cut short by 1970
	}
	return h + 1
}

// Hours is how far back a trend of the period goes by itself.
func (p Period) Hours() int {
	switch p {
	case ByDay:
		return 29 * 24
	case ByWeek:
		return 11 * 168
	}
	return 23
}

// Point is one step of a trend.
type Point struct {
	Start time.Time `json:"start"`
	Figures
}

// Trend reads the figures of each period from the one of an hour to the one of
// now, the oldest first, those without runs included. s is nil where nothing
// was ever kept.
func Trend(ctx context.Context, s Store, by Period, from, now Hour) ([]Point, error) {
	first := by.start(from)
	var hours map[Hour]Counts
	if s != nil {
		var err error
		if hours, err = s.Hours(ctx, first); err != nil {
			return nil, err
		}
	}
	sums := map[Hour]*Counts{}
	last := now
	for h, c := range hours {
		start := by.start(h)
		if sums[start] == nil {
			sums[start] = &Counts{}
		}
		sums[start].Add(&c)
		last = max(last, h) // a clock that is ahead hides nothing
	}
	var out []Point
	for h := first; h <= last && len(out) < mostPoints; h = by.next(h) {
		c := sums[h]
		if c == nil {
			c = &Counts{}
		}
		out = append(out, Point{h.Start(), c.Figures()})
	}
	return out, nil
}

// mostPoints bounds a trend: eleven years of hours.
const mostPoints = 100_000
