package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/layer/charge"
	"github.com/claude-force/claude-force/internal/layer/record"
	"github.com/claude-force/claude-force/internal/ledger"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

// older makes a state as the version of this program left it that knew so many
// steps of the schema.
func older(t *testing.T, path string, steps int) {
	t.Helper()
	files, err := filepath.Glob("migrations/state/*.sql")
	if err != nil || len(files) < steps {
		t.Fatal(files, err)
	}
	slices.Sort(files)
	pool, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?_pragma=auto_vacuum(incremental)")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for _, f := range files[:steps] {
		script, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pool.ExecContext(t.Context(), string(script)); err != nil {
			t.Fatal(f, err)
		}
	}
	if _, err := pool.ExecContext(t.Context(), fmt.Sprintf("PRAGMA user_version = %d", steps)); err != nil {
		t.Fatal(err)
	}
}

// book is what a ledger must add up to: a count of its own.
type book struct {
	runs      []record.Run
	exchanges []charge.Exchange
}

// counts recounts a dimension from an hour on.
func (b *book) counts(by ledger.Dimension, from ledger.Hour) map[string]ledger.Counts {
	out := map[string]ledger.Counts{}
	add := func(at time.Time, n ledger.Counts, agent, model, workflow string, tags []llm.Tag) {
		if ledger.HourOf(at) < from {
			return
		}
		var names []string
		switch by {
		case ledger.Total:
			names = []string{""}
		case ledger.Agent:
			names = []string{agent}
		case ledger.Model:
			names = []string{model}
		case ledger.Workflow:
			if workflow != "" {
				names = []string{workflow}
			}
		case ledger.Tag:
			for _, t := range tags {
				names = append(names, t.Key+"="+t.Value)
			}
		}
		for _, name := range names {
			sum := out[name]
			sum.Add(&n)
			out[name] = sum
		}
	}
	one := func(is bool) int64 {
		if is {
			return 1
		}
		return 0
	}
	for _, r := range b.runs {
		hit := r.Source == llm.SourceMemory || r.Source == llm.SourceDisk || r.Source == llm.SourceCoalesced
		add(r.Started, ledger.Counts{
			Runs: 1, Succeeded: one(r.Status == record.Succeeded), Cancelled: one(r.Status == record.Cancelled),
			Lookups: one(r.Source != ""), Hits: one(hit), Saved: r.Saved,
			Duration: r.Duration.Microseconds(), Waited: r.Waited.Microseconds(),
		}, r.Agent, r.Model, r.Workflow, r.Tags)
	}
	for _, x := range b.exchanges {
		u := x.Usage
		n := ledger.Counts{
			Exchanges: 1, Errors: one(x.Error != ""), Unpriced: one(x.Cost.Unknown), Input: u.Input, Output: u.Output,
			Thinking: u.Thinking, CacheWrite5m: u.CacheWrite5m, CacheWrite1h: u.CacheWrite1h, CacheRead: u.CacheRead,
		}
		if !x.Cost.Unknown {
			n.Cost = x.Cost.Nano
		}
		add(x.Started, n, x.Agent, x.Model, x.Workflow, x.Tags)
	}
	return out
}

func (b *book) durations(from ledger.Hour) ledger.Histogram {
	out := ledger.Histogram{}
	for _, r := range b.runs {
		if ledger.HourOf(r.Started) >= from {
			out[ledger.Bucket(r.Duration.Microseconds())]++
		}
	}
	return out
}

