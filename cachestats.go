package claudeforce

import (
	"context"
	"time"

	"github.com/claude-force/claude-force/internal/layer/cache"
)

// CacheCounts are how requests were answered, over all processes.
type CacheCounts struct {
	// Hits are answers without a call: MemoryHits, DiskHits and Joins (calls
	// of others that were in flight).
	Hits       int64 `json:"hits"`
	MemoryHits int64 `json:"memory_hits"`
	DiskHits   int64 `json:"disk_hits"`
	Joins      int64 `json:"joins"`
	Misses     int64 `json:"misses"`
	// HitRate is Hits over all, from 0 to 1; 0 where there were none.
	HitRate        float64 `json:"hit_rate"`
	VerifyFailures int64   `json:"verify_failures"`
	// Saved is what the calls would have cost that were not made.
	Saved Money `json:"saved_usd"`
}

// CacheStats are what the response cache holds and has done.
type CacheStats struct {
	CacheCounts
	Entries   int64 `json:"entries"`
	Bytes     int64 `json:"bytes"`
	MaxBytes  int64 `json:"max_bytes"`
	Evictions int64 `json:"evictions"`
	// Aside is how many entries failed their verification and are kept for
	// inspection.
	Aside   int64                  `json:"aside"`
	ByAgent map[string]CacheCounts `json:"by_agent,omitempty"`
}

func publicCounts(c cache.Counts) CacheCounts {
	out := CacheCounts{
		MemoryHits: c.MemoryHits, DiskHits: c.DiskHits, Joins: c.Joins, Misses: c.Misses,
		VerifyFailures: c.VerifyFailures, Saved: Money(c.Saved),
	}
	out.Hits = out.MemoryHits + out.DiskHits + out.Joins
	if all := out.Hits + out.Misses; all > 0 {
		out.HitRate = float64(out.Hits) / float64(all)
	}
	return out
}

// CacheStats returns what the response cache holds and has done.
func (e *Engine) CacheStats(ctx context.Context) (CacheStats, error) {
	a, err := e.openedCache()
	if err != nil {
		return CacheStats{}, err
	}
	if err := a.cache.Flush(); err != nil {
		return CacheStats{}, configError("the cache cannot be written", "", err)
	}
	t, err := a.store.Totals(ctx)
	if err != nil {
		return CacheStats{}, configError("the cache cannot be read", "", err)
	}
	out := CacheStats{
		Entries: t.Entries, Bytes: t.Bytes, MaxBytes: t.MaxBytes, Evictions: t.Evictions, Aside: t.Aside,
		ByAgent: map[string]CacheCounts{},
	}
	var all cache.Counts
	for agent, c := range t.ByAgent {
		all = all.Add(c)
		out.ByAgent[agent] = publicCounts(c)
	}
	out.CacheCounts = publicCounts(all)
	return out, nil
}

// ClearCache deletes kept answers: of one agent, or of all where it is empty,
// that are older than age, or of any age where it is 0. It returns how many.
func (e *Engine) ClearCache(ctx context.Context, agent string, age time.Duration) (int64, error) {
	a, err := e.openedCache()
	if err != nil {
		return 0, err
	}
	var before time.Time
	if age > 0 {
		before = e.options.Now().Add(-age)
	}
	n, err := a.store.Clear(ctx, agent, before)
	a.cache.Forget()
	if err != nil {
		return n, configError("the cache cannot be cleared", "", err)
	}
	return n, nil
}

// CacheCheck is what [Engine.VerifyCache] found.
type CacheCheck struct {
	// Genuine entries were made by this install, Foreign ones with another
	// secret; Failed ones are damaged or forged and were set aside.
	Genuine int64 `json:"genuine"`
	Foreign int64 `json:"foreign"`
	Failed  int64 `json:"failed"`
}

// VerifyCache verifies every entry. One that fails is set aside.
func (e *Engine) VerifyCache(ctx context.Context) (CacheCheck, error) {
	a, err := e.openedCache()
	if err != nil {
		return CacheCheck{}, err
	}
	var out CacheCheck
	signer := a.cache.Signer
	err = a.store.Each(ctx, func(key cache.Key, entry cache.Entry) error {
		switch {
		case entry.Signer != signer.ID():
			out.Foreign++
		case signer.Genuine(key, entry):
			out.Genuine++
		default:
			out.Failed++
			return a.store.SetAside(ctx, key, entry.Signer)
		}
		return nil
	})
	if err != nil {
		return out, configError("the cache cannot be verified", "", err)
	}
	return out, nil
}

// openedCache is the cache for who asks about it, which makes its trouble an
// error.
func (e *Engine) openedCache() (*answers, error) {
	a := e.answers()
	if a.cache != nil {
		return a, nil
	}
	if trouble := a.drain(); len(trouble) > 0 {
		return nil, &Error{Code: CodeConfig, Message: trouble[0], Hint: "`claude-force doctor` checks the folders"}
	}
	return nil, &Error{Code: CodeConfig, Message: "the response cache is switched off", Hint: "set cache.enabled to true (`claude-force config show` says where it is set)"}
}
