package ledger

import (
	"context"
	"time"
)

// Tokens are sums over exchanges. Thinking is a part of Output; the other
// kinds are disjoint.
type Tokens struct {
	Input        int64 `json:"input"`
	Output       int64 `json:"output"`
	Thinking     int64 `json:"thinking"`
	CacheRead    int64 `json:"cache_read"`
	CacheWrite5m int64 `json:"cache_write_5m"`
	CacheWrite1h int64 `json:"cache_write_1h"`
	// Total is the sum of the disjoint kinds.
	Total int64 `json:"total"`
}

// Figures are what a number of runs came to. Rates are from 0 to 1 and 0 where
// there is nothing to divide by; durations are milliseconds.
type Figures struct {
	Runs        int64   `json:"runs"`
	Succeeded   int64   `json:"succeeded"`
	Failed      int64   `json:"failed"`
	Cancelled   int64   `json:"cancelled"`
	SuccessRate float64 `json:"success_rate"`
	// TotalCost is the sum of the exchanges; Unpriced of them have no known
	// price and are not in it.
	TotalCost   Money   `json:"total_cost"`
	Unpriced    int64   `json:"unpriced"`
	AvgDuration float64 `json:"avg_duration_ms"`
	AvgWait     float64 `json:"avg_wait_ms"`
	// Exchanges went over the wire; Errors of them brought no answer.
	Exchanges int64  `json:"exchanges"`
	Errors    int64  `json:"errors"`
	Tokens    Tokens `json:"tokens"`
	// Hits are runs that were answered without a call of their own; HitRate is
	// their share of those that asked the response cache.
	Hits    int64   `json:"hits"`
	HitRate float64 `json:"hit_rate"`
	// PromptCacheHitRate is the share of prompt tokens that the API read from
	// its prompt cache.
	PromptCacheHitRate float64 `json:"prompt_cache_hit_rate"`
	// Saved is what the hits would have cost.
	Saved Money `json:"saved_usd"`
}

// Figures are the figures of the counts.
func (c *Counts) Figures() Figures {
	prompt := c.Input + c.CacheWrite5m + c.CacheWrite1h + c.CacheRead
	f := Figures{
		Runs: c.Runs, Succeeded: c.Succeeded, Cancelled: c.Cancelled, Failed: c.Runs - c.Succeeded - c.Cancelled,
		SuccessRate: rate(c.Succeeded, c.Runs),
		TotalCost:   Money(c.Cost), Unpriced: c.Unpriced,
		Exchanges: c.Exchanges, Errors: c.Errors,
		Tokens: Tokens{
			Input: c.Input, Output: c.Output, Thinking: c.Thinking,
			CacheRead: c.CacheRead, CacheWrite5m: c.CacheWrite5m, CacheWrite1h: c.CacheWrite1h,
			Total: prompt + c.Output,
		},
		Hits: c.Hits, HitRate: rate(c.Hits, c.Lookups),
		PromptCacheHitRate: rate(c.CacheRead, prompt),
		Saved:              Money(c.Saved),
	}
	if c.Runs > 0 {
		f.AvgDuration = milliseconds(c.Duration) / float64(c.Runs)
		f.AvgWait = milliseconds(c.Waited) / float64(c.Runs)
	}
	return f
}

// Summary is the whole ledger in a few figures.
type Summary struct {
	Figures
	// P50, P95 and P99 are durations of runs in milliseconds, within 1.6 %.
	P50 float64 `json:"p50_duration_ms"`
	P95 float64 `json:"p95_duration_ms"`
	P99 float64 `json:"p99_duration_ms"`
	// Since is the beginning of the time that is summed up; nil is all time.
	Since *time.Time `json:"since"`
}

// Summarise reads a summary. s is nil where nothing was ever kept.
func Summarise(ctx context.Context, s Store, from Hour) (Summary, error) {
	var out Summary
	if from != AllTime {
		start := from.Start()
		out.Since = &start
	}
	if s == nil {
		return out, nil
	}
	counts, err := s.Counts(ctx, Total, from)
	if err != nil {
		return out, err
	}
	durations, err := s.Durations(ctx, from)
	if err != nil {
		return out, err
	}
	total := counts[""]
	out.Figures = total.Figures()
	out.P50 = milliseconds(durations.Quantile(.5))
	out.P95 = milliseconds(durations.Quantile(.95))
	out.P99 = milliseconds(durations.Quantile(.99))
	return out, nil
}

// Costs are what was spent, and on what.
type Costs struct {
	// Total is the sum of the exchanges. The sums by agent and by model are
	// the same amount; runs outside workflows and without tags are in neither
	// of the other two, and a run with two tags is in both.
	Total      Money            `json:"total"`
	ByAgent    map[string]Money `json:"by_agent"`
	ByModel    map[string]Money `json:"by_model"`
	ByWorkflow map[string]Money `json:"by_workflow"`
	ByTag      map[string]Money `json:"by_tag"`
	// Unsettled is what processes had reserved that died: it counts for
	// budgets and is not in Total.
	Unsettled Money `json:"unsettled_usd"`
	// Unpriced is the number of exchanges without a known price.
	Unpriced int64 `json:"unpriced"`
}

// Spending reads the costs. s and u are nil where there are none.
func Spending(ctx context.Context, s Store, u Unsettled, from Hour) (Costs, error) {
	out := Costs{ByAgent: map[string]Money{}, ByModel: map[string]Money{}, ByWorkflow: map[string]Money{}, ByTag: map[string]Money{}}
	if u != nil {
		nano, err := u.Unsettled(ctx)
		if err != nil {
			return out, err
		}
		out.Unsettled = Money(nano)
	}
	if s == nil {
		return out, nil
	}
	for by, to := range map[Dimension]map[string]Money{
		Total: nil, Agent: out.ByAgent, Model: out.ByModel, Workflow: out.ByWorkflow, Tag: out.ByTag,
	} {
		counts, err := s.Counts(ctx, by, from)
		if err != nil {
			return out, err
		}
		if by == Total {
			out.Total, out.Unpriced = Money(counts[""].Cost), counts[""].Unpriced
			continue
		}
		for name, c := range counts {
			to[name] = Money(c.Cost)
		}
	}
	return out, nil
}
