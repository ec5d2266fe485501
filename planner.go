package claudeforce

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/plan"
	"github.com/claude-force/claude-force/internal/prompt"
	"github.com/claude-force/claude-force/internal/sim"
	"github.com/claude-force/claude-force/internal/tasks"
	"github.com/claude-force/claude-force/internal/tokens"
)

// planner turns the lines of a task file into what a forecast needs. While
// stream's goroutine reads, it alone uses what follows options.
type planner struct {
	engine  *Engine
	options PlanOptions
	catalogue
	tier model.UsageTier // without a name: custom
	now  time.Time

	runner   taskRunner // for the wishes of lines
	reader   *tasks.Reader
	seen     tasks.Seen
	kinds    map[kindName]*planKind
	prefixes map[[2]string]*plan.Prefix
	hash     maphash.Hash
	scratch  []byte
	failure  *Error // the file cannot be read on

	trouble trouble  // about kinds
	reasons []string // why tasks fail, the first few
	odd     int64    // lines with fields that no task has
	oddName string
}

// aroundTask is the tokens that the API counts for a request beside its texts.
const aroundTask = 10

// Bounds of what a planner remembers and says.
const (
	mostKinds   = 10_000
	mostReasons = 5
)

func (e *Engine) newPlanner(o PlanOptions) (*planner, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	c, err := e.catalogue()
	if err != nil {
		return nil, llm.AsError(err)
	}
	p := &planner{
		engine: e, options: o, catalogue: c, now: e.options.Now(),
		runner: taskRunner{engine: e, tasks: Tasks{Defaults: o.Defaults}}, reader: tasks.NewReader(o.In),
		kinds: map[kindName]*planKind{}, prefixes: map[[2]string]*plan.Prefix{},
	}
	p.tier, _ = model.Tier(o.Tier)
	p.hash.SetSeed(maphash.MakeSeed())
	for _, text := range c.warnings {
		p.trouble.warn(text)
	}
	return p, nil
}

// planChunk is how many tasks cross over to the forecast at once.
const planChunk = 256

// stream reads the file ahead of the forecast, in a goroutine that ends with
// the file or with stop.
func (p *planner) stream() (next func() (plan.Task, bool), stop func()) {
	chunks, quit := make(chan []plan.Task, 4), make(chan struct{})
	go func() {
		defer close(chunks)
		for more := true; more; {
			var some []plan.Task
			some, more = p.read()
			select {
			case chunks <- some:
			case <-quit:
				return
			}
		}
	}()
	var have []plan.Task
	next = func() (plan.Task, bool) {
		for len(have) == 0 {
			some, ok := <-chunks
			if !ok {
				return plan.Task{}, false
			}
			have = some
		}
		t := have[0]
		have = have[1:]
		return t, true
	}
	return next, func() {
		close(quit)
		for range chunks { // until it has ended
		}
	}
}

// read returns the next tasks, and whether there may be more.
func (p *planner) read() ([]plan.Task, bool) {
	some := make([]plan.Task, 0, planChunk)
	for len(some) < planChunk {
		line, err := p.reader.Next()
		if errors.Is(err, io.EOF) {
			return some, false
		}
		if err != nil {
			p.failure = &Error{Code: CodeUsage, Message: "the task file cannot be read on: " + err.Error(), Err: err}
			return some, false
		}
		task, fault := p.task(line)
		if fault != nil && len(p.reasons) < mostReasons {
			p.reasons = append(p.reasons, reasonOf(line, fault))
		}
		some = append(some, task)
	}
	return some, true
}

// reasonOf says why a line fails.
func reasonOf(line tasks.Line, fault *Error) string {
	if line.Err == fault {
		return fault.Message
	}
	return fmt.Sprintf("line %d fails: %s", line.Number, fault.Message)
}

// task measures a line, or says why its run would fail without a call.
func (p *planner) task(line tasks.Line) (plan.Task, *Error) {
	if line.Err != nil {
		return plan.Task{}, line.Err
	}
	if !p.seen.Add(line.Task.ID.Text) {
		return plan.Task{}, usageError(fmt.Sprintf("the id %q is that of an earlier line", line.Task.ID.Text), "")
	}
	if len(line.Task.Unknown) > 0 {
		p.odd++
		p.oddName = firstOf(p.oddName, line.Task.Unknown[0])
	}
	r, _, err := p.engine.choose(context.Background(), p.runner.wish(line.Task))
	if err == nil {
		err = checkTask(r)
	}
	if err != nil {
		return plan.Task{}, llm.AsError(err)
	}
	k := p.kind(r)
	if k.failure != nil {
		return plan.Task{}, k.failure
	}
	most := r.MaxTokens
	if most == 0 {
		most = p.engine.config.Integer("max_tokens")
	}
	if k.Model != nil && k.Model.MaxOutput > 0 {
		most = min(most, k.Model.MaxOutput)
	}
	if err := k.fits(r.Task); err != nil {
		return plan.Task{}, err
	}
	p.scratch = llm.AppendString(p.scratch[:0], r.Task)
	return plan.Task{
		Kind: &k.Kind, Bytes: k.bytes + len(p.scratch), MaxTokens: most,
		Input:  k.uncached + aroundTask + int64(tokens.Estimate(k.family, r.Task)),
		Output: int64(min(most, p.options.OutputTokens)),
		Key:    p.key(k, &r, most),
	}, nil
}

