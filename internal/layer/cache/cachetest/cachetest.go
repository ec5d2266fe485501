// Package cachetest has what tests of the response cache need: the conformance
// suite that every store of it passes, and a store in memory.
package cachetest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/layer/cache"
)

// start is the time at which the suite's clock begins; entries and leases
// count in microseconds.
func start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 123_456_000, time.UTC) }

// Entry is an entry for tests; its MAC fits no secret.
func Entry(value string, signer byte) cache.Entry {
	return cache.Entry{
		Value: []byte(value), MAC: [32]byte{1, 2, 3, signer}, Signer: [8]byte{signer},
		Agent: "code-reviewer", Stored: start(),
	}
}

// TestStore is the conformance suite: what the layer relies on, whatever keeps
// its entries. open makes a store that is empty and has room for 1 MB at
// least; it also closes it.
func TestStore(t *testing.T, open func(t *testing.T) cache.Store) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, cache.Store){
		"entries come back as they were put":      testEntries,
		"a key has one entry for each signer":     testSigners,
		"a later entry replaces an earlier one":   testReplace,
		"an entry that is set aside is a miss":    testSetAside,
		"notes are taken, of unknown keys too":    testNotes,
		"many goroutines at once":                 testAtOnce,
		"one holder has a lease":                  testLease,
		"a lease ends with its holder's entry":    testPutEndsLease,
		"a lease ends with its release":           testRelease,
		"a lease lives while it is extended":      testExtend,
		"a dead holder's lease is taken over":     testTakeover,
		"a lease ends with a clock that is moved": testClock,
		"an outcome is for those who wait":        testOutcome,
		"an outcome does not last":                testOutcomeEnds,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func put(t *testing.T, s cache.Store, key cache.Key, e cache.Entry) {
	t.Helper()
	if err := s.Put(t.Context(), key, e, "somebody"); err != nil {
		t.Fatal(err)
	}
}

// want checks the entry of a key and a signer.
func want(t *testing.T, s cache.Store, key cache.Key, e cache.Entry) {
	t.Helper()
	got, found, err := s.Get(t.Context(), key, e.Signer)
	if err != nil || !found {
		t.Fatalf("Get = %v, %v, want an entry", found, err)
	}
	if !bytes.Equal(got.Value, e.Value) || got.MAC != e.MAC || got.Signer != e.Signer || got.Agent != e.Agent || !got.Stored.Equal(e.Stored) {
		t.Errorf("Get = %.60v, want %.60v", got, e)
	}
	if got.Stored.Location() != time.UTC {
		t.Errorf("the time is in %v, want UTC", got.Stored.Location())
	}
}

func wantNone(t *testing.T, s cache.Store, key cache.Key, signer [8]byte) {
	t.Helper()
	if e, found, err := s.Get(t.Context(), key, signer); found || err != nil {
		t.Errorf("Get = %.60v, %v, %v, want no entry", e, found, err)
	}
}

func testEntries(t *testing.T, s cache.Store) {
	wantNone(t, s, cache.Key{1}, [8]byte{1})
	values := map[cache.Key]string{
		{1}: "an answer", {2}: "x", {3}: "\x00\xff'; DROP TABLE entries; --",
		{4}: string(bytes.Repeat([]byte("long "), 20_000)), {31: 1}: "the last byte of the key counts",
	}
	for key, v := range values {
		put(t, s, key, Entry(v, 1))
	}
	for key, v := range values {
		want(t, s, key, Entry(v, 1))
	}
	wantNone(t, s, cache.Key{}, [8]byte{1})

	e := Entry("what Get returns is the caller's own", 1)
	put(t, s, cache.Key{5}, e)
	got, _, err := s.Get(t.Context(), cache.Key{5}, e.Signer)
	if err != nil {
		t.Fatal(err)
	}
	clear(got.Value)
	want(t, s, cache.Key{5}, e)
}

func testSigners(t *testing.T, s cache.Store) {
	key := cache.Key{1}
	put(t, s, key, Entry("of the first", 1))
	wantNone(t, s, key, [8]byte{2})
	put(t, s, key, Entry("of the second", 2))
	want(t, s, key, Entry("of the first", 1))
	want(t, s, key, Entry("of the second", 2))
	if err := s.SetAside(t.Context(), key, [8]byte{2}); err != nil {
		t.Fatal(err)
	}
	want(t, s, key, Entry("of the first", 1))
	wantNone(t, s, key, [8]byte{2})
}

func testReplace(t *testing.T, s cache.Store) {
	key := cache.Key{1}
	for i, v := range []string{"first", "a second, which is longer", "3"} {
		e := Entry(v, 1)
		e.MAC[0], e.Agent, e.Stored = byte(i), fmt.Sprint("agent ", i), start().Add(time.Duration(i)*time.Hour)
		put(t, s, key, e)
		want(t, s, key, e)
	}
}

func testSetAside(t *testing.T, s cache.Store) {
	for _, key := range []cache.Key{{1}, {2}} {
		put(t, s, key, Entry("an answer", 1))
	}
	for range 2 { // the second time there is nothing to set aside
		if err := s.SetAside(t.Context(), cache.Key{1}, [8]byte{1}); err != nil {
			t.Fatal(err)
		}
		wantNone(t, s, cache.Key{1}, [8]byte{1})
	}
	want(t, s, cache.Key{2}, Entry("an answer", 1))
	put(t, s, cache.Key{1}, Entry("a new answer", 1))
	want(t, s, cache.Key{1}, Entry("a new answer", 1))
}

func testNotes(t *testing.T, s cache.Store) {
	key := cache.Key{1}
	put(t, s, key, Entry("an answer", 1))
	for _, n := range []cache.Note{
		{},
		{Counts: map[string]cache.Counts{"a": {Misses: 1}, "": {DiskHits: 2}}, Signer: [8]byte{1}},
		{Counts: map[string]cache.Counts{"a": {MemoryHits: 3, Joins: 4, VerifyFailures: 5, Saved: 1 << 60}}, Signer: [8]byte{1}},
		{Used: map[cache.Key]time.Time{key: start().Add(time.Hour), {9}: start()}, Signer: [8]byte{1}},
		{Used: map[cache.Key]time.Time{key: start()}, Signer: [8]byte{2}},
	} {
		if err := s.Note(t.Context(), n); err != nil {
			t.Errorf("Note(%+v) = %v", n, err)
		}
	}
	want(t, s, key, Entry("an answer", 1))
	wantNone(t, s, cache.Key{9}, [8]byte{1})
}

func testAtOnce(t *testing.T, s cache.Store) {
	var wg sync.WaitGroup
	var held atomic.Int32
	shared := cache.Key{31: 1}
	for i := range 20 {
		wg.Go(func() {
			ctx := context.Background()
			own := cache.Key{byte(i)}
			if ok, _, err := s.Acquire(ctx, shared, fmt.Sprint(i), false, start()); err != nil {
				t.Error(err)
			} else if ok {
				held.Add(1)
			}
			for n := range 10 {
				e := Entry(fmt.Sprintf("%d: answer %d", i, n), 1)
				if err := s.Put(ctx, own, e, fmt.Sprint("none ", i)); err != nil {
					t.Error(err)
				}
				got, found, err := s.Get(ctx, own, e.Signer)
				if err != nil || !found || !bytes.Equal(got.Value, e.Value) {
					t.Errorf("Get = %s, %v, %v, want %s", got.Value, found, err, e.Value)
				}
				if err := s.Note(ctx, cache.Note{Counts: map[string]cache.Counts{"a": {DiskHits: 1}}, Used: map[cache.Key]time.Time{own: start()}, Signer: e.Signer}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := held.Load(); n != 1 {
		t.Errorf("%d of 20 hold one lease", n)
	}
}
