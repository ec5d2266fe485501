package bench

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Sample is what a number of calls took.
type Sample struct {
	Calls int
	// Wall is the time from the first call's start to the last one's end.
	Wall time.Duration
	// CPU is the processor time of this process, user and system, garbage
	// collection included.
	CPU time.Duration
	// Allocs and Bytes were allocated.
	Allocs, Bytes uint64
}

// CPUPerCall is the processor time of one call in microseconds.
func (s Sample) CPUPerCall() float64 {
	return float64(s.CPU) / float64(time.Microsecond) / float64(s.Calls)
}

// AllocsPerCall is how many objects a call allocates.
func (s Sample) AllocsPerCall() float64 { return float64(s.Allocs) / float64(s.Calls) }

// BytesPerCall is how much a call allocates.
func (s Sample) BytesPerCall() float64 { return float64(s.Bytes) / float64(s.Calls) }

// WallTime is the wall time in milliseconds.
func (s Sample) WallTime() float64 { return float64(s.Wall) / float64(time.Millisecond) }

// Measure makes calls with a peer, so many of them in flight, and checks
// every answer. The first error ends it.
func Measure(ctx context.Context, p *Peer, calls, inFlight int) (Sample, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	want := Answer()
	runtime.GC() // each side pays for its own garbage only
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, err := processorTime()
	if err != nil {
		return Sample{}, err
	}
	began := time.Now()
	var workers sync.WaitGroup
	for i := range inFlight {
		share := calls / inFlight
		if i < calls%inFlight {
			share++
		}
		workers.Go(func() {
			for range share {
				text, err := p.Call(ctx)
				if err == nil && text != want {
					err = fmt.Errorf("the answer is %q", text)
				}
				if err != nil {
					cancel(fmt.Errorf("%s: %w", p.Name, err))
					return
				}
			}
		})
	}
	workers.Wait()
	s := Sample{Calls: calls, Wall: time.Since(began)}
	cpuAfter, err := processorTime()
	if err != nil {
		return Sample{}, err
	}
	runtime.ReadMemStats(&after)
	s.CPU = cpuAfter - cpu
	s.Allocs, s.Bytes = after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
	return s, context.Cause(ctx)
}

// processorTime is what this process has used so far.
func processorTime() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("read the processor time: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// Samples are what a peer took, a sample for each round.
type Samples []Sample

// Median returns the median of one figure.
func (s Samples) Median(figure func(Sample) float64) float64 {
	values := make([]float64, len(s))
	for i, x := range s {
		values[i] = figure(x)
	}
	return Median(values)
}

// Median returns the middle value, of an even number the upper one of two; 0 of
// nothing. It sorts the values.
func Median[T cmp.Ordered](values []T) T {
	slices.Sort(values)
	if len(values) == 0 {
		var none T
		return none
	}
	return values[len(values)/2]
}

// InTurns does something for each of n sides, so many rounds of it, in an
// order that turns round after each: what the machine does besides meets all
// sides alike.
func InTurns(rounds, n int, do func(side int) error) error {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	for range rounds {
		for _, side := range order {
			if err := do(side); err != nil {
				return err
			}
		}
		slices.Reverse(order)
	}
	return nil
}

// WarmUp makes calls that are not measured, so that connections are there and
// caches full.
func WarmUp(ctx context.Context, peers []*Peer, calls, inFlight int) error {
	for _, p := range peers {
		if _, err := Measure(ctx, p, calls, inFlight); err != nil {
			return err
		}
	}
	return nil
}

// Compare measures peers in turns.
func Compare(ctx context.Context, peers []*Peer, rounds, calls, inFlight int) ([]Samples, error) {
	out := make([]Samples, len(peers))
	err := InTurns(rounds, len(peers), func(i int) error {
		s, err := Measure(ctx, peers[i], calls, inFlight)
		out[i] = append(out[i], s)
		return err
	})
	return out, err
}
