package claudeforce

import (
	"context"
	"encoding/json"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/claude-force/claude-force/internal/embed"
	"github.com/claude-force/claude-force/internal/layer/recall"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/memory"
	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/prompt"
	"github.com/claude-force/claude-force/internal/tokens"
)

// Memory says whether past work has a part in a run. The zero value leaves it
// to the setting `memory`.
type Memory string

// The two ways.
const (
	MemoryOn  Memory = "on"
	MemoryOff Memory = "off"
)

// MemoryUsed is a past session that was quoted in a prompt.
type MemoryUsed struct {
	// Session is its number in the memory, RunID its run in the ledger, which is
	// empty where it was imported.
	Session int64  `json:"session"`
	RunID   string `json:"run_id,omitempty"`
	Agent   string `json:"agent"`
	// Task is the beginning of what was asked.
	Task string    `json:"task"`
	At   time.Time `json:"at"`
	// Similarity is 1 for the same meaning and 0 for none.
	Similarity float64 `json:"similarity"`
}

// memoryUsed is what a prompt quoted; nil where the memory was off.
func memoryUsed(req *llm.Request, resp *llm.Response) []MemoryUsed {
	if req.Memory == llm.MemoryOff {
		return nil
	}
	used := make([]MemoryUsed, 0, len(resp.Recalled))
	for _, r := range resp.Recalled {
		used = append(used, MemoryUsed(r))
	}
	return used
}

// pastWork is the memory of a project's sessions, opened when it is first
// needed.
type pastWork struct {
	engine   *Engine
	embedder func() (embed.Embedder, error)
	// model is the built-in encoder, where that is in use.
	model  *embed.Model
	open   func() (*memory.Memory, error)
	opened atomic.Bool

	// What is to be done once a day is done while runs are under way.
	keeping  sync.WaitGroup
	stopKeep context.CancelFunc
}

func (e *Engine) newPastWork() *pastWork {
	p := &pastWork{engine: e, stopKeep: func() {}}
	p.embedder = sync.OnceValues(p.newEmbedder)
	p.open = sync.OnceValues(p.newMemory)
	return p
}

// newEmbedder returns what the settings say turns texts into vectors.
func (p *pastWork) newEmbedder() (embed.Embedder, error) {
	e := p.engine
	kind := e.config.Text("embed.api")
	if kind == "builtin" {
		p.model = embed.New(embed.Options{Idle: e.config.Duration("embed.idle")})
		return p.model, nil
	}
	service, err := embed.NewHTTP(embed.HTTPOptions{
		Kind: embed.Kind(kind), BaseURL: e.config.Text("embed.url"), Model: e.config.Text("embed.model"),
		Key: e.options.Getenv("CLAUDE_FORCE_EMBED_KEY"),
	})
	if err != nil {
		return nil, configError("past work and agents cannot be compared", "see the settings embed.api, embed.url and embed.model", err)
	}
	return service, nil
}

// ofSessions is the embedder by which past sessions are compared.
func (p *pastWork) ofSessions() (embed.Embedder, error) {
	e, err := p.embedder()
	if err != nil || p.model == nil {
		return e, err
	}
	return embed.Center(p.model), nil
}

func (p *pastWork) newMemory() (*memory.Memory, error) {
	e := p.engine
	db, err := e.ledger.store()
	if err != nil {
		return nil, configError("the memory needs a folder for its state", "make it writable, or use --no-memory", err)
	}
	embedder, err := p.ofSessions()
	if err != nil {
		return nil, err
	}
	o := memory.Options{
		Store: db.Sessions(), Embedder: embedder, Retention: e.config.Duration("memory.retention"), Now: e.options.Now,
		Idle: e.config.Duration("embed.idle"),
		Warn: func(err error) { e.trouble.warn("the memory: " + err.Error()) },
	}
	if !e.options.Demo {
		o.Index = filepath.Join(e.paths.State, "sessions")
	}
	p.opened.Store(true)
	return memory.New(o), nil
}

// keepHouse prunes what is too old, while the run that asked for it goes on.
// What a short run does not get done the next one goes on with.
func (p *pastWork) keepHouse(m *memory.Memory) {
	ctx, stop := context.WithCancel(context.Background())
	p.stopKeep = stop
	p.keeping.Go(func() {
		if _, err := m.Housekeep(ctx); err != nil && ctx.Err() == nil {
			p.engine.trouble.warn("the memory was not pruned: " + err.Error())
		}
	})
}

// closeWait is how long the end of a process waits for the vectors of sessions
// that have none; the next one makes what is missing.
const closeWait = 500 * time.Millisecond

// close ends the work in the background.
func (p *pastWork) close() {
	if !p.opened.Load() {
		return
	}
	p.stopKeep()
	p.keeping.Wait()
	if m, err := p.open(); err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeWait)
		_ = m.Close(ctx) // what it had to say it has warned of
		cancel()
	}
	if p.model != nil {
		_ = p.model.Close()
	}
}

// mode is what past work has to do with a run.
func (p *pastWork) mode(r Run) llm.MemoryMode {
	on := r.Memory == MemoryOn
	if r.Memory == "" {
		on = p.engine.config.Text("memory") != "off"
	}
	switch {
	case !on || p.engine.options.Demo:
		return llm.MemoryOff
	case r.onTrial:
		return llm.MemoryRead
	}
	return llm.MemoryOn
}

