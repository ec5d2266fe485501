package sim_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/claude-force/claude-force/internal/sim"
)

// TestDirectives checks what tasks prescribe.
func TestDirectives(t *testing.T) {
	tool := `"tools":[{"name":"read","input_schema":{"type":"object"}}]`
	tests := []struct {
		name, body string
		text, stop string
	}{
		{"say", ask("Before [[say Hello,\nworld]] after"), "Hello,\nworld", "end_turn"},
		{"say in the last message only", `{"model":"claude-sonnet-5-5","max_tokens":9,"messages":[{"role":"user","content":"[[say no]]"},{"role":"assistant","content":"x"},{"role":"user","content":"[[say yes]]"}]}`, "yes", "end_turn"},
		{"words", ask("[[words 3]]"), "the answer names", "end_turn"},
		{"max_tokens", ask("[[words 100]]", `"max_tokens":4`), "the answer names", "max_tokens"},
		{"stop sequence", ask("[[words 100]]", `"stop_sequences":["found","was"]`), "the answer names what ", "stop_sequence"},
		{"stop sequence too late", ask("[[words 100]]", `"max_tokens":4,"stop_sequences":["found"]`), "the answer names", "max_tokens"},
		{"refuse", ask("[[refuse]]"), "", "refusal"},
		{"refuse in the middle", ask("[[say I begin]][[refuse]]"), "I begin", "refusal"},
		{"window", ask("[[say Half]] [[window]]"), "Half", "model_context_window_exceeded"},
		{"pause", ask("[[say Wait]] [[pause]]"), "Wait", "pause_turn"},
		{"tool", ask(`[[tool read {"lines":[[1,2]]}]]`, tool), "", "tool_use"},
		{"tool that does not fit", ask(`[[tool read {"path":"a"}]]`, tool, `"max_tokens":9`), "", "max_tokens"},
		{"no directive of ours", ask("Fix `if [[ -f x ]]; then` [[wiki]] [[say ok]]"), "ok", "end_turn"},
		{"unfinished", ask("[[say ok]] [[say never"), "ok", "end_turn"},
	}
	s, _ := newServer(t, sim.Options{Marked: true})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := send(t, s, 200, tt.body)
			if m.text() != tt.text || m.StopReason != tt.stop {
				t.Errorf("%q, %s; want %q, %s", m.text(), m.StopReason, tt.text, tt.stop)
			}
			if m.StopReason == "max_tokens" && m.Usage.Output > 9 {
				t.Errorf("%d output tokens", m.Usage.Output)
			}
		})
	}
}

// TestToolLoop plays a conversation whose task prescribes every turn.
func TestToolLoop(t *testing.T) {
	s, _ := newServer(t, sim.Options{})
	task := `Look at both files. [[say First]] [[tool read {"path":"a"}]] [[tool read {"path":"b"}]] [[then]] [[tool write {"path":"c","text":"]]"}]] [[then]] [[say Done]]`
	tools := `"tools":[{"name":"read","input_schema":{}},{"name":"write","input_schema":{}}]`
	quoted, _ := json.Marshal(task)
	history := `{"role":"user","content":` + string(quoted) + `}`
	for turn, want := range []struct {
		names, stop string
	}{{"text read read", "tool_use"}, {"write", "tool_use"}, {"text", "end_turn"}} {
		m := send(t, s, 200, `{"model":"claude-opus-5-5","max_tokens":500,`+tools+`,"messages":[`+history+`]}`)
		var names, results []string
		for _, c := range m.Content {
			if c.Type == "text" {
				names = append(names, "text")
				continue
			}
			names = append(names, c.Name)
			results = append(results, fmt.Sprintf(`{"type":"tool_result","tool_use_id":%q,"content":"it says x"}`, c.ID))
		}
		if got := strings.Join(names, " "); got != want.names || m.StopReason != want.stop {
			t.Fatalf("turn %d: %s, %s; want %s, %s", turn, got, m.StopReason, want.names, want.stop)
		}
		history += `,{"role":"assistant","content":` + contentJSON(t, m.Content) + `},{"role":"user","content":[` + strings.Join(results, ",") + `]}`
	}
}

