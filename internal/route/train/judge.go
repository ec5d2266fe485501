package main

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/claude-force/claude-force/internal/route"
	"github.com/claude-force/claude-force/internal/route/learned"
)

const (
	arithmetic = "gsm8k"
	// mostRows of a domain count where domains are thrown together.
	mostRows = 350
)

// outliers are left out of one of the figures: two domains that are as large
// as all others, and one whose answers the dear model's labels got wrong.
func outlier(domain string) bool {
	return domain == "mmlu:moral_scenarios" || domain == "mmlu:professional_law" || domain == "mmlu:high_school_mathematics"
}

// verdict is how well a design ranks questions of domains that it never saw.
type verdict struct {
	pooled, usual    []float64 // of each part, its multiple-choice questions together
	unseen, half     []float64 // the arithmetic problems, none or half of them learned from
	byDomain         map[string][]float64
	counts           map[string]int
	gains            map[string]float64 // what the dear model does better in all, up to mostRows/5
	reference        []float64          // scores of all questions, as unseen ones
	longest, longAll []float64          // the same by length alone
}

// judge splits the domains, learns from all parts but one and ranks that.
func judge(rows []*row, d design, folds, repeats int, seed uint64) *verdict {
	v := &verdict{byDomain: map[string][]float64{}, counts: map[string]int{}, gains: map[string]float64{}}
	for repeat := range repeats {
		part := parts(rows, folds, seed+uint64(repeat))
		for fold := range folds {
			var learn, hold []*row
			for _, r := range rows {
				if part[r.domain] == fold {
					hold = append(hold, r)
				} else {
					learn = append(learn, r)
				}
			}
			v.add(hold, fit(learn, d, seed), repeat == 0)
		}
	}
	v.halves(rows, d, seed)
	return v
}

// parts deals the domains out, by number.
func parts(rows []*row, folds int, seed uint64) []int {
	n := 0
	for _, r := range rows {
		n = max(n, r.domain+1)
	}
	part := make([]int, n)
	for i, domain := range rand.New(rand.NewPCG(seed, 3)).Perm(n) {
		part[domain] = i % folds
	}
	return part
}

type ranking struct{ gains, scores, lengths []float64 }

func (k *ranking) add(r *row, score float64) {
	k.gains = append(k.gains, r.gain())
	k.scores = append(k.scores, score)
	k.lengths = append(k.lengths, float64(len(r.Task)))
}

func (k *ranking) recovered() float64 { return route.Recovered(k.gains, k.scores) }

func (v *verdict) add(hold []*row, m *learned.Model, first bool) {
	var pooled, usual ranking
	domains := map[string]*ranking{}
	var order []string
	for _, r := range hold {
		text := r.text
		score := m.Score(&text).Score
		if first {
			v.reference = append(v.reference, score)
		}
		k := domains[r.Domain]
		if k == nil {
			k = &ranking{}
			domains[r.Domain], order = k, append(order, r.Domain)
		}
		k.add(r, score)
		if r.Domain == arithmetic || len(k.gains) > mostRows {
			continue
		}
		pooled.add(r, score)
		if !outlier(r.Domain) {
			usual.add(r, score)
		}
	}
	v.pooled = append(v.pooled, pooled.recovered())
	v.usual = append(v.usual, usual.recovered())
	v.longest = append(v.longest, route.Recovered(usual.gains, usual.lengths))
	for _, domain := range order {
		k := domains[domain]
		v.counts[domain] = len(k.gains)
		v.gains[domain] = max(0, min(mostRows/5, sum(k.gains)))
		v.byDomain[domain] = append(v.byDomain[domain], k.recovered())
		if domain == arithmetic {
			v.unseen = append(v.unseen, k.recovered())
			v.longAll = append(v.longAll, route.Recovered(k.gains, k.lengths))
		}
	}
}

// halves learns from one half of the arithmetic problems and ranks the other.
func (v *verdict) halves(rows []*row, d design, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 4))
	half := make([]bool, len(rows))
	for i := range half {
		half[i] = random.IntN(2) == 0
	}
	for _, side := range []bool{false, true} {
		var learn []*row
		var k ranking
		var hold []*row
		for i, r := range rows {
			if r.Domain == arithmetic && half[i] == side {
				hold = append(hold, r)
			} else {
				learn = append(learn, r)
			}
		}
		m := fit(learn, d, seed)
		for _, r := range hold {
			text := r.text
			k.add(r, m.Score(&text).Score)
		}
		v.half = append(v.half, k.recovered())
	}
}

func sum(list []float64) (total float64) {
	for _, x := range list {
		total += x
	}
	return total
}

func mean(list []float64) float64 {
	var sum, n float64
	for _, x := range list {
		if !math.IsNaN(x) {
			sum += x
			n++
		}
	}
	return sum / n
}

// write prints the figures; domains of which nothing is gained have none.
func (v *verdict) write(w io.Writer, name string, all bool) {
	var each, weights float64
	names := make([]string, 0, len(v.byDomain))
	for domain := range v.byDomain {
		names = append(names, domain)
	}
	slices.Sort(names)
	for _, domain := range names {
		if !outlier(domain) && domain != arithmetic && v.gains[domain] > 0 {
			weight := v.gains[domain]
			each += weight * mean(v.byDomain[domain])
			weights += weight
		}
	}
	fmt.Fprintf(w, "%-32s pooled %.3f, without outliers %.3f, mean of domains %.3f; arithmetic unseen %.3f, half seen %.3f\n",
		name, mean(v.pooled), mean(v.usual), each/weights, mean(v.unseen), mean(v.half))
	if !all {
		return
	}
	fmt.Fprintf(w, "%-32s without outliers %.3f; arithmetic %.3f\n", "longest first", mean(v.longest), mean(v.longAll))
	for _, domain := range names {
		fmt.Fprintf(w, "  %-36s %5d  %.3f\n", domain, v.counts[domain], mean(v.byDomain[domain]))
	}
}
