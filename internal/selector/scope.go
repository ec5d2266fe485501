package selector

import "math"

// ScopeMeasures is how many numbers decide whether any agent fits a task.
const ScopeMeasures = 10

// The measures of whether the best agent fits. They tell as much of one agent
// as of many.
const (
	always     = iota // 1
	knownWords        // share of the task's words, by rarity, that an agent has
	knownAreas        // share of the others that an area of work has
	topLabel          // of the best agent: words found in name and domains
	topWords          // in all else
	topArea           // how much it is at home where the task is
	nearLine          // cosine to its nearest passage
	nearer            // how much nearer it is than the background
	elsewhere         // how likely the task is of the background
	amount            // how much the task says: logarithm of its words' rarity
)

// weights are what was learned for one kind of selector.
type weights struct {
	rank  [Measures]float64
	scope [ScopeMeasures]float64
	// floor is the least probability that an agent fits at all with which one is
	// recommended.
	floor float64
}

// scope measures whether the best of the agents fits.
func (s *Selector) scope(e *evidence, best *fit) [ScopeMeasures]float64 {
	m := [ScopeMeasures]float64{always: 1, amount: math.Log1p(e.query.mass)}
	for i := range e.query.words {
		w := &e.query.words[i]
		if w.term >= 0 {
			m[knownWords] += w.rarity / e.query.mass
		} else if s.atlas != nil && s.atlas.knows(w.stem) {
			m[knownAreas] += w.rarity / e.query.mass
		}
	}
	m[topLabel] = float64(best.measures[byLabel])
	m[topWords] = float64(best.measures[byBody] + best.measures[byRest])
	m[topArea] = float64(best.measures[byArea])
	m[elsewhere] = float64(e.elsewhere)
	if best.nearest >= 0 {
		m[nearLine] = float64(best.measures[bestLine])
		m[nearer] = float64(best.measures[bestLine] - e.distant)
	}
	return m
}

// probability is the logistic function of weighted measures.
func (w *weights) probability(m [ScopeMeasures]float64) float64 {
	var z float64
	for i := range m {
		z += w.scope[i] * m[i]
	}
	return 1 / (1 + math.Exp(-z))
}
