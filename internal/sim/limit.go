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

// Meter is the buckets that the models of one limit group share, full at
// first: how much of a minute's requests and tokens is left, and which call is
// one too many. A [Server] keeps one for each limit group; whoever forecasts
// what a server will say keeps its own. It has no clock: callers tell the time,
// which must not go back. It is safe for concurrent use.
type Meter struct {
	mu                      sync.Mutex
	requests, input, output bucket
}

// NewMeter returns a Meter whose buckets are full. A limit of 0 or less is
// none.
func NewMeter(l Limits, now time.Time) *Meter {
	return &Meter{
		requests: newBucket(l.RPM, l.Burst, now),
		input:    newBucket(l.ITPM, l.Burst, now),
		output:   newBucket(l.OTPM, l.Burst, now),
	}
}

// Look returns what the Meter shows, without taking anything from it.
func (m *Meter) Look(now time.Time) Reading {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.read(now)
}

func (m *Meter) read(now time.Time) Reading {
	for _, b := range []*bucket{&m.requests, &m.input, &m.output} {
		b.fill(now)
	}
	return Reading{now: now, requests: m.requests, input: m.input, output: m.output}
}

// Admit takes one request of so many input tokens (those that are not read
// from the prompt cache) from the buckets, or says which limit it would exceed
// and takes nothing. Output is settled later, so that only a bucket that is
// empty already refuses. The Reading is what the Meter shows afterwards.
func (m *Meter) Admit(now time.Time, input int) (Reading, *Refusal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	shown := m.read(now)
	for _, check := range []struct {
		bucket *bucket
		need   float64
		what   string
	}{
		{&m.requests, 1, "requests"},
		{&m.input, float64(input), "input tokens"},
		{&m.output, 1, "output tokens"},
	} {
		if wait := check.bucket.wait(check.need); wait > 0 {
			return shown, &Refusal{What: check.what, Limit: int(check.bucket.perMinute), Wait: wait}
		}
	}
	m.requests.level--
	m.input.level -= float64(input)
	return m.read(now), nil
}

// Settle takes the output tokens that were really made.
func (m *Meter) Settle(now time.Time, output int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.output.fill(now)
	m.output.level -= float64(output)
}

func (m *Meter) change(l Limits, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests.change(l.RPM, l.Burst, now)
	m.input.change(l.ITPM, l.Burst, now)
	m.output.change(l.OTPM, l.Burst, now)
}

// Refusal is a call that a [Meter] does not admit.
type Refusal struct {
	// What names the limit: "requests", "input tokens" or "output tokens".
	What string
	// Limit is what it gains in a minute.
	Limit int
	// Wait is how long it takes until the call would be admitted, more than 0.
	// A call that can never be is told to wait a minute.
	Wait time.Duration
}

// apiError is the 429 that the API answers a model's call with.
func (r *Refusal) apiError(modelID string) *apiError {
	_, message := kindOf(http.StatusTooManyRequests)
	return &apiError{
		status: http.StatusTooManyRequests, kind: "rate_limit_error", retryAfter: r.Wait,
		message: message[:len(message)-len(". Please try again later.")] + " of " +
			grouped(r.Limit) + " " + r.What + " per minute (model: " + modelID + "). Please try again later.",
	}
}

// meter returns the buckets of a limit group, full at first.
func (s *Server) meter(group string) *Meter {
	if m, ok := s.meters.Load(group); ok {
		return m.(*Meter)
	}
	s.limitsMu.Lock()
	defer s.limitsMu.Unlock()
	m, _ := s.meters.LoadOrStore(group, NewMeter(s.limits, s.now()))
	return m.(*Meter)
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
	s.meters.Range(func(_, m any) bool {
		m.(*Meter).change(l, now)
		return true
	})
	return nil
}

// grouped writes n with commas between thousands.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Reading is what a [Meter] showed at a moment, and the headers of an answer
// tell.
type Reading struct {
	now                     time.Time
	requests, input, output bucket
}

// Level is one limit of a [Reading], as precise as the headers are. The zero
// value is no limit.
type Level struct {
	// Limit is what the bucket gains in a minute.
	Limit int
	// Remaining is what it holds, tokens rounded to thousands; never below 0.
	Remaining int
	// Full is when it will be full, in UTC and rounded up to the second.
	Full time.Time
}

// tokenUnit is what remaining tokens are told in.
const tokenUnit = 1000

// Requests is the limit on message calls.
func (r *Reading) Requests() Level { return r.requests.show(r.now, 1) }

// Input is the limit on input tokens that are not read from the prompt cache.
func (r *Reading) Input() Level { return r.input.show(r.now, tokenUnit) }

// Output is the limit on output tokens.
func (r *Reading) Output() Level { return r.output.show(r.now, tokenUnit) }

// tokens is the tighter of the two limits on tokens.
func (r *Reading) tokens() Level {
	if r.output.limited() && (!r.input.limited() ||
		r.output.level/r.output.perMinute < r.input.level/r.input.perMinute) {
		return r.Output()
	}
	return r.Input()
}

// show is the level of a bucket that is filled up to now; what remains is
// rounded to a multiple of unit.
func (b *bucket) show(now time.Time, unit float64) Level {
	if !b.limited() {
		return Level{}
	}
	return Level{
		Limit:     int(b.perMinute),
		Remaining: int(math.Max(0, math.Round(math.Floor(b.level)/unit)*unit)),
		Full:      now.Add(b.wait(b.most)).UTC().Add(time.Second - 1).Truncate(time.Second),
	}
}

// setHeaders writes the anthropic-ratelimit headers. Those without a word for
// the kind of token tell of the tighter of the two limits on tokens.
func (r *Reading) setHeaders(h http.Header) {
	r.Requests().setHeaders(h, "Requests")
	r.Input().setHeaders(h, "Input-Tokens")
	r.Output().setHeaders(h, "Output-Tokens")
	r.tokens().setHeaders(h, "Tokens")
}

// setHeaders writes the three headers of one limit.
func (l Level) setHeaders(h http.Header, name string) {
	if l.Limit == 0 {
		return
	}
	prefix := "Anthropic-Ratelimit-" + name + "-"
	h.Set(prefix+"Limit", strconv.Itoa(l.Limit))
	h.Set(prefix+"Remaining", strconv.Itoa(l.Remaining))
	h.Set(prefix+"Reset", l.Full.Format(time.RFC3339))
}
