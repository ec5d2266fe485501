package selector

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// mostReasons is how many words explain a recommendation.
const mostReasons = 5

// deciding returns the words of a task that count most for an agent.
func (s *Selector) deciding(q *query, f *fit, w *weights) []string {
	type decider struct {
		word   string
		weight float64
	}
	var list []decider
	for i := range q.words {
		p := s.index.find(q.words[i].term, f.agent)
		if p == nil {
			continue
		}
		d := decider{word: q.words[i].word}
		for field, match := range p.match {
			d.weight += w.rank[field] * float64(match) * q.words[i].rarity
		}
		list = append(list, d)
	}
	slices.SortStableFunc(list, func(a, b decider) int { return cmp.Compare(b.weight, a.weight) })
	var words []string
	for _, d := range list[:min(len(list), mostReasons)] {
		words = append(words, d.word)
	}
	return words
}

// find returns a term's posting of an agent; nil if it has none.
func (x *index) find(term, agent int32) *posting {
	if term < 0 {
		return nil
	}
	list := x.of(term)
	i, ok := slices.BinarySearchFunc(list, agent, func(p posting, a int32) int { return cmp.Compare(p.agent, a) })
	if !ok {
		return nil
	}
	return &list[i]
}

// reason says which words, which area of work and which example decided.
func reason(named bool, words []string, area, example string) string {
	var parts []string
	if named {
		parts = append(parts, "the task names it")
	}
	if len(words) > 0 {
		verb := " points to it"
		if len(words) > 1 {
			verb = " point to it"
		}
		parts = append(parts, list(words)+verb)
	}
	if area != "" {
		parts = append(parts, "the task sounds like "+area+" work, which it knows")
	}
	if example != "" {
		parts = append(parts, "the nearest of what it says is “"+brief(example)+"”")
	}
	if len(parts) == 0 {
		return "Nothing in the task points to it."
	}
	text := strings.Join(parts, "; ") + "."
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

// mostBrief is how much of an example a sentence quotes, in bytes.
const mostBrief = 120

// brief is the beginning of a text that is long, up to a whole word.
func brief(text string) string {
	if len(text) <= mostBrief {
		return text
	}
	text = cut(text, mostBrief)
	if end := strings.LastIndexByte(text, ' '); end > mostBrief/2 {
		text = text[:end]
	}
	return strings.TrimRight(text, " ,;:.") + " …"
}

// list writes words as “a”, “b” and “c”.
func list(words []string) string {
	var b strings.Builder
	for i, w := range words {
		switch {
		case i > 0 && i == len(words)-1:
			b.WriteString(" and ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString("“" + w + "”")
	}
	return b.String()
}
