package markdown

import (
	"strings"
	"unicode/utf8"
)

// prose is styled text that may be wrapped. Its newlines are line breaks, and
// it holds no tabs.
type prose struct {
	text  string
	marks []mark
}

// mark says in which style the text is up to an offset.
type mark struct {
	end   int
	style style
}

// add appends text, in which line ends and tabs are spaces.
func (p *prose) add(s style, text string) {
	p.append(s, strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		return r
	}, text))
}

// lineBreak ends a line where it stands.
func (p *prose) lineBreak() { p.append(0, "\n") }

func (p *prose) extend(q prose) {
	start := 0
	for _, m := range q.marks {
		p.append(m.style, q.text[start:m.end])
		start = m.end
	}
}

func (p *prose) append(s style, text string) {
	p.text += text
	if last := len(p.marks) - 1; last >= 0 && p.marks[last].style == s {
		p.marks[last].end = len(p.text)
		return
	}
	p.marks = append(p.marks, mark{end: len(p.text), style: s})
}

// write puts one line of the prose.
func (p *prose) write(w *writer, line extent) {
	for _, m := range p.marks {
		if end := min(m.end, line.end); line.start < end {
			w.put(m.style, p.text[line.start:end])
			line.start = end
		}
	}
}

// extent is a line or a word in a text, and how many cells it takes.
type extent struct{ start, end, cells int }

// wrap splits text into lines of at most the given number of cells, as far as
// its words allow it. Spaces at the ends of lines are dropped.
func wrap(text string, cells int) []extent {
	var lines []extent
	var line extent
	for pos := 0; pos < len(text); {
		if text[pos] == '\n' {
			lines = append(lines, line)
			pos++
			line = extent{start: pos, end: pos}
			continue
		}
		gap := pos
		for pos < len(text) && text[pos] == ' ' {
			pos++
		}
		word := nextWord(text, pos)
		switch {
		case word.start == word.end: // the text or the line ends with spaces
		case line.start == line.end:
			line = word
		case line.cells+pos-gap+word.cells > cells:
			lines = append(lines, line)
			line = word
		default:
			line.end, line.cells = word.end, line.cells+pos-gap+word.cells
		}
		pos = word.end
	}
	if line.start < line.end {
		lines = append(lines, line)
	}
	return lines
}

// nextWord returns the text from pos on that stays on one line. It ends at a
// space, and beside characters of two cells, which need no spaces between them.
func nextWord(text string, pos int) extent {
	word := extent{start: pos, end: pos}
	var last rune
	var lastWide bool
	for word.end < len(text) {
		r, _ := utf8.DecodeRuneInString(text[word.end:])
		if r == ' ' || r == '\n' {
			break
		}
		size, cells := cluster(text[word.end:])
		wide := cells == 2 && r >= firstWide
		if (wide || lastWide) && word.start < word.end && !glued(last, r) {
			break
		}
		word.end += size
		word.cells += cells
		last, lastWide = r, wide
	}
	return word
}

// glued reports whether no line may end between two characters, one of which
// is wide: before punctuation that closes, and after brackets that open.
func glued(before, after rune) bool {
	return strings.ContainsRune("、。，．：；！？…）」』】〉》〕］｝ー,.:;!?)]}", after) ||
		strings.ContainsRune("（「『【〈《〔［｛([{", before)
}
