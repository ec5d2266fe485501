package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/claude-force/claude-force/internal/model"
)

// Origin says where a value came from, in the order of precedence.
type Origin string

// The origins, strongest first.
const (
	FromFlag    Origin = "flag"
	FromEnv     Origin = "environment"
	FromProject Origin = "project"
	FromUser    Origin = "user"
	FromDefault Origin = "default"
)

// Value is a setting with what is in force.
type Value struct {
	Setting
	Value  string
	Origin Origin
	// Where names the flag, variable or file:line.
	Where string
}

// Entry is a value as a source gives it.
type Entry struct {
	Value string
	// Where names the flag, variable or file:line, for messages.
	Where string
}

// Sources are where settings come from; each map goes by setting name. Any
// may be nil.
type Sources struct {
	Flags, Project, User map[string]Entry
	// Getenv reads the environment; nil means an empty one.
	Getenv func(string) string
}

// Config is the settings in force. It is immutable.
type Config struct {
	values   []Value
	index    map[string]int
	Warnings []string
}

// EnvName is the environment variable of a setting: CLAUDE_FORCE_MAX_TOKENS
// for max_tokens.
func EnvName(setting string) string {
	return "CLAUDE_FORCE_" + strings.ToUpper(strings.ReplaceAll(setting, ".", "_"))
}

// Load merges the sources. A value that cannot be read is an error which
// names where it stands; a name that is not a setting is a warning.
func Load(s Sources) (*Config, error) {
	if s.Getenv == nil {
		s.Getenv = func(string) string { return "" }
	}
	c := &Config{index: map[string]int{}}
	var names []string
	for _, row := range Table() {
		v := Value{Setting: row, Value: row.Default, Origin: FromDefault}
		if e, origin := s.lookup(row.Name); origin != "" {
			if err := row.check(e.Value); err != nil {
				return nil, fmt.Errorf("%s: %s is %q and %w", e.Where, row.Name, e.Value, err)
			}
			v.Value, v.Origin, v.Where = e.Value, origin, e.Where
			if row.Planned {
				c.Warnings = append(c.Warnings, fmt.Sprintf("%s: %s has no effect in this version", e.Where, row.Name))
			}
		}
		c.index[row.Name] = len(c.values)
		c.values = append(c.values, v)
		names = append(names, row.Name)
	}
	for _, source := range []map[string]Entry{s.Project, s.User} {
		c.warnUnknown(source, names)
	}
	return c, nil
}

func (s Sources) lookup(name string) (Entry, Origin) {
	if e, ok := s.Flags[name]; ok {
		return e, FromFlag
	}
	if e, ok := s.env(name); ok {
		return e, FromEnv
	}
	if e, ok := s.Project[name]; ok {
		return e, FromProject
	}
	if e, ok := s.User[name]; ok {
		return e, FromUser
	}
	return Entry{}, ""
}

// env reads this program's own variable, then the one that every program for
// the API knows.
func (s Sources) env(name string) (Entry, bool) {
	names := []string{EnvName(name)}
	if name == "api.base_url" {
		names = append(names, "ANTHROPIC_BASE_URL")
	}
	for _, n := range names {
		if v := s.Getenv(n); v != "" {
			return Entry{Value: v, Where: n}, true
		}
	}
	// A token is made to be sent as a bearer; a key beside it goes first.
	if name == "api.auth" && s.Getenv("ANTHROPIC_API_KEY") == "" && s.Getenv("ANTHROPIC_AUTH_TOKEN") != "" {
		return Entry{Value: "bearer", Where: "ANTHROPIC_AUTH_TOKEN"}, true
	}
	return Entry{}, false
}

func (c *Config) warnUnknown(source map[string]Entry, names []string) {
	for _, name := range slices.Sorted(maps.Keys(source)) {
		e := source[name]
		if _, ok := c.index[name]; ok {
			continue
		}
		w := fmt.Sprintf("%s: %s is not a setting", e.Where, name)
		if near := model.Suggest(name, names); near != "" {
			w += "; did you mean " + near + "?"
		}
		c.Warnings = append(c.Warnings, w)
	}
}

// All returns every setting in the order of the table.
func (c *Config) All() []Value { return c.values }

// Text returns a setting's text; the name must be in the table.
func (c *Config) Text(name string) string { return c.values[c.index[name]].Value }

// Bool returns a setting of kind Bool.
func (c *Config) Bool(name string) bool {
	b, _ := strconv.ParseBool(c.Text(name))
	return b
}

// Integer returns a setting of kind Integer.
func (c *Config) Integer(name string) int {
	n, _ := strconv.Atoi(c.Text(name))
	return n
}

// Count returns a setting of kind Count; 0 means auto.
func (c *Config) Count(name string) int {
	n, _ := strconv.Atoi(c.Text(name))
	return n
}

// Duration returns a setting of kind Duration.
func (c *Config) Duration(name string) time.Duration {
	d, _ := ParseDuration(c.Text(name))
	return d
}

// Size returns a setting of kind Size, in bytes.
func (c *Config) Size(name string) int64 {
	n, _ := parseSize(c.Text(name))
	return n
}

// List returns a setting of kind List: its items, without empty ones.
func (c *Config) List(name string) []string {
	return strings.FieldsFunc(c.Text(name), func(r rune) bool { return r == ',' || r == ' ' })
}
