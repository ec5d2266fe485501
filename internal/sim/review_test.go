package sim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/claude-force/claude-force/internal/sim"
)

// TestRemarks checks what the generated answer finds in code of each language.
func TestRemarks(t *testing.T) {
	tests := []struct{ language, code, want string }{
		{"go", "package a\n\nfunc f() {\n\t_ = g()\n}", "**Line 4** drops a result"},
		{"go", "package a\n\nfunc f() {\n\tpanic(1)\n}", "**Line 4** panics"},
		{"go", "package a\n\nfunc f() {\n\ttime.Sleep(1)\n}", "**Line 4** sleeps"},
		{"go", "package a\n\nfunc f() {\n\tgo func() {}()\n}", "**Line 4** starts a goroutine"},
		{"go", "package a\n\nfunc f() {\n\tg(context.Background())\n}", "**Line 4** uses `context.Background()`"},
		{"go", "package a\n\nvar x interface{}", "**Line 3** writes `interface{}`"},
		{"go", "package a\n\nfunc F() {}", "**Line 3** exports `F`"},
		{"go", "package a\n\nfunc f() {\n" + strings.Repeat("\tg()\n", 60) + "}", "**Line 3**: `f` is 62 lines long"},
		{"go", "package a\n\nfunc (t *T) f() {\n" + strings.Repeat("\tif x {\n\t}\n", 6) + "}", "**Line 3**: `f` decides at 6 places in 14 lines"},
		{"go", "package a\n\nvar " + strings.Repeat("x", 150) + " int", "**Line 3** is 158 characters long"},
		{"python", "def f(a=[]):\n    pass", "**Line 1** has a mutable default"},
		{"python", "import subprocess\nsubprocess.run(x, shell=True)", "**Line 2** runs a command through the shell"},
		{"python", "# TODO later\npassword = \"hunter2hunter2\"", "1. **Line 2** assigns what looks like a credential"},
		{"python", "def f():\n    print(1)", "**Line 2** prints"},
		{"js", "function f() {\n  eval(x);\n}", "**Line 2** evaluates text as code"},
		{"js", "function f() {\n  a.innerHTML = x;\n}", "**Line 2** writes HTML from a string"},
		{"ts", "interface A {\n}\nif (a == b) {\n}", "**Line 3** compares with conversion"},
		{"js", "var a = 1;\nconsole.log(a);", "**Line 1** declares with `var`"},
		{"rust", "pub fn f() {\n    x.unwrap();\n}", "**Line 2** unwraps a result"},
		{"sql", "SELECT * FROM a;", "**Line 1** selects every column"},
	}
	s, _ := newServer(t, sim.Options{})
	for _, tt := range tests {
		text := send(t, s, 200, ask("Review this:\n\n```"+tt.language+"\n"+tt.code+"\n```")).text()
		if !strings.Contains(text, tt.want) {
			t.Errorf("the answer to %q lacks %q:\n%s", tt.code, tt.want, text)
		}
	}
}

// TestLanguages checks that code without a fence is known for what it is.
func TestLanguages(t *testing.T) {
	tests := map[string]string{
		"Go":         "package a\n\nimport (\n\t\"os\"\n)\n\nfunc f() {\n}\n",
		"Python":     "from a import b\n\nclass C:\n    def f(self):\n        pass\n",
		"Rust":       "use std::io;\n\nimpl A {\n    pub fn f() {}\n}\n",
		"TypeScript": "export interface A {\n}\ninterface B {\n}\n",
		"JavaScript": "const a = 1;\nfunction f() {\n}\n",
		"Java":       "import java.util.List;\n\npublic class A {\n}\n",
		"C":          "#include <stdio.h>\n#include <math.h>\n",
		"SQL":        "CREATE TABLE a (b int);\nSELECT b FROM a;\n",
	}
	s, _ := newServer(t, sim.Options{})
	for language, code := range tests {
		if text := send(t, s, 200, ask(code)).text(); !strings.Contains(text, " of "+language) {
			t.Errorf("%s is not told:\n%s", language, text)
		}
	}
}

