package route

import (
	"cmp"
	_ "embed" // the weights
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/claude-force/claude-force/internal/route/learned"
)

// weights were written by the program in train.
//
//go:embed weights.bin
var weights string

// Router knows how hard tasks are. It is read-only and safe for concurrent use.
type Router struct {
	model *learned.Model
}

// New returns a router with the weights of this build. It fails only where
// those are broken.
func New() (*Router, error) {
	m, err := learned.Parse(weights)
	if err != nil {
		return nil, fmt.Errorf("open the router: %w", err)
	}
	return &Router{model: m}, nil
}

// Reason is one thing that makes a task easier or harder.
type Reason struct {
	// What it is, as a few words.
	What string `json:"what"`
	// Effect is how much lower the difficulty would be without it; negative
	// for what makes the task easier.
	Effect float64 `json:"effect"`
}

// Assessment is what the router thinks of a task.
type Assessment struct {
	// Difficulty is between 0 and 1, in steps of a millionth. .5 is as hard as
	// the median of the questions that the router was judged on.
	Difficulty float64 `json:"difficulty"`
	// Security says that the task is about security, or given to an agent for it.
	Security bool `json:"security"`
	// Reasons holds at most six, the weightiest first. They need not add up.
	Reasons []Reason `json:"reasons"`
}

// mostReasons is how many reasons a person will read.
const mostReasons = 6

// Assess returns how hard a task is. The agent's name only says whether it is
// work on security; it may be empty. Of a task over 16 KB the head, the middle
// and the tail are read.
func (r *Router) Assess(agent, task string) Assessment {
	text := sample(task)
	t := learned.Measure(text)
	parts := r.model.Score(&t)
	j := judgement{base: logit(r.model.Percentile(parts.Score)), open: t.Options == 0}
	if j.open {
		j.weigh(text)
	}
	a := Assessment{Difficulty: j.difficulty(0), Security: IsSecurity(agent) || IsSecurity(text)}
	a.Reasons = append(r.learnedReasons(&j, &parts), j.reasons()...)
	slices.SortStableFunc(a.Reasons, func(a, b Reason) int { return cmp.Compare(math.Abs(b.Effect), math.Abs(a.Effect)) })
	a.Reasons = a.Reasons[:min(len(a.Reasons), mostReasons)]
	return a
}

// leastEffect is what a reason must change to be one.
const leastEffect = 0.005

// learnedReasons says what the model's measures do, each by the difficulty
// without it.
func (r *Router) learnedReasons(j *judgement, parts *learned.Parts) []Reason {
	var list []Reason
	add := func(what string, part float64) {
		without := *j
		without.base = logit(r.model.Percentile(parts.Score - part))
		if e := round(j.difficulty(0) - without.difficulty(0)); math.Abs(e) >= leastEffect {
			list = append(list, Reason{What: what, Effect: e})
		}
	}
	var offered float64
	for measure, part := range parts.Measures {
		switch {
		case j.open && learned.OfOptions(measure):
			offered += part
		case part != 0:
			add(learned.MeasureName(measure), part)
		}
	}
	add("no answers to choose from", offered)
	add("the words it uses", parts.Words)
	return list
}

func logit(p float64) float64   { return math.Log(p / (1 - p)) }
func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// round keeps six digits: beyond them platforms differ.
func round(x float64) float64 { return math.Round(x*1e6) / 1e6 }

// How much of a long task is read.
const (
	mostRead   = 16 << 10
	headRead   = 8 << 10
	middleRead = 4 << 10
	tailRead   = mostRead - headRead - middleRead
)

// sample returns a task that is short, or the head, the middle and the tail of
// one that is long: an order stands at either end.
func sample(task string) string {
	if len(task) <= mostRead {
		return task
	}
	middle := (len(task) - middleRead) / 2
	return cut(task, 0, headRead) + "\n" + cut(task, middle, middle+middleRead) + "\n" + cut(task, len(task)-tailRead, len(task))
}

// cut returns text[from:to], without the characters that this would halve.
func cut(text string, from, to int) string {
	for from < to && !utf8.RuneStart(text[from]) {
		from++
	}
	for to > from && to < len(text) && !utf8.RuneStart(text[to]) {
		to--
	}
	return text[from:to]
}
