// Package config owns the settings: their names, kinds and defaults, where
// each may come from, and which source wins (flag, environment, project file,
// user file, default).
package config

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/claude-force/claude-force/internal/model"
)

// Kind says how a setting's text is read.
type Kind string

// The kinds of settings.
const (
	Text     Kind = "text"
	Bool     Kind = "bool"
	Integer  Kind = "integer"
	Count    Kind = "count" // a whole number, or auto
	Duration Kind = "duration"
	Dollars  Kind = "dollars"
	Share    Kind = "share" // from 0 to 1
	Size     Kind = "size"
	List     Kind = "list"
	Choice   Kind = "choice"
)

// Setting is one row of the table.
type Setting struct {
	Name    string
	Kind    Kind
	Default string
	Doc     string
	// Choices are the values of a Choice.
	Choices []string
	// Planned marks a name that is reserved and has no effect yet: it is
	// accepted, and whoever sets it is told so.
	Planned bool
}

// Table returns every setting, in the order of the documentation.
func Table() []Setting {
	return []Setting{
		{Name: "model", Kind: Text, Default: "sonnet", Doc: "model of agents that name none: a line, an id or an alias"},
		{Name: "max_tokens", Kind: Integer, Default: "4096", Doc: "most output tokens of an answer"},
		{Name: "fallbacks", Kind: List, Doc: "models that stand in, in their order, for one that the API does not know or that has no room"},
		{Name: "router.prefer_cheaper", Kind: Bool, Default: "false", Doc: "let the model auto lean to the cheaper lines"},
		{Name: "router.min_model", Kind: Choice, Default: "haiku", Choices: []string{"haiku", "sonnet", "opus"}, Doc: "the cheapest line that the model auto may choose"},
		{Name: "router.security_min_model", Kind: Choice, Default: "sonnet", Choices: []string{"haiku", "sonnet", "opus"}, Doc: "the same for work on security"},
		{Name: "router.thresholds.sonnet", Kind: Share, Default: "0.3", Doc: "difficulty from which the model auto is sonnet"},
		{Name: "router.thresholds.opus", Kind: Share, Default: "0.8", Doc: "difficulty from which the model auto is opus"},
		{Name: "timeout", Kind: Duration, Default: "30m", Doc: "deadline of a run, waits included"},
		{Name: "timeouts.connect", Kind: Duration, Default: "10s", Doc: "bound for connecting, and for the TLS handshake"},
		{Name: "timeouts.first_token", Kind: Duration, Default: "5m", Doc: "bound from the request to the first event"},
		{Name: "timeouts.idle", Kind: Duration, Default: "2m", Doc: "bound between two events of a stream"},
		{Name: "timeouts.attempt", Kind: Duration, Default: "30m", Doc: "bound of one attempt"},
		{Name: "retries", Kind: Integer, Default: "4", Doc: "attempts of a call, the first included"},
		{Name: "concurrency", Kind: Count, Default: "auto", Doc: "most calls at once; auto begins with ten and grows as far as the rate limits allow"},
		{Name: "tracking", Kind: Bool, Default: "true", Doc: "keep runs and their costs in the ledger"},
		{Name: "cost_threshold", Kind: Dollars, Doc: "the most dollars that a run may cost; a call that could exceed them is not made"},
		{Name: "api.base_url", Kind: Text, Default: "https://api.anthropic.com", Doc: "address of the Messages API; ANTHROPIC_BASE_URL sets it too"},
		{Name: "api.auth", Kind: Choice, Default: "x-api-key", Choices: []string{"x-api-key", "bearer"}, Doc: "how the key is sent"},
		{Name: "api.version", Kind: Text, Default: "2023-06-01", Doc: "anthropic-version"},
		{Name: "cache.enabled", Kind: Bool, Default: "true", Doc: "answer repeated requests from the response cache"},
		{Name: "cache.max_size", Kind: Size, Default: "100MB", Doc: "size of the response cache"},
		{Name: "cache.ttl", Kind: Duration, Default: "24h", Doc: "age at which a cached answer is stale"},
		{Name: "cache.verify", Kind: Choice, Default: "sampling", Choices: []string{"always", "sampling", "never"}, Doc: "how often an entry is verified"},
		{Name: "cache.scope", Kind: Choice, Default: "user", Choices: []string{"user", "project"}, Doc: "who shares cached answers"},
		{Name: "cache.exclude_agents", Kind: List, Doc: "agents that are never cached"},
		{Name: "memory", Kind: Choice, Default: "agent", Choices: []string{"agent", "on", "off"}, Doc: "whether similar past work joins a prompt and the answer is kept for later: agent is on for single runs, and off for task files"},
		{Name: "memory.retention", Kind: Duration, Default: "90d", Doc: "age at which past work is forgotten"},
		{Name: "memory.max_tokens", Kind: Integer, Default: "800", Doc: "most tokens of past work in a prompt"},
		{Name: "recommend.semantic", Kind: Bool, Default: "true", Doc: "compare tasks and agents by meaning, and not by keywords alone"},
		{Name: "embed.api", Kind: Choice, Default: "builtin", Choices: []string{"builtin", "ollama", "openai", "voyage"}, Doc: "what turns texts into vectors: the encoder in this program, or a service (its key: CLAUDE_FORCE_EMBED_KEY)"},
		{Name: "embed.url", Kind: Text, Doc: "address of the embedding service; empty is the service's own, and localhost for ollama"},
		{Name: "embed.model", Kind: Text, Doc: "model of the embedding service"},
		{Name: "embed.idle", Kind: Duration, Default: "5m", Doc: "idle time after which the built-in encoder is unloaded"},
		{Name: "log.level", Kind: Choice, Default: "warn", Choices: []string{"debug", "info", "warn", "error"}, Doc: "what is logged to stderr"},

		{Name: "database", Kind: Text, Doc: "PostgreSQL address of shared stores", Planned: true},
	}
}

