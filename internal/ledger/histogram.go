package ledger

import (
	"maps"
	"math/bits"
	"slices"
)

// fine is the number of bits of a duration that its bucket keeps: 32 buckets
// to each doubling, so that the middle of a bucket is within 1.6 % of all that
// is in it. Counts of buckets can be added, which percentiles cannot.
const fine = 5

// Bucket is the number of the bucket of a duration in microseconds. Up to 63
// each has its own.
func Bucket(us int64) int {
	us = max(us, 0)
	shift := max(bits.Len64(uint64(us))-fine-1, 0)
	return shift<<fine + int(us>>shift)
}

// middle is the duration in the middle of a bucket, in microseconds.
func middle(bucket int) int64 {
	shift := max(bucket>>fine-1, 0)
	low := int64(bucket-shift<<fine) << shift
	return low + int64(1)<<shift/2
}

// Histogram counts durations by their buckets.
type Histogram map[int]int64

// Quantile returns the duration in microseconds that the share q of all does
// not exceed, within 1.6 %; 0 where there are none.
func (h Histogram) Quantile(q float64) int64 {
	var all int64
	for _, n := range h {
		all += n
	}
	// The rank is that of the nearest one, as for the median of three.
	rank := int64(q * float64(all-1))
	for _, bucket := range slices.Sorted(maps.Keys(h)) {
		if rank -= h[bucket]; rank < 0 {
			return middle(bucket)
		}
	}
	return 0
}
