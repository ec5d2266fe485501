// Package coalesce is the layer that lets identical calls in flight share one:
// who joins late sees all the text so far, then the rest as it comes.
//
// The shared call belongs to nobody. One caller's cancel or deadline ends its
// own wait only; the call ends when nobody waits for it any more, and whoever
// leaves last stays until it has ended.
package coalesce

import (
	"context"
	"sync"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

// Options configure the layer. The zero value is ready to use.
type Options struct {
	// Price returns what the exchange of an answer cost, in nano-dollars: what
	// a join saves. Nil means nothing.
	Price func(*llm.Request, *llm.Response) int64
	// OnJoin is told of each answer that was shared; nil tells nobody. It is
	// called from many goroutines.
	OnJoin func(agent string, saved int64)
}

// Layer returns the layer. Requests that make a call of their own (see
// [llm.ReuseMode]) and those that carry tools pass it by.
func Layer(o Options) llm.Layer {
	if o.Price == nil {
		o.Price = func(*llm.Request, *llm.Response) int64 { return 0 }
	}
	if o.OnJoin == nil {
		o.OnJoin = func(string, int64) {}
	}
	return func(next llm.Caller) llm.Caller {
		return &caller{Options: o, next: next, flights: map[[32]byte]*flight{}}
	}
}

type caller struct {
	Options
	next llm.Caller

	mu      sync.Mutex
	flights map[[32]byte]*flight
}

// flight is one call and those who wait for it.
type flight struct {
	cancel context.CancelCauseFunc
	ended  chan struct{}

	mu      sync.Mutex
	waiters int
	// events are all so far; those before begin are void.
	events  []llm.Event
	begin   int
	changed chan struct{}
	// deadline is the latest of those who have joined; unbounded says that
	// one of them has none.
	deadline  time.Time
	unbounded bool
	// resp and err are set before ended is closed.
	resp *llm.Response
	err  error
}

// Call implements [llm.Caller].
func (c *caller) Call(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
	if req.Reuse.Mode != llm.ReuseOn || req.HasTools() {
		return c.next.Call(ctx, req, emit)
	}
	f, from, joined := c.board(ctx, req)
	w := watcher{flight: f, at: from, emit: emit}
	if err := w.follow(ctx); err != nil {
		return c.leave(req, f, &w, err)
	}
	c.disembark(req, f)
	return c.share(req, f, joined)
}

// board joins the flight of the request's key, or starts it.
func (c *caller) board(ctx context.Context, req *llm.Request) (f *flight, from int, joined bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, joined = c.flights[req.Reuse.Key]
	if !joined {
		f = &flight{ended: make(chan struct{}), changed: make(chan struct{})}
		c.flights[req.Reuse.Key] = f
	}
	f.mu.Lock()
	f.waiters++
	from = f.begin
	if at, ok := ctx.Deadline(); !ok {
		f.unbounded = true
	} else if at.After(f.deadline) {
		f.deadline = at
	}
	f.mu.Unlock()
	if !joined {
		shared, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
		f.cancel = cancel
		go c.fly(span{shared, f}, req, f)
	}
	return f, from, joined
}

// fly makes the call. It ends with the call, which ends when nobody waits.
func (c *caller) fly(ctx context.Context, req *llm.Request, f *flight) {
	resp, err := c.next.Call(ctx, req, f.add)
	f.cancel(nil)
	c.mu.Lock()
	if c.flights[req.Reuse.Key] == f {
		delete(c.flights, req.Reuse.Key)
	}
	c.mu.Unlock()
	f.resp, f.err = resp, err
	close(f.ended)
}

// add takes an event of the stream. Its wire data is only valid now, so
// readers get its meaning.
func (f *flight) add(e llm.Event) {
	e.Data = nil
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, e)
	if e.Kind == llm.EventRestart {
		f.begin = len(f.events)
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

// watcher is one reader's place in the stream.
type watcher struct {
	*flight
	at   int
	emit func(llm.Event)
	text []byte // what this reader has seen
}

// follow emits events until the flight has ended, or ctx has.
func (w *watcher) follow(ctx context.Context) error {
	for {
		w.mu.Lock()
		fresh, changed := w.events[w.at:], w.changed
		w.mu.Unlock()
		for _, e := range fresh {
			if err := llm.ContextError(ctx); err != nil {
				return err
			}
			w.at++
			w.see(e)
		}
		if len(fresh) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-w.ended:
			if w.drained() {
				return nil
			}
		case <-ctx.Done():
			return llm.ContextError(ctx)
		}
	}
}

func (w *watcher) drained() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at == len(w.events)
}

func (w *watcher) see(e llm.Event) {
	switch e.Kind {
	case llm.EventText:
		w.text = append(w.text, e.Text...)
	case llm.EventRestart:
		w.text = w.text[:0]
	}
	w.emit(e)
}

// leave ends one caller's wait with what it has seen. The last one ends the
// call, and waits for what comes of it.
func (c *caller) leave(req *llm.Request, f *flight, w *watcher, cause error) (*llm.Response, error) {
	if last := c.disembark(req, f); last {
		f.cancel(cause)
		<-f.ended
		resp, err := c.share(req, f, false)
		if err == nil { // the answer came just in time, but nobody waits for it
			err = cause
		}
		return resp, err
	}
	return &llm.Response{Text: string(w.text), Partial: true, Source: llm.SourceCoalesced}, cause
}

// disembark counts a caller out. After the last one nobody can join.
func (c *caller) disembark(req *llm.Request, f *flight) (last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiters--
	if f.waiters == 0 && c.flights[req.Reuse.Key] == f {
		delete(c.flights, req.Reuse.Key)
	}
	return f.waiters == 0
}

// share gives each caller a response of its own. Who joined has paid nothing.
func (c *caller) share(req *llm.Request, f *flight, joined bool) (*llm.Response, error) {
	if f.resp == nil || !joined {
		return f.resp, f.err
	}
	resp := *f.resp
	resp.Warnings = append([]string(nil), resp.Warnings...)
	resp.Cost, resp.Attempts, resp.Usage = llm.Cost{}, 0, llm.Usage{}
	if resp.Source == llm.SourceMiss || resp.Source == "" {
		resp.Source = llm.SourceCoalesced
		if f.err == nil {
			resp.Saved = c.Price(req, f.resp)
		}
		c.OnJoin(req.Agent, resp.Saved)
	}
	return &resp, f.err
}

// span is the context of a shared call: it lives until it is cancelled, and
// its deadline is the latest of those who wait.
type span struct {
	context.Context //nolint:containedctx // it is a context
	f               *flight
}

// Deadline implements [context.Context].
func (s span) Deadline() (time.Time, bool) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	return s.f.deadline, !s.f.unbounded
}
