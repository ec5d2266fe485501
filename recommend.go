package claudeforce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"

	"github.com/claude-force/claude-force/internal/embed"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/project"
	"github.com/claude-force/claude-force/internal/selector"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

// Recommended is an agent that may fit a task.
type Recommended struct {
	Agent string `json:"agent"`
	// Confidence is the probability that it is the one, from 0 to 1. Those of all
	// agents add up to the probability that there is one.
	Confidence float64 `json:"confidence"`
	// Reason says in a sentence what decided.
	Reason string `json:"reason"`
	// Why is the evidence, where it was asked for.
	Why *Evidence `json:"why,omitempty"`
}

// Evidence is what speaks for an agent.
type Evidence struct {
	// Words are those of the task that count, the strongest first.
	Words []string `json:"words"`
	// Example is what the agent says it is for that is nearest in meaning; empty
	// where only words were compared.
	Example string `json:"example"`
	// Lexical and Semantic are what words and meaning add to the agent's score: a
	// difference of 1 between two agents makes the better one e times likelier.
	Lexical  float64 `json:"lexical"`
	Semantic float64 `json:"semantic"`
}

// Recommendation is what was found for a task.
type Recommendation struct {
	// Items are the agents that fit best, the best first.
	Items []Recommended `json:"items"`
	// NoneFits says that the task is probably for none of them.
	NoneFits bool `json:"none_fits"`
	// Semantic says that meaning was compared, and not words alone.
	Semantic bool     `json:"semantic"`
	Warnings []string `json:"warnings"`
}

// agentChoice finds agents for tasks. The index is made when it is first
// needed, and again where an agent has changed.
type agentChoice struct {
	engine  *Engine
	vectors func() embed.Store
	own     *sqlite.Cache // opened for the vectors alone, or nil

	mu       sync.Mutex
	agents   []*project.Agent
	selector *selector.Selector
	warnings []string
	progress func(done, total int)
}

func newAgentChoice(e *Engine) *agentChoice {
	c := &agentChoice{engine: e}
	c.vectors = sync.OnceValue(c.openVectors)
	return c
}

func (c *agentChoice) close() {
	if c.own != nil {
		_ = c.own.Close() // vectors can be made again
	}
}

// openVectors returns where the vectors of agents are kept, or nil where there
// is no place for them.
func (c *agentChoice) openVectors() embed.Store {
	e := c.engine
	if e.options.Demo {
		return nil
	}
	if a := e.answers(); a.store != nil {
		return a.store
	}
	store, _, _, err := e.openCacheStore() // the response cache is off, and this is not
	if err != nil {
		return nil
	}
	c.own = store
	return store
}

// embedder compares agents and tasks; nil where words have to do.
func (c *agentChoice) embedder() (selector.Embedder, error) {
	if !c.engine.config.Bool("recommend.semantic") {
		return nil, nil //nolint:nilnil // it is wanted so
	}
	e, err := c.engine.memory.embedder()
	if err != nil {
		return nil, err
	}
	if store := c.vectors(); store != nil {
		return embed.Keep(e, store), nil
	}
	return e, nil
}

