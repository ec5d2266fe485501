package main

import (
	"math"
	"math/rand/v2"

	"github.com/claude-force/claude-force/internal/route/learned"
)

// linear fits a ridge regression of the gain on the measures. With d.centre 1
// each domain's mean is taken from measures and gains, so that only what
// differs within a domain is learned.
func (s *sample) linear(m *learned.Model, d design) {
	const n = learned.Measures
	x := s.scaled(m)
	y := append([]float64(nil), s.y...)
	s.centre(x, y, d.centre)
	var mean float64
	for i := range y {
		mean += y[i] * s.weight[i] / float64(len(y))
	}
	var a [n][n]float64
	var b [n]float64
	for i := range x {
		for j := range n {
			v := s.weight[i] * x[i][j]
			b[j] += v * (y[i] - mean)
			for k := range j + 1 {
				a[j][k] += v * x[i][k]
			}
		}
	}
	for j := range n {
		a[j][j] += d.penalty
	}
	solve(&a, &b)
	for j := range n {
		m.Linear[j].Weight = float32(b[j])
	}
}

// scaled returns the measures with mean 0 and deviation 1, clipped as the
// model clips them.
func (s *sample) scaled(m *learned.Model) [][learned.Measures]float64 {
	const clip = 4
	x := make([][learned.Measures]float64, len(s.x))
	n := float64(len(x))
	for j := range learned.Measures {
		var mean, square float64
		for i := range s.x {
			mean += s.x[i][j] / n
		}
		for i := range s.x {
			square += (s.x[i][j] - mean) * (s.x[i][j] - mean) / n
		}
		scale := 1.0
		if square > 1e-12 {
			scale = 1 / math.Sqrt(square)
		}
		m.Linear[j] = learned.Linear{Mean: float32(mean), Scale: float32(scale)}
		for i := range s.x {
			x[i][j] = max(-clip, min(clip, (s.x[i][j]-mean)*scale))
		}
	}
	return x
}

func (s *sample) centre(x [][learned.Measures]float64, y []float64, share float64) {
	if share == 0 {
		return
	}
	means := make([][learned.Measures + 1]float64, s.domains)
	size := make([]float64, s.domains)
	for i, r := range s.rows {
		size[r.domain]++
		for j, v := range x[i] {
			means[r.domain][j] += v
		}
		means[r.domain][learned.Measures] += y[i]
	}
	for i, r := range s.rows {
		part := share / size[r.domain]
		for j := range x[i] {
			x[i][j] -= part * means[r.domain][j]
		}
		y[i] -= part * means[r.domain][learned.Measures]
	}
}

// solve replaces b by the solution of a·x = b, for a symmetric positive a of
// which the lower half is given, by Cholesky's method.
func solve(a *[learned.Measures][learned.Measures]float64, b *[learned.Measures]float64) {
	for i := range b {
		for j := range i + 1 {
			v := a[i][j]
			for k := range j {
				v -= a[i][k] * a[j][k]
			}
			if i == j {
				a[i][i] = math.Sqrt(max(v, 1e-12))
			} else {
				a[i][j] = v / a[j][j]
			}
		}
	}
	for i := range b {
		for k := range i {
			b[i] -= a[i][k] * b[k]
		}
		b[i] /= a[i][i]
	}
	for i := len(b) - 1; i >= 0; i-- {
		for k := i + 1; k < len(b); k++ {
			b[i] -= a[k][i] * b[k]
		}
		b[i] /= a[i][i]
	}
}

// words fits a ridge regression of the gain on the words of a question, each
// weighted by its inverse document frequency and the whole scaled to length 1,
// by coordinate descent on the dual. It returns a byte for each bucket, and
// what a step of it is worth.
func (s *sample) words(table string, d design, seed uint64) (weights string, scale float64) {
	const passes, scarce = 6, 3
	idf := make([]float64, learned.Buckets)
	seen := make([]int, learned.Buckets)
	for _, r := range s.rows {
		for _, b := range r.text.Words {
			seen[b]++
		}
	}
	norm := make([]float64, len(s.rows))
	for i, r := range s.rows {
		for _, b := range r.text.Words {
			idf[b] = float64(table[b]) / learned.IDFSteps
			norm[i] += idf[b] * idf[b]
		}
		norm[i] = math.Sqrt(max(norm[i], 1))
	}
	var mean float64
	for i, y := range s.y {
		mean += y * s.weight[i] / float64(len(s.y))
	}
	w := make([]float64, learned.Buckets)
	dual := make([]float64, len(s.rows))
	order := rand.New(rand.NewPCG(seed, 2)).Perm(len(s.rows))
	for range passes {
		for _, i := range order {
			var p float64
			for _, b := range s.rows[i].text.Words {
				if seen[b] >= scarce {
					p += w[b] * idf[b]
				}
			}
			penalty := d.wordPenalty / s.weight[i]
			step := (s.y[i] - mean - p/norm[i] - penalty*dual[i]) / (1 + penalty)
			dual[i] += step
			for _, b := range s.rows[i].text.Words {
				if seen[b] >= scarce {
					w[b] += step * idf[b] / norm[i]
				}
			}
		}
	}
	for b := range w {
		w[b] *= idf[b]
	}
	return quantise(w)
}

func quantise(w []float64) (steps string, scale float64) {
	for _, v := range w {
		scale = max(scale, math.Abs(v)/math.MaxInt8)
	}
	out := make([]byte, len(w))
	for b, v := range w {
		if scale > 0 {
			out[b] = byte(int8(math.Round(v / scale)))
		}
	}
	return string(out), scale
}
