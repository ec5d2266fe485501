package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
	"unsafe"

	"github.com/claude-force/claude-force/internal/layer/charge"
	"github.com/claude-force/claude-force/internal/layer/record"
	"github.com/claude-force/claude-force/internal/ledger"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

// LedgerTime is how long before its last run the first run of a [Ledger] was.
const LedgerTime = 365 * 24 * time.Hour

// numbered is the i-th of n runs and its exchange: twenty agents, three models
// and durations of all lengths, over a year.
func numbered(i, n int, last time.Time) (record.Run, charge.Exchange) {
	at := last.Add(-LedgerTime + time.Duration(float64(LedgerTime)*float64(i+1)/float64(n)))
	usage := llm.Usage{Input: int64(i % 3000), Output: int64(i % 400), CacheRead: int64(i % 2000), Tier: "standard"}
	r := record.Run{
		Labels: llm.Labels{
			RunID: fmt.Sprintf("019ac1d2-%04x-7000-9000-%012x", i>>16, i), Agent: agentName(i % Agents), Requested: "sonnet",
			TaskHash: "0123456789abcdef", Why: "setting", Branch: "main",
		},
		Model: []string{"claude-sonnet-5-5", "claude-haiku-5-5", "claude-opus-5-5"}[i%3], Status: record.Succeeded,
		StopReason: "end_turn", Started: at, Duration: time.Duration(i*7919%60_000) * time.Millisecond,
		FirstToken: 300 * time.Millisecond, Usage: usage, Cost: llm.Cost{Nano: int64(i % 1_000_000)},
		RequestID: "req_018EeWyXxfu5pfWkrYcMdjWG", Attempts: 1, Source: llm.SourceMiss,
	}
	return r, charge.Exchange{
		RunID: r.RunID, Agent: r.Agent, Model: r.Model, Answered: r.Model, Started: at, Duration: r.Duration,
		FirstToken: r.FirstToken, Usage: usage, Cost: r.Cost, StopReason: r.StopReason, RequestID: r.RequestID,
	}
}

// keep keeps a run and its exchange as a run does.
func keep(ctx context.Context, db *sqlite.DB, i, n int, last time.Time) error {
	r, x := numbered(i, n, last)
	return errors.Join(db.SaveExchange(ctx, x), db.SaveRun(ctx, r))
}

// Recording keeps a run, its exchange and what they add to all sums, in a
// transaction of their own, beside the driver's insert of a row of a run's size
// into a table of its own.
func Recording(ctx context.Context) (*Contest, error) {
	dir, err := os.MkdirTemp("", "claude-force-bench-")
	if err != nil {
		return nil, err
	}
	db, err := sqlite.Open(ctx, filepath.Join(dir, "state.db"))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	bare, insert, err := bareRuns(ctx, filepath.Join(dir, "bare.db"))
	if err != nil {
		return nil, errors.Join(err, db.Close(), os.RemoveAll(dir))
	}
	now, ours, peer := time.Now(), 0, 0
	return &Contest{
		Ours: func(n int) (Sample, error) {
			return repeated(n, func(int) error {
				ours++
				return keep(ctx, db, ours, 1<<24, now)
			})
		},
		Peer: func(n int) (Sample, error) {
			return repeated(n, func(int) error {
				peer++
				r, _ := numbered(peer, 1<<24, now)
				_, err := insert.ExecContext(ctx, bareRun(&r)...)
				return err
			})
		},
		Close: func() error { return errors.Join(insert.Close(), bare.Close(), db.Close(), os.RemoveAll(dir)) },
	}, nil
}

func bareRun(r *record.Run) []any {
	u := r.Usage
	return []any{
		r.RunID, r.Agent, r.Requested, r.Model, r.Why, string(r.Status), string(r.Error), r.StopReason, r.TaskHash, r.Branch, r.RequestID, string(r.Source),
		r.Started.UnixMicro(), r.Duration.Microseconds(), r.FirstToken.Microseconds(), r.Attempts,
		u.Input, u.Output, u.CacheRead, u.CacheWrite5m, u.CacheWrite1h, r.Cost.Nano,
	}
}

