package tokens

import (
	"strings"
	"unicode/utf8"
)

// class is what a byte is to the scanner.
type class uint8

const (
	other class = iota // beyond ASCII, and control characters
	white
	mark
	ruler // a mark that lines are drawn with
	digit
	small
	capital
)

// classOf is the class of every byte.
var classOf = [256]class{
	'\t': white, '\n': white, '\v': white, '\f': white, '\r': white, ' ': white,
	'!': mark, '"': mark, '$': mark, '%': mark, '&': mark, '\'': mark, '(': mark, ')': mark, ',': mark,
	':': mark, ';': mark, '<': mark, '>': mark, '?': mark, '@': mark, '[': mark, '\\': mark, ']': mark,
	'^': mark, '`': mark, '{': mark, '|': mark, '}': mark,
	'#': ruler, '*': ruler, '+': ruler, '-': ruler, '.': ruler, '/': ruler, '=': ruler, '_': ruler, '~': ruler,
	'0': digit, '1': digit, '2': digit, '3': digit, '4': digit, '5': digit, '6': digit, '7': digit, '8': digit, '9': digit,
	'a': small, 'b': small, 'c': small, 'd': small, 'e': small, 'f': small, 'g': small, 'h': small, 'i': small,
	'j': small, 'k': small, 'l': small, 'm': small, 'n': small, 'o': small, 'p': small, 'q': small, 'r': small,
	's': small, 't': small, 'u': small, 'v': small, 'w': small, 'x': small, 'y': small, 'z': small,
	'A': capital, 'B': capital, 'C': capital, 'D': capital, 'E': capital, 'F': capital, 'G': capital, 'H': capital, 'I': capital,
	'J': capital, 'K': capital, 'L': capital, 'M': capital, 'N': capital, 'O': capital, 'P': capital, 'Q': capital, 'R': capital,
	'S': capital, 'T': capital, 'U': capital, 'V': capital, 'W': capital, 'X': capital, 'Y': capital, 'Z': capital,
}

// cost returns what the text costs, in hundredths of a token. It reads the
// text once, piece by piece.
func (w *weights) cost(text string) int64 {
	var total int64
	// The class of what stands before a piece: white only where that is a
	// space, other only where it is a letter with an accent.
	before := mark
	var foreign foreignness
	for i := 0; i < len(text); {
		start, c := i, classOf[text[i]]
		var cost int
		switch c {
		case small, capital:
			i, cost = w.letters(text, i, before)
			cost += foreign.word(i - start)
		case white:
			i = endOf(text, i, white)
			cost = w.white(text[start:i], i == len(text))
			if text[i-1] != ' ' {
				c = mark
			}
		case digit:
			i = endOf(text, i, digit)
			cost = lookup(w.digits[:], w.digit, i-start)
		case mark, ruler:
			i, cost = w.punctuation(text, i)
		default:
			r, size := utf8.DecodeRuneInString(text[i:])
			i += size
			s := scriptOf(r, size)
			cost = int(w.script[s])
			if !foreign.near(w, s) {
				c = mark
			}
		}
		total += int64(cost)
		before = c
	}
	return total
}

// foreignness remembers that words are probably not English, because letters
// with accents were near: such words cost more, with accents or without.
type foreignness struct {
	words     int    // how many words more that holds for
	perLetter uint16 // what each letter after shortWord costs more
}

// near notes a character beyond ASCII and reports whether it is a letter with
// an accent.
func (f *foreignness) near(w *weights, s script) bool {
	switch s {
	case latin:
		*f = foreignness{foreignWords, max(w.accented, f.perLetter)}
	case latinExtended:
		*f = foreignness{foreignWords, w.extended}
	default:
		return false
	}
	return true
}

// word returns what a word of n letters costs more.
func (f *foreignness) word(n int) int {
	if f.words == 0 {
		return 0
	}
	f.words--
	return max(min(n, partTable)-shortWord, 0) * int(f.perLetter)
}

// endOf returns the end of the run of one class that begins at i.
func endOf(text string, i int, c class) int {
	for i < len(text) && classOf[text[i]] == c {
		i++
	}
	return i
}

