package memory_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/memory"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

const dimensions = 512

// topics is an embedder: texts whose first words are equal lie around one
// point, the rest of the text decides where.
type topics struct {
	space string
	err   error
	size  int     // of the vectors; 0 means dimensions
	noise float64 // how far from the point; 0 means 0.5
	mu    sync.Mutex
	calls int
}

func (e *topics) Space() string { return e.space }

func (e *topics) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	e.mu.Lock()
	e.calls += len(texts)
	e.mu.Unlock()
	if e.err != nil {
		return nil, e.err
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	list := make([][]float32, len(texts))
	for i, text := range texts {
		list[i] = e.vector(text)
	}
	return list, nil
}

func (e *topics) vector(text string) []float32 {
	size, noise := e.size, e.noise
	if size == 0 {
		size = dimensions
	}
	if noise == 0 {
		noise = 0.5
	}
	topic, _, _ := strings.Cut(text, " ")
	around, own := random(topic), random(text)
	v := make([]float64, size)
	for i := range v {
		v[i] = around.NormFloat64() + noise*own.NormFloat64()
	}
	return unit(v)
}

func random(text string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	return rand.New(rand.NewPCG(h.Sum64(), 7))
}

func unit(v []float64) []float32 {
	norm := 0.0
	for _, x := range v {
		norm += x * x
	}
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x / math.Sqrt(norm))
	}
	return out
}

// today is the time of the tests' clock.
var today = time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)

// world is a memory over a file.
type world struct {
	*memory.Memory
	t     *testing.T
	path  string // of the database
	db    *sqlite.DB
	embed *topics

	mu       sync.Mutex
	warnings []error
}

type change func(*memory.Options)

func newWorld(t *testing.T, changes ...change) *world {
	t.Helper()
	return openWorld(t, filepath.Join(t.TempDir(), "state.db"), changes...)
}

// openWorld opens a memory as another process would.
func openWorld(t *testing.T, path string, changes ...change) *world {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, path: path, db: db, embed: &topics{space: "topics"}}
	o := memory.Options{
		Store: db.Sessions(), Embedder: w.embed, Index: filepath.Join(filepath.Dir(path), "memory"),
		Now: func() time.Time { return today }, Local: time.UTC,
		Warn: func(err error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.warnings = append(w.warnings, err)
		},
	}
	if path == sqlite.Memory {
		o.Index = ""
	}
	for _, c := range changes {
		c(&o)
	}
	w.Memory = memory.New(o)
	t.Cleanup(func() { w.close() })
	return w
}

func (w *world) close() {
	w.t.Helper()
	if err := errors.Join(w.Close(context.Background()), w.db.Close()); err != nil {
		w.t.Error(err)
	}
}

func (w *world) warned() []error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.warnings
}

// session is a success of yesterday.
func session(task string) memory.Session {
	return memory.Session{
		RunID: "run-" + task, Agent: "coder", Task: task, Output: "the output of " + task, Succeeded: true,
		Model: "claude-sonnet-5-5", InputTokens: 10, OutputTokens: 20, Cost: 300, At: today.Add(-24 * time.Hour),
	}
}

// keep remembers sessions with their vectors.
func (w *world) keep(list ...memory.Session) {
	w.t.Helper()
	var wg sync.WaitGroup
	work := make(chan memory.Session)
	for range 32 {
		wg.Go(func() {
			for s := range work {
				if err := w.Remember(context.Background(), s, w.embed.vector(s.Task)); err != nil {
					w.t.Error(err)
				}
			}
		})
	}
	for _, s := range list {
		work <- s
	}
	close(work)
	wg.Wait()
}

// similar returns the tasks that were found.
func (w *world) similar(task string, f memory.Filter) []string {
	w.t.Helper()
	matches, _, err := w.Similar(w.t.Context(), task, f)
	if err != nil {
		w.t.Fatal(err)
	}
	return tasksOf(matches)
}

func tasksOf(matches []memory.Match) []string {
	list := []string{}
	for _, m := range matches {
		list = append(list, m.Task)
	}
	return list
}

// many are sessions of so many topics, as many of each.
func many(topics, each int) []memory.Session {
	var list []memory.Session
	for i := range each {
		for t := range topics {
			list = append(list, session(fmt.Sprintf("topic%d task %d", t, i)))
		}
	}
	return list
}

// sideFile returns the path of the one side file.
func (w *world) sideFile() string {
	w.t.Helper()
	names, err := filepath.Glob(filepath.Join(filepath.Dir(w.path), "memory-*.index"))
	if err != nil || len(names) != 1 {
		w.t.Fatalf("side files = %v, %v", names, err)
	}
	return names[0]
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
