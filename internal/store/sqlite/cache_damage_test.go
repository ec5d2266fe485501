package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/layer/cache/cachetest"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

// The file that is then damaged holds so many answers, has evicted some, and
// has room for so many bytes.
const (
	entriesBefore, evictedBefore = 25, 10
	damagedRoom                  = 75_000
)

// intactFile is a cache of a process that has ended, with everything in it
// that there can be: entries, evicted ones, counts, a lease and an entry aside.
func intactFile(t *testing.T) []byte {
	t.Helper()
	path := cachePath(t)
	store, err := sqlite.OpenCache(t.Context(), path, damagedRoom)
	if err != nil {
		t.Fatal(err)
	}
	c, caller, err := process(store, "intact")
	if err != nil {
		t.Fatal(err)
	}
	for n := range entriesBefore + evictedBefore {
		if _, err := caller.Call(t.Context(), reusing(llm.ReuseOn, n), llm.Discard); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := store.Acquire(t.Context(), key(1<<20), "dead", false, c.Now()); err != nil {
		t.Fatal(err)
	}
	if err := store.SetAside(t.Context(), key(entriesBefore+evictedBefore-1), c.Signer.ID()); err != nil {
		t.Fatal(err)
	}
	if totals(t, store).Evictions == 0 {
		t.Fatal("nothing was evicted")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// kinds are the ways in which a file is damaged.
var kinds = []struct {
	name   string
	damage func(r *rand.Rand, file []byte) []byte
}{
	{"a byte of the header", func(r *rand.Rand, f []byte) []byte { f[r.IntN(100)] ^= byte(1 + r.IntN(255)); return f }},
	{"bytes of the schema", func(r *rand.Rand, f []byte) []byte { return spray(r, f, 100, 4096, 1+r.IntN(8)) }},
	{"a byte anywhere", func(r *rand.Rand, f []byte) []byte { return spray(r, f, 0, len(f), 1) }},
	{"many bytes anywhere", func(r *rand.Rand, f []byte) []byte { return spray(r, f, 0, len(f), 300) }},
	{"bytes after the schema", func(r *rand.Rand, f []byte) []byte { return spray(r, f, 4096, len(f), 300) }},
	{"the beginnings of pages", func(r *rand.Rand, f []byte) []byte {
		for range 10 {
			f[4096*(1+r.IntN(len(f)/4096-1))+r.IntN(12)] ^= byte(1 + r.IntN(255))
		}
		return f
	}},
	{"pages of zeros", func(r *rand.Rand, f []byte) []byte {
		for range 1 + r.IntN(5) {
			clear(f[4096*r.IntN(len(f)/4096):][:4096])
		}
		return f
	}},
	{"pages in each other's place", func(r *rand.Rand, f []byte) []byte {
		a, b := f[4096*(1+r.IntN(len(f)/4096-1)):][:4096], f[4096*(1+r.IntN(len(f)/4096-1)):][:4096]
		c := bytes.Clone(a)
		copy(a, b)
		copy(b, c)
		return f
	}},
	{"cut short", func(r *rand.Rand, f []byte) []byte { return f[:r.IntN(len(f))] }},
	{"text", func(*rand.Rand, []byte) []byte { return bytes.Repeat([]byte("this is no database\n"), 500) }},
	{"empty", func(*rand.Rand, []byte) []byte { return nil }},
}

func spray(r *rand.Rand, f []byte, from, to, n int) []byte {
	for range n {
		f[from+r.IntN(to-from)] ^= byte(1 + r.IntN(255))
	}
	return f
}

// use is a process over the file: it asks for what was there, and for something
// new. It returns what it was warned of, and whether the new answer was kept.
// All its answers must be right.
func use(t *testing.T, path string, fresh int) (warned []string, kept bool) {
	t.Helper()
	store, healed, err := sqlite.OpenOrHealCache(t.Context(), path, damagedRoom)
	if healed != "" {
		warned = append(warned, "moved to "+healed)
	}
	if err != nil {
		return append(warned, err.Error()), false
	}
	defer func() { _ = store.Close() }() // a damaged file may not take its last write
	c, caller, err := process(store, fmt.Sprint("use ", fresh))
	if err != nil {
		t.Fatal(err)
	}
	// The leases of whoever was killed have ended by now.
	c.Now = func() time.Time { return time.Now().Add(time.Hour) }
	var mu sync.Mutex
	c.Warn = func(err error) {
		mu.Lock()
		defer mu.Unlock()
		warned = append(warned, err.Error())
	}
	var wg sync.WaitGroup
	for part := range 4 {
		wg.Go(func() {
			for n := part; n < entriesBefore+evictedBefore; n += 4 {
				var streamed strings.Builder
				resp, err := caller.Call(context.Background(), reusing(llm.ReuseOn, n), func(e llm.Event) { streamed.WriteString(e.Text) })
				if err != nil || resp.Text != answer(key(n)) || streamed.String() != resp.Text {
					t.Errorf("request %d: %.40q, %v", n, resp.Text, err)
				}
			}
		})
	}
	wg.Wait()
	if _, err := caller.Call(t.Context(), reusing(llm.ReuseOn, fresh), llm.Discard); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		c.Warn(err)
	}
	_, kept, err = store.Get(t.Context(), key(fresh), c.Signer.ID())
	return warned, kept && err == nil
}

// checkAside checks that what was moved is where the warnings say, and that
// the user's own file in the folder is untouched.
func checkAside(t *testing.T, dir string, warned []string) {
	t.Helper()
	for _, w := range warned {
		_, rest, found := strings.Cut(w, "moved to ")
		if !found {
			continue
		}
		aside, _, _ := strings.Cut(rest, " and a new one")
		if _, err := os.Lstat(aside); err != nil {
			t.Errorf("the damaged file is gone: %v", err)
		}
	}
	if own, err := os.ReadFile(filepath.Join(dir, "cache.db.notes")); err != nil || string(own) != "mine" {
		t.Errorf("a foreign file was changed: %s, %v", own, err)
	}
}

// survive has processes use a damaged file, one after the other. None gives a
// wrong answer; whatever cannot be kept is said; the second one has a cache
// that works.
func survive(t *testing.T, files map[string][]byte) {
	t.Helper()
	dir := t.TempDir()
	files["cache.db.notes"] = []byte("mine")
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "cache.db")
	var all []string
	for round := range 2 {
		warned, kept := use(t, path, 1_000_000+round)
		all = append(all, warned...)
		switch {
		case !kept && len(warned) == 0:
			t.Errorf("round %d: an answer was not kept, and nothing was said", round)
		case !kept && round > 0 && !strings.Contains(warned[0], sqlite.ErrNewer.Error()):
			t.Errorf("round %d: still no cache: %.300q", round, warned)
		}
	}
	checkAside(t, dir, all)
}

func TestDamageAtRandom(t *testing.T) {
	intact := intactFile(t)
	for k, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			for seed := range 5 {
				t.Run(fmt.Sprint(seed), func(t *testing.T) {
					r := rand.New(rand.NewPCG(uint64(seed), uint64(k)))
					survive(t, map[string][]byte{"cache.db": kind.damage(r, bytes.Clone(intact))})
				})
			}
		})
	}
}

