package batch_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/batch"
	"github.com/claude-force/claude-force/internal/claude"
	"github.com/claude-force/claude-force/internal/layer/charge"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/sim"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

const sonnet = "claude-sonnet-5-5"

var noon = time.Date(2026, 11, 12, 12, 0, 0, 0, time.UTC)

// clock stands still until somebody sleeps.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	if err := llm.ContextError(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return nil
}

// world is an API, a disk, and the sessions that use them one after another.
type world struct {
	t         testing.TB
	dir       string
	clock     *clock
	server    *sim.Server
	client    *claude.Client
	catalogue *model.Catalogue
	shared    *sqlite.DB
	sessions  int
	runs      int

	output []batch.Outcome // of all sessions
	kept   map[[32]byte]string
}

func newWorld(t testing.TB, o sim.Options) *world {
	t.Helper()
	catalogue, err := model.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: t.TempDir(), clock: &clock{now: noon}, catalogue: catalogue, kept: map[[32]byte]string{}}
	o.Catalogue, o.Now, o.Sleep, o.Seed = catalogue, w.clock.Now, w.clock.Sleep, 1
	if w.server, err = sim.New(o); err != nil {
		t.Fatal(err)
	}
	w.client = newClient(t, w.server.Transport(), "http://api.test")
	return w
}

func newClient(t testing.TB, transport http.RoundTripper, url string) *claude.Client {
	t.Helper()
	c, err := claude.New(claude.Options{BaseURL: url, Credential: "sk-ant-test", Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (w *world) statePath() string { return filepath.Join(w.dir, "state.db") }

// db is the store that the sessions of this process share.
func (w *world) db() *sqlite.DB {
	if w.shared == nil {
		w.shared = w.open()
	}
	return w.shared
}

// open opens the store once more, as another process would.
func (w *world) open() *sqlite.DB {
	w.t.Helper()
	db, err := sqlite.Open(context.Background(), w.statePath())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = db.Close() })
	return db
}

// options are those of a new session; tests change them.
func (w *world) options() batch.Options {
	w.sessions++
	return batch.Options{
		API: w.client, Store: w.db(), Dir: filepath.Join(w.dir, "batches"),
		Session: fmt.Sprintf("s%d", w.sessions), Account: [32]byte{1}, Track: true,
		Keep: func(_ context.Context, r *llm.Request, resp *llm.Response) { w.kept[r.Reuse.Key] = resp.Text },
		Price: func(r *llm.Request, resp *llm.Response, at time.Time) llm.Cost {
			return charge.Price(w.catalogue, r, resp, at)
		},
		Worst: func(*llm.Request) int64 { return 1000 },
		Now:   w.clock.Now, Sleep: w.clock.Sleep, Jitter: func() float64 { return 0.5 },
		MaxRequests: 100,
	}
}

func (w *world) lane(change func(*batch.Options)) *batch.Lane {
	o := w.options()
	if change != nil {
		change(&o)
	}
	l := batch.New(o)
	w.t.Cleanup(func() { _ = l.Close() })
	return l
}

// deliver is the caller of a lane who keeps everything.
func (w *world) deliver(o batch.Outcome) error {
	w.output = append(w.output, o)
	return nil
}

// task is a task whose text is also its tag.
func (w *world) task(text string, mode llm.ReuseMode) batch.Task {
	w.runs++
	r := llm.New(llm.Params{
		Model: sonnet, MaxTokens: 1024, Messages: []llm.Message{{Role: "user", Content: []llm.Block{{Text: text}}}},
	}, llm.Labels{RunID: fmt.Sprintf("run-%d", w.runs), Agent: "reviewer", Requested: "sonnet", TaskHash: "0123456789abcdef"})
	r.Reuse = llm.Reuse{Mode: mode, Key: sha256.Sum256(r.Body())}
	return batch.Task{Tag: []byte(text), Request: r}
}

func texts(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("Task %d. [[say Answer %d.]]", i, i)
	}
	return out
}

// addAll adds tasks of these texts.
func (w *world) addAll(l *batch.Lane, texts []string, mode llm.ReuseMode) error {
	for _, text := range texts {
		if err := l.Add(context.Background(), w.task(text, mode)); err != nil {
			return err
		}
	}
	return nil
}

