package plan_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/plan"
	"github.com/claude-force/claude-force/internal/sim"
)

func sonnet(t *testing.T) *model.Model {
	t.Helper()
	c, err := model.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	m, ok := c.Lookup("claude-sonnet-5-5")
	if !ok {
		t.Fatal("no sonnet")
	}
	return m
}

// options are those of a run in which an answer of 100 tokens takes 2 s.
func options(concurrency int) plan.Options {
	return plan.Options{
		Start: time.Date(2026, 11, 25, 12, 0, 0, 500, time.UTC), Concurrency: concurrency, Ahead: 64, Attempts: 4,
		FirstToken: time.Second, TokensPerSecond: 100, WarmUp: true, Kept: 24 * time.Hour, Deadline: 30 * time.Minute,
	}
}

// kind is sonnet without a prefix.
func kind(t *testing.T, l sim.Limits) *plan.Kind {
	m := sonnet(t)
	return &plan.Kind{Agent: "a", ID: m.ID, Model: m, Group: m.LimitGroup, Limits: l}
}

// tasks are n tasks of a kind, 100 tokens in and 100 out, whose keys repeat
// after distinct ones; 0 means no keys.
func tasks(k *plan.Kind, n, distinct int) func() (plan.Task, bool) {
	i := 0
	return func() (plan.Task, bool) {
		t := plan.Task{Kind: k, Bytes: 400, MaxTokens: 4096, Input: 100, Output: 100}
		if distinct > 0 {
			t.Key = uint64(1 + i%distinct)
		}
		i++
		return t, i <= n
	}
}

