package memory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strings"
	"unicode"
)

const (
	// wordsDepth is how many of the newest sessions a search by words looks at.
	wordsDepth = 20_000
	wordsPage  = 500
	// maxWords is how many words of a task are looked for.
	maxWords = 64
)

// Found is what [Memory.Search] found.
type Found struct {
	Matches []Match
	// ByMeaning says whether the search went by meaning; Why says why not.
	ByMeaning bool
	Why       error
}

// Search returns the sessions that are most similar to a text, copies included.
// Where there is no embedder, or it fails, the search goes by the words of the
// tasks of the latest 20,000 sessions.
func (m *Memory) Search(ctx context.Context, text string, f Filter) (Found, error) {
	vector, why := m.embed(ctx, text)
	if why == nil {
		matches, err := m.near(ctx, text, vector, f, closest)
		if err == nil {
			return Found{Matches: matches, ByMeaning: true}, nil
		}
		if !errors.Is(err, errVector) {
			return Found{}, fmt.Errorf("search past sessions: %w", err)
		}
		why = err
	}
	if gone := ctx.Err(); gone != nil || errors.Is(why, ErrClosed) {
		return Found{}, cmp.Or(gone, why)
	}
	matches, err := m.byWords(ctx, text, f)
	if err != nil {
		return Found{}, fmt.Errorf("search past sessions: %w", err)
	}
	return Found{Matches: matches, Why: why}, nil
}

// seen is a session that has some of the words, as a bit for each.
type seen struct {
	id, at int64
	words  uint64
}

func (m *Memory) byWords(ctx context.Context, text string, f Filter) ([]Match, error) {
	wanted := wordsOf(head(text, maxEmbedded), maxWords)
	if len(wanted) == 0 {
		return nil, nil
	}
	place := make(map[string]int, len(wanted))
	for i, w := range wanted {
		place[w] = i
	}
	var list []seen
	looked := 0
	for before := int64(math.MaxInt64); looked < wordsDepth; {
		page, err := m.store.Older(ctx, before, wordsPage)
		if err != nil {
			return nil, err
		}
		for i := range page {
			s := &page[i]
			before = s.ID
			if !f.passes(s) {
				continue
			}
			found := seen{id: s.ID, at: s.At.UnixMilli()}
			for _, w := range wordsOf(head(s.Task, maxEmbedded), math.MaxInt) {
				if bit, ok := place[w]; ok {
					found.words |= 1 << bit
				}
			}
			list = append(list, found)
		}
		looked += len(page)
		if len(page) < wordsPage {
			break
		}
	}
	return m.rankWords(ctx, list, len(wanted), f)
}

// rankWords weighs words by their rarity.
func (m *Memory) rankWords(ctx context.Context, list []seen, words int, f Filter) ([]Match, error) {
	weights := make([]float64, words)
	total := 0.0
	for w := range weights {
		n := 0
		for _, s := range list {
			n += int(s.words >> w & 1)
		}
		weights[w] = math.Log(1 + float64(len(list)+1)/float64(n+1))
		total += weights[w]
	}
	share := func(set uint64) (sum float64) {
		for ; set != 0; set &= set - 1 {
			sum += weights[bits.TrailingZeros64(set)]
		}
		return min(sum/total, 1)
	}
	var hits []hit
	for _, s := range list {
		if score := share(s.words); s.words != 0 && score >= f.AtLeast {
			hits = append(hits, hit{&Vector{Session: s.id, At: s.at}, score})
		}
	}
	sortHits(hits)
	return m.fetch(ctx, closest(hits, f.limit()), f)
}

// wordsOf returns the different words of a text in lower case, at most so
// many, in the order in which they come. A character of a script that writes
// no spaces is a word.
func wordsOf(text string, most int) []string {
	var words []string
	known := map[string]bool{}
	add := func(w string) {
		if len(words) < most && !known[w] {
			known[w] = true
			words = append(words, w)
		}
	}
	for _, field := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) }) {
		if !strings.ContainsFunc(field, spaceless) {
			add(field)
			continue
		}
		for _, r := range field {
			add(string(r))
		}
	}
	return words
}

func spaceless(r rune) bool {
	return r >= 0x0e00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai)
}
