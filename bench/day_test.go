package bench

import "testing"

// TestAMixedDayCostsLess holds the promise of savings: at least 60 % less than
// the same calls without all that saves, each cause by itself, and the parts
// add up to the nano-dollar.
func TestAMixedDayCostsLess(t *testing.T) {
	s, err := Day{Seed: 1, Tasks: 600}.Savings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("baseline $%s: response cache $%s, coalescing $%s, prompt cache $%s, batches $%s, routing $%s; spent $%s, %.1f %% less",
		s.Baseline, s.ResponseCache, s.Coalescing, s.PromptCache, s.Batch, s.Routing, s.Spent, 100*s.Share)
	if s.Share < 0.6 {
		t.Errorf("%.1f %% less, want at least 60 %%", 100*s.Share)
	}
	sum := s.Spent + s.ResponseCache + s.Coalescing + s.PromptCache + s.Batch + s.Routing
	if sum != s.Baseline || s.ResponseCache <= 0 || s.PromptCache <= 0 || s.Batch <= 0 || s.Routing <= 0 || s.Unpriced != 0 {
		t.Errorf("the parts sum to $%s: %+v", sum, s)
	}
}
