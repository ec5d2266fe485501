package memory

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
)

const (
	// wordWeight is what words in common count beside the meaning, and worded is
	// for how many of the nearest they are looked up. On the labelled pairs of
	// bench/quality the first hit is right more often with them, and the
	// threshold of who quotes past work tells right from wrong twice as often.
	wordWeight = 0.3
	worded     = 24
)

// withWords lets the words that tasks have in common with a text count in the
// similarity of hits, and orders them anew. A text without words says nothing.
func (m *Memory) withWords(ctx context.Context, text string, hits []hit) error {
	asked := stems(text)
	if len(asked) == 0 {
		return nil
	}
	near := hits[:min(worded, len(hits))]
	said := make(map[int64][]uint64, len(near))
	var unknown []int64
	for _, h := range near {
		if words, ok := m.recent.stems.get(h.Session); ok {
			said[h.Session] = words
		} else {
			unknown = append(unknown, h.Session)
		}
	}
	if len(unknown) > 0 {
		list, err := m.store.Tasks(ctx, unknown)
		if err != nil {
			return err
		}
		for _, t := range list {
			words := stems(t.Text)
			said[t.Session] = words
			m.recent.stems.put(t.Session, words)
		}
	}
	for i := range hits {
		hits[i].similarity = (hits[i].similarity + wordWeight*overlap(asked, said[hits[i].Session])) / (1 + wordWeight)
	}
	sortHits(hits)
	return nil
}

// sortHits puts the most similar first, of equals the newest.
func sortHits(hits []hit) {
	slices.SortFunc(hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(b.similarity, a.similarity), cmp.Compare(b.At, a.At), cmp.Compare(b.Session, a.Session))
	})
}

// stemLength is how many letters of a word stand for its stem: as good as a
// stemmer on the labelled pairs, in any language.
const stemLength = 5

// commonWords are those that every task may have.
const commonWords = " a all also an and any are as at be but by can could did do does every for from get had has have how i if in into is it" +
	" its let lets like make me more my need needs new no not now of off on one only or our out over please should so some still than" +
	" that the their them then there these they this those to too under up us use used using want wants was we were what when where which" +
	" while who why will with without would you your "

// stems returns hashes of the first letters of the words of a text that say
// something, in ascending order.
func stems(text string) []uint64 {
	var out []uint64
	for _, w := range wordsOf(head(text, maxEmbedded), math.MaxInt) {
		if strings.Contains(commonWords, " "+w+" ") {
			continue
		}
		n := 0
		for i := range w {
			if n == stemLength {
				w = w[:i]
				break
			}
			n++
		}
		out = append(out, nameHash(w))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// fewStems make a text a search for words, of which a task may have others.
const fewStems = 3

// overlap is how much of what was asked for is in a task: the cosine of the two
// sets, or the share of a few words that is there. It is 0 where they have
// nothing in common.
func overlap(asked, task []uint64) float64 {
	a, b := asked, task
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	n := 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			n, i, j = n+1, i+1, j+1
		case a[i] < b[j]:
			i++
		default:
			j++
		}
	}
	if len(a) <= fewStems {
		return float64(n) / float64(len(a))
	}
	return float64(n) / math.Sqrt(float64(len(a))*float64(len(b)))
}
