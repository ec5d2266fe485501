package main

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/claude-force/claude-force/internal/route/learned"
)

// What holds the trees back.
const (
	bins       = 32
	rate       = 0.06
	rowShare   = 0.3
	shareSeen  = 0.4 // of the measures, for each tree
	leafWeight = 30
	shrinkage  = 30
)

// booster grows trees, each on what those before it have left over.
type booster struct {
	*sample
	cuts [learned.Measures][]float64
	bin  [learned.Measures][]uint8
	rest []float64 // label less prediction
	seen []int
	tree learned.Tree
}

// boost adds trees of gradient boosting on squared error.
func (s *sample) boost(m *learned.Model, d design, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	b := &booster{sample: s, rest: make([]float64, len(s.y))}
	var mean float64
	for i, y := range s.y {
		mean += y * s.weight[i] / float64(len(s.y))
	}
	for i, y := range s.y {
		b.rest[i] = y - mean
	}
	for measure := range b.cuts {
		b.discretise(measure)
	}
	for range d.rounds {
		var rows []int
		for i := range s.y {
			if random.Float64() < rowShare {
				rows = append(rows, i)
			}
		}
		b.seen = b.seen[:0]
		for measure := range learned.Measures {
			if random.Float64() < shareSeen {
				b.seen = append(b.seen, measure)
			}
		}
		b.tree = learned.Tree{}
		b.grow(rows, 0)
		for i := range s.x {
			b.rest[i] -= leaf(&b.tree, &s.x[i])
		}
		m.Trees = append(m.Trees, b.tree)
	}
}

// discretise puts a measure's values into bins. A cut lies between two values
// of the grid.
func (b *booster) discretise(measure int) {
	values := make([]float64, len(b.x))
	for i := range b.x {
		values[i] = b.x[i][measure]
	}
	sorted := slices.Sorted(slices.Values(values))
	for k := 1; k < bins; k++ {
		at := k * len(sorted) / bins
		below, found := slices.BinarySearch(sorted, sorted[at])
		if !found || below == 0 {
			continue
		}
		cut := float64(float32((sorted[below-1] + sorted[at]) / 2))
		if n := len(b.cuts[measure]); n == 0 || cut > b.cuts[measure][n-1] {
			b.cuts[measure] = append(b.cuts[measure], cut)
		}
	}
	b.bin[measure] = make([]uint8, len(values))
	for i, v := range values {
		bin, _ := slices.BinarySearch(b.cuts[measure], math.Nextafter(v, math.MaxFloat64))
		b.bin[measure][i] = uint8(bin)
	}
}

// grow fills a node and those below it.
func (b *booster) grow(rows []int, node int) {
	sum, weight := b.totals(rows)
	b.tree.Value[node] = float32(rate * sum / (weight + shrinkage))
	if 2*node+2 >= learned.Nodes {
		return
	}
	measure, cut := b.split(rows, sum, weight)
	if measure < 0 { // all go left, into a copy of this node
		b.tree.Threshold[node] = float32(math.Inf(1))
		b.grow(rows, 2*node+1)
		b.grow(nil, 2*node+2)
		return
	}
	b.tree.Measure[node] = uint8(measure)
	b.tree.Threshold[node] = float32(b.cuts[measure][cut])
	var left, right []int
	for _, i := range rows {
		if int(b.bin[measure][i]) <= cut {
			left = append(left, i)
		} else {
			right = append(right, i)
		}
	}
	b.grow(left, 2*node+1)
	b.grow(right, 2*node+2)
}

func (b *booster) totals(rows []int) (sum, weight float64) {
	for _, i := range rows {
		sum += b.weight[i] * b.rest[i]
		weight += b.weight[i]
	}
	return sum, weight
}

// split returns the measure and cut that explain most, -1 where none does.
func (b *booster) split(rows []int, sum, weight float64) (measure, cut int) {
	best := sum*sum/(weight+shrinkage) + 1e-9
	measure = -1
	for _, j := range b.seen {
		var sums, weights [bins]float64
		for _, i := range rows {
			k := b.bin[j][i]
			sums[k] += b.weight[i] * b.rest[i]
			weights[k] += b.weight[i]
		}
		var left, leftWeight float64
		for k := range b.cuts[j] {
			left += sums[k]
			leftWeight += weights[k]
			right, rightWeight := sum-left, weight-leftWeight
			if leftWeight < leafWeight || rightWeight < leafWeight {
				continue
			}
			if v := left*left/(leftWeight+shrinkage) + right*right/(rightWeight+shrinkage); v > best {
				best, measure, cut = v, j, k
			}
		}
	}
	return measure, cut
}

func leaf(t *learned.Tree, x *[learned.Measures]float64) float64 {
	node := 0
	for 2*node+2 < learned.Nodes {
		if x[t.Measure[node]] < float64(t.Threshold[node]) {
			node = 2*node + 1
		} else {
			node = 2*node + 2
		}
	}
	return float64(t.Value[node])
}
