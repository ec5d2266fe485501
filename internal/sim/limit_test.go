package sim_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/sim"
)

// TestRequestLimit checks the bucket of requests, its headers, and that it
// fills again.
func TestRequestLimit(t *testing.T) {
	s, c := newServer(t, sim.Options{Limits: sim.Limits{RPM: 3}})
	body := ask("[[say ok]]")
	for i, remaining := range []string{"2", "1", "0"} {
		w := call{body: body}.do(t, s)
		decode(t, w, 200)
		if got := w.Header().Get("anthropic-ratelimit-requests-remaining"); got != remaining {
			t.Errorf("call %d: %s remain, want %s", i, got, remaining)
		}
	}
	w := call{body: body}.do(t, s)
	m := decode(t, w, 429)
	if want := "This request would exceed your organization's rate limit of 3 requests per minute (model: claude-sonnet-5-5). Please try again later."; m.Error.Message != want || m.Error.Type != "rate_limit_error" {
		t.Errorf("%s: %q", m.Error.Type, m.Error.Message)
	}
	for name, want := range map[string]string{
		"retry-after":                          "20",
		"x-should-retry":                       "true",
		"anthropic-ratelimit-requests-limit":   "3",
		"anthropic-ratelimit-requests-reset":   "2026-11-12T10:01:00Z",
		"anthropic-ratelimit-tokens-remaining": "", // no limit on tokens
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	// Refused calls take nothing, and another group is not concerned.
	send(t, s, 429, body)
	send(t, s, 200, askModel("claude-opus-5-5", "[[say ok]]"))
	c.Advance(19 * time.Second)
	send(t, s, 429, body)
	c.Advance(time.Second)
	send(t, s, 200, body)
	send(t, s, 429, body)
}

// TestGroupsShareLimits checks that models of one limit group share it.
func TestGroupsShareLimits(t *testing.T) {
	s, _ := newServer(t, sim.Options{Limits: sim.Limits{RPM: 1}})
	send(t, s, 200, askModel("claude-opus-4-8", "[[say ok]]"))
	send(t, s, 429, askModel("claude-opus-4-5", "[[say ok]]"))
	send(t, s, 200, askModel("claude-opus-5", "[[say ok]]"))
}

// TestInputLimit checks that input counts unless it is read from the prompt
// cache.
func TestInputLimit(t *testing.T) {
	body := conversation("claude-opus-5-5", blocks(longText+"!"), blocks("[[say ok]]"))
	s, c := newServer(t, sim.Options{Limits: sim.Limits{ITPM: 2000}})
	first := send(t, s, 200, body).Usage
	if first.Write < 500 || first.Write > 1500 {
		t.Fatalf("written %d tokens", first.Write)
	}
	w := call{body: body}.do(t, s)
	if u := decode(t, w, 200).Usage; u.Read == 0 {
		t.Error("the second call reads nothing")
	}
	if got := w.Header().Get("anthropic-ratelimit-input-tokens-remaining"); got != "1000" {
		t.Errorf("%s input tokens remain, want 1000: cache reads do not count", got)
	}
	if got := w.Header().Get("anthropic-ratelimit-tokens-limit"); got != "2000" {
		t.Errorf("the tighter limit is %s, want 2000", got)
	}
	plain := conversation("claude-opus-5-5", blocks("x "+longText), blocks("[[say ok]]"))
	w = call{body: plain}.do(t, s)
	if m := decode(t, w, 429); !strings.Contains(m.Error.Message, "2,000 input tokens per minute") {
		t.Errorf("message %q", m.Error.Message)
	}
	c.Advance(time.Minute)
	send(t, s, 200, plain)
	// What is more than a minute's worth never passes.
	large := ask(strings.Repeat("word ", 4000))
	if got := (call{body: large}).do(t, s).Header().Get("retry-after"); got != "60" {
		t.Errorf("retry-after %q, want 60", got)
	}
}

// TestOutputLimit checks that what is really made counts, not max_tokens.
func TestOutputLimit(t *testing.T) {
	s, c := newServer(t, sim.Options{Limits: sim.Limits{OTPM: 100}})
	made := send(t, s, 200, askModel("claude-haiku-4-5", "[[words 150]]", `"max_tokens":1000`)).Usage.Output
	if made < 140 || made > 160 {
		t.Fatalf("150 words are %d tokens", made)
	}
	m := send(t, s, 429, askModel("claude-haiku-4-5", "[[say ok]]"))
	if !strings.Contains(m.Error.Message, "100 output tokens per minute") {
		t.Errorf("message %q", m.Error.Message)
	}
	c.Advance(time.Duration(made-98) * time.Minute / 100)
	send(t, s, 200, askModel("claude-haiku-4-5", "[[say ok]]"))
}

// TestBrokenStreamsCountWhatTheyMade checks that a broken stream settles the
// part that was made.
func TestBrokenStreamsCountWhatTheyMade(t *testing.T) {
	s, _ := newServer(t, sim.Options{Limits: sim.Limits{OTPM: 100_000}})
	func() {
		defer func() { _ = recover() }() // the server aborts the connection
		s.ServeHTTP(httptest.NewRecorder(), call{
			body:   ask("[[words 100]]", `"stream":true`),
			header: map[string]string{"x-simulate-fault": "cut=8"},
		}.request(t.Context(), "http://api.test"))
	}()
	if got := s.Stats(); got.OutputTokens != 65 || got.InFlight != 0 {
		t.Errorf("5 of 10 deltas of 130 tokens count as %d tokens; %d in flight", got.OutputTokens, got.InFlight)
	}
}

// TestSetLimits checks that a change of tier keeps what the buckets hold, if
// it fits, and that the next answer tells of it.
func TestSetLimits(t *testing.T) {
	s, _ := newServer(t, sim.Options{Limits: sim.Limits{RPM: 100, Burst: 0.1}})
	for i, step := range []struct {
		limits           sim.Limits // zero leaves them
		limit, remaining string
	}{
		{limit: "100", remaining: "9"},
		{sim.Limits{RPM: 1000}, "1000", "8"},
		{sim.Limits{RPM: 50, Burst: 0.1}, "50", "4"},
	} {
		if step.limits != (sim.Limits{}) {
			if err := s.SetLimits(step.limits); err != nil {
				t.Fatal(err)
			}
		}
		w := call{body: ask("[[say ok]]")}.do(t, s)
		limit, remaining := w.Header().Get("anthropic-ratelimit-requests-limit"), w.Header().Get("anthropic-ratelimit-requests-remaining")
		if limit != step.limit || remaining != step.remaining {
			t.Errorf("step %d: %s of %s remain, want %s of %s", i, remaining, limit, step.remaining, step.limit)
		}
	}
	if s.SetLimits(sim.Limits{RPM: -1}) == nil || s.SetLimits(sim.Limits{Burst: 100}) == nil {
		t.Error("limits that make no sense are taken")
	}
}

// TestMeter checks the buckets by themselves: what they admit, refuse and show.
func TestMeter(t *testing.T) {
	now := time.Date(2026, 11, 12, 10, 0, 0, 500_000_000, time.UTC)
	m := sim.NewMeter(sim.Limits{RPM: 60, ITPM: 12_000, OTPM: 6000, Burst: 0.5}, now)
	shown, refusal := m.Admit(now, 2400)
	if refusal != nil {
		t.Fatalf("refused: %+v", refusal)
	}
	if r, i := shown.Requests(), shown.Input(); r.Limit != 60 || r.Remaining != 29 || i.Limit != 12_000 || i.Remaining != 4000 {
		t.Errorf("requests %+v, input %+v", r, i)
	}
	if full := now.Truncate(time.Second).Add(13 * time.Second); !shown.Input().Full.Equal(full) { // 12 s for 2,400, rounded up
		t.Errorf("input is full at %v, want %v", shown.Input().Full, full)
	}
	if _, refusal = m.Admit(now, 4000); refusal == nil || *refusal != (sim.Refusal{What: "input tokens", Limit: 12_000, Wait: 2 * time.Second}) {
		t.Errorf("refusal %+v", refusal)
	}
	m.Settle(now, 3600)
	if _, refusal = m.Admit(now, 1); refusal == nil || refusal.What != "output tokens" || refusal.Wait.Round(time.Millisecond) != 6010*time.Millisecond {
		t.Errorf("refusal %+v", refusal)
	}
	shown = m.Look(now.Add(7 * time.Second))
	if r, o := shown.Requests(), shown.Output(); r.Remaining != 30 || o.Remaining != 0 {
		t.Errorf("later: requests %+v, output %+v", r, o)
	}
	m = sim.NewMeter(sim.Limits{}, now)
	if shown, refusal = m.Admit(now, 1_000_000_000); refusal != nil || shown.Requests() != (sim.Level{}) || shown.Output() != (sim.Level{}) {
		t.Errorf("without limits: %+v, %+v", shown.Requests(), refusal)
	}
}
