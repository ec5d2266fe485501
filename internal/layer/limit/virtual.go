package limit

import (
	"math/rand/v2"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

// Virtual is the queue of one limit group in a time that its caller tells: the
// same scheduler that a [Limiter] drives by the clock. It is not safe for
// concurrent use.
type Virtual struct {
	s *scheduler
	x expectations
	// own is the state of a process that is alone on its key.
	own state
}

// NewVirtual returns a queue of at most n calls in flight; 0 means auto. seed
// decides the waits that are random.
func NewVirtual(n int, seed uint64) *Virtual {
	r := rand.New(rand.NewPCG(seed, seed))
	return &Virtual{s: newScheduler("virtual", n, r.Float64, false), x: expectations{}}
}

// Call is one attempt of a call in a [Virtual] queue.
type Call struct {
	ticket  ticket
	subject subject
	bytes   int
}

// Add puts an attempt of a call at the end of the queue: of an agent, to a
// model, of so many bytes and most output tokens. ready is called from
// [Virtual.Turn], once, when it may go.
func (v *Virtual) Add(now time.Time, agent, model string, bytes, maxTokens int, ready func()) *Call {
	c := &Call{subject: subject{agent, model}, bytes: bytes}
	c.ticket = ticket{background: true, ready: ready, need: v.x.expect(c.subject, bytes, maxTokens)}
	v.s.enqueue(now, &c.ticket)
	return c
}

// Turn lets calls go. It returns when to turn again if nothing else happens
// before; zero means never.
func (v *Virtual) Turn(now time.Time) time.Time {
	for {
		a, next := v.s.dispatch(now)
		if a == nil {
			return next
		}
		v.s.accept(now, v.own.trade(now, a))
	}
}

// Headers takes what the server says when it admits a call.
func (v *Virtual) Headers(c *Call, r *llm.Rates) { v.s.learn(&c.ticket, r, false) }

// End takes the end of an attempt: what it used, or why it failed.
func (v *Virtual) End(now time.Time, c *Call, used llm.Usage, failure *llm.Error) {
	if failure == nil {
		v.x.note(c.subject, c.bytes, used)
	}
	v.s.settle(now, &c.ticket, used, failure)
}

// InFlight is how many calls have got their leave and have not ended.
func (v *Virtual) InFlight() int { return v.s.inFlight }
