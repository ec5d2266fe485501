package bench

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claude-force/claude-force/internal/layer/limit"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/sim"
)

// table makes TestLimiters send all traffic through the peers too, and print
// what came of it as Markdown: go test -run TestLimiters -v -table .
var table = flag.Bool("table", false, "compare the limiter with its peers in every kind of traffic")

// The least that the limiter must use of what the limits allow, and the most
// of its requests that may be refused.
const (
	leastUsed   = 0.95
	mostRefused = 0.01
)

// fewest is the number of requests from which a share of them says something:
// two of five hundred are a rounding of headers.
const fewest = 1000

func traffics() []Traffic {
	limits := sim.Limits{RPM: 1000, ITPM: 2_000_000, OTPM: 400_000}
	usual := Traffic{
		Limits: limits, Input: 200, Output: 60, Processes: 1, Callers: 200, Minutes: 15,
		FirstToken: 2 * time.Second, PerEvent: time.Second / 10,
	}
	with := func(name string, change func(*Traffic)) Traffic {
		t := usual
		t.Name = name
		change(&t)
		return t
	}
	tiers := map[int]float64{5: 4, 10: 0.25}
	return []Traffic{
		with("bound by requests", func(*Traffic) {}),
		with("bound by input tokens", func(t *Traffic) { t.Limits.ITPM, t.Input, t.Callers = 450_000, 3000, 100 }),
		with("bound by output tokens", func(t *Traffic) { t.Limits.OTPM, t.Output = 100_000, 600 }),
		with("a small account", func(t *Traffic) {
			t.Limits, t.Input, t.Callers = sim.Limits{RPM: 50, ITPM: 30_000, OTPM: 8000}, 500, 50
		}),
		with("limits x4, then /4", func(t *Traffic) { t.Tiers, t.Callers = tiers, 800 }),
		with("3 processes", func(t *Traffic) { t.Processes, t.Callers = 3, 100 }),
		with("3 processes, x4, then /4", func(t *Traffic) { t.Processes, t.Callers, t.Tiers = 3, 300, tiers }),
		with("10 processes", func(t *Traffic) { t.Processes, t.Callers = 10, 100 }),
		with("3 machines", func(t *Traffic) { t.Processes, t.Callers, t.Apart = 3, 100, true }),
		with("10 machines", func(t *Traffic) { t.Processes, t.Callers, t.Apart = 10, 100, true }),
		with("answers of 10 to 60 s", func(t *Traffic) {
			t.Output, t.Callers, t.FirstToken, t.PerEvent = 300, 1200, time.Second, 3*time.Second/2
		}),
		with("a bucket of 5 s", func(t *Traffic) { t.Limits.Burst = 1.0 / 12 }),
		with("a bucket of 1 s", func(t *Traffic) { t.Limits.Burst = 1.0 / 60 }),
	}
}

// TestLimiters holds the limiter to its promise in virtual time.
func TestLimiters(t *testing.T) {
	var rows strings.Builder
	for i, traffic := range traffics() {
		t.Run(traffic.Name, func(t *testing.T) {
			ours := send(t, traffic, func() func(int) llm.Layer {
				var meet limit.Shared
				if traffic.Processes > 1 && !traffic.Apart {
					meet = &Joint{}
				}
				return Limiters(meet)
			})
			if ours.Used < leastUsed {
				t.Errorf("used %.1f %% of the limit, want %.0f %%", 100*ours.Used, 100*leastUsed)
			}
			if ours.Answered >= fewest && ours.Refused > mostRefused {
				t.Errorf("%.2f %% of the requests were refused, want at most %.0f %%", 100*ours.Refused, 100*mostRefused)
			}
			fmt.Fprintf(&rows, "| %s | %s |", traffic.Name, ours)
			if i > 0 && !*table {
				rows.WriteByte('\n')
				return
			}
			for _, n := range []int{10, 100} {
				fmt.Fprintf(&rows, " %s |", send(t, traffic, func() func(int) llm.Layer { return Semaphore(n) }))
			}
			rows.WriteByte('\n')
		})
	}
	t.Log("used / refused\n| traffic | claude-force | semaphore of 10 | semaphore of 100 |\n|---|---:|---:|---:|\n" + rows.String())
}

func send(t *testing.T, traffic Traffic, client func() func(int) llm.Layer) Throughput {
	t.Helper()
	var got Throughput
	synctest.Test(t, func(t *testing.T) {
		var err error
		if got, err = traffic.Run(client()); err != nil {
			t.Error(err)
		}
	})
	return got
}
