package cache_test

import (
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/layer/cache"
	"github.com/claude-force/claude-force/internal/layer/cache/cachetest"
	"github.com/claude-force/claude-force/internal/llm"
)

func TestCounts(t *testing.T) {
	store := &cachetest.Memory{}
	r := newRig(t, store, nil)
	r.want(t, llm.ReuseOn, 1, "an answer", llm.SourceMiss)
	for range 3 {
		r.want(t, llm.ReuseOn, 1, "an answer", llm.SourceMemory)
	}
	r.want(t, llm.ReuseRefresh, 1, "an answer", llm.SourceMiss)
	_, _, _ = r.call(t, llm.ReuseOnly, 2)
	r.want(t, llm.ReuseOff, 1, "an answer", "")
	r.Joined("code-reviewer", 5)
	r.Joined("another", 7)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	second := newRig(t, store, nil)
	second.want(t, llm.ReuseOn, 1, "an answer", llm.SourceDisk)
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	noted := store.Noted()
	want := cache.Counts{MemoryHits: 3, DiskHits: 1, Joins: 1, Misses: 3, Saved: 4*price + 5}
	if got := noted.Counts["code-reviewer"]; got != want {
		t.Errorf("counts = %+v, want %+v", got, want)
	}
	if got := noted.Counts["another"]; got != (cache.Counts{Joins: 1, Saved: 7}) {
		t.Errorf("counts of another agent = %+v", got)
	}
	if at := noted.Used[cache.Key{1}]; !at.Equal(second.clock.Now()) || len(noted.Used) != 1 {
		t.Errorf("uses = %v", noted.Used)
	}
	if noted.Signer != r.Signer.ID() {
		t.Errorf("the note's signer is %x", noted.Signer)
	}
	// What was kept is not kept again.
	notes := store.Calls().Note
	if err := r.Close(); err != nil || store.Calls().Note != notes {
		t.Errorf("Close = %v, and kept counts again", err)
	}
}

// Hits write nothing each: what they have to say is gathered.
func TestHitsAreNotedInBatches(t *testing.T) {
	store := &cachetest.Memory{}
	r := newRig(t, store, nil)
	r.want(t, llm.ReuseOn, 1, "an answer", llm.SourceMiss)
	const hits = 5000
	for range hits {
		r.clock.move(time.Millisecond)
		r.want(t, llm.ReuseOn, 1, "an answer", llm.SourceMemory)
	}
	if n := store.Calls().Note; n == 0 || n > 50 {
		t.Errorf("%d hits in 5 s were noted in %d writes", hits, n)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if got := store.Noted().Counts["code-reviewer"].MemoryHits; got != hits {
		t.Errorf("%d of %d hits were counted", got, hits)
	}
}
