package claudeforce

import (
	"context"

	"github.com/claude-force/claude-force/internal/layer/breakpoint"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/prompt"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

// Range is a figure before it is known: low and high are hardly passed, and
// expected leans high.
type Range struct {
	Low      int64 `json:"low"`
	Expected int64 `json:"expected"`
	High     int64 `json:"high"`
}

// CostRange is a cost before it is known; it is nil where the price of the
// model is not known.
type CostRange struct {
	Low      Money `json:"low"`
	Expected Money `json:"expected"`
	// High is the most that the run can cost, for one attempt.
	High Money `json:"high"`
}

// Estimate is what a run will take, before it is made.
type Estimate struct {
	Agent string `json:"agent"`
	Model string `json:"model"`
	// Input is the prompt in tokens, of which Prefix can come from the prompt
	// cache; Output is the answer.
	Input  Range `json:"input_tokens"`
	Prefix int64 `json:"prefix_tokens"`
	// PrefixTTL is how long the prompt cache is asked to keep the prefix, by
	// how far apart this agent's runs were: "5m", "1h", or empty for not at all.
	PrefixTTL string `json:"prefix_ttl"`
	Output    Range  `json:"output_tokens"`
	// Exact says that the API counted the prompt.
	Exact bool `json:"exact"`
	// Calibrated is how many earlier runs the estimate of the prompt was
	// corrected by, History how many answers of this agent the output is taken
	// from (0: max_tokens bounds it, and nothing else is known).
	Calibrated int64      `json:"calibrated_by"`
	History    int        `json:"history"`
	Cost       *CostRange `json:"cost_usd"`
	Warnings   []string   `json:"warnings"`
}

// The figures of an estimate.
const (
	historyRuns  = 200 // answers that are looked at
	enoughRuns   = 3   // answers that tell something
	guessOutput  = 500 // tokens of an answer of which nothing is known
	enoughCounts = 20  // samples that correct an estimate
	// sampleOne in so many runs has its estimate compared with the count.
	sampleOne = 32
)

// Estimate says what a run will take, without making it. exact asks the API to
// count the prompt, which is free; else the count is estimated on this
// machine, corrected by what earlier runs with the model counted.
func (e *Engine) Estimate(ctx context.Context, r Run, exact bool) (*Estimate, error) {
	req, warnings, err := e.request(ctx, r)
	if err != nil {
		return nil, err
	}
	c, err := e.catalogue()
	if err != nil {
		return nil, llm.AsError(err)
	}
	m, _ := c.Lookup(req.Model)
	req = e.withPlan(ctx, e.withPastWork(ctx, req), c.Catalogue)
	out := &Estimate{Agent: req.Agent, Model: req.Model, Exact: exact, Warnings: append([]string{}, warnings...)}
	out.PrefixTTL = req.PrefixTTL()
	if said := shortPrefix(req, m); said != "" {
		out.Warnings = append(out.Warnings, said)
	}
	if exact {
		err = e.countInput(ctx, req, m, out)
	} else {
		err = e.estimateInput(ctx, req, m, out)
	}
	if err != nil {
		return nil, err
	}
	if err := e.estimateOutput(ctx, req, out); err != nil {
		return nil, err
	}
	e.priceEstimate(req, m, out)
	return out, nil
}

func (e *Engine) countInput(ctx context.Context, req *llm.Request, m *model.Model, out *Estimate) error {
	client, err := e.client()
	if err != nil {
		return llm.AsError(err)
	}
	n, err := client.CountTokens(ctx, req)
	if err != nil {
		return llm.AsError(err)
	}
	out.Input = Range{int64(n), int64(n), int64(n)}
	if cached(req) {
		out.Prefix = min(prefixTokens(req, tokenizer(m)), int64(n))
	}
	return nil
}

func (e *Engine) estimateInput(ctx context.Context, req *llm.Request, m *model.Model, out *Estimate) error {
	floor, most := prompt.Tokens(req.Params, tokenizer(m))
	out.Input = Range{int64(floor), int64(most), int64(prompt.Bytes(req.Params))}
	db, err := e.pastRuns()
	if err != nil {
		return err
	}
	if db != nil {
		list, err := db.Calibrations(ctx)
		if err != nil {
			return llm.AsError(err)
		}
		for _, c := range list {
			if c.Model == req.Model && c.Samples >= enoughCounts && c.Estimated > 0 {
				out.Input.Expected = max(out.Input.Low, out.Input.Expected*c.Counted/c.Estimated*105/100)
				out.Calibrated = c.Samples
			}
		}
	}
	if cached(req) {
		out.Prefix = min(prefixTokens(req, tokenizer(m)), out.Input.Expected)
	}
	return nil
}

// cached reports whether the prompt cache keeps a request's prefix.
func cached(req *llm.Request) bool { return req.PrefixTTL() != "" }

func prefixTokens(req *llm.Request, family string) int64 {
	_, n := prompt.Tokens(llm.Params{System: req.System}, family)
	return int64(n)
}

func tokenizer(m *model.Model) string {
	if m == nil {
		return ""
	}
	return m.Tokenizer
}

// estimateOutput takes the answers that this agent gave before.
func (e *Engine) estimateOutput(ctx context.Context, req *llm.Request, out *Estimate) error {
	most := int64(req.MaxTokens)
	out.Output = Range{1, min(guessOutput, most), most}
	db, err := e.pastRuns()
	if err != nil || db == nil {
		return err
	}
	past, err := db.Outputs(ctx, req.Agent, req.Model, historyRuns)
	if err != nil {
		return llm.AsError(err)
	}
	out.History = len(past)
	if len(past) < enoughRuns {
		return nil
	}
	at := func(share int) int64 { return min(past[(len(past)-1)*share/100], most) }
	out.Output.Low, out.Output.Expected = at(10), at(60)
	return nil
}

// pastRuns is the ledger, or nil where there is none yet.
func (e *Engine) pastRuns() (*sqlite.DB, error) {
	if e.options.Demo {
		return nil, nil
	}
	db, err := e.ledger.reading()
	if err != nil {
		return nil, llm.AsError(err)
	}
	return db, nil
}

// priceEstimate prices the three figures: low reads the prefix from the prompt
// cache, expected does so where the agent has runs behind it, and high is the
// worst case that a budget would reserve.
func (e *Engine) priceEstimate(req *llm.Request, m *model.Model, out *Estimate) {
	now := e.options.Now()
	price := func(read, write, input, output int64) (Money, bool) {
		usage := model.Usage{CacheRead: read, CacheWrite5m: write, Input: input, Output: output}
		if req.PrefixTTL() == breakpoint.Long {
			usage.CacheWrite5m, usage.CacheWrite1h = 0, write
		}
		return m.Price(usage, model.Terms{Fast: req.Speed == "fast", Geo: req.Geo}, now)
	}
	if m == nil {
		return
	}
	prefix := min(out.Prefix, out.Input.Low)
	low, ok := price(prefix, 0, out.Input.Low-prefix, out.Output.Low)
	read, write := out.Prefix, int64(0)
	if out.History == 0 {
		read, write = write, read
	}
	expected, ok2 := price(read, write, out.Input.Expected-out.Prefix, out.Output.Expected)
	c, err := e.catalogue()
	if !ok || !ok2 || err != nil {
		return
	}
	bound := out.Input.High
	if !out.Exact {
		bound = int64(len(req.Body()))
	}
	high, known := mostFor(c.Catalogue, req, bound, false, now)
	if known {
		out.Cost = &CostRange{Low: low, Expected: expected, High: Money(high)}
	}
}

// Calibration is how good the estimates of prompts for a model were.
type Calibration struct {
	Model   string `json:"model"`
	Samples int64  `json:"samples"`
	// Ratio is the sum of estimates over the sum of counts.
	Ratio float64 `json:"ratio"`
	// Low is the share of estimates that were more than 5 % below the count,
	// High of those more than 15 % above it.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Calibrations says how good the estimates were, from a sample of the runs.
func (e *Engine) Calibrations(ctx context.Context) ([]Calibration, error) {
	db, err := e.pastRuns()
	if err != nil || db == nil {
		return nil, err
	}
	list, err := db.Calibrations(ctx)
	if err != nil {
		return nil, llm.AsError(err)
	}
	var out []Calibration
	for _, c := range list {
		if c.Samples == 0 || c.Counted == 0 {
			continue
		}
		n := float64(c.Samples)
		out = append(out, Calibration{
			Model: c.Model, Samples: c.Samples, Ratio: float64(c.Estimated) / float64(c.Counted),
			Low: float64(c.Low) / n, High: float64(c.High) / n,
		})
	}
	return out, nil
}

// sample compares the estimate of one run in some with what was counted.
func (e *Engine) sample(req *llm.Request, resp *llm.Response) {
	if resp == nil || resp.Usage.Prompt() == 0 || resp.Attempts != 1 || !e.config.Bool("tracking") || !sampled(req.RunID) {
		return
	}
	c, err := e.catalogue()
	if err != nil {
		return
	}
	m, ok := c.Lookup(req.Model)
	if !ok {
		return
	}
	_, most := prompt.Tokens(req.Params, m.Tokenizer)
	if db, err := e.ledger.store(); err == nil {
		_ = db.SaveSample(req.Model, int64(most), resp.Usage.Prompt()) // a sample more or less
	}
}

// sampled takes one run in some, by its id.
func sampled(runID string) bool {
	sum := 0
	for i := range len(runID) {
		sum = sum*31 + int(runID[i])
	}
	return sum&(sampleOne-1) == 0
}
