package learned

import (
	"encoding/binary"
	"errors"
	"math"
)

// Depth is how many questions a tree asks; every tree is complete.
const (
	Depth  = 3
	inner  = 1<<Depth - 1
	Nodes  = 1<<(Depth+1) - 1
	header = "CFRM1\n"
)

// Tree is a complete binary tree: the children of node i are 2i+1 and 2i+2. A
// text goes left where its measure is below the threshold.
type Tree struct {
	Measure   [inner]uint8
	Threshold [inner]float32
	Value     [Nodes]float32 // of each node, as if it were a leaf
}

// Linear is the weight of a measure once it is centred, scaled and clipped.
type Linear struct {
	Mean, Scale, Weight float32
}

// clip bounds a scaled measure: a text far from all known ones gets no weight
// that was never learned.
const clip = 4

// Quantiles is how many quantiles of the reference scores a model has: from
// the first to the last percentile in equal steps.
const Quantiles = 99

// Model is a trained model. It is read-only and safe for concurrent use.
type Model struct {
	Trees  []Tree
	Linear [Measures]Linear
	// WordScale is what a step of a word's weight is worth.
	WordScale float32
	// Quantiles are scores of the reference questions, rising.
	Quantiles [Quantiles]float32
	// IDF and Weights hold a byte for each bucket: the inverse document
	// frequency in steps of 1/IDFSteps, and the weight as int8.
	IDF, Weights string
}

// IDFSteps is how many steps of IDF make one nat.
const IDFSteps = 16

// Parts are what the parts of a model say of a text.
type Parts struct {
	// Measures is what each measure adds, in the trees and the linear part.
	Measures [Measures]float64
	// Words is what the vocabulary adds.
	Words float64
	// Score is the sum of all, in a fixed order.
	Score float64
}

// Idf returns the inverse document frequency of a bucket, in nats.
func (m *Model) Idf(bucket uint16) float64 { return float64(m.IDF[bucket]) / IDFSteps }

// Score returns what the model says of a text, part by part.
func (m *Model) Score(t *Text) Parts {
	t.Rarity(m.Idf)
	var p Parts
	for i := range m.Trees {
		m.Trees[i].add(&t.Values, &p.Measures)
	}
	for i, w := range m.Linear {
		x := (t.Values[i] - float64(w.Mean)) * float64(w.Scale)
		p.Measures[i] += float64(max(-clip, min(clip, x)) * float64(w.Weight))
	}
	var sum, norm float64
	for _, b := range t.Words {
		idf := m.Idf(b)
		sum += float64(int8(m.Weights[b]))
		norm += float64(idf * idf)
	}
	p.Words = sum * float64(m.WordScale) / math.Sqrt(max(norm, 1))
	for _, v := range p.Measures {
		p.Score += v
	}
	p.Score += p.Words
	return p
}

// add follows the text down the tree: each question adds what its answer
// changes.
func (t *Tree) add(x *[Measures]float64, to *[Measures]float64) {
	for i := 0; i < inner; {
		child := 2*i + 1
		if x[t.Measure[i]] >= float64(t.Threshold[i]) {
			child++
		}
		to[t.Measure[i]] += float64(t.Value[child]) - float64(t.Value[i])
		i = child
	}
}

// Percentile returns the share of the reference questions whose score is
// lower, over 0 and below 1. It rises with the score, also beyond them.
func (m *Model) Percentile(score float64) float64 {
	const step = 1.0 / (Quantiles + 1)
	q := &m.Quantiles
	if below := float64(q[0]) - score; below >= 0 {
		return step / (1 + below/m.spread())
	}
	if above := score - float64(q[Quantiles-1]); above >= 0 {
		return 1 - step/(1+above/m.spread())
	}
	low, high := 0, Quantiles-1
	for high-low > 1 {
		if middle := (low + high) / 2; score < float64(q[middle]) {
			high = middle
		} else {
			low = middle
		}
	}
	inside := (score - float64(q[low])) / (float64(q[high]) - float64(q[low]))
	return (float64(low+1) + inside) * step
}

func (m *Model) spread() float64 { return float64(m.Quantiles[Quantiles-1] - m.Quantiles[0]) }

// Append appends the model's file to data.
func (m *Model) Append(data []byte) []byte {
	data = append(data, header...)
	data = append(data, Measures)
	data = binary.LittleEndian.AppendUint16(data, uint16(len(m.Trees)))
	for _, part := range m.fixed() {
		data, _ = binary.Append(data, binary.LittleEndian, part) // all of fixed size
	}
	return append(append(data, m.IDF...), m.Weights...)
}

func (m *Model) fixed() []any {
	return []any{m.Trees, &m.Linear, &m.WordScale, &m.Quantiles}
}

// Parse reads a model's file. It keeps parts of data.
func Parse(data string) (*Model, error) {
	const start = len(header) + 3
	broken := errors.New("the weights of the router are no file of this version")
	if len(data) < start+2*Buckets || data[:len(header)] != header || data[len(header)] != Measures {
		return nil, broken
	}
	tables := len(data) - 2*Buckets
	fixed := []byte(data[start-2 : tables])
	m := &Model{Trees: make([]Tree, binary.LittleEndian.Uint16(fixed))}
	fixed = fixed[2:]
	for _, part := range m.fixed() {
		n, err := binary.Decode(fixed, binary.LittleEndian, part)
		if err != nil {
			return nil, broken
		}
		fixed = fixed[n:]
	}
	if len(fixed) != 0 || !m.sound() {
		return nil, broken
	}
	m.IDF, m.Weights = data[tables:tables+Buckets], data[tables+Buckets:]
	return m, nil
}

// sound reports whether every number of the model can be used.
func (m *Model) sound() bool {
	good := finite(m.WordScale)
	for i := range m.Trees {
		for j, measure := range m.Trees[i].Measure {
			good = good && measure < Measures && m.Trees[i].Threshold[j] == m.Trees[i].Threshold[j]
		}
		for _, v := range m.Trees[i].Value {
			good = good && finite(v)
		}
	}
	for _, w := range m.Linear {
		good = good && finite(w.Mean) && finite(w.Scale) && finite(w.Weight)
	}
	for i, q := range m.Quantiles {
		good = good && finite(q) && (i == 0 || q > m.Quantiles[i-1])
	}
	return good
}

func finite(f float32) bool { return f-f == 0 }
