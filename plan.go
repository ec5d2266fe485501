package claudeforce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/plan"
)

// What is assumed of answers that nobody has seen yet.
const (
	usualOutput     = 500 // tokens
	usualFirstToken = time.Second
	usualPace       = 80 // tokens a second
)

// Bounds of what may be assumed.
const (
	mostOutput     = 1_000_000
	mostPace       = 1_000_000
	mostFirstToken = time.Hour
	mostFigure     = 1_000_000_000 // of a rate limit, a minute
)

// PlanOptions ask for the forecast of a task file.
type PlanOptions struct {
	// In is the file, as [Tasks] takes it. A Plan that is cancelled ends when
	// a Read that waits has returned.
	In io.Reader
	// Defaults and NoWarmUp are those of [Tasks].
	Defaults Run
	NoWarmUp bool
	// Tier is the API's usage tier: start, build or scale. Empty means start,
	// or custom where all three figures are given.
	Tier string
	// RPM, ITPM and OTPM are requests, input and output tokens a minute of
	// each limit group; 0 means the tier's.
	RPM, ITPM, OTPM int
	// OutputTokens is how many tokens an answer has, at most as many as the
	// task allows; 0 means 500.
	OutputTokens int
	// FirstToken is the time from a call to the first token of its answer; 0
	// means a second. TokensPerSecond is the pace of the rest; 0 means 80.
	FirstToken      time.Duration
	TokensPerSecond int
}

// Plan is the forecast of a task file. The tokens of prompts are estimated
// offline and lean high.
type Plan struct {
	// Tasks is all lines; Failed are those that would fail.
	Tasks, Failed int64
	// Calls is how many calls would be answered. ResponseCacheHits are tasks
	// that take the answer of an equal one in the file, PromptCacheHits calls
	// that read their agent's prompt from the API's cache.
	Calls, ResponseCacheHits, PromptCacheHits int64
	// Refused is how many attempts would be answered with a 429.
	Refused int64
	// Duration is the wall time of the run.
	Duration time.Duration
	// Cost is nil where a price is not known. BatchCost is what the file costs
	// through Message Batches, where no call is sure to read the prompt cache;
	// nil where a model is not offered there.
	Cost, BatchCost *Money
	// Usage is the tokens of all calls.
	Usage Usage
	// MaxInFlight is the most calls at one moment.
	MaxInFlight int
	// BoundBy is what the calls would wait for: requests, input tokens, output
	// tokens, concurrency, or latency. Used is the share of the tightest rate
	// limit that would be used, from 0 to about 1.
	BoundBy string
	Used    float64
	// Tier is the usage tier whose limits were taken, or custom.
	Tier string
	// Assumptions are those that the figures stand on.
	Assumptions PlanAssumptions
	// Warnings are for the user, one sentence each.
	Warnings []string
}

// PlanAssumptions are what a [Plan] takes the API to do.
type PlanAssumptions struct {
	// FirstToken is the time from a call to the first token of its answer,
	// TokensPerSecond the pace of the rest.
	FirstToken      time.Duration
	TokensPerSecond int
	// OutputTokens is the length of an answer whose task allows as many.
	OutputTokens int
}

// Plan forecasts what [Engine.RunTasks] would do with a task file: how long it
// takes, what it costs, and how often it meets a rate limit. It makes no call,
// needs no key, opens no store and writes nothing; it does not know what the
// response cache holds already. With [CodeSomeFailed] the plan is there as
// well.
func (e *Engine) Plan(ctx context.Context, o PlanOptions) (*Plan, error) {
	p, err := e.newPlanner(o)
	if err != nil {
		return nil, err
	}
	next, stop := p.stream()
	forecast, err := plan.Simulate(ctx, plan.Options{
		Start:       p.now,
		Concurrency: e.config.Count("concurrency"), Ahead: aheadOfCalls,
		Attempts:   e.config.Integer("retries"),
		FirstToken: p.options.FirstToken, TokensPerSecond: p.options.TokensPerSecond,
		WarmUp: !o.NoWarmUp, Kept: e.config.Duration("cache.ttl"), Deadline: e.config.Duration("timeout"),
	}, next)
	stop()
	switch {
	case errors.Is(err, plan.ErrTooLong):
		return nil, usageError(err.Error(), "plan a smaller file, or more at once")
	case ctx.Err() != nil:
		return nil, llm.ContextError(ctx)
	case err != nil:
		return nil, llm.AsError(err)
	case p.failure != nil:
		return nil, p.failure
	}
	return p.result(forecast)
}

// complete fills in the defaults and says what makes no sense.
func (o *PlanOptions) complete() error {
	for _, n := range []struct {
		name  string
		value int
		most  int
	}{
		{"the limit of requests", o.RPM, mostFigure},
		{"the limit of input tokens", o.ITPM, mostFigure},
		{"the limit of output tokens", o.OTPM, mostFigure},
		{"the number of output tokens", o.OutputTokens, mostOutput},
		{"the number of tokens a second", o.TokensPerSecond, mostPace},
	} {
		if n.value < 0 || n.value > n.most {
			return usageError(fmt.Sprintf("%s is %d and must be a whole number from 1 to %d", n.name, n.value, n.most), "")
		}
	}
	if o.FirstToken < 0 || o.FirstToken > mostFirstToken {
		return usageError(fmt.Sprintf("the time to the first token is %s and must be at most %s", o.FirstToken, mostFirstToken), "")
	}
	if o.OutputTokens == 0 {
		o.OutputTokens = usualOutput
	}
	if o.FirstToken == 0 {
		o.FirstToken = usualFirstToken
	}
	if o.TokensPerSecond == 0 {
		o.TokensPerSecond = usualPace
	}
	return o.chooseTier()
}

