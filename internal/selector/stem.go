package selector

import (
	_ "embed"
	"strings"

	"github.com/kljensen/snowball/english"
)

// stopList is words that any task or definition may have: of grammar, of
// politeness, and of work as such.
//
//go:embed data/stop.txt
var stopList string

// weakList is words that most kinds of work share.
//
//go:embed data/weak.txt
var weakList string

// stemmer reduces words to stems and remembers what it saw. It is not safe for
// concurrent use.
type stemmer struct {
	stop map[string]bool
	weak map[string]bool // stems
	seen map[string]string
}

func newStemmer() *stemmer {
	s := &stemmer{stop: map[string]bool{}, weak: map[string]bool{}, seen: map[string]string{}}
	for word := range strings.FieldsSeq(stopList) {
		s.stop[word] = true
	}
	for word := range strings.FieldsSeq(weakList) {
		s.weak[s.stem(word)] = true
	}
	return s
}

// stem returns the stem of a word in lower case.
func (s *stemmer) stem(word string) string {
	stem, ok := s.seen[word]
	if !ok {
		stem = english.Stem(word, true)
		s.seen[word] = stem
	}
	return stem
}

// stops reports whether a word says nothing about what a text is about. C and R
// are languages; other single letters are none.
func (s *stemmer) stops(word string) bool {
	return s.stop[word] || len(word) == 1 && word[0] < 0x80 && word != "c" && word != "r"
}
