package sqlite_test

import (
	"context"
	"fmt"
	"path/filepath"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/batch"
	"github.com/claude-force/claude-force/internal/layer/charge"
	"github.com/claude-force/claude-force/internal/layer/record"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

var (
	account = [32]byte{7}
	began   = time.Date(2026, 11, 12, 12, 0, 0, 1000, time.UTC)
)

// begin stores a batch of n requests with a task each.
func begin(t *testing.T, db *sqlite.DB, session string, n int) batch.Record {
	t.Helper()
	r := batch.Record{Account: account, State: batch.Preparing, Session: session, Spool: "batch-" + session, Created: began}
	key, err := db.OpenBatch(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	r.Key = key
	var requests []batch.StoredRequest
	var tasks []batch.StoredTask
	for i := range n {
		id := fmt.Sprintf("cf-%d", i)
		requests = append(requests, batch.StoredRequest{
			Batch: key, CustomID: id, Labels: llm.Labels{RunID: fmt.Sprintf("%s-%d", session, i), Agent: "a", Requested: "sonnet", TaskHash: "h", Why: "run", Branch: "main", Workflow: "w", Step: "s", Tags: []llm.Tag{{Key: "k", Value: "v"}}},
			Model: "m", Geo: "us", Reserved: 100, Reuse: llm.Reuse{Mode: llm.ReuseOn, Key: [32]byte{byte(i)}},
		})
		tasks = append(tasks, batch.StoredTask{Batch: key, CustomID: id, RunID: requests[i].RunID, Tag: []byte(id)})
	}
	if err := db.AppendBatches(t.Context(), session, requests, tasks); err != nil {
		t.Fatal(err)
	}
	return r
}

// advance changes a batch, or reports that another was faster.
func advance(t *testing.T, db *sqlite.DB, r *batch.Record, change func(*batch.Record)) bool {
	t.Helper()
	to := *r
	change(&to)
	done, err := db.AdvanceBatch(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	if done {
		*r = to
		r.Version++
	}
	return done
}

func found(t *testing.T, db *sqlite.DB, f batch.Filter) []batch.Record {
	t.Helper()
	list, err := db.FindBatches(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestBatchesComeBackAsTheyWere(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "state.db"))
	r := begin(t, db, "s1", 3)
	ok := advance(t, db, &r, func(r *batch.Record) {
		r.ID, r.Adopted, r.Refuted, r.State, r.Session = "msgbatch_1", true, []string{"x", "y"}, batch.Submitting, "s2"
		r.Requests, r.Bytes, r.Cancel = 3, 1234, batch.CancelledByUser
		r.Sent, r.Submitted, r.Ended, r.Expires = began.Add(1e9), began.Add(2e9), began.Add(3e9), began.Add(4e9)
		r.Counts = llm.BatchCounts{Processing: 1, Succeeded: 2, Errored: 3, Canceled: 4, Expired: 5}
		r.Err = &llm.Error{Code: llm.CodeBilling, Message: "no money", Hint: "pay", Status: 402, RequestID: "req", Retryable: true}
	})
	want := r
	want.Reserved = 300
	got := found(t, db, batch.Filter{})
	if !ok || len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("changed: %v\ngot  %+v\nwant %+v", ok, got, want)
	}
	requests, err := db.BatchRequests(t.Context(), r.Key, []string{"cf-1", "nope"}, 0)
	wantRequest := batch.StoredRequest{
		Batch: r.Key, CustomID: "cf-1", Labels: llm.Labels{RunID: "s1-1", Agent: "a", Requested: "sonnet", TaskHash: "h", Why: "run", Branch: "main", Workflow: "w", Step: "s", Tags: []llm.Tag{{Key: "k", Value: "v"}}},
		Model: "m", Geo: "us", Reserved: 100, Reuse: llm.Reuse{Mode: llm.ReuseOn, Key: [32]byte{1}},
	}
	if err != nil || len(requests) != 1 || !reflect.DeepEqual(requests[0], wantRequest) {
		t.Errorf("%+v, %v", requests, err)
	}
}

// Of many that change one version of a batch, one does.
func TestOneClaimsABatch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	r := begin(t, open(t, path), "dead", 1)
	var claims atomic.Int64
	var wg sync.WaitGroup
	for i := range 4 {
		db := open(t, path)
		wg.Go(func() {
			to := r
			to.Session = fmt.Sprint("s", i)
			done, err := db.AdvanceBatch(context.Background(), to)
			if err != nil {
				t.Error(err)
			}
			if done {
				claims.Add(1)
			}
		})
	}
	wg.Wait()
	if claims.Load() != 1 {
		t.Errorf("%d claims", claims.Load())
	}
}

// No two batches have one id, and a batch may keep its own.
func TestAnIDIsOneBatchs(t *testing.T) {
	db := open(t, sqlite.Memory)
	a, b := begin(t, db, "s1", 0), begin(t, db, "s2", 0)
	named := func(r *batch.Record) { r.ID = "msgbatch_1" }
	for range 2 {
		if !advance(t, db, &a, named) || advance(t, db, &b, named) {
			t.Error("the id went to the wrong batch")
		}
	}
	stale := a
	stale.Version--
	if advance(t, db, &stale, named) {
		t.Error("a version that is past was changed")
	}
}

func TestFindBatches(t *testing.T) {
	db := open(t, sqlite.Memory)
	var keys []int64
	for i, id := range []string{"msgbatch_1A", "msgbatch_1B", "msgbatch_2"} {
		r := begin(t, db, fmt.Sprint("s", i), i)
		advance(t, db, &r, func(r *batch.Record) { r.ID, r.State = id, batch.Submitted })
		keys = append(keys, r.Key)
	}
	for name, one := range map[string]struct {
		filter batch.Filter
		want   []int64
	}{
		"all, the latest first": {batch.Filter{}, []int64{keys[2], keys[1], keys[0]}},
		"page":                  {batch.Filter{Limit: 1, Offset: 1}, []int64{keys[1]}},
		"account":               {batch.Filter{Account: account, Limit: 1}, []int64{keys[2]}},
		"other account":         {batch.Filter{Account: [32]byte{1}}, nil},
		"key":                   {batch.Filter{Key: keys[1]}, []int64{keys[1]}},
		"prefix":                {batch.Filter{IDPrefix: "msgbatch_1"}, []int64{keys[1], keys[0]}},
		"whole id":              {batch.Filter{IDPrefix: "msgbatch_2"}, []int64{keys[2]}},
		"no pattern":            {batch.Filter{IDPrefix: "msgbatch%"}, nil},
		"spool":                 {batch.Filter{Spool: "batch-s0"}, []int64{keys[0]}},
		"waited by":             {batch.Filter{WaitedBy: "s2"}, []int64{keys[2]}},
		"waited by nobody":      {batch.Filter{WaitedBy: "s0"}, nil},
		"states":                {batch.Filter{States: []batch.State{batch.Ended, batch.Submitted}, Limit: 2}, []int64{keys[2], keys[1]}},
		"no such state":         {batch.Filter{States: []batch.State{batch.Failed}}, nil},
	} {
		var got []int64
		for _, r := range found(t, db, one.filter) {
			got = append(got, r.Key)
		}
		if !reflect.DeepEqual(got, one.want) {
			t.Errorf("%s: %v, want %v", name, got, one.want)
		}
	}
}

func TestJoinBatches(t *testing.T) {
	base := batch.Joining{Account: account, Session: "new", Since: began.Add(-time.Hour)}
	for name, one := range map[string]struct {
		change func(*batch.Record)
		join   func(*batch.Joining)
		settle string
		joins  bool
		run    string
	}{
		"open":              {change: func(r *batch.Record) { r.State = batch.Submitted }, joins: true, run: "own"},
		"of a dead session": {change: func(r *batch.Record) { r.State = batch.Prepared }, join: func(j *batch.Joining) { j.Dead = []string{"old"} }, joins: true, run: "old-0"},
		"being prepared":    {change: func(*batch.Record) {}},
		"its own":           {change: func(*batch.Record) {}, join: func(j *batch.Joining) { j.Session = "old" }, joins: true, run: "own"},
		"failed":            {change: func(r *batch.Record) { r.State = batch.Failed }},
		"settled":           {change: func(r *batch.Record) { r.State = batch.Collected }, settle: "succeeded", joins: true, run: "own"},
		"errored":           {change: func(r *batch.Record) { r.State = batch.Ended }, settle: "errored"},
		"never settled":     {change: func(r *batch.Record) { r.State = batch.Cancelled }},
		"another account":   {change: func(r *batch.Record) { r.State = batch.Submitted }, join: func(j *batch.Joining) { j.Account = [32]byte{1} }},
		"too old":           {change: func(r *batch.Record) { r.State = batch.Submitted }, join: func(j *batch.Joining) { j.Since = began }},
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t, sqlite.Memory)
			r := begin(t, db, "old", 1)
			advance(t, db, &r, one.change)
			if one.settle != "" {
				if err := db.SettleBatch(t.Context(), r.Key, []batch.Settlement{{CustomID: "cf-0", Outcome: one.settle}}); err != nil {
					t.Fatal(err)
				}
			}
			join := base
			join.Tasks = []batch.StoredTask{{CustomID: "cf-0", RunID: "own"}, {CustomID: "cf-9", RunID: "other"}}
			if one.join != nil {
				one.join(&join)
			}
			got, err := db.JoinBatches(t.Context(), join)
			if err != nil || got[0] != one.joins || got[1] {
				t.Fatalf("joined %v, %v", got, err)
			}
			tasks, err := db.BatchTasks(t.Context(), join.Session, r.Key, []string{"cf-0"}, 0)
			if err != nil || one.joins && (tasks[len(tasks)-1].RunID != one.run || len(tasks[len(tasks)-1].Tag) != 0) {
				t.Errorf("tasks %+v, %v", tasks, err)
			}
		})
	}
}

