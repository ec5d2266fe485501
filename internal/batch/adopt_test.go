package batch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/batch"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/sim"
)

// hook is an API in which a test steps in.
type hook struct {
	batch.API
	list    func([]llm.Batch) []llm.Batch
	state   func(*llm.Batch, error) (*llm.Batch, error)
	results func(ctx context.Context, id string, each func(llm.BatchResult) error) error
}

func (h hook) Batches(ctx context.Context, since time.Time) ([]llm.Batch, error) {
	list, err := h.API.Batches(ctx, since)
	if h.list != nil {
		list = h.list(list)
	}
	return list, err
}

func (h hook) Batch(ctx context.Context, id string) (*llm.Batch, error) {
	b, err := h.API.Batch(ctx, id)
	if h.state != nil {
		return h.state(b, err)
	}
	return b, err
}

func (h hook) BatchResults(ctx context.Context, id string, each func(llm.BatchResult) error) error {
	if h.results != nil {
		return h.results(ctx, id, each)
	}
	return h.API.BatchResults(ctx, id, each)
}

func oldestFirst(list []llm.Batch) []llm.Batch {
	slices.Reverse(list)
	return list
}

// strand leaves a batch of tasks in doubt: its session died before it learned
// that the API had accepted it.
func (w *world) strand(tasks []string, accepted bool) {
	w.t.Helper()
	before := w.server.Stats().Batches
	l := w.lane(func(o *batch.Options) {
		o.API = &doubtful{API: o.API, times: 1, accept: accepted, err: doubts["connection"]}
	})
	w.interrupt(l, tasks, 1)
	if err := l.Close(); err != nil {
		w.t.Fatal(err)
	}
	if got := w.server.Stats().Batches - before; (got == 1) != accepted {
		w.t.Fatalf("%d batches were created", got)
	}
}

// interrupt runs a session for some rounds.
func (w *world) interrupt(l *batch.Lane, tasks []string, rounds int) {
	w.t.Helper()
	if err := w.addAll(l, tasks, llm.ReuseOn); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.OnProgress = func(batch.Progress) {
		if rounds--; rounds <= 0 {
			cancel()
		}
	}
	if err := l.Run(ctx, w.deliver); llm.AsError(err).Code != llm.CodeCancelled {
		w.t.Fatalf("Run = %v", err)
	}
	l.OnProgress = func(batch.Progress) {}
}

// Two batches of one size, both in doubt, are told apart by their results.
func TestTwoInDoubt(t *testing.T) {
	for name, order := range map[string]func([]llm.Batch) []llm.Batch{"newest first": nil, "oldest first": oldestFirst} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, sim.Options{BatchDelay: time.Minute})
			tasks := texts(6)
			w.strand(tasks[:3], true)
			w.strand(tasks[3:], true)
			w.must(w.lane(func(o *batch.Options) { o.API = hook{API: o.API, list: order} }), tasks, llm.ReuseOn)
			w.created(2)
			w.delivered(tasks)
			w.ledger(6)
			w.clean()
		})
	}
}

// The only batch that could be ours is adopted by one that nobody waits for:
// its results are looked at, for ours must not be bought again.
func TestAdoptedByAnother(t *testing.T) {
	w := newWorld(t, sim.Options{BatchDelay: time.Hour})
	tasks := texts(6)
	w.strand(tasks[:3], true)
	w.strand(tasks[3:], true)
	// The second takes the first's.
	l := w.lane(func(o *batch.Options) { o.API = hook{API: o.API, list: oldestFirst} })
	w.interrupt(l, tasks[3:], 4)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := w.query("SELECT count(*) FROM batches WHERE adopted = 1 AND state = 'submitted'"); got != "1" {
		t.Fatalf("%s batches are adopted", got)
	}
	w.must(w.lane(nil), tasks[:3], llm.ReuseOn)
	w.must(w.lane(nil), tasks[3:], llm.ReuseOn)
	w.created(2)
	w.delivered(tasks)
	w.ledger(6)
	w.clean()
}

