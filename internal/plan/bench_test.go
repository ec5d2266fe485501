package plan_test

import (
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/plan"
	"github.com/claude-force/claude-force/internal/sim"
)

// BenchmarkSimulate forecasts one task an iteration, of a file that keeps a
// thousand calls in flight.
func BenchmarkSimulate(b *testing.B) {
	c, err := model.Builtin()
	if err != nil {
		b.Fatal(err)
	}
	m, _ := c.Lookup("claude-sonnet-5-5")
	kind := &plan.Kind{
		Agent: "a", ID: m.ID, Model: m, Group: m.LimitGroup, Prefix: &plan.Prefix{Tokens: 2000},
		Limits: sim.Limits{RPM: 10_000, ITPM: 10_000_000, OTPM: 2_000_000},
	}
	b.ReportAllocs()
	n := 0
	f, err := plan.Simulate(b.Context(), plan.Options{
		Start: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC), Ahead: 64, Attempts: 4,
		FirstToken: time.Second, TokensPerSecond: 80, WarmUp: true, Kept: time.Hour, Deadline: time.Hour,
	}, func() (plan.Task, bool) {
		n++
		return plan.Task{Kind: kind, Bytes: 8000, MaxTokens: 4096, Input: 30, Output: 400, Key: uint64(n)}, n <= b.N
	})
	if err != nil || f.Calls != int64(b.N) {
		b.Fatalf("%+v, %v", f, err)
	}
	b.ReportMetric(f.Duration.Hours()*1e6/float64(b.N), "simulated-h/million")
}