// A request is settled once, with its rows, whoever tries again.
func TestSettleBatch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := open(t, path)
	r := begin(t, db, "s1", 4)
	settled := func(i int, cost llm.Cost) batch.Settlement {
		id := fmt.Sprintf("s1-%d", i)
		return batch.Settlement{
			CustomID: fmt.Sprintf("cf-%d", i), Outcome: "succeeded", Cost: cost,
			Exchange: &charge.Exchange{RunID: id, Started: began, Cost: cost, Usage: llm.Usage{Input: 5, Output: 6}},
			Run:      &record.Run{Labels: llm.Labels{RunID: id}, Started: began, Cost: cost, Source: llm.SourceMiss},
		}
	}
	chunk := []batch.Settlement{settled(0, llm.Cost{Nano: 10}), settled(1, llm.Cost{Unknown: true}), settled(9, llm.Cost{Nano: 1000})}
	for range 2 {
		if err := db.SettleBatch(t.Context(), r.Key, chunk); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.SettleBatch(t.Context(), r.Key, []batch.Settlement{{CustomID: "cf-2", Outcome: "expired"}}); err != nil {
		t.Fatal(err)
	}
	got := found(t, db, batch.Filter{})[0]
	if got.Cost != 10 || got.Unpriced != 1 || got.Reserved != 100 {
		t.Errorf("%+v", got)
	}
	if got := query(t, path, "SELECT count(*) || ' ' || sum(cost_nano) || ' ' || sum(input + output) FROM exchanges"); got != "2 10 22" {
		t.Errorf("exchanges: %s", got)
	}
	if got := query(t, path, "SELECT group_concat(run_id || source) FROM runs"); got != "s1-0miss,s1-1miss" {
		t.Errorf("runs: %s", got)
	}
	open, err := db.BatchRequests(t.Context(), r.Key, nil, 10)
	if err != nil || len(open) != 1 || open[0].CustomID != "cf-3" || open[0].Settled {
		t.Errorf("%+v, %v", open, err)
	}
	if nano, err := db.Reserved(t.Context()); err != nil || nano != 100 {
		t.Errorf("reserved %d, %v", nano, err)
	}
	for _, over := range []batch.State{batch.Failed, batch.Cancelled} {
		advance(t, db, &r, func(r *batch.Record) { r.State = over })
		if nano, err := db.Reserved(t.Context()); err != nil || nano != 0 {
			t.Errorf("%s: reserved %d, %v", over, nano, err)
		}
	}
}