// A process was killed, and what it left of its log is damaged.
func TestDamagedLog(t *testing.T) {
	path := cachePath(t)
	store := openCache(t, path, damagedRoom)
	_, caller, err := process(store, "killed")
	if err != nil {
		t.Fatal(err)
	}
	for n := range entriesBefore {
		if _, err := caller.Call(t.Context(), reusing(llm.ReuseOn, n), llm.Discard); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(path + "-wal")
	if err != nil || len(log) < 100_000 {
		t.Fatalf("the log has %d bytes, %v", len(log), err)
	}
	for seed := range 8 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(seed), 0))
			survive(t, map[string][]byte{
				"cache.db": bytes.Clone(file), "cache.db-wal": spray(r, bytes.Clone(log), 0, len(log), 1+seed*20), "cache.db-shm": []byte("no index"),
			})
		})
	}
}

// Fields of the header that decide what the rest means.
func TestDamagedHeader(t *testing.T) {
	intact := intactFile(t)
	for name, c := range map[string]struct {
		at    int
		value byte
	}{
		"a schema before the first":  {60, 0xff},
		"no schema":                  {63, 0},
		"a schema to come":           {60, 1},
		"who may write":              {18, 9},
		"who may read":               {19, 9},
		"another encoding":           {59, 2},
		"an encoding that is none":   {59, 9},
		"no automatic vacuum":        {67, 0},
		"another size of pages":      {16, 0x20},
		"more pages than there are":  {28, 0x7f},
		"a free page that is none":   {35, 0xff},
		"more free pages than there": {36, 0x7f},
	} {
		t.Run(name, func(t *testing.T) {
			damaged := bytes.Clone(intact)
			damaged[c.at] = c.value
			survive(t, map[string][]byte{"cache.db": damaged})
		})
	}
	t.Run("not of the state", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "state.db")
		if err := open(t, path).Close(); err != nil {
			t.Fatal(err)
		}
		_ = query(t, path, "PRAGMA user_version = -5")
		if _, err := sqlite.Open(t.Context(), path); err == nil {
			t.Error("a state whose schema is before the first was opened")
		}
	})
}

