package main

import (
	"math"
	"slices"

	"github.com/claude-force/claude-force/internal/route/learned"
)

// design is one way to build a model: the share of each part, and what the
// parts are held back by.
type design struct {
	name                 string
	trees, linear, words float64 // shares in the score; 0 leaves the part out
	rounds, forests      int     // trees in a forest, and forests, each of other random choices
	centre               float64 // 1: the linear part learns within domains only
	penalty, wordPenalty float64
	balance              float64 // a question weighs its domain's size to the power of -balance
	wrong                float64 // share of "the cheap model is wrong" in the label; the rest is the gain
	without              []string
}

func chosen() design {
	return design{
		name: "chosen", trees: 1, linear: 0.3, words: 1, rounds: 100, forests: 3, balance: 0.2,
		centre: 1, penalty: 300, wordPenalty: 30,
		without: []string{"mmlu:high_school_mathematics", "mmlu:moral_scenarios"},
	}
}

// alternatives are designs that were tried and not chosen.
func alternatives() []design {
	but := func(name string, change func(*design)) design {
		d := chosen()
		d.name = name
		change(&d)
		return d
	}
	return []design{
		but("trees alone", func(d *design) { d.linear, d.words = 0, 0 }),
		but("words alone", func(d *design) { d.trees, d.linear = 0, 0 }),
		but("words alone, held back less", func(d *design) { d.trees, d.linear, d.wordPenalty = 0, 0, 3 }),
		but("linear alone, within domains", func(d *design) { d.trees, d.words = 0, 0 }),
		but("linear alone, over domains", func(d *design) { d.trees, d.words, d.centre = 0, 0, 0 }),
		but("trees and words", func(d *design) { d.linear = 0 }),
		but("trees and linear", func(d *design) { d.words = 0 }),
		but("linear and words", func(d *design) { d.trees = 0 }),
		but("one forest", func(d *design) { d.forests = 1 }),
		but("more linear", func(d *design) { d.linear = 1 }),
		but("linear over domains", func(d *design) { d.centre = 0 }),
		but("words half", func(d *design) { d.words = 0.5 }),
		but("words double", func(d *design) { d.words = 2 }),
		but("50 trees a forest", func(d *design) { d.rounds = 50 }),
		but("200 trees a forest", func(d *design) { d.rounds = 200 }),
		but("questions weigh the same", func(d *design) { d.balance = 0 }),
		but("domains weigh the same", func(d *design) { d.balance = 1 }),
		but("learned from all domains", func(d *design) { d.without = nil }),
		but("also whether cheap is wrong", func(d *design) { d.wrong = 0.3 }),
		but("only whether cheap is wrong", func(d *design) { d.wrong = 1 }),
	}
}

// sample is what the parts learn from: a row each of measures, labels and
// weights.
type sample struct {
	rows    []*row
	x       [][learned.Measures]float64
	y       []float64
	weight  []float64
	domains int
}

// newSample leaves the domains out that the design does without.
func newSample(all []*row, d design) *sample {
	s := &sample{}
	for _, r := range all {
		if !slices.Contains(d.without, r.Domain) {
			s.rows = append(s.rows, r)
			s.domains = max(s.domains, r.domain+1)
		}
	}
	size := make([]float64, s.domains)
	for _, r := range s.rows {
		size[r.domain]++
	}
	var total float64
	for _, r := range s.rows {
		y := (1 - d.wrong) * r.gain()
		if !r.Cheap {
			y += d.wrong
		}
		s.y = append(s.y, y)
		s.weight = append(s.weight, math.Pow(size[r.domain], -d.balance))
		total += s.weight[len(s.weight)-1]
	}
	for i := range s.weight {
		s.weight[i] *= float64(len(s.rows)) / total
	}
	return s
}

// fit trains a model. Its quantiles are of its own scores of the rows.
func fit(rows []*row, d design, seed uint64) *learned.Model {
	s := newSample(rows, d)
	m := &learned.Model{WordScale: 0}
	m.IDF = s.frequencies()
	if d.trees > 0 {
		for i := range d.forests {
			s.boost(m, d, seed+uint64(i))
		}
	}
	if d.linear > 0 {
		s.linear(m, d)
	}
	weights, scale := s.words(m.IDF, d, seed)
	m.Weights = weights
	if d.words > 0 {
		m.WordScale = float32(scale)
	}
	s.balance(m, d)
	scores := make([]float64, len(rows))
	for i, r := range rows {
		text := r.text
		scores[i] = m.Score(&text).Score
	}
	m.Quantiles = quantiles(scores)
	return m
}

// frequencies fills the measures of rarity and returns the table of inverse
// document frequencies. For its own measures a question's domain does not
// count: no word of a new domain will be in the table for that reason either.
func (s *sample) frequencies() string {
	all := make([]float64, learned.Buckets)
	by := make([][]float64, s.domains)
	size := make([]float64, s.domains)
	for i := range by {
		by[i] = make([]float64, learned.Buckets)
	}
	for _, r := range s.rows {
		size[r.domain]++
		for _, b := range r.text.Words {
			all[b]++
			by[r.domain][b]++
		}
	}
	n := float64(len(s.rows))
	for _, r := range s.rows {
		text := r.text
		text.Rarity(func(b uint16) float64 {
			return float64(steps(n-size[r.domain], all[b]-by[r.domain][b])) / learned.IDFSteps
		})
		s.x = append(s.x, text.Values)
	}
	table := make([]byte, learned.Buckets)
	for b := range table {
		table[b] = steps(n, all[b])
	}
	return string(table)
}

func steps(documents, with float64) byte {
	return byte(math.Round(learned.IDFSteps * math.Log((documents+1)/(with+1))))
}

// balance gives each part its share: a part is scaled to a standard deviation
// of its share over the sample.
func (s *sample) balance(m *learned.Model, d design) {
	trees := &learned.Model{Trees: m.Trees, IDF: m.IDF, Weights: m.Weights}
	linear := &learned.Model{Linear: m.Linear, IDF: m.IDF, Weights: m.Weights}
	words := &learned.Model{WordScale: m.WordScale, IDF: m.IDF, Weights: m.Weights}
	treeScale := float32(d.trees / s.deviation(trees))
	for i := range m.Trees {
		for j := range m.Trees[i].Value {
			m.Trees[i].Value[j] *= treeScale
		}
	}
	linearScale := float32(d.linear / s.deviation(linear))
	for i := range m.Linear {
		m.Linear[i].Weight *= linearScale
	}
	m.WordScale *= float32(d.words / s.deviation(words))
}

func (s *sample) deviation(m *learned.Model) float64 {
	var sum, squares float64
	for _, r := range s.rows {
		text := r.text
		v := m.Score(&text).Score
		sum += v
		squares += v * v
	}
	n := float64(len(s.rows))
	if d := math.Sqrt(squares/n - sum/n*sum/n); d > 1e-9 {
		return d
	}
	return 1
}

// quantiles are strictly rising: equal ones are pushed apart by a hair.
func quantiles(scores []float64) (q [learned.Quantiles]float32) {
	sorted := slices.Sorted(slices.Values(scores))
	for i := range q {
		q[i] = float32(sorted[(i+1)*len(sorted)/(learned.Quantiles+1)])
		if i > 0 && q[i] <= q[i-1] {
			q[i] = math.Nextafter32(q[i-1], math.MaxFloat32)
		}
	}
	return q
}
