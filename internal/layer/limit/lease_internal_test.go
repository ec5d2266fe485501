package limit

import (
	"strings"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

// sharing is a scheduler that shares a state which it knows already.
func sharing(now time.Time, s *state) *scheduler {
	sch := newScheduler("me", 2, func() float64 { return 0.5 }, true)
	sch.accept(now, s.trade(now, sch.ask(now, nil)))
	return sch
}

// waiting puts calls into the queue of a scheduler.
func waiting(s *scheduler, now time.Time, n int) (calls []*ticket, gone func() int) {
	left := 0
	for range n {
		t := &ticket{need: amounts{1}, ready: func() { left++ }}
		calls = append(calls, t)
		s.enqueue(now, t)
	}
	return calls, func() int { return left }
}

// step dispatches until the scheduler has nothing to ask, as a gate does.
func step(s *scheduler, st *state, now time.Time) {
	for range 10 {
		a, _ := s.dispatch(now)
		if a == nil {
			return
		}
		s.accept(now, st.trade(now, a))
	}
}

// A lease that nobody renewed has lapsed: what is left of it must not be used.
func TestLapsedLeaseIsNotUsed(t *testing.T) {
	now := noon()
	st := known(now, 60)
	now = now.Add(10 * time.Second)
	s := sharing(now, st)
	now = now.Add(time.Second)
	calls, gone := waiting(s, now, 10)
	step(s, st, now)
	if gone() != 2 {
		t.Fatalf("%d calls went, want the two that may be in flight", gone())
	}
	if s.lease[requests] == 0 {
		s.lease[requests] = 3 // as if more had been granted
		h := st.Holders["me"]
		h.Lease[requests] = 3
		st.Holders["me"] = h
	}
	now = now.Add(leaseTime + time.Second) // a long answer
	st.trade(now, wants("other", 100))     // takes what has lapsed
	s.settle(now, calls[0], llm.Usage{}, nil)
	if a, _ := s.dispatch(now); a == nil {
		t.Errorf("%d calls went by a lease that has lapsed", gone()-2)
	}
}

// What a refused call gives back is not used before the others were asked: the
// server has just said that it is not there.
func TestRefundIsNotUsedAtOnce(t *testing.T) {
	now := noon()
	st := known(now, 60)
	now = now.Add(10 * time.Second)
	s := sharing(now, st)
	now = now.Add(time.Second)
	calls, gone := waiting(s, now, 3)
	step(s, st, now)
	before := gone()
	if before != 2 {
		t.Fatalf("%d calls went, want 2", before)
	}
	s.lease = amounts{} // no more than what went was granted
	s.settle(now, calls[0], llm.Usage{}, &llm.Error{
		Code: llm.CodeRateLimit, RetryAfter: time.Second, HasRetryAfter: true,
		Rates: &llm.Rates{Requests: llm.Rate{Limit: 60, Remaining: 0, Full: time.Minute}},
	})
	now = now.Add(time.Second) // the pause is over
	if a, _ := s.dispatch(now); gone() != before || a == nil {
		t.Errorf("%d calls went by what a refused one gave back", gone()-before)
	}
}

// A pause that another process tells of does not follow the wall clock: one
// that is set back would make it last.
func TestPauseIsMeasuredByTheMonotonicClock(t *testing.T) {
	now := time.Now()
	st := &state{}
	st.trade(now, &ask{holder: "other", pausedFor: time.Minute})
	st = st.kept(t)
	s := sharing(now, st)
	if !now.Before(s.pausedUntil) {
		t.Fatal("not paused")
	}
	if !strings.Contains(s.pausedUntil.String(), "m=") {
		t.Errorf("paused until %v, which is no monotonic time", s.pausedUntil)
	}
}

// Calls that left the queue long ago are not remembered for ever.
func TestQueueForgetsThoseWhoLeft(t *testing.T) {
	now := noon()
	s := newScheduler("me", 1, func() float64 { return 0.5 }, false)
	s.accept(now, grant{})
	s.asked = now
	first, _ := waiting(s, now, 1)
	s.pause(now, time.Hour, &llm.Error{})
	for range 20_000 {
		calls, _ := waiting(s, now, 1)
		if !s.withdraw(calls[0]) {
			t.Fatal("a call that waits cannot leave")
		}
		s.dispatch(now)
	}
	if n := len(s.queues[0].tickets); n > 10_000 {
		t.Errorf("%d calls are remembered, one waits", n)
	}
	_ = first
}