// contentJSON writes the content of an answer as a client sends it back.
func contentJSON(t testing.TB, list []content) string {
	t.Helper()
	var parts []string
	for _, c := range list {
		var block any
		switch c.Type {
		case "tool_use":
			block = map[string]any{"type": c.Type, "id": c.ID, "name": c.Name, "input": c.Input}
		case "thinking":
			block = map[string]any{"type": c.Type, "thinking": c.Thinking, "signature": c.Signature}
		default:
			block = map[string]any{"type": c.Type, "text": c.Text}
		}
		data, err := json.Marshal(block)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, string(data))
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// TestThinking checks the thinking block, and that models which bind it take
// it back only after the conversation that it was part of.
func TestThinking(t *testing.T) {
	s, _ := newServer(t, sim.Options{})
	call := func(model, first, reply string) string {
		return `{"model":"` + model + `","max_tokens":2000,"thinking":{"type":"adaptive","display":"summarized"},"messages":[{"role":"user","content":"` +
			first + `"},{"role":"assistant","content":` + reply + `},{"role":"user","content":"[[say ok]]"}]}`
	}
	for model, binds := range map[string]bool{"claude-opus-5-5": true, "claude-haiku-5-5": true, "claude-opus-5": false} {
		m := send(t, s, 200, askModel(model, "[[think Let me see.]] [[say Hello]]", `"max_tokens":2000,"thinking":{"type":"adaptive","display":"summarized"}`))
		if len(m.Content) != 2 || m.Content[0].Thinking != "Let me see." || m.Content[0].Signature == "" {
			t.Fatalf("%s answers %+v", model, m.Content)
		}
		reply := contentJSON(t, m.Content)
		send(t, s, 200, call(model, "[[think Let me see.]] [[say Hello]]", reply))
		if !binds {
			send(t, s, 200, call(model, "Something else", reply))
			continue
		}
		if e := send(t, s, 400, call(model, "Something else", reply)); !strings.Contains(e.Error.Message, "messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound to a different conversation.") {
			t.Errorf("%s: %q", model, e.Error.Message)
		}
	}
	m := send(t, s, 200, askModel("claude-haiku-4-5", "Think. [[say Hello]]", `"max_tokens":2000,"thinking":{"type":"enabled","budget_tokens":1024}`))
	if m.Content[0].Type != "thinking" || m.Content[0].Thinking == "" {
		t.Errorf("older models show their thinking; got %+v", m.Content)
	}
	m = send(t, s, 200, askModel("claude-opus-5-5", "[[say Hello]]", `"thinking":{"type":"adaptive"}`))
	if m.Content[0].Type != "thinking" || m.Content[0].Thinking != "" || m.Content[0].Signature == "" {
		t.Errorf("newer models leave it out; got %+v", m.Content)
	}
}

// TestForcedTool checks that the input of a forced tool fits its schema.
func TestForcedTool(t *testing.T) {
	s, _ := newServer(t, sim.Options{})
	schema := `{"type":"object","properties":{"path":{"type":"string","minLength":12},"lines":{"type":"integer","minimum":3},"mode":{"enum":["r","w"]},"deep":{"$ref":"#/$defs/deep"},"rest":{"type":"array","items":{"type":["null","boolean"]},"minItems":2}},"required":["path","lines","mode","deep","rest"],"$defs":{"deep":{"anyOf":[{"const":7},{"type":"string"}]}}}`
	m := send(t, s, 200, askModel("claude-opus-5", "hi", `"tools":[{"name":"other","input_schema":{}},{"name":"read","input_schema":`+schema+`}]`, `"tool_choice":{"type":"tool","name":"read"}`))
	if m.StopReason != "tool_use" || len(m.Content) != 1 || m.Content[0].Name != "read" {
		t.Fatalf("%s: %+v", m.StopReason, m.Content)
	}
	if want := `{"deep":7,"lines":3,"mode":"r","path":"simulated...","rest":[false,false]}`; string(m.Content[0].Input) != want {
		t.Errorf("input %s, want %s", m.Content[0].Input, want)
	}
}

// TestGenerated checks the answers that nothing prescribes: they are of usual
// length, the same for the same question, speak of the task, and have the form
// that the system prompt asks for.
func TestGenerated(t *testing.T) {
	source, err := os.ReadFile("fault.go")
	if err != nil {
		t.Fatal(err)
	}
	system := "# Code reviewer\n\nYou review code.\n\n## Output format\n\n```markdown\n## Verdict\n<one sentence>\n\n## Findings\n1. …\n\n## What is good\n\n## Open questions\n```\n\n## Self-check\n\n- **Lines** are named\n"
	quoted, _ := json.Marshal(system)
	tasks := map[string]string{
		"code":   string(source),
		"fenced": "Please review:\n\n```python\ndef load(path, cache={}):\n    try:\n        return eval(open(path).read())\n    except:\n        print(path)\n\nclass Loader:\n    pass\n```\n",
		"prose":  "Plan the migration of our billing service from MySQL to PostgreSQL without downtime. Customers must not notice the migration.",
		"short":  "Hi",
		"empty":  "?",
		"noise":  strings.Repeat("\x00é{[(<", 500),
	}
	s, _ := newServer(t, sim.Options{Marked: true})
	twin, _ := newServer(t, sim.Options{Marked: true})
	other, _ := newServer(t, sim.Options{Marked: true, Seed: 2})
	differ := false
	for name, task := range tasks {
		for _, members := range [][]string{nil, {`"system":` + string(quoted)}} {
			body := ask(task, members...)
			text := send(t, s, 200, body).text()
			if n := len(strings.Fields(text)); n < 120 || n > 260 {
				t.Errorf("%s: %d words:\n%s", name, n, text)
			}
			if !strings.HasPrefix(text, "> Simulated answer") {
				t.Errorf("%s: it does not say that it is simulated", name)
			}
			if send(t, s, 200, body).text() != text || send(t, twin, 200, body).text() != text {
				t.Errorf("%s: the same question has two answers", name)
			}
			differ = differ || send(t, other, 200, body).text() != text
		}
	}
	if !differ {
		t.Error("the seed changes nothing")
	}
	text := send(t, s, 200, ask(tasks["code"], `"system":`+string(quoted))).text()
	for _, want := range []string{"## Verdict", "## Findings", "## What is good", "## Open questions", "lines of Go", "`ParseFault`"} {
		if !strings.Contains(text, want) {
			t.Errorf("the answer lacks %q:\n%s", want, text)
		}
	}
	text = send(t, s, 200, ask(tasks["fenced"])).text()
	for _, want := range []string{"8 lines of Python", "`load`", "`Loader`", "**Line 3** evaluates text as code", "**Line 4** catches every exception"} {
		if !strings.Contains(text, want) {
			t.Errorf("the answer lacks %q:\n%s", want, text)
		}
	}
}

// TestOutputTokens checks the length that the option sets.
func TestOutputTokens(t *testing.T) {
	for _, n := range []int{50, 2000} {
		s, _ := newServer(t, sim.Options{OutputTokens: n})
		u := send(t, s, 200, ask("Review this.", `"max_tokens":4000`)).Usage
		if u.Output < n-3 || u.Output > n {
			t.Errorf("%d output tokens, want %d", u.Output, n)
		}
		if m := send(t, s, 200, ask("[[say ok]]")); m.text() != "ok" {
			t.Errorf("a prescribed answer is %q", m.text())
		}
	}
}

// TestUnmarked checks that answers do not say that they are simulated unless
// they are told to.
func TestUnmarked(t *testing.T) {
	s, _ := newServer(t, sim.Options{})
	if text := send(t, s, 200, ask("Hi")).text(); strings.Contains(strings.ToLower(text), "simulat") {
		t.Error(text)
	}
}
