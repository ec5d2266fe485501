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
	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/sim"
)

func TestTasksGoThroughBatchesAtHalfPrice(t *testing.T) {
	w := newWorld(t, sim.Options{BatchDelay: time.Hour})
	var seen []batch.Progress
	l := w.lane(func(o *batch.Options) { o.OnProgress = func(p batch.Progress) { seen = append(seen, p) } })
	tasks := texts(250)
	w.must(l, tasks, llm.ReuseOn)
	w.created(3)
	w.delivered(tasks)
	w.ledger(250)
	w.clean()
	m, _ := w.catalogue.Lookup(sonnet)
	for _, o := range w.output {
		u := o.Response.Usage
		full, ok := m.Price(model.Usage{Input: u.Input, Output: u.Output, CacheRead: u.CacheRead, CacheWrite5m: u.CacheWrite5m}, model.Terms{}, noon)
		if !ok || o.Response.Cost.Nano*2 != int64(full) || o.Response.Cost.Nano == 0 {
			t.Errorf("%s cost %+v, the full price is %d", o.Tag, o.Response.Cost, full)
		}
		if o.Response.Source != llm.SourceMiss || o.Response.Saved != 0 || o.Request.Agent != "reviewer" || o.Request.Model != sonnet || o.RunID != o.Request.RunID {
			t.Errorf("outcome %+v", o)
		}
	}
	if len(w.kept) != 250 {
		t.Errorf("%d answers were kept", len(w.kept))
	}
	last := seen[len(seen)-1]
	if last.Batches != 3 || last.Ended != 3 || last.Tasks != 250 || last.Delivered != 250 || last.Counts.Succeeded != 250 {
		t.Errorf("the last progress is %+v", last)
	}
	if w.query("SELECT count(*) FROM batch_requests") != "0" || w.query("SELECT count(*) FROM batch_tasks") != "0" {
		t.Error("rows of what was delivered are left")
	}
}

// Where the bytes are the bound, a batch is sent before it has more.
func TestBatchesAreSplitByBytes(t *testing.T) {
	w := newWorld(t, sim.Options{})
	sizes := []int64{}
	l := w.lane(func(o *batch.Options) {
		o.MaxBytes = 2000
		o.API = createSizes{o.API, &sizes}
	})
	tasks := texts(20)
	w.must(l, tasks, llm.ReuseOff)
	w.delivered(tasks)
	w.ledger(20)
	if len(sizes) < 2 {
		t.Errorf("batches of %v bytes", sizes)
	}
	for _, n := range sizes {
		if n > 2000 {
			t.Errorf("a batch of %d bytes", n)
		}
	}
	big := w.task(string(make([]byte, 3000)), llm.ReuseOn)
	l = w.lane(func(o *batch.Options) { o.MaxBytes = 2000 })
	if err := l.Add(t.Context(), big); llm.AsError(err).Code != llm.CodeTooLarge {
		t.Errorf("a task that fits into no batch: %v", err)
	}
}