// ofTasks is what past work has to do with tasks whose caller leaves it to the
// settings.
func (p *pastWork) ofTasks() Memory {
	if p.engine.config.Text("memory") == string(MemoryOn) {
		return MemoryOn
	}
	return MemoryOff
}

// recallOptions are those of the layer. The memory is opened by its first use.
func (p *pastWork) recallOptions(prices *model.Catalogue) recall.Options {
	e := p.engine
	most := e.config.Integer("memory.max_tokens")
	family := func(id string) string {
		if m, ok := prices.Lookup(id); ok {
			return m.Tokenizer
		}
		return ""
	}
	return recall.Options{
		Sessions: &openSessions{p: p}, Project: e.project.Dir(), MaxTokens: most, Now: e.options.Now,
		Count: func(id, text string) int { return tokens.Estimate(family(id), text) },
		Warn:  func(err error) { e.trouble.warn(err.Error()) },
		Room: func(req *llm.Request) int {
			m, ok := prices.Lookup(req.Model)
			if !ok || m.Context <= 0 || prompt.Bytes(req.Params)+req.MaxTokens+most <= m.Context {
				return most // a token has a byte at least
			}
			_, size := prompt.Tokens(req.Params, m.Tokenizer)
			return m.Context - size - req.MaxTokens
		},
	}
}

// layer is the layer that recalls, or nil in a demo.
func (p *pastWork) layer(prices *model.Catalogue) llm.Layer {
	if p.engine.options.Demo {
		return nil
	}
	return recall.Layer(p.recallOptions(prices))
}

// recalled returns a request with similar past work in its prompt.
func (p *pastWork) recalled(ctx context.Context, req *llm.Request) *llm.Request {
	c, err := p.engine.catalogue()
	if err != nil || req.Memory == llm.MemoryOff {
		return req
	}
	asked, _, _ := recall.Recall(ctx, p.recallOptions(c.Catalogue), req)
	return asked
}

// withPastWork returns a request as it would be sent now, for estimates.
func (e *Engine) withPastWork(ctx context.Context, req *llm.Request) *llm.Request {
	if db, err := e.pastRuns(); err != nil || db == nil {
		return req
	}
	return e.memory.recalled(ctx, req)
}

// keep makes the answer to a request past work, where it asked for that.
func (p *pastWork) keep(ctx context.Context, req *llm.Request, task string, resp *llm.Response, err error) {
	c, failure := p.engine.catalogue()
	if failure != nil || req.Memory != llm.MemoryOn {
		return
	}
	recall.Remember(ctx, p.recallOptions(c.Catalogue), recall.Run{Request: req, Task: task, Response: resp, Err: err, Began: p.engine.options.Now()})
}

// accept keeps the answer of a run that was on trial.
func (p *pastWork) accept(ctx context.Context, r Run, result *Result) {
	if result.Attempts == 0 || p.mode(r) != llm.MemoryOn {
		return
	}
	m, err := p.open()
	if err != nil {
		return // the run itself has said so
	}
	s := memory.Session{
		RunID: result.RunID, Agent: result.Agent, Project: p.engine.project.Dir(), Task: r.Task, Output: result.Output,
		Succeeded: true, Model: result.Model, OutputTokens: result.Usage.OutputTokens, Unpriced: result.Cost == nil,
		InputTokens: result.Usage.InputTokens + result.Usage.CacheCreationInputTokens + result.Usage.CacheReadInputTokens,
		At:          p.engine.options.Now().Add(-result.Duration),
	}
	if result.Cost != nil {
		s.Cost = int64(*result.Cost)
	}
	if len(r.Tags) > 0 {
		text, _ := json.Marshal(r.Tags) // a map of strings always marshals
		s.Tags = string(text)
	}
	if err := m.Remember(context.WithoutCancel(ctx), s, nil); err != nil {
		p.engine.trouble.warn(err.Error())
	}
}

// openSessions are the sessions that a run recalls and is kept among.
type openSessions struct {
	p    *pastWork
	once sync.Once
}

func (s *openSessions) memory() (*memory.Memory, error) {
	m, err := s.p.open()
	if err == nil {
		s.once.Do(func() { s.p.keepHouse(m) })
	}
	return m, err
}

// Similar implements [recall.Sessions].
func (s *openSessions) Similar(ctx context.Context, task string, f memory.Filter) ([]memory.Match, []float32, error) {
	m, err := s.memory()
	if err != nil {
		return nil, nil, err
	}
	return m.Similar(ctx, task, f)
}

// Search implements [recall.Sessions].
func (s *openSessions) Search(ctx context.Context, task string, f memory.Filter) (memory.Found, error) {
	m, err := s.memory()
	if err != nil {
		return memory.Found{}, err
	}
	return m.Search(ctx, task, f)
}

// Remember implements [recall.Sessions].
func (s *openSessions) Remember(ctx context.Context, session memory.Session, vector []float32) error {
	m, err := s.memory()
	if err != nil {
		return err
	}
	return m.Remember(ctx, session, vector)
}
