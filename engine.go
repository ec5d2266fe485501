package claudeforce

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/claude-force/claude-force/internal/claude"
	"github.com/claude-force/claude-force/internal/config"
	"github.com/claude-force/claude-force/internal/layer/budget"
	"github.com/claude-force/claude-force/internal/layer/charge"
	"github.com/claude-force/claude-force/internal/layer/limit"
	"github.com/claude-force/claude-force/internal/layer/record"
	"github.com/claude-force/claude-force/internal/layer/warmup"
	"github.com/claude-force/claude-force/internal/library"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/project"
	"github.com/claude-force/claude-force/internal/sim"
	"github.com/claude-force/claude-force/internal/telemetry"
)

// Engine runs agents. Everything that touches a model goes through it, and it
// opens what it needs when it is first needed: listing agents neither opens
// the ledger nor makes a client. It is safe for concurrent use; Close it.
type Engine struct {
	options  Options
	project  *project.Project
	config   *config.Config
	paths    config.Paths
	warnings []string

	catalogue func() (catalogue, error)
	// branch is the git branch that runs are made on, or empty.
	branch  func() string
	client  func() (*claude.Client, error)
	caller  func() (llm.Caller, error)
	answers func() *answers
	// answersOpen guards Close against opening what was never used.
	answersOpen atomic.Bool
	ledger      *ledger
	limiter     func() *limit.Limiter
	limiterOpen atomic.Bool
	guard       func() *budget.Guard
	router      func() (*Router, error)
	memory      *pastWork
	choice      *agentChoice
	telemetry   func() (*telemetry.Telemetry, error)
	// telling guards Close against making what was never used.
	telling atomic.Bool
	// noted counts the runs whose task could be noted.
	noted   atomic.Int64
	shared  *shared // nil in a demo
	trouble trouble
}

// Open reads the settings and finds the project. It makes no connection and
// writes nothing. The error is an *[Error].
func Open(o Options) (*Engine, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	e := &Engine{options: o}
	if err := e.openProject(); err != nil {
		return nil, err
	}
	if err := e.loadConfig(); err != nil {
		_ = e.project.Close()
		return nil, err
	}
	e.ledger = newLedger(e.paths, o.Demo)
	e.catalogue = sync.OnceValues(e.loadCatalogue)
	e.branch = sync.OnceValue(e.findBranch)
	e.client = sync.OnceValues(e.newClient)
	e.caller = sync.OnceValues(e.newCaller)
	e.answers = sync.OnceValue(e.openAnswers)
	e.limiter = sync.OnceValue(e.newLimiter)
	e.guard = sync.OnceValue(e.newGuard)
	e.router = sync.OnceValues(e.newRouter)
	e.memory = e.newPastWork()
	e.choice = newAgentChoice(e)
	e.telemetry = sync.OnceValues(e.newTelemetry)
	if !o.Demo {
		e.shared = newShared(e.paths.Shared)
	}
	return e, nil
}

// Close writes what is pending and frees connections and files. Runs must
// have ended.
func (e *Engine) Close() error {
	if c, err := e.client(); err == nil {
		c.Close()
	}
	e.endTelemetry()
	var err error
	if e.limiterOpen.Load() {
		e.limiter().Close() // gives its leases back
	}
	if e.shared != nil {
		err = e.shared.Close()
	}
	if e.answersOpen.Load() {
		if cacheErr := e.answers().close(); err == nil {
			err = cacheErr
		}
	}
	e.memory.close()
	e.choice.close()
	if ledgerErr := e.ledger.Close(); err == nil {
		err = ledgerErr
	}
	if projectErr := e.project.Close(); err == nil {
		err = projectErr
	}
	if err != nil {
		return llm.AsError(err)
	}
	return nil
}

// stack is the way of every call to a model, the outermost layer first. A new
// gain is one more line.
func (e *Engine) stack(api llm.Caller, prices *model.Catalogue, reuse *answers, spans *telemetry.Telemetry) llm.Caller {
	price := priceOf(prices, e.options.Now)
	joins, kept := reuse.layers(price)
	var recorded llm.Layer
	exchanges := bill{ledger: e.ledger, shared: e.shared, keep: e.config.Bool("tracking")}
	if exchanges.keep {
		recorded = record.Layer(e.ledger, e.options.Now)
		e.ledger.warm()
	}
	if e.shared != nil {
		e.shared.warm()
	}
	return llm.Stack(
		api,
		spans.RunLayer(),
		recorded,
		joins,
		kept,
		e.memory.layer(prices),
		e.prefixes(prices),
		warmup.Layer(warmup.Options{Now: e.options.Now}),
		e.limiter().Layer(),
		e.guard().Layer(),
		charge.Layer(charge.Options{Store: exchanges, Catalogue: prices, Now: e.options.Now}),
		spans.ExchangeLayer(),
	)
}