// What would have the API refuse a whole batch is refused alone.
func TestUnfitTasksAreRefused(t *testing.T) {
	w := newWorld(t, sim.Options{})
	l := w.lane(nil)
	for name, p := range map[string]llm.Params{
		"fast":    {Model: sonnet, MaxTokens: 10, Speed: "fast"},
		"prewarm": {Model: sonnet},
		"beta":    {Model: sonnet, MaxTokens: 10, Betas: []string{"x"}},
	} {
		if err := l.Add(t.Context(), batch.Task{Request: llm.New(p, llm.Labels{})}); llm.AsError(err).Code != llm.CodeInvalidRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	tasks := texts(1)
	w.must(l, tasks, llm.ReuseOn)
	w.delivered(tasks)
}

func TestIdenticalTasksAreBoughtOnce(t *testing.T) {
	w := newWorld(t, sim.Options{})
	l := w.lane(nil)
	const text = "Twice. [[say Once.]]"
	for range 700 { // more than are stored at once
		if err := l.Add(t.Context(), w.task(text, llm.ReuseOn)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(l.Run(t.Context(), w.deliver), l.Close()); err != nil {
		t.Fatal(err)
	}
	w.created(1)
	if len(w.output) != 700 {
		t.Fatalf("%d outcomes", len(w.output))
	}
	ids := map[string]bool{}
	var paid, saved int64
	for _, o := range w.output {
		ids[o.RunID] = true
		paid += o.Response.Cost.Nano
		saved += o.Response.Saved
		if o.Response.Text != "Once." || (o.Response.Source == llm.SourceMiss) != (o.Response.Cost.Nano > 0) {
			t.Errorf("outcome %+v", o.Response)
		}
	}
	if len(ids) != 700 || saved != paid*699 {
		t.Errorf("%d runs, %d paid, %d saved", len(ids), paid, saved)
	}
	w.ledger(1)
	if got := w.query("SELECT count(*) || ' ' || sum(saved_nano) FROM runs WHERE source = 'coalesced'"); got != fmt.Sprintf("699 %d", saved) {
		t.Errorf("shared runs: %s", got)
	}
	w.clean()
}

// Without reuse, equal requests of different lines are requests of their own.
func TestTasksWithoutReuseAreNotShared(t *testing.T) {
	w := newWorld(t, sim.Options{})
	l := w.lane(nil)
	for i := range 3 {
		task := w.task("Same. [[say Yes.]]", llm.ReuseOff)
		task.Tag = fmt.Append(nil, i)
		if err := l.Add(t.Context(), task); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Run(t.Context(), w.deliver); err != nil {
		t.Fatal(err)
	}
	w.ledger(3)
	for _, o := range w.output {
		if o.Response.Source != "" || o.Response.Cost.Nano == 0 {
			t.Errorf("outcome %+v", o.Response)
		}
	}
	if len(w.kept) != 0 {
		t.Error("an answer without reuse was kept")
	}
}

func TestFailedRequestsCostNothingAndCanBeRunAgain(t *testing.T) {
	w := newWorld(t, sim.Options{})
	tasks := []string{"Good. [[say Good.]]", "Bad. [[batch errored]]", "Late. [[batch expired]]", "No. [[refuse]]"}
	for round := 1; round <= 2; round++ {
		w.output = nil
		w.must(w.lane(nil), tasks, llm.ReuseOn)
		w.created(round)
		for _, o := range w.output {
			switch string(o.Tag) {
			case tasks[0]:
				if o.Err != nil || o.Response.Text != "Good." {
					t.Errorf("%s: %+v", o.Tag, o)
				}
			case tasks[1]:
				if o.Err == nil || o.Err.Code != llm.CodeAPI || o.Unfinished {
					t.Errorf("%s: %+v", o.Tag, o)
				}
			case tasks[2]:
				if o.Err == nil || o.Err.Code != llm.CodeTimeout || !o.Err.Retryable || o.Unfinished {
					t.Errorf("%s: %+v", o.Tag, o)
				}
			case tasks[3]: // a refusal is an answer, and paid
				if o.Err != nil || o.Response.Incomplete().Code != llm.CodeRefusal || o.Response.Cost.Nano == 0 {
					t.Errorf("%s: %+v", o.Tag, o)
				}
			}
		}
		if got := w.query("SELECT count(*) FROM exchanges"); got != fmt.Sprint(2*round) {
			t.Errorf("%s exchanges", got)
		}
		got := w.query("SELECT group_concat(status || ' ' || error || ' ' || (cost_nano > 0), ', ') FROM (SELECT * FROM runs ORDER BY run_id DESC LIMIT 4)")
		if want := "failed refusal 1, failed timeout_error 0, failed api_error 0, succeeded  1"; got != want {
			t.Errorf("runs are %q, want %q", got, want)
		}
	}
	w.clean()
}

func TestARefusedBatchFailsItsTasks(t *testing.T) {
	w := newWorld(t, sim.Options{Keys: []string{"another"}})
	tasks := texts(2)
	w.must(w.lane(nil), tasks, llm.ReuseOn)
	for _, o := range w.output {
		if o.Err == nil || o.Err.Code != llm.CodeAuthentication || o.BatchID != "" {
			t.Errorf("outcome %+v", o)
		}
	}
	if len(w.output) != 2 {
		t.Errorf("%d outcomes", len(w.output))
	}
	w.ledger(0)
	w.clean()
	infos, err := w.lane(nil).List(t.Context(), 0, 0)
	if err != nil || len(infos) != 1 || infos[0].Status != "failed" || infos[0].Error == "" || infos[0].Reserved != 0 {
		t.Errorf("%+v, %v", infos, err)
	}
}

// A caller who cannot write its results loses none of them.
func TestDeliveryThatFails(t *testing.T) {
	w := newWorld(t, sim.Options{})
	tasks := texts(10)
	full := errors.New("no space left on device")
	l := w.lane(nil)
	if err := w.addAll(l, tasks, llm.ReuseOff); err != nil {
		t.Fatal(err)
	}
	err := l.Run(t.Context(), func(o batch.Outcome) error {
		if len(w.output) == 4 {
			return full
		}
		return w.deliver(o)
	})
	if !errors.Is(err, full) {
		t.Fatalf("Run = %v", err)
	}
	_ = l.Close()
	w.must(w.lane(nil), w.left(tasks), llm.ReuseOff)
	w.created(1)
	w.delivered(tasks)
	w.ledger(10)
	w.clean()
}

// Ctrl-C leaves the batches at the API, and the reservation on disk.
func TestInterruptAndComeBack(t *testing.T) {
	w := newWorld(t, sim.Options{BatchDelay: 10 * time.Hour})
	tasks := texts(150)
	l := w.lane(nil)
	if err := w.addAll(l, tasks, llm.ReuseOn); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	polls := 0
	l.OnProgress = func(batch.Progress) {
		if polls++; polls == 5 {
			cancel()
		}
	}
	if err := l.Run(ctx, w.deliver); llm.AsError(err).Code != llm.CodeCancelled {
		t.Fatalf("Run = %v", err)
	}
	_ = l.Close()
	if got, err := w.db().Reserved(t.Context()); err != nil || got != 150*1000 {
		t.Errorf("reserved %d, %v", got, err)
	}
	w.must(w.lane(nil), tasks, llm.ReuseOn)
	w.created(2)
	w.delivered(tasks)
	w.ledger(150)
	w.clean()
	for _, o := range w.output {
		if o.Response.Source != llm.SourceMiss {
			t.Errorf("%s: source %q", o.Tag, o.Response.Source)
		}
	}
	if got := w.query("SELECT count(*) FROM runs"); got != "150" {
		t.Errorf("%s runs", got)
	}
}

// The deadline cancels what has not ended; what was done by then is paid and
// delivered, the rest can go another way.
func TestUntilCancels(t *testing.T) {
	w := newWorld(t, sim.Options{BatchDelay: 10 * time.Hour})
	tasks := texts(100)
	w.must(w.lane(func(o *batch.Options) { o.Until = noon.Add(3 * time.Hour) }), tasks, llm.ReuseOn)
	done, unfinished := 0, 0
	for _, o := range w.output {
		switch {
		case o.Err == nil:
			done++
		case o.Unfinished && o.Err.Code == llm.CodeCancelled && o.BatchID != "":
			unfinished++
		default:
			t.Errorf("outcome %+v", o)
		}
	}
	if done != 30 || unfinished != 70 {
		t.Errorf("%d were done, %d unfinished", done, unfinished)
	}
	w.ledger(30)
	w.clean()
	if got := w.query("SELECT state || ' ' || cancel FROM batches"); got != "cancelled deadline" {
		t.Errorf("the batch is %s", got)
	}
	if late := w.clock.Now().Sub(noon.Add(4 * time.Hour)); late > 5*time.Minute {
		t.Errorf("it took %v too long", late)
	}
}

// A batch that does not come through in time is not sent any more.
func TestUntilPassesBeforeSubmission(t *testing.T) {
	w := newWorld(t, sim.Options{})
	tasks := texts(3)
	var slow *limited
	w.must(w.lane(func(o *batch.Options) {
		o.Until = noon.Add(time.Hour)
		slow = &limited{API: o.API, times: 1 << 30}
		o.API = slow
	}), tasks, llm.ReuseOn)
	w.created(0)
	for _, o := range w.output {
		if !o.Unfinished || o.Err.Code != llm.CodeCancelled {
			t.Errorf("outcome %+v", o)
		}
	}
	if len(w.output) != 3 || slow.creates < 10 {
		t.Errorf("%d outcomes after %d tries", len(w.output), slow.creates)
	}
	w.ledger(0)
	w.clean()
}

// A refusal for now is waited out, as long as the server asks.
func TestRateLimitsAreWaitedOut(t *testing.T) {
	w := newWorld(t, sim.Options{})
	tasks := texts(150)
	w.must(w.lane(func(o *batch.Options) {
		o.API = &limited{API: o.API, times: 3, after: 20 * time.Minute}
	}), tasks, llm.ReuseOn)
	w.created(2)
	w.delivered(tasks)
	w.ledger(150)
	if passed := w.clock.Now().Sub(noon); passed < time.Hour || passed > 65*time.Minute {
		t.Errorf("it took %v", passed)
	}
}

func TestListShowCancel(t *testing.T) {
	w := newWorld(t, sim.Options{BatchDelay: 10 * time.Hour})
	l := w.lane(nil)
	if err := w.addAll(l, texts(150), llm.ReuseOn); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	l.OnProgress = func(batch.Progress) { cancel() }
	_ = l.Run(ctx, w.deliver)
	_ = l.Close()

	user := w.lane(func(o *batch.Options) { o.Dir, o.Session = "", "" })
	list, err := user.List(t.Context(), 0, 0)
	if err != nil || len(list) != 2 || list[0].Requests != 50 || list[1].Requests != 100 {
		t.Fatalf("%+v, %v", list, err)
	}
	if page, err := user.List(t.Context(), 1, 1); err != nil || len(page) != 1 || page[0].BatchID != list[1].BatchID {
		t.Errorf("page %+v, %v", page, err)
	}
	one := list[1]
	if one.Status != "submitted" || one.Processing != 100 || one.Reserved != 100_000 || one.Cost != 0 || one.Submitted.IsZero() || one.Expires.IsZero() || !one.Ended.IsZero() {
		t.Errorf("%+v", one)
	}
	prefix := one.BatchID[:len(one.BatchID)-4]
	if got, err := user.Show(t.Context(), prefix); err != nil || got != one {
		t.Errorf("Show = %+v, %v", got, err)
	}
	for _, id := range []string{"", "msgbatch_", "nope"} {
		if _, err := user.Show(t.Context(), id); llm.AsError(err).Code != llm.CodeUsage {
			t.Errorf("Show(%q) = %v", id, err)
		}
	}
	_ = w.clock.Sleep(t.Context(), 5*time.Hour)
	if got, err := user.Cancel(t.Context(), prefix); err != nil || got.Status != "canceling" {
		t.Errorf("Cancel = %+v, %v", got, err)
	}
	_ = w.clock.Sleep(t.Context(), 2*time.Hour)
	if got, err := user.Show(t.Context(), prefix); err != nil || got.Status != "ended" || got.Succeeded != 50 || got.Canceled != 50 {
		t.Errorf("Show = %+v, %v", got, err)
	}
	if _, err := user.Cancel(t.Context(), prefix); llm.AsError(err).Code != llm.CodeUsage {
		t.Errorf("the second Cancel = %v", err)
	}

	// What had finished is collected all the same, and the rest is no business
	// of another lane.
	w.must(w.lane(nil), texts(150), llm.ReuseOn)
	w.created(2)
	cancelled := 0
	for _, o := range w.output {
		if o.Err != nil && o.Err.Code == llm.CodeCancelled && !o.Unfinished {
			cancelled++
		}
	}
	if len(w.output) != 150 || cancelled != 50 {
		t.Errorf("%d outcomes, %d cancelled", len(w.output), cancelled)
	}
	w.ledger(100)
	if got, err := user.Show(t.Context(), prefix); err != nil || got.Status != "cancelled" || got.Cost == 0 || got.Reserved != 0 {
		t.Errorf("Show = %+v, %v", got, err)
	}
}

// Batches of another account are neither seen nor joined.
func TestAccountsAreApart(t *testing.T) {
	w := newWorld(t, sim.Options{BatchDelay: time.Hour})
	l := w.lane(nil)
	if err := w.addAll(l, texts(3), llm.ReuseOn); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	l.OnProgress = func(batch.Progress) { cancel() }
	_ = l.Run(ctx, w.deliver)
	_ = l.Close()
	other := w.lane(func(o *batch.Options) { o.Account = [32]byte{2} })
	if list, err := other.List(t.Context(), 0, 0); err != nil || len(list) != 0 {
		t.Errorf("List = %+v, %v", list, err)
	}
	w.must(other, texts(3), llm.ReuseOn)
	w.created(2)
}

func TestFilesArePrivate(t *testing.T) {
	w := newWorld(t, sim.Options{})
	l := w.lane(nil)
	for range 2 { // the second fills a batch while the first is there
		if err := w.addAll(l, texts(250), llm.ReuseOff); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(w.dir, "batches")
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v, %v", info.Mode(), err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f.Name(), info.Mode(), err)
		}
	}
}
