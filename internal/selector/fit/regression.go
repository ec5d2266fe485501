package main

import (
	"math"

	"github.com/claude-force/claude-force/internal/selector"
)

// How the regressions run: so many steps downhill, whose length shrinks.
const (
	steps     = 600
	shrinking = 200.0
	// restraint keeps weights small that have little to say (ridge).
	restraint = 0.003
)

// learnRank finds the weights under which the right agents are likeliest: a
// conditional logistic regression. No evidence for an agent may count against it.
func learnRank(samples []sample) [selector.Measures]float64 {
	var w [selector.Measures]float64
	for i := range w {
		w[i] = 2
	}
	for step := range steps {
		var slope [selector.Measures]float64
		var total float64
		for _, s := range samples {
			if s.want < 0 {
				continue
			}
			total += s.share
			for i, p := range chances(w[:], s) {
				off := -p
				if i == s.want {
					off++
				}
				for k := range slope {
					slope[k] += s.share * off * s.Fits[i][k]
				}
			}
		}
		for k := range w {
			w[k] = max(0, w[k]+pace(20, step)*(slope[k]/total-restraint*w[k]))
		}
	}
	return w
}

// chances are how likely each agent is under weights.
func chances(w []float64, s sample) []float64 {
	p := make([]float64, len(s.Fits))
	best := math.Inf(-1)
	for i := range p {
		p[i] = product(w, s.Fits[i][:])
		best = max(best, p[i])
	}
	var sum float64
	for i := range p {
		p[i] = math.Exp(p[i] - best)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// outcome is whether an agent fitted.
type outcome struct {
	measures [selector.ScopeMeasures]float64
	fits     bool
	share    float64
}

// learnScope finds the weights of a logistic regression.
func learnScope(cases []outcome) [selector.ScopeMeasures]float64 {
	var w [selector.ScopeMeasures]float64
	var total float64
	for _, c := range cases {
		total += c.share
	}
	for step := range steps * 5 {
		var slope [selector.ScopeMeasures]float64
		for _, c := range cases {
			off := -logistic(product(w[:], c.measures[:]))
			if c.fits {
				off++
			}
			for k := range slope {
				slope[k] += c.share * off * c.measures[k]
			}
		}
		for k := range w {
			w[k] += pace(1, step/5) * (slope[k]/total - restraint*w[k])
		}
	}
	return w
}

func pace(first float64, step int) float64 { return first / (1 + float64(step)/shrinking) }

func logistic(z float64) float64 { return 1 / (1 + math.Exp(-z)) }

func product(a, b []float64) (sum float64) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}
