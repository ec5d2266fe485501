package prompt_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/project"
	"github.com/claude-force/claude-force/internal/prompt"
)

var day = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

func resolve(t *testing.T, name string) model.Resolution {
	t.Helper()
	c, err := model.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return c.Resolve(name, day)
}

func agent(words int) *project.Agent {
	return &project.Agent{
		Name: "reviewer", Definition: strings.Repeat("review ", words), Contract: "Answer in Markdown.",
		Skills: []project.Skill{{Name: "go", Text: "Handle every error."}, {Name: "sql", Text: "Use placeholders."}},
	}
}

func TestStablePrefixComesFirst(t *testing.T) {
	in := prompt.Input{Agent: agent(5), Task: "first task", Model: resolve(t, "sonnet"), MaxTokens: 100}
	p, warnings := prompt.Assemble(in)
	var texts []string
	for _, b := range p.System {
		texts = append(texts, b.Text)
	}
	want := in.Agent.Definition + "|# Contract\n\nAnswer in Markdown.|# Skill: go\n\nHandle every error.|# Skill: sql\n\nUse placeholders."
	if got := strings.Join(texts, "|"); got != want || len(warnings) != 0 {
		t.Errorf("system = %q, warnings %v", got, warnings)
	}
	// Two tasks share every byte before the task.
	a := llm.New(p, llm.Labels{}).Body()
	in.Task = "another task"
	q, _ := prompt.Assemble(in)
	b := llm.New(q, llm.Labels{}).Body()
	at := bytes.Index(a, []byte("first task"))
	if at < 0 || !bytes.Equal(a[:at], b[:at]) {
		t.Errorf("the prefix differs:\n%s\n%s", a, b)
	}
}

func TestBreakpointWhereTheMinimumIsReached(t *testing.T) {
	for _, c := range []struct {
		model string
		words int
		want  bool
	}{
		{"sonnet", 100, false},           // below 512
		{"sonnet", 600, true},            // 512 reached
		{"claude-haiku-4-5", 600, false}, // 4096 needed
		{"claude-haiku-4-5", 6000, true}, // and reached
		{"my-model", 600, true},          // unknown: the shortest of all
		{"claude-fable-5-2", 600, true},  // minimum not confirmed
	} {
		p, _ := prompt.Assemble(prompt.Input{Agent: agent(c.words), Task: "x", Model: resolve(t, c.model), MaxTokens: 1})
		for i, b := range p.System {
			want := ""
			if c.want && i == len(p.System)-1 {
				want = "5m"
			}
			if b.CacheTTL != want {
				t.Errorf("%s with %d words: block %d has breakpoint %q, want %q", c.model, c.words, i, b.CacheTTL, want)
			}
		}
	}
}

func TestWhatTheModelRefusesIsLeftOut(t *testing.T) {
	half := 0.5
	for _, c := range []struct {
		model, effort string
		temperature   *float64
		max           int
		sent          prompt.Input // Temperature, Effort and MaxTokens of it
		warnings      int
	}{
		{"claude-sonnet-5-5", "high", &half, 100, prompt.Input{Effort: "high", MaxTokens: 100}, 1},
		{"claude-sonnet-4-6", "xhigh", &half, 100, prompt.Input{Temperature: &half, MaxTokens: 100}, 1},
		{"claude-haiku-4-5", "low", &half, 100_000, prompt.Input{Temperature: &half, MaxTokens: 64_000}, 2},
		{"claude-opus-4-6", "max", nil, 100, prompt.Input{Effort: "max", MaxTokens: 100}, 0},
		{"my-model", "huge", &half, 10_000_000, prompt.Input{Temperature: &half, Effort: "huge", MaxTokens: 10_000_000}, 0},
	} {
		p, warnings := prompt.Assemble(prompt.Input{Agent: agent(1), Task: "x", Model: resolve(t, c.model), Temperature: c.temperature, Effort: c.effort, MaxTokens: c.max})
		if p.Temperature != c.sent.Temperature || p.Effort != c.sent.Effort || p.MaxTokens != c.sent.MaxTokens || len(warnings) != c.warnings {
			t.Errorf("%s: temperature %v, effort %q, max_tokens %d, warnings %q", c.model, p.Temperature, p.Effort, p.MaxTokens, warnings)
		}
		for _, w := range warnings {
			if !strings.Contains(w, p.Model) {
				t.Errorf("warning %q does not name the model", w)
			}
		}
	}
}
