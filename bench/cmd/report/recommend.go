package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/claude-force/claude-force/bench"
)

// recommended measures how agents are found.
func recommended(ctx context.Context, n effort, t *table) error {
	r, err := bench.NewRecommending(ctx, 1000)
	if err != nil {
		return err
	}
	t.add(row{what: "1000 agents read for the first time", ours: value{r.First.Seconds(), "s", 1}, most: 30})
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	var whole, encoder []float64
	for range 20 * n.rounds {
		took, err := milliseconds(func() error { return r.Recommend(ctx) })
		if err != nil {
			return err
		}
		whole = append(whole, took)
		if took, err = milliseconds(func() error { return r.Encode(ctx) }); err != nil {
			return err
		}
		encoder = append(encoder, took)
	}
	all, part := bench.Median(whole), bench.Median(encoder)
	t.add(row{what: "An agent found among 1000, one processor", ours: value{all, "ms", 2}, peer: value{part, "ms", 2}, of: "the encoder alone", most: 12})
	t.add(row{what: "The same without the encoder", ours: value{all - part, "ms", 2}, most: 1})
	return coldRecommend(ctx, n, t)
}

// coldRecommend measures the command whose vectors are stored.
func coldRecommend(ctx context.Context, n effort, t *table) (err error) {
	dir, err := os.MkdirTemp("", "claude-force-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	programs, err := bench.BuildPrograms(ctx, dir, "-trimpath")
	if err != nil {
		return err
	}
	ours, bare, err := bench.Starts(ctx, programs, n.starts, "CONFIDENCE", "recommend", "--task", "review the module that writes invoices")
	if err != nil {
		return err
	}
	t.add(row{
		what: fmt.Sprintf("`recommend` of %d agents, start to exit, CPU", bench.Agents),
		ours: value{bench.Median(bench.CPU(ours)), "ms", 1}, peer: value{bench.Median(bench.CPU(bare)), "ms", 1},
		of: "bare net/http program", most: 100,
	})
	return nil
}
