package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/claude-force/claude-force/bench"
)

// taskFiles compares files of tasks with bare calls.
func taskFiles(ctx context.Context, n effort, t *table) (err error) {
	server, err := bench.StartServer(ctx, bench.Delay)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	if err := everything(ctx, n, server.URL, t); err != nil {
		return err
	}
	const lines, inFlight = 10_000, 200
	var ours, theirs, peaks []float64
	err = bench.InTurns(n.bigFloods, 2, func(side int) error {
		if side == 0 {
			r, err := bench.StreamAlone(ctx, bench.NetHTTP, server.URL, lines, inFlight)
			theirs = append(theirs, r.WallTime())
			return err
		}
		f, err := bench.TasksAlone(ctx, server.URL, lines, inFlight)
		ours, peaks = append(ours, f.WallTime()), append(peaks, bench.Megabytes(f.PeakBytes))
		return err
	})
	if err != nil {
		return err
	}
	what := fmt.Sprintf("`run tasks` of %d, %d in flight, server waits %d ms", lines, inFlight, bench.Delay.Milliseconds())
	t.add(row{
		what: what, ours: value{bench.Median(ours), "ms", 0}, peer: value{bench.Median(theirs), "ms", 0}, of: "net/http", ratio: 1.5,
	})
	few, err := bench.CachedTasksAlone(ctx, lines)
	if err != nil {
		return err
	}
	t.add(row{
		what: what + ", peak memory", ours: value{bench.Median(peaks), "MB", 0},
		peer: value{bench.Megabytes(few.PeakBytes), "MB", 0}, of: "the same number from the cache", most: 150,
	})
	many := 1_000_000
	if n.starts < 10 {
		many /= 10
	}
	million, err := bench.CachedTasksAlone(ctx, many)
	if err != nil {
		return err
	}
	t.add(row{
		what: fmt.Sprintf("`run tasks` of %d cached lines (%.0f a second), peak memory", many, float64(many)/million.Wall.Seconds()),
		ours: value{bench.Megabytes(million.PeakBytes), "MB", 0},
		peer: value{bench.Megabytes(few.PeakBytes), "MB", 0}, of: fmt.Sprint(lines, " lines"), most: 150,
	})
	return nil
}

// everything compares a hundred runs at once, all that makes runs cheaper
// switched on.
func everything(ctx context.Context, n effort, url string, t *table) error {
	sides := []string{bench.NetHTTP, bench.Everything}
	wall := make([][]float64, 2)
	err := bench.InTurns(n.floods, 2, func(i int) error {
		r, err := bench.Flood(ctx, sides[i], url, 100)
		wall[i] = append(wall[i], r.WallTime())
		return err
	})
	if err != nil {
		return err
	}
	t.add(row{
		what: fmt.Sprintf("100 runs at once, cache, ledger and limiter on, server waits %d ms", bench.Delay.Milliseconds()),
		ours: value{bench.Median(wall[1]), "ms", 0}, peer: value{bench.Median(wall[0]), "ms", 0}, of: "net/http", ratio: 1.25,
	})
	return nil
}
