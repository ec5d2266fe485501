package claudeforce

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/project"
	"github.com/claude-force/claude-force/internal/route"
)

// autoModel leaves the choice of the model to the router.
const autoModel = "auto"

// Why a model was called, as the ledger has it.
const (
	whyRun      = "run" // it was asked for
	whyAgent    = "agent"
	whySetting  = "setting"
	whyAuto     = "auto"     // the router chose it
	whyBudget   = "budget"   // a dearer one was over a cap
	whyFallback = "fallback" // another one was not to be had
	whyCascade  = "cascade"  // a cheaper one tries first, or was not good enough
)

// chooseModel goes from the run to the agent's file to the setting, and says
// which of them spoke; where that says auto, the task's difficulty decides.
func (e *Engine) chooseModel(r Run, agent *project.Agent) (name, why string, err error) {
	switch {
	case r.Model != "":
		name, why = r.Model, firstOf(r.why, whyRun)
	case agent.Model != "":
		name, why = agent.Model, whyAgent
	default:
		name, why = e.config.Text("model"), whySetting
	}
	if name != autoModel {
		return name, why, nil
	}
	router, err := e.router()
	if err != nil {
		return "", "", err
	}
	return router.explain(agent.Name, agent.MinModel, r.Task).Line, whyAuto, nil
}

// modelOf is the model that an agent's file names, or empty.
func (e *Engine) modelOf(agent string) string {
	a, _, err := e.project.Agent(agent)
	if err != nil {
		return ""
	}
	return a.Model
}

// floorOf is the least line that a choice by itself may take for an agent, or
// empty.
func (e *Engine) floorOf(agent string) string {
	a, _, err := e.project.Agent(agent)
	if err != nil {
		return ""
	}
	return a.MinModel
}

// lineOf is the line of a model's id, or empty for one outside the catalogue.
func (e *Engine) lineOf(id string) string {
	c, err := e.catalogue()
	if err != nil {
		return ""
	}
	m, ok := c.Lookup(id)
	if !ok {
		return ""
	}
	return string(m.Line)
}

// below reports whether a line is under a floor. Lines that the router does
// not choose are above all that it does.
func below(line, floor string) bool {
	least, ok := route.ParseLine(floor)
	if !ok {
		return false
	}
	l, ok := route.ParseLine(line)
	return ok && l < least
}

// newRouter returns the router with the policy of the settings.
func (e *Engine) newRouter() (*Router, error) {
	router, err := OpenRouter()
	if err != nil {
		return nil, err
	}
	router.floor = e.floorOf
	p := &router.Policy
	p.PreferCheaper = e.config.Bool("router.prefer_cheaper")
	p.Min, _ = route.ParseLine(e.config.Text("router.min_model")) // one of the setting's choices
	p.SecurityMin, _ = route.ParseLine(e.config.Text("router.security_min_model"))
	p.SonnetFrom, _ = strconv.ParseFloat(e.config.Text("router.thresholds.sonnet"), 64)
	p.OpusFrom, _ = strconv.ParseFloat(e.config.Text("router.thresholds.opus"), 64)
	if err := p.Validate(); err != nil {
		return nil, configError("the router's thresholds make no sense", "set router.thresholds.sonnet below router.thresholds.opus", err)
	}
	return router, nil
}

// wholeRuns is how many runs of a process have the difficulty of their task
// kept; of more, a sample says as much.
const wholeRuns = 256

// noteDifficulty keeps how hard the task of a call was, for calibration.
func (e *Engine) noteDifficulty(req *llm.Request, resp *llm.Response, task string) {
	if resp == nil || resp.Attempts == 0 || e.options.Demo || !e.config.Bool("tracking") {
		return
	}
	if e.noted.Add(1) > wholeRuns && !sampled(req.RunID) {
		return
	}
	router, err := e.router()
	if err != nil {
		return
	}
	if db, err := e.ledger.store(); err == nil {
		_ = db.SaveDifficulty(router.inner.Assess(req.Agent, task).Difficulty) // a task more or less
	}
}

// CalibrateRouter returns thresholds with which about dearShare (0 to 1) of the
// latest tasks that this project's ledger knows would have gone to opus.
func (e *Engine) CalibrateRouter(ctx context.Context, dearShare float64) (RouteCalibration, error) {
	var past []float64
	db, err := e.pastRuns()
	if err == nil && db != nil {
		past, err = db.Difficulties(ctx)
	}
	if err != nil {
		return RouteCalibration{}, llm.AsError(err)
	}
	return calibrate(past, dearShare)
}

// Router is the router with the policy of this engine's settings.
func (e *Engine) Router() (*Router, error) { return e.router() }

// fallBack makes the request for the next model of the setting fallbacks,
// where the present one is not known to the API or has no room. A request that
// the API refuses is refused by every model.
func (e *Engine) fallBack(ctx context.Context, r Run, req *llm.Request, err error, tried []string) (next *llm.Request, said []string, ok bool) {
	failure := llm.AsError(err)
	if failure == nil || (failure.Code != CodeNotFound && failure.Code != CodeOverloaded) || ctx.Err() != nil {
		return nil, nil, false
	}
	floor := e.floorOf(req.Agent)
	for _, name := range e.config.List("fallbacks") {
		r.Model, r.why = name, whyFallback
		next, warnings, err := e.request(ctx, r)
		if err != nil || slices.Contains(tried, next.Model) || below(e.lineOf(next.Model), floor) {
			continue
		}
		said = append(warnings, fmt.Sprintf("%s stands in for %s: %s", next.Model, req.Model, failure.Message))
		return next, said, true
	}
	return nil, nil, false
}
