package llm

import (
	"context"
	"sync"
)

// Purse is an amount that several calls may spend together, in nano-dollars.
// It is safe for concurrent use.
type Purse struct {
	cap int64

	mu          sync.Mutex
	spent, held int64
	changed     chan struct{} // nil: nobody waits
}

// NewPurse returns a purse with so much in it.
func NewPurse(nano int64) *Purse { return &Purse{cap: nano} }

// Hold sets nano aside for a call, the most that it can cost. Where only what
// others hold stands in the way it waits for them. It reports false, and what
// is left, where what is spent leaves too little; the error is the end of ctx.
func (p *Purse) Hold(ctx context.Context, nano int64) (ok bool, left int64, err error) {
	for {
		p.mu.Lock()
		left = p.cap - p.spent
		switch {
		case nano > left:
			p.mu.Unlock()
			return false, left, nil
		case nano <= left-p.held:
			p.held += nano
			p.mu.Unlock()
			return true, left, nil
		}
		if p.changed == nil {
			p.changed = make(chan struct{})
		}
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return false, left, ContextError(ctx)
		}
	}
}

// TryHold sets nano aside if that is possible without waiting, and else returns
// what is left.
func (p *Purse) TryHold(nano int64) (ok bool, left int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	left = p.cap - p.spent - p.held
	if nano > left {
		return false, left
	}
	p.held += nano
	return true, left
}

// Pay gives back what was held for a call and takes what it cost. Of a call
// whose cost is not known, all that was held counts as spent.
func (p *Purse) Pay(held int64, cost Cost) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held -= held
	p.spent += cost.Nano
	if cost.Unknown {
		p.spent += max(held-cost.Nano, 0)
	}
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// Cap is how much was in the purse at first.
func (p *Purse) Cap() int64 { return p.cap }

// Spent is what was paid from it.
func (p *Purse) Spent() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.spent
}
