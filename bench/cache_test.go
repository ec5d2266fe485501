package bench

import (
	"strconv"
	"testing"
)

// BenchmarkCacheMemory answers from memory 20,000 times an operation.
func BenchmarkCacheMemory(b *testing.B) {
	c, err := MemoryHits(b.Context())
	compete(b, c, err, 20_000, "x-otter")
}

// BenchmarkCacheKey makes 5,000 keys an operation.
func BenchmarkCacheKey(b *testing.B) {
	compete(b, Keys(), nil, 5000, "x-sha256")
}

// BenchmarkCacheDisk answers from disk 2,000 times an operation.
func BenchmarkCacheDisk(b *testing.B) {
	c, err := DiskHits(b.Context(), 10_000)
	compete(b, c, err, 2000, "x-read")
}

// BenchmarkCacheReopen opens a store of 10,000 entries 5 times an operation.
func BenchmarkCacheReopen(b *testing.B) {
	c, err := Reopening(b.Context(), 10_000)
	compete(b, c, err, 5, "x-empty")
}

// BenchmarkCacheEvict makes a store of 10,000 entries evict once an operation.
func BenchmarkCacheEvict(b *testing.B) {
	e, err := Evict(b.Context(), 10_000, b.N)
	if err != nil {
		b.Fatal(err)
	}
	took := Median(e.Evicting)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(took, "wall-ms")
	b.ReportMetric(took/Median(e.Ordinary), "x-put")
	b.ReportMetric(float64(Median(e.Evicted)), "evicted")
}

// BenchmarkCacheTrace asks 25,000 times.
func BenchmarkCacheTrace(b *testing.B) {
	for b.Loop() {
		ours, lru, err := MissRatio(b.Context(), 25_000)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(100-ours, "hits-%")
		b.ReportMetric(lru-ours, "points-over-lru")
	}
	b.ReportMetric(0, "ns/op")
}

func compete(b *testing.B, c *Contest, err error, n int, ratio string) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := c.Close(); err != nil {
			b.Error(err)
		}
	})
	var ours, theirs Samples
	for b.Loop() {
		o, t, err := c.Run(1, n)
		if err != nil {
			b.Fatal(err)
		}
		ours, theirs = append(ours, o...), append(theirs, t...)
	}
	cpu := ours.Median(Sample.CPUPerCall)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(cpu, "cpu-µs/call")
	b.ReportMetric(cpu/theirs.Median(Sample.CPUPerCall), ratio)
}

// BenchmarkCacheRun answers 500 runs from memory and makes 500 calls an
// operation.
func BenchmarkCacheRun(b *testing.B) {
	url := startServer(b, 0)
	for _, ledger := range []bool{true, false} {
		b.Run("ledger="+strconv.FormatBool(ledger), func(b *testing.B) {
			c, err := Hits(b.Context(), url, ledger)
			compete(b, c, err, 500, "x-call")
		})
	}
}

// BenchmarkCacheRepeat runs one task 1,000 times an operation.
func BenchmarkCacheRepeat(b *testing.B) {
	for b.Loop() {
		s, calls, err := Repeat(b.Context(), 1000, "")
		if err != nil {
			b.Fatal(err)
		}
		if calls != 1 || s.Misses != 1 || s.HitRate != 0.999 {
			b.Fatalf("%d calls, %d misses and a hit rate of %v, want 1, 1 and 0.999", calls, s.Misses, s.HitRate)
		}
	}
}

// BenchmarkCacheHerd makes 50 identical runs at once an operation.
func BenchmarkCacheHerd(b *testing.B) {
	for _, processes := range []int{1, 5} {
		b.Run("processes="+strconv.Itoa(processes), func(b *testing.B) {
			for b.Loop() {
				calls, err := Herd(b.Context(), processes, 50/processes, "", "-test.run=^TestHerdPart$", "-test.count=1")
				if err != nil {
					b.Fatal(err)
				}
				if calls != 1 {
					b.Fatalf("the API counted %d calls, want 1", calls)
				}
			}
		})
	}
}

// TestHerdPart is what the processes of a herd run.
func TestHerdPart(t *testing.T) {
	if is, err := HerdPart(t.Context()); err != nil {
		t.Fatal(err)
	} else if !is {
		t.Skip("this process has no part in a herd")
	}
}
