package memory_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/memory"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

// Whatever a side file holds, the search finds what it finds without one.
func FuzzSideFile(f *testing.F) {
	db, err := sqlite.Open(f.Context(), sqlite.Memory)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = db.Close() })
	e := &topics{space: "topics", size: 100}
	open := func(prefix string) *memory.Memory {
		return memory.New(memory.Options{Store: db.Sessions(), Embedder: e, Index: prefix, Now: func() time.Time { return today }})
	}
	side := filepath.Join(f.TempDir(), "memory")
	m := open(side)
	for _, s := range many(3, 30) {
		if err := m.Remember(f.Context(), s, e.vector(s.Task)); err != nil {
			f.Fatal(err)
		}
	}
	matches, _, err := m.Similar(f.Context(), "topic1 question", memory.Filter{})
	if err != nil {
		f.Fatal(err)
	}
	want := tasksOf(matches)
	names, err := filepath.Glob(side + "-*.index")
	if err != nil || len(names) != 1 {
		f.Fatal(names, err)
	}
	whole, err := os.ReadFile(names[0])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:100])
	f.Add([]byte("cfmemory"))
	f.Fuzz(func(t *testing.T, content []byte) {
		prefix := filepath.Join(t.TempDir(), "memory")
		if err := os.WriteFile(prefix+filepath.Base(names[0])[len("memory"):], content, 0o600); err != nil {
			t.Fatal(err)
		}
		m := open(prefix)
		defer m.Close(t.Context())
		matches, _, err := m.Similar(t.Context(), "topic1 question", memory.Filter{})
		if got := tasksOf(matches); err != nil || !slices.Equal(got, want) {
			t.Errorf("found %q, %v; want %q", got, err, want)
		}
	})
}

// A row of another program is a session that can be kept, or has a fault.
func FuzzForeign(f *testing.F) {
	f.Add("a", "task", "output", int64(1), 2.0, "2026-05-01T10:20:30.123456", "{}", uint8(0))
	f.Add("", "\xff", "", int64(-1), -2.5, "2026-05-01 10:20:30Z", "{", uint8(3))
	f.Fuzz(func(t *testing.T, agent, task, output string, success int64, tokens float64, at, metadata string, odd uint8) {
		row := []any{"id", agent, task, output, success, "model", tokens, int64(1), at, metadata}
		if int(odd) < len(row) {
			row[odd] = []any{nil, memory.TooLarge{}, []byte(task), tokens}[odd%4]
		}
		one, fault := memory.ParseForeign(row, time.UTC)
		if fault != "" {
			return
		}
		s := one.Session
		if s.Agent == "" || s.Task == "" || s.InputTokens < 0 || s.OutputTokens < 0 || s.At.Year() < 1970 || s.At.Year() > 9999 {
			t.Errorf("session = %+v", s)
		}
	})
}

func TestForeignRowsMayBeShort(t *testing.T) {
	row := make([]any, len(memory.ForeignColumns))
	if _, fault := memory.ParseForeign(row, time.UTC); fault == "" {
		t.Error("a row of nothing has no fault")
	}
}
