package limit

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

// Key names a limit group of one account.
type Key [32]byte

// Shared is where processes on one key meet. It is safe for concurrent use.
type Shared interface {
	// UpdateLimits hands what is kept under key (nil where nothing is) to
	// change and keeps what that returns, in one transaction over all
	// processes. change may be called again if the transaction must be.
	UpdateLimits(ctx context.Context, key Key, change func(kept []byte) []byte) error
}

// apartTime is how long a store that failed is left alone.
const apartTime = 10 * time.Second

// gate is the scheduler of one limit group, in real time.
type gate struct {
	key    Key
	shared Shared // nil: this process is alone
	warn   func(error)
	flight *flight

	mu     sync.Mutex
	apart  time.Time // until when the others are not asked, for it failed
	s      *scheduler
	x      expectations
	own    state // what is known without the others
	lone   bool  // own is newer than what the others know
	alarm  *time.Timer
	closed bool
	trades sync.WaitGroup
}

// enter waits until the call may go. The error is the end of ctx, or why it
// cannot go before its deadline.
func (g *gate) enter(ctx context.Context, req *llm.Request) (*ticket, error) {
	if err := llm.ContextError(ctx); err != nil {
		return nil, err
	}
	ready := make(chan struct{})
	t := &ticket{background: req.Background}
	t.deadline, _ = ctx.Deadline()
	t.ready = func() {
		if t.dismissed == nil {
			g.flight.move(1)
		}
		close(ready)
	}
	g.mu.Lock()
	now := time.Now()
	if g.s.late(t.deadline) {
		defer g.mu.Unlock()
		return nil, g.s.tooLate(now)
	}
	t.need = g.x.need(req)
	g.s.enqueue(now, t)
	g.turn(now)
	g.mu.Unlock()
	select {
	case <-ready:
		if t.dismissed != nil {
			return nil, t.dismissed
		}
		return t, nil
	case <-ctx.Done():
		g.mu.Lock()
		defer g.mu.Unlock()
		if !g.s.withdraw(t) && t.dismissed == nil { // its leave came at the same moment
			g.s.settle(time.Now(), t, llm.Usage{}, &llm.Error{Code: llm.CodeCancelled})
			g.flight.move(-1)
		}
		g.turn(time.Now())
		return nil, llm.ContextError(ctx)
	}
}

// learn takes the headers of a call that goes on.
func (g *gate) learn(t *ticket, rates *llm.Rates) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.s.learn(t, rates, false)
	g.turn(time.Now())
}

// leave takes the end of a call.
func (g *gate) leave(t *ticket, req *llm.Request, resp *llm.Response, failure *llm.Error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var used llm.Usage
	if resp != nil {
		used = resp.Usage
		g.x.learn(req, used)
	}
	now := time.Now()
	g.s.settle(now, t, used, failure)
	g.flight.move(-1)
	g.turn(now)
}

// pause is how long all calls of the group are kept back.
func (g *gate) pause() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(time.Until(g.s.pausedUntil), 0)
}

// vain reports whether no person shall wait any longer.
func (g *gate) vain() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.s.vain(time.Now())
}

func (g *gate) patient(background bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.s.patient(time.Now(), background)
}

// turn lets calls go until one must wait, and sees to it that somebody comes
// back in time. The lock must be held.
func (g *gate) turn(now time.Time) {
	for {
		a, next := g.s.dispatch(now)
		switch {
		case a == nil:
			g.wake(now, next)
			return
		case g.shared != nil && !now.Before(g.apart):
			g.trades.Add(1)
			go g.trade(a)
			g.wake(now, next)
			return
		}
		g.s.accept(now, g.own.trade(now, a))
	}
}

// wake dispatches again at a time; zero means never.
func (g *gate) wake(now, at time.Time) {
	switch {
	case g.closed || at.IsZero():
		if g.alarm != nil {
			g.alarm.Stop()
		}
	case g.alarm == nil:
		g.alarm = time.AfterFunc(at.Sub(now), g.rouse)
	default:
		g.alarm.Reset(at.Sub(now))
	}
}

// rouse is the alarm.
func (g *gate) rouse() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.turn(time.Now())
	}
}

// trade makes one trade with the other processes. It runs in a goroutine of
// its own, at most one a gate; close waits for it.
func (g *gate) trade(a *ask) {
	defer g.trades.Done()
	got, err := g.meet(a)
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		// Alone is better than not at all.
		g.warn(err)
		g.apart, g.lone = now.Add(apartTime), true
		got = g.own.trade(now, a)
	}
	g.s.accept(now, got)
	if !g.closed {
		g.turn(now)
	}
}

// meet trades with what the other processes have left.
func (g *gate) meet(a *ask) (grant, error) {
	var got grant
	var kept state
	var own []byte
	if g.lone {
		own, _ = json.Marshal(&g.own) // of numbers and names
	}
	err := g.shared.UpdateLimits(context.Background(), g.key, func(old []byte) []byte {
		kept = read(old)
		if mine := read(own); mine.At.After(kept.At) {
			kept = mine
		}
		got = kept.trade(time.Now(), a)
		data, err := json.Marshal(&kept)
		if err != nil {
			return old
		}
		return data
	})
	if err != nil {
		return grant{}, fmt.Errorf("share the rate limits: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.own, g.lone = kept, false
	return got, nil
}

// read returns a state as it was kept, or an empty one.
func read(data []byte) state {
	var s state
	if json.Unmarshal(data, &s) != nil {
		return state{}
	}
	return s
}

// close hands everything back. Calls must have ended.
func (g *gate) close() {
	g.mu.Lock()
	g.closed = true
	if g.alarm != nil {
		g.alarm.Stop()
	}
	g.mu.Unlock()
	g.trades.Wait()
	a := g.lastAsk()
	if a == nil {
		return
	}
	if _, err := g.meet(a); err != nil {
		g.warn(err)
	}
}

// lastAsk reports what the others do not know yet, or is nil.
func (g *gate) lastAsk() *ask {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shared == nil || g.s.asked.IsZero() {
		return nil
	}
	return g.s.ask(time.Now(), nil)
}
