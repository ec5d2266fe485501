package batch_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/batch"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/sim"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

// download wraps how results come: of each download it passes on what part
// says, and ends with its error.
func download(api batch.API, part func(times, line int, r llm.BatchResult) (pass bool, err error)) batch.API {
	times := 0
	return hook{API: api, results: func(ctx context.Context, id string, each func(llm.BatchResult) error) error {
		times++
		line := 0
		return api.BatchResults(ctx, id, func(r llm.BatchResult) error {
			line++
			pass, err := part(times, line, r)
			if err != nil || !pass {
				return err
			}
			return each(r)
		})
	}}
}

var errCut = &llm.Error{Code: llm.CodeStreamCut, Status: 200, Retryable: true}

// A download that is cut, again and again, is repeated; what had come is
// settled and delivered once.
func TestDownloadIsCut(t *testing.T) {
	w := newWorld(t, sim.Options{BatchDelay: time.Minute})
	tasks := texts(1000)
	w.must(w.lane(func(o *batch.Options) {
		o.MaxRequests = 1000
		o.API = download(o.API, func(times, line int, _ llm.BatchResult) (bool, error) {
			if line > times*150 {
				return false, errCut
			}
			return true, nil
		})
	}), tasks, llm.ReuseOn)
	w.created(1)
	w.delivered(tasks)
	w.ledger(1000)
	w.clean()
}

// A download that ends too early without saying so is repeated as well.
func TestDownloadIsShort(t *testing.T) {
	w := newWorld(t, sim.Options{})
	tasks := texts(10)
	w.must(w.lane(func(o *batch.Options) {
		o.API = download(o.API, func(times, line int, _ llm.BatchResult) (bool, error) { return times > 1 || line < 5, nil })
	}), tasks, llm.ReuseOn)
	w.delivered(tasks)
	w.ledger(10)
	w.clean()
}

// A result that never comes is that task's error, and it can be run again.
func TestResultIsMissing(t *testing.T) {
	w := newWorld(t, sim.Options{})
	tasks := texts(10)
	missing := ""
	w.must(w.lane(func(o *batch.Options) {
		o.API = download(o.API, func(_, line int, r llm.BatchResult) (bool, error) {
			if line == 1 {
				missing = r.ID
			}
			return line != 1, nil
		})
	}), tasks, llm.ReuseOn)
	failed := []string{}
	for _, o := range w.output {
		if o.Err != nil {
			failed = append(failed, string(o.Tag))
			if o.Err.Code != llm.CodeBadResponse || !o.Err.Retryable || o.Unfinished {
				t.Errorf("%+v", o.Err)
			}
		}
	}
	if len(failed) != 1 || len(w.output) != 10 || missing == "" {
		t.Fatalf("%d outcomes, failed: %v", len(w.output), failed)
	}
	w.ledger(9)
	w.must(w.lane(nil), failed, llm.ReuseOn)
	w.created(2)
	w.ledger(10)
	w.clean()
}

// An answer that was made and cannot be read is paid at a price that is not
// known; the others are fine.
func TestResultIsUnreadable(t *testing.T) {
	w := newWorld(t, sim.Options{})
	tasks := texts(3)
	w.must(w.lane(func(o *batch.Options) {
		api := o.API
		o.API = hook{API: api, results: func(ctx context.Context, id string, each func(llm.BatchResult) error) error {
			line := 0
			return api.BatchResults(ctx, id, func(r llm.BatchResult) error {
				if line++; line == 2 {
					r = llm.BatchResult{ID: r.ID, Err: &llm.Error{Code: llm.CodeBadResponse, Status: 200}}
				}
				return each(r)
			})
		}}
	}), tasks, llm.ReuseOn)
	if got := w.query("SELECT count(*) || ' ' || sum(cost_nano IS NULL) || ' ' || sum(incomplete) FROM exchanges"); got != "3 1 1" {
		t.Errorf("exchanges: %s", got)
	}
	if infos, err := w.lane(nil).List(t.Context(), 0, 0); err != nil || infos[0].Unpriced != 1 || infos[0].Cost == 0 {
		t.Errorf("%+v, %v", infos, err)
	}
	w.clean()
}

