package project_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/claude-force/claude-force/internal/project"
)

// TestFrontMatter reads one sub-agent from .claude/agents/x.md.
func TestFrontMatter(t *testing.T) {
	const file = ".claude/agents/x.md"
	tests := []struct {
		name     string
		text     string
		want     project.Agent // Name "x" and Definition "Body" unless given
		warnings []string
	}{
		{name: "tools as text", text: "---\nname: x\ndescription: Reads code.\ntools: Read, Grep , Bash(git add:*, git commit:*)\n---\nBody", want: project.Agent{
			Description: "Reads code.", Tools: []string{"Read", "Grep", "Bash(git add:*, git commit:*)"},
		}},
		{name: "tools as list", text: "---\nname: x\ntools:\n  - Read\n  - 'Bash(a, b)'\n  -\ndisallowedTools: [Write, Edit]\n---\nBody", want: project.Agent{
			Tools: []string{"Read", "Bash(a, b)"}, DisallowedTools: []string{"Write", "Edit"},
		}},
		{name: "no tools named", text: "---\nname: x\ntools:\n---\nBody"},
		{name: "an empty list of tools", text: "---\nname: x\ntools: []\n---\nBody", want: project.Agent{Tools: []string{}}},
		{name: "all that is read", text: "---\nname: x\nmodel: opus\neffort: high\nmaxTurns: 12\ndomains: a, b\npriority: 2\n---\nBody", want: project.Agent{
			Model: "opus", Effort: "high", MaxTurns: 12, Domains: []string{"a", "b"}, Priority: "2",
		}},
		{name: "all that is known", text: "---\nname: x\npermissionMode: plan\nmcpServers: [a]\nhooks: {Stop: []}\nmemory: user\nbackground: true\n" +
			"omitClaudeMd: true\nisolation: worktree\ncolor: red\ninitialPrompt: p\nexperimental: {a: 1}\n---\nBody"},
		{name: "inherit is no model", text: "---\nname: x\nmodel: inherit\n---\nBody"},
		{name: "comment, null and quotes", text: "---\n# mine\nname: \"x\" # it\nmodel: null\ndescription: 'it''s'\n---\nBody", want: project.Agent{Description: "it's"}},
		{name: "folded text", text: "---\nname: x\ndescription: >-\n  one\n  two\n---\nBody", want: project.Agent{Description: "one two"}},
		{name: "a number as a name", text: "---\nname: 007\n---\nBody", want: project.Agent{Name: "007"}},
		{name: "anchors", text: "---\nname: x\ntools: &t [Read]\ndisallowedTools: *t\n---\nBody", want: project.Agent{Tools: []string{"Read"}, DisallowedTools: []string{"Read"}}},
		{name: "byte order mark and CRLF", text: "\ufeff---\r\nname: x\r\ndescription: D\r\n---\r\n\r\nBody\r\nmore\r\n", want: project.Agent{Description: "D", Definition: "Body\nmore"}},
		{name: "CR alone", text: "---\rname: x\r---\rBody", want: project.Agent{}},
		{name: "blanks after the markers", text: "--- \nname: x\n---\t\n\n \n  Body\n---\nend \n\n", want: project.Agent{Definition: "  Body\n---\nend"}},
		{
			name: "no name", text: "---\ndescription: D\n---\nBody", want: project.Agent{Description: "D"},
			warnings: []string{file + ":1:1: front matter gives no name, so that of the file is used: add name: x"},
		},
		{name: "nothing in it", text: "---\n---\nBody", warnings: []string{file + ":1:1: front matter gives no name…"}},
		{name: "an empty name", text: "---\nname: ''\n---\nBody", warnings: []string{file + ":2:1: the name is empty…"}},
		{name: "a name with a line break", text: "---\nname: \"a\\nb\"\n---\nBody", warnings: []string{file + ":2:1: the name holds a control character…"}},
		{
			name: "unknown keys", text: "---\nname: x\ndescripton: D\nfoobarbaz: 1\n---\nBody",
			warnings: []string{
				file + ":3:1: unknown key \"descripton\" in front matter: did you mean description?",
				file + ":4:1: unknown key \"foobarbaz\" in front matter: it is ignored",
			},
		},
		{
			name: "a key twice", text: "---\nname: y\nname: x\n---\nBody",
			warnings: []string{file + ":3:1: \"name\" is given more than once: the last one counts"},
		},
		{
			name: "wrong types", text: "---\nname: x\ndescription: [a]\ntools: {a: b}\nmaxTurns: many\nmodel: {}\n---\nBody",
			warnings: []string{
				file + ":3:1: description must be text: it is ignored",
				file + ":4:1: tools must be a list of names: it is ignored",
				file + `:5:1: maxTurns must be a whole number of at least 1, not "many": it is ignored`,
				file + ":6:1: model must be text: it is ignored",
			},
		},
		{
			name: "blank lines above", text: "\n\n---\nname: x\n---\nBody",
			warnings: []string{file + ":3:1: front matter does not begin on the first line…"},
		},
		// What follows is no YAML.
		{
			name: "colon in the text", text: "---\nname: x\ndescription: Use when: a test fails. Finds: causes\ntools: Read, Grep\n---\nBody",
			want:     project.Agent{Description: "Use when: a test fails. Finds: causes", Tools: []string{"Read", "Grep"}},
			warnings: []string{file + ":3:1: front matter is no valid YAML (mapping values are not allowed in this context), so it was read line by line: put the value in quotes"},
		},
		{
			name: "the first line", text: "---\ndescription: Use when: a\nname: x\n---\nBody",
			want:     project.Agent{Description: "Use when: a"},
			warnings: []string{file + ":2:1: front matter is no valid YAML…"},
		},
		{
			name: "lists", text: "---\nname: 'x'\ndescription: a: b\ntools:\n- Read\n- \"Bash(a, b)\"\ndisallowedTools:\n    - Write\nskills: []\n---\nBody",
			want:     project.Agent{Description: "a: b", Tools: []string{"Read", "Bash(a, b)"}, DisallowedTools: []string{"Write"}},
			warnings: []string{file + ":3:1: …"},
		},
		{
			name: "tabs", text: "---\nname: x\ntools:\n\t- Read\n---\nBody",
			want:     project.Agent{Tools: []string{"Read"}},
			warnings: []string{file + ":4:1: front matter is no valid YAML (found character that cannot start any token), so it was read line by line: put the value in quotes, and use spaces instead of tabs"},
		},
		{
			name: "text goes on", text: "---\nname: x\ndescription: Use when: a\n  b\nNote: c\n\nuser: d\ntools: Read\n---\nBody",
			want:     project.Agent{Description: "Use when: a b Note: c", Tools: []string{"Read"}},
			warnings: []string{file + ":3:1: …", file + ":7:1: unknown key \"user\" in front matter: it is ignored"},
		},
		{
			name: "blocks", text: "---\nname: x\nmodel: a: b\ndescription: |\n  one\n\n  - two\neffort: >\n  hi\n  gh\n---\nBody",
			want:     project.Agent{Model: "a: b", Description: "one\n\n- two", Effort: "hi gh"},
			warnings: []string{file + ":3:1: …"},
		},
		{
			name: "indented keys", text: "---\n  name: x\n  description: a: b\n---\nBody",
			want:     project.Agent{Description: "a: b"},
			warnings: []string{file + ":3:1: …"},
		},
		{
			name: "never closed", text: "---\nname: x\ndescription: D\n\nBody",
			want:     project.Agent{Description: "D"},
			warnings: []string{file + ":1:1: front matter is not closed by a line ---, so it was read line by line: close it"},
		},
		{
			name: "never closed, then a heading", text: "---\nname: x\n# Role\nnote: text\n",
			want:     project.Agent{Definition: "# Role\nnote: text"},
			warnings: []string{file + ":1:1: front matter is not closed…"},
		},
		{
			name: "not closed before a rule", text: "---\nname: x\n# Role\nYou read code.\n\n---\nBody",
			want:     project.Agent{Definition: "# Role\nYou read code.\n\n---\nBody"},
			warnings: []string{file + ":4:1: front matter is no valid YAML…"},
		},
		{
			name: "comments stay comments", text: "---\nname: x\n# mine\ndescription: a: b\n---\nBody",
			want:     project.Agent{Description: "a: b"},
			warnings: []string{file + ":4:1: …"},
		},
		{
			name: "two documents", text: "---\nname: x\n--- # next\ntools: Read\n---\nBody",
			want:     project.Agent{Name: "x --- # next", Tools: []string{"Read"}},
			warnings: []string{file + ":3:1: front matter is no valid YAML (a second document begins)…"},
		},
		{
			name: "alias without an anchor", text: "---\nname: x\nmodel: *a\n---\nBody",
			want:     project.Agent{Model: "*a"},
			warnings: []string{file + ":2:1: front matter is no valid YAML (unknown anchor 'a' referenced)…"},
		},
		{
			name: "too long", text: "---\nname: x\ndescription: D\n" + strings.Repeat("#\n", 40_000) + "model: opus\n---\nBody",
			want:     project.Agent{Description: "D", Model: "opus"},
			warnings: []string{file + ":1:1: front matter is no valid YAML (it has over 64 KB)…"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := open(t, map[string]string{file: tt.text})
			want := tt.want
			want.File, want.Origin = file, project.FromSubAgent
			if want.Name == "" {
				want.Name = "x"
			}
			if want.Definition == "" {
				want.Definition = "Body"
			}
			a, warnings, err := p.Agent(want.Name)
			if err != nil {
				list, _ := p.Agents()
				t.Fatal(err, names(t, p), list.Warnings)
			}
			wantWarnings(t, warnings, tt.warnings...)
			got := *a
			got.Warnings = nil
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

// TestNotAnAgent has Markdown that is no agent by itself.
func TestNotAnAgent(t *testing.T) {
	const none = ".claude/agents/x.md: this is no agent, because it has no front matter: …"
	tests := []struct{ name, text, warning string }{
		{"plain text", "# Hello", none},
		{"a rule further down", "# Hello\n---\nname: x\n---\n", none},
		{"text between rules", "---\nHello\n---\nBody", ".claude/agents/x.md:1:1: what this line --- begins is no valid YAML (it is not made of key: value lines) and has no key: value lines, so it was read as text"},
		{"a rule above", "---\n\n# Hello\nnote: a\n", ".claude/agents/x.md:1:1: what this line --- begins is not closed by a line --- and has no key…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := open(t, map[string]string{".claude/agents/x.md": tt.text})
			_, _, err := p.Agent("x")
			wantError(t, err, project.UnknownAgent, `there is no agent "x" in `, "claude-force list agents shows all")
			list, err := p.Agents()
			if err != nil || len(list.Agents) > 0 {
				t.Fatal(list.Agents, err)
			}
			wantWarnings(t, list.Warnings, tt.warning)
			put(t, p.Dir(), ".claude/claude.json", `{"agents": {"x": {"file": "agents/x.md"}}}`)
			if a := agent(t, p, "x"); a.Definition != strings.TrimSpace(tt.text) {
				t.Errorf("got %q", a.Definition)
			}
			if list, err = p.Agents(); err != nil || len(list.Warnings) > 0 {
				t.Error(list.Warnings, err)
			}
		})
	}
}

func TestSubAgentNames(t *testing.T) {
	p := open(t, map[string]string{
		".claude/agents/a/x.md":      "---\nname: x\n---\nFirst",
		".claude/agents/b.md":        "---\nname: x\n---\nSecond",
		".claude/agents/c/d/e.MD":    "---\nname: Größe 1\n---\nDeep",
		".claude/agents/.hidden.md":  "---\nname: hidden\n---\nNo",
		".claude/agents/.git/x.md":   "---\nname: hidden\n---\nNo",
		".claude/agents/notes.txt":   "not Markdown",
		".claude/agents/x.md.backup": "not Markdown",
	})
	if got := names(t, p); got != "Größe 1 x" {
		t.Errorf("got %q", got)
	}
	a, warnings, err := p.Agent("x")
	if err != nil || a.Definition != "First" {
		t.Fatal(a, err)
	}
	wantWarnings(t, warnings, `.claude/agents/b.md: this sub-agent is not used, because .claude/agents/a/x.md defines "x" as well: rename one of them`)
}

// TestOddFileNames has files whose names must not reach a terminal as they are.
func TestOddFileNames(t *testing.T) {
	p := open(t, map[string]string{
		".claude/agents/a\x1b[31m\n.md": "---\ndescription: D\n---\nBody",
		".claude/agents/b\xff.md":       "---\ndescription: D\n---\nBody",
	})
	if got := names(t, p); got != "a_[31m_ b_" {
		t.Errorf("got %q", got)
	}
	_, warnings, err := p.Agent("a_[31m_")
	must(t, err)
	wantWarnings(t, warnings, `".claude/agents/a\x1b[31m\n.md":1:1: front matter gives no name…`)
}

func TestUnknownAgent(t *testing.T) {
	p := open(t, map[string]string{".claude/agents/a.md": "---\nname: code-reviewer\n---\nBody"})
	_, _, err := p.Agent("code-reviwer")
	wantError(t, err, project.UnknownAgent, `there is no agent "code-reviwer" in `+p.Dir(), `did you mean "code-reviewer"?`)
	for _, name := range []string{"", "a", "../a", "a\x00b\n", strings.Repeat("x", 1<<20)} {
		_, _, err := p.Agent(name)
		wantError(t, err, project.UnknownAgent)
		if len(err.Error()) > 1000 {
			t.Errorf("the message has %d bytes", len(err.Error()))
		}
	}
	_, _, err = open(t, nil).Agent("code-reviewer")
	wantError(t, err, project.UnknownAgent)
}

// TestHostileYAML must end soon, whatever the outcome.
func TestHostileYAML(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'i'; c++ {
		bomb += fmt.Sprintf("%c: &%[1]c [%s]\n", c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 9), ","))
	}
	for name, text := range map[string]string{
		"alias bomb":     bomb + "tools: *i\nskills: *i\ndescription: *i",
		"deep flow":      "tools: " + strings.Repeat("[", 60_000),
		"deep mapping":   "tools: " + strings.Repeat("{a: ", 15_000),
		"deep blocks":    strings.Repeat("- ", 30_000),
		"merge":          "<<: *x\n<<: {a: b}",
		"self reference": "tools: &a [*a]",
		"complex key":    "? [a, b]\n: c",
		"binary":         "name: !!binary AAAA",
		"directive":      "%YAML 9.9\n--- a",
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, map[string]string{".claude/agents/x.md": "---\n" + text + "\n---\nBody"})
			if _, err := p.Agents(); err != nil {
				t.Error(err)
			}
		})
	}
}
