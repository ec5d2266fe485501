package lite

import (
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// space stands for a space; a text begins with one.
const space = "\u2581"

// unknown is the id of characters that no piece has; several in a row are one
// token.
const unknown = 0

// longest is how many bytes of a text are looked at. 128 tokens have less than
// 4 KiB; only what is unknown, and merged into one token, can be longer.
const longest = 16 << 10

// piece is an entry of the vocabulary.
type piece struct {
	text  string
	id    uint16
	score float64
}

// tokenizer splits texts into the pieces whose scores add up to most
// (SentencePiece's unigram model). It is safe for concurrent use.
type tokenizer struct {
	pieces []piece // in the order of their bytes
	// first says where the pieces with a first byte begin, and with the next
	// byte, end.
	first [257]int
}

func newTokenizer(pieces []piece) *tokenizer {
	t := &tokenizer{pieces: pieces}
	for b := range 256 {
		t.first[b+1] = sort.Search(len(pieces), func(i int) bool { return int(pieces[i].text[0]) > b })
	}
	return t
}

// encode returns the ids of the first tokens of a text, at most [Tokens]. An
// empty text has none.
func (t *tokenizer) encode(text string) []uint16 {
	text = norm.NFKC.String(cut(text))
	if text == "" {
		return nil
	}
	text = space + strings.ReplaceAll(text, " ", space)
	l := lattice{ids: make([]uint16, 0, Tokens)}
	for len(text) > 0 && len(l.ids) < Tokens {
		text = text[l.word(t, text):]
	}
	return l.ids[:min(len(l.ids), Tokens)]
}

// cut returns the beginning of a long text, whole characters.
func cut(text string) string {
	if len(text) <= longest {
		return text
	}
	end := longest
	for end > longest-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// lattice is the search for the best pieces of one text. No piece reaches over
// the end of a word, so a word is settled when its end is reached.
type lattice struct {
	ids   []uint16
	total float64 // the score of the words before
	nodes []node
}

// node is the best way to a place in a word.
type node struct {
	score float64
	from  int // where its last piece begins
	id    uint16
}

// word finds the tokens up to the first place that no piece of the text
// reaches over, and returns that place.
func (l *lattice) word(t *tokenizer, text string) (end int) {
	l.nodes = append(l.nodes[:0], node{score: l.total})
	for at, before := 0, 0; ; {
		if at > 0 && at == len(l.nodes)-1 {
			break
		}
		if at > 0 && l.nodes[at].from < 0 { // no piece ends here
			l.nodes[at] = node{from: before}
		}
		_, size := utf8.DecodeRuneInString(text[at:])
		if !t.matches(text[at:], func(p *piece) { l.offer(at, at+len(p.text), p.id, p.score) }) {
			l.offer(at, at+size, unknown, 0)
		}
		before = at
		at += size
		l.grow(at)
	}
	end = len(l.nodes) - 1
	l.total = l.nodes[end].score
	l.collect(end)
	return end
}

func (l *lattice) grow(end int) {
	for len(l.nodes) <= end {
		l.nodes = append(l.nodes, node{from: -1})
	}
}

// offer proposes a piece. Of equals the later, that is the shorter, wins; and a
// sum of exactly zero counts as none, as in the reference.
func (l *lattice) offer(from, to int, id uint16, score float64) {
	l.grow(to)
	n := &l.nodes[to]
	sum := l.nodes[from].score + score
	if n.from < 0 || n.score == 0 || sum >= n.score {
		*n = node{score: sum, from: from, id: id}
	}
}

// collect appends the ids of the best way to end.
func (l *lattice) collect(end int) {
	start := len(l.ids)
	for ; end > 0; end = l.nodes[end].from {
		l.ids = append(l.ids, l.nodes[end].id)
	}
	slices.Reverse(l.ids[start:])
	kept := l.ids[:start]
	for _, id := range l.ids[start:] {
		if id != unknown || len(kept) == 0 || kept[len(kept)-1] != unknown {
			kept = append(kept, id)
		}
	}
	l.ids = kept
}

// matches calls found with each piece that text begins with, and reports
// whether there was one.
func (t *tokenizer) matches(text string, found func(*piece)) (any bool) {
	low, high := t.first[text[0]], t.first[int(text[0])+1]
	// The pieces from low to high share depth bytes with the text.
	for depth := 1; low < high; depth++ {
		if p := &t.pieces[low]; len(p.text) == depth {
			found(p)
			any = true
			low++
		}
		if depth == len(text) {
			break
		}
		low = t.search(low, high, depth, int(text[depth]))
		high = t.search(low, high, depth, int(text[depth])+1)
	}
	return any
}

// search returns the first of the pieces from low to high whose byte at depth
// is at least b.
func (t *tokenizer) search(low, high, depth, b int) int {
	for low < high {
		if middle := (low + high) / 2; int(t.pieces[middle].text[depth]) < b {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}
