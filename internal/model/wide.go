package model

import (
	"math"
	"math/bits"
)

// wide is an unsigned 128-bit integer: a sum of token counts times rates does
// not always fit in 64 bits before it is rounded.
type wide struct{ hi, lo uint64 }

// wideProduct returns a times b, which always fits.
func wideProduct(a, b uint64) wide {
	hi, lo := bits.Mul64(a, b)
	return wide{hi, lo}
}

// plus returns w + v, and false where the sum does not fit.
func (w wide) plus(v wide) (wide, bool) {
	lo, carry := bits.Add64(w.lo, v.lo, 0)
	hi, carry := bits.Add64(w.hi, v.hi, carry)
	return wide{hi, lo}, carry == 0
}

// times returns w * n, and false where the product does not fit.
func (w wide) times(n uint64) (wide, bool) {
	over, hi := bits.Mul64(w.hi, n)
	carried, lo := bits.Mul64(w.lo, n)
	hi, carry := bits.Add64(hi, carried, 0)
	return wide{hi, lo}, over == 0 && carry == 0
}

// overHalfEven returns w / d rounded to the nearest integer, a tie to the even
// one, and false where that exceeds the largest int64. d must not be zero.
func (w wide) overHalfEven(d uint64) (int64, bool) {
	if w.hi >= d {
		return 0, false
	}
	quotient, rest := bits.Div64(w.hi, w.lo, d)
	if quotient > math.MaxInt64 {
		return 0, false
	}
	// rest is compared with d-rest, not doubled: doubling could overflow.
	if up := d - rest; rest > up || rest == up && quotient%2 == 1 {
		quotient++
	}
	return int64(quotient), quotient <= math.MaxInt64
}
