package selector

import (
	"math"
	"slices"
)

// field is a part of what agents say of themselves, with its own statistics.
type field uint8

const (
	labelField field = iota // name, domains
	bodyField               // description, when to use, examples, what it knows and does
	restField               // all else
	fields
)

// others is how many agents without a word are imagined beside those there are,
// so that a word means something among two agents, too.
const others = 8

// counting is how often a word makes how much of a match, 0 to 1: as in BM25. The
// zero value counts once however often a word is there.
type counting struct {
	saturation float64 // that many make half a match in a text of mean length
	byLength   float64 // how much the length of a text matters, 0 to 1
}

// posting says how well a word matches an agent, in each field.
type posting struct {
	agent int32
	match [fields]float32
}

// index finds the agents by a stem. It does not change.
type index struct {
	terms    map[string]int32
	start    []int32 // of a term's postings; one more than there are terms
	postings []posting
	surface  []string // of a term: a word as an agent wrote it
	agents   int
}

// counts are how often an agent has a term in each field.
type counts struct {
	term  int32
	count [fields]uint16
}

// newIndex counts the words of all documents.
func newIndex(docs []document, words *stemmer, by counting) *index {
	x := &index{terms: map[string]int32{}, agents: len(docs)}
	perAgent := make([][]counts, len(docs))
	var total, having [fields]float64 // words, and documents with some
	lengths := make([][fields]float64, len(docs))
	c := counter{index: x, words: words, place: map[int32]int{}}
	for i := range docs {
		perAgent[i], lengths[i] = c.count(&docs[i])
		for f, n := range lengths[i] {
			total[f] += n
			if n > 0 {
				having[f]++
			}
		}
	}
	x.start = make([]int32, len(x.terms)+1)
	for _, list := range perAgent {
		for _, t := range list {
			x.start[t.term+1]++
		}
	}
	for i := 1; i < len(x.start); i++ {
		x.start[i] += x.start[i-1]
	}
	x.postings = make([]posting, x.start[len(x.terms)])
	next := slices.Clone(x.start)
	for agent, list := range perAgent {
		for _, t := range list {
			p := &x.postings[next[t.term]]
			next[t.term]++
			p.agent = int32(agent)
			for f, n := range t.count {
				if n > 0 {
					relative := lengths[agent][f] * having[f] / total[f]
					half := by.saturation * (1 - by.byLength + by.byLength*relative)
					p.match[f] = float32(float64(n) / (float64(n) + half))
				}
			}
		}
	}
	return x
}

// counter counts the words of one agent after the other.
type counter struct {
	*index
	words *stemmer
	list  []counts
	place map[int32]int // of a term in list
}

func (c *counter) count(d *document) (list []counts, lengths [fields]float64) {
	c.list = nil
	clear(c.place)
	add := func(f field, texts ...string) {
		for _, text := range texts {
			eachWord(text, func(word string, _ bool) {
				if f != labelField && c.words.stops(word) {
					return
				}
				lengths[f]++
				c.add(f, word, c.words.stem(word))
			})
		}
	}
	add(labelField, d.label)
	add(bodyField, d.about)
	add(bodyField, d.use...)
	add(bodyField, d.skills...)
	add(restField, d.rest...)
	return c.list, lengths
}

func (c *counter) add(f field, word, stem string) {
	term, ok := c.terms[stem]
	if !ok {
		term = int32(len(c.terms))
		c.terms[stem] = term
		c.surface = append(c.surface, word)
	}
	at, ok := c.place[term]
	if !ok {
		at = len(c.list)
		c.place[term] = at
		c.list = append(c.list, counts{term: term})
	}
	if n := &c.list[at].count[f]; *n < math.MaxUint16 {
		*n++
	}
}

// of returns a term's postings.
func (x *index) of(term int32) []posting { return x.postings[x.start[term]:x.start[term+1]] }

// rarity is how much a term tells that a number of agents have.
func (x *index) rarity(owners int) float64 {
	n := float64(x.agents + others)
	return math.Log(1 + (n-float64(owners)+0.5)/(float64(owners)+0.5))
}

// best is the match of the field where it is best.
func (p *posting) best() float32 {
	return max(p.match[labelField], p.match[bodyField], p.match[restField]/2)
}
