package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
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

// writerEnv makes the test binary a writer of its own process; see TestMain.
const writerEnv = "STORE_WRITER"

func TestMain(m *testing.M) {
	if spec := os.Getenv(writerEnv); spec != "" {
		name, path, _ := strings.Cut(spec, "@")
		if err := writeMany(name, path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

const perWriter = 200

func writeMany(name, path string) error {
	db, err := sqlite.Open(context.Background(), path)
	if err != nil {
		return err
	}
	for i := range perWriter {
		r := run(fmt.Sprintf("%s-%d", name, i))
		x := charge.Exchange{RunID: r.RunID, Agent: name, Model: r.Model, Started: r.Started, Cost: llm.Cost{Nano: int64(i) + 1}}
		if err := errors.Join(db.SaveExchange(context.Background(), x), db.SaveRun(context.Background(), r)); err != nil {
			return err
		}
		fmt.Println(i) // only what is committed is said
	}
	return db.Close()
}

func run(id string) record.Run {
	return record.Run{
		Labels: llm.Labels{RunID: id, Agent: "a", Requested: "sonnet"}, Model: "claude-sonnet-5-5",
		Status: record.Succeeded, Started: time.Unix(1, 0), Cost: llm.Cost{Nano: 3}, Attempts: 1,
	}
}

func open(t *testing.T, path string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// query reads with a connection of its own, as another program would.
func query(t *testing.T, path, q string) string {
	t.Helper()
	pool, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var out sql.NullString
	if err := pool.QueryRowContext(t.Context(), q).Scan(&out); err != nil && !errors.Is(err, sql.ErrNoRows) {
		t.Fatal(err)
	}
	return out.String
}

func TestOpenMakesAPrivateFileWithItsSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state ?&#.db") // a name that a URL would misread
	db := open(t, path)
	if err := db.SaveRun(t.Context(), run("r1")); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil || len(files) < 2 {
		t.Fatalf("files = %v, %v", files, err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", f, info.Mode(), err)
		}
	}
	steps, err := filepath.Glob("migrations/state/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for pragma, want := range map[string]string{"journal_mode": "wal", "auto_vacuum": "2", "user_version": fmt.Sprint(len(steps))} {
		if got := query(t, path, "PRAGMA "+pragma); got != want {
			t.Errorf("%s = %s, want %s", pragma, got, want)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the log stays behind after Close: %v", err)
	}
	if got := query(t, path, "SELECT run_id FROM runs"); got != "r1" {
		t.Errorf("run = %s", got)
	}
}

func TestUnknownCostIsNull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := open(t, path)
	r := run("r1")
	r.Cost.Unknown = true
	x := charge.Exchange{RunID: "r1", Model: "m", Started: time.Unix(2, 500), Error: llm.CodeRateLimit, Status: 429, Cost: llm.Cost{Unknown: true}}
	if err := errors.Join(db.SaveExchange(t.Context(), x), db.SaveRun(t.Context(), r)); err != nil {
		t.Fatal(err)
	}
	if got := query(t, path, "SELECT r.cost_nano IS NULL AND x.cost_nano IS NULL AND x.started_us = 2000000 AND x.http_status = 429 FROM runs r JOIN exchanges x USING (run_id)"); got != "1" {
		t.Errorf("rows are not as saved: %s", got)
	}
}

// An exchange goes with the next run, or by itself after a moment; Close
// leaves none behind.
func TestExchangesAreNotLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := open(t, path)
	if err := db.SaveExchange(t.Context(), charge.Exchange{RunID: "alone"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // only so that a fault ends
	defer cancel()
	for query(t, path, "SELECT count(*) FROM exchanges") != "1" {
		if ctx.Err() != nil {
			t.Fatal("the row never came")
		}
	}
	if err := errors.Join(db.SaveExchange(t.Context(), charge.Exchange{RunID: "last"}), db.Close()); err != nil {
		t.Fatal(err)
	}
	if got := query(t, path, "SELECT count(*) FROM exchanges"); got != "2" {
		t.Errorf("%s rows after Close, want 2", got)
	}
	if err := db.SaveExchange(t.Context(), charge.Exchange{}); !errors.Is(err, sqlite.ErrClosed) {
		t.Errorf("SaveExchange after Close = %v", err)
	}
}

func TestOneBadRowTakesNoOtherWithIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := open(t, path)
	var wg sync.WaitGroup
	var mu sync.Mutex
	failed := 0
	for i := range 100 {
		wg.Go(func() {
			// Every tenth id is the same one: all but one of them must fail.
			id := fmt.Sprint(i)
			if i%10 == 0 {
				id = "same"
			}
			if err := db.SaveRun(context.Background(), run(id)); err != nil {
				mu.Lock()
				failed++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if got := query(t, path, "SELECT count(*) FROM runs"); got != "91" || failed != 9 {
		t.Errorf("%s rows and %d failures, want 91 and 9", got, failed)
	}
}

func TestClosedStoreRefusesWrites(t *testing.T) {
	db := open(t, sqlite.Memory)
	if err := errors.Join(db.SaveRun(t.Context(), run("r1")), db.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	if err := db.SaveRun(t.Context(), run("r2")); !errors.Is(err, sqlite.ErrClosed) {
		t.Errorf("SaveRun after Close = %v", err)
	}
}

func TestCloseKeepsWhatWasAccepted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := open(t, path)
	var wg sync.WaitGroup
	var mu sync.Mutex
	kept := 0
	for i := range 200 {
		wg.Go(func() {
			if db.SaveRun(context.Background(), run(fmt.Sprint(i))) == nil {
				mu.Lock()
				kept++
				mu.Unlock()
			}
		})
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if got := query(t, path, "SELECT count(*) FROM runs"); got != fmt.Sprint(kept) {
		t.Errorf("%s rows, %d were acknowledged", got, kept)
	}
}

func TestNewerFileIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	_ = query(t, path, "PRAGMA user_version = 99")
	if _, err := sqlite.Open(t.Context(), path); !errors.Is(err, sqlite.ErrNewer) {
		t.Errorf("Open = %v", err)
	}
	if got := query(t, path, "PRAGMA user_version"); got != "99" {
		t.Errorf("user_version = %s", got)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	damaged := filepath.Join(dir, "damaged.db")
	if err := os.WriteFile(damaged, []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		damaged:                          "damaged or no database",
		dir:                              "is a directory",
		filepath.Join(dir, "no", "x.db"): "no such file",
	} {
		if _, err := sqlite.Open(t.Context(), path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%s) = %v, want %q", path, err, want)
		}
	}
}

// Eight processes append to one file that none of them has made before, and
// one is killed: what was acknowledged is there, whole.
func TestProcessesShareTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	const processes = 8
	acknowledged := make([]int, processes)
	var wg sync.WaitGroup
	for p := range processes {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=p%d@%s", writerEnv, p, path))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			var i int
			for {
				if _, err := fmt.Fscan(out, &i); err != nil {
					break
				}
				acknowledged[p] = i + 1
				if p == 0 && i == perWriter/4 {
					_ = cmd.Process.Kill()
				}
			}
			if err := cmd.Wait(); err != nil && p != 0 {
				t.Errorf("writer %d: %v", p, err)
			}
		})
	}
	wg.Wait()
	for p, n := range acknowledged {
		got := query(t, path, fmt.Sprintf("SELECT count(*) FROM runs WHERE run_id LIKE 'p%d-%%'", p))
		// The killed one may have committed a row that it did not come to say.
		if got != fmt.Sprint(n) && (p != 0 || got != fmt.Sprint(n+1)) {
			t.Errorf("writer %d: %s rows, %d acknowledged", p, got, n)
		}
		if p != 0 && n != perWriter {
			t.Errorf("writer %d acknowledged %d of %d", p, n, perWriter)
		}
	}
	if got := query(t, path, "PRAGMA integrity_check"); got != "ok" {
		t.Errorf("integrity: %s", got)
	}
	checkSums(t, path)
}

// checkSums compares the rollups with the rows.
func checkSums(t *testing.T, path string) {
	t.Helper()
	db := open(t, path)
	total, err := db.Counts(t.Context(), ledger.Total, ledger.AllTime)
	n := total[""]
	if want := query(t, path, "SELECT count(*) || ' ' || (SELECT count(*) || ' ' || sum(cost_nano) FROM exchanges) FROM runs"); err != nil ||
		fmt.Sprint(n.Runs, n.Exchanges, n.Cost) != want {
		t.Errorf("the rollups have %d runs, %d exchanges and %d, %v; the rows %s", n.Runs, n.Exchanges, n.Cost, err, want)
	}
	byAgent, err := db.Counts(t.Context(), ledger.Agent, ledger.AllTime)
	var sum int64
	for _, c := range byAgent {
		sum += c.Cost
	}
	if err != nil || sum != n.Cost {
		t.Errorf("the agents sum to %d of %d, %v", sum, n.Cost, err)
	}
}
