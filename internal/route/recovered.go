package route

import (
	"cmp"
	"math"
	"slices"
)

// Recovered returns the average performance gap recovered: the area under the
// gain over the share of tasks that go to the dear model, those of the highest
// score first, as a share of the gain of sending all. gains holds what the dear
// model does better at each task, 1 where only it is right and -1 where only
// the cheap one is. A random order recovers .50 on average. Tasks of one score
// share their gains. It is NaN where sending all to the dear model gains
// nothing, or the lengths differ.
func Recovered(gains, scores []float64) float64 {
	if len(gains) != len(scores) {
		return math.NaN()
	}
	order := make([]int, len(gains))
	var total float64
	for i, g := range gains {
		order[i] = i
		total += g
	}
	if total <= 0 {
		return math.NaN()
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	var so, area float64
	for i := 0; i < len(order); {
		var gain float64
		j := i
		for ; j < len(order) && scores[order[j]] == scores[order[i]]; j++ {
			gain += gains[order[j]]
		}
		j = max(j, i+1) // a NaN equals nothing
		area += (so + gain/2) * float64(j-i)
		so += gain
		i = j
	}
	return area / total / float64(len(order))
}
