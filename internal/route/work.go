package route

import (
	"math"
	"slices"
	"strings"

	"github.com/claude-force/claude-force/internal/route/learned"
)

// judgement is a difficulty in the making, in log-odds.
type judgement struct {
	// base is what was learned says.
	base  float64
	open  bool // no answers are offered
	order bool
	// parts is what else the task says, in the order found.
	parts []part
}

type part struct {
	what  string
	value float64
}

// What an order starts from, in log-odds: work in general, and how much of
// what was learned from questions applies to it.
const (
	orderBase  = -0.7
	orderShare = 0.2
	orderBound = 2.5
	// mostHard bounds what hints add: words do not make a task ever harder.
	mostHard = 4.0
	mostEasy = -3.0
)

// difficulty is what all says, but for the numbered part; 0 leaves none out.
func (j *judgement) difficulty(without int) float64 {
	x := j.base
	if j.order {
		x = orderBase + float64(orderShare*max(-orderBound, min(orderBound, j.base)))
	}
	var hard, easy float64
	for i, p := range j.parts {
		switch {
		case i+1 == without:
		case p.value > 0:
			hard += p.value
		default:
			easy += p.value
		}
	}
	return max(0, min(1, round(sigmoid(x+min(hard, mostHard)+max(easy, mostEasy)))))
}

func (j *judgement) reasons() []Reason {
	var list []Reason
	for i, p := range j.parts {
		if e := round(j.difficulty(0) - j.difficulty(i+1)); math.Abs(e) >= leastEffect {
			list = append(list, Reason{What: p.what, Effect: e})
		}
	}
	return list
}

func (j *judgement) add(what string, value float64) {
	if value != 0 {
		j.parts = append(j.parts, part{what, value})
	}
}

// Where the instruction of a task stands: what lies between is material.
const (
	instructionHead = 1200
	instructionTail = 400
)

// weigh reads what a task without offered answers asks for. To a question only
// hints of hard work apply, and only where there is a strong one: questions are
// what the learned part knows.
func (j *judgement) weigh(task string) {
	head, tail := task, ""
	if len(task) > instructionHead+instructionTail {
		head, tail = cut(task, 0, instructionHead), cut(task, len(task)-instructionTail, len(task))
	}
	var f finder
	f.read(head)
	f.previous = f.previous[:0]
	f.read(tail)
	j.order = f.isOrder(strings.Contains(head, "?") || strings.Contains(tail, "?"))
	if !j.order {
		j.question(&f)
		return
	}
	size := sizeOf(f.size)
	if f.slight() { // however long the text is that it concerns
		size = min(size, 0)
	}
	j.add("length of the order", size)
	if strings.Contains(task, "```") {
		j.add("code that is given", 0.3)
	}
	j.add("list of demands", min(1, 0.15*float64(demands(head))))
	for i, found := range f.found {
		if found {
			j.add(hints[i].about(), hints[i].weight)
		}
	}
}

func (j *judgement) question(f *finder) {
	strong := 0
	for i, found := range f.found {
		if found && hints[i].weight >= strongHint {
			strong++
		}
	}
	switch {
	case strong > 1 || strong == 1 && f.numbers < manyNumbers:
		for i, found := range f.found {
			if found && hints[i].weight > 0 {
				j.add(hints[i].about(), hints[i].weight)
			}
		}
	case f.size <= 12 && f.numbers == 0:
		j.add("a short question", -0.8)
	}
}

// sizeOf is what the length of an order says, in words.
func sizeOf(words float64) float64 {
	const usual, slope, least, most = 8, 0.5, -0.6, 1.2
	return max(least, min(most, slope*math.Log(max(words, 1)/usual)))
}

// demands counts the lines of a list.
func demands(text string) int {
	n := 0
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if len(line) < 3 {
			continue
		}
		bullet := (line[0] == '-' || line[0] == '*') && line[1] == ' '
		numbered := '0' <= line[0] && line[0] <= '9' && (line[1] == '.' || line[1] == ')')
		if bullet || numbered {
			n++
		}
	}
	return n
}

// finder looks for hints in the words of a text.
type finder struct {
	found    [len(hints)]bool
	size     float64 // in words
	numbers  int
	verb     bool // begins as an order does
	words    int
	previous []byte
}

func (f *finder) read(text string) {
	learned.Words(text, func(w *learned.Word) {
		word := string(w.Lower)
		f.words++
		f.size += sizeOfWord(w)
		if w.Number {
			f.numbers++
		}
		f.verb = f.verb || f.asks() && isOrder(word)
		f.look(word)
		f.previous = append(f.previous[:0], w.Lower...)
	})
}

// slight reports whether the order is for something small, and nothing else.
func (f *finder) slight() bool {
	small := false
	for i, found := range f.found {
		if found && hints[i].weight >= strongHint {
			return false
		}
		small = small || found && hints[i].weight <= -1
	}
	return small
}

// sizeOfWord counts two characters of a script without spaces as a word.
func sizeOfWord(w *learned.Word) float64 {
	const firstCJK = 0xE3
	if w.Lower[0] >= firstCJK {
		return float64(w.Runes) / 2
	}
	return 1
}

// manyNumbers make a problem of arithmetic of a text that says nothing else.
const manyNumbers = 2

// isOrder tells an order from a question, and from a problem that is told
// without a question mark.
func (f *finder) isOrder(questioned bool) bool {
	return f.verb || f.words == 0 || !questioned && (f.numbers < manyNumbers || slices.Contains(f.found[:], true))
}

// asks reports whether the word in hand stands where an order has its verb: it
// is the first one, or something like "please" goes before it.
func (f *finder) asks() bool {
	const near = 8
	if f.words == 1 {
		return true
	}
	switch string(f.previous) {
	case "please", "you", "just", "now", "then":
		return f.words <= near
	case "to":
		return 4 <= f.words && f.words <= near
	}
	return false
}

func (f *finder) look(word string) {
	for i := startOf(word[0]); i < len(hints) && hints[i].word[0] == word[0]; i++ {
		if hints[i].next == "" && matches(hints[i].word, word) {
			f.found[i] = true
		}
	}
	if len(f.previous) == 0 {
		return
	}
	for i := startOf(f.previous[0]); i < len(hints) && hints[i].word[0] == f.previous[0]; i++ {
		if hints[i].next != "" && matches(hints[i].word, string(f.previous)) && matches(hints[i].next, word) {
			f.found[i] = true
		}
	}
}

// startOf returns the first hint whose word begins with a letter or a later one.
func startOf(letter byte) int {
	low, high := 0, len(hints)
	for low < high {
		if middle := (low + high) / 2; hints[middle].word[0] < letter {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// matches reports whether a word is the one of a pattern; one that ends in *
// is the beginning of a word.
func matches(pattern, word string) bool {
	if stem, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(word, stem)
	}
	return word == pattern
}