// check compares every figure of a ledger with the recount.
func (b *book) check(t *testing.T, db *sqlite.DB, windows ...ledger.Hour) {
	t.Helper()
	for _, from := range windows {
		for by := ledger.Total; by <= ledger.Tag; by++ {
			got, err := db.Counts(t.Context(), by, from)
			if want := b.counts(by, from); err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("dimension %d from hour %d:\n%+v, %v\nwant\n%+v", by, from, got, err, want)
			}
		}
		got, err := db.Durations(t.Context(), from)
		if want := b.durations(from); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("durations from hour %d: %v, %v, want %v", from, got, err, want)
		}
		hours, err := db.Hours(t.Context(), from)
		if err != nil {
			t.Fatal(err)
		}
		var sum ledger.Counts
		for h, c := range hours {
			if h < max(from, 0) {
				t.Errorf("hour %d is before %d", h, from)
			}
			sum.Add(&c)
		}
		if want := b.counts(ledger.Total, from)[""]; sum != want {
			t.Fatalf("the hours from %d sum to %+v, want %+v", from, sum, want)
		}
	}
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// randomRun is a run with its exchanges, in one of a few hours.
func randomRun(r *rand.Rand, id string, base time.Time) (record.Run, []charge.Exchange) {
	at := base.Add(time.Duration(r.IntN(6*3600)) * time.Second)
	usage := func() llm.Usage {
		return llm.Usage{
			Input: r.Int64N(9999), Output: r.Int64N(999), Thinking: r.Int64N(99), CacheRead: r.Int64N(999),
			CacheWrite5m: r.Int64N(99), CacheWrite1h: r.Int64N(99),
		}
	}
	run := record.Run{
		Labels: llm.Labels{
			RunID: id, Agent: pick(r, "a", "b", "ü \"'"), Requested: "x", Workflow: pick(r, "", "", "w1", "w2"),
			Tags: pick(r, nil, nil, []llm.Tag{{Key: "team", Value: "red"}}, []llm.Tag{{Key: "day", Value: `1"`}, {Key: "team", Value: "red"}}),
		},
		Model: pick(r, "m1", "m2"), Status: pick(r, record.Succeeded, record.Failed, record.Cancelled), Started: at,
		Duration: time.Duration(r.Int64N(1<<r.IntN(40))) * time.Microsecond, Waited: time.Duration(r.IntN(999)) * time.Microsecond,
		Source: pick(r, "", llm.SourceMiss, llm.SourceMemory, llm.SourceDisk, llm.SourceCoalesced), Saved: r.Int64N(1e6),
	}
	var exchanges []charge.Exchange
	for range r.IntN(3) {
		exchanges = append(exchanges, charge.Exchange{
			RunID: id, Agent: run.Agent, Model: run.Model, Workflow: run.Workflow, Tags: run.Tags, Started: at, Usage: usage(),
			Error: pick(r, "", "", llm.CodeOverloaded), Cost: llm.Cost{Nano: r.Int64N(1e9), Unknown: r.IntN(9) == 0},
		})
	}
	return run, exchanges
}

// Whatever is written, by however many at once, refused, deleted or reopened:
// the rollups are what a recount of all that was ever kept gives.
func TestRollupsEqualARecount(t *testing.T) {
	for seed := range uint64(2) {
		r := rand.New(rand.NewPCG(seed, 7))
		path := filepath.Join(t.TempDir(), "state.db")
		db := open(t, path)
		base := time.Date(2026, 11, 20, 3, 10, 0, 0, time.UTC)
		windows := []ledger.Hour{ledger.AllTime, ledger.HourOf(base), ledger.HourOf(base.Add(2 * time.Hour)), ledger.HourOf(base.Add(50 * time.Hour))}
		var b book
		for step := range 6 {
			addRuns(t, db, r, &b, base, fmt.Sprint(seed, "-", step))
			switch r.IntN(4) {
			case 0:
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				db = open(t, path)
			case 1:
				if _, _, err := db.Prune(t.Context(), base.Add(time.Duration(r.IntN(7))*time.Hour)); err != nil {
					t.Fatal(err)
				}
			}
			b.check(t, db, windows...)
		}
	}
}

// addRuns keeps runs from several goroutines; some ids are taken already, and
// their rows must not count.
func addRuns(t *testing.T, db *sqlite.DB, r *rand.Rand, b *book, base time.Time, prefix string) {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i := range 20 + r.IntN(120) {
		run, exchanges := randomRun(r, fmt.Sprintf("%s-%d", prefix, i-i%10/9), base)
		wg.Go(func() {
			for _, x := range exchanges {
				if err := db.SaveExchange(context.Background(), x); err != nil {
					t.Error(err)
				}
			}
			err := db.SaveRun(context.Background(), run)
			mu.Lock()
			defer mu.Unlock()
			b.exchanges = append(b.exchanges, exchanges...)
			if err == nil {
				b.runs = append(b.runs, run)
			}
		})
	}
	wg.Wait()
}

