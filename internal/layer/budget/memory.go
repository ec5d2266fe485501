package budget

import (
	"context"
	"sync"
	"time"
)

// memory is what was last known of the caps.
type memory struct {
	mu     sync.Mutex
	asked  time.Time
	capped bool
}

// Capped reports whether any cap is set. That none is, is believed for a
// moment, so that runs without budgets do not pay for them.
func (g *Guard) Capped(ctx context.Context) bool {
	g.memory.mu.Lock()
	defer g.memory.mu.Unlock()
	now := g.Now()
	if !g.memory.asked.IsZero() && now.Sub(g.memory.asked).Abs() < remember {
		return g.memory.capped
	}
	g.memory.capped = false
	for _, s := range g.Stores {
		list, err := s.Budgets(ctx)
		if err != nil {
			// What cannot be read sets no cap; whoever writes there is told.
			continue
		}
		g.memory.capped = g.memory.capped || len(list) > 0
	}
	g.memory.asked = now
	return g.memory.capped
}
