package sqlite_test

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/embed"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

func openVectors(t *testing.T, path string) *sqlite.Cache {
	t.Helper()
	c, err := sqlite.OpenCache(t.Context(), path, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// vectorSet returns n keys and vectors, which are rounded already.
func vectorSet(n int) (keys [][32]byte, vectors [][]float32) {
	r := rand.New(rand.NewPCG(7, 8))
	for i := range n {
		keys = append(keys, sha256.Sum256([]byte(fmt.Sprint(i))))
		v := make([]float32, 64)
		for j := range v {
			v[j] = r.Float32() - 0.5
		}
		vectors = append(vectors, embed.Dequantize(embed.Quantize(v)))
	}
	return keys, vectors
}

func vectorsOf(t *testing.T, c *sqlite.Cache, space string, keys [][32]byte) [][]float32 {
	t.Helper()
	got, err := c.Vectors(t.Context(), space, keys)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestVectors(t *testing.T) {
	for _, path := range []string{sqlite.Memory, cachePath(t)} {
		c := openVectors(t, path)
		keys, vectors := vectorSet(300)
		if got := vectorsOf(t, c, "a", keys); len(got) != 300 || got[0] != nil {
			t.Error("an empty store has vectors")
		}
		if err := c.PutVectors(t.Context(), "a", keys[:290], vectors[:290]); err != nil {
			t.Fatal(err)
		}
		asked := slices.Concat(keys, keys[:3])
		got := vectorsOf(t, c, "a", asked)
		for i, v := range got {
			want := vectors[i%300]
			if i >= 290 && i < 300 {
				want = nil
			}
			if !slices.Equal(v, want) {
				t.Errorf("another vector for key %d", i)
			}
		}
		got[0][0]++
		if got[300][0] == got[0][0] {
			t.Error("two results share their memory")
		}
		if got := vectorsOf(t, c, "b", keys[:1]); got[0] != nil {
			t.Error("a vector in another space")
		}
	}
}

func TestPutVectorsAgain(t *testing.T) {
	path := cachePath(t)
	c := openVectors(t, path)
	keys, vectors := vectorSet(2)
	for i := range vectors {
		if err := c.PutVectors(t.Context(), "a", keys[:1], vectors[i:i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if got := vectorsOf(t, c, "a", keys[:1]); !slices.Equal(got[0], vectors[1]) {
		t.Error("not the latest one")
	}
	if got := query(t, path, "SELECT vectors || ' ' || (SELECT count(*) FROM vectors) FROM vector_totals"); got != "1 1" {
		t.Errorf("counted %s", got)
	}
	if err := c.PutVectors(t.Context(), "a", keys, vectors[:1]); err == nil {
		t.Error("a vector is missing")
	}
}

// Rows that make no sense are missing, and are mended by the next write.
func TestNonsenseVectors(t *testing.T) {
	path := cachePath(t)
	c := openVectors(t, path)
	keys, vectors := vectorSet(3)
	if err := c.PutVectors(t.Context(), "a", keys, vectors); err != nil {
		t.Fatal(err)
	}
	_ = query(t, path, "UPDATE vectors SET dims = 5 WHERE id = 1")
	_ = query(t, path, "UPDATE vectors SET scale = 1e300 WHERE id = 2")
	_ = query(t, path, "UPDATE vectors SET codes = x'', dims = 0 WHERE id = 3")
	for i, v := range vectorsOf(t, c, "a", keys) {
		if v != nil {
			t.Errorf("row %d has a vector", i+1)
		}
	}
	if err := c.PutVectors(t.Context(), "a", keys, vectors); err != nil {
		t.Fatal(err)
	}
	if got := vectorsOf(t, c, "a", keys); !slices.Equal(got[0], vectors[0]) {
		t.Error("not mended")
	}
}

// Beyond the bound those go that were not used for longest; what is read
// counts as used.
func TestVectorsAreBounded(t *testing.T) {
	path := cachePath(t)
	c := openVectors(t, path)
	keys, vectors := vectorSet(3)
	if err := c.PutVectors(t.Context(), "a", keys[:2], vectors[:2]); err != nil {
		t.Fatal(err)
	}
	// 200,000 more, of later days than the two.
	_ = query(t, path, `INSERT INTO vectors (space, key, dims, scale, codes, used_day)
		WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
		SELECT 'a', CAST(i AS BLOB), 1, 1.0, x'01', 100 FROM n`)
	_ = query(t, path, "UPDATE vectors SET used_day = 1 WHERE id <= 2")
	vectorsOf(t, c, "a", keys[:1])
	waitFor(t, func() bool { return query(t, path, "SELECT used_day FROM vectors WHERE id = 1") != "1" })
	if err := c.PutVectors(t.Context(), "a", keys[2:], vectors[2:]); err != nil {
		t.Fatal(err)
	}
	got := vectorsOf(t, c, "a", keys)
	if got[0] == nil || got[1] != nil || got[2] == nil {
		t.Errorf("there: %v, %v, %v", got[0] != nil, got[1] != nil, got[2] != nil)
	}
	if got := query(t, path, "SELECT vectors || ' ' || (SELECT count(*) FROM vectors) FROM vector_totals"); got != "200000 200000" {
		t.Errorf("counted %s", got)
	}
}

// waitFor waits for what another goroutine does with a file.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen")
		}
	}
}

func TestVectorsConcurrently(t *testing.T) {
	path := cachePath(t)
	keys, vectors := vectorSet(64)
	var wg sync.WaitGroup
	for part := range 4 {
		c := openVectors(t, path) // as two processes, and more, would
		wg.Go(func() {
			for i := part; i < len(keys); i++ {
				if err := c.PutVectors(t.Context(), "a", keys[i:i+1], vectors[i:i+1]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for i, v := range vectorsOf(t, openVectors(t, path), "a", keys) {
		if !slices.Equal(v, vectors[i]) {
			t.Errorf("another vector for key %d", i)
		}
	}
}

// The store and the keeper go together: what is kept does not change.
func TestKeptVectors(t *testing.T) {
	path := cachePath(t)
	m := embed.New(embed.Options{})
	texts := []string{"Review the login handler.", "", "Write release notes."}
	first, err := embed.Keep(m, openVectors(t, path)).Embed(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil { // from here on, all come from the store
		t.Fatal(err)
	}
	second, err := embed.Keep(m, openVectors(t, path)).Embed(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	for i := range texts {
		if !slices.Equal(first[i], second[i]) {
			t.Errorf("%q changed", texts[i])
		}
	}
}
