package main

import (
	"bytes"
	"context"
	"fmt"
	"go/format"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/claude-force/claude-force/internal/selector"
)

const (
	// folds is how many parts the tasks are left out in.
	folds = 10
	// beginning is how much of a definition the shorter ones have.
	beginning = 0.25
	// lost is the share of good tasks that may be told that none fits.
	lost = 0.04
)

// kind is a kind of selector, with weights of its own.
type kind struct {
	name, variable, comment string
	options                 selector.Options
}

func kinds(e selector.Embedder) []kind {
	return []kind{
		{"words and meaning", "withMeaning", "compares words and meaning", selector.Options{Embedder: e}},
		{"words", "withWords", "has no vectors", selector.Options{}},
		{"keywords", "withKeywords", "is a router by keywords", selector.Options{Keywords: true}},
	}
}

// learned is what was learned for one kind.
type learned struct {
	kind
	rank  [selector.Measures]float64
	scope [selector.ScopeMeasures]float64
	floor float64
}

// sample is a task, measured.
type sample struct {
	selector.Measured
	task  int // its number; equal for the same task before other agents
	want  int // the place of the right agent, -1 if none fits
	share float64
	full  bool // before all agents as they are
}

// learn learns the weights of a kind, and prints how others do that were learned
// without the tasks they are tried on.
func learn(ctx context.Context, k kind, sets []set, out io.Writer) (learned, error) {
	whole, parts, err := measure(ctx, k, sets)
	if err != nil {
		return learned{}, err
	}
	var tried figures
	for fold := range folds {
		in := func(s sample) bool { return s.task%folds != fold }
		l := learnFrom(filter(whole, in), filter(parts, in))
		for _, s := range whole {
			if !in(s) && s.full {
				tried.count(&l, s)
			}
		}
	}
	fmt.Fprintf(out, "%s, tasks left out in turn: %s\n", k.name, &tried)
	l := learnFrom(whole, parts)
	l.kind = k
	return l, nil
}

func filter(list []sample, keep func(sample) bool) []sample {
	var kept []sample
	for _, s := range list {
		if keep(s) {
			kept = append(kept, s)
		}
	}
	return kept
}

// learnFrom learns the ranking from whole collections and the scope from parts.
func learnFrom(whole, parts []sample) learned {
	l := learned{rank: learnRank(whole)}
	var cases []outcome
	for _, s := range parts {
		cases = append(cases, outcome{s.Scope[l.first(s)], s.want >= 0, s.share})
	}
	l.scope = learnScope(cases)
	var good []float64
	for _, s := range whole {
		if s.want >= 0 && s.full {
			good = append(good, l.probability(s))
		}
	}
	slices.Sort(good)
	l.floor = good[int(lost*float64(len(good)))]
	return l
}

// first is the place of the best agent.
func (l *learned) first(s sample) int {
	best, at := math.Inf(-1), 0
	for i := range s.Fits {
		if score := product(l.rank[:], s.Fits[i][:]); score > best {
			best, at = score, i
		}
	}
	return at
}

// probability is that of any agent fitting.
func (l *learned) probability(s sample) float64 {
	return logistic(product(l.scope[:], s.Scope[l.first(s)][:]))
}

// measure measures all tasks before all agents, as they are and with shorter
// definitions (whole), and before some of them (parts).
func measure(ctx context.Context, k kind, sets []set) (whole, parts []sample, err error) {
	random := rand.New(rand.NewPCG(1, 2))
	number := 0
	for _, s := range sets {
		full, short := selector.New(s.agents, k.options), selector.New(shorter(s.agents), k.options)
		for _, t := range s.tasks {
			number++
			for _, among := range []*selector.Selector{full, short} {
				m, err := measureTask(ctx, among, t, number, 1)
				if err != nil {
					return nil, nil, err
				}
				m.full = among == full
				whole, parts = append(whole, m), append(parts, m)
			}
			for _, size := range []int{1, 3, 10} {
				some := selector.New(pick(random, s.agents, t.Agent, size), k.options)
				m, err := measureTask(ctx, some, t, number, 0.5)
				if err != nil {
					return nil, nil, err
				}
				parts = append(parts, m)
			}
		}
	}
	return whole, parts, nil
}

func measureTask(ctx context.Context, among *selector.Selector, t selector.Labelled, number int, share float64) (sample, error) {
	m, err := among.Measure(ctx, t.Task)
	return sample{Measured: m, task: number, want: slices.Index(m.Agents, t.Agent), share: share}, err
}

// shorter cuts definitions after their beginning.
func shorter(agents []selector.Agent) []selector.Agent {
	agents = slices.Clone(agents)
	for i := range agents {
		lines := strings.Split(agents[i].Body, "\n")
		agents[i].Body = strings.Join(lines[:int(beginning*float64(len(lines)))], "\n")
	}
	return agents
}

// pick takes some agents, the one named among them.
func pick(random *rand.Rand, agents []selector.Agent, name string, size int) []selector.Agent {
	agents = slices.Clone(agents)
	random.Shuffle(len(agents), func(i, j int) { agents[i], agents[j] = agents[j], agents[i] })
	if i := slices.IndexFunc(agents, func(a selector.Agent) bool { return a.Name == name }); i > 0 {
		agents[0], agents[i] = agents[i], agents[0]
	}
	return agents[:min(size, len(agents))]
}

// figures are what a trial found.
type figures struct{ n, top1, top3, lost, none, right int }

func (f *figures) count(l *learned, s sample) {
	fits := l.probability(s) >= l.floor
	if s.want < 0 {
		f.none++
		if !fits {
			f.right++
		}
		return
	}
	f.n++
	if !fits {
		f.lost++
	}
	better := 0
	mine := product(l.rank[:], s.Fits[s.want][:])
	for i := range s.Fits {
		if i != s.want && product(l.rank[:], s.Fits[i][:]) >= mine {
			better++
		}
	}
	if better == 0 {
		f.top1++
	}
	if better < 3 {
		f.top3++
	}
}

// String implements [fmt.Stringer].
func (f *figures) String() string {
	return fmt.Sprintf("top-1 %.3f, top-3 %.3f of %d; none fits %.3f of %d, lost %.3f",
		share(f.top1, f.n), share(f.top3, f.n), f.n, share(f.right, f.none), f.none, share(f.lost, f.n))
}

// source writes weights as Go.
func source(all []learned) []byte {
	var b bytes.Buffer
	b.WriteString("// Code generated by internal/selector/fit; DO NOT EDIT.\n\npackage selector\n")
	for _, l := range all {
		fmt.Fprintf(&b, "\n// %s are the weights of a selector that %s.\nvar %s = weights{\n", l.variable, l.comment, l.variable)
		fmt.Fprintf(&b, "rank: [Measures]float64{%s},\n", numbers(l.rank[:]))
		fmt.Fprintf(&b, "scope: [ScopeMeasures]float64{%s},\n", numbers(l.scope[:]))
		fmt.Fprintf(&b, "floor: %.3f,\n}\n", l.floor)
	}
	text, err := format.Source(b.Bytes())
	if err != nil {
		return b.Bytes()
	}
	return text
}

func numbers(list []float64) string {
	texts := make([]string, len(list))
	for i, x := range list {
		texts[i] = fmt.Sprintf("%.3f", x)
	}
	return strings.Join(texts, ", ")
}
