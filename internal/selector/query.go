package selector

import (
	"math"
	"strings"

	"github.com/kljensen/snowball/english"
)

const (
	// mostWords of a task count.
	mostWords = 256
	// weakness is what is left of the weight of numbers, and of words that most
	// kinds of work share.
	weakness = 0.3
)

// token is a word of a task.
type token struct {
	word     string // as it was written, in lower case
	stem     string
	stops    bool // it says nothing
	weak     bool // it says little
	optional bool // it counts only where it is known: a compound of others
}

// tokens reads a task, each stem once. Neighbours may be a compound: front end.
func (s *stemmer) tokens(task string) []token {
	var list []token
	seen := map[string]bool{}
	add := func(word string, optional bool) {
		if len(list) == mostWords {
			return
		}
		// Not remembered: a server would hold the words of all tasks.
		stem := english.Stem(word, true)
		if seen[stem] {
			return
		}
		if !optional {
			seen[stem] = true
		}
		weak := s.weak[stem] || strings.Trim(word, "0123456789") == ""
		list = append(list, token{word, stem, s.stops(word), weak, optional})
	}
	last := ""
	eachWord(task, func(word string, compound bool) {
		if !compound && last != "" {
			add(last+word, true)
		}
		last = word
		if compound {
			last = ""
		}
		add(word, compound)
	})
	return list
}

// query is the words of a task, as an index sees them.
type query struct {
	words []asked
	mass  float64 // rarity of all words, those that no agent has included
	norm  float64 // length of the vector of their rarities
}

// asked is a word of a task that an index is asked for.
type asked struct {
	token
	rarity float64
	term   int32 // -1 if the index does not know it
}

// ask makes a query of a task. Of a task that has only words which say nothing,
// those are taken.
func (x *index) ask(task []token) query {
	q := x.pick(task, false)
	if len(q.words) == 0 {
		q = x.pick(task, true)
	}
	var sum, squares float64
	for i := range q.words {
		sum += q.words[i].rarity
		squares += q.words[i].rarity * q.words[i].rarity
	}
	q.norm = math.Sqrt(squares)
	if q.mass == 0 { // only compounds of words that say nothing, like to-do
		q.mass = sum
	}
	return q
}

func (x *index) pick(task []token, all bool) query {
	q := query{words: make([]asked, 0, len(task))}
	for _, t := range task {
		a := asked{token: t, term: -1}
		owners := 0
		if term, ok := x.terms[t.stem]; ok {
			a.term = term
			owners = len(x.of(term))
		}
		if t.stops && !all || t.optional && a.term < 0 {
			continue
		}
		a.rarity = x.rarity(owners)
		if t.weak {
			a.rarity *= weakness
		}
		if !t.optional {
			q.mass += a.rarity
		}
		q.words = append(q.words, a)
	}
	return q
}
