// Command report measures claude-force beside its peers at full size and
// prints one Markdown table. Run it in the folder bench of a machine that has
// nothing else to do:
//
//	go run ./cmd/report
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"time"

	"github.com/claude-force/claude-force/bench"
)

func main() {
	if code, is := bench.Child(); is {
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	quick := flag.Bool("quick", false, "measure a tenth as often, to see that everything works")
	only := flag.String("only", "", "measure this part alone: calls, floods, overhead, starts, cache, tasks, ledger, memory or recommend")
	flag.Parse()
	n := effort{rounds: 15, floods: 15, bigFloods: 7, starts: 60}
	if *quick {
		n = effort{rounds: 2, floods: 2, bigFloods: 1, starts: 6}
	}
	var t table
	known := *only == ""
	for _, part := range []struct {
		name    string
		measure func(context.Context, effort, *table) error
	}{
		{"calls", calls}, {"floods", floods}, {"overhead", overhead}, {"starts", starts}, {"cache", cached}, {"tasks", taskFiles}, {"ledger", recorded}, {"memory", recalled}, {"recommend", recommended}, {"limiter", limiters},
	} {
		if *only != "" && *only != part.name {
			continue
		}
		known = true
		fmt.Fprintln(os.Stderr, "measuring", part.name)
		if err := part.measure(ctx, n, &t); err != nil {
			return fmt.Errorf("measure %s: %w", part.name, err)
		}
	}
	if !known {
		return fmt.Errorf("there is no part %q", *only)
	}
	fmt.Printf("%s, %s, %s/%s, %d cores\n\n", time.Now().UTC().Format(time.DateOnly), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	return t.print(os.Stdout)
}

// effort is how often things are measured.
type effort struct{ rounds, floods, bigFloods, starts int }

// calls compares calls with 100 in flight.
func calls(ctx context.Context, n effort, t *table) (err error) {
	server, err := bench.StartServer(ctx, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	names := []string{bench.Engine, bench.NetHTTP, bench.SDK, bench.Client, bench.NetHTTPPlain}
	var peers []*bench.Peer
	defer func() { err = errors.Join(err, closeAll(peers)) }()
	for _, name := range names {
		p, err := bench.Open(name, server.URL, bench.NewQuestion(bench.SystemBytes, bench.TaskBytes))
		if err != nil {
			return err
		}
		peers = append(peers, p)
	}
	if err := bench.WarmUp(ctx, peers, 2000, 100); err != nil {
		return err
	}
	s, err := bench.Compare(ctx, peers, n.rounds, 2000, 100)
	if err != nil {
		return err
	}
	const cpu = "CPU of a call, 100 in flight"
	cpuOf := func(i int) value { return value{s[i].Median(bench.Sample.CPUPerCall), "µs", 0} }
	allocsOf := func(i int) value { return value{s[i].Median(bench.Sample.AllocsPerCall), "", 0} }
	t.add(row{what: cpu, ours: cpuOf(0), peer: cpuOf(1), of: "net/http", ratio: 1.7})
	t.add(row{what: cpu, ours: cpuOf(0), peer: cpuOf(2), of: "official SDK", ratio: 1})
	t.add(row{what: cpu + ", the wire client alone", ours: cpuOf(3), peer: cpuOf(1), of: "net/http"})
	t.add(row{what: cpu, ours: cpuOf(0), peer: cpuOf(4), of: "net/http, JSON without a stream"})
	what := fmt.Sprintf("Allocations of a call of %d events", bench.Events)
	t.add(row{what: what, ours: allocsOf(0), peer: allocsOf(1), of: "net/http", most: 400})
	t.add(row{what: what, ours: allocsOf(0), peer: allocsOf(2), of: "official SDK"})
	t.add(row{what: what + ", the wire client alone", ours: allocsOf(3), peer: allocsOf(1), of: "net/http"})
	t.add(row{what: what, ours: allocsOf(0), peer: allocsOf(4), of: "net/http, JSON without a stream"})
	return nil
}

func closeAll(peers []*bench.Peer) error {
	var err error
	for _, p := range peers {
		err = errors.Join(err, p.Close())
	}
	return err
}

// floods compares many calls that are made at once. The largest flood has a
// process of its own.
func floods(ctx context.Context, n effort, t *table) (err error) {
	server, err := bench.StartServer(ctx, bench.Delay)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	for _, f := range []struct {
		calls, times int
		ratio        float64
	}{
		{100, n.floods, 1.25}, {1000, n.floods, 1.5}, {10000, n.bigFloods, 2},
	} {
		flood, sides := bench.Flood, []string{bench.NetHTTP, bench.Engine}
		if f.calls == 10000 {
			flood = bench.FloodAlone // its peak of memory is measured too
		}
		wall, peak := make([][]float64, 2), make([][]float64, 2)
		err := bench.InTurns(f.times, len(sides), func(i int) error {
			r, err := flood(ctx, sides[i], server.URL, f.calls)
			wall[i] = append(wall[i], r.WallTime())
			peak[i] = append(peak[i], bench.Megabytes(r.PeakBytes))
			return err
		})
		if err != nil {
			return err
		}
		what := fmt.Sprintf("%d calls at once, server waits %d ms", f.calls, bench.Delay.Milliseconds())
		t.add(row{
			what: what, ours: value{bench.Median(wall[1]), "ms", 0}, peer: value{bench.Median(wall[0]), "ms", 0},
			of: "net/http", ratio: f.ratio,
		})
		if f.calls == 10000 {
			t.add(row{
				what: what + ", peak memory", ours: value{bench.Median(peak[1]), "MB", 0}, peer: value{bench.Median(peak[0]), "MB", 0},
				of: "net/http", most: 800,
			})
		}
	}
	return nil
}

// overhead measures what a run costs where the answer costs nothing.
func overhead(ctx context.Context, n effort, t *table) error {
	for _, place := range []struct {
		name string
		q    *bench.Question
	}{
		{"20 KB definition", bench.NewQuestion(bench.PromptBytes, bench.TaskBytes)},
		{"20 KB task", bench.NewQuestion(bench.TaskBytes, bench.PromptBytes)},
	} {
		if err := overheadOf(ctx, n, t, place.name, place.q); err != nil {
			return err
		}
	}
	return nil
}

func overheadOf(ctx context.Context, n effort, t *table, name string, q *bench.Question) (err error) {
	peers := []*bench.Peer{bench.OpenMemory(q)}
	defer func() { err = errors.Join(err, closeAll(peers)) }()
	for _, ledger := range []bool{true, false} {
		p, err := bench.OpenEngine(bench.EngineOptions{Transport: bench.Memory(), Question: q, Ledger: ledger})
		if err != nil {
			return err
		}
		peers = append(peers, p)
	}
	for _, inFlight := range []int{1, 100} {
		if err := bench.WarmUp(ctx, peers, 2000, inFlight); err != nil {
			return err
		}
		s, err := bench.Compare(ctx, peers, n.rounds, 2000, inFlight)
		if err != nil {
			return err
		}
		at := "one at a time"
		if inFlight > 1 {
			at = fmt.Sprint(inFlight, " at once")
		}
		for i, ledger := range []string{"on", "off"} {
			t.add(row{
				what: fmt.Sprintf("CPU of a run, no network, %s, ledger %s, %s", name, ledger, at),
				ours: value{s[i+1].Median(bench.Sample.CPUPerCall), "µs", 0},
				peer: value{s[0].Median(bench.Sample.CPUPerCall), "µs", 0}, of: "net/http", most: 150,
			})
		}
	}
	return nil
}

// starts measures the command from its start to its end.
func starts(ctx context.Context, n effort, t *table) (err error) {
	dir, err := os.MkdirTemp("", "claude-force-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	programs, err := bench.BuildPrograms(ctx, dir, "-trimpath")
	if err != nil {
		return err
	}
	ours, bare, err := bench.Starts(ctx, programs, n.starts, "reviewer-01", "list", "agents")
	if err != nil {
		return err
	}
	what := fmt.Sprintf("`list agents` of %d agents, start to exit", bench.Agents)
	t.add(row{
		what: what + ", CPU", ours: value{bench.Median(bench.CPU(ours)), "ms", 1},
		peer: value{bench.Median(bench.CPU(bare)), "ms", 1}, of: "bare net/http program", ratio: 2.5,
	})
	t.add(row{
		what: what + ", peak memory", ours: value{bench.Median(bench.Peak(ours)), "MB", 1},
		peer: value{bench.Median(bench.Peak(bare)), "MB", 1}, of: "bare net/http program", most: 30,
	})
	return nil
}
