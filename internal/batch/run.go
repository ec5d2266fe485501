package batch

import (
	"context"
	"slices"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

// The pauses between two looks at a batch grow from the first to the last.
const (
	firstPause = time.Second
	lastPause  = time.Minute
	jitter     = 0.1 // of a pause, either way
)

// wait is a batch that this session waits for.
type wait struct {
	Record
	// next is when it is looked at again, pause the time since the last look.
	next  time.Time
	pause time.Duration
	looks int // into the API's list, without success
	tries int // of what cannot be repeated for ever
	// watched says that it is only waited for to learn whose it is.
	watched bool
	// lost says that its spool file is gone, done that nothing is left to do.
	lost, done bool
}

// gone is the state of a batch whose row was removed.
const gone State = ""

// Run submits what was added, waits for all batches with tasks of this
// session, and hands each outcome to deliver, from the caller's goroutine, as
// batches end and their results come, in no order that means anything.
//
// A task counts as delivered once deliver has returned nil. An error of
// deliver ends Run with that error; the task, and all that follow, stay on
// disk, and a later session that adds them gets their answers without paying
// again. So it is where ctx ends, which is then the error: the batches go on at
// the API. What may pass is waited out as long as ctx allows; any other error
// of the API about a batch that it has accepted ends Run.
func (l *Lane) Run(ctx context.Context, deliver func(Outcome) error) error {
	if err := l.begin(ctx); err != nil {
		return err
	}
	if err := l.flush(ctx); err != nil {
		return err
	}
	if l.spool != nil {
		if err := l.seal(ctx, &rows{}); err != nil {
			l.broken = err
			return err
		}
	}
	if err := l.join(ctx); err != nil {
		return err
	}
	for {
		if cause := llm.ContextError(ctx); cause != nil {
			return cause
		}
		open, err := l.round(ctx, deliver)
		l.report()
		if err != nil {
			return err
		}
		if !open {
			return l.deliverStrays(ctx, deliver)
		}
		if err := l.Sleep(ctx, l.pause()); err != nil {
			return err
		}
	}
}

// join adds the batches of other sessions that tasks of this one wait for.
func (l *Lane) join(ctx context.Context) error {
	list, err := l.Store.FindBatches(ctx, Filter{WaitedBy: l.Session})
	if err != nil {
		return err
	}
	for _, r := range slices.Backward(list) { // the oldest first
		w := l.find(r.Key)
		if w == nil {
			w = &wait{Record: r}
			l.waits = append(l.waits, w)
		}
		w.watched, w.done = false, false
	}
	return nil
}

func (l *Lane) find(key int64) *wait {
	for _, w := range l.waits {
		if w.Key == key {
			return w
		}
	}
	return nil
}

// watch waits for a batch without tasks of this session.
func (l *Lane) watch(r Record) {
	if l.find(r.Key) == nil {
		l.waits = append(l.waits, &wait{Record: r, watched: true})
	}
}

// round takes the next step of each batch whose time has come, and reports
// whether any is left.
func (l *Lane) round(ctx context.Context, deliver func(Outcome) error) (open bool, err error) {
	l.lock.beat(l.Now())
	for i := 0; i < len(l.waits); i++ { // a step may add one
		w := l.waits[i]
		if !w.done && !l.Now().Before(w.next) {
			if err := l.step(ctx, w, deliver); err != nil {
				return true, err
			}
		}
		open = open || !w.done && !w.watched
	}
	return open, nil
}

// step does what the state of a batch asks for. It puts off the next step, or
// changes the state.
func (l *Lane) step(ctx context.Context, w *wait, deliver func(Outcome) error) error {
	switch w.State {
	case Prepared, Submitting:
		return l.bring(ctx, w, deliver)
	case Submitted:
		return l.poll(ctx, w)
	case Ended, Collected, Cancelled:
		if w.ID != "" {
			return l.collect(ctx, w, deliver)
		}
		w.done = true // given up before it was submitted
		return l.deliverRest(ctx, w, deliver, ending{err: errOverdue, unfinished: true})
	case Failed:
		w.done = true
		return l.deliverRest(ctx, w, deliver, ending{err: w.Err})
	}
	w.done = true // gone; its tasks are strays
	return nil
}

// bring takes a step towards the API.
func (l *Lane) bring(ctx context.Context, w *wait, deliver func(Outcome) error) error {
	if w.watched {
		w.done = true
		return nil
	}
	if w.Session != l.Session {
		return l.takeOver(ctx, w, deliver)
	}
	if head := l.head(); head != w {
		w.next = head.next
		return nil
	}
	if w.State == Submitting {
		return l.resolve(ctx, w)
	}
	if l.overdue() {
		return l.giveUp(ctx, w, deliver)
	}
	if err := l.submit(ctx, w); err != nil || !w.lost {
		return err
	}
	// Its tasks come first: with the batch they would be gone.
	w.done = true
	if err := l.deliverRest(ctx, w, deliver, ending{err: errLost, unfinished: true}); err != nil {
		return err
	}
	_, err := l.Store.DiscardBatch(ctx, w.Record)
	return err
}

// takeOver claims a batch whose session has died before it came to the API.
func (l *Lane) takeOver(ctx context.Context, w *wait, deliver func(Outcome) error) error {
	if err := l.reload(ctx, w); err != nil {
		return err
	}
	switch {
	case w.Session == l.Session || w.State != Prepared && w.State != Submitting:
		return nil // the next round sees to it
	case !alive(l.Dir, w.Session, l.Now()):
		to := w.Record
		to.Session = l.Session
		w.looks, w.pause = 0, 0
		return l.advance(ctx, w, to)
	case l.overdue():
		w.done = true
		return l.deliverRest(ctx, w, deliver, ending{err: errOverdue, unfinished: true})
	}
	l.later(w)
	return nil
}

// giveUp ends a batch that was not submitted in time.
func (l *Lane) giveUp(ctx context.Context, w *wait, deliver func(Outcome) error) error {
	to := w.Record
	to.State, to.Cancel, to.Ended = Cancelled, CancelledByDeadline, l.Now()
	if err := l.advance(ctx, w, to); err != nil || w.State != Cancelled {
		return err
	}
	removeSpool(l.Dir, w.Spool)
	if err := l.settleRest(ctx, w, errOverdue); err != nil {
		return err
	}
	w.done = true
	return l.deliverRest(ctx, w, deliver, ending{err: errOverdue, unfinished: true})
}

var (
	errLost = &llm.Error{
		Code: llm.CodeInternal, Retryable: true,
		Message: "the batch of this task was lost before it came to the API; it cost nothing", Hint: "run it again",
	}
	errOverdue = &llm.Error{
		Code: llm.CodeCancelled, Retryable: true,
		Message: "the batch was not done in time and was cancelled; this task cost nothing",
	}
)

// poll asks how far a batch is.
func (l *Lane) poll(ctx context.Context, w *wait) error {
	call, cancel := bounded(ctx, callTime)
	b, err := l.API.Batch(call, w.ID)
	cancel()
	if err != nil {
		return l.unreachable(ctx, w, err)
	}
	l.failure, w.tries = nil, 0
	if err := l.observe(ctx, w, *b); err != nil || w.State != Submitted {
		w.pause, w.next = 0, l.Now()
		return err
	}
	l.later(w)
	if !l.overdue() {
		if w.next.After(l.Until) && !l.Until.IsZero() {
			w.next = l.Until
		}
		return nil
	}
	if b.Status != "in_progress" || w.Adopted {
		return nil // it may be somebody else's as long as it is not proved
	}
	if _, err := l.cancel(ctx, w, CancelledByDeadline); err != nil {
		l.failure = llm.AsError(err) // the next look tells whether it matters
	}
	return nil
}

// observe notes what the API says of a batch.
func (l *Lane) observe(ctx context.Context, w *wait, b llm.Batch) error {
	to := w.Record
	to.Counts = b.Counts
	if !b.ExpiresAt.IsZero() {
		to.Expires = b.ExpiresAt
	}
	if b.Status == "ended" {
		to.State, to.Ended = Ended, l.Now()
		if b.EndedAt != nil {
			to.Ended = *b.EndedAt
		}
	}
	if to.State == w.State && to.Counts == w.Counts {
		return nil
	}
	return l.advance(ctx, w, to)
}

// mostTries is how often an answer that makes no sense is asked for again.
const mostTries = 3

// unreachable decides what an error about a batch means that the API has
// accepted: that it may pass, that the batch is not there, or the end of Run.
func (l *Lane) unreachable(ctx context.Context, w *wait, err error) error {
	e := llm.AsError(err)
	if e.Status != 404 && e.Code != llm.CodeBadResponse {
		return l.retry(ctx, w, err)
	}
	if w.tries++; w.tries < mostTries {
		l.postpone(w, e)
		return nil
	}
	w.tries = 0
	if e.Status != 404 {
		return e
	}
	return l.fail(ctx, w, &llm.Error{
		Code: llm.CodeNotFound, Status: 404, RequestID: e.RequestID, Retryable: true, Err: e,
		Message: "the API no longer has the batch " + w.ID + " or its results", Hint: "run it again",
	})
}

// retry puts a batch off after a failure that may pass, or returns the error.
func (l *Lane) retry(ctx context.Context, w *wait, err error) error {
	if cause := llm.ContextError(ctx); cause != nil {
		return cause
	}
	e := llm.AsError(err)
	if !e.Retryable {
		return e
	}
	l.postpone(w, e)
	return nil
}

func (l *Lane) postpone(w *wait, e *llm.Error) {
	l.failure = e
	l.later(w)
	if at := l.Now().Add(e.RetryAfter); e.HasRetryAfter && at.After(w.next) {
		w.next = at
	}
}

// later puts the next look off, a little more each time.
func (l *Lane) later(w *wait) {
	w.pause = min(max(firstPause, w.pause*3/2), lastPause)
	w.next = l.Now().Add(time.Duration(float64(w.pause) * (1 - jitter + 2*jitter*l.Jitter())))
}

func (l *Lane) overdue() bool { return !l.Until.IsZero() && !l.Now().Before(l.Until) }

// pause is the time until the next step.
func (l *Lane) pause() time.Duration {
	var next time.Time
	for _, w := range l.waits {
		if !w.done && (next.IsZero() || w.next.Before(next)) {
			next = w.next
		}
	}
	return min(max(next.Sub(l.Now()), 0), lastPause)
}

// advance changes a batch in the store, even where ctx has ended. Where
// another session was faster, w becomes what that one made of it.
func (l *Lane) advance(ctx context.Context, w *wait, to Record) error {
	ctx = context.WithoutCancel(ctx)
	done, err := l.Store.AdvanceBatch(ctx, to)
	if err != nil {
		return err
	}
	if done {
		w.Record = to
		w.Version++
		return nil
	}
	return l.reload(ctx, w)
}

// reload reads what the store has of a batch.
func (l *Lane) reload(ctx context.Context, w *wait) error {
	list, err := l.Store.FindBatches(ctx, Filter{Key: w.Key})
	if err != nil {
		return err
	}
	if len(list) == 0 {
		w.State = gone
		return nil
	}
	w.Record = list[0]
	return nil
}

// report tells how far all batches are.
func (l *Lane) report() {
	p := Progress{Tasks: l.tasks, Delivered: l.delivered, Err: l.failure}
	for _, w := range l.waits {
		if w.watched {
			continue
		}
		p.Batches++
		switch w.State {
		case Ended, Collected, Cancelled, Failed:
			p.Ended++
		}
		p.Counts.Processing += w.Counts.Processing
		p.Counts.Succeeded += w.Counts.Succeeded
		p.Counts.Errored += w.Counts.Errored
		p.Counts.Canceled += w.Counts.Canceled
		p.Counts.Expired += w.Counts.Expired
	}
	l.OnProgress(p)
}
