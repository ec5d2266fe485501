package learned

import (
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text is what the model sees of a text.
type Text struct {
	// Values are the measures, by their number; see [MeasureName].
	Values [Measures]float64
	// Words are the distinct buckets of the words, sorted.
	Words []uint16
	// Options is how many answers are offered, 0 for a task.
	Options int
}

// Measure measures a text. The measures of how rare its words are stay 0 until
// [Text.Rarity]. Any text can be measured, also an empty or a binary one.
func Measure(text string) Text {
	question, options := SplitOptions(text)
	var t Text
	t.addMarks(question)
	t.addWords(question)
	t.addPhrases(question)
	t.addOptions(options)
	return t
}

// grid is what measures are rounded to, so that no platform's last bit of a
// logarithm decides between two branches of a tree.
const grid = 1 << 10

func (t *Text) set(measure int, value float64) {
	t.Values[measure] = math.RoundToEven(value*grid) / grid
}

// log is the natural logarithm of a count and one.
func log(count float64) float64 { return math.Log(count + 1) }

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// addMarks measures characters.
func (t *Text) addMarks(s string) {
	var n [markKinds]float64
	var runes, sentences float64
	before := ' '
	for _, r := range s {
		runes++
		kind := markOf(r)
		n[kind]++
		if r == '?' || (r == '.' || r == '!') && !isDigit(before) {
			sentences++
		}
		before = r
	}
	sentences = max(sentences, 1)
	n[markPunctuation] += n[markQuote] + n[markBracket] + n[markComma] + n[markColon] + n[markQuery] + n[markBackslash] + n[markPercent] + n[markBlank]
	runes = max(runes, 1)
	t.set(length, log(float64(utf8.RuneCountInString(s))))
	t.set(sentenceCount, math.Log(sentences))
	t.set(digitShare, n[markDigit]/runes)
	t.set(capitalShare, n[markCapital]/runes)
	t.set(punctuation, n[markPunctuation]/runes)
	t.set(operators, log(n[markOperator]))
	t.set(foreign, log(n[markForeign]+n[markFormula]))
	t.set(formulas, log(n[markFormula]))
	t.set(quotes, log(n[markQuote]))
	t.set(brackets, log(n[markBracket]))
	t.set(commas, log(n[markComma]))
	t.set(colons, log(n[markColon]))
	t.set(queries, n[markQuery]/sentences)
	t.set(noQuery, flag(n[markQuery] == 0))
	t.set(lines, log(n[markLine]))
	t.set(latex, log(n[markBackslash]))
	t.set(dollars, log(n[markDollar]))
	t.set(percents, log(n[markPercent]))
	t.set(blanks, flag(n[markBlank] > 1))
}

// What a character is to the measures.
const (
	markNone = iota
	markDigit
	markCapital
	markOperator
	markFormula
	markForeign
	markQuote
	markBracket
	markComma
	markColon
	markQuery
	markLine
	markBackslash
	markDollar
	markPercent
	markBlank
	markPunctuation
	markKinds
)

func markOf(r rune) int {
	switch r {
	case '=', '+', '*', '/', '^', '<', '>', '~', '|':
		return markOperator
	case '"', '\'':
		return markQuote
	case '(', '[', '{':
		return markBracket
	case ',':
		return markComma
	case ':', ';':
		return markColon
	case '?':
		return markQuery
	case '\n':
		return markLine
	case '\\':
		return markBackslash
	case '$':
		return markDollar
	case '%':
		return markPercent
	case '_':
		return markBlank
	case '.', '!', '-', ')', ']', '}', '&', '#', '@':
		return markPunctuation
	}
	switch {
	case isDigit(r):
		return markDigit
	case isUpper(r):
		return markCapital
	case r < utf8.RuneSelf:
		return markNone
	case unicode.Is(unicode.Sm, r) || unicode.Is(unicode.Greek, r):
		return markFormula
	}
	return markForeign
}

// tally is what is counted over the words of a question.
type tally struct {
	words, letters, long, short, upper, capitals, single float64
	numbers, big                                         float64
	different                                            []uint64 // numbers that differ
	kinds                                                [wordKinds]float64
}

func (c *tally) add(w *Word) {
	c.words++
	c.letters += float64(w.Runes)
	c.long += flag(w.Runes >= 9)
	c.short += flag(w.Runes <= 3)
	if w.Number {
		c.numbers++
		c.big += flag(w.Runes >= 3)
		c.different = append(c.different, digest(w.Lower))
		return
	}
	c.upper += flag(w.Upper && w.Start > 0)
	c.capitals += flag(w.Capitals)
	c.single += flag(w.Runes == 1 && w.Lower[0] != 'a' && w.Lower[0] != 'i')
	c.kinds[kindOf(string(w.Lower))]++
}

// digest tells words apart within one text; it is FNV-1a.
func digest(word []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range word {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

// addWords measures the words.
func (t *Text) addWords(s string) {
	var c tally
	Words(s, func(w *Word) {
		c.add(w)
		t.Words = append(t.Words, w.bucket())
	})
	slices.Sort(t.Words)
	t.Words = slices.Compact(t.Words)
	slices.Sort(c.different)
	words := max(c.words, 1)
	t.set(wordCount, log(c.words))
	t.set(sentenceLength, log(c.words/math.Exp(t.Values[sentenceCount])))
	t.set(wordLength, c.letters/words)
	t.set(longWords, c.long/words)
	t.set(shortWords, c.short/words)
	t.set(numbers, log(c.numbers))
	t.set(differentNumbers, log(float64(len(slices.Compact(c.different)))))
	t.set(numberShare, c.numbers/words)
	t.set(bigNumbers, log(c.big))
	t.set(names, log(c.upper))
	t.set(nameShare, c.upper/words)
	t.set(capitals, log(c.capitals))
	t.set(letters, c.single/words)
	t.set(variety, float64(len(t.Words))/words)
	t.set(differentWords, log(float64(len(t.Words))))
	t.set(commaShare, (math.Exp(t.Values[commas])-1)/words)
	for kind := 1; kind < wordKinds; kind++ {
		t.set(firstKind+kind-1, log(c.kinds[kind]))
	}
}

// addPhrases looks for turns that mark a kind of question.
func (t *Text) addPhrases(s string) {
	head := s[:min(len(s), 64)]
	t.set(whichOf, flag(strings.Contains(s, "hich of the following")))
	t.set(exception, flag(strings.Contains(s, "NOT") || strings.Contains(s, "EXCEPT") || strings.Contains(s, "LEAST")))
	t.set(statements, flag(strings.Contains(s, "Statement 1") || strings.Contains(s, "Statement I") || strings.Contains(s, "Scenario 1")))
	t.set(roman, flag(strings.Contains(s, "\nI.") || strings.Contains(s, " II")))
	t.set(passage, flag(strings.Contains(head, "refers to the following")))
	t.set(howMany, flag(strings.Contains(s, "ow many")))
	t.set(howMuch, flag(strings.Contains(s, "ow much") || strings.Contains(s, "ow long")))
}

// Rarity measures how rare the text's words are, from the inverse document
// frequency of each bucket, in nats.
func (t *Text) Rarity(idf func(bucket uint16) float64) {
	const rare = 7
	var total, most, scarce float64
	for _, b := range t.Words {
		v := idf(b)
		total += v
		most = max(most, v)
		scarce += flag(v >= rare)
	}
	n := max(float64(len(t.Words)), 1)
	t.set(rarity, total/n)
	t.set(rarest, most)
	t.set(rareWords, log(scarce))
	t.set(rareShare, scarce/n)
}
