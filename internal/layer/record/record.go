// Package record is the outermost layer: one row for each run, hits, failures
// and cancels included. A run points to its exchanges, which hold the money.
package record

import (
	"context"
	"slices"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

// Status is how a run ended.
type Status string

// The ends of a run.
const (
	Succeeded Status = "succeeded"
	Failed    Status = "failed"
	Cancelled Status = "cancelled"
)

// Run is one row: what was asked and how it ended.
type Run struct {
	llm.Labels
	// Model is the id that was called.
	Model      string
	Status     Status
	Error      llm.Code
	StopReason string
	Started    time.Time
	Duration   time.Duration
	FirstToken time.Duration
	// Waited is the part of Duration that was spent waiting for a turn.
	Waited    time.Duration
	Attempts  int
	Usage     llm.Usage
	Cost      llm.Cost
	RequestID string
	Partial   bool
	// Source says where the answer came from, Saved what it would have cost,
	// in nano-dollars.
	Source llm.Source
	Saved  int64
}

// Store keeps runs. It is safe for concurrent use.
type Store interface {
	SaveRun(ctx context.Context, r Run) error
}

// Layer returns the layer. now is the clock.
func Layer(store Store, now func() time.Time) llm.Layer {
	return func(next llm.Caller) llm.Caller { return &caller{store, now, next} }
}

type caller struct {
	store Store
	now   func() time.Time
	next  llm.Caller
}

// Call implements [llm.Caller]. A row that cannot be kept is a warning on the
// response: the answer matters more.
func (c *caller) Call(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
	began := c.now()
	resp, err := c.next.Call(ctx, req, emit)
	if resp == nil {
		resp = &llm.Response{}
	}
	row := Row(req, resp, err, began, c.now().Sub(began))
	// A caller who has left is recorded as well.
	if saveErr := c.store.SaveRun(context.WithoutCancel(ctx), row); saveErr != nil {
		// The layer that keeps exchanges may have met the same fault.
		if w := "this run was not recorded: " + saveErr.Error(); !slices.Contains(resp.Warnings, w) {
			resp.Warnings = append(resp.Warnings, w)
		}
	}
	return resp, err
}

// Row is the row of a run that began at a time and took so long. resp must not
// be nil.
func Row(req *llm.Request, resp *llm.Response, err error, began time.Time, took time.Duration) Run {
	row := Run{
		Labels: req.Labels, Model: req.Model, Started: began, Duration: took,
		Status: Succeeded, StopReason: resp.StopReason, FirstToken: resp.FirstToken,
		Waited: resp.Waited, Attempts: resp.Attempts, Usage: resp.Usage, Cost: resp.Cost,
		RequestID: resp.RequestID, Partial: resp.Partial, Source: resp.Source, Saved: resp.Saved,
	}
	if failure := outcome(resp, err); failure != nil {
		row.Status, row.Error = Failed, failure.Code
		if failure.Code == llm.CodeCancelled {
			row.Status = Cancelled
		}
		if row.RequestID == "" {
			row.RequestID = failure.RequestID
		}
	}
	return row
}

func outcome(resp *llm.Response, err error) *llm.Error {
	if err != nil {
		return llm.AsError(err)
	}
	return resp.Incomplete()
}
