package learned

import (
	"slices"
	"strings"
)

// maxOptions is how many offered answers are looked at.
const maxOptions = 10

// SplitOptions parts a question from the answers it offers, each on a line of
// its own that begins with "A. " or "A) ", and from a last line "Answer:".
// Where fewer than two are offered, all of the text is the question.
func SplitOptions(text string) (question string, options []string) {
	text = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "Answer:"))
	at := nextOption(text, 'A')
	if at < 0 {
		return text, nil
	}
	rest := text[at:]
	for letter := byte('A'); letter < 'A'+maxOptions; letter++ {
		rest = rest[len("\nA. "):]
		end := nextOption(rest, letter+1)
		if end < 0 {
			options = append(options, rest)
			break
		}
		options = append(options, rest[:end])
		rest = rest[end:]
	}
	if len(options) < 2 {
		return text, nil
	}
	return text[:at], options
}

func nextOption(text string, letter byte) int {
	if at := strings.Index(text, "\n"+string(letter)+". "); at >= 0 {
		return at
	}
	return strings.Index(text, "\n"+string(letter)+") ")
}

// option is what is measured of one offered answer.
type option struct {
	words                    []uint16 // distinct buckets, sorted
	length, shared           float64  // words, and those that the question has too
	number, capital, formula bool
	negative, all, some      bool
	verdict                  bool // begins with true, false, yes or no
}

func measureOption(text string, question []uint16) option {
	var o option
	letters, digits := 0, 0
	Words(text, func(w *Word) {
		b := w.bucket()
		o.length++
		o.words = append(o.words, b)
		if w.Runes > 3 {
			if _, found := slices.BinarySearch(question, b); found {
				o.shared++
			}
		}
		if w.Number {
			digits++
		} else {
			letters += w.Runes
		}
		o.word(w)
	})
	o.number = digits > 0 && letters <= 2
	o.formula = strings.ContainsAny(text, "=+^*/<>∨⊃")
	o.capital = text != "" && isUpper(rune(text[0]))
	slices.Sort(o.words)
	o.words = slices.Compact(o.words)
	return o
}

func (o *option) word(w *Word) {
	switch string(w.Lower) {
	case "not":
		o.negative = true
	case "no":
		o.negative = true
		o.verdict = o.verdict || o.length == 1
	case "true", "false", "yes":
		o.verdict = o.verdict || o.length == 1
	case "above", "these":
		o.all = true
	case "ii", "iii", "only":
		o.some = true
	}
}

// likeness is the share of words that two answers have in common.
func likeness(a, b []uint16) float64 {
	common, i, j := 0, 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			common++
			i++
			j++
		case a[i] < b[j]:
			i++
		default:
			j++
		}
	}
	if all := len(a) + len(b) - common; all > 0 {
		return float64(common) / float64(all)
	}
	return 0
}

// addOptions measures what the offered answers look like.
func (t *Text) addOptions(options []string) {
	if len(options) == 0 {
		return
	}
	t.Options = len(options)
	list := make([]option, len(options))
	for i, text := range options {
		list[i] = measureOption(text, t.Words)
	}
	n := float64(len(list))
	var total, longest, shared, alike, pairs float64
	shortest := list[0].length
	for i, o := range list {
		total += o.length
		longest, shortest = max(longest, o.length), min(shortest, o.length)
		shared += o.shared / max(o.length, 1)
		t.count(optionNumbers, o.number, n)
		t.count(optionCapitals, o.capital, n)
		t.count(optionFormulas, o.formula, n)
		t.count(optionNegatives, o.negative, n)
		t.count(optionVerdicts, o.verdict, n)
		t.count(optionWords, o.length <= 1, n)
		t.count(optionAbove, o.all, n)
		t.count(optionSome, o.some, n)
		for _, other := range list[i+1:] {
			alike += likeness(o.words, other.words)
			pairs++
		}
	}
	t.set(optionMean, log(total/n))
	t.set(optionLongest, log(longest))
	t.set(optionShortest, log(shortest))
	t.set(optionSpread, (longest-shortest)/max(total/n, 1))
	t.set(optionLikeness, alike/pairs)
	t.set(optionShared, shared/n)
	t.set(optionSums, float64(t.Values[optionNumbers]*(t.Values[numbers]+t.Values[operators])))
	for _, o := range list {
		t.Words = append(t.Words, o.words...)
	}
	slices.Sort(t.Words)
	t.Words = slices.Compact(t.Words)
}

func (t *Text) count(measure int, yes bool, of float64) {
	if yes {
		t.set(measure, t.Values[measure]+1/of)
	}
}
