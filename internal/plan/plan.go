// Package plan forecasts what a file of tasks takes and costs, without a call
// and without waiting: a discrete-event simulation in a time of its own.
//
// The calls wait in the queues of a real run ([limit.Virtual]) and meet the
// buckets of the simulated API ([sim.Meter]), one of each for a limit group.
// What stands around them is retold here: the window of runs under way, the
// response cache and the calls that are joined, the prefix that goes ahead, the
// prompt cache, attempts. There are no goroutines and no clock; one loop goes
// from event to event:
//
//	feed ──► waits for its prefix ──► queue ──► sent ──► first token ──► end
//	  │                                 ▲         │
//	  └► kept, or in flight             └─ refused┘
//
// Memory grows with the calls in flight, and by some 20 bytes for each answer
// that a later task may reuse.
package plan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/sim"
)

// Kind is what the tasks of one agent, model and effort have in common.
type Kind struct {
	Agent string
	// ID is the model's id; Model is nil where its price is not known.
	ID    string
	Model *model.Model
	// Group is the limit group. Limits are those of all its models.
	Group  string
	Limits sim.Limits
	// Prefix is nil where the prompt cache keeps nothing of the prompt.
	Prefix *Prefix
}

// Prefix is the beginning of a prompt that the prompt cache keeps. Kinds that
// point to the same one share its entry.
type Prefix struct {
	Tokens int64
}

// Task is one line of the file.
type Task struct {
	// Kind is nil for a line that fails without a call. The rest is then not
	// looked at.
	Kind *Kind
	// Bytes is the size of the request's body.
	Bytes int
	// MaxTokens is the most output tokens, Output how many the answer will
	// have, Input those of the prompt that are not part of the prefix.
	MaxTokens     int
	Input, Output int64
	// Key names the answer: of tasks with one key, later ones take the first
	// one's. 0 means a call for this task alone.
	Key uint64
}

// Options are the circumstances of a run.
type Options struct {
	// Start is when the run begins: prices depend on the day.
	Start time.Time
	// Concurrency is the most runs at once; 0 means as many as the limits
	// allow, and then Ahead runs may be under way beside the calls in flight.
	Concurrency, Ahead int
	// Attempts is how often a call is made at most before it fails.
	Attempts int
	// FirstToken is the time from a call to the first token of its answer,
	// TokensPerSecond the pace of the rest; it must be more than 0.
	FirstToken      time.Duration
	TokensPerSecond int
	// WarmUp lets the first task of a prefix go ahead.
	WarmUp bool
	// Kept is how long an answer stands in for later ones.
	Kept time.Duration
	// Deadline is how long a run may take.
	Deadline time.Duration
}

// Forecast is what came of it.
type Forecast struct {
	// Tasks is all lines; Failed and ResponseHits (answered from the response
	// cache, or by joining a call in flight) are among them.
	Tasks, Failed, ResponseHits int64
	// Exhausted are those of Failed whose call was refused in all attempts.
	Exhausted int64
	// Late is how many runs took longer than the deadline. They are not among
	// the failed ones.
	Late int64
	// Calls is how many calls were answered, PromptHits those of them that
	// read the prompt cache, Refused how many attempts were met with a 429.
	Calls, PromptHits, Refused int64
	// Usage is the tokens of all calls.
	Usage model.Usage
	// Cost is the sum of all calls. BatchCost is what the same answers cost
	// through Message Batches, where nothing is read from the prompt cache.
	Cost, BatchCost llm.Cost
	// Duration is the virtual time from the first task to the last answer.
	Duration    time.Duration
	MaxInFlight int
	// BoundBy is what kept the calls waiting for most of the time; Used is the
	// share of the tightest limit that was used, 0 where there are no limits.
	BoundBy Bound
	Used    float64
}

// Bound is what a run waits for.
type Bound string

// The bounds. BoundLatency means that only the answers themselves took time.
const (
	BoundRequests    Bound = "requests"
	BoundInput       Bound = "input tokens"
	BoundOutput      Bound = "output tokens"
	BoundConcurrency Bound = "concurrency"
	BoundLatency     Bound = "latency"
)

// farthest is the longest time that is forecast.
const farthest = 100 * 365 * 24 * time.Hour

// ErrTooLong says that the tasks would take more than a hundred years.
var ErrTooLong = errors.New("the tasks would take more than a hundred years")

// Simulate forecasts a run of the tasks that next returns, until it returns
// false. Its error is the end of ctx, or [ErrTooLong].
func Simulate(ctx context.Context, o Options, next func() (Task, bool)) (*Forecast, error) {
	f := newForecast(o, next)
	for f.more || f.running > 0 {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := f.settle(ctx); err != nil {
			return nil, err
		}
		e, ok := f.events.pop()
		switch {
		case !ok && f.running > 0:
			return nil, fmt.Errorf("the forecast is stuck with %d tasks under way", f.running)
		case !ok:
			continue
		case e.at > farthest:
			return nil, ErrTooLong
		}
		f.pass(e.at)
		f.happen(e)
	}
	return f.end(), nil
}
