package claudeforce

import (
	"context"
	"fmt"
	"time"

	"github.com/claude-force/claude-force/internal/layer/breakpoint"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/model"
)

// prefixes is the layer that plans how long prefixes are kept, or nil where no
// past may be read.
func (e *Engine) prefixes(prices *model.Catalogue) llm.Layer {
	if e.options.Demo || !e.config.Bool("tracking") {
		return nil
	}
	return breakpoint.Layer(breakpoint.Options{Store: e.ledger, Rates: e.prefixRates(prices), Now: e.options.Now})
}

// prefixRates prices a million tokens of a prompt in each of the four ways.
func (e *Engine) prefixRates(prices *model.Catalogue) func(id string) (breakpoint.Rates, bool) {
	const tokens = 1_000_000
	return func(id string) (r breakpoint.Rates, ok bool) {
		m, known := prices.Lookup(id)
		if !known {
			return r, false
		}
		ok = true
		price := func(u model.Usage) int64 {
			// A prompt of ordinary size: of models with two price cards, the lower.
			cost, priced := m.PriceMany(u, tokens/100, model.Terms{}, e.options.Now())
			ok = ok && priced
			return int64(cost)
		}
		r.Plain, r.Read = price(model.Usage{Input: tokens}), price(model.Usage{CacheRead: tokens})
		r.WriteShort, r.WriteLong = price(model.Usage{CacheWrite5m: tokens}), price(model.Usage{CacheWrite1h: tokens})
		return r, ok
	}
}

// withPlan returns a request with the lifetime of its prefix that a run made
// now would give it.
func (e *Engine) withPlan(ctx context.Context, req *llm.Request, prices *model.Catalogue) *llm.Request {
	db, err := e.pastRuns()
	if err != nil || db == nil || !e.config.Bool("tracking") || req.PrefixTTL() == "" {
		return req
	}
	rates, ok := e.prefixRates(prices)(req.Model)
	if !ok {
		return req
	}
	gaps, err := db.Gaps(ctx, req.Agent, req.Model)
	if err != nil {
		return req
	}
	return req.WithPrefixTTL(breakpoint.Plan(gaps, rates))
}

// shortPrefix says that a prefix is too short for the model's prompt cache, or
// nothing where it is not.
func shortPrefix(req *llm.Request, m *model.Model) string {
	if m == nil || m.MinCacheTokens <= 0 || len(req.System) == 0 {
		return ""
	}
	n := prefixTokens(req, m.Tokenizer)
	if n >= int64(m.MinCacheTokens) {
		return ""
	}
	return fmt.Sprintf("the definition of %s has about %d tokens and %s caches prompts from %d: each run pays for it in full",
		req.Agent, n, m.ID, m.MinCacheTokens)
}

// Gaps implements [breakpoint.Store].
func (l *ledger) Gaps(ctx context.Context, agent, model string) (breakpoint.Gaps, error) {
	db, err := l.store()
	if err != nil {
		return breakpoint.Gaps{}, err
	}
	return db.Gaps(ctx, agent, model)
}

// SaveUses implements [breakpoint.Store].
func (l *ledger) SaveUses(agent, model string, at time.Time, count int64) error {
	db, err := l.store()
	if err != nil {
		return err
	}
	return db.SaveUses(agent, model, at, count)
}
