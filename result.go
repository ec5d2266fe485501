package claudeforce

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/model"
)

// Money is an amount in nano-dollars. It prints, and marshals to JSON, as
// exact decimal dollars.
type Money = model.Money

// Event is one step of an answer's stream.
type Event = llm.Event

// The kinds of events that a reader of a stream acts on.
const (
	EventOther    = llm.EventOther
	EventStart    = llm.EventStart
	EventText     = llm.EventText
	EventThinking = llm.EventThinking
	EventRestart  = llm.EventRestart
)

// Run asks an agent to do a task.
type Run struct {
	// Agent is the agent's name, Task what it shall do. Both are required, unless
	// Auto is set.
	Agent, Task string
	// Auto has the agent chosen that fits the task best, where Agent is empty.
	// Where none fits, the error has [CodeNoAgentFits].
	Auto bool
	// Model is a line ("sonnet"), an id, an alias, or "auto" for the line that
	// the task's difficulty deserves; empty leaves the choice to the agent's
	// file and then to the setting `model`.
	Model string
	// MaxTokens is the most output tokens; 0 means the setting `max_tokens`.
	MaxTokens int
	// Temperature is nil to leave it to the model.
	Temperature *float64
	// Effort is low, medium, high, xhigh or max; empty leaves it to the
	// agent's file and then to the model.
	Effort string
	// Reuse says whether an earlier answer may stand in; empty leaves it to
	// the settings of the cache.
	Reuse Reuse
	// Memory says whether similar past work joins the prompt, and the answer is
	// kept for later runs; empty leaves it to the setting `memory`.
	Memory Memory
	// Timeout is the deadline of the run; 0 means the setting `timeout`.
	Timeout time.Duration
	// Background lets runs without it go first where the rate limits are
	// short.
	Background bool
	// MaxCost is the most that the run may cost, all attempts together: a call
	// that could exceed it is not made. 0 means the setting `cost_threshold`,
	// and where that is empty no bound.
	MaxCost Money
	// OverBudget makes the run although a budget is in the way; what it costs
	// counts all the same.
	OverBudget bool
	// Cascade has cheaper models try first: each answer that is whole is checked
	// by the cheapest model, and the next dearer one is called where it fails.
	// The model that would be called without it has the last word.
	Cascade bool
	// Tags are marks of the user's own, by which the ledger adds up: at most 16,
	// with keys of letters, digits, dots, dashes, slashes and underscores.
	Tags map[string]string
	// Emit is handed each event of the stream, in order, before Run returns;
	// nil drops them.
	Emit func(Event)

	// warmUp lets the first of many runs with the same prefix go ahead.
	warmUp bool
	// purse is what the run may cost, together with others.
	purse *llm.Purse
	// why says why Model is what it is; empty where the caller named it.
	why string
	// choice is how Agent was chosen, or nil.
	choice *Recommended
	// onTrial keeps the answer out of the memory until it is accepted.
	onTrial bool
}

// Usage is what the API counted for the answer, in tokens.
type Usage struct {
	InputTokens              int64 `json:"input_tokens"`
	OutputTokens             int64 `json:"output_tokens"`
	CacheCreationInputTokens int64 `json:"cache_creation_input_tokens"`
	CacheReadInputTokens     int64 `json:"cache_read_input_tokens"`
	// Incomplete says that the stream ended before the last count.
	Incomplete bool `json:"incomplete,omitempty"`
}

// Result is a run that was made, whatever came of it.
type Result struct {
	RunID string
	Agent string
	// Choice says why this agent, where it was chosen by the task; else it is nil.
	Choice *Recommended
	// Model is the id that was called.
	Model string
	// Success says that the model ended its answer by itself.
	Success bool
	// Output is the answer; of a failed run, what there is of it.
	Output string
	// Partial says that Output ends in the middle.
	Partial    bool
	StopReason string
	// Cache says where the answer came from: "miss" is a call, "memory" and
	// "disk" are kept answers, "coalesced" is a call that another run made,
	// "off" a call that no cache was asked before.
	Cache string
	Usage Usage
	// Cost is the sum of all attempts, and of the tries of a cascade; nil where
	// the price is not known.
	Cost *Money
	// Saved is what a call would have cost that was not made.
	Saved    Money
	Duration time.Duration
	// Attempts is how many exchanges were made with the API.
	Attempts  int
	RequestID string
	// Simulated says that no model was called: the cost is what a call like
	// this would have cost.
	Simulated bool
	// Tries are the other calls that a cascade made, in their order.
	Tries []Try
	// MemoryUsed is the past work that was in the prompt: empty where there was
	// none, nil where the memory was off.
	MemoryUsed []MemoryUsed
	// Warnings are for the user, one sentence each.
	Warnings []string
	// Err is why the run failed, or nil.
	Err *Error
}

// MarshalJSON writes the object that `run agent --json` prints. Its names are
// stable.
func (r *Result) MarshalJSON() ([]byte, error) {
	warnings := r.Warnings
	if warnings == nil {
		warnings = []string{}
	}
	return marshal(struct {
		RunID      string       `json:"run_id"`
		Agent      string       `json:"agent"`
		Choice     *Recommended `json:"choice,omitempty"`
		Model      string       `json:"model"`
		Success    bool         `json:"success"`
		Output     string       `json:"output"`
		Partial    bool         `json:"partial,omitempty"`
		StopReason string       `json:"stop_reason"`
		Cache      string       `json:"cache"`
		Usage      Usage        `json:"usage"`
		Cost       *Money       `json:"cost_usd"`
		Saved      Money        `json:"saved_usd"`
		DurationMS int64        `json:"duration_ms"`
		Attempts   int          `json:"attempts"`
		RequestID  string       `json:"request_id"`
		Simulated  bool         `json:"simulated,omitempty"`
		Tries      []Try        `json:"tries,omitempty"`
		MemoryUsed []MemoryUsed `json:"memory_used,omitzero"`
		Warnings   []string     `json:"warnings"`
		Err        *errorJSON   `json:"error"`
	}{
		r.RunID, r.Agent, r.Choice, r.Model, r.Success, r.Output, r.Partial, r.StopReason, r.Cache, r.Usage,
		r.Cost, r.Saved, r.Duration.Milliseconds(), r.Attempts, r.RequestID, r.Simulated, r.Tries, r.MemoryUsed, warnings, errorDocument(r.Err),
	})
}

// marshal keeps <, > and & as they are: answers are full of them, and nobody
// reads this JSON as HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
