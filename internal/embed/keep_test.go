package embed_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/claude-force/claude-force/internal/embed"
)

// counting embeds each text as its length and its first byte.
type counting struct {
	mu    sync.Mutex
	calls [][]string
	err   error
}

func (*counting) Space() string { return "counting" }

func (c *counting) Embed(_ context.Context, texts []string) ([][]float32, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, slices.Clone(texts))
	var vectors [][]float32
	for _, text := range texts {
		v := []float32{float32(len(text)), float32(text[0]), 3.3}
		n := float32(length(v))
		for i := range v {
			v[i] /= n
		}
		vectors = append(vectors, v)
	}
	return vectors, c.err
}

func (c *counting) texts() (n int) {
	for _, call := range c.calls {
		n += len(call)
	}
	return n
}

// shelf is a store in memory.
type shelf struct {
	mu      sync.Mutex
	vectors map[string][]float32
	err     error
	most    int // in one PutVectors
}

func (s *shelf) Vectors(_ context.Context, space string, keys [][32]byte) ([][]float32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	vectors := make([][]float32, len(keys))
	for i, key := range keys {
		vectors[i] = slices.Clone(s.vectors[space+string(key[:])])
	}
	return vectors, s.err
}

func (s *shelf) PutVectors(_ context.Context, space string, keys [][32]byte, vectors [][]float32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.vectors == nil {
		s.vectors = map[string][]float32{}
	}
	for i, key := range keys {
		s.vectors[space+string(key[:])] = slices.Clone(vectors[i])
	}
	s.most = max(s.most, len(keys))
	return s.err
}

func numbered(n int) (texts []string) {
	for i := range n {
		texts = append(texts, fmt.Sprintf("%d agents", i))
	}
	return texts
}

func TestKeep(t *testing.T) {
	from, store := &counting{}, &shelf{}
	k := embed.Keep(from, store)
	first, err := k.Embed(t.Context(), append(numbered(100), numbered(3)...))
	if err != nil {
		t.Fatal(err)
	}
	if from.texts() != 100 || store.most > 32 || len(store.vectors) != 100 {
		t.Errorf("%d texts were embedded, %d stored, up to %d at once", from.texts(), len(store.vectors), store.most)
	}
	// An edit embeds one text.
	texts := append(numbered(100), numbered(3)...)
	texts[50] = "edited"
	second, err := embed.Keep(from, store).Embed(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	if last := from.calls[len(from.calls)-1]; !slices.Equal(last, []string{"edited"}) {
		t.Errorf("embedded %q", last)
	}
	for i := range first {
		if i != 50 && !slices.Equal(first[i], second[i]) {
			t.Errorf("vector %d is another one from the store", i)
		}
	}
	if k.Space() != "counting" {
		t.Errorf("space %q", k.Space())
	}
}

func TestKeepReportsProgress(t *testing.T) {
	var got [][2]int
	k := embed.Keep(&counting{}, &shelf{}).WithProgress(func(done, total int) { got = append(got, [2]int{done, total}) })
	for range 2 { // the second time there is nothing to report
		if _, err := k.Embed(t.Context(), numbered(70)); err != nil {
			t.Fatal(err)
		}
	}
	if want := [][2]int{{0, 70}, {32, 70}, {64, 70}, {70, 70}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A store that fails, or has damaged vectors, costs time only.
func TestKeepWithBadStores(t *testing.T) {
	want, err := embed.Keep(&counting{}, &shelf{}).Embed(t.Context(), numbered(5))
	if err != nil {
		t.Fatal(err)
	}
	damaged := &shelf{}
	if _, err := embed.Keep(&counting{}, damaged).Embed(t.Context(), numbered(5)); err != nil {
		t.Fatal(err)
	}
	for _, v := range damaged.vectors {
		v[0] *= 2
	}
	for name, store := range map[string]*shelf{"failing": {err: errors.New("disk full")}, "damaged": damaged} {
		from := &counting{}
		got, err := embed.Keep(from, store).Embed(t.Context(), numbered(5))
		if err != nil || from.texts() != 5 {
			t.Errorf("%s: %d texts embedded, %v", name, from.texts(), err)
		}
		for i := range got {
			if !slices.Equal(got[i], want[i]) {
				t.Errorf("%s: another vector for text %d", name, i)
			}
		}
	}
}

func TestKeepReturnsTheEmbeddersError(t *testing.T) {
	lost := errors.New("lost")
	if _, err := embed.Keep(&counting{err: lost}, &shelf{}).Embed(t.Context(), numbered(1)); !errors.Is(err, lost) {
		t.Errorf("got %v", err)
	}
}

// silent has no vectors.
type silent struct{ counting }

func (*silent) Embed(context.Context, []string) ([][]float32, error) { return nil, nil }

func TestKeepCountsTheVectors(t *testing.T) {
	if _, err := embed.Keep(&silent{}, &shelf{}).Embed(t.Context(), numbered(2)); err == nil {
		t.Error("two vectors are missing")
	}
}
