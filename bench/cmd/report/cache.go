package main

import (
	"context"
	"errors"
	"fmt"

	claudeforce "github.com/claude-force/claude-force"
	"github.com/claude-force/claude-force/bench"
)

// entries is how many answers the stores have that are measured.
const entries = 10_000

// cached measures the response cache, from a key to a whole run.
func cached(ctx context.Context, n effort, t *table) error {
	if is, err := bench.HerdPart(ctx); is {
		return err
	}
	for _, measure := range []func(context.Context, effort, *table) error{hits, runHits, reopening, evicting, missing, herds, repeating} {
		if err := measure(ctx, n, t); err != nil {
			return err
		}
	}
	return nil
}

// compete adds a row of what one operation takes, which both sides do so many
// times a round.
func (t *table) compete(c *bench.Contest, rounds, times int, r row) (err error) {
	defer func() { err = errors.Join(err, c.Close()) }()
	ours, peer, err := c.Run(rounds, times)
	if err != nil {
		return err
	}
	r.ours.n, r.peer.n = ours.Median(bench.Sample.CPUPerCall), peer.Median(bench.Sample.CPUPerCall)
	t.add(r)
	return nil
}

// hits measures the layer alone.
func hits(ctx context.Context, n effort, t *table) error {
	memory, err := bench.MemoryHits(ctx)
	if err != nil {
		return err
	}
	err = t.compete(memory, 3*n.rounds, 20_000, row{
		what: "CPU of a hit in memory, key at hand, 4 KB streamed", ours: value{unit: "µs", decimals: 2},
		peer: value{unit: "µs", decimals: 3}, of: "bare look-up in otter", most: 1,
	})
	if err != nil {
		return err
	}
	err = t.compete(bench.Keys(), 3*n.rounds, 20_000, row{
		what: "CPU of the key of a 3 KB request", ours: value{unit: "µs", decimals: 2},
		peer: value{unit: "µs", decimals: 2}, of: "bare SHA-256", ratio: 3,
	})
	if err != nil {
		return err
	}
	disk, err := bench.DiskHits(ctx, entries)
	if err != nil {
		return err
	}
	return t.compete(disk, 3*n.rounds, 2000, row{
		what: "CPU of a hit on disk of 4 KB, verified", ours: value{unit: "µs", decimals: 1},
		peer: value{unit: "µs", decimals: 1}, of: "the driver's bare read", ratio: 2.5,
	})
}

// runHits measures whole runs.
func runHits(ctx context.Context, n effort, t *table) (err error) {
	server, err := bench.StartServer(ctx, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	for _, ledger := range []bool{true, false} {
		name := "off"
		if ledger {
			name = "on"
		}
		c, err := bench.Hits(ctx, server.URL, ledger)
		if err != nil {
			return err
		}
		err = t.compete(c, n.rounds, 2000, row{
			what: "CPU of a run that is answered from memory, ledger " + name,
			ours: value{unit: "µs"}, peer: value{unit: "µs"}, of: "a run that makes a call",
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func reopening(ctx context.Context, n effort, t *table) error {
	c, err := bench.Reopening(ctx, entries)
	if err != nil {
		return err
	}
	return t.compete(c, n.rounds, 10, row{
		what: fmt.Sprintf("CPU of opening a store of %d answers", entries),
		ours: value{unit: "µs"}, peer: value{unit: "µs"}, of: "an empty store", ratio: 3,
	})
}

func evicting(ctx context.Context, n effort, t *table) error {
	e, err := bench.Evict(ctx, entries, n.rounds)
	if err != nil {
		return err
	}
	t.add(row{
		what: fmt.Sprintf("Time to keep an answer, where that evicts %d of %d", bench.Median(e.Evicted), entries),
		ours: value{bench.Median(e.Evicting), "ms", 2}, peer: value{bench.Median(e.Ordinary), "ms", 3},
		of: "where it evicts none", most: 5,
	})
	return nil
}

// missing counts what memory has no answer to. Both shares come from the same
// trace, so their distance can be the target.
func missing(ctx context.Context, n effort, t *table) error {
	ours, lru, err := bench.MissRatio(ctx, 10_000*n.rounds)
	if err != nil {
		return err
	}
	t.add(row{
		what: fmt.Sprintf("Misses in memory, %d of %d keys by Zipf's law, 30 %% scans (target: 3 points under LRU)", bench.TraceMemory, bench.TraceKeys),
		ours: value{ours, "%", 1}, peer: value{lru, "%", 1}, of: "plain LRU", most: lru - 3,
	})
	return nil
}

// herds count calls of runs that are made at once.
func herds(ctx context.Context, _ effort, t *table) error {
	const runs = 50
	for _, processes := range []int{1, 5} {
		calls := func(reuse claudeforce.Reuse) (value, error) {
			n, err := bench.Herd(ctx, processes, runs/processes, reuse, "-only=cache")
			return value{n: float64(n)}, err
		}
		ours, err := calls("")
		if err != nil {
			return err
		}
		peer, err := calls(claudeforce.ReuseNever)
		if err != nil {
			return err
		}
		what := fmt.Sprintf("API calls of %d identical runs at once, processes: %d", runs, processes)
		t.add(row{what: what, ours: ours, peer: peer, of: "without the cache", most: 1})
	}
	return nil
}

// repeating counts calls of runs that are made one after the other.
func repeating(ctx context.Context, _ effort, t *table) error {
	const runs = 1000
	s, calls, err := bench.Repeat(ctx, runs, "")
	if err != nil {
		return err
	}
	if s.Misses != calls {
		return fmt.Errorf("the cache counts %d misses and the API %d calls", s.Misses, calls)
	}
	_, without, err := bench.Repeat(ctx, runs, claudeforce.ReuseNever)
	if err != nil {
		return err
	}
	t.add(row{
		what: fmt.Sprintf("API calls of %d runs of one task (hit rate %.3f)", runs, s.HitRate),
		ours: value{n: float64(calls)}, peer: value{n: float64(without)}, of: "without the cache", most: 1,
	})
	return nil
}
