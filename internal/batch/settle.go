package batch

import (
	"context"
	"errors"

	"github.com/claude-force/claude-force/internal/layer/charge"
	"github.com/claude-force/claude-force/internal/layer/record"
	"github.com/claude-force/claude-force/internal/llm"
)

// ending is what became of a request: an answer or an error.
type ending struct {
	resp       *llm.Response
	err        *llm.Error
	unfinished bool
}

// ending prices a result.
func (l *Lane) ending(w *wait, row StoredRequest, r llm.BatchResult) ending {
	if r.Response == nil {
		e := llm.AsError(r.Err)
		if e == nil {
			e = errMissing
		}
		return ending{err: e, unfinished: e.Code == llm.CodeCancelled && w.Cancel == CancelledByDeadline}
	}
	resp := r.Response
	resp.Usage.Tier = "batch"
	resp.Cost = l.Price(row.request(), resp, w.Submitted)
	if row.Reuse.Mode == llm.ReuseOn {
		resp.Source = llm.SourceMiss
	}
	return ending{resp: resp}
}

// request is what is known of a request without its body.
func (r StoredRequest) request() *llm.Request {
	return &llm.Request{
		Params: llm.Params{Model: r.Model, Speed: r.Speed, Geo: r.Geo},
		Labels: r.Labels, Reuse: r.Reuse, Background: true,
	}
}

// settlement is what an ending leaves in the ledger.
func (l *Lane) settlement(w *wait, row StoredRequest, e ending) Settlement {
	s := Settlement{CustomID: row.CustomID, Outcome: outcomeSucceeded}
	run := l.run(w, row, e)
	x := charge.Exchange{
		RunID: row.RunID, Agent: row.Agent, Workflow: row.Workflow, Step: row.Step, Tags: row.Tags, Model: row.Model, Started: run.Started, Duration: run.Duration,
		Usage: run.Usage, Cost: run.Cost, StopReason: run.StopReason,
	}
	billed := true
	if e.resp != nil {
		x.Answered = e.resp.Model
		s.Cost = e.resp.Cost
	} else {
		s.Outcome = outcomeOf(e.err)
		if billed = unreadable(e.err); billed {
			s.Cost = llm.Cost{Unknown: true}
		}
		x.Error, x.Status, x.Cost, x.Usage.Incomplete = e.err.Code, e.err.Status, s.Cost, billed
		run.Cost, run.Usage.Incomplete = s.Cost, billed
	}
	if !l.Track {
		return s
	}
	s.Run = &run
	if billed {
		s.Exchange = &x
	}
	return s
}

// unreadable reports whether an error is that of an answer which was made, and
// billed, but could not be read.
func unreadable(e *llm.Error) bool { return e.Code == llm.CodeBadResponse && e.Status == 200 }

func outcomeOf(e *llm.Error) string {
	switch e.Code {
	case llm.CodeCancelled:
		return outcomeCanceled
	case llm.CodeTimeout:
		return outcomeExpired
	}
	return outcomeErrored
}

// run is the row of the run that a request was made for.
func (l *Lane) run(w *wait, row StoredRequest, e ending) record.Run {
	r := record.Run{Labels: row.Labels, Model: row.Model, Status: record.Succeeded, Started: w.Submitted, Attempts: 1}
	if r.Started.IsZero() {
		r.Started = w.Created
	}
	if w.Ended.After(r.Started) {
		r.Duration = w.Ended.Sub(r.Started)
	}
	failure := e.err
	if resp := e.resp; resp != nil {
		r.StopReason, r.Usage, r.Cost, r.RequestID = resp.StopReason, resp.Usage, resp.Cost, resp.RequestID
		r.Source, r.Saved, r.Attempts = resp.Source, resp.Saved, resp.Attempts
		failure = resp.Incomplete()
	}
	if failure != nil {
		r.Status, r.Error = record.Failed, failure.Code
		if failure.Code == llm.CodeCancelled {
			r.Status = record.Cancelled
		}
		if r.RequestID == "" {
			r.RequestID = failure.RequestID
		}
	}
	return r
}

// settleRest settles every request of a batch that has no outcome.
func (l *Lane) settleRest(ctx context.Context, w *wait, e *llm.Error) error {
	for {
		rows, err := l.Store.BatchRequests(ctx, w.Key, nil, restStep)
		if err != nil || len(rows) == 0 {
			return err
		}
		settled := make([]Settlement, len(rows))
		for i, row := range rows {
			settled[i] = l.settlement(w, row, ending{err: e})
		}
		if err := l.Store.SettleBatch(ctx, w.Key, settled); err != nil {
			return err
		}
	}
}

// deliverRest delivers one ending to every task of this session that still
// waits for a batch.
func (l *Lane) deliverRest(ctx context.Context, w *wait, deliver func(Outcome) error, e ending) error {
	if e.err == nil {
		e.err = errLost
	}
	for {
		tasks, err := l.Store.BatchTasks(ctx, l.Session, w.Key, nil, restStep)
		if err != nil || len(tasks) == 0 {
			return err
		}
		ids := make([]string, len(tasks))
		for i, t := range tasks {
			ids[i] = t.CustomID
		}
		rows, err := l.requests(ctx, w, ids)
		if err != nil {
			return err
		}
		if err := l.hand(ctx, w, deliver, tasks, rows, func(string) ending { return e }); err != nil {
			return err
		}
	}
}

// deliverStrays delivers tasks whose batch another session had to discard.
func (l *Lane) deliverStrays(ctx context.Context, deliver func(Outcome) error) error {
	return l.deliverRest(ctx, &wait{}, deliver, ending{err: errLost, unfinished: true})
}

// hand gives tasks to the caller and notes those that it has taken.
func (l *Lane) hand(ctx context.Context, w *wait, deliver func(Outcome) error, tasks []StoredTask, rows map[string]StoredRequest, of func(id string) ending) error {
	done := make([]Delivery, 0, len(tasks))
	var failed error
	for _, t := range tasks {
		o, run := l.outcome(w, t, rows[t.CustomID], of(t.CustomID))
		if failed = ctx.Err(); failed == nil {
			failed = deliver(o)
		}
		if failed != nil {
			break
		}
		done = append(done, Delivery{Task: t, Run: run})
	}
	l.delivered += len(done)
	if len(done) == 0 {
		return failed
	}
	// What the caller has must not come to it again.
	err := l.Store.DeliverBatch(context.WithoutCancel(ctx), done)
	l.report()
	if failed != nil {
		return errors.Join(failed, err)
	}
	return err
}

// outcome is what a task's caller gets. A task that shares the request of
// another has the answer for nothing, and a run of its own.
func (l *Lane) outcome(w *wait, t StoredTask, row StoredRequest, e ending) (Outcome, *record.Run) {
	shares := t.RunID != row.RunID && row.CustomID != ""
	row.RunID = t.RunID
	o := Outcome{
		Tag: t.Tag, RunID: t.RunID, Request: row.request(), BatchID: w.ID,
		Response: e.resp, Err: e.err, Unfinished: e.unfinished,
	}
	if !shares {
		return o, nil
	}
	if e.resp != nil {
		resp := *e.resp
		resp.Saved, resp.Cost = resp.Cost.Nano, llm.Cost{}
		resp.Source, resp.Attempts, resp.Usage = llm.SourceCoalesced, 0, llm.Usage{}
		o.Response, e.resp = &resp, &resp
	}
	if !l.Track {
		return o, nil
	}
	run := l.run(w, row, e)
	run.Attempts = 0
	return o, &run
}
