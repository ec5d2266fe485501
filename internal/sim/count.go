package sim

import (
	"hash/maphash"
	"unicode"
	"unicode/utf8"
)

// The simulator counts tokens by a rule of its own, which stands for the truth
// that an estimate elsewhere is measured against: text is cut into words,
// numbers, punctuation and white space the way a byte-pair tokenizer does
// before it merges, and each unit is worth what such a tokenizer typically
// makes of it. English prose comes to about four characters a token, source
// code to three, JSON to a little less. Newer models count 30 % more.
const (
	// newerNum/newerDen is the size of the newer tokenizer's counts against the
	// older one's.
	newerNum, newerDen = 13, 10

	// What the API adds around a request's text, in tokens of the older
	// tokenizer.
	tokensPerRequest   = 3
	tokensPerMessage   = 4
	tokensForSystem    = 3
	tokensForTools     = 346 // the instructions that come with tools
	tokensForToolsOnly = 313 // the same when a tool is forced
	tokensPerImage     = 1_600
	tokensPerDocument  = 1_500 // of a document whose text the simulator cannot see

	// countMemoMin is the length from which a text's count is remembered:
	// system prompts repeat in every request of an agent.
	countMemoMin = 1 << 9
)

// counter counts tokens and remembers the counts of long texts. It is safe for
// concurrent use.
type counter struct {
	seed maphash.Seed
	memo *lru[countKey, int]
}

type countKey struct {
	hash uint64
	size int
}

// newCounter returns a counter that remembers at most limit texts.
func newCounter(limit int) *counter {
	return &counter{seed: maphash.MakeSeed(), memo: newLRU[countKey, int](limit)}
}

// count returns the tokens of text in the older tokenizer.
func (c *counter) count(text string) int {
	if len(text) < countMemoMin {
		return countTokens(text)
	}
	key := countKey{maphash.String(c.seed, text), len(text)}
	if n, ok := c.memo.get(key); ok {
		return n
	}
	n := countTokens(text)
	c.memo.put(key, n)
	return n
}

// scaled turns a count of the older tokenizer into one of the model's.
func scaled(tokens int, newer bool) int {
	if !newer {
		return tokens
	}
	return (tokens*newerNum + newerDen - 1) / newerDen
}

// unscaled returns the largest count of the older tokenizer whose scaled count
// is at most tokens.
func unscaled(tokens int, newer bool) int {
	if !newer {
		return tokens
	}
	return tokens * newerDen / newerNum
}

// countTokens returns the tokens of text in the older tokenizer.
func countTokens(text string) int {
	total := 0
	for i := 0; i < len(text); {
		next, tokens := unit(text, i)
		total += tokens
		i = next
	}
	return total
}

// firstTokens returns the longest beginning of text that has at most limit
// tokens of the older tokenizer, and whether that is all of it.
func firstTokens(text string, limit int) (string, bool) {
	left, end := limit, 0
	for i := 0; i < len(text); {
		next, tokens := unit(text, i)
		if tokens > left {
			// A part of a long word is still a part of the answer; the space
			// before it is not.
			if cut := i + (next-i)*left/tokens; cut > i && utf8.RuneStart(text[cut]) {
				end = cut
			}
			return text[:end], false
		}
		if tokens > 0 {
			left, end = left-tokens, next
		}
		i = next
	}
	return text, true
}

// unit returns where the unit of text that begins at i ends and how many
// tokens it is worth.
func unit(text string, i int) (next, tokens int) {
	c := text[i]
	switch {
	case isLetter(c):
		return word(text, i)
	case c == '_' && i+1 < len(text) && isLetter(text[i+1]):
		return word(text, i+1)
	case c == ' ':
		return spaces(text, i)
	case c == '\n' || c == '\r':
		return newlines(text, i)
	case c == '\t':
		next = i + runLength(text, i, '\t')
		return next, (next - i + 3) / 4
	case isDigit(c):
		for next = i; next < len(text) && next < i+3 && isDigit(text[next]); next++ {
		}
		return next, 1
	case c < utf8.RuneSelf:
		return punctuation(text, i)
	}
	return wide(text, i)
}

// word takes one hump of a word: letters of one case, or a capital and the
// small letters after it.
func word(text string, i int) (next, tokens int) {
	next = i + 1
	if isUpper(text[i]) && next < len(text) && isUpper(text[next]) {
		for next < len(text) && isUpper(text[next]) {
			next++
		}
		// The last capital of HTTPServer begins the next hump.
		if next < len(text) && isLower(text[next]) && next-i > 1 {
			next--
		}
		return next, (next - i + 3) / 4
	}
	return smallLetters(text, next, 1)
}

// smallLetters takes the rest of a word of which length letters are read. A
// letter with an accent counts twice: it is two bytes.
func smallLetters(text string, next, length int) (end, tokens int) {
	for next < len(text) {
		if isLower(text[next]) {
			next++
			length++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[next:])
		if size < 2 || !isAccented(r) {
			break
		}
		next += size
		length += 2
	}
	if length <= 6 {
		return next, 1
	}
	return next, 1 + (length-2)/5
}

// isAccented reports whether r is a Latin letter beyond ASCII.
func isAccented(r rune) bool { return r < 0x250 && unicode.IsLetter(r) }

// spaces takes a run of spaces. The last one belongs to what follows it.
func spaces(text string, i int) (next, tokens int) {
	n := runLength(text, i, ' ')
	next = i + n
	if next < len(text) && text[next] != '\n' && text[next] != '\r' {
		n--
	}
	return next, (n + 15) / 16
}

// newlines takes line ends and what indents the line after them.
func newlines(text string, i int) (next, tokens int) {
	next = i
	for next < len(text) && (text[next] == '\n' || text[next] == '\r') {
		next++
	}
	for next < len(text) && (text[next] == '\t' || text[next] == ' ') {
		next++
	}
	return next, (next - i + 15) / 16
}

// punctuation takes two characters of punctuation that stand together, or a
// ruler of one character.
func punctuation(text string, i int) (next, tokens int) {
	if n := runLength(text, i, text[i]); n > 2 {
		return i + n, (n + 7) / 8
	}
	next = i + 1
	if next < len(text) && isPunctuation(text[next]) {
		next++
	}
	return next, 1
}

// wide takes what is not ASCII.
func wide(text string, i int) (next, tokens int) {
	r, size := utf8.DecodeRuneInString(text[i:])
	next = i + size
	switch {
	case r == utf8.RuneError:
		return next, 1
	case isAccented(r):
		return smallLetters(text, next, 2)
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul):
		return next, 1
	case unicode.IsLetter(r) || unicode.IsMark(r):
		n := 1
		for next < len(text) && n < 5 {
			r, size := utf8.DecodeRuneInString(text[next:])
			if size < 2 || !unicode.IsLetter(r) && !unicode.IsMark(r) {
				break
			}
			next += size
			n++
		}
		return next, (n + 1) / 2
	case r >= 0x1F000:
		return next, 3
	case unicode.IsPunct(r) || unicode.IsSpace(r):
		return next, 1
	}
	return next, 2
}

// runLength returns how many times c stands at i.
func runLength(text string, i int, c byte) int {
	n := 0
	for i+n < len(text) && text[i+n] == c {
		n++
	}
	return n
}

func isLower(c byte) bool  { return c >= 'a' && c <= 'z' }
func isUpper(c byte) bool  { return c >= 'A' && c <= 'Z' }
func isLetter(c byte) bool { return isLower(c) || isUpper(c) }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

func isPunctuation(c byte) bool {
	return c > ' ' && c < utf8.RuneSelf && !isLetter(c) && !isDigit(c)
}