// TestHeadings checks that answers have the form that a system prompt asks
// for, however it says so.
func TestHeadings(t *testing.T) {
	tests := []struct {
		system string
		want   []string
	}{
		{"Be brief.", []string{"Summary", "Approach", "Risks", "Next step"}},
		{"## Output\n\n### Verdict\ntext\n\n### Problems\n\n### Actions\n\n## Style\n\n### Not this\n", []string{"Verdict", "Problems", "Actions"}},
		{"# Agent\n\n## Response format\n\n1. **Overview** of it\n2. **Issues**, with lines\n3. What next (one sentence)\n", []string{"Overview", "Issues", "What next"}},
		{"## Output format\n\n**Summary**: one\n\n**Your `{thing}`**: two\n\n- **Decision** three\n", []string{"Summary", "Decision"}},
		{"## Output\n\nJust text.\n\n## Report\n\n```\n# Design\n# Trade-offs\n```\n", []string{"Design", "Trade-offs"}},
	}
	s, _ := newServer(t, sim.Options{})
	for _, tt := range tests {
		text := send(t, s, 200, ask("Plan the move to PostgreSQL.", fmt.Sprintf(`"system":%q`, tt.system))).text()
		var got []string
		for line := range strings.Lines(text) {
			if heading, ok := strings.CutPrefix(line, "## "); ok {
				got = append(got, strings.TrimSpace(heading))
			}
		}
		// What makes a short answer longer stands before its last section.
		last := len(tt.want) - 1
		if len(got) <= last || !slices.Equal(got[:last], tt.want[:last]) || got[len(got)-1] != tt.want[last] {
			t.Errorf("%q gives %q, want %q", tt.system, got, tt.want)
		}
	}
}

// TestSchemas checks that structured answers fit their schema.
func TestSchemas(t *testing.T) {
	tests := map[string]string{
		`{"type":"string"}`:                                       `"simulated"`,
		`{"type":"string","maxLength":3}`:                         `"sim"`,
		`{"type":"string","format":"date"}`:                       `"2026-01-31"`,
		`{"type":"number","minimum":1.5}`:                         `1.5`,
		`{"type":"integer","exclusiveMinimum":4}`:                 `5`,
		`{"type":"integer","maximum":-2}`:                         `-2`,
		`{"type":["null","boolean"]}`:                             `false`,
		`{"type":"array"}`:                                        `[]`,
		`{"type":"array","items":{"type":"null"},"maxItems":0}`:   `[]`,
		`{"properties":{"b":{"const":1},"a":{"enum":["x","y"]}}}`: `{"a":"x","b":1}`,
		`{"oneOf":[{"type":"integer"},{"type":"string"}]}`:        `0`,
		`{"$ref":"#/nowhere"}`:                                    `null`,
		`{"type":"object","properties":{"a":{"$ref":"#"}}}`:       `{"a":{"a":{"a":{"a":{"a":{"a":{"a":null}}}}}}}`,
	}
	s, _ := newServer(t, sim.Options{Marked: true})
	for schema, want := range tests {
		m := send(t, s, 200, ask("hi", `"output_config":{"format":{"type":"json_schema","schema":`+schema+`}}`))
		if m.text() != want {
			t.Errorf("%s gives %s, want %s", schema, m.text(), want)
		}
	}
	// A schema that grows in every direction is followed only so far.
	send(t, s, 200, ask("hi", `"output_config":{"format":{"type":"json_schema","schema":{"type":"array","minItems":100,"items":{"$ref":"#"}}}}`))
}

// TestErrorTypes checks the error type of every status.
func TestErrorTypes(t *testing.T) {
	types := map[int]string{
		400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
		404: "not_found_error", 409: "conflict_error", 413: "request_too_large", 418: "invalid_request_error",
		429: "rate_limit_error", 500: "api_error", 502: "api_error", 504: "timeout_error", 529: "overloaded_error",
	}
	for status, want := range types {
		s, _ := newServer(t, sim.Options{Faults: []sim.Fault{{Status: status}}})
		w := call{body: ask("hi")}.do(t, s)
		if m := decode(t, w, status); m.Error.Type != want {
			t.Errorf("%d is %s, want %s", status, m.Error.Type, want)
		}
		retry := "false"
		if status == 409 || status == 429 || status >= 500 {
			retry = "true"
		}
		if got := w.Header().Get("X-Should-Retry"); got != retry {
			t.Errorf("%d: x-should-retry %s", status, got)
		}
		if status == 418 || status == 502 {
			continue
		}
		s, _ = newServer(t, sim.Options{Faults: []sim.Fault{{ErrorEvent: want}}})
		send(t, s, status, ask("hi"))
	}
}