// left are the texts that no session has delivered: what --resume would add.
func (w *world) left(texts []string) []string {
	have := map[string]bool{}
	for _, o := range w.output {
		have[string(o.Tag)] = true
	}
	var out []string
	for _, text := range texts {
		if !have[text] {
			out = append(out, text)
		}
	}
	return out
}

// must runs a session to its end.
func (w *world) must(l *batch.Lane, texts []string, mode llm.ReuseMode) {
	w.t.Helper()
	if err := errors.Join(w.addAll(l, texts, mode), l.Run(context.Background(), w.deliver), l.Close()); err != nil {
		w.t.Fatal(err)
	}
}

// delivered checks that each text was delivered once and with its own answer.
func (w *world) delivered(texts []string) {
	w.t.Helper()
	count := map[string]int{}
	for _, o := range w.output {
		count[string(o.Tag)]++
		_, say, _ := strings.Cut(string(o.Tag), "[[say ")
		if o.Err != nil || o.Response == nil || o.Response.Text != strings.TrimSuffix(say, "]]") || o.BatchID == "" || o.Unfinished {
			w.t.Errorf("task %q: response %+v, error %v", o.Tag, o.Response, o.Err)
		}
	}
	for _, text := range texts {
		if count[text] != 1 {
			w.t.Errorf("task %q was delivered %d times", text, count[text])
		}
	}
	if len(w.output) != len(texts) {
		w.t.Errorf("%d outcomes of %d tasks", len(w.output), len(texts))
	}
}

// created checks how many batches the server has made.
func (w *world) created(want int) {
	w.t.Helper()
	if got := w.server.Stats().Batches; got != int64(want) {
		w.t.Errorf("%d batches were created, want %d", got, want)
	}
}

// ledger checks that n answers were paid, each once and at half price, that no
// run was recorded twice, and that nothing is reserved any more.
func (w *world) ledger(n int) {
	w.t.Helper()
	half := llm.Cost{}
	for _, o := range w.output {
		if o.Response != nil {
			half = half.Add(o.Response.Cost)
		}
	}
	if got := w.query("SELECT count(*) FROM exchanges"); got != fmt.Sprint(n) {
		w.t.Errorf("%s exchanges, want %d", got, n)
	}
	if got := w.query("SELECT coalesce(sum(cost_nano), 0) FROM exchanges"); got != fmt.Sprint(half.Nano) || half.Unknown {
		w.t.Errorf("the ledger says %s, the outcomes %+v", got, half)
	}
	if got := w.query("SELECT coalesce(sum(cost_nano), 0) FROM runs"); got != fmt.Sprint(half.Nano) {
		w.t.Errorf("the runs say %s, the outcomes %+v", got, half)
	}
	if got := w.query("SELECT coalesce(sum(cost_nano), 0) FROM batches"); got != fmt.Sprint(half.Nano) {
		w.t.Errorf("the batches say %s, the outcomes %+v", got, half)
	}
	if got, err := w.db().Reserved(context.Background()); err != nil || got != 0 {
		w.t.Errorf("%d nano-dollars stay reserved, %v", got, err)
	}
}

// clean checks that nothing is left to wait for, and no file.
func (w *world) clean() {
	w.t.Helper()
	if files, err := os.ReadDir(filepath.Join(w.dir, "batches")); err != nil || len(files) > 0 {
		w.t.Errorf("files are left: %v, %v", files, err)
	}
	if got := w.query("SELECT count(*) FROM batches WHERE state NOT IN ('collected', 'cancelled', 'failed')"); got != "0" {
		w.t.Errorf("%s batches are open", got)
	}
}

func (w *world) query(q string) string {
	w.t.Helper()
	pool, err := sql.Open("sqlite", "file:"+(&url.URL{Path: w.statePath()}).EscapedPath())
	if err != nil {
		w.t.Fatal(err)
	}
	defer pool.Close()
	var out sql.NullString
	if err := pool.QueryRowContext(context.Background(), q).Scan(&out); err != nil {
		w.t.Fatal(err)
	}
	return out.String
}
