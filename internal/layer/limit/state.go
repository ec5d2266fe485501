package limit

import (
	"cmp"
	"math"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

// Times of the joint state.
const (
	// leaseTime is how long a lease lasts that its holder does not renew: what
	// is left of it then returns.
	leaseTime = 5 * time.Second
	// flightTime is how long calls in flight are believed to be, after the
	// last word from their holder.
	flightTime = time.Minute
	// claimTime is how long one who waits is remembered, after its last word.
	// It is more than the longest time between two asks.
	claimTime = 2*horizon + time.Second
	// newsTime is how long what headers said is believed where it forbids to
	// call: only a call brings news.
	newsTime = 2 * time.Minute
	// longestShared bounds how long one process can keep the others waiting.
	longestShared = 15 * time.Second
)

// stateVersion changes when the meaning of a kept state does.
const stateVersion = 1

// state is what all processes on one key know of one limit group.
type state struct {
	Version int               `json:"version"`
	At      time.Time         `json:"at"`
	Buckets [kinds]bucket     `json:"buckets"`
	Holders map[string]holder `json:"holders,omitempty"`
	// PausedAt and PausedFor say when the server asked to wait, and how long:
	// a clock that was set back ends the pause.
	PausedAt  time.Time     `json:"paused_at,omitzero"`
	PausedFor time.Duration `json:"paused_for,omitempty"`
	// Took is how long an answer takes, from being sent to its end.
	Took time.Duration `json:"took"`
}

// holder is one process.
type holder struct {
	Lease amounts   `json:"lease"` // given and, as far as is known, unused
	Heard time.Time `json:"heard"`
	// Flight is the expected output of its calls in flight.
	Flight float64 `json:"flight"`
	// Claim is what its next call needs, since Waits.
	Claim amounts   `json:"claim"`
	Waits time.Time `json:"waits,omitzero"`
}

// sighting is what headers said, and when the call was sent that they answer.
type sighting struct {
	rates   llm.Rates
	thought [kinds]outlook
	sent    time.Time
	refused bool
}

// tells reports whether a sighting says more than an earlier one: it is newer,
// or of the same burst and shows more, which means that it saw less of the
// burst itself.
func (s *sighting) tells(than *sighting) bool {
	if !s.sent.Equal(than.sent) {
		return s.sent.After(than.sent)
	}
	return s.rates.Requests.Remaining > than.rates.Requests.Remaining || s.rates.Input.Remaining > than.rates.Input.Remaining
}

// ask is one process's report and wish.
type ask struct {
	holder string
	// back is what the last lease has left; corrected is by how much output
	// differed from its expectation, flight the expected output of calls in
	// flight.
	back      amounts
	corrected float64
	flight    float64
	took      time.Duration
	seen      *sighting
	pausedFor time.Duration
	// need is what the next call takes (zero: nobody waits), want what would
	// be welcome.
	need, want amounts
}

// grant is the answer to an ask.
type grant struct {
	lease amounts
	// view is what is known of each bucket afterwards.
	view [kinds]view
	// paused is how long the server asked to wait, from now.
	paused time.Duration
	// wait is how long until another ask makes sense, where the need was not
	// met.
	wait time.Duration
	// scarce says that not all was given that was wanted.
	scarce bool
}

// view is one bucket as a process sees it between two trades.
type view struct {
	// cap is the most that one call can have; 0: no limit is known.
	cap float64
	// level is what the server's bucket holds if the others use their leases,
	// rate what it gains a second, up to most.
	level, rate, most float64
	fixed, given      float64
}

// trade brings the state up to now, takes the report and grants what may be
// granted.
func (s *state) trade(now time.Time, a *ask) grant {
	s.begin(now, a)
	me := s.holder(now, a)
	if a.seen != nil {
		s.learn(now, a.seen)
	}
	if d := min(a.pausedFor, longestShared); d > s.paused(now) {
		s.PausedAt, s.PausedFor = now, d
	}
	g := grant{paused: s.paused(now)}
	if a.need == (amounts{}) {
		me.Claim, me.Waits = amounts{}, time.Time{}
	} else {
		s.grant(now, a, &me, &g)
	}
	s.Holders[a.holder] = me
	for i := range s.Buckets {
		g.view[i] = s.view(i, me.Lease[i])
	}
	return g
}

// paused is how long the pause still lasts.
func (s *state) paused(now time.Time) time.Duration {
	in := now.Sub(s.PausedAt)
	if in < 0 {
		return 0
	}
	return max(min(s.PausedFor, longestShared)-in, 0)
}

func (s *state) view(kind int, lease float64) view {
	b := &s.Buckets[kind]
	v := view{given: b.Given, fixed: b.Fixed}
	if !b.known() {
		return v
	}
	v.cap, v.most = b.clamp(kind, math.Inf(1)), b.most()
	v.rate = b.Limit / 60 * (1 - b.Others)
	v.level = b.Left + lease
	if kind == output { // it is all still to be made
		v.level = b.Left + s.pending()[output]
	}
	return v
}

// begin lets the time pass and buries the dead.
func (s *state) begin(now time.Time, a *ask) {
	if s.Version != stateVersion || !s.sane() {
		*s = state{Version: stateVersion}
	}
	if s.Holders == nil {
		s.Holders = map[string]holder{}
	}
	passed := now.Sub(s.At)
	if s.At.IsZero() || passed < 0 {
		passed = 0
	}
	s.At = now
	for id, h := range s.Holders {
		silent := now.Sub(h.Heard).Abs() // a clock set back counts as silence
		if id == a.holder || silent < leaseTime {
			continue
		}
		s.takeBack(h.Lease)
		h.Lease, h.Claim, h.Waits = amounts{}, amounts{}, time.Time{}
		s.Holders[id] = h
		if silent >= flightTime {
			delete(s.Holders, id)
		}
	}
	pending := s.pending()
	for i := range s.Buckets {
		need := a.need[i]
		for _, h := range s.Holders {
			need = max(need, h.Claim[i])
		}
		b := &s.Buckets[i]
		b.pass(passed, pending[i], need)
		if now.Sub(b.Seen).Abs() > newsTime {
			b.presume(pending[i], need)
		}
	}
}

// sane reports whether this is a state that a trade can have left.
func (s *state) sane() bool {
	const most = 1e15 // of requests or tokens
	ok := s.Took >= 0 && s.Took < 24*time.Hour
	for i := range s.Buckets {
		b := &s.Buckets[i]
		ok = ok && b.Limit >= 0 && b.Others >= 0 && b.Others <= 1 && b.Base >= 0 && b.Base <= 1
		for _, x := range []float64{b.Limit, b.Floor, b.Roof, b.Left, b.Given, b.Fixed, b.Credit, b.Missing} {
			ok = ok && math.Abs(x) < most
		}
	}
	for _, h := range s.Holders {
		ok = ok && math.Abs(h.Flight) < most
		for i := range h.Lease {
			ok = ok && h.Lease[i] >= 0 && h.Lease[i] < most && h.Claim[i] >= 0 && h.Claim[i] < most
		}
	}
	return ok
}

// holder settles what the asking process reports.
func (s *state) holder(now time.Time, a *ask) holder {
	me := s.Holders[a.holder]
	for i := range a.back {
		// A lease that had lapsed is back already.
		s.Buckets[i].takeBack(min(a.back[i], me.Lease[i]))
	}
	s.Buckets[output].correct(a.corrected)
	if a.took > 0 {
		s.Took += (a.took - s.Took) / 4
	}
	me.Lease, me.Heard, me.Flight = amounts{}, now, a.flight
	s.Holders[a.holder] = me
	return me
}

func (s *state) takeBack(lease amounts) {
	for i := range lease {
		s.Buckets[i].takeBack(lease[i])
	}
}

func (s *state) learn(now time.Time, seen *sighting) {
	for i, r := range []llm.Rate{seen.rates.Requests, seen.rates.Input, seen.rates.Output} {
		b := &s.Buckets[i]
		b.learn(i, r, seen.thought[i], seen.sent, now)
		if seen.refused {
			b.refused()
		}
	}
}

// pending is what was given and is not counted by the server yet: leases, and
// the expected output of calls in flight.
func (s *state) pending() amounts {
	var sum amounts
	for _, h := range s.Holders {
		for i := range sum {
			sum[i] += h.Lease[i]
		}
		sum[output] += h.Flight
	}
	return sum
}

// slack is how far output may be promised beyond what the bucket holds: it is
// only taken while answers are made, and the bucket fills meanwhile. Half of
// that leaves room for servers that count as they go.
func (s *state) slack(kind int) float64 {
	if kind != output {
		return 0
	}
	return 0.5 * s.Buckets[output].Limit * min(s.Took, 10*time.Minute).Minutes()
}

// grant gives the asking process what it wants, as far as there is enough for
// its need and for those who have waited longer.
func (s *state) grant(now time.Time, a *ask, me *holder, g *grant) {
	others, claims := s.rivals(now, a.holder, me)
	var room amounts
	for i := range s.Buckets {
		b := &s.Buckets[i]
		if !b.known() {
			continue
		}
		need := b.clamp(i, a.need[i])
		room[i] = b.free(i, s.slack(i)) - claims[i]
		if room[i] < need {
			g.wait = max(g.wait, b.wait(i, need+claims[i], s.slack(i)))
		}
	}
	if g.wait > 0 {
		if me.Waits.IsZero() {
			me.Waits = now
		}
		me.Claim, g.scarce = a.need, true
		return
	}
	defer func() { me.Lease = g.lease }()
	me.Claim, me.Waits = amounts{}, time.Time{}
	for i := range s.Buckets {
		b := &s.Buckets[i]
		if !b.known() {
			continue
		}
		need := b.clamp(i, a.need[i])
		g.lease[i] = max(need, min(a.want[i], room[i]/float64(1+others)))
		g.scarce = g.scarce || g.lease[i] < a.want[i]
		b.give(g.lease[i])
	}
}

// rivals are the others that are at work, and what is theirs: the claims of
// those who have waited longer, and as a reserve half of all leases, for it is
// not known which of them headers have counted.
func (s *state) rivals(now time.Time, id string, me *holder) (n int, claims amounts) {
	for other, h := range s.Holders {
		if other == id || now.Sub(h.Heard) > claimTime {
			continue
		}
		n++
		for i := range claims {
			claims[i] += h.Lease[i] / 2
		}
		if h.Waits.IsZero() || (!me.Waits.IsZero() && cmp.Or(me.Waits.Compare(h.Waits), cmp.Compare(id, other)) < 0) {
			continue
		}
		for i := range claims {
			claims[i] += s.Buckets[i].clamp(i, h.Claim[i])
		}
	}
	return n, claims
}
