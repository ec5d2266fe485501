package claudeforce

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	books "github.com/claude-force/claude-force/internal/ledger"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/project"
	"github.com/claude-force/claude-force/internal/prompt"
)

// MaxTask is the largest task in bytes: the API takes requests of 32 MB.
const MaxTask = 32 << 20

// Run has an agent do a task. Where the result is nil, the run never began
// and nothing was spent. A run that began and failed returns both: the result
// with what there is, and the same *[Error] that it holds.
func (e *Engine) Run(ctx context.Context, r Run) (*Result, error) {
	r, said, err := e.choose(ctx, r)
	if err != nil {
		return nil, err
	}
	result, err := e.run(ctx, r)
	if result != nil {
		result.Choice, result.Warnings = r.choice, append(said, result.Warnings...)
	}
	return result, err
}

// run makes a run whose agent is known.
func (e *Engine) run(ctx context.Context, r Run) (*Result, error) {
	if r.Cascade {
		return e.cascade(ctx, r)
	}
	req, warnings, err := e.request(ctx, r)
	if err != nil {
		return nil, err
	}
	caller, err := e.caller()
	if err != nil {
		return nil, llm.AsError(err)
	}
	emit := r.Emit
	if emit == nil {
		emit = llm.Discard
	}
	timeout := r.Timeout
	if timeout <= 0 {
		timeout = e.config.Duration("timeout")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, deadlineError(timeout))
	defer cancel()
	began := e.options.Now()
	resp, err := caller.Call(ctx, req, emit)
	if lesser, said, ok := e.downgrade(ctx, r, req, err); ok {
		req, warnings = lesser, append(warnings, said...)
		resp, err = caller.Call(ctx, req, emit)
	}
	for tried := []string{req.Model}; ; tried = append(tried, req.Model) {
		next, said, ok := e.fallBack(ctx, r, req, err, tried)
		if !ok {
			break
		}
		req, warnings = next, append(warnings, said...)
		resp, err = caller.Call(ctx, req, emit)
	}
	took := e.options.Now().Sub(began)
	e.sample(req, resp)
	e.noteDifficulty(req, resp, r.Task)
	warnings = append(warnings, e.budgetWarnings(ctx, req, resp)...)
	return e.result(req, resp, err, took, append(warnings, e.trouble.drain()...))
}

