package claudeforce

import (
	"context"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

// Savings are the dollars that were not spent, by what saved them. The
// counterfactual is the same runs, each by a call of its own at the full price
// without prompt caching, and with the dear line where the router chose
// another: Baseline is what they would have cost. What hits and joins saved is
// what the call cost that they share.
type Savings struct {
	Spent    Money `json:"spent_usd"`
	Baseline Money `json:"baseline_usd"`
	// Saved is Baseline less Spent, and the sum of the causes that follow.
	Saved Money `json:"saved_usd"`
	// ResponseCache is hits in memory and on disk, Coalescing calls that runs
	// shared, PromptCache tokens that were read instead of billed in full, less
	// what their writing cost, Batch the half price of Message Batches, Routing
	// the cheaper models that were chosen.
	ResponseCache Money `json:"response_cache_usd"`
	Coalescing    Money `json:"coalescing_usd"`
	PromptCache   Money `json:"prompt_cache_usd"`
	Batch         Money `json:"batch_usd"`
	Routing       Money `json:"routing_usd"`
	// Share is Saved as a share of Baseline.
	Share float64 `json:"saved_share"`
	// Unpriced is how many exchanges have no known price and are in no figure.
	Unpriced int64 `json:"unpriced"`
}

// dearLine is what the router's choices are compared with.
const dearLine = "opus"

// Savings says what was saved. All time is all that the ledger holds rows of.
func (e *Engine) Savings(ctx context.Context, f MetricsFilter) (*Savings, error) {
	out := &Savings{}
	db, err := e.pastRuns()
	if err != nil || db == nil {
		return out, err
	}
	since := time.Unix(0, 0)
	if f.Hours > 0 {
		since = e.options.Now().UTC().Truncate(time.Hour).Add(-time.Duration(f.Hours) * time.Hour)
	}
	c, err := e.catalogue()
	if err != nil {
		return nil, llm.AsError(err)
	}
	spent, err := db.Spendings(ctx, since)
	if err != nil {
		return nil, llm.AsError(err)
	}
	for _, s := range spent {
		out.add(c.Catalogue, s)
	}
	saved, err := db.SavedBySource(ctx, since)
	if err != nil {
		return nil, llm.AsError(err)
	}
	for source, nano := range saved {
		if source == llm.SourceCoalesced {
			out.Coalescing += Money(nano)
		} else {
			out.ResponseCache += Money(nano)
		}
	}
	out.Saved = out.ResponseCache + out.Coalescing + out.PromptCache + out.Batch + out.Routing
	out.Baseline = out.Spent + out.Saved
	if out.Baseline > 0 {
		out.Share = float64(out.Saved) / float64(out.Baseline)
	}
	return out, nil
}

// add takes one sum of exchanges: what each step up to the counterfactual adds
// belongs to what it takes away.
func (out *Savings) add(prices *model.Catalogue, s sqlite.Spending) {
	out.Spent += Money(s.Cost)
	out.Unpriced += s.Unpriced
	m, ok := prices.Lookup(s.Model)
	if !ok || s.Unpriced > 0 {
		return
	}
	u := model.Usage{
		Input: s.Usage.Input, Output: s.Usage.Output, CacheRead: s.Usage.CacheRead,
		CacheWrite5m: s.Usage.CacheWrite5m, CacheWrite1h: s.Usage.CacheWrite1h,
	}
	terms := model.Terms{Fast: s.Speed == "fast", Geo: s.Geo}
	whole := model.Usage{Input: u.Prompt(), Output: u.Output}
	present := Money(s.Cost)
	steps := []struct {
		cause *Money
		m     *model.Model
		usage model.Usage
	}{{&out.Batch, m, u}, {&out.PromptCache, m, whole}, {&out.Routing, routedFrom(prices, m, s), whole}}
	for i, step := range steps {
		if i == 0 && s.Tier != "batch" {
			continue // nothing to take away
		}
		next, ok := step.m.PriceMany(step.usage, s.Prompt, terms, s.Day)
		if !ok {
			return
		}
		*step.cause += next - present
		present = next
	}
}

// routedFrom is the model that would have been called without the router.
func routedFrom(prices *model.Catalogue, m *model.Model, s sqlite.Spending) *model.Model {
	if s.Why != "auto" {
		return m
	}
	if dear := prices.Resolve(dearLine, s.Day).Model; dear != nil {
		return dear
	}
	return m
}
