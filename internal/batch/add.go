package batch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/claude-force/claude-force/internal/llm"
)

// Tasks are stored in chunks, one or two transactions each.
const (
	chunkTasks = 500
	chunkBytes = 4 << 20 // of bodies in memory
)

// chunk is what was added and is not stored yet.
type chunk struct {
	tasks []pending
	bytes int
}

type pending struct {
	StoredTask
	request *llm.Request
}

// Add takes a task. Where an open request of the same id was submitted before,
// by this session or by one that was killed, the task waits for that one's
// answer; else its request goes into the batch that is being filled, and a
// full batch is submitted at once. The id is that of the answer where it may
// be shared, else of the request and the tag: identical tasks that may share
// an answer are bought once.
//
// An error of code invalid_request_error or request_too_large is about this
// task alone, which cannot go through a batch. After any other error the lane
// is of no use, and a later session that adds the same tasks goes on from what
// is on disk. The request and a copy of the tag are kept until about 500 tasks
// are stored together.
func (l *Lane) Add(ctx context.Context, t Task) error {
	if err := l.begin(ctx); err != nil {
		return err
	}
	if err := l.check(t.Request); err != nil {
		return err
	}
	l.chunk.tasks = append(l.chunk.tasks, pending{
		StoredTask: StoredTask{CustomID: customID(t), RunID: t.Request.RunID, Tag: bytes.Clone(t.Tag)},
		request:    t.Request,
	})
	l.chunk.bytes += len(t.Request.Body()) + len(t.Tag)
	if len(l.chunk.tasks) < chunkTasks && l.chunk.bytes < chunkBytes {
		return nil
	}
	return l.flush(ctx)
}

// check refuses what would have the API refuse the whole batch.
func (l *Lane) check(r *llm.Request) error {
	what := ""
	switch {
	case r.Speed != "":
		what = "a speed"
	case len(r.Betas) > 0:
		what = "beta features"
	case r.MaxTokens <= 0:
		what = "no max_tokens"
	}
	if what != "" {
		return &llm.Error{
			Code: llm.CodeInvalidRequest, Message: "a request with " + what + " cannot go through Message Batches",
			Hint: "run it with --via api",
		}
	}
	empty := llm.NewBatchWriter(nil)
	if empty.Bytes()+(llm.BatchItem{ID: idPrefix, Request: r}).Size()+idLength > l.MaxBytes {
		return &llm.Error{Code: llm.CodeTooLarge, Message: fmt.Sprintf("the request has %d MB, which no batch takes", len(r.Body())>>20), Hint: "shorten the task"}
	}
	return nil
}

const (
	idPrefix = "cf-"
	idLength = 64 // the most that the API takes
)

// customID is the same for the same task in every session.
func customID(t Task) string {
	h := sha256.New()
	if reusable(t.Request) {
		_, _ = h.Write([]byte("answer\n"))
		_, _ = h.Write(t.Request.Reuse.Key[:])
	} else {
		_, _ = h.Write([]byte("task\n"))
		_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(t.Tag))))
		_, _ = h.Write(t.Tag)
		if t.Identity != nil {
			_, _ = h.Write(t.Identity)
		} else {
			_, _ = h.Write(t.Request.Body())
		}
	}
	return (idPrefix + hex.EncodeToString(h.Sum(nil)))[:idLength]
}

// reusable reports whether the answer may serve others, and is to be kept.
func reusable(r *llm.Request) bool {
	return (r.Reuse.Mode == llm.ReuseOn || r.Reuse.Mode == llm.ReuseRefresh) && !r.HasTools()
}

// flush stores what was added. An error leaves the spool file in doubt, so the
// lane ends with it.
func (l *Lane) flush(ctx context.Context) error {
	if len(l.chunk.tasks) == 0 {
		return nil
	}
	l.lock.beat(l.Now())
	err := l.place(ctx, l.chunk.tasks)
	if err != nil {
		l.broken = err
		return err
	}
	l.tasks += len(l.chunk.tasks)
	clear(l.chunk.tasks) // lets go of the bodies
	l.chunk = chunk{tasks: l.chunk.tasks[:0]}
	return l.submitDue(ctx)
}

