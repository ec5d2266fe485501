// Package breakpoint is the layer that decides how long the prompt cache keeps
// an agent's prefix: 5 minutes, an hour, or not at all.
//
// Writing a prefix costs more than sending it, and for an hour more than for
// 5 minutes; reading it costs a tenth or less. What is cheapest depends on how
// far apart the calls of an agent are, so the gaps between them are counted,
// and the plan is the one that would have cost least for those gaps.
//
// The layer belongs below those that answer without a call: the plan shapes no
// answer, so it must not be a part of their keys.
package breakpoint

import (
	"context"
	"sync"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

// The lifetimes that the API offers; None sends the prefix without a
// breakpoint.
const (
	Short = "5m"
	Long  = "1h"
	None  = ""
)

// enough gaps tell something; before that a prefix is kept for 5 minutes.
const enough = 8

// Gaps counts the gaps between the starts of an agent's calls with a model.
type Gaps struct {
	// Short are those of at most 5 minutes, Long those of at most an hour,
	// Beyond the longer ones.
	Short, Long, Beyond int64
}

// Rates are what one and the same number of tokens costs, in any one unit.
type Rates struct{ Plain, WriteShort, WriteLong, Read int64 }

// Plan returns the lifetime that would have cost least for these gaps: Short
// where they are fewer than eight, and where others are no better.
func Plan(g Gaps, r Rates) string {
	n := g.Short + g.Long + g.Beyond
	if n < enough {
		return Short
	}
	plan, least := Short, g.Short*r.Read+(g.Long+g.Beyond)*r.WriteShort
	if cost := (g.Short+g.Long)*r.Read + g.Beyond*r.WriteLong; cost < least {
		plan, least = Long, cost
	}
	if n*r.Plain < least {
		plan = None
	}
	return plan
}

// Store keeps the gaps. It is safe for concurrent use.
type Store interface {
	// Gaps returns what is known; zeros where nothing is.
	Gaps(ctx context.Context, agent, model string) (Gaps, error)
	// SaveUses counts so many calls of which the last began at the given time.
	// It does not wait for the disk.
	SaveUses(agent, model string, at time.Time, count int64) error
}

// Options configure the layer.
type Options struct {
	// Store is required.
	Store Store
	// Rates returns what tokens of a model's prompt cost, and false where that
	// is not known.
	Rates func(model string) (Rates, bool)
	// Now is the clock; nil is the system's.
	Now func() time.Time
}

// Layer returns the layer. Requests whose system prompt does not end with a
// breakpoint pass it by. A store that fails leaves every prefix at 5 minutes.
func Layer(o Options) llm.Layer {
	if o.Now == nil {
		o.Now = time.Now
	}
	return func(next llm.Caller) llm.Caller {
		return &caller{Options: o, next: next, known: map[key]*known{}}
	}
}

// How often a process reads what is known of an agent, and writes to it.
const (
	readEvery  = time.Minute
	writeEvery = time.Second
)

// most is how many pairs of agent and model are known at once.
const most = 1024

type key struct{ agent, model string }

type known struct {
	plan          string
	read, written time.Time
	// unwritten are the calls since written.
	unwritten int64
}

type caller struct {
	Options
	next llm.Caller

	mu    sync.Mutex
	known map[key]*known
}

// Call implements [llm.Caller].
func (c *caller) Call(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
	ttl := req.PrefixTTL()
	if ttl == "" {
		return c.next.Call(ctx, req, emit)
	}
	if plan := c.plan(ctx, key{req.Agent, req.Model}, ttl); plan != ttl {
		req = req.WithPrefixTTL(plan)
	}
	return c.next.Call(ctx, req, emit)
}

// plan counts a call and returns the lifetime of its prefix.
func (c *caller) plan(ctx context.Context, id key, standard string) string {
	now := c.Now()
	k, stale, uses := c.use(id, now, standard)
	if uses > 0 {
		_ = c.Store.SaveUses(id.agent, id.model, now, uses) // uncounted calls only make the plan a little worse
	}
	if !stale {
		return k
	}
	rates, ok := c.Rates(id.model)
	if !ok {
		return standard
	}
	gaps, err := c.Store.Gaps(ctx, id.agent, id.model)
	if err != nil {
		return standard
	}
	plan := Plan(gaps, rates)
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.known[id]; e != nil {
		e.plan = plan
	}
	return plan
}

// use notes a call. It returns the plan that is known, whether that is to be
// read again, and how many calls are to be written now.
func (c *caller) use(id key, now time.Time, standard string) (plan string, stale bool, uses int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.known[id]
	if e == nil {
		if len(c.known) >= most {
			clear(c.known)
		}
		e = &known{plan: standard}
		c.known[id] = e
	}
	if age := now.Sub(e.read); age >= readEvery || age < 0 {
		e.read, stale = now, true
	}
	e.unwritten++
	if age := now.Sub(e.written); age >= writeEvery || age < 0 {
		uses, e.unwritten, e.written = e.unwritten, 0, now
	}
	return e.plan, stale, uses
}
