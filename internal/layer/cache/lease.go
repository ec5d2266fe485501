package cache

import (
	"context"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

// The first and the longest wait between two looks at somebody else's lease.
const (
	firstLook = 10 * time.Millisecond
	lastLook  = 100 * time.Millisecond
)

// askOnce makes the call under the key's lease, or waits for the answer of the
// process that holds it.
func (c *caller) askOnce(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
	key := req.Reuse.Key
	waited, waiting := false, false
	for look := firstLook; ; look = min(2*look, lastLook) {
		held, outcome, err := c.Store.Acquire(ctx, key, c.Holder, waiting, c.Now())
		switch {
		case held && err == nil: // also where the caller has just left: it is released
			return c.askHolding(ctx, req, emit, waited)
		case ctx.Err() != nil:
			return nil, llm.ContextError(ctx)
		case err != nil:
			// Without a store there is nobody to wait for.
			c.Warn(err)
			resp, _, err := c.ask(ctx, req, emit)
			return resp, err
		}
		if outcome != nil {
			if a := c.outcome(key, outcome); a != nil {
				return c.serve(req, a, llm.SourceCoalesced, emit), nil
			}
			waiting = false // of another secret, or damaged: it is not for us
			continue
		}
		waited, waiting = true, true
		if err := llm.Sleep(ctx, look); err != nil {
			return nil, err
		}
		if a := c.load(ctx, req); a != nil {
			return c.serve(req, a, llm.SourceCoalesced, emit), nil
		}
	}
}

// askHolding looks once more, now that nobody else can store an answer, and
// makes the call.
func (c *caller) askHolding(ctx context.Context, req *llm.Request, emit func(llm.Event), waited bool) (*llm.Response, error) {
	key := req.Reuse.Key
	stop := c.leases.Hold()
	defer stop()
	if a := c.load(ctx, req); a != nil {
		c.release(ctx, key, nil)
		source := llm.SourceDisk
		if waited {
			source = llm.SourceCoalesced
		}
		return c.serve(req, a, source, emit), nil
	}
	resp, kept, err := c.ask(ctx, req, emit)
	if kept {
		return resp, err // which has ended the lease
	}
	var outcome []byte
	if err == nil && !keepable(resp) {
		// A refusal or a cut answer: those who wait would get the same.
		outcome = c.seal(key, encode(&answer{resp: *resp, price: c.Price(req, resp)}))
	}
	c.release(ctx, key, outcome)
	return resp, err
}

func (c *Cache) release(ctx context.Context, key Key, outcome []byte) {
	if err := c.Store.Release(context.WithoutCancel(ctx), key, c.Holder, outcome, c.Now()); err != nil {
		c.Warn(err)
	}
}

// seal signs an outcome: what comes from the store is verified, whatever it
// is.
func (c *Cache) seal(key Key, value []byte) []byte {
	mac := c.Signer.sign(key, time.Time{}, value)
	return append(mac[:], value...)
}

func (c *Cache) outcome(key Key, sealed []byte) *answer {
	var e Entry
	if len(sealed) < len(e.MAC) {
		return nil
	}
	copy(e.MAC[:], sealed)
	e.Value, e.Signer = sealed[len(e.MAC):], c.Signer.ID()
	if !c.Signer.Genuine(key, e) {
		return nil
	}
	a, err := decode(e.Value)
	if err != nil {
		return nil
	}
	return a
}

func (c *Cache) extendLeases() {
	if err := c.Store.Extend(context.Background(), c.Holder, c.Now()); err != nil {
		c.Warn(err)
	}
}
