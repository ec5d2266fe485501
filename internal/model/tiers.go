package model

import "strings"

// RateLimits are an organisation's limits for one limit group of models, each
// per minute.
type RateLimits struct {
	Requests     int
	InputTokens  int // that are not read from the prompt cache
	OutputTokens int // that are really made
}

// UsageTier is the rate limits that come with one of the API's usage tiers.
type UsageTier struct {
	Name string
	// most holds for all limit groups but Fable's.
	most, fable RateLimits
}

// usageTiers are those with published figures, the lowest first. The figures
// are those of Anthropic's documentation of October 2026. The tiers evaluation
// and custom have none.
var usageTiers = [...]UsageTier{
	{"start", RateLimits{1_000, 2_000_000, 400_000}, RateLimits{1_000, 500_000, 100_000}},
	{"build", RateLimits{5_000, 5_000_000, 1_000_000}, RateLimits{2_000, 1_500_000, 300_000}},
	{"scale", RateLimits{10_000, 10_000_000, 2_000_000}, RateLimits{4_000, 4_000_000, 800_000}},
}

// Tier returns the usage tier of a name, which is start, build or scale, and
// false for any other.
func Tier(name string) (UsageTier, bool) {
	for _, t := range usageTiers {
		if t.Name == name {
			return t, true
		}
	}
	return UsageTier{}, false
}

// Tiers returns the names that [Tier] knows, the lowest tier first.
func Tiers() []string {
	names := make([]string, 0, len(usageTiers))
	for _, t := range usageTiers {
		names = append(names, t.Name)
	}
	return names
}

// Limits returns the tier's limits for a limit group, as [Model.LimitGroup]
// names it, and whether they are published for it. For the models of 5.5 and
// for Mythos none are: they are taken to have the general figures, and those
// of Fable.
func (t UsageTier) Limits(group string) (l RateLimits, published bool) {
	switch {
	case strings.HasPrefix(group, "fable-"):
		return t.fable, true
	case strings.HasPrefix(group, "mythos-"):
		return t.fable, false
	}
	return t.most, !strings.HasSuffix(group, "-5.5")
}
