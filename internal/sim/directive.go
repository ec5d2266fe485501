package sim

import (
	"slices"
	"strconv"
	"strings"
)

// turn is one answer that the task prescribes by directives.
type turn struct {
	say     *string
	words   int
	think   string
	tools   []toolCall
	stop    string // a stop reason in place of the usual one
	outcome string // of one request of a batch: errored or expired
}

// toolCall is one tool_use block of an answer.
type toolCall struct {
	name  string
	input string // a JSON object
}

// maxWords bounds [[words N]].
const maxWords = 200_000

// scripted returns the turn that the directives of the conversation's task
// prescribe for the answer that comes next, or nil where there is none. The
// task is the last text of the last user message that has any; what the assistant has said since
// counts the turns.
func (q *request) scripted() (*turn, *apiError) {
	task, said := q.task()
	script, err := parseScript(task)
	if err != nil || said >= len(script) {
		return nil, err
	}
	return &script[said], nil
}

// task returns the text of the last user message that has any, and how many
// messages of the assistant follow it.
func (q *request) task() (text string, said int) {
	for i, m := range slices.Backward(q.messages) {
		if m.role == "assistant" {
			// A prefill is the beginning of the answer that comes next.
			if i < len(q.messages)-1 {
				said++
			}
			continue
		}
		if m.role == "user" {
			if text := lastText(m.blocks); text != "" {
				return text, said
			}
		}
	}
	return "", said
}

// lastText returns the last text block of a content: what stands before it is
// what the task refers to, and prescribes nothing.
func lastText(blocks []block) string {
	for _, b := range slices.Backward(blocks) {
		if b.kind == "text" {
			return b.text
		}
	}
	return ""
}

// joinText returns the text blocks of a content, a blank line between them.
func joinText(blocks []block) string {
	var parts []string
	for _, b := range blocks {
		if b.kind == "text" {
			parts = append(parts, b.text)
		}
	}
	return strings.Join(parts, "\n\n")
}

// parseScript reads the directives of a task. A [[ that begins no directive is
// the task's own.
func parseScript(text string) ([]turn, *apiError) {
	var turns []turn
	current := &turn{}
	used := false
	// What follows the last ]] can hold no directive.
	last := strings.LastIndex(text, "]]")
	if last < 0 {
		return nil, nil
	}
	text = text[:last+len("]]")]
	for {
		i := strings.Index(text, "[[")
		if i < 0 {
			break
		}
		text = text[i+2:]
		if strings.HasPrefix(text, "then]]") {
			turns = append(turns, *current)
			current, used = &turn{}, true
			continue
		}
		length, err := current.directive(text)
		if err != nil {
			return nil, err
		}
		used = used || length > 0
		text = text[length:]
	}
	if !used {
		return nil, nil
	}
	return append(turns, *current), nil
}

// directive reads the directive that text begins with and returns its length,
// 0 where it is none.
func (t *turn) directive(text string) (int, *apiError) {
	name, _, _ := strings.Cut(text[:min(len(text), 16)], "]]")
	name, _, _ = strings.Cut(name, " ")
	switch name {
	case "tool":
		return t.toolDirective(text)
	case "say", "words", "think", "refuse", "window", "pause", "batch":
	default:
		return 0, nil
	}
	end := strings.Index(text, "]]")
	if end < 0 {
		return 0, nil
	}
	argument := strings.TrimSpace(strings.TrimPrefix(text[:end], name))
	switch name {
	case "say":
		t.say = &argument
	case "think":
		t.think = argument
	case "refuse":
		t.stop = "refusal"
	case "window":
		t.stop = "model_context_window_exceeded"
	case "pause":
		t.stop = "pause_turn"
	case "words":
		n, err := strconv.Atoi(argument)
		if err != nil || n < 1 || n > maxWords {
			return 0, invalid("[[words N]]: N must be a number from 1 to %d", maxWords)
		}
		t.words = n
	case "batch":
		if argument != "errored" && argument != "expired" {
			return 0, invalid("[[batch OUTCOME]]: OUTCOME must be errored or expired")
		}
		t.outcome = argument
	}
	return end + 2, nil
}

// toolDirective reads [[tool NAME {json}]]; the JSON may hold ]] itself.
func (t *turn) toolDirective(text string) (int, *apiError) {
	rest := strings.TrimLeft(strings.TrimPrefix(text, "tool"), " ")
	name, _, _ := strings.Cut(rest[:min(len(rest), 129)], " ")
	if !isToolName(name) {
		return 0, invalid("[[tool NAME {…}]]: NAME must be 1 to 128 letters, digits, _ and -")
	}
	r := &reader{src: text, pos: len(text) - len(rest) + len(name)}
	if r.peek() != '{' {
		return 0, invalid("[[tool %s {…}]]: the input must be a JSON object", name)
	}
	input := r.raw()
	if r.err != nil || !strings.HasPrefix(text[r.pos:], "]]") {
		return 0, invalid("[[tool %s {…}]]: the input must be a JSON object, followed by ]]", name)
	}
	t.tools = append(t.tools, toolCall{name: name, input: input})
	return r.pos + 2, nil
}