// rows are what a chunk adds to the store.
type rows struct {
	requests []StoredRequest
	tasks    []StoredTask
}

// place finds a request for each task, or puts its own into the spool file.
func (l *Lane) place(ctx context.Context, tasks []pending) error {
	join := Joining{Account: l.Account, Session: l.Session, Dead: l.dead, Since: l.Now().Add(-resultsLast)}
	for _, p := range tasks {
		join.Tasks = append(join.Tasks, p.StoredTask)
	}
	joined, err := l.Store.JoinBatches(ctx, join)
	if err != nil {
		return err
	}
	var add rows
	at := map[string]int64{} // the batch of each request of this chunk
	for i, p := range tasks {
		if joined[i] {
			continue
		}
		task := p.StoredTask
		var twin bool
		if task.Batch, twin = at[p.CustomID]; !twin {
			if task.Batch, err = l.spoolRequest(ctx, p, &add); err != nil {
				return err
			}
			at[p.CustomID] = task.Batch
		}
		add.tasks = append(add.tasks, task)
		if !twin && l.spool.body.Count() >= l.MaxRequests {
			if err := l.seal(ctx, &add); err != nil {
				return err
			}
		}
	}
	return l.save(ctx, &add)
}

// spoolRequest appends a request to the batch that is being filled, or to a
// new one where that is full, and returns the batch's key.
func (l *Lane) spoolRequest(ctx context.Context, p pending, add *rows) (int64, error) {
	item := llm.BatchItem{ID: p.CustomID, Request: p.request}
	if l.spool != nil && !l.spool.fits(item, l.MaxRequests, l.MaxBytes) {
		if err := l.seal(ctx, add); err != nil {
			return 0, err
		}
	}
	if l.spool == nil {
		if err := l.open(ctx); err != nil {
			return 0, err
		}
	}
	if err := l.spool.body.Add(item); err != nil {
		return 0, diskError("write the batch to disk", err)
	}
	r := p.request
	row := StoredRequest{
		Batch: l.spool.record.Key, CustomID: p.CustomID, Labels: r.Labels,
		Model: r.Model, Speed: r.Speed, Geo: r.Geo, Reserved: l.Worst(r),
	}
	if reusable(r) {
		row.Reuse = llm.Reuse{Mode: llm.ReuseOn, Key: r.Reuse.Key}
	}
	add.requests = append(add.requests, row)
	return row.Batch, nil
}

// open begins a batch.
func (l *Lane) open(ctx context.Context) error {
	l.spooled++
	r := Record{
		Account: l.Account, State: Preparing, Session: l.Session, Created: l.Now(),
		Spool: fmt.Sprintf("%s%s-%d.json", spoolPrefix, l.Session, l.spooled),
	}
	key, err := l.Store.OpenBatch(ctx, r)
	if err != nil {
		return err
	}
	r.Key = key
	if l.spool, err = createSpool(l.Dir, r); err != nil {
		return diskError("write the batch to disk", err)
	}
	return nil
}

func (l *Lane) save(ctx context.Context, add *rows) error {
	if len(add.tasks) == 0 {
		return nil
	}
	err := l.Store.AppendBatches(ctx, l.Session, add.requests, add.tasks)
	*add = rows{}
	return err
}

// seal ends the batch that is being filled.
func (l *Lane) seal(ctx context.Context, add *rows) error {
	if err := l.save(ctx, add); err != nil {
		return err
	}
	s := l.spool
	l.spool = nil
	if err := s.seal(); err != nil {
		return diskError("write the batch to disk", err)
	}
	w := &wait{Record: s.record}
	to := s.record
	to.State, to.Requests, to.Bytes = Prepared, s.body.Count(), s.body.Bytes()
	if err := l.advance(ctx, w, to); err != nil {
		return err
	}
	l.waits = append(l.waits, w)
	return nil
}