// auto is the value of a Count that the program chooses by itself, mostCount
// the largest other one.
const (
	auto      = "auto"
	mostCount = 100_000
)

// check reports what is wrong with a value, as the end of a sentence.
func (s Setting) check(v string) error {
	switch s.Kind {
	case Bool:
		if _, err := strconv.ParseBool(v); err != nil {
			return fmt.Errorf("must be true or false")
		}
	case Integer:
		if n, err := strconv.Atoi(v); err != nil || n < 1 {
			return fmt.Errorf("must be a whole number from 1")
		}
	case Count:
		if n, err := strconv.Atoi(v); v != auto && (err != nil || n < 1 || n > mostCount) {
			return fmt.Errorf("must be auto or a whole number from 1 to %d", mostCount)
		}
	case Duration:
		if _, err := ParseDuration(v); err != nil {
			return err
		}
	case Size:
		if _, err := parseSize(v); err != nil {
			return err
		}
	case Share:
		if x, err := strconv.ParseFloat(v, 64); err != nil || !(x >= 0 && x <= 1) {
			return fmt.Errorf("must be a number from 0 to 1")
		}
	case Dollars:
		var m model.Money
		if v == "null" || json.Unmarshal([]byte(v), &m) != nil || m <= 0 {
			return fmt.Errorf("must be an amount in dollars above 0, such as 5.00")
		}
	case Choice:
		if !slices.Contains(s.Choices, v) {
			return fmt.Errorf("must be one of %s", strings.Join(s.Choices, ", "))
		}
	}
	return nil
}

// ParseDuration reads a duration such as 90s, 30m, 24h or 90d. Zero and
// negative durations are refused.
func ParseDuration(v string) (time.Duration, error) {
	d, err := time.ParseDuration(v)
	if days, ok := strings.CutSuffix(v, "d"); ok {
		var n int
		if n, err = strconv.Atoi(days); err == nil && n < 36500 {
			d = time.Duration(n) * 24 * time.Hour
		}
	}
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("must be a duration such as 90s, 30m, 24h or 7d")
	}
	return d, nil
}

// parseSize reads a size such as 500KB or 100MB (powers of 1,000).
func parseSize(v string) (int64, error) {
	units := []struct {
		suffix string
		factor int64
	}{{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1}}
	for _, u := range units {
		digits, ok := strings.CutSuffix(strings.ToUpper(v), u.suffix)
		if !ok {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64); err == nil && n >= 0 && n <= 1<<50/u.factor {
			return n * u.factor, nil
		}
		break
	}
	return 0, fmt.Errorf("must be a size such as 500KB or 100MB")
}