// A state that older versions wrote gets the rollups of its rows.
func TestOlderLedgersAreRolledUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	older(t, path, 3)
	r := rand.New(rand.NewPCG(1, 2))
	base := time.Date(2026, 11, 20, 3, 10, 0, 0, time.UTC)
	var b book
	var script strings.Builder
	for i := range 300 {
		run, exchanges := randomRun(r, fmt.Sprint("r", i), base)
		run.Workflow, run.Tags, run.Waited = "", nil, 0
		b.runs = append(b.runs, run)
		fmt.Fprintf(&script, "INSERT INTO runs VALUES ('%s', '%s', 'x', '%s', '%s', '', '', %d, %d, 0, 1, 0, 0, 0, 0, 0, 0, 0, '', '', '%s', %d);\n",
			run.RunID, strings.ReplaceAll(run.Agent, "'", "''"), run.Model, run.Status, run.Started.UnixMicro(), run.Duration.Microseconds(), run.Source, run.Saved)
		for _, x := range exchanges {
			x.Workflow, x.Tags, x.Usage.Thinking = "", nil, 0
			b.exchanges = append(b.exchanges, x)
			cost := any(x.Cost.Nano)
			if x.Cost.Unknown {
				cost = "NULL"
			}
			u := x.Usage
			fmt.Fprintf(&script, "INSERT INTO exchanges VALUES (NULL, '%s', '%s', '%s', '', '%s', 0, '', %d, 0, 0, %d, %d, %d, %d, %d, 0, %v, '');\n",
				x.RunID, strings.ReplaceAll(x.Agent, "'", "''"), x.Model, x.Error, x.Started.UnixMicro(),
				u.Input, u.Output, u.CacheWrite5m, u.CacheWrite1h, u.CacheRead, cost)
		}
	}
	_ = query(t, path, script.String())
	db := open(t, path)
	b.check(t, db, ledger.AllTime, ledger.HourOf(base.Add(2*time.Hour)))
	run, _ := randomRun(r, "new", base)
	if err := db.SaveRun(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	b.runs = append(b.runs, run)
	b.check(t, db, ledger.AllTime)
	records, err := db.Records(t.Context(), 0, 1000)
	if err != nil || len(records) != 301 || records[300].RunID != "new" {
		t.Errorf("%d records, %v", len(records), err)
	}
}

// What one transaction refuses counts for nothing, and the rest of it does.
func TestRefusedWritesDoNotCount(t *testing.T) {
	db := open(t, sqlite.Memory)
	good, bad := sqlite.Imported{Line: [32]byte{1}, Run: run("r1")}, sqlite.Imported{Line: [32]byte{2}, Run: run("r2")}
	good.Exchange = charge.Exchange{RunID: "r1", Started: good.Run.Started, Cost: llm.Cost{Nano: 5}}
	bad.Exchange = charge.Exchange{RunID: "r2", Started: bad.Run.Started, Cost: llm.Cost{Nano: 7}, Usage: llm.Usage{Input: 1}}
	if kept, err := db.Import(t.Context(), []sqlite.Imported{good, bad, good}); err != nil || !slices.Equal(kept, []bool{true, true, false}) {
		t.Fatal(kept, err)
	}
	if kept, err := db.Import(t.Context(), []sqlite.Imported{bad, good}); err != nil || slices.Contains(kept, true) {
		t.Fatal(kept, err)
	}
	if err := db.SaveRun(t.Context(), run("r1")); err == nil {
		t.Fatal("a run was kept twice")
	}
	total, err := db.Counts(t.Context(), ledger.Total, ledger.AllTime)
	if n := total[""]; err != nil || n.Runs != 2 || n.Exchanges != 2 || n.Cost != 12 {
		t.Errorf("%+v, %v", n, err)
	}
}

