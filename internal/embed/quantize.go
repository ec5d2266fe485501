package embed

import "math"

// Quantize rounds a vector to bytes: its numbers are about codes·scale. The
// largest becomes 127, and the scale is the one that keeps the vector's length,
// to within a hundred thousandth. The codes of a vector that came from
// [Dequantize] are those it was made of, and so is the scale. A vector of zeros
// has the scale 0. Numbers that are none, or infinite, count as zeros.
func Quantize(v []float32) (codes []int8, scale float32) {
	var largest, squares float64
	for _, x := range v {
		if x := finite(x); x != 0 {
			largest = max(largest, math.Abs(x))
			squares += float64(x * x)
		}
	}
	codes = make([]int8, len(v))
	if largest == 0 {
		return codes, 0
	}
	var rounded int
	for i, x := range v {
		code := int(math.Round(float64(finite(x)*127) / largest))
		codes[i] = int8(code)
		rounded += code * code
	}
	return codes, short(math.Sqrt(squares / float64(rounded)))
}

// Dequantize returns codes·scale, exactly.
func Dequantize(codes []int8, scale float32) []float32 {
	v := make([]float32, len(codes))
	for i, code := range codes {
		v[i] = float32(code) * scale
	}
	return v
}

func finite(x float32) float64 {
	if v := float64(x); !math.IsNaN(v) && !math.IsInf(v, 0) {
		return v
	}
	return 0
}

// short rounds to 17 significant bits: with the 7 of a code a product has the 24
// of a float32, and is exact.
func short(scale float64) float32 {
	fraction, exponent := math.Frexp(scale)
	return float32(math.Ldexp(math.Round(math.Ldexp(fraction, 17)), exponent-17))
}
