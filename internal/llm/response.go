package llm

import (
	"encoding/json"
	"time"
)

// Response is a model's answer and what it took to get it.
type Response struct {
	// ID is the API's id of the message, Model the model that answered.
	ID, Model string
	// Text is all text blocks, joined.
	Text string
	// Content is every block in the order it came, kinds that this version
	// does not know included.
	Content []Block
	// StopReason is the API's word for why the answer ended; empty where it
	// was cut. StopSequence is set with the reason "stop_sequence".
	StopReason, StopSequence string
	// StopDetails is what the API adds to a refusal, as JSON.
	StopDetails json.RawMessage
	Usage       Usage
	// Extra is the fields of the message that this version does not know.
	Extra map[string]json.RawMessage
	// RequestID is the API's id of the last exchange, for its support.
	RequestID string
	// Partial says that the stream ended before the message did.
	Partial bool
	// Attempts is how many exchanges were made.
	Attempts int
	// Cost is the sum of all attempts.
	Cost Cost
	// Source says where the answer came from; empty means a call.
	Source Source
	// Saved is what a call would have cost that was not made, in nano-dollars.
	Saved int64
	// Waited is the time that all attempts spent waiting for their turn.
	Waited time.Duration
	// FirstToken is the time from sending the last attempt to its first event.
	FirstToken time.Duration
	// Recalled is the past work that was in the prompt.
	Recalled []Recalled
	// Warnings are for the user: one sentence each.
	Warnings []string
}

// Recalled is a past session that was quoted in a prompt.
type Recalled struct {
	// Session is its number in the memory, RunID its run in the ledger (empty
	// where it was imported).
	Session     int64
	RunID       string
	Agent, Task string
	// At is when it began, Similarity how near its task is: 1 for the same
	// meaning, 0 for none.
	At         time.Time
	Similarity float64
}

// Source is where an answer came from.
type Source string

// The sources of an answer. The empty one is a call that no cache was asked
// before.
const (
	// SourceMiss is a call after the cache had no answer.
	SourceMiss Source = "miss"
	// SourceMemory and SourceDisk are the tiers of the cache.
	SourceMemory Source = "memory"
	SourceDisk   Source = "disk"
	// SourceCoalesced is somebody else's call that was in flight.
	SourceCoalesced Source = "coalesced"
)

// Whole reports whether the model ended its answer by itself. A refusal, an
// answer cut by max_tokens or by the context window, and a partial one are
// not whole.
func (r *Response) Whole() bool {
	if r == nil || r.Partial {
		return false
	}
	switch r.StopReason {
	case "end_turn", "stop_sequence", "tool_use", "pause_turn":
		return true
	}
	return false
}

// Usage is what the API counted, in tokens. Input, cache writes and cache
// reads are disjoint: their sum is the prompt.
type Usage struct {
	Input, Output int64
	// Thinking is the part of Output that the model thought; 0 where the API
	// did not say.
	Thinking int64
	// CacheWrite5m and CacheWrite1h are prompt-cache writes by time to live.
	CacheWrite5m, CacheWrite1h, CacheRead int64
	// Speed, Geo and Tier are what the API says it applied ("fast", "us",
	// "batch"); empty where it said nothing.
	Speed, Geo, Tier string
	// Incomplete says that the stream ended before its last count: the true
	// figures may be higher.
	Incomplete bool
	// Raw is the last usage object as it came.
	Raw json.RawMessage
}

// CacheWrite is the sum of both kinds of prompt-cache writes, in tokens.
func (u Usage) CacheWrite() int64 { return u.CacheWrite5m + u.CacheWrite1h }

// Prompt is the size of the whole prompt in tokens.
func (u Usage) Prompt() int64 { return u.Input + u.CacheWrite() + u.CacheRead }

// Cost is an amount in nano-dollars. The zero value is a known cost of
// nothing.
type Cost struct {
	// Nano is the sum of what is known.
	Nano int64
	// Unknown says that a part has no known price: the sum must not be shown
	// as the cost.
	Unknown bool
}

// Add returns the sum; it is unknown where either is.
func (c Cost) Add(d Cost) Cost {
	return Cost{Nano: c.Nano + d.Nano, Unknown: c.Unknown || d.Unknown}
}

// Incomplete returns the error that an answer is which arrived but is no
// success: a refusal, or one that was cut. It returns nil for a whole answer.
func (r *Response) Incomplete() *Error {
	if r.Whole() {
		return nil
	}
	e := &Error{RequestID: r.RequestID, Status: 200}
	switch r.StopReason {
	case "max_tokens":
		e.Code, e.Message = CodeMaxTokens, "the answer was cut at max_tokens; what there is was kept"
		e.Hint = "allow more with --max-tokens"
	case "model_context_window_exceeded":
		e.Code, e.Message = CodeContextWindow, "the answer was cut where the model's context was full; what there is was kept"
		e.Hint = "shorten the task, or choose a model with a larger context"
	case "refusal":
		e.Code, e.Message = CodeRefusal, "the model declined to answer"
		e.Hint = "word the task differently, or give it to another model"
	default:
		e.Code, e.Message = CodeBadResponse, "the answer ended without a reason this version knows ("+quote(r.StopReason)+")"
	}
	return e
}

func quote(s string) string { return string(AppendString(nil, s)) }