// An API that answers nonsense for good ends the run, and loses nothing.
func TestNonsenseEndsTheRun(t *testing.T) {
	w := newWorld(t, sim.Options{})
	tasks := texts(3)
	nonsense := &llm.Error{Code: llm.CodeBadResponse, Status: 200, Retryable: true}
	l := w.lane(func(o *batch.Options) {
		o.API = download(o.API, func(int, int, llm.BatchResult) (bool, error) { return false, nonsense })
	})
	if err := w.addAll(l, tasks, llm.ReuseOn); err != nil {
		t.Fatal(err)
	}
	if err := l.Run(t.Context(), w.deliver); !errors.Is(err, nonsense) {
		t.Errorf("Run = %v", err)
	}
	_ = l.Close()
	w.must(w.lane(nil), tasks, llm.ReuseOn)
	w.created(1)
	w.delivered(tasks)
	w.ledger(3)
}

// Failures that pass are waited out, however long they last.
func TestPollingSurvivesOutages(t *testing.T) {
	w := newWorld(t, sim.Options{BatchDelay: time.Hour})
	tasks := texts(3)
	calls := 0
	waited := 0
	w.must(w.lane(func(o *batch.Options) {
		o.API = hook{API: o.API, state: func(b *llm.Batch, err error) (*llm.Batch, error) {
			switch calls++; {
			case calls == 2:
				return nil, &llm.Error{Code: llm.CodeRateLimit, Status: 429, Retryable: true, RetryAfter: 3 * time.Hour, HasRetryAfter: true}
			case calls < 200:
				return nil, &llm.Error{Code: llm.CodeConnection, Retryable: true}
			}
			return b, err
		}}
		o.OnProgress = func(p batch.Progress) {
			if p.Err != nil {
				waited++
			}
		}
	}), tasks, llm.ReuseOn)
	w.delivered(tasks)
	w.ledger(3)
	if passed := w.clock.Now().Sub(noon); passed < 6*time.Hour || passed > 7*time.Hour || waited < 199 {
		t.Errorf("it took %v, and said so %d times", passed, waited)
	}
}

// An error that does not pass ends Run; the next session goes on.
func TestPollingEndsWithAKeyThatIsGone(t *testing.T) {
	w := newWorld(t, sim.Options{BatchDelay: time.Minute})
	tasks := texts(3)
	l := w.lane(func(o *batch.Options) {
		o.API = hook{API: o.API, state: func(*llm.Batch, error) (*llm.Batch, error) {
			return nil, &llm.Error{Code: llm.CodeAuthentication, Status: 401}
		}}
	})
	if err := w.addAll(l, tasks, llm.ReuseOn); err != nil {
		t.Fatal(err)
	}
	if err := l.Run(t.Context(), w.deliver); llm.AsError(err).Code != llm.CodeAuthentication {
		t.Errorf("Run = %v", err)
	}
	_ = l.Close()
	w.must(w.lane(nil), tasks, llm.ReuseOn)
	w.created(1)
	w.delivered(tasks)
	w.ledger(3)
}

// A batch that the API no longer knows fails its tasks, which then can be run
// again.
func TestBatchIsGoneFromTheAPI(t *testing.T) {
	w := newWorld(t, sim.Options{BatchDelay: time.Minute})
	tasks := texts(3)
	l := w.lane(nil)
	w.interrupt(l, tasks, 1)
	_ = l.Close()
	empty := newWorld(t, sim.Options{})
	w.must(w.lane(func(o *batch.Options) { o.API = empty.client }), tasks, llm.ReuseOn)
	for _, o := range w.output {
		if o.Err == nil || o.Err.Code != llm.CodeNotFound || !o.Err.Retryable {
			t.Errorf("%+v", o)
		}
	}
	if got := w.query("SELECT state FROM batches"); got != "failed" || len(w.output) != 3 {
		t.Errorf("the batch is %s, %d outcomes", got, len(w.output))
	}
	w.output = nil
	w.must(w.lane(nil), tasks, llm.ReuseOn)
	w.created(2)
	w.delivered(tasks)
	w.ledger(3)
}