// A request stays until everybody who waits for it has it, and counts as
// delivered once one session has.
func TestDeliverBatch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := open(t, path)
	r := begin(t, db, "s1", 1)
	advance(t, db, &r, func(r *batch.Record) { r.State = batch.Submitted })
	twin := batch.StoredTask{Batch: r.Key, CustomID: "cf-0", RunID: "twin", Tag: []byte("twin")}
	if err := db.AppendBatches(t.Context(), "s1", nil, []batch.StoredTask{twin}); err != nil {
		t.Fatal(err)
	}
	join := batch.Joining{Account: account, Session: "s2", Tasks: []batch.StoredTask{{CustomID: "cf-0", RunID: "s2"}}}
	if got, err := db.JoinBatches(t.Context(), join); err != nil || !got[0] {
		t.Fatal(got, err)
	}
	if err := db.SettleBatch(t.Context(), r.Key, []batch.Settlement{{CustomID: "cf-0", Outcome: "succeeded"}}); err != nil {
		t.Fatal(err)
	}
	deliver := func(session string, n int, want string) {
		t.Helper()
		tasks, err := db.BatchTasks(t.Context(), session, r.Key, nil, n)
		if err != nil || len(tasks) != n {
			t.Fatalf("%d tasks, %v", len(tasks), err)
		}
		for range 2 { // what was delivered is not again
			var done []batch.Delivery
			for _, task := range tasks {
				done = append(done, batch.Delivery{Task: task, Run: &record.Run{Labels: llm.Labels{RunID: "run-" + task.RunID}, Started: began}})
			}
			if err := db.DeliverBatch(t.Context(), done); err != nil {
				t.Fatal(err)
			}
		}
		got := query(t, path, "SELECT coalesce(sum(delivered), '-') || ' ' || (SELECT count(*) FROM batch_tasks) || ' ' || (SELECT count(*) FROM runs) FROM batch_requests")
		if got != want {
			t.Errorf("after %d of %s: %s, want %s", n, session, got, want)
		}
	}
	deliver("s1", 1, "0 2 1")
	deliver("s1", 1, "1 1 2")
	deliver("s2", 1, "- 0 3")
}

