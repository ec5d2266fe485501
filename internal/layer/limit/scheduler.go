package limit

import (
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

// Times of a scheduler whose state is shared.
const (
	// horizon is how long a lease shall last.
	horizon = time.Second
	// askGap is the least time between two asks, so that no call waits for a
	// write of its own.
	askGap = 100 * time.Millisecond
	// heartbeat tells the others that calls are still in flight.
	heartbeat = 20 * time.Second
	// patience is how long calls in the background outlast an overload,
	// whatever their number of attempts.
	patience = 75 * time.Second
	// longestPause bounds the wait between two tries of an overloaded API.
	longestPause = 15 * time.Second
	// turn is how many interactive calls go ahead of one in the background.
	turn = 4
	// burstTime is how close calls are of which one may overtake the other.
	burstTime = 10 * time.Millisecond
	// mostOutput is more tokens than any answer has.
	mostOutput = 1 << 20
	// foresight is how many waiting calls an ask speaks for.
	foresight = 256
)

// ticket is one call's place in the queue, then its leave to go.
type ticket struct {
	need       amounts
	background bool
	deadline   time.Time // zero: none
	ready      func()    // called once, when the call may go or is dismissed

	dismissed *llm.Error // why it need not wait any longer
	gone      bool       // left the queue, or was served
	thought   [kinds]outlook
	sent      time.Time
	met       time.Time // when its burst began
	epoch     int
	counted   bool // the window has taken note of it
	settled   bool
}

// scheduler decides when each call of one limit group may go. It has no clock,
// no goroutine and no lock: whoever drives it tells the time and makes the
// trades that it asks for. So it serves real time and virtual time alike.
type scheduler struct {
	id     string
	jitter func() float64
	// far says that trades are dear, so that a lease shall last a while.
	far bool

	queues [2]queue // interactive, background
	streak int      // interactive calls since the last one in the background
	window window

	inFlight int
	lease    amounts
	view     [kinds]view
	viewed   time.Time
	sent     amounts // since then
	flight   float64 // expected output of calls in flight
	// burst is what was sent since burstAt, almost at once: the server may
	// have met these calls in any order.
	burst   amounts
	burstAt time.Time
	// What happened since the last ask.
	corrected, doneSince float64
	used                 amounts
	refund               amounts // of calls that were not admitted
	took                 time.Duration
	seen                 *sighting
	pausedFor            time.Duration

	pausedUntil time.Time
	pausedBy    *llm.Error
	// rounds counts overloads since the last success, which was at good;
	// failing is their first.
	rounds        int
	failing, good time.Time

	asking   bool
	asked    time.Time // the last ask
	rested   bool      // there was none for a while before it
	askAfter time.Time
	touched  time.Time // the last call that came or went
}

// newScheduler returns a scheduler of at most n calls in flight; 0 means auto.
func newScheduler(id string, n int, jitter func() float64, far bool) *scheduler {
	return &scheduler{id: id, jitter: jitter, far: far, window: newWindow(n)}
}

// enqueue puts a call at the end of its queue.
func (s *scheduler) enqueue(now time.Time, t *ticket) {
	if now.Sub(s.touched) > patience {
		s.rounds, s.failing = 0, time.Time{} // nobody has tried for long
	}
	s.touched = now
	s.queues[class(t.background)].push(t)
}

// withdraw takes a call out of its queue. It reports false where the call has
// got its leave already.
func (s *scheduler) withdraw(t *ticket) bool {
	if t.gone {
		return false
	}
	t.gone = true
	s.queues[class(t.background)].leave()
	return true
}

// limited reports whether limits are known.
func (s *scheduler) limited() bool {
	for i := range s.view {
		if s.view[i].cap > 0 {
			return true
		}
	}
	return false
}

// next is the queue whose turn it is.
func (s *scheduler) next() *queue {
	first, second := &s.queues[0], &s.queues[1]
	if first.length == 0 || (s.streak >= turn && second.length > 0) {
		return second
	}
	return first
}

// dispatch lets calls go until one must wait. It returns an ask to be traded
// and accepted, or when to dispatch again (zero: after the next event).
func (s *scheduler) dispatch(now time.Time) (*ask, time.Time) {
	for {
		q := s.next()
		t := q.head()
		switch {
		case t == nil:
			return s.idle(now)
		case now.Before(s.pausedUntil):
			return s.report(now, s.pausedUntil, nil)
		case !s.window.open(s.inFlight):
			return s.report(now, time.Time{}, t)
		case s.mustAsk(now, t):
			if s.asking {
				return nil, time.Time{}
			}
			if now.Before(s.askAfter) {
				return nil, s.askAfter
			}
			return s.ask(now, t), time.Time{}
		}
		q.pop()
		s.letGo(now, t)
	}
}

// mustAsk reports whether a call needs more than there is.
func (s *scheduler) mustAsk(now time.Time, t *ticket) bool {
	if s.asked.IsZero() {
		return true // what do others know?
	}
	if s.far && s.holds() && now.Sub(s.asked) >= leaseTime {
		return true // the lease has lapsed
	}
	for i := range s.lease {
		if s.view[i].cap > 0 && s.lease[i] < s.clamp(i, t.need[i]) {
			return true
		}
	}
	// Limits that have just shown themselves are asked for at once, and
	// nobody goes before the answer.
	return !s.limited() && (s.seen != nil || s.asking)
}

func (s *scheduler) clamp(kind int, need float64) float64 {
	if most := s.view[kind].cap; most > 0 {
		return min(need, most)
	}
	return need
}

func (s *scheduler) letGo(now time.Time, t *ticket) {
	t.gone = true
	if now.Sub(s.burstAt) > burstTime {
		s.burst, s.burstAt = amounts{}, now
	}
	if t.background {
		s.streak = 0
	} else {
		s.streak++
	}
	for i := range t.need {
		t.need[i] = s.clamp(i, t.need[i])
		// Where no limit is known the lease becomes a debt, so that what was
		// sent before the first headers came is known when they come.
		s.lease[i] -= t.need[i]
		s.used[i] += t.need[i]
		s.sent[i] += t.need[i]
		t.thought[i] = s.think(now, i)
		if i != output { // as if it were the first of its burst
			t.thought[i].level += s.burst[i]
			t.thought[i].given -= s.burst[i]
			s.burst[i] += t.need[i]
		}
	}
	s.inFlight++
	s.flight += t.need[output]
	t.sent, t.epoch, t.met = now, s.window.epoch, s.burstAt
	s.touched = now
	t.ready()
}

// think is what a bucket is thought to hold after what was sent.
func (s *scheduler) think(now time.Time, kind int) outlook {
	v := &s.view[kind]
	if v.cap == 0 {
		return outlook{given: v.given - s.lease[kind] - s.refund[kind]}
	}
	gone := s.sent[kind]
	if kind == output {
		gone = s.doneSince
	}
	level := min(v.level+v.rate*max(now.Sub(s.viewed).Seconds(), 0), v.most) - gone
	return outlook{known: true, level: level, fixed: v.fixed}
}

// idle is what is done while nobody waits: what others may use goes back.
func (s *scheduler) idle(now time.Time) (*ask, time.Time) {
	if !s.far {
		return s.report(now, time.Time{}, nil)
	}
	due := time.Time{}
	switch {
	case s.seen != nil || s.corrected != 0 || s.pausedFor > 0 || s.holds():
		due = s.touched.Add(horizon)
	case s.inFlight > 0:
		due = s.asked.Add(heartbeat)
	}
	switch {
	case due.IsZero() || s.asking:
		return nil, time.Time{}
	case now.Before(due):
		return nil, due
	}
	return s.ask(now, nil), time.Time{}
}

// report passes on what was seen, at once where that is cheap, and asks for
// what t will need; t may be nil.
func (s *scheduler) report(now, next time.Time, t *ticket) (*ask, time.Time) {
	if s.asking || (s.seen == nil && s.pausedFor == 0) {
		return nil, next
	}
	if due := s.asked.Add(horizon); s.far && s.limited() && now.Before(due) {
		if next.IsZero() || due.Before(next) {
			next = due
		}
		return nil, next
	}
	return s.ask(now, t), next
}

func (s *scheduler) holds() bool {
	for i := range s.lease {
		if s.view[i].cap > 0 && s.lease[i] > 0 {
			return true
		}
	}
	return false
}

// ask reports what happened, hands back the lease, and asks for what t and
// those behind it need; t may be nil.
func (s *scheduler) ask(now time.Time, t *ticket) *ask {
	a := &ask{
		holder: s.id, back: s.lease, corrected: s.corrected, flight: s.flight,
		took: s.took, seen: s.seen, pausedFor: s.pausedFor,
	}
	for i := range a.back {
		a.back[i] += s.refund[i]
	}
	if t != nil {
		for i := range t.need {
			a.need[i] = s.clamp(i, t.need[i])
		}
		a.want = a.need
		if s.far {
			a.want = s.wish(now, a.need)
		}
	}
	s.lease, s.used, s.refund = amounts{}, amounts{}, amounts{}
	s.corrected, s.doneSince, s.took, s.seen, s.pausedFor = 0, 0, 0, nil, 0
	s.asking, s.rested, s.asked = true, now.Sub(s.asked) > horizon, now
	return a
}

// wish is enough for those who wait and find room in the window, or for a
// while at the present pace. More would lie idle, and mislead the others.
func (s *scheduler) wish(now time.Time, need amounts) amounts {
	var queued amounts
	left := max(min(foresight, int(s.window.size)-s.inFlight), 1)
	for i := range s.queues {
		left -= s.queues[i].sum(&queued, left)
	}
	since := max(now.Sub(s.asked), askGap)
	for i := range need {
		pace := s.used[i] * float64(horizon) / float64(since)
		need[i] = max(need[i], queued[i], pace)
	}
	return need
}

// accept takes the answer to the last ask.
func (s *scheduler) accept(now time.Time, g grant) {
	s.asking = false
	for i := range s.lease {
		s.lease[i] += g.lease[i]
	}
	s.view, s.viewed, s.sent = g.view, now, amounts{}
	// What this process has told itself comes back a moment later.
	if until := now.Add(g.paused); g.paused > 0 && until.After(s.pausedUntil.Add(askGap)) {
		s.pausedUntil, s.pausedBy = until, nil
		s.dismiss(now, nil)
	}
	wait := g.wait
	switch {
	case s.far && g.scarce:
		wait = min(max(wait, horizon/2), 2*horizon)
	case s.far && s.rested: // others may have come meanwhile
	case s.far:
		wait = askGap
	}
	s.askAfter = now.Add(wait)
}

// learn takes the headers of a call.
func (s *scheduler) learn(t *ticket, rates *llm.Rates, refused bool) {
	if !rates.Known() {
		return
	}
	if !refused && !t.counted {
		t.counted = true
		s.window.grow(s.inFlight, true)
	}
	thought := t.thought
	if refused { // it took nothing
		for _, i := range []int{requests, input} {
			thought[i].level += t.need[i]
			thought[i].given -= t.need[i]
		}
	}
	seen := &sighting{rates: *rates, thought: thought, sent: t.met, refused: refused}
	if s.seen == nil || seen.tells(s.seen) {
		s.seen = seen
	}
}

// settle takes the end of a call: what it used, or why it failed.
func (s *scheduler) settle(now time.Time, t *ticket, used llm.Usage, failure *llm.Error) {
	if t.settled {
		return
	}
	t.settled = true
	s.touched = now
	s.inFlight--
	s.flight -= t.need[output]
	limits := failure != nil && (failure.Code == llm.CodeRateLimit || failure.Code == llm.CodeSpendLimit)
	if failure != nil {
		s.learn(t, failure.Rates, limits)
	}
	if limits {
		for i := range s.refund {
			s.refund[i] += t.need[i] // it was not admitted
		}
	} else {
		made := min(max(float64(used.Output), 0), mostOutput)
		s.corrected += made - t.need[output]
		s.doneSince += made
	}
	switch {
	case failure == nil:
		s.took = now.Sub(t.sent)
		s.rounds, s.failing, s.good = 0, time.Time{}, now
		if !t.counted {
			s.window.grow(s.inFlight+1, false)
		}
	case failure.Code == llm.CodeRateLimit:
		s.limitedBy(now, t, failure)
	case failure.Code == llm.CodeOverloaded:
		s.overloaded(now, t, failure)
	case failure.Code == llm.CodeConnection && !s.good.After(t.sent):
		// Nobody gets through: the network is down, or the API is.
		s.overloaded(now, t, failure)
	}
	if failure != nil {
		s.dismiss(now, failure)
	}
}
