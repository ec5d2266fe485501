package sim

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Limits are the rate limits of every limit group, each per minute. Zero is no
// limit, and then no header of that limit.
type Limits struct {
	RPM  int // message calls
	ITPM int // input tokens that are not read from the prompt cache
	OTPM int // output tokens really made
	// Burst is how much a bucket holds, as a share of what a minute gives; 0
	// is all of it.
	Burst float64
}

// validate says what makes no sense in the limits.
func (l Limits) validate() error {
	if l.RPM < 0 || l.ITPM < 0 || l.OTPM < 0 {
		return errors.New("simulator: limits must not be negative")
	}
	if !(l.Burst >= 0 && l.Burst <= 60) { // NaN too
		return errors.New("simulator: a burst must be from 0 to 60 minutes")
	}
	return nil
}

// bucket is a token bucket: it fills evenly, up to what it holds. It may go
// below zero where the amount is known only afterwards.
type bucket struct {
	perMinute float64
	most      float64
	level     float64
	at        time.Time
}

// newBucket returns a full bucket.
func newBucket(perMinute int, burst float64, now time.Time) bucket {
	if burst <= 0 {
		burst = 1
	}
	most := math.Max(1, float64(perMinute)*burst)
	return bucket{perMinute: float64(perMinute), most: most, level: most, at: now}
}

// change gives the bucket another size; what it holds stays, if it fits.
func (b *bucket) change(perMinute int, burst float64, now time.Time) {
	b.fill(now)
	level := b.level
	if !b.limited() {
		level = math.Inf(1)
	}
	*b = newBucket(perMinute, burst, now)
	b.level = math.Min(level, b.most)
}

// limited reports whether there is a limit at all.
func (b *bucket) limited() bool { return b.perMinute > 0 }

// fill brings the level up to now.
func (b *bucket) fill(now time.Time) {
	if elapsed := now.Sub(b.at); elapsed > 0 {
		b.level = math.Min(b.most, b.level+b.perMinute*elapsed.Minutes())
		b.at = now
	}
}

// wait returns how long it takes until the bucket holds n. What it can never
// hold takes a minute: the API does not say that it is hopeless.
func (b *bucket) wait(n float64) time.Duration {
	if !b.limited() || b.level >= n {
		return 0
	}
	if n > b.most {
		return time.Minute
	}
	return time.Duration(math.Ceil((n - b.level) / b.perMinute * float64(time.Minute)))
}

// group is the buckets that the models of one limit group share. It is safe
// for concurrent use.
type group struct {
	mu                      sync.Mutex
	requests, input, output bucket
}

// snapshot is what the headers of an answer tell of a group.
type snapshot struct {
	now                     time.Time
	requests, input, output bucket
}

// group returns the buckets of a limit group, full at first.
func (s *Server) group(name string) *group {
	if g, ok := s.groups.Load(name); ok {
		return g.(*group)
	}
	s.limitsMu.Lock()
	defer s.limitsMu.Unlock()
	l, now := s.limits, s.now()
	g, _ := s.groups.LoadOrStore(name, &group{
		requests: newBucket(l.RPM, l.Burst, now),
		input:    newBucket(l.ITPM, l.Burst, now),
		output:   newBucket(l.OTPM, l.Burst, now),
	})
	return g.(*group)
}

// SetLimits changes the rate limits of every limit group, as a change of tier
// does. What a bucket holds stays, if it fits.
func (s *Server) SetLimits(l Limits) error {
	if err := l.validate(); err != nil {
		return err
	}
	s.limitsMu.Lock()
	defer s.limitsMu.Unlock()
	s.limits = l
	now := s.now()
	s.groups.Range(func(_, g any) bool {
		g.(*group).change(l, now)
		return true
	})
	return nil
}

func (g *group) change(l Limits, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.requests.change(l.RPM, l.Burst, now)
	g.input.change(l.ITPM, l.Burst, now)
	g.output.change(l.OTPM, l.Burst, now)
}

// look returns the group's state without taking anything from it.
func (g *group) look(now time.Time) snapshot {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.snapshot(now)
}

func (g *group) snapshot(now time.Time) snapshot {
	for _, b := range []*bucket{&g.requests, &g.input, &g.output} {
		b.fill(now)
	}
	return snapshot{now: now, requests: g.requests, input: g.input, output: g.output}
}

// admit takes one request of so many input tokens from the buckets, or says
// which limit it would exceed. Output is settled later, so that only a bucket
// that is empty already refuses.
func (g *group) admit(now time.Time, input int, modelID string) (snapshot, *apiError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	snap := g.snapshot(now)
	for _, check := range []struct {
		bucket *bucket
		need   float64
		what   string
	}{
		{&g.requests, 1, "requests"},
		{&g.input, float64(input), "input tokens"},
		{&g.output, 1, "output tokens"},
	} {
		if wait := check.bucket.wait(check.need); wait > 0 {
			return snap, exceeded(check.bucket, check.what, modelID, wait)
		}
	}
	g.requests.level--
	g.input.level -= float64(input)
	return g.snapshot(now), nil
}

// settle takes the output tokens that were really made.
func (g *group) settle(now time.Time, output int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.output.fill(now)
	g.output.level -= float64(output)
}

// exceeded returns the 429 for a limit.
func exceeded(b *bucket, what, modelID string, wait time.Duration) *apiError {
	_, message := kindOf(http.StatusTooManyRequests)
	return &apiError{
		status: http.StatusTooManyRequests, kind: "rate_limit_error", retryAfter: wait,
		message: message[:len(message)-len(". Please try again later.")] + " of " +
			grouped(int(b.perMinute)) + " " + what + " per minute (model: " + modelID + "). Please try again later.",
	}
}

// grouped writes n with commas between thousands.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// setHeaders writes the anthropic-ratelimit headers. Those without a word for
// the kind of token tell of the tighter of the two limits on tokens.
func (snap *snapshot) setHeaders(h http.Header) {
	snap.setHeader(h, "Requests", &snap.requests, 1)
	snap.setHeader(h, "Input-Tokens", &snap.input, 1000)
	snap.setHeader(h, "Output-Tokens", &snap.output, 1000)
	tighter := &snap.input
	if snap.output.limited() && (!tighter.limited() ||
		snap.output.level/snap.output.perMinute < tighter.level/tighter.perMinute) {
		tighter = &snap.output
	}
	snap.setHeader(h, "Tokens", tighter, 1000)
}

// setHeader writes the three headers of one limit; what remains is rounded to
// a multiple of unit.
func (snap *snapshot) setHeader(h http.Header, name string, b *bucket, unit float64) {
	if !b.limited() {
		return
	}
	prefix := "Anthropic-Ratelimit-" + name + "-"
	remaining := math.Max(0, math.Round(math.Floor(b.level)/unit)*unit)
	h.Set(prefix+"Limit", strconv.Itoa(int(b.perMinute)))
	h.Set(prefix+"Remaining", strconv.Itoa(int(remaining)))
	full := snap.now.Add(b.wait(b.most))
	h.Set(prefix+"Reset", full.UTC().Add(time.Second-1).Truncate(time.Second).Format(time.RFC3339))
}
