package selector

import (
	"cmp"
	"slices"
)

// Measures is how many numbers the fit of an agent to a task is decided by.
const Measures = 9

// The measures of an agent's fit. None depends on how other agents fit.
const (
	byLabel  = iota // words found in name and domains, by their rarity
	byBody          // in what else it says it is, does and is for
	byRest          // elsewhere
	byArea          // how much it is at home in the areas that the task is of
	bestLine        // cosine of the task to the agent's nearest passage
	topLines        // to its nearest three, on average
	allLines        // to all of its passages, on average
	toAbout         // to what it is
	toDomain        // to its domains
)

// fit is how an agent fits a task.
type fit struct {
	agent    int32
	nearest  int32 // its nearest passage; -1 without vectors
	measures [Measures]float32
	named    bool // the task names the agent
	score    float64
}

// mostCandidates are compared with a task passage by passage; the rest of a
// larger collection is left to its words and mean vectors.
const mostCandidates = 64

// rank measures and weighs how all agents fit, and returns the best candidates,
// sorted. They are the beginning of fits, which has an element for each agent.
func (s *Selector) rank(e *evidence, fits []fit) []fit {
	for i := range fits {
		fits[i] = fit{agent: int32(i), nearest: -1}
	}
	for _, agent := range e.mentioned {
		fits[agent].named = true
	}
	s.index.measureWords(fits, &e.query)
	if s.atlas != nil {
		s.atlas.measureAreas(e.areas, fits)
	}
	if e.vectors != nil {
		e.vectors.measureMeans(e.task, fits)
	}
	candidates := best(fits, e.weights)
	if e.vectors != nil {
		for i := range candidates {
			e.vectors.measurePassages(e.task, &candidates[i])
		}
		candidates = best(candidates, e.weights)
	}
	return candidates
}

// best weighs and sorts fits and returns the first.
func best(fits []fit, w *weights) []fit {
	for i := range fits {
		f := &fits[i]
		f.score = 0
		if f.named {
			f.score = named
		}
		for k, m := range f.measures {
			f.score += w.rank[k] * float64(m)
		}
	}
	slices.SortFunc(fits, func(a, b fit) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.agent, b.agent))
	})
	return fits[:min(len(fits), mostCandidates)]
}

// measureWords fills in what words say.
func (x *index) measureWords(fits []fit, q *query) {
	for i := range q.words {
		w := &q.words[i]
		if w.term < 0 {
			continue
		}
		weight := float32(w.rarity / q.norm)
		for _, p := range x.of(w.term) {
			measures := &fits[p.agent].measures
			for f, match := range p.match {
				measures[f] += weight * match
			}
		}
	}
}

// measureMeans compares a task with the mean of each agent's vectors.
func (v *vectors) measureMeans(task []float32, fits []fit) {
	for i := range fits {
		fits[i].measures[allLines] = dot(task, v.meanOf(fits[i].agent))
	}
}

// measurePassages compares a task with all passages of an agent.
func (v *vectors) measurePassages(task []float32, f *fit) {
	var top [3]float32
	group := v.areas + int(f.agent)
	top, f.nearest = v.nearest(task, group)
	first, end := v.start[group], v.start[group+1]
	for p := first; p < end; p++ {
		switch v.texts[p].role {
		case about:
			f.measures[toAbout] = v.cosine(task, p)
		case plain:
			f.measures[toDomain] = v.cosine(task, p)
		}
	}
	f.measures[bestLine] = top[0]
	f.measures[topLines] = 0
	n := min(end-first, 3)
	for _, c := range top[:n] {
		f.measures[topLines] += c / float32(n)
	}
}
