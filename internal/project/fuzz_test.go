package project_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/claude-force/claude-force/internal/project"
)

// memory makes a project of files in memory.
func memory(files map[string]string) *project.Project {
	tree := fstest.MapFS{}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return project.New(tree, "memory")
}

// checkWarnings fails unless each warning names a file and a line of it.
func checkWarnings(t *testing.T, text string, warnings []project.Warning) {
	t.Helper()
	lines := strings.Count(text, "\n") + strings.Count(text, "\r") + 1
	for _, w := range warnings {
		if w.File == "" || w.Message == "" || w.Line < 0 || w.Line > lines+1 || w.Column < 0 || w.Column > len(text)+1 {
			t.Errorf("of %d lines: %+v", lines, w)
		}
	}
}

// checkAgents fails unless every agent can be used and asked for.
func checkAgents(t *testing.T, p *project.Project, text string) {
	t.Helper()
	list, err := p.Agents()
	if err != nil {
		var e *project.Error
		if !errors.As(err, &e) || e.Code != project.BadProject {
			t.Fatalf("%v (%T)", err, err)
		}
		checkWarnings(t, text, []project.Warning{{File: e.File, Line: e.Line, Column: e.Column, Message: e.Message}})
		return
	}
	checkWarnings(t, text, list.Warnings)
	for _, a := range list.Agents {
		if a.Name == "" || strings.TrimSpace(a.Definition) == "" || !utf8.ValidString(a.Definition+a.Contract) || strings.ContainsAny(a.Definition, "\r\x00") {
			t.Errorf("%+v", a)
		}
		again, warnings, err := p.Agent(a.Name)
		if err != nil || again != a {
			t.Errorf("%q: %v, %v", a.Name, again, err)
		}
		checkWarnings(t, text, warnings)
	}
}

var matters = []string{
	"name: x\ndescription: D\ntools: Read, Grep",
	"name: x\ndescription: Use when: a\ntools:\n- Read\n\t- Grep\nskills: [a, 'b']",
	"name: &a x\ntools: [*a, {b: c}]\nhooks:\n  Stop: []\n<<: {q: r}",
	"description: |\n  a: b\n\n  c\nmodel: >-\n  x\n? k\n: v",
	"\ufeff  name: \"x\\n\"\r\n  maxTurns: 0\r\n# c\r\n",
	"- a\n- b", "%YAML 1.2\n---\na: b\n...\nc", "name: x\n\n# Heading\ntext: more",
}

// FuzzFrontMatter gives the text between two markers, and a text that no marker
// ends.
func FuzzFrontMatter(f *testing.F) {
	for _, m := range matters {
		f.Add(m, true)
		f.Add(m, false)
	}
	f.Fuzz(func(t *testing.T, matter string, closed bool) {
		text := "---\n" + matter
		if closed {
			text += "\n---\nBody"
		}
		p := memory(map[string]string{".claude/agents/x.md": text})
		checkAgents(t, p, text)
		if list, err := p.Agents(); err == nil && len(list.Agents)+len(list.Warnings) == 0 {
			t.Error("the file is dropped in silence")
		}
	})
}

func FuzzLenient(f *testing.F) {
	for _, m := range matters {
		f.Add(m)
	}
	f.Fuzz(func(t *testing.T, matter string) {
		// The alias makes it no YAML whatever follows, so the lines are read.
		text := "---\nname: *nothing\n" + matter + "\n---\nBody"
		checkAgents(t, memory(map[string]string{".claude/agents/x.md": text}), text)
	})
}

func FuzzConfig(f *testing.F) {
	original, err := os.ReadFile("testdata/original/.claude/claude.json")
	must(f, err)
	f.Add(string(original))
	for _, text := range []string{
		`{"agents": {"x": {"file": "agents/x.md", "contract": "c.md", "domains": ["a"], "priority": 1.5e3, "model": "opus"}}}`,
		`{"agents": {"x": {"file": "../agents/x.md"}, "x": null, "y": {"file": "agents/y.md", "fiel": 1}}}`,
		"\ufeff{\"workflows\": {\"a\": [\"x\"], \"b\": {}}, \"z\": [[[]]]}", "{\n// c\n}", `{"a": "\ud800"}`, `[1,`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p := memory(map[string]string{".claude/claude.json": text, ".claude/agents/x.md": "Text", ".claude/c.md": "Contract"})
		checkAgents(t, p, text)
		_, warnings, err := p.Workflows()
		checkWarnings(t, text, warnings)
		clean := strings.TrimPrefix(text, "\ufeff")
		if err == nil && !json.Valid([]byte(clean)) {
			t.Errorf("no JSON, no error: %q", text)
		}
	})
}

func FuzzSettings(f *testing.F) {
	for _, text := range append(matters, "cache: {ttl: 24h}\ncache.size: 1\nlist: [a, b]\n", "a.b: 1\na: {b: 2}") {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		settings, err := project.ParseSettings("c.yaml", []byte(text))
		if (settings == nil) == (err == nil) {
			t.Fatal(settings, err)
		}
		for name, s := range settings {
			if name == "" || s.Line < 1 || s.Column < 1 || !utf8.ValidString(s.Text) {
				t.Errorf("%q: %+v", name, s)
			}
		}
	})
}
