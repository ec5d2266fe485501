// Package warmup is the layer that lets the first of many calls with one
// prefix go ahead, so that the others read it from the provider's prompt
// cache.
//
// A prefix can be read from the moment its first answer begins. Calls that are
// made at once would each write it, at more than the full price. Here one
// leads, and the rest wait until its stream has begun: the prefix is then warm
// for the time to live of its breakpoint, counted from the last stream that
// began. Where a leader fails before that, whoever has waited longest leads.
//
// The layer belongs below those that answer without a call.
package warmup

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

// most is how many prefixes are known at once; a project has some tens.
const most = 1024

// Options configure the layer. The zero value is ready to use.
type Options struct {
	// Now is the clock; nil is the system's.
	Now func() time.Time
}

// Layer returns the layer. Requests without WarmUp, and those whose system
// prompt does not end with a prompt-cache breakpoint, pass it by.
func Layer(o Options) llm.Layer {
	if o.Now == nil {
		o.Now = time.Now
	}
	return func(next llm.Caller) llm.Caller {
		return &caller{now: o.Now, next: next, seed: maphash.MakeSeed(), prefixes: map[uint64]*prefix{}}
	}
}

type caller struct {
	now  func() time.Time
	next llm.Caller
	seed maphash.Seed

	mu       sync.Mutex
	prefixes map[uint64]*prefix
}

// prefix is one prefix and what is known of it.
type prefix struct {
	// round is the latest time in which it became warm, or is about to.
	round *round
	// until is when it is cold again, asked when it was last asked for.
	until, asked time.Time
}

// round is the time in which a cold prefix becomes warm.
type round struct {
	// lead holds one token: who takes it leads. A leader that fails puts it
	// back.
	lead chan struct{}
	// warm is closed when the leader's stream has begun.
	warm chan struct{}
}

func newRound() *round {
	r := &round{lead: make(chan struct{}, 1), warm: make(chan struct{})}
	r.lead <- struct{}{}
	return r
}

func (r *round) isWarm() bool {
	select {
	case <-r.warm:
		return true
	default:
		return false
	}
}

// Call implements [llm.Caller]. Who waits for a leader and is cancelled has
// made no call.
func (c *caller) Call(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
	ttl := timeToLive(req)
	if ttl == 0 {
		return c.next.Call(ctx, req, emit)
	}
	key := c.key(req)
	r := c.join(key)
	if r == nil {
		return c.follow(ctx, req, emit, key, ttl)
	}
	select {
	case <-r.lead:
		return c.lead(ctx, req, emit, key, ttl, r)
	case <-r.warm:
		return c.follow(ctx, req, emit, key, ttl)
	case <-ctx.Done():
		return nil, llm.ContextError(ctx)
	}
}

// lead makes the call that others wait for. A caller that tells no start has
// begun when it is done.
func (c *caller) lead(ctx context.Context, req *llm.Request, emit func(llm.Event), key uint64, ttl time.Duration, r *round) (*llm.Response, error) {
	defer func() {
		if !r.isWarm() {
			r.lead <- struct{}{}
		}
	}()
	begun := func() {
		c.refresh(key, ttl)
		if !r.isWarm() {
			close(r.warm)
		}
	}
	resp, err := c.next.Call(ctx, req, watch(emit, begun))
	if err == nil {
		begun()
	}
	return resp, err
}

// follow makes a call that finds its prefix warm, and keeps it so.
func (c *caller) follow(ctx context.Context, req *llm.Request, emit func(llm.Event), key uint64, ttl time.Duration) (*llm.Response, error) {
	return c.next.Call(ctx, req, watch(emit, func() { c.refresh(key, ttl) }))
}

// watch calls begun at each start of a stream, before emit: a reader that is
// slow keeps nobody waiting.
func watch(emit func(llm.Event), begun func()) func(llm.Event) {
	return func(e llm.Event) {
		if e.Kind == llm.EventStart {
			begun()
		}
		emit(e)
	}
}

// join returns the round to wait for, or nil where the prefix is warm.
func (c *caller) join(key uint64) *round {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	p := c.find(key, now)
	switch {
	case now.Before(p.until):
		return nil
	case p.round.isWarm(): // and has been cold since
		p.round = newRound()
	}
	return p.round
}

// refresh starts the prefix's time to live again.
func (c *caller) refresh(key uint64, ttl time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	c.find(key, now).until = now.Add(ttl)
}

// find returns the prefix, which is cold where it was not known.
func (c *caller) find(key uint64, now time.Time) *prefix {
	p := c.prefixes[key]
	if p == nil {
		if len(c.prefixes) >= most {
			c.forget(now)
		}
		p = &prefix{round: newRound()}
		c.prefixes[key] = p
	}
	p.asked = now
	return p
}

// forget drops the prefixes that are cold and have nobody waiting, or else the
// one that was asked for least recently. Who still waits for that one's round
// is served by it; only a newcomer no longer finds it.
func (c *caller) forget(now time.Time) {
	var oldest uint64
	var since time.Time
	for key, p := range c.prefixes {
		switch {
		case p.idle(now):
			delete(c.prefixes, key)
		case since.IsZero() || p.asked.Before(since):
			oldest, since = key, p.asked
		}
	}
	if len(c.prefixes) >= most {
		delete(c.prefixes, oldest)
	}
}

// idle reports whether the prefix is cold and nobody is about to warm it.
func (p *prefix) idle(now time.Time) bool {
	return !now.Before(p.until) && (p.round.isWarm() || len(p.round.lead) > 0)
}