func (e *Engine) newCaller() (llm.Caller, error) {
	client, err := e.client()
	if err != nil {
		return nil, err
	}
	c, err := e.catalogue()
	if err != nil {
		return nil, err
	}
	spans, err := e.telemetry()
	if err != nil {
		return nil, err
	}
	return e.stack(client, c.Catalogue, e.answers(), spans), nil
}

// openProject finds the project, or takes the built-in library.
func (e *Engine) openProject() error {
	dir := e.options.Project
	if dir != "" {
		if info, err := os.Stat(filepath.Join(dir, ".claude")); err != nil || !info.IsDir() {
			return &Error{
				Code: CodeUsage, Message: dir + " is no project: it has no folder .claude",
				Hint: "`claude-force init " + dir + "` makes it one", Err: err,
			}
		}
	} else {
		found, ok, err := project.Find(e.options.Dir, e.home())
		if err != nil {
			return projectError(err)
		}
		if !ok {
			e.project = project.New(library.Starter(), "the built-in library")
			return nil
		}
		dir = found
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return configError("cannot tell where the project is", "name it with --project", err)
	}
	if e.project, err = project.Open(dir); err != nil {
		return projectError(err)
	}
	return nil
}

func (e *Engine) home() string {
	if home := e.options.Getenv("HOME"); home != "" {
		return home
	}
	home, _ := os.UserHomeDir() // an empty home only means fewer default paths
	return home
}

func (e *Engine) newClient() (*claude.Client, error) {
	o := claude.Options{
		BaseURL:   e.config.Text("api.base_url"),
		Auth:      claude.Auth(e.config.Text("api.auth")),
		Version:   e.config.Text("api.version"),
		UserAgent: "claude-force/" + Version(),
		Transport: e.options.Transport,
		Timeouts: claude.Timeouts{
			Connect:    e.config.Duration("timeouts.connect"),
			FirstToken: e.config.Duration("timeouts.first_token"),
			Idle:       e.config.Duration("timeouts.idle"),
			Attempt:    e.config.Duration("timeouts.attempt"),
		},
	}
	if e.options.Demo {
		transport, err := e.demoTransport()
		if err != nil {
			return nil, err
		}
		o.BaseURL, o.Transport, o.Credential = claude.DefaultBaseURL, transport, "demo"
		return claude.New(o)
	}
	o.Credential = e.credential()
	if o.Credential == "" && o.BaseURL == claude.DefaultBaseURL {
		return nil, &Error{
			Code: CodeConfig, Message: "no API key: ANTHROPIC_API_KEY is not set",
			Hint: "set it, point ANTHROPIC_BASE_URL at a server that needs none, or try --demo",
		}
	}
	return claude.New(o)
}

// credential is the key, or the token where there is only that; see the
// setting api.auth.
func (e *Engine) credential() string {
	if key := e.options.Getenv("ANTHROPIC_API_KEY"); key != "" {
		return key
	}
	return e.options.Getenv("ANTHROPIC_AUTH_TOKEN")
}

func (e *Engine) demoTransport() (http.RoundTripper, error) {
	c, err := e.catalogue()
	if err != nil {
		return nil, err
	}
	server, err := sim.New(sim.Options{Catalogue: c.Catalogue, Marked: true, AllowAnonymous: true, Now: e.options.Now})
	if err != nil {
		return nil, llm.AsError(err)
	}
	return server.Transport(), nil
}

func (e *Engine) logRetry(r limit.Retry) {
	e.options.Logger.LogAttrs(
		context.Background(), slog.LevelInfo, "attempt failed, trying again",
		slog.String("run_id", r.RunID), slog.Int("attempt", r.Attempt),
		slog.Duration("wait", r.Wait), slog.String("error", string(r.Err.Code)),
	)
}
