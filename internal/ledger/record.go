package ledger

import (
	"time"

	"github.com/claude-force/claude-force/internal/layer/record"
	"github.com/claude-force/claude-force/internal/llm"
)

// Record is one run as it is exported and watched. Its JSON names are stable.
type Record struct {
	// Number orders the rows of a store; 0 for a run that comes from none.
	Number int64 `json:"-"`

	RunID   string    `json:"run_id"`
	Started time.Time `json:"started"`
	Agent   string    `json:"agent"`
	// Workflow and Step are empty outside workflows.
	Workflow string `json:"workflow"`
	Step     string `json:"step"`
	// RequestedModel is the model as it was asked for, Model the id that was
	// called, ModelReason why it was.
	RequestedModel string `json:"requested_model"`
	Model          string `json:"model"`
	ModelReason    string `json:"model_reason"`
	// Status is succeeded, failed or cancelled; ErrorType says why it is not
	// the first.
	Status     string `json:"status"`
	Success    bool   `json:"success"`
	ErrorType  string `json:"error_type"`
	StopReason string `json:"stop_reason"`
	// Durations in whole milliseconds: of the run, to the first token of its
	// last attempt, and of the waits for its turn.
	DurationMS   int64 `json:"duration_ms"`
	FirstTokenMS int64 `json:"first_token_ms"`
	WaitedMS     int64 `json:"waited_ms"`
	Attempts     int   `json:"attempts"`
	// Tokens of all exchanges.
	InputTokens        int64 `json:"input_tokens"`
	OutputTokens       int64 `json:"output_tokens"`
	ThinkingTokens     int64 `json:"thinking_tokens"`
	CacheReadTokens    int64 `json:"cache_read_tokens"`
	CacheWrite5mTokens int64 `json:"cache_write_5m_tokens"`
	CacheWrite1hTokens int64 `json:"cache_write_1h_tokens"`
	// Cost is the sum of the exchanges, nil where a price is not known.
	Cost  *Money `json:"cost_usd"`
	Saved Money  `json:"saved_usd"`
	// Cache says where the answer came from, as in the result of the run.
	Cache string `json:"cache"`
	// Tier is "batch" for the Message Batches API, or what the API said.
	Tier string `json:"tier"`
	// TaskHash identifies the task without keeping it.
	TaskHash  string            `json:"task_hash"`
	Branch    string            `json:"branch"`
	RequestID string            `json:"request_id"`
	Tags      map[string]string `json:"tags"`
}

// RecordOf is the record of a run, with the tokens and the cost that the run
// itself knows of.
func RecordOf(r *record.Run) Record {
	u := &r.Usage
	out := Record{
		RunID: r.RunID, Started: r.Started.UTC(), Agent: r.Agent, Workflow: r.Workflow, Step: r.Step,
		RequestedModel: r.Requested, Model: r.Model, ModelReason: r.Why,
		Status: string(r.Status), Success: r.Status == record.Succeeded, ErrorType: string(r.Error), StopReason: r.StopReason,
		DurationMS: r.Duration.Milliseconds(), FirstTokenMS: r.FirstToken.Milliseconds(), WaitedMS: r.Waited.Milliseconds(),
		Attempts: r.Attempts, InputTokens: u.Input, OutputTokens: u.Output, ThinkingTokens: u.Thinking,
		CacheReadTokens: u.CacheRead, CacheWrite5mTokens: u.CacheWrite5m, CacheWrite1hTokens: u.CacheWrite1h,
		Saved: Money(r.Saved), Cache: CacheName(r.Source), Tier: u.Tier,
		TaskHash: r.TaskHash, Branch: r.Branch, RequestID: r.RequestID,
	}
	if cost := Money(r.Cost.Nano); !r.Cost.Unknown {
		out.Cost = &cost
	}
	if len(r.Tags) > 0 {
		out.Tags = make(map[string]string, len(r.Tags))
		for _, t := range r.Tags {
			out.Tags[t.Key] = t.Value
		}
	}
	return out
}

// CacheName is a source as users know it: "off" where no cache was asked.
func CacheName(s llm.Source) string {
	if s == "" {
		return "off"
	}
	return string(s)
}
