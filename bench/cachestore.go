package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/claude-force/claude-force/internal/layer/cache"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

// roomFor is a size limit that so many entries of this many bytes just keep
// to.
func roomFor(entries, bytes int) int64 {
	const overhead = 400 // what the store adds to an entry's own size
	return int64(entries) * int64(bytes+overhead)
}

// storeOf makes a store in dir that has so many entries of [AnswerBytes] and
// room for some more. They were used in no order: from one whose entries were
// used as they came it is easier to evict than from real ones. The store is
// opened anew, as another process finds it.
func storeOf(ctx context.Context, dir string, entries, more int) (*sqlite.Cache, error) {
	path, room := filepath.Join(dir, "cache.db"), roomFor(entries+more, AnswerBytes)
	s, err := sqlite.OpenCache(ctx, path, room)
	if err != nil {
		return nil, err
	}
	err = atOnce(64, entries, func(i int) error { return s.Put(ctx, keyNumber(i), entry(), "bench") })
	if err == nil {
		err = use(ctx, s, entries)
	}
	if err = errors.Join(err, s.Close()); err != nil {
		return nil, err
	}
	return sqlite.OpenCache(ctx, path, room)
}

// entry is an entry that no secret has signed.
func entry() cache.Entry {
	return cache.Entry{Value: make([]byte, AnswerBytes), Agent: agentName(1), Stored: time.Now().UTC()}
}

// use uses so many entries, in no order.
func use(ctx context.Context, s *sqlite.Cache, entries int) error {
	used, now := make(map[cache.Key]time.Time, entries), time.Now()
	for i := range entries {
		used[keyNumber(i)] = now.Add(rand.N(time.Second))
	}
	return s.Note(ctx, cache.Note{Used: used})
}

// Reopening opens a store of so many entries beside one that is empty. Closing
// them is not measured.
func Reopening(ctx context.Context, entries int) (*Contest, error) {
	dir, err := os.MkdirTemp("", "claude-force-bench-")
	if err != nil {
		return nil, err
	}
	c := &Contest{Close: func() error { return os.RemoveAll(dir) }}
	side := func(name string, entries int) func(int) (Sample, error) {
		within := filepath.Join(dir, name)
		return func(n int) (Sample, error) { return reopen(ctx, filepath.Join(within, "cache.db"), entries, n) }
	}
	c.Ours, c.Peer = side("full", entries), side("empty", 0)
	for name, n := range map[string]int{"full": entries, "empty": 0} {
		within := filepath.Join(dir, name)
		err := os.Mkdir(within, 0o700)
		if err == nil {
			var s *sqlite.Cache
			if s, err = storeOf(ctx, within, n, 1); err == nil {
				err = s.Close()
			}
		}
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

// reopen opens a store n times and checks how many entries it has.
func reopen(ctx context.Context, path string, entries, n int) (Sample, error) {
	sum := Sample{Calls: n}
	for range n {
		var s *sqlite.Cache
		one, err := repeated(1, func(int) (err error) {
			s, err = sqlite.OpenCache(ctx, path, roomFor(entries+1, AnswerBytes))
			return err
		})
		if err != nil {
			return sum, err
		}
		totals, err := s.Totals(ctx)
		if err == nil && totals.Entries != int64(entries) {
			err = fmt.Errorf("the store has %d entries, want %d", totals.Entries, entries)
		}
		if err = errors.Join(err, s.Close()); err != nil {
			return sum, err
		}
		sum.Wall, sum.CPU = sum.Wall+one.Wall, sum.CPU+one.CPU
	}
	return sum, nil
}

// Evictions is how long callers wait for a Put, in milliseconds: for each that
// evicts, and for those that evict nothing. Evicted is how many entries each of
// the first kind took out.
type Evictions struct {
	Evicting, Ordinary []float64
	Evicted            []int64
}

// Evict has stores of so many entries evict so many times.
func Evict(ctx context.Context, entries, times int) (e Evictions, err error) {
	const each = 8 // while most entries are such that were used in no order
	for len(e.Evicting) < times && err == nil {
		err = e.evict(ctx, entries, min(each, times-len(e.Evicting)))
	}
	return e, err
}

// evict goes on with a store that is nearly full until it has evicted so many
// times.
func (e *Evictions) evict(ctx context.Context, entries, times int) (err error) {
	dir, err := os.MkdirTemp("", "claude-force-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := storeOf(ctx, dir, entries-entries/20, entries/20)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var before int64
	for i := entries; times > 0; i++ {
		took, t, err := putOne(ctx, s, keyNumber(i))
		switch evicted := t.Evictions - before; {
		case err != nil:
			return err
		case t.Bytes > t.MaxBytes || t.Entries < int64(entries)*8/10:
			return fmt.Errorf("the store has %d entries and %d of %d bytes", t.Entries, t.Bytes, t.MaxBytes)
		case evicted == 0:
			e.Ordinary = append(e.Ordinary, took)
		default:
			e.Evicting, e.Evicted = append(e.Evicting, took), append(e.Evicted, evicted)
			before, times = t.Evictions, times-1
		}
	}
	return nil
}

// putOne puts an entry and returns how many milliseconds that took, and what
// the store then holds.
func putOne(ctx context.Context, s *sqlite.Cache, key cache.Key) (took float64, t sqlite.CacheTotals, err error) {
	kept := entry()
	began := time.Now()
	if err := s.Put(ctx, key, kept, "bench"); err != nil {
		return 0, t, err
	}
	took = float64(time.Since(began)) / float64(time.Millisecond)
	t, err = s.Totals(ctx)
	return took, t, err
}
