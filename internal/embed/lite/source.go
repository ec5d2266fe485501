package lite

import (
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Source is the network as it was trained, in floating point.
type Source struct {
	Pieces []Piece
	// Embeddings holds [Rows] rows of [Width].
	Embeddings []float32
	// Timing holds the frequencies of the timing signal, half of [Width].
	Timing []float32
	Layers [2]SourceLayer
	Head   SourceMatrix
}

// Piece is a part of words, with the logarithm of its probability.
type Piece struct {
	Text  string
	ID    int
	Score float64
}

// SourceLayer is a transformer layer. Bypass is empty in the second.
type SourceLayer struct {
	Before, Between                    Norm
	QKV, Mix, Bypass, Expand, Contract SourceMatrix
}

// Norm is what a layer normalisation has learned.
type Norm struct{ Scale, Bias []float32 }

// SourceMatrix is a product and a sum: a row of weights for each input.
type SourceMatrix struct{ Weights, Bias []float32 }

// Write makes the file that [Load] reads. The same source gives the same bytes.
// It returns an error where a part has not the size it should have.
func Write(s *Source) ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("write weights: %w", err)
	}
	w := &weights{pieces: s.pieces(), timing: s.timing()}
	w.embeddings, w.scales = s.embeddings()
	for i := range w.layers {
		from, to, width := &s.Layers[i], &w.layers[i], Width<<i
		to.qkv = quantizeMatrix(scaleQueries(fold(from.QKV, from.Before), width), width)
		to.mix = quantizeMatrix(from.Mix, width)
		if width != Dimensions {
			to.bypass = quantizeMatrix(from.Bypass, width)
		}
		to.expand = quantizeMatrix(fold(from.Expand, from.Between), Dimensions)
		to.contract = quantizeMatrix(from.Contract, Hidden)
	}
	w.head = quantizeMatrix(s.Head, Dimensions)

	var body writer
	body.pieces(w.pieces)
	w.visit(&body)
	if body.wrong != nil {
		return nil, fmt.Errorf("write weights: %w", body.wrong)
	}
	sum := sha256.Sum256(body.Bytes())
	return slices.Concat([]byte(magic), sum[:], body.Bytes()), nil
}

// check compares sizes before they are relied on; of the matrices, writing
// compares the rest.
func (s *Source) check() error {
	ok := len(s.Embeddings) == Rows*Width && len(s.Timing) == Width/2
	multiple := func(m SourceMatrix, in int) {
		ok = ok && len(m.Bias) > 0 && len(m.Bias)%panel == 0 && len(m.Weights) == in*len(m.Bias)
	}
	for i, l := range s.Layers {
		width := Width << i
		for norm, n := range map[*Norm]int{&l.Before: width, &l.Between: Dimensions} {
			ok = ok && len(norm.Scale) == n && len(norm.Bias) == n
		}
		multiple(l.QKV, width)
		multiple(l.Mix, width)
		if width != Dimensions {
			multiple(l.Bypass, width)
		}
		multiple(l.Expand, Dimensions)
		multiple(l.Contract, Hidden)
	}
	multiple(s.Head, Dimensions)
	if !ok {
		return fmt.Errorf("this is not the network that is expected: a part is missing or has another size")
	}
	return nil
}

// pieces sorts the vocabulary. Of two pieces with one text the later counts.
func (s *Source) pieces() []piece {
	var pieces []piece
	for _, p := range s.Pieces {
		pieces = append(pieces, piece{text: p.Text, id: uint16(p.ID), score: p.Score})
	}
	slices.Reverse(pieces)
	slices.SortStableFunc(pieces, func(a, b piece) int { return strings.Compare(a.text, b.text) })
	return slices.CompactFunc(pieces, func(a, b piece) bool { return a.text == b.text })
}

// timing is the signal for each position: sines, then cosines.
func (s *Source) timing() []float32 {
	t := make([]float32, Tokens*Width)
	for position := range Tokens {
		for i, frequency := range s.Timing {
			angle := float64(position) * float64(frequency)
			t[position*Width+i] = float32(math.Sin(angle))
			t[position*Width+Width/2+i] = float32(math.Cos(angle))
		}
	}
	return t
}

// embeddings rounds each row to bytes. The network doubles them at once, so
// the scales are those of the doubles.
func (s *Source) embeddings() (codes []byte, scales []float32) {
	codes, scales = make([]byte, Rows*Width), make([]float32, Rows)
	for row := range Rows {
		from := s.Embeddings[row*Width:][:Width]
		scale := unit(slices.Values(from))
		for i, v := range from {
			codes[row*Width+i] = byte(int8(math.Round(float64(v) / scale)))
		}
		scales[row] = float32(2 * scale)
	}
	return codes, scales
}

// fold lets a matrix do the scaling and shifting of the normalisation before
// it: (x·s + b)·W + c is x·(s·W) + (b·W + c).
func fold(m SourceMatrix, n Norm) SourceMatrix {
	out := len(m.Bias)
	weights := make([]float32, len(m.Weights))
	bias := make([]float32, out)
	for j := range out {
		sum := float64(m.Bias[j])
		for i := range n.Scale {
			w := float64(m.Weights[i*out+j])
			sum += float64(float64(n.Bias[i]) * w) // rounded, not fused
			weights[i*out+j] = float32(float64(n.Scale[i]) * w)
		}
		bias[j] = float32(sum)
	}
	return SourceMatrix{Weights: weights, Bias: bias}
}

// scaleQueries lets the matrix divide the queries by the root of their length.
func scaleQueries(m SourceMatrix, width int) SourceMatrix {
	by := float32(1 / math.Sqrt(float64(width/Heads)))
	for j := range width {
		for i := range width {
			m.Weights[i*len(m.Bias)+j] *= by
		}
		m.Bias[j] *= by
	}
	return m
}

// quantizeMatrix rounds the weights of each output to bytes, and lays them out
// for the kernels.
func quantizeMatrix(m SourceMatrix, in int) matrix {
	out := len(m.Bias)
	q := matrix{in: in, out: out, codes: make([]byte, in*out), scale: make([]float32, out), bias: m.Bias}
	for j := range out {
		column := func(yield func(float32) bool) {
			for i := 0; i < in && yield(m.Weights[i*out+j]); i++ {
				continue
			}
		}
		scale := unit(column)
		for i := range in {
			q.codes[place(in, i, j)] = byte(zero + int(math.Round(float64(m.Weights[i*out+j])/scale)))
		}
		q.scale[j] = float32(scale)
	}
	return q
}

// unit is what a one means where the largest of some numbers is to be 127.
func unit(numbers func(func(float32) bool)) float64 {
	var largest float64
	for v := range numbers {
		largest = max(largest, math.Abs(float64(v)))
	}
	if largest == 0 {
		return 1
	}
	return largest / 127
}
