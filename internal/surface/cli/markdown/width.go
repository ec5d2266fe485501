package markdown

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const tabWidth = 4

// width returns how many cells text takes on a terminal.
func width(text string) int {
	total := 0
	for len(text) > 0 {
		size, cells := cluster(text)
		text = text[size:]
		total += cells
	}
	return total
}

// cluster returns the size in bytes and the cells of the first character of
// text, together with what joins it: combining marks, variation selectors, skin
// tones, further parts of an emoji, the second half of a flag.
func cluster(text string) (size, cells int) {
	first, size := utf8.DecodeRuneInString(text)
	cells = runeWidth(first)
	for size < len(text) {
		if text[size] < utf8.RuneSelf {
			break
		}
		r, n := utf8.DecodeRuneInString(text[size:])
		switch {
		case r == emojiStyle && cells == 1:
			cells = 2
		case r == joiner && cells == 2:
			n += joined(text[size+n:])
		case isFlagLetter(first) && isFlagLetter(r) && cells == 1:
			cells = 2
		case cells == 2 && isSkinTone(r):
		case runeWidth(r) > 0:
			return size, cells
		}
		size += n
	}
	return size, cells
}

// joined returns the size of the character that a joiner before it adds to an
// emoji, and 0 where it is none that may.
func joined(text string) int {
	if r, size := utf8.DecodeRuneInString(text); r >= firstWide {
		return size
	}
	return 0
}

const (
	firstWide  = '\u1100' // below are no wide characters and no parts of emoji
	joiner     = '\u200d' // joins emoji into one
	emojiStyle = '\ufe0f' // makes an emoji of a sign before it
)

func isSkinTone(r rune) bool   { return r >= 0x1f3fb && r <= 0x1f3ff }
func isFlagLetter(r rune) bool { return r >= 0x1f1e6 && r <= 0x1f1ff }

// runeWidth returns the cells of one character: 2 for East Asian wide and
// full-width ones and for emoji, 0 for those that combine with the one before.
func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case r >= firstWide && isWide(r):
		return 2
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf),
		r >= 0x1160 && r <= 0x11ff: // vowels and finals of a Hangul syllable
		return 0
	}
	return 1
}

func isWide(r rune) bool {
	_, found := slices.BinarySearchFunc(wide[:], r, func(span [2]rune, r rune) int {
		switch {
		case span[1] < r:
			return -1
		case span[0] > r:
			return 1
		}
		return 0
	})
	return found
}

// expandTabs replaces the tabs of a line of code by spaces.
func expandTabs(line string) string {
	if !strings.Contains(line, "\t") {
		return line
	}
	var text strings.Builder
	column := 0
	for i, part := range strings.Split(line, "\t") {
		if i > 0 {
			gap := tabWidth - column%tabWidth
			text.WriteString(strings.Repeat(" ", gap))
			column += gap
		}
		text.WriteString(part)
		column += width(part)
	}
	return text.String()
}
