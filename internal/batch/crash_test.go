package batch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/batch"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/sim"
)

// kill runs a session that ends at a step, and reports whether it came there.
func (w *world) kill(at int, tasks []string, mode llm.ReuseMode, change func(*batch.Options)) bool {
	f := &fuse{at: at}
	l := w.lane(func(o *batch.Options) {
		if change != nil {
			change(o)
		}
		f.wire(o)
	})
	err := w.addAll(l, tasks, mode)
	if err == nil {
		err = l.Run(context.Background(), f.deliver(w.deliver))
	}
	// Close does what the system does after a kill: it lets go of the lock.
	_ = l.Close()
	if f.blown && !errors.Is(err, errKilled) {
		w.t.Errorf("step %d: the session ended with %v", at, err)
	}
	if !f.blown && err != nil {
		w.t.Errorf("step %d: %v", at, err)
	}
	return f.blown
}

func small(o *batch.Options) { o.MaxRequests = 3 }

// A session that is killed at any of its steps, and another that goes on with
// what was not delivered, make the batches once, pay once and deliver once.
func TestKilledAtEveryStep(t *testing.T) {
	tasks := texts(5)
	stride := 1
	if testing.Short() {
		stride = 7
	}
	for at := 1; ; at += stride {
		w := newWorld(t, sim.Options{BatchDelay: time.Minute})
		blown := w.kill(at, tasks, llm.ReuseOn, small)
		w.must(w.lane(small), w.left(tasks), llm.ReuseOn)
		w.created(2)
		w.delivered(tasks)
		w.ledger(5)
		w.clean()
		if got := w.query("SELECT count(*) || ' ' || count(DISTINCT run_id) FROM runs"); got != "5 5" {
			t.Errorf("runs: %s", got)
		}
		if t.Failed() {
			t.Fatalf("killed at step %d", at)
		}
		if !blown {
			return
		}
	}
}

// So it is where the second is killed as well, wherever that is.
func TestKilledTwice(t *testing.T) {
	if testing.Short() {
		t.Skip("many sessions")
	}
	tasks := texts(4)
	for at := 1; ; at += 7 {
		blown := false
		for then := 2; ; then += 13 {
			w := newWorld(t, sim.Options{BatchDelay: time.Minute})
			blown = w.kill(at, tasks, llm.ReuseOff, small)
			again := w.kill(then, w.left(tasks), llm.ReuseOff, small)
			w.must(w.lane(small), w.left(tasks), llm.ReuseOff)
			w.created(2)
			w.delivered(tasks)
			w.ledger(4)
			w.clean()
			if t.Failed() {
				t.Fatalf("killed at step %d, and then at %d", at, then)
			}
			if !again {
				break
			}
		}
		if !blown {
			return
		}
	}
}

// doubtful is an API whose answers to the first submissions get lost.
type doubtful struct {
	batch.API
	times  int
	accept bool // the batch is made all the same
	err    *llm.Error
	calls  int
}

func (d *doubtful) CreateBatch(ctx context.Context, body io.ReadSeeker, size int64) (*llm.Batch, error) {
	if d.calls++; d.calls > d.times {
		return d.API.CreateBatch(ctx, body, size)
	}
	if d.accept {
		if _, err := d.API.CreateBatch(ctx, body, size); err != nil {
			return nil, err
		}
	}
	return nil, d.err
}

var doubts = map[string]*llm.Error{
	"connection": {Code: llm.CodeConnection, Retryable: true},
	"500":        {Code: llm.CodeAPI, Status: 500, Retryable: true},
	"504":        {Code: llm.CodeTimeout, Status: 504, Retryable: true},
	"408":        {Code: llm.CodeTimeout, Status: 408, Retryable: true},
	"409":        {Code: llm.CodeConflict, Status: 409, Retryable: true},
	"bad answer": {Code: llm.CodeBadResponse, Status: 200},
}

// Where the answer to a submission is lost, the list decides.
func TestDoubtfulSubmission(t *testing.T) {
	for name, e := range doubts {
		for _, accept := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, accepted %v", name, accept), func(t *testing.T) {
				w := newWorld(t, sim.Options{BatchDelay: time.Minute})
				tasks := texts(150)
				w.must(w.lane(func(o *batch.Options) {
					o.API = &doubtful{API: o.API, times: 2, accept: accept, err: e}
				}), tasks, llm.ReuseOn)
				w.created(2)
				w.delivered(tasks)
				w.ledger(150)
				w.clean()
			})
		}
	}
}

// A 529 was not accepted: the batch is sent again without a look.
func TestOverloadedSubmission(t *testing.T) {
	w := newWorld(t, sim.Options{})
	tasks := texts(2)
	w.must(w.lane(func(o *batch.Options) {
		o.API = &doubtful{API: unlisted{o.API}, times: 5, err: &llm.Error{Code: llm.CodeOverloaded, Status: 529, Retryable: true}}
	}), tasks, llm.ReuseOn)
	w.created(1)
	w.delivered(tasks)
}

// unlisted is an API whose list must not be asked for.
type unlisted struct{ batch.API }

func (unlisted) Batches(context.Context, time.Time) ([]llm.Batch, error) {
	return nil, errors.New("the list was asked for")
}

// foreign submits a batch of somebody else's before each of ours, and lets
// ours be lost: the list shows one that looks like it.
type foreign struct {
	batch.API
	before int // batches of others
	lose   bool
	calls  int
}

func (f *foreign) CreateBatch(ctx context.Context, body io.ReadSeeker, size int64) (*llm.Batch, error) {
	f.calls++
	if f.calls > 1 {
		return f.API.CreateBatch(ctx, body, size)
	}
	for i := range f.before {
		var buf writerBuffer
		other := llm.NewBatchWriter(&buf)
		for k := range 3 {
			r := llm.New(llm.Params{Model: sonnet, MaxTokens: 9, Messages: []llm.Message{{Role: "user", Content: []llm.Block{{Text: "Hi."}}}}}, llm.Labels{})
			if err := other.Add(llm.BatchItem{ID: fmt.Sprintf("other-%d-%d", i, k), Request: r}); err != nil {
				return nil, err
			}
		}
		if err := other.Close(); err != nil {
			return nil, err
		}
		if _, err := f.API.CreateBatch(ctx, buf.reader(), other.Bytes()); err != nil {
			return nil, err
		}
	}
	if !f.lose {
		if _, err := f.API.CreateBatch(ctx, body, size); err != nil {
			return nil, err
		}
	}
	return nil, &llm.Error{Code: llm.CodeConnection, Retryable: true}
}

// A batch that was adopted and turns out to be another's settles nothing.
func TestAdoptedBatchOfOthers(t *testing.T) {
	for _, lose := range []bool{false, true} {
		for before := range 3 {
			t.Run(fmt.Sprintf("%d others, lost %v", before, lose), func(t *testing.T) {
				w := newWorld(t, sim.Options{BatchDelay: time.Minute})
				tasks := texts(3)
				w.must(w.lane(func(o *batch.Options) {
					o.API = &foreign{API: o.API, before: before, lose: lose}
				}), tasks, llm.ReuseOn)
				w.created(before + 1)
				w.delivered(tasks)
				w.ledger(3)
				w.clean()
			})
		}
	}
}
