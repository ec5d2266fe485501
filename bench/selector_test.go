package bench

import (
	"runtime"
	"testing"
	"time"
)

// BenchmarkRecommend finds an agent among 1,000 on one processor; rest-ms is
// what is not the encoder's.
func BenchmarkRecommend(b *testing.B) {
	r, err := NewRecommending(b.Context(), 1000)
	if err != nil {
		b.Fatal(err)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var all, encoder time.Duration
	n := 0
	for b.Loop() {
		began := time.Now()
		if err := r.Recommend(b.Context()); err != nil {
			b.Fatal(err)
		}
		middle := time.Now()
		if err := r.Encode(b.Context()); err != nil {
			b.Fatal(err)
		}
		all, encoder = all+middle.Sub(began), encoder+time.Since(middle)
		n++
	}
	b.ReportMetric(0, "ns/op")
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) / float64(n) }
	b.ReportMetric(ms(all), "recommend-ms")
	b.ReportMetric(ms(all-encoder), "rest-ms")
	b.ReportMetric(r.First.Seconds(), "first-s")
}