func TestDiscardBatch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := open(t, path)
	r := begin(t, db, "s1", 2)
	other := begin(t, db, "s2", 1)
	stale := r
	advance(t, db, &r, func(r *batch.Record) { r.State = batch.Prepared })
	if done, err := db.DiscardBatch(t.Context(), stale); err != nil || done {
		t.Errorf("a batch that has changed: %v, %v", done, err)
	}
	join := batch.Joining{Account: account, Session: "s3", Tasks: []batch.StoredTask{{CustomID: "cf-1", RunID: "s3"}}}
	if got, err := db.JoinBatches(t.Context(), join); err != nil || !got[0] {
		t.Fatal(got, err)
	}
	if done, err := db.DiscardBatch(t.Context(), r); err != nil || !done {
		t.Errorf("%v, %v", done, err)
	}
	if got := query(t, path, "SELECT count(*) || ' ' || (SELECT count(*) FROM batch_requests) || ' ' || (SELECT group_concat(session) FROM (SELECT session FROM batch_tasks ORDER BY session)) FROM batches"); got != "1 1 s2,s3" {
		t.Errorf("left: %s, and batch %d", got, other.Key)
	}
	strays, err := db.BatchTasks(t.Context(), "s3", 0, nil, 10)
	if err != nil || len(strays) != 1 || strays[0].RunID != "s3" {
		t.Errorf("strays %+v, %v", strays, err)
	}
}

// A state of the version before gets the tables, and keeps what it has.
func TestBatchesAreAddedToAnOlderState(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	older(t, path, 2)
	_ = query(t, path, `INSERT INTO runs VALUES ('r1', 'a', 'sonnet', 'claude-sonnet-5-5', 'succeeded', '', 'end_turn',
		1000000, 5, 3, 1, 10, 2, 0, 0, 0, 0, 7, '', '', '', 0)`)
	begin(t, open(t, path), "s1", 1)
	if got := query(t, path, "SELECT (SELECT count(*) FROM runs) || ' ' || (SELECT count(*) FROM batch_requests)"); got != "1 1" {
		t.Errorf("rows: %s", got)
	}
}
