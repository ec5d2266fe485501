package memory

import (
	"math/rand/v2"
	"testing"
)

// BenchmarkScan compares the entries of a block, as a search does for each.
func BenchmarkScan(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	v := Vector{Codes: make([]byte, 512)}
	l := layout{8}
	var entries []byte
	for v.Number = range int64(blockEntries) {
		for i := range v.Codes {
			v.Codes[i] = byte(r.Uint32())
		}
		entries = l.appendEntry(entries, &v)
	}
	n := newNearest(signs(v.Codes), newSieve(Filter{}), nearby)
	b.SetBytes(int64(len(entries)))
	for b.Loop() {
		n.scan(entries)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/blockEntries, "ns/entry")
}
