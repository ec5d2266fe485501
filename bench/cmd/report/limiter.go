package main

import (
	"context"
	"time"

	"github.com/claude-force/claude-force/bench"
	"github.com/claude-force/claude-force/internal/sim"
)

// limiters compares the limiter with a semaphore for a minute of real time. In
// virtual time TestLimiters does so for every kind of traffic.
func limiters(_ context.Context, _ effort, t *table) error {
	traffic := bench.Traffic{
		Limits: sim.Limits{RPM: 3000, ITPM: 10_000_000, OTPM: 2_000_000}, Input: 200, Output: 60,
		Processes: 1, Callers: 200, Minutes: 1, FirstToken: 200 * time.Millisecond, PerEvent: 10 * time.Millisecond,
	}
	ours, err := traffic.Run(bench.Limiters(nil))
	if err != nil {
		return err
	}
	theirs, err := traffic.Run(bench.Semaphore(100))
	if err != nil {
		return err
	}
	const what = "Limiter, 3000 requests a minute allowed, a minute of real time"
	t.add(row{what: what + ", share refused", ours: value{100 * ours.Refused, "%", 2}, peer: value{100 * theirs.Refused, "%", 2}, of: "semaphore of 100", most: 1})
	t.add(row{what: what + ", share of the limit unused", ours: value{100 * (1 - ours.Used), "%", 2}, peer: value{100 * (1 - theirs.Used), "%", 2}, of: "semaphore of 100", most: 5})
	return nil
}
