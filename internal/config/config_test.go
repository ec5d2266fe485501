package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/config"
)

func env(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func find(t *testing.T, c *config.Config, name string) config.Value {
	t.Helper()
	for _, v := range c.All() {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("no setting %s", name)
	return config.Value{}
}

func TestPrecedence(t *testing.T) {
	flag := map[string]config.Entry{"model": {Value: "flag", Where: "flag"}}
	project := map[string]config.Entry{"model": {Value: "project", Where: "force.yaml:1"}}
	user := map[string]config.Entry{"model": {Value: "user", Where: "config.yaml:1"}}
	variable := env(map[string]string{"CLAUDE_FORCE_MODEL": "env"})
	for _, c := range []struct {
		sources config.Sources
		value   string
		origin  config.Origin
	}{
		{config.Sources{Flags: flag, Getenv: variable, Project: project, User: user}, "flag", config.FromFlag},
		{config.Sources{Getenv: variable, Project: project, User: user}, "env", config.FromEnv},
		{config.Sources{Project: project, User: user}, "project", config.FromProject},
		{config.Sources{User: user}, "user", config.FromUser},
		{config.Sources{}, "sonnet", config.FromDefault},
	} {
		got, err := config.Load(c.sources)
		if err != nil {
			t.Fatal(err)
		}
		if v := find(t, got, "model"); v.Value != c.value || v.Origin != c.origin {
			t.Errorf("model = %q from %s, want %q from %s", v.Value, v.Origin, c.value, c.origin)
		}
	}
}

func TestDefaultsAreValid(t *testing.T) {
	user := map[string]config.Entry{}
	for _, s := range config.Table() {
		if s.Default != "" {
			user[s.Name] = config.Entry{Value: s.Default, Where: "default"}
		}
		if s.Doc == "" {
			t.Errorf("%s has no doc", s.Name)
		}
	}
	c, err := config.Load(config.Sources{User: user})
	if err != nil {
		t.Fatal(err)
	}
	if c.Integer("max_tokens") != 4096 || c.Duration("timeout") != 30*time.Minute || !c.Bool("tracking") || c.Text("api.version") != "2023-06-01" {
		t.Error("the documented defaults are not in force")
	}
}

func TestBadValuesNameTheirPlace(t *testing.T) {
	for name, value := range map[string]string{
		"max_tokens": "0", "retries": "many", "timeout": "-1s", "timeouts.idle": "0s", "tracking": "maybe",
		"api.auth": "basic", "cache.max_size": "big", "log.level": "loud", "cache.ttl": "1x",
	} {
		_, err := config.Load(config.Sources{Project: map[string]config.Entry{name: {Value: value, Where: "force.yaml:7"}}})
		if err == nil || !strings.HasPrefix(err.Error(), "force.yaml:7: "+name) {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}

func TestUnknownAndPlannedNamesAreWarnings(t *testing.T) {
	c, err := config.Load(config.Sources{User: map[string]config.Entry{
		"modle":    {Value: "x", Where: "c.yaml:1"},
		"database": {Value: "postgres://x", Where: "c.yaml:2"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(c.Warnings, "\n")
	if !strings.Contains(got, "c.yaml:1: modle is not a setting; did you mean model?") || !strings.Contains(got, "c.yaml:2: database has no effect in this version") {
		t.Errorf("warnings:\n%s", got)
	}
}

func TestWellKnownVariables(t *testing.T) {
	for _, c := range []struct {
		env        map[string]string
		base, auth string
	}{
		{map[string]string{"ANTHROPIC_BASE_URL": "http://a"}, "http://a", "x-api-key"},
		{map[string]string{"ANTHROPIC_BASE_URL": "http://a", "CLAUDE_FORCE_API_BASE_URL": "http://b"}, "http://b", "x-api-key"},
		{map[string]string{"ANTHROPIC_AUTH_TOKEN": "t"}, "https://api.anthropic.com", "bearer"},
		{map[string]string{"ANTHROPIC_AUTH_TOKEN": "t", "ANTHROPIC_API_KEY": "k"}, "https://api.anthropic.com", "x-api-key"},
	} {
		got, err := config.Load(config.Sources{Getenv: env(c.env)})
		if err != nil {
			t.Fatal(err)
		}
		if got.Text("api.base_url") != c.base || got.Text("api.auth") != c.auth {
			t.Errorf("%v: base %s, auth %s", c.env, got.Text("api.base_url"), got.Text("api.auth"))
		}
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"90s": 90 * time.Second, "1h30m": 90 * time.Minute, "7d": 7 * 24 * time.Hour} {
		if got, err := config.ParseDuration(text); err != nil || got != want {
			t.Errorf("%s = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0s", "-5s", "5", "d", "99999999999d", "1.5d"} {
		if got, err := config.ParseDuration(text); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

func TestLocate(t *testing.T) {
	for name, c := range map[string]struct {
		project, home string
		env           map[string]string
		want          config.Paths
	}{
		"project": {"/p", "/h", nil, config.Paths{ConfigFile: "/h/.config/claude-force/config.yaml", ModelsFile: "/h/.config/claude-force/models.json", Cache: "/h/.cache/claude-force", Shared: "/h/.local/state/claude-force/shared.db", State: "/p/.claude/force", InProject: true}},
		"none":    {"", "/h", nil, config.Paths{ConfigFile: "/h/.config/claude-force/config.yaml", ModelsFile: "/h/.config/claude-force/models.json", Cache: "/h/.cache/claude-force", Shared: "/h/.local/state/claude-force/shared.db", State: "/h/.local/state/claude-force"}},
		"XDG":     {"", "/h", map[string]string{"XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "/s"}, config.Paths{ConfigFile: "/c/claude-force/config.yaml", ModelsFile: "/c/claude-force/models.json", Cache: "/h/.cache/claude-force", Shared: "/s/claude-force/shared.db", State: "/s/claude-force"}},
		"own":     {"", "/h", map[string]string{"CLAUDE_FORCE_HOME": "/o"}, config.Paths{ConfigFile: "/o/config.yaml", ModelsFile: "/o/models.json", Cache: "/o/cache", Shared: "/o/state/shared.db", State: "/o/state/no-project"}},
		"no home": {"", "", nil, config.Paths{}},
	} {
		if got := config.Locate(c.project, c.home, env(c.env)); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	own := env(map[string]string{"CLAUDE_FORCE_HOME": "/o"})
	if a, b := config.Locate("/a", "", own), config.Locate("/b", "", own); a.State == b.State || a.InProject {
		t.Errorf("two projects share %s", a.State)
	}
}
