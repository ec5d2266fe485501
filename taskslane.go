package claudeforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/claude-force/claude-force/internal/batch"
	"github.com/claude-force/claude-force/internal/layer/budget"
	"github.com/claude-force/claude-force/internal/layer/cache"
	"github.com/claude-force/claude-force/internal/layer/record"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/tasks"
)

// Lane is a way of tasks to the API.
type Lane string

// The lanes.
const (
	// LaneAPI makes a call for each task. It is what the empty Lane means.
	LaneAPI Lane = "api"
	// LaneBatch sends the tasks as Message Batches, at half the price, which
	// are answered within a day and mostly within an hour.
	LaneBatch Lane = "batch"
	// LaneAuto chooses by the time there is.
	LaneAuto Lane = "auto"
)

// The bounds of the choice between the lanes. Most batches end within an hour,
// and the part of the time that is kept back is for the calls of tasks whose
// batch has not ended.
const (
	leastForBatch = time.Hour
	keptBack      = 4 // as a share, one in so many
	leastKeptBack = 15 * time.Minute
)

// chooseLane returns the lane, when batches are to be given up (zero: never),
// and why.
func chooseLane(via Lane, by time.Duration, now time.Time) (lane Lane, until time.Time, why string, err error) {
	switch {
	case via != LaneAuto && by != 0:
		return "", until, "", usageError("a time to be done by needs the lane auto", "give --by with --via auto")
	case by < 0:
		return "", until, "", usageError("the time to be done by must be a duration such as 6h", "")
	case via == "" || via == LaneAPI:
		return LaneAPI, until, "", nil
	case via == LaneBatch:
		return LaneBatch, until, "", nil
	case via != LaneAuto:
		return "", until, "", usageError(fmt.Sprintf("%q is no lane", via), "use api, batch or auto")
	case by == 0:
		return LaneBatch, until, "by Message Batches at half the price: there is no deadline (--by sets one)", nil
	case by < leastForBatch:
		return LaneAPI, until, fmt.Sprintf("by calls: a batch may take longer than %s", by), nil
	}
	until = now.Add(by - max(by/keptBack, leastKeptBack))
	return LaneBatch, until, fmt.Sprintf(
		"by Message Batches at half the price: there are %s; what has no answer at %s goes by calls",
		by, until.Format("15:04"),
	), nil
}

// ticketTag is what a batch gives back with an answer: enough to write the
// result, and to make the run another way.
type ticketTag struct {
	Line     int64           `json:"line"`
	Warnings []string        `json:"warnings,omitempty"`
	Task     json.RawMessage `json:"task"`
}

// runBatches sends the tasks of the file by Message Batches.
func (r *taskRunner) runBatches(ctx context.Context, until time.Time) error {
	dir, discard, err := r.engine.batchDir()
	if err != nil {
		return err
	}
	defer discard()
	lane, err := r.engine.openLane(laneOptions{dir: dir, until: until, onProgress: r.batchProgress})
	if err != nil {
		return err
	}
	defer func() {
		if err := lane.Close(); err != nil {
			r.engine.trouble.warn(err.Error())
		}
	}()
	if err := r.fillBatches(ctx, lane); err != nil {
		return err
	}
	err = lane.Run(ctx, func(o batch.Outcome) error { return r.deliverOutcome(ctx, o) })
	r.running.Wait()
	if err != nil && ctx.Err() != nil {
		return &Error{
			Code: CodeCancelled, Message: "the wait for the batches was interrupted; they go on at the API",
			Hint: "run the same command again to collect their answers, which are not paid twice; `claude-force batches list` shows them", Err: err,
		}
	}
	return laneError(err)
}

// fillBatches reads the file to its end, answers what it can, and puts the rest
// into batches.
func (r *taskRunner) fillBatches(ctx context.Context, lane *batch.Lane) error {
	for {
		if err := llm.ContextError(ctx); err != nil {
			return err
		}
		line, err := r.reader.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return unreadable(err)
		case !r.accept(line):
			continue
		}
		if err := r.submit(ctx, lane, line); err != nil {
			return err
		}
		if r.failed() {
			return nil // the reason is known
		}
	}
}

// submit answers a task from the cache or puts it into a batch.
func (r *taskRunner) submit(ctx context.Context, lane *batch.Lane, line tasks.Line) error {
	e, task := r.engine, line.Task
	began := e.options.Now()
	req, warnings, err := e.request(ctx, r.wish(task))
	if err != nil {
		r.deliver(task.ID, line.Number, noRun(task, llm.AsError(err)))
		return nil
	}
	warnings = append(warnings, unknownFields(task)...)
	if answered, resp, err := e.withoutCall(ctx, req, began); answered {
		result, _ := e.result(req, resp, err, e.options.Now().Sub(began), warnings)
		r.deliver(task.ID, line.Number, result)
		return nil
	}
	asked := e.memory.recalled(ctx, req)
	held, err := r.reserve(ctx, asked)
	if err != nil {
		r.refuse(llm.AsError(err))
		return nil
	}
	tag, err := json.Marshal(ticketTag{Line: line.Number, Warnings: warnings, Task: line.Raw})
	if err != nil {
		return llm.AsError(err)
	}
	err = lane.Add(ctx, batch.Task{Tag: tag, Request: asked, Identity: req.Body()})
	if err != nil {
		r.free(ctx, req.RunID, held, llm.Cost{})
	}
	switch failure := llm.AsError(err); {
	case failure == nil:
		return nil
	case failure.Code != CodeInvalidRequest && failure.Code != CodeTooLarge:
		return failure
	default: // it concerns this task alone
		result, _ := e.result(req, nil, failure, 0, warnings)
		r.deliver(task.ID, line.Number, result)
		return nil
	}
}

