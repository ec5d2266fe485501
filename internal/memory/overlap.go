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
	ids := make([]int64, len(near))
	for i, h := range near {
		ids[i] = h.Session
	}
	list, err := m.store.Tasks(ctx, ids)
	if err != nil {
		return err
	}
	shared := make(map[int64]float64, len(list))
	for _, t := range list {
		shared[t.Session] = overlap(asked, stems(t.Text))
	}
	for i := range hits {
		hits[i].similarity = (hits[i].similarity + wordWeight*shared[hits[i].Session]) / (1 + wordWeight)
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

// stems returns the first letters of the words of a text that say something.
func stems(text string) map[string]struct{} {
	out := map[string]struct{}{}
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
		out[w] = struct{}{}
	}
	return out
}

// overlap is the cosine of two sets: 1 where they are the same, 0 where they
// have nothing in common or one is empty.
func overlap(a, b map[string]struct{}) float64 {
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	n := 0
	for w := range a {
		if _, ok := b[w]; ok {
			n++
		}
	}
	return float64(n) / math.Sqrt(float64(len(a))*float64(len(b)))
}