// A batch in doubt that the API does not have is sent by who joins it.
func TestInDoubtAndNotAccepted(t *testing.T) {
	w := newWorld(t, sim.Options{BatchDelay: time.Minute})
	tasks := texts(3)
	w.strand(tasks, false)
	w.must(w.lane(nil), tasks, llm.ReuseOn)
	w.created(1)
	w.delivered(tasks)
	w.ledger(3)
	w.clean()
}

// Without its spool file a batch can still be adopted, but not sent.
func TestSpoolFileIsGone(t *testing.T) {
	for _, accepted := range []bool{true, false} {
		w := newWorld(t, sim.Options{BatchDelay: time.Minute})
		tasks := texts(3)
		w.strand(tasks, accepted)
		w.removeSpools()
		w.must(w.lane(nil), tasks, llm.ReuseOn)
		if accepted {
			w.created(1)
			w.delivered(tasks)
			w.ledger(3)
			w.clean()
			continue
		}
		w.created(0)
		for _, o := range w.output {
			if !o.Unfinished || o.Err == nil || !o.Err.Retryable {
				t.Errorf("outcome %+v", o)
			}
		}
		if len(w.output) != 3 {
			t.Errorf("%d outcomes", len(w.output))
		}
		w.output = nil
		w.must(w.lane(nil), tasks, llm.ReuseOn)
		w.created(1)
		w.delivered(tasks)
		w.ledger(3)
		w.clean()
	}
}

// A batch that was ready to be sent and has lost its file is made anew.
func TestPreparedBatchWithoutItsFile(t *testing.T) {
	for name, damage := range map[string]func(*world){
		"gone": (*world).removeSpools,
		"cut": func(w *world) {
			for _, f := range w.spools() {
				if err := os.Truncate(f, 10); err != nil {
					w.t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, sim.Options{})
			tasks := texts(3)
			l := w.lane(func(o *batch.Options) { o.API = &limited{API: o.API, times: 1 << 30} })
			w.interrupt(l, tasks, 2)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if got := w.query("SELECT state FROM batches"); got != "prepared" {
				t.Fatalf("the batch is %s", got)
			}
			damage(w)
			w.must(w.lane(nil), tasks, llm.ReuseOn)
			w.created(1)
			w.delivered(tasks)
			w.ledger(3)
			w.clean()
		})
	}
}

func (w *world) spools() []string {
	files, err := filepath.Glob(filepath.Join(w.dir, "batches", "batch-*"))
	if err != nil || len(files) == 0 {
		w.t.Fatalf("spool files: %v, %v", files, err)
	}
	return files
}

func (w *world) removeSpools() {
	for _, f := range w.spools() {
		if err := os.Remove(f); err != nil {
			w.t.Fatal(err)
		}
	}
}

// Two living sessions that want the same buy it once, and each gets it.
func TestLivingSessionsShare(t *testing.T) {
	w := newWorld(t, sim.Options{BatchDelay: time.Hour})
	tasks := texts(3)
	first := w.lane(nil)
	w.interrupt(first, tasks, 2)
	w.must(w.lane(nil), tasks, llm.ReuseOn)
	w.delivered(tasks)
	saved := int64(0)
	for _, o := range w.output {
		if o.Response.Source != llm.SourceCoalesced || o.Response.Cost.Nano != 0 {
			t.Errorf("%+v", o.Response)
		}
		saved += o.Response.Saved
	}
	w.output = nil
	if err := errors.Join(first.Run(t.Context(), w.deliver), first.Close()); err != nil {
		t.Fatal(err)
	}
	w.created(1)
	w.delivered(tasks)
	w.ledger(3)
	w.clean()
	paid := int64(0)
	for _, o := range w.output {
		paid += o.Response.Cost.Nano
	}
	if paid != saved || paid == 0 {
		t.Errorf("%d paid, %d saved", paid, saved)
	}
	if got := w.query("SELECT count(*) FROM batch_requests"); got != "0" {
		t.Errorf("%s requests are left", got)
	}
}

