// Package cache is the layer that answers a request which was answered before:
// memory over a store on disk that all processes of the user share.
//
// A call goes this way: memory, disk, the lease of the key, disk again, and
// only then down to the next layer. The lease lets a second process wait for
// the first one's answer instead of paying for it; see lease.go. Only whole
// answers are kept. What fails in the store is a miss and never fails a run.
package cache

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/claude-force/claude-force/internal/llm"
)

// Verify says how often an entry from disk is verified.
type Verify string

// The ways to verify.
const (
	VerifyAlways Verify = "always"
	// VerifySampling verifies each entry once in a process, and one in ten
	// of its later loads.
	VerifySampling Verify = "sampling"
	VerifyNever    Verify = "never"
)

// sampleRate is the share of loads that VerifySampling verifies again.
const sampleRate = 0.1

// MemorySize is how much of the answers is kept in memory, in bytes.
const MemorySize = 32 << 20

// Options configure the layer. Store, Signer and Price must be set.
type Options struct {
	Store  Store
	Signer *Signer
	// Holder names this process among those that share the store.
	Holder string
	// TTL is the age at which an answer is stale; 0 means a day.
	TTL time.Duration
	// Verify is empty for VerifySampling.
	Verify Verify
	// Price returns what the exchange of an answer cost, in nano-dollars; 0
	// where no price is known. It is what a hit saves.
	Price func(*llm.Request, *llm.Response) int64
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Random returns a number in [0,1); nil means a random one.
	Random func() float64
	// Warn is told, once each time, what is wrong with the store; nil tells
	// nobody.
	Warn func(error)
}

// Cache is the layer's state. It is safe for concurrent use; Close it to keep
// its counts.
type Cache struct {
	Options
	memory   *otter.Cache[Key, *memoryEntry]
	verified *otter.Cache[Key, struct{}]
	notes    notes
	leases   llm.Pulse // keeps this process's leases alive
}

// memoryEntry is an immutable answer and when it was stored.
type memoryEntry struct {
	answer *answer
	stored time.Time
}

