package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/claude-force/claude-force/bench"
)

// recalled measures what past work in the prompts costs a run.
func recalled(ctx context.Context, n effort, t *table) (err error) {
	server, err := bench.StartServer(ctx, bench.Delay)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	with, without, err := bench.Recalling(ctx, server.URL, n.rounds)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%d runs at once, server waits %d ms, past work in the prompts", bench.RecallRuns, bench.Delay.Milliseconds())
	t.add(row{
		what: what, ours: value{with.Median(bench.Sample.WallTime), "ms", 0}, peer: value{without.Median(bench.Sample.WallTime), "ms", 0},
		of: "the same without", ratio: 2,
	})
	t.add(row{
		what: what + ", CPU of a run", ours: value{with.Median(bench.Sample.CPUPerCall), "µs", 0},
		peer: value{without.Median(bench.Sample.CPUPerCall), "µs", 0}, of: "the same without",
	})
	return nil
}