// What a living session is about to submit is left to it; when it dies, who
// waits takes it over.
func TestOwnerDiesWhileOthersWait(t *testing.T) {
	w := newWorld(t, sim.Options{BatchDelay: time.Minute})
	tasks := texts(3)
	first := w.lane(func(o *batch.Options) { o.API = &limited{API: o.API, times: 1 << 30} })
	w.interrupt(first, tasks, 2)
	rounds := 0
	second := w.lane(func(o *batch.Options) {
		o.OnProgress = func(batch.Progress) {
			if rounds++; rounds == 5 {
				w.created(0)
				_ = first.Close()
			}
		}
	})
	w.must(second, tasks, llm.ReuseOn)
	w.created(1)
	w.delivered(tasks)
	w.clean()
	saved := int64(0)
	for _, o := range w.output {
		saved += o.Response.Saved
	}
	if got := w.query("SELECT count(*) || ' ' || sum(cost_nano) FROM exchanges"); got != fmt.Sprintf("3 %d", saved) {
		t.Errorf("the ledger says %s, what was shared %d", got, saved)
	}
}

// A lane goes on after an interrupt, and takes more tasks after a run.
func TestOneLaneSeveralRuns(t *testing.T) {
	w := newWorld(t, sim.Options{BatchDelay: time.Hour})
	tasks := texts(8)
	l := w.lane(small)
	w.interrupt(l, tasks[:4], 3)
	if err := l.Run(t.Context(), w.deliver); err != nil {
		t.Fatal(err)
	}
	w.must(l, tasks[4:], llm.ReuseOn)
	w.created(4)
	w.delivered(tasks)
	w.ledger(8)
	w.clean()
	if err := l.Add(t.Context(), w.task("late", llm.ReuseOn)); err == nil {
		t.Error("a closed lane takes tasks")
	}
}

// Many sessions at once find the batch of a dead one, and one submits it.
func TestManyClaimOneBatch(t *testing.T) {
	for _, accepted := range []bool{true, false} {
		w := newWorld(t, sim.Options{BatchDelay: time.Minute})
		tasks := texts(20)
		w.strand(tasks, accepted)
		const sessions = 4
		outputs := make([][]batch.Outcome, sessions)
		lanes := make([]*batch.Lane, sessions)
		for i := range lanes {
			lanes[i] = w.lane(func(o *batch.Options) { o.Keep, o.Store = nil, w.open() })
			if err := w.addAll(lanes[i], tasks[1:], llm.ReuseOn); err != nil {
				t.Fatal(err)
			}
			// So large a task is not kept in memory: all find the batch before
			// one is done with it.
			large := w.task(tasks[0], llm.ReuseOn)
			large.Tag = append(large.Tag, bytes.Repeat([]byte(" "), 4<<20)...)
			if err := lanes[i].Add(t.Context(), large); err != nil {
				t.Fatal(err)
			}
		}
		var wg sync.WaitGroup
		for i, l := range lanes {
			wg.Go(func() {
				err := l.Run(context.Background(), func(o batch.Outcome) error {
					o.Tag = bytes.TrimSpace(o.Tag)
					outputs[i] = append(outputs[i], o)
					return nil
				})
				if err = errors.Join(err, l.Close()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		w.created(1)
		w.clean()
		for _, out := range outputs {
			w.output = out
			w.delivered(tasks)
		}
		if got := w.query("SELECT count(*) FROM exchanges"); got != "20" {
			t.Errorf("%s exchanges", got)
		}
		if got := w.query("SELECT count(*) || ' ' || count(cost_nano > 0 OR NULL) FROM runs"); got != "80 20" {
			t.Errorf("runs: %s", got)
		}
	}
}
