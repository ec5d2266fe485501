package model

import (
	"slices"
	"time"
)

// Lifecycle is where a model stands between its release and its end.
type Lifecycle string

// The stages of a model's life. Calls to a retired model fail.
const (
	Active     Lifecycle = "active"
	Deprecated Lifecycle = "deprecated"
	Retired    Lifecycle = "retired"
)

// Model is what is known of one model. Text that is not known is empty and
// numbers that are not known are 0.
type Model struct {
	ID        string    `json:"id"`
	Aliases   []string  `json:"aliases,omitempty"` // other ids that the API takes for it
	Line      string    `json:"line,omitempty"`    // haiku, sonnet, opus, …; "" for the oldest models
	Lifecycle Lifecycle `json:"lifecycle"`         // as recorded; see LifecycleAt

	Context        int `json:"context"`          // tokens, prompt and output together
	MaxOutput      int `json:"max_output"`       // tokens
	MinCacheTokens int `json:"min_cache_tokens"` // tokens; the shortest prefix that is cached

	Sampling         bool     `json:"sampling"`     // temperature, top_p and top_k are accepted
	SamplingOne      bool     `json:"sampling_one"` // but temperature and top_p not together
	Prefill          bool     `json:"prefill"`      // the last message may be the assistant's
	Efforts          []string `json:"efforts"`      // accepted effort levels, lowest first
	DefaultEffort    string   `json:"default_effort,omitempty"`
	Thinking         Thinking `json:"thinking"`
	ForcedTools      bool     `json:"forced_tools"` // tool_choice "any" and "tool" are accepted
	StructuredOutput bool     `json:"structured_output"`

	Tokenizer  string `json:"tokenizer,omitempty"`   // family; what package tokens estimates by
	LimitGroup string `json:"limit_group,omitempty"` // models of a group share their rate limits

	Cards []Card `json:"cards"` // oldest first; no two are valid on the same day
	Batch Factor `json:"batch"`
	Fast  Factor `json:"fast"`
	GeoUS Factor `json:"geo_us"`

	Successor  string `json:"successor,omitempty"`  // id of the model that takes its place
	Deprecated string `json:"deprecated,omitempty"` // YYYY-MM-DD in UTC
	Retires    string `json:"retires,omitempty"`    // YYYY-MM-DD in UTC; from that day on calls fail
}

// LifecycleAt returns the model's stage at the given time: a model whose
// Retires day has come is retired, and one whose Deprecated day has come is no
// longer active, whatever was recorded.
func (m *Model) LifecycleAt(t time.Time) Lifecycle {
	day := dayOf(t)
	switch {
	case m.Lifecycle == Retired, m.Retires != "" && m.Retires <= day:
		return Retired
	case m.Lifecycle == Deprecated, m.Deprecated != "" && m.Deprecated <= day:
		return Deprecated
	}
	return Active
}

// TakesEffort reports whether the model accepts the effort level.
func (m *Model) TakesEffort(level string) bool {
	return slices.Contains(m.Efforts, level)
}

// ThinkingDefault says whether a model thinks when a request does not say.
type ThinkingDefault string

// What a model does without a thinking parameter. A model that always thinks
// cannot be told not to.
const (
	ThinkingOn     ThinkingDefault = "on"
	ThinkingOff    ThinkingDefault = "off"
	ThinkingAlways ThinkingDefault = "always"
)

// ThinkingRule says whether a model accepts a value of thinking.type. The zero
// value is not known.
type ThinkingRule string

// The rules for a value of thinking.type. ThinkingUpToHigh accepts it only
// while the effort is high or lower.
const (
	ThinkingAccepted   ThinkingRule = "accepted"
	ThinkingUpToHigh   ThinkingRule = "up_to_high"
	ThinkingDeprecated ThinkingRule = "deprecated"
	ThinkingRefused    ThinkingRule = "refused"
)

// Thinking is what a model takes in the thinking parameter of a request, a
// rule for each value of its type. The zero value is not known.
type Thinking struct {
	Default      ThinkingDefault `json:"default,omitempty"`
	Adaptive     ThinkingRule    `json:"adaptive,omitempty"`
	Disabled     ThinkingRule    `json:"disabled,omitempty"`
	BetweenTools ThinkingRule    `json:"between_tools,omitempty"`
	Enabled      ThinkingRule    `json:"enabled,omitempty"` // with a budget of tokens
}

// AcceptsThinking reports whether the model accepts thinking.type kind
// ("adaptive", "disabled", "between_tools" or "enabled") at the effort of the
// request; effort "" is the model's default. What is not known is accepted:
// the API has the last word.
func (m *Model) AcceptsThinking(kind, effort string) bool {
	if effort == "" {
		effort = m.DefaultEffort
	}
	switch m.Thinking.rule(kind) {
	case ThinkingRefused:
		return false
	case ThinkingUpToHigh:
		return effort != "xhigh" && effort != "max"
	}
	return true
}

func (t Thinking) rule(kind string) ThinkingRule {
	switch kind {
	case "adaptive":
		return t.Adaptive
	case "disabled":
		return t.Disabled
	case "between_tools":
		return t.BetweenTools
	case "enabled":
		return t.Enabled
	}
	return ""
}