func simulate(t *testing.T, o plan.Options, next func() (plan.Task, bool)) *plan.Forecast {
	t.Helper()
	f, err := plan.Simulate(t.Context(), o, next)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// list returns the tasks one after the other.
func list(tasks ...plan.Task) func() (plan.Task, bool) {
	return func() (plan.Task, bool) {
		if len(tasks) == 0 {
			return plan.Task{}, false
		}
		t := tasks[0]
		tasks = tasks[1:]
		return t, true
	}
}

// TestWindow checks that no more runs are under way than may be, how long that
// takes, and what it costs: 100 tokens at 2 and 100 at 10 dollars a million.
func TestWindow(t *testing.T) {
	f := simulate(t, options(7), tasks(kind(t, sim.Limits{}), 70, 0))
	want := plan.Forecast{
		Tasks: 70, Calls: 70, MaxInFlight: 7, Duration: 20 * time.Second, BoundBy: plan.BoundConcurrency,
		Usage: model.Usage{Input: 7000, Output: 7000}, Cost: llm.Cost{Nano: 84_000_000}, BatchCost: llm.Cost{Nano: 42_000_000},
	}
	if *f != want {
		t.Errorf("%+v\nwant %+v", *f, want)
	}
	f = simulate(t, options(100), tasks(kind(t, sim.Limits{}), 70, 0))
	if f.Duration != 2*time.Second || f.BoundBy != plan.BoundLatency || f.MaxInFlight != 70 {
		t.Errorf("all at once: %+v", *f)
	}
	if f := simulate(t, options(0), list()); *f != (plan.Forecast{BoundBy: plan.BoundLatency}) {
		t.Errorf("nothing at all: %+v", *f)
	}
}

// TestLimits checks that each limit bounds a file, that nearly all of it is
// used, and that next to nothing is refused.
func TestLimits(t *testing.T) {
	for _, c := range []struct {
		bound  plan.Bound
		limits sim.Limits
	}{
		{plan.BoundRequests, sim.Limits{RPM: 1000, ITPM: 2_000_000, OTPM: 400_000}},
		{plan.BoundInput, sim.Limits{RPM: 10_000, ITPM: 100_000, OTPM: 400_000}},
		{plan.BoundOutput, sim.Limits{RPM: 10_000, ITPM: 2_000_000, OTPM: 100_000}},
	} {
		f := simulate(t, options(0), tasks(kind(t, c.limits), 10_000, 0))
		// A thousand calls a minute, and as many at once at first.
		if f.BoundBy != c.bound || f.Calls != 10_000 || f.Duration < 9*time.Minute || f.Duration > 9*time.Minute+20*time.Second {
			t.Errorf("%s: %+v", c.bound, *f)
		}
		if f.Used < 0.97 || f.Used > 1.001 || f.Refused > 10 {
			t.Errorf("%s: %.4f used, %d refused", c.bound, f.Used, f.Refused)
		}
	}
}

// TestGroupsHaveLimitsOfTheirOwn runs two kinds side by side.
func TestGroupsHaveLimitsOfTheirOwn(t *testing.T) {
	a, b := kind(t, sim.Limits{RPM: 600}), kind(t, sim.Limits{RPM: 600})
	b.Group = "another"
	n := 0
	f := simulate(t, options(0), func() (plan.Task, bool) {
		n++
		k := a
		if n%2 == 0 {
			k = b
		}
		return plan.Task{Kind: k, Bytes: 400, Input: 100, Output: 100}, n <= 3600
	})
	if f.Duration < 2*time.Minute || f.Duration > 2*time.Minute+15*time.Second || f.BoundBy != plan.BoundRequests {
		t.Errorf("%+v", *f)
	}
}

// TestPromptCache checks who writes a prefix and who reads it.
func TestPromptCache(t *testing.T) {
	k := kind(t, sim.Limits{})
	k.Prefix = &plan.Prefix{Tokens: 1000}
	warm := simulate(t, options(100), tasks(k, 100, 0))
	if warm.PromptHits != 99 || warm.Duration != 3*time.Second || warm.Usage != (model.Usage{Input: 10_000, Output: 10_000, CacheWrite5m: 1000, CacheRead: 99_000}) {
		t.Errorf("with warm-up %+v", *warm)
	}
	// Through batches nothing is read: 110,000 tokens in, at half the price.
	if want := int64(110_000*1000 + 10_000*5000); warm.BatchCost.Nano != want {
		t.Errorf("by batches %d, want %d", warm.BatchCost.Nano, want)
	}
	o := options(100)
	o.WarmUp = false
	if cold := simulate(t, o, tasks(k, 100, 0)); cold.PromptHits != 0 || cold.Duration != 2*time.Second || cold.Usage.CacheWrite5m != 100_000 {
		t.Errorf("without warm-up %+v", *cold)
	}
	// One at a time, each reads what the one before it has read, unless that
	// is too long ago.
	o = options(1)
	if f := simulate(t, o, tasks(k, 400, 0)); f.PromptHits != 399 {
		t.Errorf("one at a time: %d read", f.PromptHits)
	}
	o.FirstToken = 6 * time.Minute
	if f := simulate(t, o, tasks(k, 5, 0)); f.PromptHits != 0 {
		t.Errorf("six minutes apart: %d read", f.PromptHits)
	}
	// Two kinds with one prefix share its entry, and each has its own leader.
	other := *k
	f := simulate(t, options(1), list(plan.Task{Kind: k, Output: 1}, plan.Task{Kind: &other, Output: 1}))
	if f.PromptHits != 1 {
		t.Errorf("two kinds: %d read", f.PromptHits)
	}
}

// TestResponseCache checks that equal tasks join the call in flight, and later
// ones take its answer until that is stale.
func TestResponseCache(t *testing.T) {
	k := kind(t, sim.Limits{})
	f := simulate(t, options(10), tasks(k, 1000, 4))
	if f.Calls != 4 || f.ResponseHits != 996 || f.Duration != 2*time.Second || f.BatchCost.Nano*2 != f.Cost.Nano {
		t.Errorf("%+v", *f)
	}
	o := options(1)
	o.Kept = 9 * time.Second // an answer each 2 s, from 2 s on
	if f := simulate(t, o, tasks(k, 21, 7)); f.Calls != 21 {
		t.Errorf("stale answers: %d calls", f.Calls)
	}
	o.Kept = 13 * time.Second
	if f := simulate(t, o, tasks(k, 21, 7)); f.Calls != 7 {
		t.Errorf("fresh answers: %d calls", f.Calls)
	}
	if f := simulate(t, options(10), tasks(k, 1000, 0)); f.Calls != 1000 || f.ResponseHits != 0 {
		t.Errorf("without keys: %+v", *f)
	}
}

// TestRefused checks a call that no bucket can ever hold: it is refused in all
// attempts, a minute apart, and those that wait for its answer fail with it.
func TestRefused(t *testing.T) {
	k := kind(t, sim.Limits{ITPM: 5000})
	large := plan.Task{Kind: k, Bytes: 40_000, Input: 10_000, Output: 100, Key: 1}
	f := simulate(t, options(10), list(large, large, plan.Task{Kind: k, Input: 1, Output: 100}))
	if f.Failed != 2 || f.Exhausted != 2 || f.Refused != 4 || f.Calls != 1 || f.Duration < 3*time.Minute || f.Duration > 5*time.Minute {
		t.Errorf("%+v", *f)
	}
	if f.Cost.Nano != 1*2000+100*10_000 {
		t.Errorf("cost %d: refused calls cost nothing", f.Cost.Nano)
	}
	// Where it leads a prefix, the next one does.
	k.Prefix = &plan.Prefix{Tokens: 1000}
	next := plan.Task{Kind: k, Input: 10, Output: 100}
	f = simulate(t, options(10), list(large, next, next))
	if f.Failed != 1 || f.Calls != 2 || f.PromptHits != 1 {
		t.Errorf("leader: %+v", *f)
	}
}

// TestLinesWithoutACall checks lines that fail, unknown prices, and runs that
// take too long.
func TestLinesWithoutACall(t *testing.T) {
	k := kind(t, sim.Limits{})
	f := simulate(t, options(1), list(plan.Task{}, plan.Task{Kind: k, Output: 100}, plan.Task{}))
	if f.Tasks != 3 || f.Failed != 2 || f.Calls != 1 || f.Cost.Unknown {
		t.Errorf("%+v", *f)
	}
	k.Model = nil
	if f := simulate(t, options(1), tasks(k, 1, 0)); !f.Cost.Unknown || !f.BatchCost.Unknown {
		t.Errorf("of an unknown price: %+v", *f)
	}
	k = kind(t, sim.Limits{RPM: 60})
	o := options(20) // who comes behind twenty others waits for twenty seconds
	o.Deadline = 15 * time.Second
	if f := simulate(t, o, tasks(k, 100, 0)); f.Late < 10 || f.Failed != 0 {
		t.Errorf("late: %+v", *f)
	}
}

// TestEnds checks that a forecast ends when it must.
func TestEnds(t *testing.T) {
	k := kind(t, sim.Limits{})
	o := options(1)
	o.TokensPerSecond = 1
	century := func() (plan.Task, bool) { return plan.Task{Kind: k, Output: 1_000_000}, true }
	if _, err := plan.Simulate(t.Context(), o, century); !errors.Is(err, plan.ErrTooLong) {
		t.Errorf("error %v", err)
	}
	for _, endless := range []plan.Task{{}, {Kind: k, Output: 1}} {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		_, err := plan.Simulate(ctx, options(1), func() (plan.Task, bool) {
			if n++; n == 5000 {
				cancel()
			}
			return endless, true
		})
		if !errors.Is(err, context.Canceled) || n > 10_000 {
			t.Errorf("after %d tasks: %v", n, err)
		}
	}
}

// TestAnyFile throws files of all kinds at the forecast: every task ends, and
// the same file gives the same forecast.
func TestAnyFile(t *testing.T) {
	for seed := range uint64(60) {
		once, again := simulateAny(t, seed), simulateAny(t, seed)
		if *once != *again {
			t.Fatalf("seed %d: %+v and %+v", seed, *once, *again)
		}
		if got := once.Calls + once.Failed + once.ResponseHits; got != once.Tasks {
			t.Fatalf("seed %d: %d of %d tasks ended: %+v", seed, got, once.Tasks, *once)
		}
	}
}

func simulateAny(t *testing.T, seed uint64) *plan.Forecast {
	r := rand.New(rand.NewPCG(seed, 7))
	o := options(r.IntN(3) * r.IntN(40))
	o.WarmUp, o.Attempts = r.IntN(2) == 0, 1+r.IntN(4)
	var kinds []*plan.Kind
	for i := range 1 + r.IntN(4) {
		k := kind(t, sim.Limits{RPM: r.IntN(200), ITPM: r.IntN(2) * r.IntN(20_000), OTPM: r.IntN(2) * r.IntN(20_000)})
		k.Group = "group" + string(rune('a'+i/2))
		if r.IntN(2) == 0 {
			k.Prefix = &plan.Prefix{Tokens: int64(r.IntN(5000))}
		}
		kinds = append(kinds, k)
	}
	n := 0
	return simulate(t, o, func() (plan.Task, bool) {
		n++
		if r.IntN(20) == 0 {
			return plan.Task{}, n <= 300
		}
		return plan.Task{
			Kind: kinds[r.IntN(len(kinds))], Bytes: r.IntN(50_000), MaxTokens: r.IntN(5000),
			Input: int64(r.IntN(12_000)), Output: int64(r.IntN(3000)), Key: uint64(r.IntN(150)),
		}, n <= 300
	})
}