// bareRuns makes a table for [bareRun] and the statement that fills it.
func bareRuns(ctx context.Context, path string) (*sql.DB, *sql.Stmt, error) {
	pragmas := url.Values{"_pragma": {"auto_vacuum(incremental)", "busy_timeout(10000)", "journal_mode(wal)", "synchronous(normal)"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+pragmas.Encode())
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(1)
	columns := make([]string, len(bareRun(&record.Run{})))
	for i := range columns {
		columns[i] = fmt.Sprint("c", i)
	}
	columns[0] += " TEXT PRIMARY KEY"
	if _, err := db.ExecContext(ctx, "CREATE TABLE runs ("+strings.Join(columns, ", ")+")"); err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	insert, err := db.PrepareContext(ctx, "INSERT INTO runs VALUES (?"+strings.Repeat(",?", len(columns)-1)+")")
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, insert, nil
}

// RingMemory is the memory of a thousand runs that are kept for those who watch
// them, in bytes, and of their values alone.
func RingMemory() (whole, values float64) {
	const runs = ledger.RingSize
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	ring := ledger.NewRing(runs)
	for i := range 2 * runs {
		r, _ := numbered(i, 2*runs, time.Now())
		ring.Add(ledger.RecordOf(&r))
	}
	whole = float64(heap()-before) / runs * 1000
	runtime.KeepAlive(ring)
	return whole, 1000 * float64(unsafe.Sizeof(ledger.Record{}))
}

// Ledger is a store of many runs.
type Ledger struct {
	dir  string
	last time.Time
	db   *sqlite.DB
}

// NewLedger makes a ledger of so many runs over a year.
func NewLedger(ctx context.Context, runs int) (*Ledger, error) {
	dir, err := os.MkdirTemp("", "claude-force-bench-")
	if err != nil {
		return nil, err
	}
	l := &Ledger{dir: dir, last: time.Now()}
	if l.db, err = sqlite.Open(ctx, l.path()); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := atOnce(256, runs, func(i int) error { return keep(ctx, l.db, i, runs, l.last) }); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Ledger) path() string { return filepath.Join(l.dir, "state.db") }

// Close deletes the ledger.
func (l *Ledger) Close() error { return errors.Join(l.db.Close(), os.RemoveAll(l.dir)) }

// Report is a figure of a ledger, and the same made from its rows.
type Report struct {
	Name       string
	Ours, Rows func(context.Context) error
}

// Reports are the reports that have a target.
func (l *Ledger) Reports() []Report {
	day := ledger.Window(l.last, 24)
	summary := func(from ledger.Hour) func(context.Context) error {
		return func(ctx context.Context) error {
			s, err := ledger.Summarise(ctx, l.db, from)
			if err == nil && (s.Runs == 0 || s.P99 == 0) {
				err = errors.New("the summary is empty")
			}
			return err
		}
	}
	rows := func(query string, args ...any) func(context.Context) error {
		return func(ctx context.Context) error { return l.scan(ctx, query, args...) }
	}
	return []Report{
		{"summary of all time", summary(ledger.AllTime), rows("SELECT count(*), avg(duration_us), sum(status = 'succeeded') FROM runs")},
		{"summary of 24 hours", summary(day), rows("SELECT count(*), avg(duration_us), sum(status = 'succeeded') FROM runs WHERE started_us >= ?", day.Start().UnixMicro())},
		{"costs by agent", func(ctx context.Context) error {
			costs, err := l.db.Counts(ctx, ledger.Agent, ledger.AllTime)
			if err == nil && len(costs) != Agents {
				err = fmt.Errorf("%d agents", len(costs))
			}
			return err
		}, rows("SELECT agent, sum(cost_nano), 0 FROM exchanges GROUP BY agent")},
		{"costs by everything", func(ctx context.Context) error {
			c, err := ledger.Spending(ctx, l.db, nil, ledger.AllTime)
			if err == nil && c.Total == 0 {
				err = errors.New("nothing was spent")
			}
			return err
		}, rows("SELECT agent, model, sum(cost_nano) FROM exchanges GROUP BY agent, model")},
	}
}

// scan reads the rows of a query of three columns.
func (l *Ledger) scan(ctx context.Context, query string, args ...any) error {
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: l.path()}).EscapedPath())
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var a, b, c any
		if err := rows.Scan(&a, &b, &c); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Opening opens the ledger beside an empty one. Closing them is not measured.
func (l *Ledger) Opening(ctx context.Context) *Contest {
	side := func(path string) func(int) (Sample, error) {
		return func(n int) (Sample, error) {
			sum := Sample{Calls: n}
			for range n {
				var db *sqlite.DB
				one, err := repeated(1, func(int) (err error) {
					db, err = sqlite.Open(ctx, path)
					return err
				})
				if err == nil {
					err = db.Close()
				}
				if err != nil {
					return sum, err
				}
				sum.Wall, sum.CPU = sum.Wall+one.Wall, sum.CPU+one.CPU
			}
			return sum, nil
		}
	}
	return &Contest{Ours: side(l.path()), Peer: side(filepath.Join(l.dir, "empty.db")), Close: func() error { return nil }}
}
