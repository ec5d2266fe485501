package bench

import (
	"context"
	"errors"
	"os"
	"strconv"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if code, is := Child(); is {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

func TestAnswer(t *testing.T) {
	if n := len(events()); n != Events {
		t.Errorf("the answer has %d events, want %d", n, Events)
	}
	server := startServer(t, 0)
	for _, name := range []string{NetHTTP, NetHTTPPlain, SDK, Client, Engine} {
		t.Run(name, func(t *testing.T) {
			p := openPeer(t, name, server)
			text, err := p.Call(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if text != Answer() {
				t.Errorf("text is %q, want %q", text, Answer())
			}
		})
	}
}

// BenchmarkCall makes 500 calls an operation, 100 of them in flight.
func BenchmarkCall(b *testing.B) {
	url := startServer(b, 0)
	base := openPeer(b, NetHTTP, url)
	for _, name := range []string{NetHTTP, NetHTTPPlain, SDK, Client, Engine} {
		b.Run(name, func(b *testing.B) {
			compare(b, openPeer(b, name, url), base, 500, 100)
		})
	}
}

// BenchmarkOverhead makes 200 runs an operation, one after the other and
// without a network.
func BenchmarkOverhead(b *testing.B) {
	for _, place := range []struct {
		name string
		q    *Question
	}{
		{"definition", NewQuestion(PromptBytes, TaskBytes)},
		{"task", NewQuestion(TaskBytes, PromptBytes)},
	} {
		base := OpenMemory(place.q)
		for _, ledger := range []bool{true, false} {
			b.Run("prompt="+place.name+"/ledger="+strconv.FormatBool(ledger), func(b *testing.B) {
				p, err := OpenEngine(EngineOptions{Transport: Memory(), Question: place.q, Ledger: ledger})
				compare(b, closed(b, p, err), base, 200, 1)
			})
		}
	}
}

// BenchmarkFlood makes so many calls at once against a server that answers
// after [Delay].
func BenchmarkFlood(b *testing.B) {
	url := startServer(b, Delay)
	for _, n := range []int{100, 1000, 10000} {
		b.Run("calls="+strconv.Itoa(n), func(b *testing.B) {
			flood := Flood
			if n == 10000 {
				flood = FloodAlone // its peak of memory is measured too
			}
			var ours, theirs Samples
			var peaks []float64
			for b.Loop() {
				base := mustFlood(b, flood, NetHTTP, url, n)
				r := mustFlood(b, flood, Engine, url, n)
				ours, theirs = append(ours, r.Sample), append(theirs, base.Sample)
				peaks = append(peaks, Megabytes(r.PeakBytes))
			}
			wall := ours.Median(Sample.WallTime)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(wall, "wall-ms")
			b.ReportMetric(wall/theirs.Median(Sample.WallTime), "x-nethttp")
			if n == 10000 {
				b.ReportMetric(Median(peaks), "peak-MB")
			}
		})
	}
}

func mustFlood(b *testing.B, flood flooder, name, url string, n int) FloodResult {
	b.Helper()
	r, err := flood(b.Context(), name, url, n)
	switch {
	case errors.Is(err, ErrFewFiles):
		b.Skip(err)
	case err != nil:
		b.Fatal(err)
	}
	return r
}

type flooder func(ctx context.Context, name, url string, calls int) (FloodResult, error)

// BenchmarkStart starts `list agents` and a bare program five times an
// operation.
func BenchmarkStart(b *testing.B) {
	programs, err := BuildPrograms(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	var ours, bare []Start
	for b.Loop() {
		o, t, err := Starts(b.Context(), programs, 5, agentName(1), "list", "agents")
		if err != nil {
			b.Fatal(err)
		}
		ours, bare = append(ours, o...), append(bare, t...)
	}
	cpu := Median(CPU(ours))
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(cpu, "cpu-ms")
	b.ReportMetric(cpu/Median(CPU(bare)), "x-bare")
	b.ReportMetric(Median(Peak(ours)), "peak-MB")
}

// compare reports what p takes, and how much more that is than what base
// takes in the same moments.
func compare(b *testing.B, p, base *Peer, calls, inFlight int) {
	b.Helper()
	peers := []*Peer{p, base}
	if err := WarmUp(b.Context(), peers, calls, inFlight); err != nil {
		b.Fatal(err)
	}
	var ours, theirs Samples
	for b.Loop() {
		both, err := Compare(b.Context(), peers, 1, calls, inFlight)
		if err != nil {
			b.Fatal(err)
		}
		ours, theirs = append(ours, both[0]...), append(theirs, both[1]...)
	}
	cpu := ours.Median(Sample.CPUPerCall)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(cpu, "cpu-µs/call")
	b.ReportMetric(ours.Median(Sample.AllocsPerCall), "allocs/call")
	b.ReportMetric(ours.Median(Sample.BytesPerCall), "B/call")
	b.ReportMetric(cpu/theirs.Median(Sample.CPUPerCall), "x-nethttp")
}

func startServer(tb testing.TB, delay time.Duration) string {
	tb.Helper()
	// The test's own context ends before what was opened is closed.
	s, err := StartServer(context.WithoutCancel(tb.Context()), delay)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s.URL
}

func openPeer(tb testing.TB, name, url string) *Peer {
	tb.Helper()
	p, err := Open(name, url, NewQuestion(SystemBytes, TaskBytes))
	return closed(tb, p, err)
}

// closed returns p, which is closed when the test ends.
func closed(tb testing.TB, p *Peer, err error) *Peer {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Error(err)
		}
	})
	return p
}
