package limit

import "github.com/claude-force/claude-force/internal/llm"

// subject is what calls have in common whose tokens are alike.
type subject struct{ agent, model string }

// expectation is what the calls of a subject took so far.
type expectation struct {
	// perByte is counted input tokens for each byte of a request's body: what
	// the prompt cache serves is not counted.
	perByte float64
	output  float64
}

// What is expected of a subject that nobody has seen yet: a little more than
// usual text has, and an answer of a page.
const (
	firstPerByte = 0.3
	firstOutput  = 500
	weight       = 0.2 // of a new call in the mean
	mostSubjects = 1024
)

// expectations are the subjects of a process.
type expectations map[subject]expectation

func subjectOf(req *llm.Request) subject { return subject{req.Agent, req.Model} }

// need is what a call is expected to take.
func (e expectations) need(req *llm.Request) amounts {
	x, ok := e[subjectOf(req)]
	if !ok {
		x = expectation{firstPerByte, firstOutput}
	}
	out := x.output
	if req.MaxTokens > 0 {
		out = min(out, float64(req.MaxTokens))
	}
	return amounts{1, float64(len(req.Body())) * x.perByte, out}
}

// learn takes what a call really took.
func (e expectations) learn(req *llm.Request, u llm.Usage) {
	if u.Prompt() == 0 || u.Incomplete {
		return
	}
	key := subjectOf(req)
	seen := expectation{float64(u.Input+u.CacheWrite()) / float64(len(req.Body())), float64(u.Output)}
	x, ok := e[key]
	if !ok {
		if len(e) >= mostSubjects {
			clear(e) // they are learned again in a call or two
		}
		e[key] = seen
		return
	}
	x.perByte += weight * (seen.perByte - x.perByte)
	x.output += weight * (seen.output - x.output)
	e[key] = x
}