// New returns a cache.
func New(o Options) (*Cache, error) {
	if o.TTL <= 0 {
		o.TTL = 24 * time.Hour
	}
	if o.Verify == "" {
		o.Verify = VerifySampling
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	if o.Warn == nil {
		o.Warn = func(error) {}
	}
	memory, err := otter.New(&otter.Options[Key, *memoryEntry]{
		MaximumWeight: MemorySize,
		Weigher:       func(_ Key, e *memoryEntry) uint32 { return uint32(min(2*e.answer.size+256, MemorySize)) },
	})
	if err != nil {
		return nil, err
	}
	verified, err := otter.New(&otter.Options[Key, struct{}]{MaximumSize: 1 << 16})
	if err != nil {
		return nil, err
	}
	c := &Cache{Options: o, memory: memory, verified: verified}
	c.notes.keep = c.keepNotes
	c.leases.Every, c.leases.Beat = LeaseTime/3, c.extendLeases
	return c, nil
}

// Flush keeps what was counted since the last time, for others to see.
func (c *Cache) Flush() error { return c.notes.flush() }

// Close keeps what was counted since the last time. Calls must have ended.
func (c *Cache) Close() error { return c.notes.flush() }

// Forget drops what is in memory, after entries were deleted from the store.
func (c *Cache) Forget() { c.memory.InvalidateAll() }

// Joined counts an answer that a layer above has shared without asking.
func (c *Cache) Joined(agent string, saved int64) {
	c.notes.count(agent, Counts{Joins: 1, Saved: saved})
}

// Lookup returns the kept answer to a request that may take one, or nil. It
// counts a hit, and leaves it to [Cache.Keep] to count the miss.
func (c *Cache) Lookup(ctx context.Context, req *llm.Request) *llm.Response {
	if mode := req.Reuse.Mode; (mode != llm.ReuseOn && mode != llm.ReuseOnly) || (req.HasTools() && mode == llm.ReuseOn) {
		return nil
	}
	a, source := c.find(ctx, req)
	if a == nil {
		return nil
	}
	return c.serve(req, a, source, llm.Discard)
}

// Keep keeps the answer of an exchange that was made another way than through
// the layer, if it may stand in for a later one, and counts the miss.
func (c *Cache) Keep(ctx context.Context, req *llm.Request, resp *llm.Response) {
	if req.Reuse.Mode == llm.ReuseOff || req.HasTools() {
		return
	}
	c.notes.count(req.Agent, Counts{Misses: 1})
	c.notes.tick(c.Now())
	if keepable(resp) {
		c.keep(ctx, req, resp)
	}
}

// Layer returns the layer.
func (c *Cache) Layer() llm.Layer {
	return func(next llm.Caller) llm.Caller { return &caller{c, next} }
}

// Absent is the layer where there is no cache: whoever wants a kept answer only
// gets none.
func Absent(next llm.Caller) llm.Caller {
	return llm.CallerFunc(func(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
		if req.Reuse.Mode == llm.ReuseOnly {
			return nil, Missed()
		}
		return next.Call(ctx, req, emit)
	})
}

// Missed is the error of who may only have a kept answer, and there is none.
func Missed() *llm.Error {
	return &llm.Error{
		Code: llm.CodeCacheMiss, Message: "the cache has no answer to this request",
		Hint: "run it without --cache-only",
	}
}

type caller struct {
	*Cache
	next llm.Caller
}

// Call implements [llm.Caller].
func (c *caller) Call(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
	switch mode := req.Reuse.Mode; {
	case mode == llm.ReuseOff, req.HasTools() && mode != llm.ReuseOnly:
		return c.next.Call(ctx, req, emit)
	case mode == llm.ReuseRefresh:
		resp, _, err := c.ask(ctx, req, emit)
		return resp, err
	}
	if a, source := c.find(ctx, req); a != nil {
		return c.serve(req, a, source, emit), nil
	}
	if req.Reuse.Mode == llm.ReuseOnly {
		c.notes.count(req.Agent, Counts{Misses: 1})
		return nil, Missed()
	}
	return c.askOnce(ctx, req, emit)
}

// find looks into memory, then on disk.
func (c *Cache) find(ctx context.Context, req *llm.Request) (*answer, llm.Source) {
	key := req.Reuse.Key
	if e, ok := c.memory.GetIfPresent(key); ok && c.fresh(e.stored) {
		return e.answer, llm.SourceMemory
	}
	if a := c.load(ctx, req); a != nil {
		return a, llm.SourceDisk
	}
	return nil, ""
}

// fresh reports whether an entry of a time may be served. A time to come, for
// the clock was set back, counts by its distance like one that has passed.
func (c *Cache) fresh(stored time.Time) bool {
	return c.Now().Sub(stored).Abs() < c.TTL
}

// load reads an entry from disk, verifies it and keeps it in memory.
func (c *Cache) load(ctx context.Context, req *llm.Request) *answer {
	key := req.Reuse.Key
	e, found, err := c.Store.Get(ctx, key, c.Signer.ID())
	if err != nil {
		if ctx.Err() == nil {
			c.Warn(err)
		}
		return nil
	}
	if !found || !c.fresh(e.Stored) {
		return nil
	}
	if c.mustVerify(key) {
		if !c.Signer.Genuine(key, e) {
			c.notes.count(req.Agent, Counts{VerifyFailures: 1})
			if err := c.Store.SetAside(ctx, key, c.Signer.ID()); err != nil {
				c.Warn(err)
			}
			return nil
		}
		c.verified.Set(key, struct{}{})
	}
	a, err := decode(e.Value)
	if err != nil {
		return nil // of another version
	}
	c.memory.Set(key, &memoryEntry{a, e.Stored})
	return a
}

func (c *Cache) mustVerify(key Key) bool {
	switch c.Verify {
	case VerifyNever:
		return false
	case VerifySampling:
		if _, before := c.verified.GetIfPresent(key); before {
			return c.Random() < sampleRate
		}
	}
	return true
}

// serve hands an answer out as if it came just now.
func (c *Cache) serve(req *llm.Request, a *answer, source llm.Source, emit func(llm.Event)) *llm.Response {
	resp := a.resp
	resp.Source, resp.Saved = source, a.price
	counts := Counts{Saved: a.price}
	switch source {
	case llm.SourceMemory:
		counts.MemoryHits = 1
	case llm.SourceDisk:
		counts.DiskHits = 1
	default:
		counts.Joins = 1
	}
	c.notes.hit(req.Agent, counts, req.Reuse.Key, c.Now())
	replay(resp.Text, emit)
	return &resp
}

// ask makes the call, and reports whether its answer was kept.
func (c *caller) ask(ctx context.Context, req *llm.Request, emit func(llm.Event)) (resp *llm.Response, kept bool, err error) {
	resp, err = c.next.Call(ctx, req, emit)
	c.notes.count(req.Agent, Counts{Misses: 1})
	c.notes.tick(c.Now())
	if resp == nil {
		return nil, false, err
	}
	resp.Source = llm.SourceMiss
	if err == nil && keepable(resp) {
		kept = c.keep(ctx, req, resp)
	}
	return resp, kept, err
}

// keepable reports whether an answer may stand in for a later one.
func keepable(r *llm.Response) bool {
	return !r.Partial && (r.StopReason == "end_turn" || r.StopReason == "stop_sequence")
}

// keep stores an answer, which also ends the lease under which it was made,
// and reports whether it could.
func (c *Cache) keep(ctx context.Context, req *llm.Request, resp *llm.Response) bool {
	a := &answer{resp: llm.Response{
		ID: resp.ID, Model: resp.Model, Text: resp.Text, Content: resp.Content, RequestID: resp.RequestID,
		StopReason: resp.StopReason, StopSequence: resp.StopSequence, StopDetails: resp.StopDetails, Extra: resp.Extra,
	}, price: c.Price(req, resp)}
	value := encode(a)
	a.size = len(value)
	stored := c.Now().UTC().Truncate(time.Microsecond)
	key := req.Reuse.Key
	c.memory.Set(key, &memoryEntry{a, stored})
	e := Entry{Value: value, MAC: c.Signer.sign(key, stored, value), Signer: c.Signer.ID(), Agent: req.Agent, Stored: stored}
	// Who asked may have left by now; the answer is good all the same.
	err := c.Store.Put(context.WithoutCancel(ctx), key, e, c.Holder)
	if err != nil {
		c.Warn(err)
	}
	return err == nil
}

// replay emits a text in pieces of about the size of a model's.
func replay(text string, emit func(llm.Event)) {
	const piece = 128
	emit(llm.Event{Kind: llm.EventStart})
	for len(text) > 0 {
		n := min(piece, len(text))
		for n < len(text) && text[n]&0xc0 == 0x80 { // not inside a character
			n++
		}
		emit(llm.Event{Kind: llm.EventText, Text: text[:n]})
		text = text[n:]
	}
}