// A file that is no database is moved as it is, and so is its log.
func TestAForeignFileIsMovedNotDeleted(t *testing.T) {
	path := cachePath(t)
	foreign := map[string]string{path: strings.Repeat("a diary. ", 1000), path + "-wal": "of the diary", path + "-shm": "too"}
	for name, text := range foreign {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, aside, err := sqlite.OpenOrHealCache(t.Context(), path, roomy)
	if err != nil || !strings.HasPrefix(aside, path+".damaged-") {
		t.Fatalf("Open = %q, %v", aside, err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if got, err := os.ReadFile(aside); err != nil || string(got) != foreign[path] {
		t.Errorf("the file is now %.20q, %v", got, err)
	}
	putAt(t, c, 1, 100, 1)
	if !has(t, c, 1) {
		t.Error("the new cache keeps nothing")
	}
}

func TestANewerFileStays(t *testing.T) {
	path := cachePath(t)
	c, err := sqlite.OpenCache(t.Context(), path, roomy)
	if err != nil {
		t.Fatal(err)
	}
	putAt(t, c, 1, 100, 1)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	_ = query(t, path, "PRAGMA user_version = 99")
	if _, aside, err := sqlite.OpenOrHealCache(t.Context(), path, roomy); !errors.Is(err, sqlite.ErrNewer) || aside != "" {
		t.Errorf("Open = %q, %v", aside, err)
	}
	if got := query(t, path, "SELECT count(*) FROM entries"); got != "1" {
		t.Errorf("%s entries are left", got)
	}
}

// Totals that say nonsense are mended at the next eviction, and the limit
// holds again.
func TestDamagedTotals(t *testing.T) {
	for _, bytes := range []string{"-1000000", "0", "1 << 60", "40000"} {
		t.Run(bytes, func(t *testing.T) {
			path := cachePath(t)
			c := openCache(t, path, 50_000)
			for n := range 20 {
				putAt(t, c, n, 1000, n)
			}
			_ = query(t, path, "UPDATE totals SET entries = 7, bytes = "+bytes)
			for n := 20; n < 100; n++ {
				putAt(t, c, n, 1000, n)
				if !has(t, c, n) {
					t.Fatalf("entry %d was evicted at once", n)
				}
			}
			checkTotals(t, path)
			if got := totals(t, c); got.Bytes > 50_000 || got.Entries < 20 {
				t.Errorf("totals = %+v", got)
			}
		})
	}
}

// Two have the file open when it turns out to be damaged: one of them moves
// it, and both go on with the new one.
func TestOneOfTwoMovesTheFile(t *testing.T) {
	path := cachePath(t)
	damaged := intactFile(t)
	for at := 2 * 4096; at < len(damaged); at += 4096 {
		clear(damaged[at:][:16])
	}
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	first, second := openCache(t, path, roomy), openCache(t, path, roomy)
	for _, c := range []*sqlite.Cache{first, second} {
		err := c.Put(t.Context(), key(1), cachetest.Entry("an answer", 1), "holder")
		if e, ok := errors.AsType[*sqlite.HealedError](err); !ok || !strings.Contains(e.Error(), "a new one was begun") {
			t.Fatalf("Put = %v, want to be told that the file was damaged", err)
		}
	}
	putAt(t, first, 2, 100, 1)
	if !has(t, second, 2) {
		t.Error("the two use two files")
	}
	if aside, err := filepath.Glob(path + ".damaged-*"); err != nil || len(aside) == 0 {
		t.Errorf("moved aside: %v, %v", aside, err)
	} else {
		for _, name := range aside {
			if !strings.HasPrefix(name, strings.TrimSuffix(strings.TrimSuffix(aside[0], "-shm"), "-wal")) {
				t.Errorf("two files were moved: %v", aside)
			}
		}
	}
}

// Five processes meet one damaged file at the same time.
func TestProcessesHealAtOnce(t *testing.T) {
	path := cachePath(t)
	if err := os.WriteFile(path, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for p := range 5 {
		wg.Go(func() {
			if err := child(t, path, p*1000, p*1000+30, roomy, func(*exec.Cmd, int) {}); err != nil {
				t.Errorf("process %d: %v", p, err)
			}
		})
	}
	wg.Wait()
	c, healed, err := sqlite.OpenOrHealCache(t.Context(), path, roomy)
	if err != nil || healed != "" {
		t.Fatalf("Open = %q, %v", healed, err)
	}
	if n := checkGenuine(t, c); n == 0 {
		t.Error("nothing was kept")
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	checkTotals(t, path)
}
