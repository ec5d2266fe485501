package sqlite_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claude-force/claude-force/internal/claude"
	"github.com/claude-force/claude-force/internal/layer/limit"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/sim"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

func openShared(t *testing.T, path string) *sqlite.Shared {
	t.Helper()
	s, err := sqlite.OpenShared(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func sharedPath(t *testing.T) string { return filepath.Join(t.TempDir(), "shared.db") }

// keep replaces what is kept and returns what was.
func keep(t *testing.T, s *sqlite.Shared, key limit.Key, data string) (was []byte) {
	t.Helper()
	err := s.UpdateLimits(t.Context(), key, func(kept []byte) []byte {
		was = bytes.Clone(kept)
		return []byte(data)
	})
	if err != nil {
		t.Fatal(err)
	}
	return was
}

func TestSharedKeepsLimits(t *testing.T) {
	for name, path := range map[string]string{"file": sharedPath(t), "memory": sqlite.Memory} {
		t.Run(name, func(t *testing.T) {
			s := openShared(t, path)
			one, other := limit.Key{1}, limit.Key{2}
			if was := keep(t, s, one, "first"); was != nil {
				t.Errorf("a key that nobody has used held %q", was)
			}
			if was := keep(t, s, other, "other's"); was != nil {
				t.Errorf("another key held %q", was)
			}
			if was := keep(t, s, one, "second"); string(was) != "first" {
				t.Errorf("kept %q, want first", was)
			}
			if was := keep(t, s, one, "third"); string(was) != "second" {
				t.Errorf("kept %q, want second", was)
			}
		})
	}
}

func TestSharedSurvives(t *testing.T) {
	path := sharedPath(t)
	s, err := sqlite.OpenShared(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	keep(t, s, limit.Key{1}, "state")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.UpdateLimits(t.Context(), limit.Key{1}, func(b []byte) []byte { return b }); !errors.Is(err, sqlite.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if was := keep(t, openShared(t, path), limit.Key{1}, ""); string(was) != "state" {
		t.Errorf("kept %q after it was opened again", was)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v, %v", info.Mode(), err)
	}
}

// Changes of several owners of one file follow each other: none is lost.
func TestSharedChangesAreTransactions(t *testing.T) {
	path := sharedPath(t)
	const owners, rounds = 4, 50
	var wg sync.WaitGroup
	for range owners {
		s := openShared(t, path)
		wg.Go(func() {
			for range rounds {
				err := s.UpdateLimits(t.Context(), limit.Key{1}, func(kept []byte) []byte {
					n, _ := strconv.Atoi(string(kept))
					return strconv.AppendInt(nil, int64(n+1), 10)
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if was := keep(t, openShared(t, path), limit.Key{1}, ""); string(was) != strconv.Itoa(owners*rounds) {
		t.Errorf("%s of %d changes are kept", was, owners*rounds)
	}
}

func TestSharedThatIsNoDatabase(t *testing.T) {
	path := sharedPath(t)
	if err := os.WriteFile(path, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := sqlite.OpenShared(t.Context(), path); err == nil {
		_ = s.Close()
		t.Error("opened what is no database")
	}
	if _, err := sqlite.OpenShared(t.Context(), filepath.Join(t.TempDir(), "no", "folder", "shared.db")); err == nil {
		t.Error("opened a file in a folder that is not there")
	}
}

// limited is a process of its own before a simulated API.
func limited(t *testing.T, server *sim.Server, store limit.Shared, holder string) (*limit.Limiter, llm.Caller) {
	t.Helper()
	api, err := claude.New(claude.Options{Transport: server.Transport(), Credential: "key"})
	if err != nil {
		t.Fatal(err)
	}
	l := limit.New(limit.Options{
		Shared: store, Holder: holder, Attempts: 100,
		Warn: func(err error) { t.Errorf("%s: %v", holder, err) },
	})
	return l, l.Layer()(api)
}

func simulator(t *testing.T, o sim.Options) *sim.Server {
	t.Helper()
	catalogue, err := model.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	o.Catalogue = catalogue
	server, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

const limitedModel = "claude-sonnet-4-5"

// flood keeps so many callers busy until ctx ends.
func flood(ctx context.Context, c llm.Caller, callers int) *sync.WaitGroup {
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				req := llm.New(llm.Params{
					Model: limitedModel, MaxTokens: 100,
					Messages: []llm.Message{{Role: "user", Content: []llm.Block{{Text: fmt.Sprintf("[[words 5]] %d %d", i, n)}}}},
				}, llm.Labels{Agent: "test"})
				_, _ = c.Call(ctx, req, llm.Discard) // what fails is counted by the server
			}
		})
	}
	return &wg
}

// Limiters that share a file stay within the limits together, in the virtual
// time of a bubble.
func TestLimitersShareAFile(t *testing.T) {
	path := sharedPath(t)
	synctest.Test(t, func(t *testing.T) {
		const minutes, processes = 3, 3
		server := simulator(t, sim.Options{Limits: sim.Limits{RPM: 300}, Latency: time.Second})
		ctx, cancel := context.WithCancel(t.Context())
		var callers []*sync.WaitGroup
		var close []func()
		for p := range processes {
			store, err := sqlite.OpenShared(ctx, path)
			if err != nil {
				t.Fatal(err)
			}
			l, c := limited(t, server, store, fmt.Sprint("p", p))
			callers = append(callers, flood(ctx, c, 40))
			close = append(close, func() {
				l.Close()
				if err := store.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(minutes * time.Minute)
		stats := server.Stats()
		cancel()
		for i, wg := range callers {
			wg.Wait()
			close[i]()
		}
		used := float64(stats.Answered) / (300 * (minutes + 1))
		refused := float64(stats.RateLimited) / float64(stats.Messages)
		t.Logf("%.1f %% used, %.2f %% refused", used*100, refused*100)
		if used < 0.95 || refused > 0.01 {
			t.Errorf("%.1f %% of the limit was used, and %.2f %% of requests were refused", used*100, refused*100)
		}
	})
	var state struct {
		Holders map[string]struct{ Lease []float64 }
	}
	// The key of a limit group of no account in particular.
	data := keep(t, openShared(t, path), sha256.Sum256(append(make([]byte, 32), limitedModel...)), "")
	if err := json.Unmarshal(data, &state); err != nil {
		t.Fatal(err)
	}
	for id, h := range state.Holders {
		for _, x := range h.Lease {
			if x != 0 {
				t.Errorf("%s holds %v after it was closed", id, h.Lease)
			}
		}
	}
}
