package batch_test

import (
	"errors"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/batch"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/sim"
)

// never is an API that takes no batch for now.
func never(o *batch.Options) { o.API = &limited{API: o.API, times: 1 << 30} }

// unfinished checks that all tasks are told to go another way.
func (w *world) unfinished(n int) {
	w.t.Helper()
	for _, o := range w.output {
		if !o.Unfinished || o.Err == nil || o.Response != nil {
			w.t.Errorf("outcome %+v", o)
		}
	}
	if len(w.output) != n {
		w.t.Errorf("%d outcomes", len(w.output))
	}
	w.output = nil
}

// A session that does not wait for the owner's batch any longer leaves it to
// the owner.
func TestUntilPassesForWhoJoined(t *testing.T) {
	w := newWorld(t, sim.Options{})
	tasks := texts(3)
	owner := w.lane(never)
	w.interrupt(owner, tasks, 2)
	w.must(w.lane(func(o *batch.Options) { o.Until = w.clock.Now().Add(time.Hour) }), tasks, llm.ReuseOn)
	w.unfinished(3)
	owner.API = w.client
	if err := errors.Join(owner.Run(t.Context(), w.deliver), owner.Close()); err != nil {
		t.Fatal(err)
	}
	w.created(1)
	w.delivered(tasks)
	w.ledger(3)
	w.clean()
}

// Who joined a batch that its owner gives up learns of it.
func TestOwnerGivesUp(t *testing.T) {
	w := newWorld(t, sim.Options{})
	tasks := texts(3)
	owner := w.lane(never)
	w.interrupt(owner, tasks, 2)
	joined := w.lane(nil)
	w.interrupt(joined, tasks, 2)
	owner.Until = w.clock.Now()
	for _, l := range []*batch.Lane{owner, joined} {
		if err := errors.Join(l.Run(t.Context(), w.deliver), l.Close()); err != nil {
			t.Fatal(err)
		}
		w.unfinished(3)
	}
	w.created(0)
	w.ledger(0)
	w.clean()
}

// Who joined a batch that is then lost learns of it, and can add it again.
func TestJoinedBatchIsDiscarded(t *testing.T) {
	w := newWorld(t, sim.Options{})
	tasks := texts(3)
	owner := w.lane(never)
	w.interrupt(owner, tasks, 2)
	joined := w.lane(nil)
	w.interrupt(joined, tasks, 2)
	_ = owner.Close()
	w.removeSpools()
	third := w.lane(nil)
	if err := third.Run(t.Context(), w.deliver); err != nil { // tidies up
		t.Fatal(err)
	}
	_ = third.Close()
	if err := errors.Join(joined.Run(t.Context(), w.deliver), joined.Close()); err != nil {
		t.Fatal(err)
	}
	w.unfinished(3)
	w.must(w.lane(nil), tasks, llm.ReuseOn)
	w.created(1)
	w.delivered(tasks)
	w.ledger(3)
	w.clean()
}

// A batch that another session has collected stays so, even where its results
// are gone when this one wants them.
func TestResultsAreGoneForTheSecond(t *testing.T) {
	w := newWorld(t, sim.Options{BatchDelay: time.Hour})
	tasks := texts(3)
	first := w.lane(nil)
	w.interrupt(first, tasks, 2)
	w.must(w.lane(nil), tasks, llm.ReuseOn)
	w.delivered(tasks)
	w.output = nil
	first.API = newWorld(t, sim.Options{}).client // which knows no batch
	if err := errors.Join(first.Run(t.Context(), w.deliver), first.Close()); err != nil {
		t.Fatal(err)
	}
	for _, o := range w.output {
		if o.Err == nil || o.Err.Code != llm.CodeNotFound || o.Unfinished {
			t.Errorf("outcome %+v", o)
		}
	}
	if got := w.query("SELECT state || ' ' || (SELECT count(*) FROM exchanges) FROM batches"); got != "collected 3" || len(w.output) != 3 {
		t.Errorf("the batch is %s, %d outcomes", got, len(w.output))
	}
	w.clean()
}

// An adopted batch whose results never come is neither settled nor bought
// again.
func TestAdoptedBatchWithoutResults(t *testing.T) {
	w := newWorld(t, sim.Options{BatchDelay: time.Minute})
	tasks := texts(3)
	w.strand(tasks, true)
	l := w.lane(func(o *batch.Options) {
		o.API = download(o.API, func(int, int, llm.BatchResult) (bool, error) { return false, nil })
	})
	if err := w.addAll(l, tasks, llm.ReuseOn); err != nil {
		t.Fatal(err)
	}
	if err := l.Run(t.Context(), w.deliver); llm.AsError(err).Code != llm.CodeStreamCut || len(w.output) > 0 {
		t.Errorf("Run = %v, %d outcomes", err, len(w.output))
	}
	_ = l.Close()
	w.must(w.lane(nil), tasks, llm.ReuseOn)
	w.created(1)
	w.delivered(tasks)
	w.ledger(3)
	w.clean()
}

// Without the API, batches are shown as they were last seen.
func TestListWithoutTheAPI(t *testing.T) {
	w := newWorld(t, sim.Options{BatchDelay: time.Hour})
	l := w.lane(nil)
	w.interrupt(l, texts(3), 2)
	l.API = unlisted{w.client}
	if list, err := l.List(t.Context(), 0, 0); err == nil || len(list) != 1 || list[0].Status != "submitted" {
		t.Errorf("%+v, %v", list, err)
	}
	id, _ := w.lane(nil).List(t.Context(), 0, 0)
	if one, err := l.Show(t.Context(), id[0].BatchID); err == nil || one.Requests != 3 {
		t.Errorf("%+v, %v", one, err)
	}
}

// Two sessions have one name only by a mistake, and the second is told.
func TestSessionNamesAreUsedOnce(t *testing.T) {
	w := newWorld(t, sim.Options{})
	same := func(o *batch.Options) { o.Session = "same" }
	if err := w.lane(same).Run(t.Context(), w.deliver); err != nil {
		t.Fatal(err)
	}
	if err := w.lane(same).Run(t.Context(), w.deliver); err == nil {
		t.Error("two sessions have one name")
	}
}