func TestPruneKeepsTheLastRunAndItsBill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := open(t, path)
	for i := range 1200 { // more than one step
		r := run(fmt.Sprintf("r%04d", i))
		if err := db.SaveExchange(t.Context(), charge.Exchange{RunID: r.RunID, Started: r.Started, Cost: llm.Cost{Nano: 3}}); err != nil {
			t.Fatal(err)
		}
		if i%100 == 99 {
			if err := db.SaveRun(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
	}
	young := run("young")
	young.Started = time.Unix(1000, 0)
	// The last exchange stays as well, so that its number is not given again.
	if err := errors.Join(db.SaveRun(t.Context(), young), db.SaveRun(t.Context(), run("z-last"))); err != nil {
		t.Fatal(err)
	}
	runs, exchanges, err := db.Prune(t.Context(), time.Unix(500, 0))
	if err != nil || runs != 12 || exchanges != 1199 {
		t.Errorf("Prune = %d, %d, %v", runs, exchanges, err)
	}
	records, err := db.Records(t.Context(), 0, 10)
	if err != nil || len(records) != 2 || records[0].RunID != "young" || records[1].Number != 14 {
		t.Errorf("left: %+v, %v", records, err)
	}
	total, err := db.Counts(t.Context(), ledger.Total, ledger.AllTime)
	if n := total[""]; err != nil || n.Runs != 14 || n.Cost != 3600 {
		t.Errorf("%+v, %v", n, err)
	}
}

func TestRecordsAreWhole(t *testing.T) {
	db := open(t, sqlite.Memory)
	at := time.Date(2026, 11, 24, 12, 0, 0, 123_456_000, time.UTC)
	r := record.Run{
		Labels: llm.Labels{
			RunID: "r1", Agent: "a", Requested: "sonnet", TaskHash: "0123", Why: "run", Workflow: "w", Step: "s", Branch: "main",
			Tags: []llm.Tag{{Key: "k", Value: "v"}},
		},
		Model: "m", Status: record.Failed, Error: llm.CodeOverloaded, StopReason: "x", Started: at, Duration: 5 * time.Second,
		FirstToken: 2 * time.Second, Waited: time.Second, Attempts: 2, Usage: llm.Usage{Tier: "standard"}, RequestID: "req",
		Source: llm.SourceMiss, Saved: 4,
	}
	x := charge.Exchange{RunID: "r1", Usage: llm.Usage{Input: 1, Output: 2, Thinking: 3, CacheRead: 4, CacheWrite5m: 5, CacheWrite1h: 6}, Cost: llm.Cost{Nano: 7}}
	if err := errors.Join(db.SaveExchange(t.Context(), x), db.SaveExchange(t.Context(), x), db.SaveRun(t.Context(), r)); err != nil {
		t.Fatal(err)
	}
	cost := ledger.Money(14)
	want := ledger.Record{
		Number: 1, RunID: "r1", Started: at, Agent: "a", Workflow: "w", Step: "s", RequestedModel: "sonnet", Model: "m", ModelReason: "run",
		Status: "failed", ErrorType: "overloaded_error", StopReason: "x", DurationMS: 5000, FirstTokenMS: 2000, WaitedMS: 1000, Attempts: 2,
		InputTokens: 2, OutputTokens: 4, ThinkingTokens: 6, CacheReadTokens: 8, CacheWrite5mTokens: 10, CacheWrite1hTokens: 12,
		Cost: &cost, Saved: 4, Cache: "miss", Tier: "standard", TaskHash: "0123", Branch: "main", RequestID: "req", Tags: map[string]string{"k": "v"},
	}
	got, err := db.Records(t.Context(), 0, 10)
	if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("Records = %+v, %v\nwant %+v", got, err, want)
	}
	// One unpriced exchange makes the sum unknown.
	x.Cost.Unknown = true
	if err := errors.Join(db.SaveExchange(t.Context(), x), db.SaveRun(t.Context(), run("r2"))); err != nil {
		t.Fatal(err)
	}
	if got, err := db.Records(t.Context(), 0, 1); err != nil || len(got) != 1 || got[0].Cost != nil {
		t.Errorf("Records = %+v, %v", got, err)
	}
	if got, err := db.Records(t.Context(), 1, 10); err != nil || len(got) != 1 || got[0].RunID != "r2" {
		t.Errorf("Records = %+v, %v", got, err)
	}
}