// lookup returns the cost of n things by a table, and by each beyond it.
func lookup(table []uint16, further uint16, n int) int {
	if n < len(table) {
		return int(table[n])
	}
	last := len(table) - 1
	return int(table[last]) + (n-last)*int(further)
}

// letters returns the end and the cost of the ASCII letters at i, a word. It
// is parted where a small letter is followed by a capital, and before the last
// of several capitals that a small letter follows: the|Cat, HTTP|Server.
func (w *weights) letters(text string, i int, before class) (end, cost int) {
	table := &w.bare
	cost = int(w.word)
	switch before {
	case white:
		table = &w.spaced
	case other:
		cost -= int(w.joined)
	case digit:
		cost += int(w.garbled)
	}
	for parts := 1; i < len(text); parts++ {
		start := i
		i = endOf(text, i, capital)
		capitals := i - start
		i = endOf(text, i, small)
		n := i - start
		switch {
		case n == 0:
			return i, cost
		case capitals == n && n > 1:
			cost += lookup(w.capital[:], w.letter, n)
		case capitals > 1:
			cost += lookup(w.capital[:], w.letter, capitals-1) + lookup(w.bare[:], w.letter, n-capitals+1)
		default:
			cost += lookup(table[:], w.letter, n)
		}
		if table = &w.bare; parts >= manyParts {
			cost += int(w.garbled)
		}
	}
	return i, cost
}

// white returns the cost of a run of white space. Its last character is a
// piece of its own, unless it is a space: that belongs to what follows.
func (w *weights) white(run string, last bool) int {
	n := len(run)
	var long int
	if n > longIndent || n > longBreak && run[longBreak] != ' ' {
		long = w.longer(run)
	}
	switch {
	case last, n > 1 && run[n-1] == ' ':
		return int(w.blank) + long
	case n > 1:
		return int(w.blanks) + long
	case run[0] != ' ':
		return int(w.blank)
	}
	return 0
}

// longer returns what a run of white space costs for being long.
func (w *weights) longer(run string) int {
	spaces := strings.Count(run, " ")
	return max(len(run)-spaces-longBreak, 0)*int(w.breaks) + max(spaces-longIndent, 0)*int(w.indent)
}

// punctuation returns the end and the cost of the ASCII marks at i. Repeated
// marks of a ruler cost next to nothing.
func (w *weights) punctuation(text string, i int) (end, cost int) {
	marks, repeated := 1, 0
	for i++; i < len(text); i++ {
		c := classOf[text[i]]
		if c != mark && c != ruler {
			break
		}
		if c == ruler && text[i] == text[i-1] {
			repeated++
		} else {
			marks++
		}
	}
	return i, lookup(w.marks[:], w.mark, marks) + repeated*int(w.ruler)
}

// script is a group of characters, not of printable ASCII, that cost alike.
type script uint8

const (
	control script = iota
	invalid        // a byte that is not UTF-8
	symbol
	latin
	latinExtended
	greek
	cyrillic
	semitic
	indic
	kana
	han
	hangul
	emoji
	otherScript
	scripts // how many there are
)

// scriptOf returns the group of a character of so many bytes, by its block.
func scriptOf(r rune, size int) script {
	switch {
	case r < utf8.RuneSelf:
		return control
	case r == utf8.RuneError && size == 1:
		return invalid
	case r < 0xC0:
		return symbol
	case r < 0x100:
		return latin
	case r < 0x370 || r >= 0x1E00 && r < 0x1F00:
		return latinExtended
	case r < 0x400:
		return greek
	case r < 0x530:
		return cyrillic
	case r >= 0x590 && r < 0x780:
		return semitic
	case r >= 0x900 && r < 0x1000:
		return indic
	case r >= 0x2000 && r < 0x2C00 || r >= 0x3000 && r < 0x3040 || r >= 0xFE00 && r < 0xFE10 || r >= 0xFF00 && r < 0x10000:
		return symbol
	case r >= 0x3040 && r < 0x3100:
		return kana
	case r >= 0x3400 && r < 0xA000 || r >= 0x20000 && r < 0x32000:
		return han
	case r >= 0xAC00 && r < 0xD7B0 || r >= 0x1100 && r < 0x1200:
		return hangul
	case r >= 0x1F000 && r < 0x20000:
		return emoji
	}
	return otherScript
}
