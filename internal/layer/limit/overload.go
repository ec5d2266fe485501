package limit

import (
	"fmt"
	"slices"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

// limitedBy follows a 429.
func (s *scheduler) limitedBy(now time.Time, t *ticket, e *llm.Error) {
	if !e.Rates.Known() || e.Reason == llm.ReasonRamp || e.RetryAfter <= 0 {
		s.overloaded(now, t, e)
		return
	}
	if s.failing.IsZero() {
		s.failing = now
	}
	s.pause(now, e.RetryAfter, e)
	s.window.calm()
}

// overloaded follows an API that has no room: all calls wait a moment, which
// grows with each round that fails.
func (s *scheduler) overloaded(now time.Time, t *ticket, e *llm.Error) {
	if s.window.cut(t.epoch) {
		s.rounds++
	}
	if s.failing.IsZero() {
		s.failing = now
	}
	wait := time.Duration(s.jitter() * float64(min(longestPause, Base<<min(max(s.rounds, 1)-1, 10))))
	if e.HasRetryAfter && (e.RetryAfter > wait || s.rounds <= 1) {
		wait = e.RetryAfter // "at once" is believed once
	}
	s.pause(now, wait, e)
}

// pause keeps all calls of the group back.
func (s *scheduler) pause(now time.Time, d time.Duration, e *llm.Error) {
	if until := now.Add(d); until.After(s.pausedUntil) {
		s.pausedUntil, s.pausedBy = until, e
		if e.HasRetryAfter {
			s.pausedFor = max(s.pausedFor, d)
		}
	}
}

// late reports whether the pause lasts longer than a deadline.
func (s *scheduler) late(deadline time.Time) bool {
	return !deadline.IsZero() && s.pausedUntil.After(deadline)
}

// vain reports whether an overload has lasted for so long that no person shall
// wait for its end.
func (s *scheduler) vain(now time.Time) bool {
	return s.rounds > 0 && !s.failing.IsZero() && now.Sub(s.failing) >= patience
}

// dismiss lets those go with an error who wait in vain: the pause is longer
// than their deadline, or, unless they are in the background, the overload has
// lasted too long. e is the last failure, or nil.
func (s *scheduler) dismiss(now time.Time, e *llm.Error) {
	vain := s.vain(now) && e != nil
	if !vain && !now.Before(s.pausedUntil) {
		return
	}
	for i := range s.queues {
		q := &s.queues[i]
		for _, t := range slices.Clone(q.tickets[q.first:]) { // it shrinks
			switch {
			case t.gone:
				continue
			case vain && !t.background:
				t.dismissed = e
			case s.late(t.deadline):
				t.dismissed = s.tooLate(now)
			default:
				continue
			}
			s.withdraw(t)
			t.ready()
		}
	}
}

// tooLate is the error of a call whose deadline comes before the end of the
// pause.
func (s *scheduler) tooLate(now time.Time) *llm.Error {
	if s.pausedBy != nil {
		return s.pausedBy
	}
	return &llm.Error{
		Code: llm.CodeRateLimit, Retryable: true,
		Message: fmt.Sprintf("the API asked to wait for another %s, which is beyond the deadline", s.pausedUntil.Sub(now).Round(time.Second)),
		Hint:    "try again later, or allow more time with --timeout",
	}
}

// patient reports whether a call in the background shall outlast the present
// overload.
func (s *scheduler) patient(now time.Time, background bool) bool {
	return background && !s.failing.IsZero() && now.Sub(s.failing) < patience
}
