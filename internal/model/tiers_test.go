package model_test

import (
	"slices"
	"testing"

	"github.com/claude-force/claude-force/internal/model"
)

func TestTierLimits(t *testing.T) {
	c, err := model.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		tier, model string
		limits      model.RateLimits
		published   bool
	}{
		{"start", "claude-opus-5", model.RateLimits{Requests: 1_000, InputTokens: 2_000_000, OutputTokens: 400_000}, true},
		{"build", "claude-haiku-4-5", model.RateLimits{Requests: 5_000, InputTokens: 5_000_000, OutputTokens: 1_000_000}, true},
		{"scale", "claude-sonnet-5-5", model.RateLimits{Requests: 10_000, InputTokens: 10_000_000, OutputTokens: 2_000_000}, false},
		{"start", "claude-fable-5-2", model.RateLimits{Requests: 1_000, InputTokens: 500_000, OutputTokens: 100_000}, true},
		{"build", "claude-fable-5-1", model.RateLimits{Requests: 2_000, InputTokens: 1_500_000, OutputTokens: 300_000}, true},
		{"scale", "claude-mythos-5", model.RateLimits{Requests: 4_000, InputTokens: 4_000_000, OutputTokens: 800_000}, false},
	} {
		tier, ok := model.Tier(want.tier)
		if !ok || tier.Name != want.tier {
			t.Fatalf("tier %q: %+v, %t", want.tier, tier, ok)
		}
		m, ok := c.Lookup(want.model)
		if !ok {
			t.Fatalf("no model %q", want.model)
		}
		if l, published := tier.Limits(m.LimitGroup); l != want.limits || published != want.published {
			t.Errorf("%s of %s: %+v, published %t", want.model, want.tier, l, published)
		}
	}
}

func TestTierNames(t *testing.T) {
	if got := model.Tiers(); !slices.Equal(got, []string{"start", "build", "scale"}) {
		t.Errorf("tiers %q", got)
	}
	for _, name := range []string{"", "custom", "evaluation", "Start", "4"} {
		if tier, ok := model.Tier(name); ok {
			t.Errorf("%q is a tier: %+v", name, tier)
		}
	}
}
