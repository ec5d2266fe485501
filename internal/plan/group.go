package plan

import (
	"time"

	"github.com/claude-force/claude-force/internal/layer/limit"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/sim"
)

// group is a limit group: the queue of this process before it, the buckets of
// the API behind.
type group struct {
	queue  *limit.Virtual
	meter  *sim.Meter
	limits sim.Limits
	// waiting is how many attempts are in the queue.
	waiting int
	// dirty says that the queue must be turned, wake when it next asks for it
	// (0: never).
	dirty bool
	wake  time.Duration

	// state is what the queue waits for, since a time; limited sums up how
	// long that was a limit.
	state   state
	since   time.Duration
	limited time.Duration
	// first and last are the first and the last time that a call came or went.
	first, last time.Duration
	// taken is what calls took of each limit, in the order of bounds, refused
	// how many met it.
	taken, refused [len(bounds)]int64
}

// state is what the queue of a group waits for.
type state uint8

const (
	free    state = iota // nothing: it is empty
	limited              // a rate limit
	crowded              // one of the calls in flight to end
	states
)

// become notes a change of state.
func (g *group) become(s state, now time.Duration) {
	if g.state == limited {
		g.limited += now - g.since
	}
	g.state, g.since = s, now
}

// bounds are the limits of a group.
var bounds = [...]Bound{BoundRequests, BoundInput, BoundOutput}

// refuse counts an attempt that met a limit, which the API names as we do.
func (g *group) refuse(r *sim.Refusal) {
	for i, b := range bounds {
		if string(b) == r.What {
			g.refused[i]++
		}
	}
}

// tightest is the limit of which the largest share was used, and that share:
// what a bucket holds at first can be used as well as what it gains. Where
// nothing was used it is the one that refused most.
func (g *group) tightest() (Bound, float64) {
	minutes := 1 + (g.last - g.first).Minutes()
	best, most := 0, -1.0
	for i, limit := range [...]int{g.limits.RPM, g.limits.ITPM, g.limits.OTPM} {
		if limit <= 0 {
			continue
		}
		used := float64(g.taken[i]) / (float64(limit) * minutes)
		if used > most || (used == most && g.refused[i] > g.refused[best]) {
			best, most = i, used
		}
	}
	return bounds[best], max(most, 0)
}

// ratesOf are the rate limits as a client reads them from the headers of an
// answer to a call that was sent at a time.
func ratesOf(r *sim.Reading, sent time.Time) llm.Rates {
	return llm.Rates{
		Requests: rateOf(r.Requests(), sent),
		Input:    rateOf(r.Input(), sent),
		Output:   rateOf(r.Output(), sent),
	}
}

func rateOf(l sim.Level, sent time.Time) llm.Rate {
	if l.Limit == 0 {
		return llm.Rate{}
	}
	return llm.Rate{Limit: int64(l.Limit), Remaining: int64(l.Remaining), Full: l.Full.Sub(sent)}
}

// refusalOf is the error that a client makes of a 429: the wait is in whole
// seconds.
func refusalOf(r *sim.Refusal, rates *llm.Rates) *llm.Error {
	return &llm.Error{
		Code: llm.CodeRateLimit, Status: 429, Retryable: true, Rates: rates,
		RetryAfter: (r.Wait + time.Second - 1).Truncate(time.Second), HasRetryAfter: true,
	}
}
