package cachetest

import (
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/layer/cache"
)

// acquire tries to take the lease of a key and checks whether that succeeds
// and which outcome comes with it.
func acquire(t *testing.T, s cache.Store, key cache.Key, holder string, waiting bool, after time.Duration, wantHeld bool, wantOutcome string) {
	t.Helper()
	held, outcome, err := s.Acquire(t.Context(), key, holder, waiting, start().Add(after))
	if err != nil || held != wantHeld || string(outcome) != wantOutcome {
		t.Errorf("%s, waiting %v, after %v: Acquire = %v, %q, %v, want %v, %q", holder, waiting, after, held, outcome, err, wantHeld, wantOutcome)
	}
}

func release(t *testing.T, s cache.Store, key cache.Key, holder, outcome string, after time.Duration) {
	t.Helper()
	var left []byte
	if outcome != "" {
		left = []byte(outcome)
	}
	if err := s.Release(t.Context(), key, holder, left, start().Add(after)); err != nil {
		t.Error(err)
	}
}

func testLease(t *testing.T, s cache.Store) {
	acquire(t, s, cache.Key{1}, "first", false, 0, true, "")
	acquire(t, s, cache.Key{1}, "second", false, 0, false, "")
	acquire(t, s, cache.Key{1}, "second", true, cache.LeaseTime/2, false, "")
	// A process that asks twice waits for itself.
	acquire(t, s, cache.Key{1}, "first", false, cache.LeaseTime/2, false, "")
	acquire(t, s, cache.Key{2}, "second", false, 0, true, "")
	acquire(t, s, cache.Key{31: 1}, "first", false, 0, true, "")
}

func testPutEndsLease(t *testing.T, s cache.Store) {
	acquire(t, s, cache.Key{1}, "first", false, 0, true, "")
	acquire(t, s, cache.Key{2}, "first", false, 0, true, "")
	if err := s.Put(t.Context(), cache.Key{1}, Entry("of who did not wait", 1), "other"); err != nil {
		t.Fatal(err)
	}
	acquire(t, s, cache.Key{1}, "second", true, 0, false, "")
	if err := s.Put(t.Context(), cache.Key{1}, Entry("an answer", 1), "first"); err != nil {
		t.Fatal(err)
	}
	acquire(t, s, cache.Key{1}, "second", true, 0, true, "")
	acquire(t, s, cache.Key{2}, "second", true, 0, false, "")
}

func testRelease(t *testing.T, s cache.Store) {
	acquire(t, s, cache.Key{1}, "first", false, 0, true, "")
	acquire(t, s, cache.Key{2}, "first", false, 0, true, "")
	release(t, s, cache.Key{1}, "other", "", 0)
	release(t, s, cache.Key{1}, "other", "nonsense", 0)
	acquire(t, s, cache.Key{1}, "second", true, 0, false, "")
	release(t, s, cache.Key{1}, "first", "", 0)
	acquire(t, s, cache.Key{1}, "second", true, 0, true, "")
	acquire(t, s, cache.Key{2}, "second", true, 0, false, "")
	release(t, s, cache.Key{3}, "first", "", 0) // nobody holds it
	acquire(t, s, cache.Key{3}, "second", false, 0, true, "")
}

func testExtend(t *testing.T, s cache.Store) {
	acquire(t, s, cache.Key{1}, "first", false, 0, true, "")
	acquire(t, s, cache.Key{2}, "first", false, 0, true, "")
	acquire(t, s, cache.Key{3}, "dead", false, 0, true, "")
	var now time.Duration
	for range 5 {
		now += cache.LeaseTime * 2 / 3
		if err := s.Extend(t.Context(), "first", start().Add(now)); err != nil {
			t.Fatal(err)
		}
	}
	acquire(t, s, cache.Key{1}, "second", true, now, false, "")
	acquire(t, s, cache.Key{2}, "second", true, now+cache.LeaseTime/2, false, "")
	acquire(t, s, cache.Key{3}, "second", true, now, true, "")
	acquire(t, s, cache.Key{1}, "second", true, now+cache.LeaseTime+time.Millisecond, true, "")
}

