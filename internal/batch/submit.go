package batch

import (
	"context"
	"slices"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

const (
	// clockSkew is how far the server's clock may be behind ours where a batch
	// is looked for by its time.
	clockSkew = time.Minute
	// lookPause lies between two looks into the list: a server may still be
	// taking in what its client has given up on.
	lookPause = 10 * time.Second
	// looks is how many of them must show no such batch.
	looks = 2

	// grace is how long a submission may still take whose caller has left.
	grace = 5 * time.Second

	// callTime bounds a call without much of a body, uploadRate a large one:
	// who is slower than 64 KB a second is taken for hanging.
	callTime   = 2 * time.Minute
	uploadRate = 64 << 10
)

// bounded ends a call that hangs, in a way that may be tried again.
func bounded(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, &llm.Error{
		Code: llm.CodeTimeout, Retryable: true, Message: "the server did not answer about a batch for " + d.String(),
	})
}

// head is the first batch that this session has yet to bring to the API; the
// others wait for it. Two whose fate is unknown would be hard to tell apart in
// the API's list.
func (l *Lane) head() *wait {
	for _, w := range l.waits {
		if w.Session == l.Session && (w.State == Prepared || w.State == Submitting) {
			return w
		}
	}
	return nil
}

// submitDue submits what can go at once.
func (l *Lane) submitDue(ctx context.Context) error {
	for !l.overdue() {
		w := l.head()
		if w == nil || w.State != Prepared || l.Now().Before(w.next) {
			return nil
		}
		if err := l.submit(ctx, w); err != nil || l.head() == w {
			return err // or Run sees to it
		}
	}
	return nil
}

// verdict is what an answer to a submission means.
type verdict int

const (
	accepted  verdict = iota
	refused           // for good
	postponed         // not taken, and worth another try
	unknown           // it may have been taken
)

func judge(b *llm.Batch, err error) verdict {
	if err == nil {
		if b == nil || b.ID == "" {
			return unknown
		}
		return accepted
	}
	e := llm.AsError(err)
	switch {
	case e.Status == 429 || e.Status == 529:
		if e.Retryable {
			return postponed
		}
		return refused
	case e.Status == 408 || e.Status == 409:
		return unknown
	case e.Status >= 400 && e.Status < 500:
		return refused
	}
	return unknown
}

// submit sends a prepared batch once. An error is one of the store's, or the
// end of ctx: what the API says is kept in the state of the batch.
func (l *Lane) submit(ctx context.Context, w *wait) error {
	body := openSpool(l.Dir, w.Record)
	if body == nil {
		w.lost = true // to whoever delivers
		return nil
	}
	defer body.Close()
	to, before := w.Record, w.Sent
	to.State = Submitting
	if to.Sent.IsZero() { // else an earlier submission is in doubt as well
		to.Sent = l.Now()
	}
	if err := l.advance(ctx, w, to); err != nil || w.State != Submitting || w.Session != l.Session {
		return err
	}
	// Who leaves in this moment waits a little for the answer: its id makes
	// looking for the batch needless.
	call, cancel := bounded(context.WithoutCancel(ctx), callTime+time.Duration(w.Bytes/uploadRate)*time.Second)
	leave := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	b, err := l.API.CreateBatch(call, body, w.Bytes)
	leave()
	cancel()
	if cause := llm.ContextError(ctx); cause != nil && err != nil {
		return cause // who joins it looks for it
	}
	switch to = w.Record; judge(b, err) {
	case accepted:
		l.failure = nil
		return l.submitted(context.WithoutCancel(ctx), w, *b, false)
	case refused:
		return l.fail(ctx, w, llm.AsError(err))
	case postponed:
		l.postpone(w, llm.AsError(err))
		to.State, to.Sent = Prepared, before
		return l.advance(ctx, w, to)
	}
	if err != nil {
		l.failure = llm.AsError(err)
	}
	w.looks, w.next = 0, l.Now().Add(lookPause)
	return nil
}

