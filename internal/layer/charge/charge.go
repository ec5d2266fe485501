// Package charge is the layer that keeps the bill: one row for each exchange
// over the wire, failed and cut ones included, with its exact cost.
//
// What was spent is the sum of these rows, whoever asked, retried or left.
package charge

import (
	"context"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/model"
)

// Exchange is one row: one request over the wire and what came of it.
type Exchange struct {
	// RunID is the run that the exchange was made for.
	RunID, Agent string
	// Reservation is what the exchange was reserved under, which its row
	// settles; empty where no budget concerns it.
	Reservation string
	// Workflow, Step and Tags are those of the run.
	Workflow, Step string
	Tags           []llm.Tag
	// Model is the id that was asked for, Answered the one that answered
	// (empty where nothing did).
	Model, Answered string
	Started         time.Time
	Duration        time.Duration
	FirstToken      time.Duration
	Usage           llm.Usage
	Cost            llm.Cost
	StopReason      string
	// Error is the code of the failure, or empty; Status is its HTTP status.
	Error     llm.Code
	Status    int
	RequestID string
}

// Store keeps exchanges. It is safe for concurrent use.
type Store interface {
	SaveExchange(ctx context.Context, e Exchange) error
}

// Options configure the layer.
type Options struct {
	// Store keeps the rows; nil prices without keeping.
	Store Store
	// Catalogue has the prices.
	Catalogue *model.Catalogue
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Layer returns the layer.
func Layer(o Options) llm.Layer {
	if o.Now == nil {
		o.Now = time.Now
	}
	return func(next llm.Caller) llm.Caller { return &caller{o, next} }
}

type caller struct {
	Options
	next llm.Caller
}

// Call implements [llm.Caller]. It sets the response's Cost; where the price
// is unknown, or the row could not be kept, a warning says so.
func (c *caller) Call(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
	began := c.Now()
	resp, err := c.next.Call(ctx, req, emit)
	row := rowOf(req, began, c.Now().Sub(began))
	row.Reservation = llm.ReservationOf(ctx)
	if err != nil {
		e := llm.AsError(err)
		row.Error, row.Status, row.RequestID = e.Code, e.Status, e.RequestID
		row.Usage.Incomplete = mayHaveBeenBilled(e)
	}
	if resp != nil {
		resp.Cost = Price(c.Catalogue, req, resp, began)
		row.Answered, row.Usage, row.Cost = resp.Model, resp.Usage, resp.Cost
		row.FirstToken, row.StopReason = resp.FirstToken, resp.StopReason
		if resp.RequestID != "" {
			row.RequestID = resp.RequestID
		}
	}
	if c.Store == nil {
		return resp, err
	}
	// A caller who has left still owes what was used.
	if saveErr := c.Store.SaveExchange(context.WithoutCancel(ctx), row); saveErr != nil {
		if resp == nil {
			resp = &llm.Response{}
		}
		resp.Warnings = append(resp.Warnings, "this run was not recorded: "+saveErr.Error())
	}
	return resp, err
}

func rowOf(req *llm.Request, began time.Time, took time.Duration) Exchange {
	return Exchange{
		RunID: req.RunID, Agent: req.Agent, Workflow: req.Workflow, Step: req.Step, Tags: req.Tags,
		Model: req.Model, Started: began, Duration: took,
	}
}

// mayHaveBeenBilled reports whether the API may have worked, and counted,
// although no figures arrived.
func mayHaveBeenBilled(e *llm.Error) bool {
	switch e.Code {
	case llm.CodeCancelled, llm.CodeDeadline, llm.CodeTimeout, llm.CodeStreamCut, llm.CodeBadResponse:
		return true
	}
	return false
}

// Price returns what the exchange of a response costs at a time. It asks for the card of the model that answered: a gateway may have
// chosen another than the one that was asked for.
func Price(c *model.Catalogue, req *llm.Request, resp *llm.Response, at time.Time) llm.Cost {
	id := resp.Model
	if id == "" {
		id = req.Model
	}
	u := resp.Usage
	if u.Prompt() == 0 && u.Output == 0 {
		return llm.Cost{}
	}
	m, _ := c.Lookup(id)
	tokens := model.Usage{
		Input: u.Input, Output: u.Output, CacheRead: u.CacheRead,
		CacheWrite5m: u.CacheWrite5m, CacheWrite1h: u.CacheWrite1h,
	}
	terms := model.Terms{Fast: u.Speed == "fast" || (u.Speed == "" && req.Speed == "fast"), Batch: u.Tier == "batch", Geo: req.Geo}
	if u.Geo != "" {
		terms.Geo = u.Geo
	}
	cost, ok := m.Price(tokens, terms, at)
	return llm.Cost{Nano: int64(cost), Unknown: !ok}
}
