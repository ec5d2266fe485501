package selector

import (
	"context"
	"fmt"
	"math"
	"strings"
)

// Result is the answer for a task.
type Result struct {
	// Items are the agents that fit best, best first; equals go by priority, then
	// by name.
	Items []Item
	// NoneFits says that the task is probably not one for any of the agents; the
	// items are then only those that are least far from it.
	NoneFits bool
	// Semantic says that meaning was compared, not only words.
	Semantic bool
	// Warning says why meaning was not compared although there is an embedder; ""
	// if there is nothing to say.
	Warning string
}

// Item is an agent with the evidence for it.
type Item struct {
	Agent string
	// Confidence is the probability that this is the agent for the task, 0 to 1.
	// Those of all agents add up to the probability that there is one.
	Confidence float64
	// Reason says in one sentence what decided.
	Reason string
	// Words are those of the task that count for the agent, the strongest first,
	// as they were written but in lower case.
	Words []string
	// Example is what the agent says it is for that is nearest to the task; ""
	// without vectors.
	Example string
	// Lexical and Semantic are what words and meaning add to the agent's score: a
	// difference of 1 between two agents makes the better one e times likelier.
	Lexical  float64
	Semantic float64
}

// Recommend returns the agents that fit a task best, at most top (all if top is
// not positive; not more than 64 of a larger collection). Of a long task the first
// 32 KiB count. Where the embedder fails, words have to do, and a warning says
// so. The error is [ErrEmptyTask] or that of the context.
func (s *Selector) Recommend(ctx context.Context, task string, top int) (Result, error) {
	task = strings.TrimSpace(cut(strings.ToValidUTF8(task, " "), mostBytes))
	if task == "" {
		return Result{}, ErrEmptyTask
	}
	if err := ctx.Err(); err != nil {
		return Result{}, fmt.Errorf("recommend an agent: %w", err)
	}
	if len(s.agents) == 0 {
		return Result{NoneFits: true}, nil
	}
	e, err := s.evidence(ctx, task)
	if err != nil {
		return Result{}, fmt.Errorf("recommend an agent: %w", err)
	}
	memory, _ := s.pool.Get().(*[]fit)
	defer s.pool.Put(memory)
	fits := s.rank(&e, *memory)
	sure := e.weights.probability(s.scope(&e, &fits[0]))
	switch {
	case fits[0].named:
		sure = 1
	case len(e.query.words) == 0:
		sure = 0
	}
	r := Result{NoneFits: sure < e.weights.floor, Semantic: e.vectors != nil, Warning: e.warning}
	shares := shares(*memory)
	if top <= 0 || top > len(fits) {
		top = min(len(fits), mostCandidates)
	}
	for i := range fits[:top] {
		r.Items = append(r.Items, s.item(&e, &fits[i], sure*shares[i]))
	}
	return r, nil
}

// evidence is what is known of a task before it is compared with the agents.
type evidence struct {
	query query
	// mentioned are the agents that the task names.
	mentioned []int32
	weights   *weights
	vectors   *vectors  // nil: words only
	task      []float32 // the task's vector
	areas     []float32 // how likely the task is of each area of work
	// distant is the cosine to the nearest of the background, elsewhere how likely
	// the task is of it.
	distant   float32
	elsewhere float32
	warning   string
}

// evidence reads a task. The error is that of the context.
func (s *Selector) evidence(ctx context.Context, task string) (evidence, error) {
	words := s.stemmer.tokens(task)
	e := evidence{query: s.index.ask(words), mentioned: s.mentioned(task), weights: s.weights}
	if s.embedder != nil {
		v, err := s.ready(ctx)
		if err == nil {
			e.task, err = v.embedTask(ctx, s.embedder, task)
		}
		switch {
		case ctx.Err() != nil:
			return e, ctx.Err()
		case err != nil:
			e.weights = &withWords
			e.warning = "agents were compared by words only: " + err.Error()
		default:
			e.vectors = v
		}
	}
	if s.atlas != nil {
		s.atlas.locate(&e, words)
	}
	return e, nil
}

// shares turns scores into probabilities, given that one of the agents fits.
// The first of the fits is the best.
func shares(fits []fit) []float64 {
	shares := make([]float64, len(fits))
	var sum float64
	for i := range fits {
		shares[i] = math.Exp(fits[i].score - fits[0].score)
		sum += shares[i]
	}
	for i := range shares {
		shares[i] /= sum
	}
	return shares
}

// item explains a fit.
func (s *Selector) item(e *evidence, f *fit, confidence float64) Item {
	item := Item{Agent: s.agents[f.agent].Name, Confidence: confidence}
	for i, m := range f.measures {
		if i < bestLine {
			item.Lexical += e.weights.rank[i] * float64(m)
		} else {
			item.Semantic += e.weights.rank[i] * float64(m)
		}
	}
	item.Words = s.deciding(&e.query, f, e.weights)
	if f.nearest >= 0 {
		item.Example = e.vectors.texts[f.nearest].text
	}
	area := ""
	if s.atlas != nil {
		area = s.atlas.common(e, f.agent)
	}
	item.Reason = reason(f.named, item.Words, area, item.Example)
	return item
}