// key tells requests apart as the response cache does; 0 where nothing is
// shared.
func (p *planner) key(k *planKind, r *Run, most int) uint64 {
	if !k.shared {
		return 0
	}
	var head [24]byte
	binary.LittleEndian.PutUint64(head[:], k.body)
	binary.LittleEndian.PutUint64(head[8:], uint64(most))
	if r.Temperature != nil && (k.Model == nil || k.Model.Sampling) {
		binary.LittleEndian.PutUint64(head[16:], 1+math.Float64bits(*r.Temperature))
	}
	p.hash.Reset()
	_, _ = p.hash.Write(head[:])
	_, _ = p.hash.WriteString(r.Task)
	return max(p.hash.Sum64(), 1)
}

// kindName is what decides all of a prompt but the task.
type kindName struct{ agent, model, effort string }

// planKind is what the tasks of one kind have in common.
type planKind struct {
	plan.Kind
	failure *Error // why none of them can run
	params  llm.Params
	family  string
	// bytes is the size of a request beside its task, body a hash of it.
	bytes int
	body  uint64
	// uncached is the tokens before the task that are not part of Prefix.
	uncached int64
	shared   bool // answers are reused
}

// fits refuses a task that is sure to be longer than the model's context.
func (k *planKind) fits(task string) *Error {
	if k.Model == nil || k.Model.Context <= 0 || k.bytes+len(task) <= k.Model.Context {
		return nil
	}
	params := k.params
	params.Messages = []llm.Message{{Role: "user", Content: []llm.Block{{Text: task}}}}
	floor, most := prompt.Tokens(params, k.family)
	if floor > k.Model.Context || most > k.Model.Context/100*sureOver {
		return llm.AsError(tooLong(most, "about ", k.Model))
	}
	return nil
}

// kind returns what a run has in common with others.
func (p *planner) kind(r Run) *planKind {
	if firstOf(r.Model, p.engine.config.Text("model")) == autoModel {
		// Each task has its own line; an agent's own model goes first.
		if router, err := p.engine.router(); err == nil && (r.Model != "" || p.engine.modelOf(r.Agent) == "") {
			r.Model = router.Explain(r.Agent, r.Task).Line
		}
	}
	name := kindName{r.Agent, r.Model, r.Effort}
	k := p.kinds[name]
	switch {
	case k != nil:
	case len(p.kinds) >= mostKinds:
		k = &planKind{failure: usageError(fmt.Sprintf("it is of another agent, model or effort than the %d combinations before it, which are all that can be planned", mostKinds), "")}
	default:
		k = p.newKind(r)
		p.kinds[name] = k
	}
	return k
}

// commonBytes is the size of what a request has beside prompt and task.
const commonBytes = len(`,"max_tokens":4096`) - len(`""`)

func (p *planner) newKind(r Run) *planKind {
	agent, found, err := p.engine.project.Agent(r.Agent)
	if err != nil {
		return &planKind{failure: llm.AsError(p.engine.agentError(err))}
	}
	name, _, err := p.engine.chooseModel(r, agent)
	if err != nil {
		return &planKind{failure: llm.AsError(err)}
	}
	resolved := p.Resolve(name, p.now)
	m := resolved.Model
	params, warnings := prompt.Assemble(prompt.Input{Agent: agent, Model: resolved, Effort: firstOf(r.Effort, agent.Effort)})
	for _, text := range append(append(texts(found), resolved.Warnings...), warnings...) {
		p.trouble.warn(text)
	}
	req := llm.New(params, llm.Labels{Agent: agent.Name})
	k := &planKind{
		Kind:   plan.Kind{Agent: agent.Name, ID: resolved.ID, Model: m, Group: p.engine.limitGroup(resolved.ID)},
		params: params, bytes: commonBytes + len(req.Body()),
		body:   maphash.Bytes(p.hash.Seed(), req.Body()),
		shared: p.engine.reuse(r, req).Mode == llm.ReuseOn,
	}
	k.Limits = p.limits(k.Group)
	if m != nil {
		k.family = m.Tokenizer
		if _, known := m.CardAt(p.now); !known {
			p.trouble.warn("the price of " + m.ID + " is not known")
		}
	}
	_, before := prompt.Tokens(llm.Params{System: params.System}, k.family)
	if params.System[len(params.System)-1].CacheTTL == "" {
		k.uncached = int64(before)
		return k
	}
	owner := [2]string{agent.Name, resolved.ID}
	if p.prefixes[owner] == nil {
		p.prefixes[owner] = &plan.Prefix{Tokens: int64(before)}
	}
	k.Prefix = p.prefixes[owner]
	return k
}

// limits are those of a limit group.
func (p *planner) limits(group string) sim.Limits {
	o := &p.options
	l := sim.Limits{RPM: o.RPM, ITPM: o.ITPM, OTPM: o.OTPM}
	if l.RPM > 0 && l.ITPM > 0 && l.OTPM > 0 {
		return l
	}
	of, published := p.tier.Limits(group)
	if !published {
		p.trouble.warn(fmt.Sprintf("the limits of the tier %s are not published for the limit group %s: those of similar models were taken", o.Tier, group))
	}
	if l.RPM == 0 {
		l.RPM = of.Requests
	}
	if l.ITPM == 0 {
		l.ITPM = of.InputTokens
	}
	if l.OTPM == 0 {
		l.OTPM = of.OutputTokens
	}
	return l
}
