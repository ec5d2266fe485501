package project_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/claude-force/claude-force/internal/project"
)

// render writes settings as "name = text (items) @line:column" lines.
func render(s project.Settings) string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(s)) {
		v := s[name]
		line := fmt.Sprintf("%s = %s", name, v.Text)
		if v.List != nil {
			line += fmt.Sprintf(" %q", v.List)
		}
		lines = append(lines, fmt.Sprintf("%s @%d:%d", line, v.Line, v.Column))
	}
	return strings.Join(lines, "\n")
}

func TestParseSettings(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"only comments", "# model: opus\n", ""},
		{"null", "~", ""},
		{"no value", "model:\ncache:\n  ttl: ~\n", ""},
		{"nested", "model: sonnet\ncache:\n  ttl: 24h\n  enabled: true\n", "cache.enabled = true @4:3\ncache.ttl = 24h @3:3\nmodel = sonnet @1:1"},
		{"dotted", "cache.ttl: 24h\ntimeouts: {connect: 5s, \"first_token\": 1m}", "cache.ttl = 24h @1:1\ntimeouts.connect = 5s @2:12\ntimeouts.first_token = 1m @2:25"},
		{"both", "a.b: 1\na:\n  c.d: 2\n", "a.b = 1 @1:1\na.c.d = 2 @3:3"},
		{
			"as written", "cost_threshold: 0.10\napi.version: 2023-06-01\nmax_tokens: 0x10\nmemory: off\nbig: 12345678901234567890123\n",
			"api.version = 2023-06-01 @2:1\nbig = 12345678901234567890123 @5:1\ncost_threshold = 0.10 @1:1\nmax_tokens = 0x10 @3:1\nmemory = off @4:1",
		},
		{"lists", "cache.exclude_agents: [a, 'b c']\nx:\n- 1\n- two\nnone: []\n", "cache.exclude_agents = a, b c [\"a\" \"b c\"] @1:1\nnone =  [] @5:1\nx = 1, two [\"1\" \"two\"] @2:1"},
		{"byte order mark and CRLF", "\ufeffmodel: opus\r\nmax_tokens: 1\r\n", "max_tokens = 1 @2:1\nmodel = opus @1:1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := project.ParseSettings("config.yaml", []byte(tt.text))
			if got := render(s); err != nil || got != tt.want {
				t.Errorf("got\n%s\n%v\nwant\n%s", got, err, tt.want)
			}
			for name, v := range s {
				if want := fmt.Sprintf("config.yaml:%d", v.Line); v.Where() != want {
					t.Errorf("%s: got %s, want %s", name, v.Where(), want)
				}
			}
			p := open(t, map[string]string{".claude/force.yaml": tt.text})
			s, err = p.Settings()
			if got := render(s); err != nil || got != tt.want {
				t.Errorf("of the project: got\n%s\n%v", got, err)
			}
		})
	}
}

func TestBadSettings(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"no YAML", "model: sonnet\nmax_tokens: a: b\n", "c.yaml:2: this is no valid YAML: mapping values are not allowed in this context: put the value in quotes"},
		{"tab", "cache:\n\tttl: 1h\n", "c.yaml:2: this is no valid YAML: found character that cannot start any token"},
		{"text", "hello", "c.yaml:1:1: settings must be key: value lines"},
		{"list", "- a", "c.yaml:1:1: settings must be key: value lines"},
		{"twice", "model: a\nmodel: b\n", "c.yaml:2:1: model is given again, after line 1: keep one of them"},
		{"twice, in two forms", "cache.ttl: 1h\ncache:\n  ttl: 2h\n", "c.yaml:3:3: cache.ttl is given again, after line 1"},
		{"nested list", "a: [[1]]", "c.yaml:1:5: the list a may only hold single values"},
		{"alias", "a: &x 1\nb: *x\n", "c.yaml:2:4: b is a YAML alias, which settings do not have"},
		{"merge", "a: &x {b: 1}\nc:\n  <<: *x\n", "c.yaml:3:3: the name of a setting must be text"},
		{"key", "[a]: 1", "c.yaml:1:1: the name of a setting must be text"},
		{"key with a control character", "\"a\\eb\": 1", "c.yaml:1:1: the name of a setting must be text"},
		{"empty key", "'': 1", "c.yaml:1:1: the name of a setting must be text"},
		{"deep", strings.Repeat("{a: ", 20) + "1" + strings.Repeat("}", 20), "settings nest more than 8 deep"},
		{"very deep", strings.Repeat("[", 200_000), "c.yaml:1: this is no valid YAML"},
		{"more than 1000", lines(1001), "c.yaml:1001:1: the file has over 1000 settings"},
		{"documents", "a: 1\n---\nb: 2\n", "c.yaml:2: this is no valid YAML: a second document begins"},
		{"big", strings.Repeat("#", 300<<10), "c.yaml: the file has 0.3 MB; a settings file may have at most 256 KB"},
		{"not UTF-8", "a: \xff", "c.yaml: byte 3 is not UTF-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := project.ParseSettings("c.yaml", []byte(tt.text))
			wantError(t, err, project.BadProject, tt.want)
			_, err = open(t, map[string]string{".claude/force.yaml": tt.text}).Settings()
			wantError(t, err, project.BadProject, strings.Replace(tt.want, "c.yaml", ".claude/force.yaml", 1))
		})
	}
}

func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d: 1\n", i)
	}
	return b.String()
}

func TestSettingsFile(t *testing.T) {
	s, err := open(t, nil).Settings()
	if err != nil || s == nil || len(s) > 0 {
		t.Error(s, err)
	}
	p := open(t, nil)
	secret(t, p.Dir()+"/.claude/force.yaml")
	_, err = p.Settings()
	wantError(t, err, project.Outside, ".claude/force.yaml: a symbolic link leads out of the project")
	p = open(t, nil)
	folder(t, p.Dir()+"/.claude/force.yaml")
	_, err = p.Settings()
	wantError(t, err, project.BadProject, ".claude/force.yaml: this is a folder")
}
