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
	mostPrompt   = 1 << 24 // more tokens than any model reads
)

// expectations are the subjects of a process.
type expectations map[subject]expectation

func subjectOf(req *llm.Request) subject { return subject{req.Agent, req.Model} }

// need is what a request is expected to take.
func (e expectations) need(req *llm.Request) amounts {
	return e.expect(subjectOf(req), len(req.Body()), req.MaxTokens)
}

// expect is what a call of so many bytes and most output tokens is expected to
// take.
func (e expectations) expect(of subject, bytes, maxTokens int) amounts {
	x, ok := e[of]
	if !ok {
		x = expectation{firstPerByte, firstOutput}
	}
	out := x.output
	if maxTokens > 0 {
		out = min(out, float64(maxTokens))
	}
	return amounts{1, float64(bytes) * x.perByte, out}
}

// learn takes what a request really took.
func (e expectations) learn(req *llm.Request, u llm.Usage) {
	e.note(subjectOf(req), len(req.Body()), u)
}

// note takes what a call of so many bytes really took.
func (e expectations) note(of subject, bytes int, u llm.Usage) {
	if u.Prompt() <= 0 || u.Prompt() > mostPrompt || u.Output < 0 || u.Output > mostOutput || u.Incomplete || bytes == 0 {
		return
	}
	seen := expectation{float64(u.Input+u.CacheWrite()) / float64(bytes), float64(u.Output)}
	x, ok := e[of]
	if !ok {
		if len(e) >= mostSubjects {
			clear(e) // they are learned again in a call or two
		}
		e[of] = seen
		return
	}
	x.perByte += weight * (seen.perByte - x.perByte)
	x.output += weight * (seen.output - x.output)
	e[of] = x
}
