package selector

import (
	_ "embed"
	"math"
	"strings"
)

// areaList is areas of work, a block each. A line with # has the title of an
// area and, after the colon, its names, as those who work in it say what they
// do; one with + has words that betray it; the others are what people ask for who
// need it, in their words.
//
//go:embed data/areas.txt
var areaList string

// background is what people ask for that is no work on software, a line each.
//
//go:embed data/background.txt
var background string

// area is an area of work. One without names is of the background.
type area struct {
	title    string
	names    string
	words    string
	requests []string
}

// atlas knows areas of work: which of them a task is of, and how much each agent
// is at home there. It leads from the words of who asks to those of who answers.
type atlas struct {
	areas []area
	index *index
	homes []float32 // how much an agent is at home in an area; agent by agent
}

// How evidence for an area adds up: words found in its names, in what is asked
// for, in what betrays it; and the mean cosine to the nearest two requests.
const (
	areaNames    = 4
	areaRequests = 4
	areaWords    = 8
	areaMeaning  = 8
)

// readAreas reads areas and appends those of the background.
func readAreas(areas string) []area {
	var list []area
	for row := range strings.Lines(areas) {
		row = strings.TrimSpace(row)
		last := len(list) - 1
		if names, ok := strings.CutPrefix(row, "# "); ok {
			title, more, ok := strings.Cut(names, ": ")
			if !ok {
				more = title
			}
			list = append(list, area{title: title, names: more})
		} else if words, ok := strings.CutPrefix(row, "+ "); ok {
			if last >= 0 {
				list[last].words += " " + words
			}
		} else if row != "" && last >= 0 {
			list[last].requests = append(list[last].requests, row)
		}
	}
	for row := range strings.Lines(background) {
		list = append(list, area{requests: []string{strings.TrimSpace(row)}})
	}
	return list
}

// newAtlas reads the areas, and finds the agents there.
func newAtlas(areas string, agents *index, words *stemmer) *atlas {
	a := &atlas{areas: readAreas(areas)}
	docs := make([]document, len(a.areas))
	for i, area := range a.areas {
		docs[i] = document{label: area.names, use: area.requests, rest: []string{area.words}}
	}
	a.index = newIndex(docs, words, counting{saturation: 1.2, byLength: 0.2})
	a.homes = make([]float32, agents.agents*len(a.areas))
	for i := range a.areas {
		a.settle(i, agents, words)
	}
	return a
}

// settle finds out how much each agent is at home in an area: which of the names
// it has, by their rarity.
func (a *atlas) settle(at int, agents *index, words *stemmer) {
	var squares float64
	seen := map[string]bool{}
	add := func(word string, _ bool) {
		stem := words.stem(word)
		if seen[stem] || words.stops(word) {
			return
		}
		seen[stem] = true
		var owners []posting
		if term, ok := agents.terms[stem]; ok {
			owners = agents.of(term)
		}
		rarity := agents.rarity(len(owners))
		if words.weak[stem] {
			rarity *= weakness
		}
		squares += rarity * rarity
		for _, p := range owners {
			a.homes[int(p.agent)*len(a.areas)+at] += float32(rarity) * p.best()
		}
	}
	eachWord(a.areas[at].names, add)
	if squares == 0 {
		return
	}
	for i := at; i < len(a.homes); i += len(a.areas) {
		a.homes[i] /= float32(math.Sqrt(squares))
	}
}

// locate finds out how likely a task is of each area.
func (a *atlas) locate(e *evidence, task []token) {
	q := a.index.ask(task)
	fits := make([]fit, len(a.areas))
	a.index.measureWords(fits, &q)
	e.areas = make([]float32, len(a.areas))
	e.distant = -1
	var largest float32
	for i := range fits {
		m := &fits[i].measures
		score := areaNames*m[byLabel] + areaRequests*m[byBody] + areaWords*m[byRest]
		if e.vectors != nil {
			top, _ := e.vectors.nearest(e.task, i)
			if a.areas[i].names == "" {
				e.distant = max(e.distant, top[0])
			}
			top[1] = max(top[1], 0)
			score += areaMeaning * (top[0] + top[1]) / 2
		}
		e.areas[i] = score
		largest = max(largest, score)
	}
	var known, other float32
	for i, score := range e.areas {
		e.areas[i] = float32(math.Exp(float64(score - largest)))
		if a.areas[i].names == "" {
			other += e.areas[i]
			e.areas[i] = 0
		}
		known += e.areas[i]
	}
	if known == 0 { // so far from all areas that no number says it
		known = math.SmallestNonzeroFloat32
	}
	for i := range e.areas {
		e.areas[i] /= known
	}
	e.elsewhere = other / (known + other)
}

// knows reports whether an area has a word.
func (a *atlas) knows(stem string) bool {
	_, ok := a.index.terms[stem]
	return ok
}

// measureAreas fills in how much each agent is at home where the task is.
func (a *atlas) measureAreas(shares []float32, fits []fit) {
	for i := range fits {
		homes := a.homes[int(fits[i].agent)*len(shares):]
		fits[i].measures[byArea] = dot(shares, homes[:len(shares)])
	}
}

// common returns the title of the area that says most for an agent; "" where
// none says much.
func (a *atlas) common(e *evidence, agent int32) string {
	title, most := "", float32(0.05)
	for i, share := range e.areas {
		if m := share * a.homes[int(agent)*len(a.areas)+i]; m > most {
			title, most = a.areas[i].title, m
		}
	}
	return title
}