// submitted notes the API's id of a batch.
func (l *Lane) submitted(ctx context.Context, w *wait, b llm.Batch, adopted bool) error {
	to := w.Record
	to.State, to.ID, to.Adopted, to.Counts = Submitted, b.ID, adopted, b.Counts
	to.Submitted, to.Expires = b.CreatedAt, b.ExpiresAt
	if to.Submitted.IsZero() {
		to.Submitted = l.Now()
	}
	if err := l.advance(ctx, w, to); err != nil {
		return err
	}
	if w.State == Submitted && !w.Adopted {
		removeSpool(l.Dir, w.Spool)
	}
	w.pause = 0
	l.later(w)
	return nil
}

// resolve looks for a batch that may or may not have reached the API.
func (l *Lane) resolve(ctx context.Context, w *wait) error {
	call, cancel := bounded(ctx, callTime)
	list, err := l.API.Batches(call, w.Sent.Add(-clockSkew))
	cancel()
	if err != nil {
		return l.retry(ctx, w, err)
	}
	found, holder, err := l.candidate(ctx, w, list)
	switch {
	case err != nil:
		return err
	case found != nil:
		l.failure = nil
		return l.submitted(ctx, w, *found, true)
	case holder != nil:
		// It may be this one, if that other one's results refute it: both wait
		// for them.
		l.watch(*holder)
		w.looks = 0
		l.later(w)
		return nil
	}
	if w.looks++; w.looks < looks {
		w.next = l.Now().Add(lookPause)
		return nil
	}
	to := w.Record
	to.State, w.pause = Prepared, 0
	return l.advance(ctx, w, to)
}

// candidate returns the batch of a list that is most likely w, or, where the
// only ones are adopted by another batch and not proved, that one.
func (l *Lane) candidate(ctx context.Context, w *wait, list []llm.Batch) (found *llm.Batch, holder *Record, err error) {
	for i := range list {
		b := &list[i]
		if b.ID == "" || b.Counts.Total() != w.Requests || slices.Contains(w.Refuted, b.ID) {
			continue
		}
		known, err := l.Store.FindBatches(ctx, Filter{IDPrefix: b.ID})
		if err != nil {
			return nil, nil, err
		}
		r := withID(known, b.ID)
		switch {
		case r == nil:
			if found == nil || likelier(b.CreatedAt, found.CreatedAt, w.Sent) {
				found = b
			}
		case r.Adopted && r.Key != w.Key:
			holder = r
		}
	}
	return found, holder, nil
}

// likelier reports whether a batch that was created at a is more likely than
// one of b to be the one that was sent at a time: the first one after it, else
// the last one before.
func likelier(a, b, sent time.Time) bool {
	if a.Before(sent) != b.Before(sent) {
		return b.Before(sent)
	}
	if a.Before(sent) {
		return a.After(b)
	}
	return a.Before(b)
}

func withID(list []Record, id string) *Record {
	for i := range list {
		if list[i].ID == id {
			return &list[i]
		}
	}
	return nil
}

// refute notes that the adopted batch is another's, so that it is looked for
// again: here, if a task of this session waits for it.
func (l *Lane) refute(ctx context.Context, w *wait) error {
	to := w.Record
	to.State, to.ID, to.Adopted, to.Counts = Submitting, "", false, llm.BatchCounts{}
	to.Refuted = append(slices.Clip(to.Refuted), w.ID)
	to.Cancel = ""
	if !w.watched {
		to.Session = l.Session
	}
	to.Submitted, to.Ended, to.Expires = time.Time{}, time.Time{}, time.Time{}
	w.looks, w.pause, w.next = 0, 0, l.Now()
	return l.advance(ctx, w, to)
}

// fail ends a batch that comes to nothing. One that was collected before stays
// so, but has nothing more to deliver.
func (l *Lane) fail(ctx context.Context, w *wait, e *llm.Error) error {
	if w.State == Collected || w.State == Cancelled {
		w.State, w.Err, w.next = Failed, e, l.Now()
		return nil
	}
	to := w.Record
	to.State, to.Err = Failed, e
	if err := l.advance(ctx, w, to); err != nil || w.State != Failed {
		return err
	}
	removeSpool(l.Dir, w.Spool)
	w.next = l.Now()
	return l.settleRest(ctx, w, e)
}
