package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/claude-force/claude-force/bench"
)

// recorded measures the ledger: what a run pays for it, and its reports.
func recorded(ctx context.Context, n effort, t *table) error {
	c, err := bench.Recording(ctx)
	if err != nil {
		return err
	}
	err = t.compete(c, n.rounds, 2000, row{
		what: "CPU of recording a run with its exchange and sums, a transaction each", ours: value{unit: "µs"}, peer: value{unit: "µs"},
		of: "the driver's bare insert", ratio: 2.5,
	})
	if err != nil {
		return err
	}
	whole, values := bench.RingMemory()
	t.add(row{what: "Memory of 1000 runs of this process, for those who watch", ours: value{whole / 1e3, "KB", 0}, peer: value{values / 1e3, "KB", 0}, of: "their fields alone"})
	runs := 1_000_000
	if n.rounds < 10 {
		runs /= 10
	}
	if err := opened(ctx, n, t, 100_000); err != nil {
		return err
	}
	return reported(ctx, n, t, runs)
}

func opened(ctx context.Context, n effort, t *table, runs int) (err error) {
	l, err := bench.NewLedger(ctx, runs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	return t.compete(l.Opening(ctx), n.rounds, 10, row{
		what: fmt.Sprintf("CPU of opening a ledger of %d runs", runs), ours: value{unit: "µs"}, peer: value{unit: "µs"}, of: "an empty one", ratio: 3,
	})
}

func reported(ctx context.Context, n effort, t *table, runs int) (err error) {
	l, err := bench.NewLedger(ctx, runs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	most := map[string]float64{"summary of all time": 5, "summary of 24 hours": 10, "costs by agent": 10, "costs by everything": 10}
	for _, r := range l.Reports() {
		var ours, rows []float64
		for range 3 * n.rounds {
			took, err := milliseconds(func() error { return r.Ours(ctx) })
			if err != nil {
				return err
			}
			ours = append(ours, took)
		}
		for range min(n.rounds, 3) { // each reads all rows
			took, err := milliseconds(func() error { return r.Rows(ctx) })
			if err != nil {
				return err
			}
			rows = append(rows, took)
		}
		t.add(row{
			what: fmt.Sprintf("Time of the %s, %d runs over a year", r.Name, runs),
			ours: value{bench.Median(ours), "ms", 2}, peer: value{bench.Median(rows), "ms", 1}, of: "the sum of the rows", most: most[r.Name],
		})
	}
	return nil
}

func milliseconds(do func() error) (float64, error) {
	began := time.Now()
	err := do()
	return float64(time.Since(began)) / float64(time.Millisecond), err
}
