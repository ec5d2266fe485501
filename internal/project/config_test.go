package project_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/claude-force/claude-force/internal/project"
)

func TestOriginal(t *testing.T) {
	p := openDir(t, "testdata/original")
	list, err := p.Agents()
	if err != nil {
		t.Fatal(err)
	}
	wantWarnings(t, list.Warnings)
	type row struct{ name, file, contract, domains, priority, model string }
	var got []row
	for _, a := range list.Agents {
		got = append(got, row{a.Name, a.File, a.ContractFile, strings.Join(a.Domains, " "), a.Priority, a.Model})
		if a.Origin != project.FromConfig || !strings.HasPrefix(a.Definition, "# ") || strings.HasSuffix(a.Definition, "\n") {
			t.Errorf("%s: origin %q, definition %q", a.Name, a.Origin, a.Definition)
		}
		if (a.Contract == "") != (a.ContractFile == "") || len(a.Warnings) > 0 || a.Tools != nil {
			t.Errorf("%s: %+v", a.Name, a)
		}
	}
	want := []row{
		{"api-designer", ".claude/agents/api-designer.md", ".claude/contracts/api-designer.contract", "architecture api http", "1", ""},
		{"migration-planner", ".claude/agents/migration-planner.md", ".claude/contracts/migration-planner.contract", "database migrations", "high", "opus"},
		{"release-notes", ".claude/agents/release-notes.md", "", "documentation", "3", ""},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if a := agent(t, p, "api-designer"); !strings.Contains(a.Definition, "\n---\n") || !strings.Contains(a.Contract, "Quality Gates") {
		t.Errorf("definition %q, contract %q", a.Definition, a.Contract)
	}
	flows, warnings, err := p.Workflows()
	if err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	wantFlows := map[string][]string{
		"schema-change": {"api-designer", "migration-planner", "release-notes"},
		"docs":          {"release-notes"},
	}
	if !maps.EqualFunc(flows, wantFlows, slices.Equal) {
		t.Errorf("got %v, want %v", flows, wantFlows)
	}
}

func TestBrokenConfig(t *testing.T) {
	tests := []struct{ name, config, want string }{
		{"comma too many", "{\n  \"agents\": {},\n}", ".claude/claude.json:3:1: this is no valid JSON: invalid character '}'"},
		{"the remedy", "{\"agents\": {},}", "remove the comma before it"},
		{"comment", "{\n  // mine\n}", ".claude/claude.json:2:3: "},
		{"no comma", "{\n  \"agents\": {}\n  \"workflows\": {}\n}", ".claude/claude.json:3:3: "},
		{"cut off", "{\n  \"agents\": {\n", ".claude/claude.json:3:1: this is no valid JSON: unexpected end"},
		{"column in characters", `{"name": "größe", x}`, ".claude/claude.json:1:19: "},
		{"after a byte order mark", "\ufeff{,}", ".claude/claude.json:1:2: "},
		{"CRLF", "{\r\n\r\n,}", ".claude/claude.json:3:1: "},
		{"second value", "{} {}", ".claude/claude.json:1:4: "},
		{"a list", "[]", ".claude/claude.json:1:1: claude.json must be an object, not a list"},
		{"agents", `{"agents": ["a"]}`, ".claude/claude.json:1:12: agents must be an object, not a list"},
		{"workflows", `{"workflows": 3}`, ".claude/claude.json:1:15: workflows must be an object, not a number"},
		{"empty", "", ".claude/claude.json: the file is empty: write {} or delete the file"},
		{"blank", "\ufeff \r\n\t", ".claude/claude.json: the file is empty"},
		{"NUL", "{}\x00", "byte 2 is NUL"},
		{"not UTF-8", "{\"a\": \"\xff\"}", "byte 7 is not UTF-8 text: save the file as UTF-8"},
		{"deep", strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200), "nests more than 100 deep"},
		{"very deep", strings.Repeat("[", 1_000_000), ".claude/claude.json:1:"},
		{"many values", "[" + strings.Repeat("1,", 600_000) + "1]", "the file has over 500000 values"},
		{"big", "{}" + strings.Repeat(" ", 5<<20), "claude.json may have at most 4 MB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := subAgents(1)
			files[".claude/claude.json"] = tt.config
			p := open(t, files)
			_, _, err := p.Agent("agent-00000")
			wantError(t, err, project.BadProject, tt.want)
			_, err = p.Agents()
			wantError(t, err, project.BadProject, tt.want)
			_, _, err = p.Workflows()
			wantError(t, err, project.BadProject, tt.want)
		})
	}
}