// current returns the selector of the agents as they are now. progress hears of
// vectors that are made for it.
func (c *agentChoice) current(progress func(done, total int)) (*selector.Selector, []string, error) {
	list, err := c.engine.project.Agents()
	if err != nil {
		return nil, nil, projectError(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if progress != nil {
		c.progress = progress
	}
	if c.selector != nil && slices.Equal(c.agents, list.Agents) { // an agent that changes is another one
		return c.selector, c.warnings, nil
	}
	embedder, err := c.embedder()
	if err != nil {
		return nil, nil, err
	}
	agents := make([]selector.Agent, len(list.Agents))
	for i, a := range list.Agents {
		agents[i] = selector.Agent{
			Name: a.Name, Domains: a.Domains, Description: a.Description, Examples: a.Examples, Body: a.Definition,
			Priority: priority(a.Priority),
		}
	}
	c.agents, c.warnings = list.Agents, texts(list.Warnings)
	c.selector = selector.New(agents, selector.Options{
		Embedder: embedder, Keywords: !c.engine.config.Bool("recommend.semantic"), Progress: c.report,
	})
	return c.selector, c.warnings, nil
}

func (c *agentChoice) report(done, total int) {
	c.mu.Lock()
	progress := c.progress
	c.mu.Unlock()
	if progress != nil {
		progress(done, total)
	}
}

// priority reads the priority of an agent; a word means none.
func priority(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// Recommend returns the agents that fit a task best, at most top (0: three),
// and whether none does. progress, which may be nil, hears of the vectors that
// are made of new and changed agents: how many of their texts are done. explain
// adds the evidence. A task that is empty is an error with [CodeUsage].
func (e *Engine) Recommend(ctx context.Context, task string, top int, explain bool, progress func(done, total int)) (Recommendation, error) {
	out := Recommendation{Items: []Recommended{}, Warnings: []string{}}
	s, warnings, err := e.choice.current(progress)
	if err != nil {
		return out, llm.AsError(err)
	}
	if top <= 0 {
		top = 3
	}
	r, err := s.Recommend(ctx, task, top)
	if err != nil {
		return out, selectorError(err)
	}
	out.NoneFits, out.Semantic = r.NoneFits, r.Semantic
	out.Warnings = append(out.Warnings, warnings...)
	if r.Warning != "" {
		out.Warnings = append(out.Warnings, r.Warning)
	}
	for _, item := range r.Items {
		x := Recommended{Agent: item.Agent, Confidence: item.Confidence, Reason: item.Reason}
		if explain {
			x.Why = &Evidence{Words: nonNil(item.Words), Example: item.Example, Lexical: item.Lexical, Semantic: item.Semantic}
		}
		out.Items = append(out.Items, x)
	}
	return out, nil
}

// choose finds the agent of a run that leaves it open.
func (e *Engine) choose(ctx context.Context, r Run) (Run, []string, error) {
	if r.Agent != "" || !r.Auto {
		return r, nil, nil
	}
	found, err := e.Recommend(ctx, r.Task, 1, false, nil)
	if err != nil {
		return r, nil, err
	}
	if found.NoneFits || len(found.Items) == 0 {
		failure := &Error{Code: CodeNoAgentFits, Message: "no agent fits this task", Hint: "name one; `claude-force recommend` shows what was compared"}
		if len(found.Items) > 0 {
			failure.Message += fmt.Sprintf("; the nearest is %s with a confidence of %.2f", found.Items[0].Agent, found.Items[0].Confidence)
		}
		return r, nil, failure
	}
	best := found.Items[0]
	r.Agent, r.choice = best.Agent, &best
	var said []string
	if !found.Semantic && e.config.Bool("recommend.semantic") {
		said = found.Warnings
	}
	return r, said, nil
}

// SelectionReport is how well agents are found for labelled tasks.
type SelectionReport struct {
	// Tasks are those for an agent, Top1 and Top3 the shares of them whose agent
	// came first or among the first three, Lost the share that was said to be for
	// none.
	Tasks int     `json:"tasks"`
	Top1  float64 `json:"top1"`
	Top3  float64 `json:"top3"`
	Lost  float64 `json:"lost"`
	// OutOfScope are the tasks for none, NoneRight the share of them that was
	// found to be so.
	OutOfScope int             `json:"out_of_scope"`
	NoneRight  float64         `json:"none_right"`
	Misses     []SelectionMiss `json:"misses"`
}

// SelectionMiss is a task that went to another agent than it should.
type SelectionMiss struct {
	Task string `json:"task"`
	// Want is the right agent, or "none".
	Want     string   `json:"want"`
	Got      []string `json:"got"`
	NoneFits bool     `json:"none_fits"`
}

// EvaluateSelection reads labelled tasks, a JSON object {"task","agent"} a line
// (the agent none: no agent fits), and says how well agents are found for them.
func (e *Engine) EvaluateSelection(ctx context.Context, in io.Reader, progress func(done, total int)) (SelectionReport, error) {
	out := SelectionReport{Misses: []SelectionMiss{}}
	tasks, err := selector.ReadLabelled(in)
	if err != nil {
		return out, &Error{Code: CodeUsage, Message: err.Error(), Hint: `a line is {"task":"…","agent":"NAME"}, with the agent none where none fits`, Err: err}
	}
	s, _, err := e.choice.current(progress)
	if err != nil {
		return out, llm.AsError(err)
	}
	for i, t := range tasks {
		if _, _, err := e.project.Agent(t.Agent); err != nil && t.Agent != "" && t.Agent != "none" {
			failure := llm.AsError(e.agentError(err))
			failure.Message = fmt.Sprintf("task %d of the file: %s", i+1, failure.Message)
			return out, failure
		}
	}
	r, err := s.Evaluate(ctx, tasks)
	if err != nil {
		return out, selectorError(err)
	}
	out.Tasks, out.OutOfScope = r.N, r.OutOfScope
	out.Top1, out.Top3, out.Lost, out.NoneRight = share(r.Top1, r.N), share(r.Top3, r.N), share(r.Lost, r.N), share(r.NoneRight, r.OutOfScope)
	for _, m := range r.Misses {
		out.Misses = append(out.Misses, SelectionMiss(m))
	}
	return out, nil
}

func share(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

// AgentShadow is two agents that say nearly the same of themselves, so that
// chance decides between them.
type AgentShadow struct {
	A          string  `json:"a"`
	B          string  `json:"b"`
	Similarity float64 `json:"similarity"`
	Why        string  `json:"why"`
}

// AgentShadows returns the agents that shadow each other, the most similar
// first.
func (e *Engine) AgentShadows(ctx context.Context, progress func(done, total int)) ([]AgentShadow, error) {
	s, _, err := e.choice.current(progress)
	if err != nil {
		return nil, llm.AsError(err)
	}
	found, err := s.Shadows(ctx)
	if err != nil {
		return nil, selectorError(err)
	}
	out := make([]AgentShadow, 0, len(found))
	for _, x := range found {
		out = append(out, AgentShadow(x))
	}
	return out, nil
}

func selectorError(err error) error {
	if errors.Is(err, selector.ErrEmptyTask) {
		return &Error{Code: CodeUsage, Message: "the task is empty", Hint: "say in a sentence what is to be done", Err: err}
	}
	return llm.AsError(err)
}
