package batch

import (
	"context"
	"errors"

	"github.com/claude-force/claude-force/internal/llm"
)

// How much is done at once: results in one transaction, and rows where no
// results bound them.
const (
	collectStep = 200
	restStep    = 500
)

// errNotOurs says that a result belongs to another batch than the one that was
// adopted.
var errNotOurs = errors.New("the results are of another batch")

var (
	errMissing = &llm.Error{
		Code: llm.CodeBadResponse, Retryable: true,
		Message: "the batch ended without a result for this task", Hint: "run it again",
	}
	errShort = &llm.Error{
		Code: llm.CodeStreamCut, Retryable: true,
		Message: "a download of results ended before all of them had come",
	}
)

// collect downloads the results of an ended batch, settles and delivers them.
// What had arrived whole before a download was cut is settled and delivered,
// and is not again the next time.
func (l *Lane) collect(ctx context.Context, w *wait, deliver func(Outcome) error) error {
	var results []llm.BatchResult
	var own error // the store's or the caller's, not the API's
	flush := func() error {
		own = l.take(ctx, w, results, deliver)
		results = results[:0]
		return own
	}
	lines := 0
	err := l.API.BatchResults(ctx, w.ID, func(r llm.BatchResult) error {
		lines++
		if results = append(results, r); len(results) < collectStep {
			return nil
		}
		return flush()
	})
	if own == nil && len(results) > 0 {
		_ = flush() // the error is own
	}
	switch {
	case errors.Is(own, errNotOurs):
		return l.refute(ctx, w)
	case errors.Is(own, errChanged):
		l.later(w)
		return nil
	case own != nil:
		return own
	case err != nil:
		return l.unreachable(ctx, w, err)
	}
	if lines < w.Counts.Total() && w.tries+1 < mostTries {
		w.tries++
		l.postpone(w, errShort)
		return nil
	}
	if w.Adopted {
		return errShort // without a result nothing proves it, or refutes it
	}
	l.failure = nil
	return l.finish(ctx, w, deliver)
}

// finish ends a batch all of whose results were read.
func (l *Lane) finish(ctx context.Context, w *wait, deliver func(Outcome) error) error {
	if w.State == Ended {
		if err := l.settleRest(ctx, w, errMissing); err != nil {
			return err
		}
	}
	if err := l.deliverRest(ctx, w, deliver, ending{err: errMissing}); err != nil {
		return err
	}
	w.done = true
	return l.complete(ctx, w)
}

// complete notes that every request of an ended batch is settled.
func (l *Lane) complete(ctx context.Context, w *wait) error {
	for w.State == Ended { // again where another session has touched it
		to := w.Record
		to.State = Collected
		if w.Cancel != "" && w.Counts.Canceled > 0 {
			to.State = Cancelled
		}
		if err := l.advance(ctx, w, to); err != nil {
			return err
		}
	}
	return nil
}

// requests are a batch's by their custom ids, as far as they are there.
func (l *Lane) requests(ctx context.Context, w *wait, ids []string) (map[string]StoredRequest, error) {
	list, err := l.Store.BatchRequests(ctx, w.Key, ids, 0)
	rows := make(map[string]StoredRequest, len(list))
	for _, r := range list {
		rows[r.CustomID] = r
	}
	return rows, err
}

// take settles some results of a batch, and delivers those that tasks of this
// session wait for.
func (l *Lane) take(ctx context.Context, w *wait, results []llm.BatchResult, deliver func(Outcome) error) error {
	l.lock.beat(l.Now())
	ids := make([]string, len(results))
	for i, r := range results {
		ids[i] = r.ID
	}
	rows, err := l.requests(ctx, w, ids)
	if err != nil {
		return err
	}
	if err := l.prove(ctx, w, ids, rows); err != nil {
		return err
	}
	endings := make(map[string]ending, len(results))
	var settled []Settlement
	for _, r := range results {
		row, known := rows[r.ID]
		if !known {
			continue // delivered in an earlier download
		}
		e := l.ending(w, row, r)
		endings[r.ID] = e
		if row.Settled {
			continue
		}
		if e.resp != nil && row.Reuse.Mode == llm.ReuseOn && l.Keep != nil {
			l.Keep(ctx, row.request(), e.resp)
		}
		settled = append(settled, l.settlement(w, row, e))
	}
	if len(settled) > 0 {
		if err := l.Store.SettleBatch(ctx, w.Key, settled); err != nil {
			return err
		}
	}
	tasks, err := l.Store.BatchTasks(ctx, l.Session, w.Key, ids, 0)
	if err != nil {
		return err
	}
	return l.hand(ctx, w, deliver, tasks, rows, func(id string) ending { return endings[id] })
}

// prove checks that a batch that was adopted is the one, once: all of its
// requests are there as long as nothing was settled.
func (l *Lane) prove(ctx context.Context, w *wait, ids []string, rows map[string]StoredRequest) error {
	if !w.Adopted {
		return nil
	}
	for _, id := range ids {
		if _, ours := rows[id]; !ours {
			return errNotOurs
		}
	}
	to := w.Record
	to.Adopted = false
	if err := l.advance(ctx, w, to); err != nil {
		return err
	}
	if w.Adopted || w.ID != to.ID || w.State != to.State {
		return errChanged
	}
	removeSpool(l.Dir, w.Spool)
	return nil
}

// errChanged says that another session has changed a batch in the middle of a
// step, which is then begun anew.
var errChanged = &llm.Error{Code: llm.CodeConflict, Retryable: true, Message: "another process is at work on this batch"}
