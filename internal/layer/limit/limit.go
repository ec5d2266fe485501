// Package limit is the layer that waits: it makes a call again where that may
// help, for as long as the caller's deadline allows.
//
// It is the only place that retries. Only errors that are marked retryable
// are met with another attempt; the wait is what the server asked for, else a
// random part of an exponentially growing bound (full jitter, as measured in
// the AWS Architecture Blog's "Exponential Backoff And Jitter" of 2015). A
// stream that breaks after its reader has seen text is followed by an event
// [llm.EventRestart] before the next attempt begins.
package limit

import (
	"context"
	"math/rand/v2"
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
	Wait    time.Duration // until the next one
	Err     *llm.Error
}

// Options configure the layer. The zero value retries [DefaultAttempts] times.
type Options struct {
	// Attempts is the most attempts of a call; 0 means DefaultAttempts.
	Attempts int
	// Jitter returns a number in [0,1) and is safe for concurrent use; nil
	// means a random one.
	Jitter func() float64
	// OnRetry is told before each wait; nil tells nobody.
	OnRetry func(Retry)
}

// Layer returns the layer.
func Layer(o Options) llm.Layer {
	if o.Attempts <= 0 {
		o.Attempts = DefaultAttempts
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	if o.OnRetry == nil {
		o.OnRetry = func(Retry) {}
	}
	return func(next llm.Caller) llm.Caller { return &caller{o, next} }
}

type caller struct {
	Options
	next llm.Caller
}

// Call implements [llm.Caller]. The response's Attempts and Cost cover all
// attempts; the rest is the last one's.
func (c *caller) Call(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
	shown := false
	watched := func(e llm.Event) {
		shown = shown || e.Kind == llm.EventText || e.Kind == llm.EventThinking
		emit(e)
	}
	var spent llm.Cost
	for attempt := 1; ; attempt++ {
		resp, err := c.next.Call(ctx, req, watched)
		if resp == nil && err != nil {
			resp = &llm.Response{}
		}
		spent = spent.Add(resp.Cost)
		resp.Attempts, resp.Cost = attempt, spent
		if err == nil {
			return resp, nil
		}
		failure := llm.AsError(err)
		if !failure.Retryable || attempt >= c.Attempts || ctx.Err() != nil {
			return resp, failure
		}
		wait := c.wait(failure, attempt)
		if deadline, ok := ctx.Deadline(); ok && wait >= time.Until(deadline) {
			return resp, failure
		}
		c.OnRetry(Retry{RunID: req.RunID, Attempt: attempt, Wait: wait, Err: failure})
		if err := llm.Sleep(ctx, wait); err != nil {
			return resp, err
		}
		if shown {
			shown = false
			emit(llm.Event{Kind: llm.EventRestart})
		}
		// A reader that had already shown the text leaves at the restart.
		if err := llm.ContextError(ctx); err != nil {
			return resp, err
		}
	}
}

func (c *caller) wait(e *llm.Error, attempt int) time.Duration {
	if e.HasRetryAfter {
		return e.RetryAfter
	}
	bound := min(Cap, Base<<min(attempt-1, 10))
	return time.Duration(c.Jitter() * float64(bound))
}