func testTakeover(t *testing.T, s cache.Store) {
	key := cache.Key{1}
	acquire(t, s, key, "dead", false, 0, true, "")
	acquire(t, s, key, "second", true, cache.LeaseTime-time.Millisecond, false, "")
	now := cache.LeaseTime + time.Millisecond
	acquire(t, s, key, "second", true, now, true, "")
	acquire(t, s, key, "third", true, now, false, "")

	// Nothing that the dead one does, coming back, takes the lease away.
	if err := s.Extend(t.Context(), "dead", start().Add(now)); err != nil {
		t.Error(err)
	}
	release(t, s, key, "dead", "too late", now)
	release(t, s, key, "dead", "", now)
	if err := s.Put(t.Context(), key, Entry("late, and good all the same", 1), "dead"); err != nil {
		t.Error(err)
	}
	want(t, s, key, Entry("late, and good all the same", 1))
	acquire(t, s, key, "third", true, now, false, "")
	release(t, s, key, "second", "", now)
	acquire(t, s, key, "third", true, now, true, "")
}

func testClock(t *testing.T, s cache.Store) {
	const day = 24 * time.Hour
	acquire(t, s, cache.Key{1}, "first", false, 0, true, "")
	acquire(t, s, cache.Key{1}, "second", true, -day, true, "")
	acquire(t, s, cache.Key{1}, "third", true, -day, false, "")
	// Back to the right time: a day ahead of the lease.
	acquire(t, s, cache.Key{1}, "third", true, 0, true, "")

	acquire(t, s, cache.Key{2}, "first", false, 0, true, "")
	release(t, s, cache.Key{2}, "first", "an outcome", 0)
	acquire(t, s, cache.Key{2}, "second", true, -day, true, "")

	// A holder who lives brings its lease to the new time.
	acquire(t, s, cache.Key{3}, "first", false, 0, true, "")
	if err := s.Extend(t.Context(), "first", start().Add(-day)); err != nil {
		t.Error(err)
	}
	acquire(t, s, cache.Key{3}, "second", true, -day, false, "")
}

func testOutcome(t *testing.T, s cache.Store) {
	key := cache.Key{1}
	acquire(t, s, key, "first", false, 0, true, "")
	release(t, s, key, "first", "no\x00thing", 0)
	for _, holder := range []string{"second", "third", "first"} {
		acquire(t, s, key, holder, true, time.Second, false, "no\x00thing")
	}
	acquire(t, s, cache.Key{2}, "second", true, 0, true, "")

	// Who comes later makes a call of its own, and others wait for that.
	acquire(t, s, key, "fourth", false, 2*time.Second, true, "")
	acquire(t, s, key, "second", true, 2*time.Second, false, "")
	release(t, s, key, "first", "", 2*time.Second)
	acquire(t, s, key, "second", true, 2*time.Second, false, "")
	release(t, s, key, "fourth", "again", 2*time.Second)
	acquire(t, s, key, "second", true, 2*time.Second, false, "again")
}

func testOutcomeEnds(t *testing.T, s cache.Store) {
	key := cache.Key{1}
	acquire(t, s, key, "first", false, 0, true, "")
	release(t, s, key, "first", "outcome", 0)
	if err := s.Extend(t.Context(), "first", start().Add(time.Second)); err != nil {
		t.Error(err)
	}
	acquire(t, s, key, "second", true, cache.OutcomeTime-time.Millisecond, false, "outcome")
	// Outcomes of others come and go.
	acquire(t, s, cache.Key{2}, "first", false, 0, true, "")
	release(t, s, cache.Key{2}, "first", "other", time.Second)
	acquire(t, s, key, "second", true, cache.OutcomeTime-time.Millisecond, false, "outcome")
	acquire(t, s, key, "second", true, cache.OutcomeTime+time.Millisecond, true, "")
}
