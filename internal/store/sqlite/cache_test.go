package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/layer/cache"
	"github.com/claude-force/claude-force/internal/layer/cache/cachetest"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/llm/llmtest"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

// roomy is a size that no test fills, in bytes.
const roomy = 100_000_000

func openCache(t *testing.T, path string, room int64) *sqlite.Cache {
	t.Helper()
	c, err := sqlite.OpenCache(t.Context(), path, room)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func cachePath(t *testing.T) string { return filepath.Join(t.TempDir(), "cache.db") }

func TestCacheConformance(t *testing.T) {
	for name, path := range map[string]func(*testing.T) string{
		"file":   cachePath,
		"memory": func(*testing.T) string { return sqlite.Memory },
	} {
		t.Run(name, func(t *testing.T) {
			cachetest.TestStore(t, func(t *testing.T) cache.Store { return openCache(t, path(t), roomy) })
		})
	}
}

// key is the key of entry n.
func key(n int) cache.Key { return cache.Key{byte(n), byte(n >> 8), byte(n >> 16)} }

var signer = [8]byte{1} // of the entries that no secret has signed

// putAt keeps an entry of a size that was stored at a second.
func putAt(t *testing.T, c *sqlite.Cache, n, size, second int) {
	t.Helper()
	e := cachetest.Entry(strings.Repeat("x", size), 1)
	e.Stored = time.Unix(int64(second), 0)
	if err := c.Put(t.Context(), key(n), e, "holder"); err != nil {
		t.Fatal(err)
	}
}

func has(t *testing.T, c *sqlite.Cache, n int) bool {
	t.Helper()
	_, found, err := c.Get(t.Context(), key(n), signer)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func totals(t *testing.T, c *sqlite.Cache) sqlite.CacheTotals {
	t.Helper()
	out, err := c.Totals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// checkTotals compares what the cache says with what there is.
func checkTotals(t *testing.T, path string) {
	t.Helper()
	for what, q := range map[string]string{
		"entries":                  "SELECT t.entries = (SELECT count(*) FROM entries) FROM totals t",
		"bytes":                    "SELECT t.bytes = (SELECT coalesce(sum(bytes), 0) FROM entries) FROM totals t",
		"entries without contents": "SELECT count(*) = 0 FROM entries WHERE id NOT IN (SELECT id FROM contents)",
		"contents that nobody will delete": `SELECT count(*) = 0 FROM contents WHERE id NOT IN (SELECT id FROM entries)
			AND id NOT IN (SELECT value FROM dropped, json_each(ids))`,
	} {
		if query(t, path, q) != "1" {
			t.Errorf("%s are wrong; entries: %s, totals: %s", what,
				query(t, path, "SELECT count(*) || ' of ' || sum(bytes) FROM entries"), query(t, path, "SELECT entries || ' of ' || bytes FROM totals"))
		}
	}
	if got := query(t, path, "PRAGMA integrity_check"); got != "ok" {
		t.Errorf("integrity: %s", got)
	}
}

func TestCacheTotals(t *testing.T) {
	for _, path := range []string{cachePath(t), sqlite.Memory} {
		c := openCache(t, path, roomy)
		putAt(t, c, 1, 1000, 1)
		putAt(t, c, 2, 1000, 1)
		putAt(t, c, 2, 500, 2)
		for range 2 {
			n := cache.Note{Counts: map[string]cache.Counts{
				"a": {MemoryHits: 1, DiskHits: 2, Joins: 3, Misses: 4, VerifyFailures: 5, Saved: 6}, "b": {Misses: 1},
			}}
			if err := c.Note(t.Context(), n); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.SetAside(t.Context(), key(1), signer); err != nil {
			t.Fatal(err)
		}
		got := totals(t, c)
		if got.Entries != 1 || got.Bytes < 500 || got.Bytes > 1000 || got.MaxBytes != roomy || got.Aside != 1 || got.Evictions != 0 {
			t.Errorf("totals = %+v", got)
		}
		want := map[string]cache.Counts{"a": {MemoryHits: 2, DiskHits: 4, Joins: 6, Misses: 8, VerifyFailures: 10, Saved: 12}, "b": {Misses: 2}}
		if len(got.ByAgent) != 2 || got.ByAgent["a"] != want["a"] || got.ByAgent["b"] != want["b"] {
			t.Errorf("by agent: %+v", got.ByAgent)
		}
		visited := 0
		err := c.Each(t.Context(), func(k cache.Key, e cache.Entry) error {
			visited++
			if k != key(2) || len(e.Value) != 500 || e.Signer != signer {
				t.Errorf("Each has %x, %d bytes", k, len(e.Value))
			}
			return nil
		})
		if n, clearErr := c.Clear(t.Context(), "", time.Time{}); err != nil || visited != 1 || clearErr != nil || n != 1 || totals(t, c).Bytes != 0 {
			t.Errorf("Each visited %d: %v; Clear = %d, %v", visited, err, n, clearErr)
		}
		if path != sqlite.Memory {
			checkTotals(t, path)
		}
	}
}

// The least recently used go first, in small steps, whenever they were stored.
func TestEvictionIsLeastRecentlyUsed(t *testing.T) {
	path := cachePath(t)
	probe := openCache(t, cachePath(t), roomy)
	putAt(t, probe, 1, 1000, 1)
	weight := totals(t, probe).Bytes // of an entry of 1,000 bytes, with its rows

	c := openCache(t, path, 100*weight)
	for n := range 100 {
		putAt(t, c, n, 1000, n)
	}
	if got := totals(t, c); got.Entries != 100 || got.Evictions != 0 {
		t.Fatalf("totals = %+v", got)
	}
	used := map[cache.Key]time.Time{key(0): time.Unix(200, 0), key(5): time.Unix(201, 0)}
	if err := c.Note(t.Context(), cache.Note{Used: used, Signer: signer}); err != nil {
		t.Fatal(err)
	}
	for n := 100; n < 110; n++ {
		putAt(t, c, n, 1000, 102+n)
	}
	var gone []int
	for n := range 110 {
		if !has(t, c, n) {
			gone = append(gone, n)
		}
	}
	if want := "[1 2 3 4 6 7 8 9 10 11]"; fmt.Sprint(gone) != want {
		t.Errorf("evicted %v, want %s", gone, want)
	}
	if got := totals(t, c); got.Evictions != int64(len(gone)) || got.Bytes > got.MaxBytes {
		t.Errorf("totals = %+v after %d evictions", got, len(gone))
	}
	checkTotals(t, path)
}

// Whatever the clock says, what has just been stored or used is not what goes
// next.
func TestEvictionIsFairWhereTheClockGoesBack(t *testing.T) {
	const day = 24 * 60 * 60
	c := openCache(t, cachePath(t), 50_000)
	for n := range 60 {
		putAt(t, c, n, 1000, 10*day+n)
	}
	oldest := 0
	for !has(t, c, oldest) {
		oldest++
	}
	for n := 60; n < 200; n++ {
		used := map[cache.Key]time.Time{key(oldest): time.Unix(int64(9*day+n), 0)}
		if err := c.Note(t.Context(), cache.Note{Used: used, Signer: signer}); err != nil {
			t.Fatal(err)
		}
		putAt(t, c, n, 1000, 9*day+n)
		for _, young := range []int{n, n - 1, n - 2, n - 3} {
			if !has(t, c, young) {
				t.Fatalf("after entry %d, entry %d is gone", n, young)
			}
		}
		if !has(t, c, oldest) {
			t.Fatalf("an entry that is in use went after entry %d", n)
		}
	}
}

// An answer that is larger than the whole store is not kept and costs no other
// its place; one that just fits does.
func TestTooLargeForTheStore(t *testing.T) {
	path := cachePath(t)
	c := openCache(t, path, 50_000)
	for n := range 10 {
		putAt(t, c, n, 1000, n)
	}
	if held, _, err := c.Acquire(t.Context(), key(99), "holder", false, time.Unix(20, 0)); !held || err != nil {
		t.Fatal(held, err)
	}
	putAt(t, c, 99, 50_001, 20)
	if got := totals(t, c); has(t, c, 99) || got.Entries != 10 || got.Evictions != 0 {
		t.Errorf("too large an entry was kept: %v; totals = %+v", has(t, c, 99), got)
	}
	if held, _, err := c.Acquire(t.Context(), key(99), "another", true, time.Unix(20, 0)); !held || err != nil {
		t.Errorf("its lease goes on: %v, %v", held, err)
	}
	putAt(t, c, 98, 44_000, 21)
	if got := totals(t, c); !has(t, c, 98) || got.Bytes > 50_000 {
		t.Errorf("a large entry that fits was not kept: totals = %+v", got)
	}
	checkTotals(t, path)
}

// Contents of evicted entries are deleted in slices by the writes that follow,
// and the file stays about as large as its limit allows.
func TestContentsAreSweptAndTheFileStaysSmall(t *testing.T) {
	const room = 300_000
	for name, c := range map[string]struct{ size, puts int }{
		"many small entries":            {100, 1500},
		"entries of a page":             {4000, 600},
		"entries of several":            {30_000, 100},
		"each takes more than a tenth":  {90_000, 60},
		"each takes more than the half": {180_000, 60},
	} {
		t.Run(name, func(t *testing.T) {
			path := cachePath(t)
			store := openCache(t, path, room)
			for n := range c.puts {
				putAt(t, store, n, c.size, n)
			}
			for n := range 60 {
				before := number(t, path, "SELECT count(*) FROM contents")
				putAt(t, store, c.puts+n, c.size, c.puts+n)
				if deleted := before + 1 - number(t, path, "SELECT count(*) FROM contents"); deleted > 32 {
					t.Errorf("one write deleted %d contents", deleted)
				}
			}
			all := number(t, path, "SELECT count(*) FROM contents")
			left := number(t, path, "SELECT count(*) FROM contents WHERE id NOT IN (SELECT id FROM entries)")
			if left > max(all/2, 2) {
				t.Errorf("%d of %d contents are of entries that were evicted", left, all)
			}
			checkTotals(t, path)
			if info, err := os.Stat(path); err != nil || info.Size() > 3*room {
				t.Errorf("the file has %d bytes for a limit of %d, %v", info.Size(), room, err)
			}
		})
	}
}

// number reads one with a connection of its own.
func number(t *testing.T, path, q string) int {
	t.Helper()
	n, err := strconv.Atoi(query(t, path, q))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// cacheChildEnv makes the test binary a process that keeps answers; see
// TestCacheChild.
const cacheChildEnv = "STORE_CACHE_CHILD"

// process is a layer over a store that is signed and spells for each key an
// answer of its own.
func process(store cache.Store, holder string) (*cache.Cache, llm.Caller, error) {
	c, err := cache.New(cache.Options{
		Store: store, Signer: cache.NewSigner([]byte("secret")), Holder: holder,
		Price: func(*llm.Request, *llm.Response) int64 { return 1 },
	})
	if err != nil {
		return nil, nil, err
	}
	return c, c.Layer()(llm.CallerFunc(func(_ context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
		text := answer(req.Reuse.Key)
		emit(llm.Event{Kind: llm.EventText, Text: text})
		return llmtest.Whole(req.Model, text), nil
	})), nil
}

// answer is the right answer to a key, of 100 to 6,000 bytes.
func answer(k cache.Key) string {
	return strings.Repeat(fmt.Sprintf("answer to %x. ", k[:3]), 5+int(k[0])*23%240)
}

func reusing(mode llm.ReuseMode, n int) *llm.Request {
	req := llmtest.Request()
	req.Reuse = llm.Reuse{Mode: mode, Key: key(n)}
	return req
}

// TestCacheChild is no test: where the environment says so, it keeps answers
// from one number to another, and says each that is kept.
func TestCacheChild(t *testing.T) {
	spec := os.Getenv(cacheChildEnv)
	if spec == "" {
		t.Skip("for processes that other tests start")
	}
	var from, to, room int
	before, path, _ := strings.Cut(spec, "@")
	if _, err := fmt.Sscanf(before, "%d,%d,%d", &from, &to, &room); err != nil {
		t.Fatal(err)
	}
	store, _, err := sqlite.OpenOrHealCache(t.Context(), path, int64(room))
	if err != nil {
		t.Fatal(err)
	}
	c, caller, err := process(store, fmt.Sprint("child ", from))
	if err != nil {
		t.Fatal(err)
	}
	c.Warn = func(err error) { t.Error(err) }
	for n := from; n < to; n++ {
		if _, err := caller.Call(t.Context(), reusing(llm.ReuseRefresh, n), llm.Discard); err != nil {
			t.Fatal(err)
		}
		fmt.Println(n)
	}
	if err := errors.Join(c.Close(), store.Close()); err != nil {
		t.Error(err)
	}
}

// child starts a process that keeps answers; said is told of each.
func child(t *testing.T, path string, from, to, room int, said func(cmd *exec.Cmd, n int)) error {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCacheChild$", "-test.v")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d,%d,%d@%s", cacheChildEnv, from, to, room, path))
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var rest strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if n, err := strconv.Atoi(lines.Text()); err == nil {
			said(cmd, n)
			continue
		}
		rest.WriteString(lines.Text() + "\n")
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%w\n%s", err, rest.String())
	}
	return nil
}

// checkGenuine verifies every entry.
func checkGenuine(t *testing.T, c *sqlite.Cache) (entries int) {
	t.Helper()
	secret := cache.NewSigner([]byte("secret"))
	err := c.Each(t.Context(), func(k cache.Key, e cache.Entry) error {
		entries++
		if !secret.Genuine(k, e) {
			t.Errorf("entry %x is not genuine", k[:3])
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return entries
}

// What was acknowledged before a kill is there, and all that is there is whole.
func TestKillWhileStoring(t *testing.T) {
	path := cachePath(t)
	for round, last := range []int{0, 3, 40, 170} {
		from := round * 1000
		acknowledged := from - 1
		err := child(t, path, from, from+1000, roomy, func(cmd *exec.Cmd, n int) {
			acknowledged = n
			if n == from+last {
				_ = cmd.Process.Kill()
			}
		})
		if e, ok := errors.AsType[*exec.ExitError](err); !ok || e.ExitCode() != -1 {
			t.Fatalf("the process was not killed: %v", err)
		}
		c, healed, err := sqlite.OpenOrHealCache(t.Context(), path, roomy)
		if err != nil || healed != "" {
			t.Fatalf("round %d: Open = %q, %v", round, healed, err)
		}
		if n := checkGenuine(t, c); n < acknowledged-from+1 {
			t.Errorf("round %d: %d entries", round, n)
		}
		for n := from; n <= acknowledged; n++ {
			if _, found, err := c.Get(t.Context(), key(n), cache.NewSigner([]byte("secret")).ID()); !found || err != nil {
				t.Errorf("round %d: entry %d was acknowledged, and is not there: %v", round, n, err)
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		checkTotals(t, path)
	}
}

// Eight processes write and evict at once; one limit holds for all.
func TestProcessesShareTheLimit(t *testing.T) {
	path := cachePath(t)
	const room, processes, each = 200_000, 8, 80
	var wg sync.WaitGroup
	for p := range processes {
		wg.Go(func() {
			said := 0
			if err := child(t, path, p*1000, p*1000+each, room, func(*exec.Cmd, int) { said++ }); err != nil || said != each {
				t.Errorf("process %d kept %d: %v", p, said, err)
			}
		})
	}
	wg.Wait()
	c := openCache(t, path, room)
	got := totals(t, c)
	if got.Bytes > room || got.Evictions == 0 || got.Entries+got.Evictions != processes*each || got.Entries < 10 {
		t.Errorf("totals = %+v", got)
	}
	if n := checkGenuine(t, c); int64(n) != got.Entries {
		t.Errorf("%d entries, totals say %d", n, got.Entries)
	}
	checkTotals(t, path)
}