// TestSpecialConfig has something else than a file in place of claude.json.
func TestSpecialConfig(t *testing.T) {
	for _, tt := range badFiles {
		if tt.name != "folder" && tt.name != "pipe" && tt.code != project.Outside {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			p := open(t, subAgents(1))
			tt.spoil(t, p.Dir()+"/.claude/claude.json")
			code := tt.code
			if code == "" {
				code = project.BadProject
			}
			_, _, err := p.Agent("agent-00000")
			wantError(t, err, code, ".claude/claude.json: ")
			_, err = p.Agents()
			wantError(t, err, code, ".claude/claude.json: ")
		})
	}
}

// TestBadEntry has faults that concern one agent alone.
func TestBadEntry(t *testing.T) {
	tests := []struct {
		name, entry string
		code        project.Code
		want        string
	}{
		{"not an object", `"agents/x.md"`, project.BadAgent, ".claude/claude.json:2:6: agents.x must be an object, not text"},
		{"no file", `{"contract": "x.md"}`, project.BadAgent, `.claude/claude.json:2:1: agents.x has no "file"`},
		{"null file", `{"file": null}`, project.BadAgent, `has no "file"`},
		{"empty file", `{"file": ""}`, project.BadAgent, `has no "file"`},
		{"file", `{"file": 7}`, project.BadAgent, ".claude/claude.json:2:15: agents.x.file must be text, not a number"},
		{"contract", `{"file": "agents/x.md", "contract": {}}`, project.BadAgent, "agents.x.contract must be text, not an object"},
		{"domains", `{"file": "agents/x.md", "domains": "a"}`, project.BadAgent, "agents.x.domains must be a list of texts, not text"},
		{"domain", `{"file": "agents/x.md", "domains": ["a", 1]}`, project.BadAgent, ".claude/claude.json:2:47: agents.x.domains must be a list of texts, not a number"},
		{"priority", `{"file": "agents/x.md", "priority": [1]}`, project.BadAgent, "agents.x.priority must be a number or text, not a list"},
		{"model", `{"file": "agents/x.md", "model": true}`, project.BadAgent, "agents.x.model must be text, not true or false"},
		{"missing file", `{"file": "agents/y.md"}`, project.BadAgent, `.claude/agents/y.md: there is no such file: write it, or correct "file"`},
		{"relative to the project", `{"file": ".claude/agents/x.md"}`, project.BadAgent, `so write "agents/x.md"`},
		{"missing contract", `{"file": "agents/x.md", "contract": "contracts/x.md"}`, project.BadAgent, ".claude/contracts/x.md: there is no such file"},
		{"outside", `{"file": "../../x.md"}`, project.Outside, `.claude/claude.json:2:15: agents.x.file: the path "../../x.md" leads out of the project, so nothing of it was read`},
		{"outside contract", `{"file": "agents/x.md", "contract": "/etc/hostname"}`, project.Outside, `agents.x.contract: the path "/etc/hostname" is absolute`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := open(t, map[string]string{
				".claude/claude.json": "{\"agents\": {\n\"x\": " + tt.entry + ",\n\"good\": {\"file\": \"agents/x.md\"}}}",
				".claude/agents/x.md": "Do it.",
			})
			_, _, err := p.Agent("x")
			wantError(t, err, tt.code, tt.want)
			agent(t, p, "good")
			list, err := p.Agents()
			if err != nil || len(list.Agents) != 1 || len(list.Warnings) != 1 {
				t.Fatalf("got %d agents, warnings %v, %v", len(list.Agents), list.Warnings, err)
			}
			if w := list.Warnings[0]; w.File == "" || !strings.Contains(w.String(), `agent "x" is left out: `) {
				t.Errorf("got warning %q", w)
			}
		})
	}
}

