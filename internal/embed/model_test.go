package embed_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claude-force/claude-force/internal/embed"
)

// one embeds a single text.
func one(t testing.TB, e embed.Embedder, text string) []float32 {
	t.Helper()
	v, err := e.Embed(t.Context(), []string{text})
	if err != nil {
		t.Fatal(err)
	}
	return v[0]
}

func dot(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func TestSimilarTextsAreNear(t *testing.T) {
	m := embed.New(embed.Options{})
	task := one(t, m, "Look for SQL injection in the login code.")
	near := one(t, m, "Security review of the authentication module.")
	far := one(t, m, "Bake a chocolate cake for a birthday.")
	if dot(task, near) <= dot(task, far)+0.1 {
		t.Errorf("near %.3f, far %.3f", dot(task, near), dot(task, far))
	}
	for _, v := range [][]float32{task, near, far} {
		if len(v) != embed.Dimensions || math.Abs(length(v)-1) > 1e-6 {
			t.Errorf("%d numbers of length %g", len(v), length(v))
		}
	}
	if v := one(t, m, ""); length(v) != 0 || len(v) != embed.Dimensions {
		t.Errorf("an empty text has length %g", length(v))
	}
}

func TestSpaceLoadsNothing(t *testing.T) {
	m := embed.New(embed.Options{})
	if s := m.Space(); !strings.HasPrefix(s, "use-lite-en/1-") || m.Loaded() {
		t.Errorf("space %q, loaded %v", s, m.Loaded())
	}
	if v, err := m.Embed(t.Context(), nil); err != nil || len(v) != 0 {
		t.Errorf("of no texts: %v, %v", v, err)
	}
}

// The vectors of a call are the caller's.
func TestVectorsMayBeChanged(t *testing.T) {
	m := embed.New(embed.Options{})
	want := slices.Clone(one(t, m, "text"))
	clear(one(t, m, "text"))
	if !slices.Equal(one(t, m, "text"), want) {
		t.Error("a change was seen by the next caller")
	}
}

func TestDamage(t *testing.T) {
	weights, err := os.ReadFile("weights/use-lite-en.bin")
	if err != nil {
		t.Fatal(err)
	}
	weights[len(weights)/2] ^= 1
	for _, m := range []*embed.Model{embed.New(embed.Options{Weights: weights}), embed.New(embed.Options{Weights: []byte{}})} {
		for range 2 {
			if _, err := m.Embed(t.Context(), []string{"text"}); !errors.Is(err, embed.ErrDamaged) {
				t.Errorf("got %v", err)
			}
		}
		if m.Space() == embed.New(embed.Options{}).Space() && len(weights) == 0 {
			t.Error("damaged weights have the space of good ones")
		}
	}
}

func TestCancel(t *testing.T) {
	m := embed.New(embed.Options{CacheEntries: -1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Embed(ctx, []string{"text"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	// It ends between two texts: all of these would take a minute.
	texts := slices.Repeat([]string{strings.Repeat("many words ", 200)}, 20_000)
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := m.Embed(ctx, texts); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestConcurrency(t *testing.T) {
	m := embed.New(embed.Options{CacheEntries: 5, Idle: time.Millisecond})
	var texts []string
	for i := range 30 {
		texts = append(texts, fmt.Sprint("text number ", i%12))
	}
	want, err := m.Embed(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				got, err := m.Embed(context.Background(), texts)
				if err != nil {
					t.Error(err)
					return
				}
				for i := range got {
					if !slices.Equal(got[i], want[i]) {
						t.Errorf("another vector for %q", texts[i])
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := embed.New(embed.Options{Idle: 5 * time.Minute})
		want := one(t, m, "text")
		time.Sleep(4 * time.Minute)
		one(t, m, "another")
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		if !m.Loaded() {
			t.Error("dropped 4 minutes after its last use")
		}
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if m.Loaded() {
			t.Error("still loaded 5 minutes after its last use")
		}
		if !slices.Equal(one(t, m, "text"), want) || !m.Loaded() {
			t.Error("not the same after it was loaded again")
		}
		if err := m.Close(); err != nil || m.Loaded() {
			t.Errorf("after Close: %v, loaded %v", err, m.Loaded())
		}
		if _, err := m.Embed(t.Context(), []string{"text"}); !errors.Is(err, embed.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestNeverIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := embed.New(embed.Options{})
		one(t, m, "text")
		time.Sleep(1000 * time.Hour)
		synctest.Wait()
		if !m.Loaded() {
			t.Error("dropped")
		}
	})
}

// The licence and what was changed go with the weights.
func TestNotice(t *testing.T) {
	for name, want := range map[string]string{"LICENSE": "Apache License", "NOTICE": "CHANGED"} {
		b, err := os.ReadFile("weights/" + name)
		if err != nil || !bytes.Contains(b, []byte(want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
