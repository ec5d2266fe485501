package selector

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
)

const (
	// shadowTerms are compared of each agent, the most telling ones.
	shadowTerms = 48
	// shadowWords and shadowBoth are from where on two agents shadow each other:
	// by words alone, and by the mean of words and meaning.
	shadowWords = 0.6
	shadowBoth  = 0.7
	// shadowPairs bounds the answer.
	shadowPairs = 1000
)

// Shadow is two agents that say nearly the same of themselves: chance decides
// which of them is recommended.
type Shadow struct {
	A, B       string  // A before B by name
	Similarity float64 // 0 to 1
	Why        string  // in a sentence
}

// term is a term of an agent with its weight; an agent's weights have length 1.
type term struct {
	id     int32
	weight float64
}

// Shadows returns the agents that shadow each other, the most similar first, a
// thousand pairs at most. The error is that of the embedder or of the context.
func (s *Selector) Shadows(ctx context.Context) ([]Shadow, error) {
	var v *vectors
	if s.embedder != nil {
		var err error
		if v, err = s.ready(ctx); err != nil {
			return nil, fmt.Errorf("compare agents with each other: %w", err)
		}
	}
	owners := make(map[int32][]int32) // of the most telling terms
	profiles := s.profiles()
	var found []Shadow
	for a := range profiles {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("compare agents with each other: %w", err)
		}
		common := map[int32]float64{}
		for _, t := range profiles[a] {
			for _, b := range owners[t.id] {
				common[b] += t.weight * weightOf(profiles[b], t.id)
			}
		}
		for b, words := range common {
			if similarity, ok := v.similarity(int32(a), b, words); ok {
				found = append(found, s.shadow(int32(a), b, similarity, profiles))
			}
		}
		for _, t := range profiles[a] {
			owners[t.id] = append(owners[t.id], int32(a))
		}
	}
	slices.SortFunc(found, func(x, y Shadow) int {
		return cmp.Or(cmp.Compare(y.Similarity, x.Similarity), cmp.Compare(x.A, y.A), cmp.Compare(x.B, y.B))
	})
	return found[:min(len(found), shadowPairs)], nil
}

// similarity is how similar two agents are, and whether that is too much. v may
// be nil.
func (v *vectors) similarity(a, b int32, words float64) (similarity float64, shadows bool) {
	if v == nil {
		return words, words >= shadowWords
	}
	one, other := v.meanOf(a), v.meanOf(b)
	meaning := float64(dot(one, other)) / math.Sqrt(float64(dot(one, one))*float64(dot(other, other)))
	if math.IsNaN(meaning) {
		meaning = 0
	}
	both := (words + min(1, meaning)) / 2
	return both, both >= shadowBoth
}

// shadow describes a pair.
func (s *Selector) shadow(a, b int32, similarity float64, profiles [][]term) Shadow {
	if s.agents[a].Name > s.agents[b].Name {
		a, b = b, a
	}
	shared := slices.Clone(profiles[a])
	shared = slices.DeleteFunc(shared, func(t term) bool { return weightOf(profiles[b], t.id) == 0 })
	slices.SortStableFunc(shared, func(x, y term) int { return cmp.Compare(y.weight, x.weight) })
	var words []string
	for _, t := range shared[:min(len(shared), mostReasons)] {
		words = append(words, s.index.surface[t.id])
	}
	sh := Shadow{A: s.agents[a].Name, B: s.agents[b].Name, Similarity: similarity}
	sh.Why = fmt.Sprintf("%s and %s both speak of %s: say in each when to use it and not the other.", sh.A, sh.B, list(words))
	for _, domain := range s.agents[a].Domains {
		if slices.ContainsFunc(s.agents[b].Domains, func(d string) bool { return strings.EqualFold(d, domain) }) {
			sh.Why = fmt.Sprintf("%s and %s share the domain “%s” and both speak of %s: say in each when to use it and not the other.",
				sh.A, sh.B, domain, list(words))
			break
		}
	}
	return sh
}

// profiles returns the most telling terms of each agent, by their number.
func (s *Selector) profiles() [][]term {
	profiles := make([][]term, len(s.agents))
	for id := range int32(len(s.index.surface)) {
		owners := s.index.of(id)
		rarity := s.index.rarity(len(owners))
		for i := range owners {
			a := owners[i].agent
			profiles[a] = append(profiles[a], term{id, rarity * float64(owners[i].best())})
		}
	}
	for a, list := range profiles {
		slices.SortStableFunc(list, func(x, y term) int { return cmp.Compare(y.weight, x.weight) })
		list = list[:min(len(list), shadowTerms)]
		slices.SortFunc(list, func(x, y term) int { return cmp.Compare(x.id, y.id) })
		var squares float64
		for _, t := range list {
			squares += t.weight * t.weight
		}
		for i := range list {
			list[i].weight /= math.Sqrt(squares)
		}
		profiles[a] = list
	}
	return profiles
}

// weightOf is the weight of a term in a profile; 0 if it is not there.
func weightOf(profile []term, id int32) float64 {
	i, ok := slices.BinarySearchFunc(profile, id, func(t term, id int32) int { return cmp.Compare(t.id, id) })
	if !ok {
		return 0
	}
	return profile[i].weight
}
