package limit

import (
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

// The three things that the API limits.
const (
	requests = iota
	input
	output
	kinds
)

// amounts are requests, input tokens and output tokens.
type amounts [kinds]float64

// bucket mirrors one token bucket of the server: what it holds, less all that
// was given to callers. Figures are requests or tokens, rates per minute.
//
// Alone on a key the mirror is exact, and callers may have whatever it holds.
// Where headers show that somebody else takes from the bucket too, a
// proportional-integral controller steers the reported level to a small stock,
// so that clients that cannot talk to each other find a joint rate.
type bucket struct {
	Limit float64 `json:"limit"` // 0: not known
	// Most is what the server's bucket can hold: between Floor, the most that
	// was seen in it, and Roof, the least that fits every reset.
	Floor float64 `json:"floor"`
	Roof  float64 `json:"roof"`
	Left  float64 `json:"left"`
	// Given is all that was ever given, Fixed the sum of all corrections that
	// headers have made.
	Given float64 `json:"given"`
	Fixed float64 `json:"fixed"`
	// Base is the controller's integral: a share of the limit.
	Base   float64 `json:"base"`
	Credit float64 `json:"credit"`
	// Others is the share of the limit that somebody else takes, Missing what
	// went to them since Since.
	Others  float64   `json:"others"`
	Missing float64   `json:"missing"`
	Since   time.Time `json:"since"`
	// Seen is when the call was sent whose headers are in hand, Steered when
	// the controller moved last.
	Seen    time.Time `json:"seen"`
	Steered time.Time `json:"steered"`
}

// The controller's figures were found in virtual time, see bench/.
const (
	gain     = 2.0  // of the level's distance from its goal, a minute
	integral = 0.03 // the same, a second
	stock    = 0.10 // share of the limit to keep in the bucket beside others
	alone    = 0.03 // a smaller share of others is noise
	suspect  = 0.10 // share of others to assume after a refusal
	fastest  = 60.0 // rate in limits, where nobody else is seen
	quantum  = 1000 // tokens are reported in thousands
)

func (b *bucket) known() bool    { return b.Limit > 0 }
func (b *bucket) most() float64  { return max(min(b.Roof, b.Limit), b.Floor, 1) }
func (b *bucket) shared() bool   { return b.Others > alone }
func (b *bucket) goal() float64  { return min(stock, 0.5*b.most()/b.Limit) }
func (b *bucket) above() float64 { return b.Left/b.Limit - b.goal() }

// rate is what may be given a second.
func (b *bucket) rate() float64 {
	share := fastest
	if b.shared() {
		share = min(max(b.Base+gain*b.above(), 0.02), 4)
	}
	return share * b.Limit / 60
}

// margin is what is never given: the mirror is a little late and rounded.
func (b *bucket) margin(kind int) float64 {
	m := 0.005 * b.Limit
	if b.shared() {
		m = 0.02 * b.Limit
	}
	if kind == requests {
		m = min(m, b.most()-1)
	} else {
		m += quantum / 2
	}
	return min(m, 0.1*b.most())
}

// pass lets time go by, while so much of what was given has not been counted
// by the server. Credit gathers for a second, or until it is enough for the
// largest need that waits.
func (b *bucket) pass(d time.Duration, pending, need float64) {
	if !b.known() || d <= 0 {
		return
	}
	gained := b.Limit * d.Minutes() * (1 - b.Others)
	b.Left = max(b.Left, min(b.Left+gained, b.most()-pending))
	b.Credit = max(b.Credit, min(b.Credit+d.Seconds()*b.rate(), max(b.rate(), need)))
}

// presume takes the bucket for full, as a server's is after a while without
// calls, whatever is remembered of it.
func (b *bucket) presume(pending, need float64) {
	if b.known() {
		b.Left = max(b.Left, b.most()-pending)
		b.Credit = max(b.Credit, need)
	}
}

// free is what may be given now. slack is how far below nothing the level may
// go, for what is given now is only taken later.
func (b *bucket) free(kind int, slack float64) float64 {
	return min(b.Credit, b.Left+slack-b.margin(kind))
}

// wait is how long until need may be given.
func (b *bucket) wait(kind int, need, slack float64) time.Duration {
	s := max((need-b.Credit)/b.rate(), (need+b.margin(kind)-slack-b.Left)*60/(b.Limit*max(1-b.Others, 0.05)))
	return time.Duration(min(max(s, 0.001), 60) * float64(time.Second))
}

// clamp makes a need satisfiable: what no bucket can ever hold is tried when
// it is full, and it is the server that refuses.
func (b *bucket) clamp(kind int, need float64) float64 {
	const whole = 1 - 1e-6 // sums of shares are not exact
	return min(need, (b.most()-b.margin(kind))*whole)
}

func (b *bucket) give(n float64) {
	b.Given += n
	b.Left -= n
	b.Credit -= n
}

// takeBack undoes what was given and not used.
func (b *bucket) takeBack(n float64) {
	b.Given -= n
	b.Left = min(b.Left+n, max(b.most(), b.Left))
	b.Credit += n
}

// correct replaces an expectation by the truth.
func (b *bucket) correct(more float64) {
	b.Given += more
	b.Left -= more
}

// outlook is what was thought of a bucket when a call was sent: what the
// server's bucket would hold, and Fixed at that time. Where no limit was known
// it is Given at that time.
type outlook struct {
	known               bool
	level, fixed, given float64
}

// learn takes the headers of a call that was sent at a time. Older pictures
// than the one in hand are no news.
func (b *bucket) learn(kind int, r llm.Rate, thought outlook, sent, now time.Time) {
	if !r.Known() {
		return
	}
	limit, left := float64(r.Limit), float64(r.Remaining)
	first := !b.known()
	if sent.Before(b.Seen) && !b.Seen.After(now) {
		return
	}
	if limit != b.Limit {
		b.resize(limit, sent)
	}
	b.bound(kind, r)
	// What was wrong then is still wrong, unless it was corrected since.
	fix := left - thought.level - (b.Fixed - thought.fixed)
	if !thought.known {
		fix = left - (b.Given - thought.given) - b.Left
	}
	again := sent.Equal(b.Seen)
	b.Seen = sent
	switch {
	case !first && again && fix <= 0:
		return // another one of the burst has shown more
	case thought.known:
		b.Left += fix
		b.Fixed += fix
		b.notice(kind, -fix, sent)
	case first || b.Fixed == 0:
		b.Left += fix
	}
	dt := min(max(now.Sub(b.Steered).Seconds(), 0), 5)
	b.Steered = now
	b.Base += integral * dt * b.above() / max(b.goal(), 0.01) * 0.5
	b.Base = min(max(b.Base, 0.05), 1)
}

// resize follows a change of tier.
func (b *bucket) resize(limit float64, at time.Time) {
	if b.Limit == 0 {
		b.Base, b.Credit, b.Steered = 1, limit/60, at
	}
	b.Limit = limit
	b.Floor, b.Roof = 0, limit
	b.Base = min(b.Base, 1)
	b.Credit = min(b.Credit, limit/60)
	b.Missing, b.Since = 0, at
}

// bound narrows what the bucket can hold.
func (b *bucket) bound(kind int, r llm.Rate) {
	left := float64(r.Remaining)
	b.Floor = max(b.Floor, left)
	if r.Full < 0 {
		return
	}
	roof := left + float64(r.Limit)*r.Full.Minutes()
	if kind != requests {
		roof += quantum / 2
	}
	b.Roof = min(b.Roof, max(roof, 1))
}

// notice adds what is missing in the bucket, and judges now and then whether
// somebody else takes it. A single step is too small to tell from rounding.
func (b *bucket) notice(kind int, missing float64, at time.Time) {
	if at.Before(b.Since) { // the clock was set back
		b.Missing, b.Since = 0, at
		return
	}
	b.Missing += missing
	window := at.Sub(b.Since)
	enough := 2.0
	if kind != requests {
		enough = 10 * quantum
	}
	if window < 2*time.Second || (window < 30*time.Second && b.Limit*window.Minutes() < enough) {
		return
	}
	seen := min(max(b.Others+b.Missing/(b.Limit*window.Minutes()), 0), 0.98)
	b.Others = 0.5*b.Others + 0.5*seen
	b.Missing, b.Since = 0, at
}

// refused takes note of a 429: the mirror was too bright.
func (b *bucket) refused() {
	if !b.known() || b.above() > 0 {
		return
	}
	b.Others = max(b.Others, suspect)
	b.Base = max(0.05, b.Base*0.8)
	b.Credit = 0
}