func TestConfigWarnings(t *testing.T) {
	p := open(t, map[string]string{
		".claude/claude.json": "\ufeff{\r\n" +
			"\"$schema\": \"x\", \"agnets\": {}, \"zzzzzzzz\": 1,\r\n" +
			"\"agents\": {\r\n" +
			" \"x\": {\"file\": \"agents/y.md\"},\r\n" +
			" \"x\": {\"file\": \"agents/x.md\", \"domain\": [],\r\n" +
			"  \"priority\": 1, \"priority\": 2},\r\n" +
			" \"\": {}, \" y\": {}, \"a\\nb\": {}\r\n" +
			"},\r\n" +
			"\"workflows\": {\"a\": \"x\", \"b\": [], \"c\": [1], \"d\": [\"x\"], \"e.f\": null}}\r\n",
		".claude/agents/x.md": "Do it.",
	})
	a, warnings, err := p.Agent("x")
	if err != nil || a.Priority != "2" {
		t.Fatal(a, err)
	}
	wantWarnings(t, warnings,
		`.claude/claude.json:5:31: unknown key "domain" in agents.x: did you mean domains?`,
		".claude/claude.json:6:18: agents.x.priority is given more than once: the last one counts",
	)
	list, err := p.Agents()
	if err != nil {
		t.Fatal(err)
	}
	wantWarnings(t, list.Warnings,
		`.claude/claude.json:2:17: unknown key "agnets" in claude.json: did you mean agents?`,
		`.claude/claude.json:2:31: unknown key "zzzzzzzz" in claude.json: it is ignored`,
		".claude/claude.json:5:2: agents.x is given more than once: the last one counts",
		`.claude/claude.json:7:2: agent "" is left out: the name of an agent is empty…`,
		`.claude/claude.json:7:10: agent " y" is left out: …`,
		`.claude/claude.json:7:20: agent "a\nb" is left out: the name of an agent holds a control character…`,
	)
	flows, warnings, err := p.Workflows()
	if err != nil || !reflect.DeepEqual(flows, map[string][]string{"d": {"x"}}) {
		t.Error(flows, err)
	}
	wantWarnings(t, warnings,
		`.claude/claude.json:9:20: workflow "a" is left out: workflows.a must be a list of agents, not text…`,
		".claude/claude.json:9:25: workflows.b has no agents, so it is left out…",
		`.claude/claude.json:9:40: workflow "c" is left out: workflows.c must be a list of agents, not a number…`,
		`.claude/claude.json:9:56: workflows."e.f" has no agents, so it is left out…`,
	)
}

// TestBothOrigins covers agents that claude.json and front matter describe.
func TestBothOrigins(t *testing.T) {
	p := open(t, map[string]string{
		".claude/claude.json": `{"agents": {
			"plain": {"file": "agents/plain.md", "domains": ["d"], "priority": 1, "model": "opus", "contract": "c.md"},
			"bare": {"file": "agents/bare.md"},
			"docs": {"file": "../docs/a.md"},
			"nameless": {"file": "agents/without.md"},
			"twice": {"file": "agents/x/twice.md"}}}`,
		".claude/c.md": "The contract.", ".claude/d.md": "Not this one.",
		".claude/agents/plain.md":   "---\nname: plain\ndescription: D\ntools: Read\nmodel: haiku\ndomains: [x]\npriority: 9\ncontract: d.md\n---\nBody",
		".claude/agents/bare.md":    "---\nname: other\ndescription: D\nmodel: inherit\ndomains: [x, y]\npriority: 9\ncontract: d.md\n---\nBody",
		".claude/agents/x/twice.md": "Text",
		".claude/agents/without.md": "---\ndescription: D\n---\nBody",
		".claude/agents/y.md":       "---\nname: twice\n---\nShadowed",
		"docs/a.md":                 "In the docs.",
	})
	a := agent(t, p, "plain")
	if a.Description != "D" || !slices.Equal(a.Tools, []string{"Read"}) || a.Model != "opus" || a.Contract != "The contract." ||
		!slices.Equal(a.Domains, []string{"d"}) || a.Priority != "1" || a.Definition != "Body" {
		t.Errorf("plain: %+v", a)
	}
	a = agent(t, p, "bare")
	if a.Model != "" || a.Contract != "Not this one." || !slices.Equal(a.Domains, []string{"x", "y"}) || a.Priority != "9" || a.Origin != project.FromConfig {
		t.Errorf("bare: %+v", a)
	}
	if a = agent(t, p, "other"); a.Origin != project.FromSubAgent || a.File != ".claude/agents/bare.md" {
		t.Errorf("other: %+v", a)
	}
	if a = agent(t, p, "docs"); a.Definition != "In the docs." || a.File != "docs/a.md" {
		t.Errorf("docs: %+v", a)
	}
	if got := names(t, p); got != "bare docs nameless other plain twice" {
		t.Errorf("got %q", got)
	}
	shadow := `.claude/agents/y.md: this sub-agent is not used, because .claude/claude.json defines "twice" as well: rename one of them`
	a, warnings, err := p.Agent("twice")
	if err != nil || a.Definition != "Text" {
		t.Errorf("twice: %+v, %v", a, err)
	}
	wantWarnings(t, warnings, shadow)
	list, err := p.Agents()
	if err != nil {
		t.Fatal(err)
	}
	wantWarnings(t, list.Warnings, shadow)
}
