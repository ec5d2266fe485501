package claudeforce

import (
	"fmt"
	"math"

	"github.com/claude-force/claude-force/internal/route"
)

// RouteReason is one thing that makes a task easier or harder, and how much.
type RouteReason = route.Reason

// RoutePolicy says which difficulty deserves which line of models.
type RoutePolicy = route.Policy

// Router chooses the line of models that a task deserves, by its difficulty:
// locally, without a call. It is safe for concurrent use while its policy is
// left alone.
type Router struct {
	// Policy is the default one at first.
	Policy RoutePolicy

	inner *route.Router
	// floor returns the least line of an agent, or empty; it may be nil.
	floor func(agent string) string
}

// OpenRouter returns a router with the default policy.
func OpenRouter() (*Router, error) {
	inner, err := route.New()
	if err != nil {
		return nil, &Error{Code: CodeInternal, Message: err.Error(), Err: err}
	}
	return &Router{Policy: route.DefaultPolicy(), inner: inner}, nil
}

// Route is the choice for one task.
type Route struct {
	// Difficulty is between 0 and 1.
	Difficulty float64 `json:"difficulty"`
	// Line is haiku, sonnet or opus.
	Line string `json:"line"`
	// Raised says what raised the line above what the difficulty deserves;
	// empty where nothing did.
	Raised   string        `json:"raised,omitempty"`
	Security bool          `json:"security"`
	Reasons  []RouteReason `json:"reasons"`
}

// Explain returns the choice for a task, with its reasons. The agent's name,
// which may be empty, says whether the task is work on security, and in an
// engine's router which line is the agent's least.
func (r *Router) Explain(agent, task string) Route {
	floor := ""
	if r.floor != nil && agent != "" {
		floor = r.floor(agent)
	}
	return r.explain(agent, floor, task)
}

func (r *Router) explain(agent, floor, task string) Route {
	a := r.inner.Assess(agent, task)
	line, raised := r.policy(floor).Choose(a)
	return Route{Difficulty: a.Difficulty, Line: line.String(), Raised: raised, Security: a.Security, Reasons: a.Reasons}
}

// policy is the router's with the floor of an agent.
func (r *Router) policy(floor string) RoutePolicy {
	p := r.Policy
	if least, ok := route.ParseLine(floor); ok {
		p.Min = max(p.Min, least)
	}
	return p
}

// least is the least line that a choice by itself may take for a task.
func (r *Router) least(agent, floor, task string) route.Line {
	a := r.inner.Assess(agent, task)
	a.Difficulty = 0
	line, _ := r.policy(floor).Choose(a)
	return line
}

// RouteLabel is what is known of one task: whether a cheap and a dear model
// did it right, or which line it deserves.
type RouteLabel struct {
	Task       string
	CheapRight bool
	DearRight  bool
	Line       string // empty where the other two are known
}

// RouteEvaluation is how well a router does on labelled tasks. Figures that
// the labels do not give are nil.
type RouteEvaluation struct {
	Tasks int `json:"tasks"`
	// APGR is the average performance gap recovered: .5 for a random order, nil
	// also where the dear model gains nothing over all tasks.
	APGR *float64 `json:"apgr"`
	// CheapRight and DearRight are the shares that each model did right alone.
	CheapRight *float64 `json:"cheap_right"`
	DearRight  *float64 `json:"dear_right"`
	// Accuracy is the share of tasks that go to the line they deserve.
	Accuracy *float64 `json:"accuracy"`
	// Confusion counts tasks by the line they deserve and the one they go to.
	Confusion map[string]map[string]int `json:"confusion,omitempty"`
}

// Evaluate judges the router on labelled tasks. All must have the same kind of
// label.
func (r *Router) Evaluate(labels []RouteLabel) (RouteEvaluation, error) {
	v := RouteEvaluation{Tasks: len(labels)}
	if len(labels) == 0 {
		return v, usageError("there are no labelled tasks", `a line is {"task","cheap_right","dear_right"} or {"task","line"}`)
	}
	for i, l := range labels {
		if (l.Line == "") != (labels[0].Line == "") {
			return v, usageError(fmt.Sprintf("task %d has another kind of label than the first", i+1), "evaluate them apart")
		}
	}
	if labels[0].Line == "" {
		r.evaluateOrder(labels, &v)
		return v, nil
	}
	return v, r.evaluateLines(labels, &v)
}

func (r *Router) evaluateOrder(labels []RouteLabel, v *RouteEvaluation) {
	var cheap, dear float64
	gains, scores := make([]float64, len(labels)), make([]float64, len(labels))
	for i, l := range labels {
		if l.CheapRight {
			cheap++
			gains[i]--
		}
		if l.DearRight {
			dear++
			gains[i]++
		}
		scores[i] = r.inner.Assess("", l.Task).Difficulty
	}
	n := float64(len(labels))
	cheap, dear = cheap/n, dear/n
	v.CheapRight, v.DearRight = &cheap, &dear
	if apgr := route.Recovered(gains, scores); !math.IsNaN(apgr) {
		v.APGR = &apgr
	}
}

func (r *Router) evaluateLines(labels []RouteLabel, v *RouteEvaluation) error {
	v.Confusion = map[string]map[string]int{}
	right := 0.0
	for i, l := range labels {
		if _, ok := route.ParseLine(l.Line); !ok {
			return usageError(fmt.Sprintf("%q of task %d is no line", l.Line, i+1), "lines are haiku, sonnet and opus")
		}
		got := r.Explain("", l.Task).Line
		if v.Confusion[l.Line] == nil {
			v.Confusion[l.Line] = map[string]int{}
		}
		v.Confusion[l.Line][got]++
		if got == l.Line {
			right++
		}
	}
	right /= float64(len(labels))
	v.Accuracy = &right
	return nil
}

// RouteCalibration is thresholds that fit a set of tasks.
type RouteCalibration struct {
	Tasks int `json:"tasks"`
	// Thresholds are the least difficulties of the lines.
	Thresholds struct {
		Sonnet float64 `json:"sonnet"`
		Opus   float64 `json:"opus"`
	} `json:"thresholds"`
	// Shares is the share of the tasks that each line then gets, before any
	// least line.
	Shares map[string]float64 `json:"shares"`
}

// Calibrate returns thresholds with which about dearShare (0 to 1) of these
// tasks go to opus.
func (r *Router) Calibrate(tasks []string, dearShare float64) (RouteCalibration, error) {
	difficulties := make([]float64, len(tasks))
	for i, task := range tasks {
		difficulties[i] = r.inner.Assess("", task).Difficulty
	}
	return calibrate(difficulties, dearShare)
}

func calibrate(difficulties []float64, dearShare float64) (RouteCalibration, error) {
	c := RouteCalibration{Tasks: len(difficulties), Shares: map[string]float64{}}
	switch {
	case !(0 <= dearShare && dearShare <= 1):
		return c, usageError("the share of the dear model must be between 0 and 1", "0.3 sends three tasks of ten to opus")
	case len(difficulties) == 0:
		return c, usageError("there are no tasks to calibrate with", "give tasks like those to come, as JSONL, or run some: a few hundred say more than ten")
	}
	policy := route.Calibrate(difficulties, dearShare)
	c.Thresholds.Sonnet, c.Thresholds.Opus = policy.SonnetFrom, policy.OpusFrom
	for _, line := range route.Lines() {
		c.Shares[line.String()] = 0
	}
	for _, d := range difficulties {
		line, _ := policy.Choose(route.Assessment{Difficulty: d})
		c.Shares[line.String()] += 1 / float64(len(difficulties))
	}
	return c, nil
}