func (o *PlanOptions) chooseTier() error {
	const custom = "custom"
	own := o.RPM > 0 && o.ITPM > 0 && o.OTPM > 0
	_, known := model.Tier(o.Tier)
	switch {
	case known:
	case own && (o.Tier == "" || o.Tier == custom || o.Tier == "evaluation"):
		o.Tier = firstOf(o.Tier, custom)
	case o.Tier == "":
		o.Tier = model.Tiers()[0]
	default:
		return usageError(
			fmt.Sprintf("no limits are known for the tier %q: choose %s", o.Tier, strings.Join(model.Tiers(), ", ")),
			"for evaluation and custom give the limits with --rpm, --itpm and --otpm",
		)
	}
	return nil
}

// result puts the forecast into words for the caller.
func (p *planner) result(f *plan.Forecast) (*Plan, error) {
	out := &Plan{
		Tasks: f.Tasks, Failed: f.Failed, Calls: f.Calls, Refused: f.Refused,
		ResponseCacheHits: f.ResponseHits, PromptCacheHits: f.PromptHits,
		Duration: f.Duration, Cost: moneyOf(f.Cost), BatchCost: moneyOf(f.BatchCost),
		Usage: Usage{
			InputTokens: f.Usage.Input, OutputTokens: f.Usage.Output,
			CacheCreationInputTokens: f.Usage.CacheWrite5m, CacheReadInputTokens: f.Usage.CacheRead,
		},
		MaxInFlight: f.MaxInFlight, BoundBy: string(f.BoundBy), Used: f.Used,
		Tier:        p.options.Tier,
		Assumptions: PlanAssumptions{p.options.FirstToken, p.options.TokensPerSecond, p.options.OutputTokens},
		Warnings:    append(p.trouble.drain(), p.reasons...),
	}
	say := func(format string, args ...any) { out.Warnings = append(out.Warnings, fmt.Sprintf(format, args...)) }
	if f.Exhausted > 0 {
		say("%d tasks fail because the API refuses their call in all %d attempts: raise the setting retries, or split what is longer than a limit", f.Exhausted, p.engine.config.Integer("retries"))
	}
	if f.Late > 0 {
		say("%d tasks would take longer than the deadline of %s, at which a run ends: lower the concurrency, or raise the setting timeout", f.Late, p.engine.config.Duration("timeout"))
	}
	if p.odd > 0 {
		say("%s with a field that no task has, such as %q", plural(int(p.odd), "line"), p.oddName)
	}
	if f.Failed > 0 {
		return out, &Error{
			Code:    CodeSomeFailed,
			Message: fmt.Sprintf("%d of %d tasks would fail", f.Failed, f.Tasks),
			Hint:    "the warnings say why",
		}
	}
	return out, nil
}

// moneyOf is nil where the cost is not known.
func moneyOf(c llm.Cost) *Money {
	if c.Unknown {
		return nil
	}
	nano := Money(c.Nano)
	return &nano
}

// MarshalJSON writes the object that `simulate plan --json` prints. Its names
// are stable.
func (p *Plan) MarshalJSON() ([]byte, error) {
	type assumptions struct {
		FirstTokenMS    int64 `json:"first_token_ms"`
		TokensPerSecond int   `json:"tokens_per_second"`
		OutputTokens    int   `json:"output_tokens"`
		// PromptTokens says where the figures of the input come from.
		PromptTokens string `json:"prompt_tokens"`
	}
	return marshal(struct {
		Tasks         int64       `json:"tasks"`
		Calls         int64       `json:"calls"`
		Failed        int64       `json:"failed"`
		ResponseHits  int64       `json:"response_cache_hits"`
		PromptHits    int64       `json:"prompt_cache_hits"`
		Refused       int64       `json:"refused"`
		DurationMS    int64       `json:"duration_ms"`
		Cost          *Money      `json:"cost_usd"`
		BatchCost     *Money      `json:"batch_cost_usd"`
		Input         int64       `json:"input_tokens"`
		CacheCreation int64       `json:"cache_creation_input_tokens"`
		CacheRead     int64       `json:"cache_read_input_tokens"`
		Output        int64       `json:"output_tokens"`
		MaxInFlight   int         `json:"max_in_flight"`
		BoundBy       string      `json:"bound_by"`
		Used          float64     `json:"used"`
		Tier          string      `json:"tier"`
		Assumptions   assumptions `json:"assumptions"`
		Warnings      []string    `json:"warnings"`
	}{
		p.Tasks, p.Calls, p.Failed, p.ResponseCacheHits, p.PromptCacheHits, p.Refused, p.Duration.Milliseconds(),
		p.Cost, p.BatchCost, p.Usage.InputTokens, p.Usage.CacheCreationInputTokens, p.Usage.CacheReadInputTokens, p.Usage.OutputTokens,
		p.MaxInFlight, p.BoundBy, math.Round(p.Used*10_000) / 10_000, p.Tier,
		assumptions{p.Assumptions.FirstToken.Milliseconds(), p.Assumptions.TokensPerSecond, p.Assumptions.OutputTokens, "estimated"},
		append([]string{}, p.Warnings...),
	})
}