// What nobody came back for in a month goes, and reserves nothing; nothing
// younger does.
func TestOldRowsGo(t *testing.T) {
	w := newWorld(t, sim.Options{BatchDelay: time.Hour})
	left := func() string {
		return w.query("SELECT (SELECT count(*) FROM batch_tasks) || ' ' || (SELECT group_concat(state) FROM batches)")
	}
	l := w.lane(nil)
	w.interrupt(l, texts(3), 2)
	_ = l.Close()
	_ = w.clock.Sleep(t.Context(), 28*24*time.Hour)
	w.must(w.lane(nil), []string{"Other. [[say Other.]]"}, llm.ReuseOn)
	if got := left(); got != "3 submitted,collected" {
		t.Errorf("after 28 days: %s", got)
	}
	_ = w.clock.Sleep(t.Context(), 3*24*time.Hour)
	w.must(w.lane(nil), []string{"Other. [[say Other.]]"}, llm.ReuseOn)
	if got := left(); got != "0 failed,collected,collected" {
		t.Errorf("after 31 days: %s", got)
	}
	if got, err := w.db().Reserved(t.Context()); err != nil || got != 0 {
		t.Errorf("reserved %d, %v", got, err)
	}
	// The same tasks are bought anew: their results are no longer at the API.
	w.output = nil
	w.must(w.lane(nil), texts(3), llm.ReuseOn)
	w.delivered(texts(3))
	w.created(4)
}

// In memory, there is one connection for everything.
func TestLaneInMemory(t *testing.T) {
	w := newWorld(t, sim.Options{BatchDelay: time.Minute})
	db, err := sqlite.Open(t.Context(), sqlite.Memory)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tasks := texts(250)
	w.must(w.lane(func(o *batch.Options) { o.Store = db }), tasks, llm.ReuseOn)
	w.created(3)
	w.delivered(tasks)
}

// Without tracking, money is still counted with its batch.
func TestWithoutTracking(t *testing.T) {
	w := newWorld(t, sim.Options{})
	w.must(w.lane(func(o *batch.Options) { o.Track, o.Keep, o.Worst = false, nil, nil }), texts(3), llm.ReuseOn)
	if got := w.query("SELECT ((SELECT count(*) FROM runs) + (SELECT count(*) FROM exchanges)) || ' ' || (cost_nano > 0) FROM batches"); got != "0 1" {
		t.Errorf("rows and cost: %s", got)
	}
}

// A folder that cannot be used is said, and a half-written batch is forgotten.
func TestDiskFaults(t *testing.T) {
	w := newWorld(t, sim.Options{})
	file := filepath.Join(w.dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*batch.Options){
		"folder":  func(o *batch.Options) { o.Dir = file },
		"session": func(o *batch.Options) { o.Session = "../x" },
	} {
		if err := w.lane(change).Add(t.Context(), w.task("x", llm.ReuseOn)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	l := w.lane(nil)
	if err := l.Add(t.Context(), w.task("x", llm.ReuseOn)); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(w.dir, "batches")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	err := l.Run(t.Context(), w.deliver)
	if err == nil {
		t.Fatal("a batch was written into a folder that is gone")
	}
	if again := l.Run(t.Context(), w.deliver); fmt.Sprint(again) != fmt.Sprint(err) {
		t.Errorf("the broken lane says %v, and then %v", err, again)
	}
	_ = l.Close()
	tasks := texts(2)
	w.must(w.lane(nil), tasks, llm.ReuseOn)
	w.created(1)
	w.delivered(tasks)
	w.clean()
}
