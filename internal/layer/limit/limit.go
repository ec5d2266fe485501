// Package limit is the layer that waits: for the rate limits, which it learns
// from the headers of the API's answers, and before it makes a call again
// where that may help, for as long as the caller's deadline allows.
//
// It is the only place that waits or retries. Calls of one limit group queue
// up, first come, first served, interactive ones before those in the
// background. Three token buckets mirror the server's; processes on one key
// share them through [Shared]. Only errors that are marked retryable are met
// with another attempt; the wait is what the server asked for, else a random
// part of an exponentially growing bound (full jitter, as measured in the AWS
// Architecture Blog's "Exponential Backoff And Jitter" of 2015). A stream that
// breaks after its reader has seen text is followed by an event
// [llm.EventRestart] before the next attempt begins.
package limit

import (
	"context"
	"crypto/sha256"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

// DefaultAttempts is how many times a call is made at most, the first
// included.
const DefaultAttempts = 4

// The bounds of the wait before attempt n+1 are Base·2ⁿ⁻¹, at most Cap.
const (
	Base = 500 * time.Millisecond
	Cap  = 30 * time.Second
)

// Retry tells what failed and what is done about it.
type Retry struct {
	RunID   string
	Attempt int           // the attempt that failed, from 1
	Wait    time.Duration // until the next one, or a little more in a queue
	Err     *llm.Error
}

// Options configure the limiter. The zero value retries [DefaultAttempts]
// times and finds out how many calls at once are good.
type Options struct {
	// Attempts is the most attempts of a call; 0 means DefaultAttempts. In the
	// background a call may be tried more often while the API is overloaded,
	// for a little over a minute.
	Attempts int
	// Concurrency is the most calls in flight of each limit group; 0 means
	// auto: ten at first, then as many as the limits allow.
	Concurrency int
	// Group names the limit group of a model; nil means its id.
	Group func(model string) string
	// Shared is where processes on one key meet; nil means alone.
	Shared Shared
	// Account names the credential and where it is used: limits belong to it.
	Account [32]byte
	// Holder names this process among those that share.
	Holder string
	// Jitter returns a number in [0,1) and is safe for concurrent use; nil
	// means a random one.
	Jitter func() float64
	// OnRetry is told before each wait; nil tells nobody.
	OnRetry func(Retry)
	// Warn is told what is wrong with the shared state; nil tells nobody.
	Warn func(error)
}

// Limiter is the layer's state. It is safe for concurrent use; Close it.
type Limiter struct {
	Options
	mu     sync.Mutex
	gates  map[string]*gate
	flight flight
}

// New returns a limiter.
func New(o Options) *Limiter {
	if o.Attempts <= 0 {
		o.Attempts = DefaultAttempts
	}
	if o.Group == nil {
		o.Group = func(model string) string { return model }
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	if o.OnRetry == nil {
		o.OnRetry = func(Retry) {}
	}
	if o.Warn == nil {
		o.Warn = func(error) {}
	}
	return &Limiter{Options: o, gates: map[string]*gate{}}
}

// Layer returns the layer.
func (l *Limiter) Layer() llm.Layer {
	return func(next llm.Caller) llm.Caller { return &caller{l, next} }
}

// Close gives back what other processes may use. Calls must have ended.
func (l *Limiter) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range l.gates {
		g.close()
	}
}

// InFlight is how many calls have got their leave and have not ended.
func (l *Limiter) InFlight() int {
	n, _ := l.flight.look()
	return n
}

// Moved returns a channel that is closed when a call gets its leave or ends,
// after this moment.
func (l *Limiter) Moved() <-chan struct{} {
	_, moved := l.flight.look()
	return moved
}

// flight counts calls in flight for those who feed the limiter.
type flight struct {
	mu    sync.Mutex
	n     int
	moved chan struct{} // nil: nobody looks
}

func (f *flight) move(by int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n += by
	if f.moved != nil {
		close(f.moved)
		f.moved = nil
	}
}

func (f *flight) look() (int, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.moved == nil {
		f.moved = make(chan struct{})
	}
	return f.n, f.moved
}

// gate returns the gate of a model's limit group.
func (l *Limiter) gate(model string) *gate {
	group := l.Group(model)
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.gates[group]
	if g == nil {
		g = &gate{
			shared: l.Shared, warn: l.Warn, x: expectations{}, flight: &l.flight,
			key: sha256.Sum256(append(l.Account[:], group...)),
			s:   newScheduler(l.Holder, l.Concurrency, l.Jitter, l.Shared != nil),
		}
		l.gates[group] = g
	}
	return g
}

type caller struct {
	*Limiter
	next llm.Caller
}

// Call implements [llm.Caller]. The response's Attempts and Cost cover all
// attempts; the rest is the last one's.
func (c *caller) Call(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
	a := attempts{caller: c, gate: c.gate(req.Model), req: req, emit: emit, last: &llm.Response{}}
	for {
		resp, failure := a.try(ctx)
		if failure == nil {
			return resp, nil
		}
		if end := a.again(ctx, failure); end != nil {
			return resp, end
		}
		// A reader that had already shown the text leaves at the restart.
		if err := llm.ContextError(ctx); err != nil {
			return resp, err
		}
	}
}

// attempts are those of one call.
type attempts struct {
	*caller
	gate  *gate
	req   *llm.Request
	emit  func(llm.Event)
	made  int
	shown bool
	spent llm.Cost
	// waited is the time at the gate and between attempts.
	waited time.Duration
	last   *llm.Response
	fatal  bool // the last failure was not an attempt's
}

// try waits for leave and makes one attempt.
func (a *attempts) try(ctx context.Context) (*llm.Response, *llm.Error) {
	asked := time.Now()
	t, err := a.gate.enter(ctx, a.req)
	a.waited += time.Since(asked)
	a.last.Waited = a.waited
	if err != nil {
		a.fatal = true
		return a.last, llm.AsError(err)
	}
	if a.shown {
		a.shown = false
		a.emit(llm.Event{Kind: llm.EventRestart})
		if err := llm.ContextError(ctx); err != nil {
			a.fatal = true
			a.gate.leave(t, a.req, nil, err)
			return a.last, err
		}
	}
	ended := false
	defer func() {
		if !ended { // a panic goes through: the place must be free again
			a.gate.leave(t, a.req, nil, &llm.Error{Code: llm.CodeInternal})
		}
	}()
	resp, err := a.next.Call(ctx, a.req, func(e llm.Event) {
		if e.Kind == llm.EventRates {
			a.gate.learn(t, e.Rates)
			return
		}
		a.shown = a.shown || e.Kind == llm.EventText || e.Kind == llm.EventThinking
		a.emit(e)
	})
	failure := llm.AsError(err)
	ended = true
	a.gate.leave(t, a.req, resp, failure)
	if resp == nil {
		resp = &llm.Response{}
	}
	a.made++
	a.spent = a.spent.Add(resp.Cost)
	resp.Attempts, resp.Cost, resp.Waited = a.made, a.spent, a.waited
	a.last = resp
	return resp, failure
}

// again waits before another attempt, or returns the error with which the call
// ends.
func (a *attempts) again(ctx context.Context, failure *llm.Error) error {
	switch {
	case a.fatal, !failure.Retryable, ctx.Err() != nil:
		return failure
	case a.made >= a.Attempts && !a.gate.patient(a.req.Background), !a.req.Background && a.gate.vain():
		return failure
	}
	// For an API that has no room all calls wait, at the gate.
	alone := failure.Code != llm.CodeRateLimit && failure.Code != llm.CodeOverloaded
	wait := a.gate.pause()
	if alone {
		wait = a.wait(failure)
	}
	if deadline, ok := ctx.Deadline(); ok && wait >= time.Until(deadline) {
		return failure
	}
	a.OnRetry(Retry{RunID: a.req.RunID, Attempt: a.made, Wait: wait, Err: failure})
	if alone {
		a.waited += wait
		return llm.Sleep(ctx, wait)
	}
	return nil
}

// wait is the pause of this call alone.
func (a *attempts) wait(e *llm.Error) time.Duration {
	if e.HasRetryAfter {
		return e.RetryAfter
	}
	bound := min(Cap, Base<<min(a.made-1, 10))
	return time.Duration(a.Jitter() * float64(bound))
}