// request is the request of a run, and what there is to say about it.
func (e *Engine) request(ctx context.Context, r Run) (*llm.Request, []string, error) {
	r, said, err := e.choose(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	if err := checkTask(r); err != nil {
		return nil, nil, err
	}
	agent, found, err := e.project.Agent(r.Agent)
	if err != nil {
		return nil, nil, e.agentError(err)
	}
	req, warnings, err := e.prepare(ctx, r, agent)
	if err != nil {
		return nil, nil, err
	}
	return req, append(append(said, warnings...), texts(found)...), nil
}

func checkTask(r Run) error {
	switch {
	case r.Agent == "":
		return usageError("no agent was named", "`claude-force list agents` shows them")
	case strings.TrimSpace(r.Task) == "":
		return usageError("the task is empty", "give one with --task, --task-file or on stdin")
	case len(r.Task) > MaxTask:
		return usageError(fmt.Sprintf("the task has %d MB and a request may have 32 MB", len(r.Task)>>20), "split it")
	case r.MaxTokens < 0:
		return usageError("max_tokens must be a whole number from 1", "")
	case r.Temperature != nil && !(*r.Temperature >= 0 && *r.Temperature <= 1): // NaN too
		return usageError("the temperature must be between 0 and 1", "")
	}
	if err := books.CheckTags(r.Tags); err != nil {
		return usageError(err.Error(), "")
	}
	if !utf8.ValidString(r.Task) {
		return usageError("the task is not UTF-8 text", "convert it, for instance with iconv, or name another file")
	}
	return nil
}

// prepare makes the request and refuses a prompt that cannot fit.
func (e *Engine) prepare(ctx context.Context, r Run, agent *project.Agent) (*llm.Request, []string, error) {
	c, err := e.catalogue()
	if err != nil {
		return nil, nil, err
	}
	name, why, err := e.chooseModel(r, agent)
	if err != nil {
		return nil, nil, err
	}
	in := prompt.Input{
		Agent: agent, Task: r.Task, Temperature: r.Temperature,
		Model:     c.Resolve(name, e.options.Now()),
		MaxTokens: r.MaxTokens,
		Effort:    firstOf(r.Effort, agent.Effort),
	}
	if in.MaxTokens == 0 {
		in.MaxTokens = e.config.Integer("max_tokens")
	}
	params, warnings := prompt.Assemble(in)
	warnings = append(append([]string{}, in.Model.Warnings...), warnings...)
	req := e.label(params, r, llm.Labels{Agent: agent.Name, Requested: in.Model.Requested, Why: why})
	if m := in.Model.Model; m != nil {
		if err := e.checkSize(ctx, req, m); err != nil {
			return nil, nil, err
		}
	}
	return req, warnings, nil
}

// label makes the request of a run, with what the run says of itself.
func (e *Engine) label(params llm.Params, r Run, l llm.Labels) *llm.Request {
	sum := sha256.Sum256([]byte(r.Task))
	l.RunID, l.TaskHash, l.Branch, l.Tags = e.options.NewID(), hex.EncodeToString(sum[:8]), e.branch(), books.Tags(r.Tags)
	req := llm.New(params, l)
	req.Memory = e.memory.mode(r)
	req.Reuse = e.reuse(r, req)
	req.Background, req.WarmUp = r.Background, r.warmUp
	req.Purse, req.OverBudget = e.purse(r), r.OverBudget
	return req
}

// purse is what a run may cost; nil is no bound.
func (e *Engine) purse(r Run) *llm.Purse {
	switch {
	case r.purse != nil:
		return r.purse
	case r.MaxCost > 0:
		return llm.NewPurse(int64(r.MaxCost))
	}
	if m, err := ParseMoney(e.config.Text("cost_threshold")); err == nil {
		return llm.NewPurse(int64(m))
	}
	return nil
}

// sureOver is how far over a context an estimate must be, in percent, to
// refuse a prompt by itself: estimates are at most 15 % over the count in 95
// of 100 texts (see package tokens), and this is twice that.
const sureOver = 130

// checkSize refuses a prompt over the model's context before it is sent. The
// offline estimate decides where it can; where it is close the API is asked
// for the exact count, which is free.
func (e *Engine) checkSize(ctx context.Context, req *llm.Request, m *model.Model) error {
	if m.Context <= 0 || prompt.Bytes(req.Params) <= m.Context {
		return nil
	}
	floor, most := prompt.Tokens(req.Params, m.Tokenizer)
	switch {
	case most <= m.Context:
		return nil
	case floor > m.Context, most > m.Context/100*sureOver:
		return tooLong(most, "about ", m)
	}
	client, err := e.client()
	if err != nil {
		return llm.AsError(err)
	}
	n, err := client.CountTokens(ctx, req)
	if err != nil {
		return nil // not every server counts; the call itself will tell
	}
	if n > m.Context {
		return tooLong(n, "", m)
	}
	return nil
}

func tooLong(n int, about string, m *model.Model) error {
	return &Error{
		Code:    CodePromptTooLong,
		Message: fmt.Sprintf("the prompt has %s%d tokens and %s takes %d", about, n, m.ID, m.Context),
		Hint:    "shorten the task or split it, or choose a model with a larger context (`claude-force list models`)",
	}
}

func (e *Engine) result(req *llm.Request, resp *llm.Response, err error, took time.Duration, warnings []string) (*Result, error) {
	if resp == nil {
		resp = &llm.Response{}
	}
	failure := llm.AsError(err)
	if failure == nil {
		failure = resp.Incomplete()
	}
	out := &Result{
		RunID: req.RunID, Agent: req.Agent, Model: req.Model,
		Success: failure == nil, Err: failure,
		Output: resp.Text, Partial: resp.Partial, StopReason: resp.StopReason,
		Cache: "off", Saved: Money(resp.Saved), Duration: took, Attempts: resp.Attempts, RequestID: resp.RequestID,
		Simulated: e.options.Demo,
		Usage: Usage{
			InputTokens: resp.Usage.Input, OutputTokens: resp.Usage.Output,
			CacheCreationInputTokens: resp.Usage.CacheWrite(), CacheReadInputTokens: resp.Usage.CacheRead,
			Incomplete: resp.Usage.Incomplete,
		},
		MemoryUsed: memoryUsed(req, resp),
		Warnings:   append(warnings, resp.Warnings...),
	}
	if resp.Source != "" {
		out.Cache = string(resp.Source)
	}
	if cost := Money(resp.Cost.Nano); !resp.Cost.Unknown {
		out.Cost = &cost
	}
	if failure == nil {
		return out, nil
	}
	if out.RequestID == "" {
		out.RequestID = failure.RequestID
	}
	return out, failure
}

// agentError adds to an unknown agent what a folder without agents needs.
func (e *Engine) agentError(err error) error {
	out := projectError(err)
	if f := llm.AsError(out); f.Code == CodeUnknownAgent && e.project.Dir() != "" {
		if list, listErr := e.project.Agents(); listErr == nil && len(list.Agents) == 0 {
			f.Hint = "this project has no agents: `claude-force init " + e.project.Dir() + "` adds the starter library"
		}
	}
	return out
}

func deadlineError(after time.Duration) error {
	return &Error{
		Code: CodeDeadline, Message: "the deadline of " + after.String() + " passed before the answer was complete",
		Hint: "allow more time with --timeout",
	}
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