// withoutCall answers a request from the cache, as the stack would, or refuses
// one that must be answered so.
func (e *Engine) withoutCall(ctx context.Context, req *llm.Request, began time.Time) (answered bool, resp *llm.Response, err error) {
	if kept := e.answers().cache; kept != nil {
		resp = kept.Lookup(ctx, req)
	}
	if resp == nil && req.Reuse.Mode != llm.ReuseOnly {
		return false, nil, nil
	}
	if resp == nil {
		resp, err = &llm.Response{}, cache.Missed()
	}
	if e.config.Bool("tracking") {
		row := record.Row(req, resp, err, began, e.options.Now().Sub(began))
		if saveErr := e.ledger.SaveRun(context.WithoutCancel(ctx), row); saveErr != nil {
			e.trouble.warn("this run was not recorded: " + saveErr.Error())
		}
	}
	return true, resp, err
}

// deliverOutcome writes the result of a task that went by a batch; one that
// found no answer there in time is run by a call.
func (r *taskRunner) deliverOutcome(ctx context.Context, o batch.Outcome) error {
	var tag ticketTag
	if err := json.Unmarshal(o.Tag, &tag); err != nil {
		return llm.AsError(err)
	}
	task := tasks.Parse(tag.Line, tag.Task).Task
	r.settle(ctx, o)
	if o.Unfinished {
		if !r.room(ctx) {
			return r.reason(ctx)
		}
		r.begin(ctx, task, tag.Line)
		return nil
	}
	var err error
	if o.Err != nil {
		err = o.Err
	}
	o.Request.Memory = r.engine.memory.mode(r.wish(task))
	r.engine.memory.keep(ctx, o.Request, task.Task, o.Response, err)
	result, _ := r.engine.result(o.Request, o.Response, err, r.progress.Snapshot().Elapsed, slices.Clone(tag.Warnings))
	r.deliver(task.ID, tag.Line, result)
	if r.failed() {
		return r.reason(ctx)
	}
	return nil
}

// reserve sets aside what a request of a batch may cost, under the caps that
// concern it and from the purse of the file.
func (r *taskRunner) reserve(ctx context.Context, req *llm.Request) (held int64, err error) {
	c, err := r.engine.catalogue()
	if err != nil {
		return 0, err
	}
	nano, known := mostFor(c.Catalogue, req, int64(len(req.Body())), true, r.engine.options.Now())
	if req.Purse != nil {
		ok, left := req.Purse.TryHold(nano)
		if !ok || !known {
			return 0, budget.OverPurse(nano, left, req.Purse.Cap())
		}
		held = nano
		r.holds[req.RunID] = nano
	}
	if err := r.engine.guard().Set(ctx, req, nano, known); err != nil {
		r.free(ctx, req.RunID, held, llm.Cost{})
		return 0, err
	}
	return held, nil
}

// free gives back what was set aside for a run that cost so much.
func (r *taskRunner) free(ctx context.Context, runID string, held int64, cost llm.Cost) {
	r.engine.guard().Free(ctx, runID)
	if r.purse != nil {
		r.purse.Pay(held, cost)
		delete(r.holds, runID)
	}
}

// settle settles what was set aside for a task of a batch. The project's own
// store has done so with the row of its exchange.
func (r *taskRunner) settle(ctx context.Context, o batch.Outcome) {
	cost := llm.Cost{}
	if o.Response != nil {
		cost = o.Response.Cost
	}
	if cost != (llm.Cost{}) && r.engine.shared != nil && r.engine.guard().Capped(ctx) {
		if db, err := r.engine.shared.store(); err == nil {
			if err := db.Settle(context.WithoutCancel(ctx), o.RunID, cost); err != nil {
				r.engine.trouble.warn("a budget of the user was not charged: " + err.Error())
			}
		}
	}
	r.free(context.WithoutCancel(ctx), o.RunID, r.holds[o.RunID], cost)
}

// refuse keeps the first budget that was in the way of a task, which gets no
// result: a later pass runs it.
func (r *taskRunner) refuse(why *Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.overBudget == nil {
		r.overBudget = why
	}
}

// failed reports whether something ends all.
func (r *taskRunner) failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failure != nil
}

// reason is why no further task shall begin.
func (r *taskRunner) reason(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure != nil {
		return r.failure
	}
	return llm.ContextError(ctx)
}

// batchProgress says when batches come to the API and when they end, and why
// they wait for something else.
func (r *taskRunner) batchProgress(p batch.Progress) {
	why := ""
	if p.Err != nil {
		why = "batches wait: " + llm.AsError(p.Err).Message
	}
	if why != r.batchTrouble {
		r.batchTrouble = why
		r.notify(why)
	}
	if p.Batches == r.batches && p.Ended == r.batchesEnded {
		return
	}
	r.batches, r.batchesEnded = p.Batches, p.Ended
	r.notify(fmt.Sprintf("batches: %d of %d ended · %d of %d requests answered", p.Ended, p.Batches, p.Counts.Total()-p.Counts.Processing, p.Counts.Total()))
}

func (r *taskRunner) notify(text string) {
	if r.tasks.Notify != nil && text != "" {
		r.tasks.Notify(text)
	}
}
