package memory

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
)

// maxDimensions bounds what an embedder may return.
const maxDimensions = 8192

var errVector = errors.New("the embedder returned no usable vector")

// quantise rounds a vector to a signed byte a dimension.
func quantise(v []float32) ([]byte, error) {
	if len(v) == 0 || len(v) > maxDimensions {
		return nil, errVector
	}
	var largest float64
	for _, x := range v {
		largest = max(largest, math.Abs(float64(x))) // NaN stays
	}
	if !(largest > 0) || math.IsInf(largest, 0) {
		return nil, errVector
	}
	codes := make([]byte, len(v))
	for i, x := range v {
		codes[i] = byte(int8(math.Round(float64(x) / largest * 127)))
	}
	return codes, nil
}

// signs packs the signs of the dimensions into words, the last one filled with
// zeros. They come from the codes, so that they can be made again from the rows.
func signs(codes []byte) []uint64 {
	words := make([]uint64, (len(codes)+63)/64)
	for i, c := range codes {
		words[i/64] |= uint64(c>>7) << (i % 64)
	}
	return words
}

// distance counts the signs in which words and the packed bits differ. It
// takes eight words at a time, all that 512 dimensions have: a loop over single
// ones takes half as long again.
func distance(words []uint64, packed []byte) int {
	n := 0
	for len(words) >= 8 && len(packed) >= 64 {
		w, p := (*[8]uint64)(words), (*[64]byte)(packed)
		n += bits.OnesCount64(w[0]^binary.LittleEndian.Uint64(p[0:])) + bits.OnesCount64(w[1]^binary.LittleEndian.Uint64(p[8:])) +
			bits.OnesCount64(w[2]^binary.LittleEndian.Uint64(p[16:])) + bits.OnesCount64(w[3]^binary.LittleEndian.Uint64(p[24:])) +
			bits.OnesCount64(w[4]^binary.LittleEndian.Uint64(p[32:])) + bits.OnesCount64(w[5]^binary.LittleEndian.Uint64(p[40:])) +
			bits.OnesCount64(w[6]^binary.LittleEndian.Uint64(p[48:])) + bits.OnesCount64(w[7]^binary.LittleEndian.Uint64(p[56:]))
		words, packed = words[8:], packed[64:]
	}
	for i, w := range words {
		n += bits.OnesCount64(w ^ binary.LittleEndian.Uint64(packed[i*8:]))
	}
	return n
}

// cosine returns the cosine of two vectors, or 0 where they cannot be compared.
func cosine(a, b []byte) float64 {
	if len(a) != len(b) {
		return 0
	}
	var dot, aa, bb int64
	for i := range a {
		x, y := int64(int8(a[i])), int64(int8(b[i]))
		dot, aa, bb = dot+x*y, aa+x*x, bb+y*y
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return float64(dot) / math.Sqrt(float64(aa)*float64(bb))
}

// similarity returns the cosine of an exact vector and a rounded one, from 0
// to 1, or 0 where they cannot be compared.
func similarity(q []float32, codes []byte) float64 {
	if len(q) != len(codes) {
		return 0
	}
	var dot, qq, cc float64
	for i, c := range codes {
		x, y := float64(q[i]), float64(int8(c))
		dot, qq, cc = dot+x*y, qq+x*x, cc+y*y
	}
	if qq == 0 || cc == 0 {
		return 0
	}
	return min(max(dot/math.Sqrt(qq*cc), 0), 1)
}

// hit is a vector that a search found, with its exact similarity.
type hit struct {
	*Vector
	similarity float64
}

const (
	// relevance is how much similarity to the task counts beside difference
	// from what was chosen already.
	relevance = 0.7
	// sameness is the cosine above which one session says what another says.
	sameness = 0.97
)

// diverse chooses at most limit hits: each time the one that is most similar
// and least like those before it (maximal marginal relevance). Copies are left
// out. The hits are in descending order of similarity, and so is the result.
func diverse(hits []hit, limit int) []hit {
	nearest := make([]float64, len(hits)) // to what was chosen
	taken := make([]bool, len(hits))
	count := 0
	for count < limit {
		best, score := -1, math.Inf(-1)
		for i, h := range hits {
			s := relevance*h.similarity - (1-relevance)*nearest[i]
			if !taken[i] && nearest[i] < sameness && s > score {
				best, score = i, s
			}
		}
		if best < 0 {
			break
		}
		taken[best] = true
		count++
		for i, h := range hits {
			if !taken[i] {
				nearest[i] = max(nearest[i], cosine(h.Codes, hits[best].Codes))
			}
		}
	}
	chosen := make([]hit, 0, count)
	for i, h := range hits {
		if taken[i] {
			chosen = append(chosen, h)
		}
	}
	return chosen
}

// differ counts the signs in which two vectors differ.
func differ(a, b []uint64) int {
	n := 0
	for i := range min(len(a), len(b)) {
		n += bits.OnesCount64(a[i] ^ b[i])
	}
	return n
}

// closest is the choice that leaves copies in.
func closest(hits []hit, limit int) []hit { return hits[:min(limit, len(hits))] }
