package selector

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what is read of a text.
const (
	// mostBytes is read of a task and of an agent's definition: one that does
	// not say what it is about in so much will not say it later.
	mostBytes = 32 << 10
	// longestWord in bytes; longer ones are no words but data.
	longestWord = 40
	// mostParts is how many parts a compound has; more make an address or a path.
	mostParts = 4
)

// cut returns the beginning of a text, at most n bytes, in whole characters.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// eachWord calls yield with the words of a text in lower case, in their order.
// The parts of a compound come after the whole, which is written without its
// marks: ci/cd gives cicd, ci and cd. Names that end in marks keep them (c++,
// c#), and .net is dotnet. Chinese and Japanese, which do not part words, give
// pairs of characters.
func eachWord(text string, yield func(word string, compound bool)) {
	for len(text) > 0 {
		start := strings.IndexFunc(text, func(r rune) bool { return wordRune(r) || r == '.' })
		if start < 0 {
			return
		}
		text = text[start:]
		end := strings.IndexFunc(text, func(r rune) bool { return !wordRune(r) && !joins(r) })
		if end < 0 {
			end = len(text)
		}
		eachPart(text[:end], yield)
		text = text[end:]
	}
}

func wordRune(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r))
}

// joins reports whether a mark may stand inside a word.
func joins(r rune) bool { return strings.ContainsRune("./-_+#&'’@", r) }

// eachPart takes a piece of text without spaces apart.
func eachPart(piece string, yield func(word string, compound bool)) {
	piece = strings.ToLower(piece)
	if piece = strings.TrimRight(piece, "./-_&'’@"); piece == ".net" {
		yield("dotnet", false)
		return
	}
	piece = strings.TrimLeft(piece, "./-_+#&'’@")
	if name := strings.TrimRight(piece, "+#"); name != piece && len(name) <= 2 && name != "" {
		yield(piece, false)
		return
	}
	parts := strings.FieldsFunc(piece, func(r rune) bool { return joins(r) && r != '\'' && r != '’' })
	if len(parts) > 1 && len(parts) <= mostParts {
		eachPlain(strings.Join(parts, ""), true, yield)
	}
	for _, part := range parts {
		eachPlain(part, false, yield)
	}
}

// eachPlain takes what has no marks but apostrophes.
func eachPlain(word string, compound bool, yield func(word string, compound bool)) {
	word = strings.ReplaceAll(word, "’", "'")
	if base, ok := strings.CutSuffix(word, "'s"); ok {
		word = base
	}
	word = strings.ReplaceAll(word, "'", "")
	if strings.IndexFunc(word, unparted) >= 0 {
		if !compound {
			eachPair(word, yield)
		}
		return
	}
	if word != "" && len(word) <= longestWord {
		yield(word, compound)
	}
}

// unparted reports whether a character is of a script without spaces.
func unparted(r rune) bool { return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) }

// eachPair gives each two neighbours of a run of characters.
func eachPair(run string, yield func(word string, compound bool)) {
	last := -1
	for i, r := range run {
		if last >= 0 {
			yield(run[last:i+utf8.RuneLen(r)], false)
		}
		last = i
	}
	if utf8.RuneCountInString(run) == 1 {
		yield(run, false)
	}
}
