package claudeforce_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	claudeforce "github.com/claude-force/claude-force"
	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/sim"
)

// planAgents is a project with a short agent, and a long one whose prompt is
// cached.
func planAgents(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, ".claude", "agents", "short.md"), "---\nname: short\ndescription: Answers\n---\nAnswer in short words.\n")
	write(t, filepath.Join(dir, ".claude", "agents", "long.md"), "---\nname: long\ndescription: Reviews\n---\n"+strings.Repeat(evenText, 100)+"\n")
	return dir
}

// evenText has about as many tokens by the offline estimate as by the
// simulator's rule, which is its own: so that costs can be compared.
const evenText = "Read the code with care and say what is wrong in a function. "

// planFile is n lines for an agent, each of whose answers has 110 words, which
// are 143 tokens in 11 events. Of every again lines the last is that before it
// once more; 0 means none.
func planFile(agent, text string, n, again int) string {
	var b strings.Builder
	for i := range n {
		part := i
		if again > 0 && i%again == again-1 {
			part--
		}
		fmt.Fprintf(&b, `{"id":"t%d","agent":"%s","task":"[[words 110]] Part %d. %s"}`+"\n", i, agent, part, text)
	}
	return b.String()
}

// outcome is what the results of a real run say together.
type outcome struct{ failed, reused, readPrompt int64 }

func outcomeOf(t *testing.T, results []byte) (o outcome) {
	t.Helper()
	for line := range bytes.Lines(results) {
		var r struct {
			Success bool
			Cache   string
			Usage   struct {
				Read int64 `json:"cache_read_input_tokens"`
			}
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if !r.Success {
			o.failed++
		}
		if r.Cache != "miss" && r.Cache != "off" {
			o.reused++
		}
		if r.Usage.Read > 0 {
			o.readPrompt++
		}
	}
	return o
}

// TestPlanForetellsARun checks forecasts against real runs: the same file, the
// same limits and the same latency, once through Plan and once through
// RunTasks against the simulated API, in a bubble's time.
//
// The wall time must agree within 5 %, the cost within 2 %, refusals within 1 %
// of the calls; what is counted must be equal. The output's part of the cost is
// exact, for the length of the answers is prescribed; the input's is an
// estimate, which the texts are chosen for. A real run asks for its share of
// the limits about a second ahead, for other processes may want theirs, and the
// forecast does not: hence the tolerance of time.
func TestPlanForetellsARun(t *testing.T) {
	wide := sim.Limits{RPM: 1000, ITPM: 2_000_000, OTPM: 400_000}
	for name, c := range map[string]planCase{
		"requests":      {planFile("short", "", 900, 0), "auto", "true", sim.Limits{RPM: 300, ITPM: 2_000_000, OTPM: 400_000}, "requests"},
		"input":         {planFile("short", strings.Repeat(evenText, 20), 600, 0), "auto", "true", sim.Limits{RPM: 1000, ITPM: 100_000, OTPM: 400_000}, "input tokens"},
		"output":        {planFile("short", "", 600, 0), "auto", "true", sim.Limits{RPM: 1000, ITPM: 2_000_000, OTPM: 40_000}, "output tokens"},
		"few at once":   {planFile("short", "", 300, 0), "5", "true", wide, "concurrency"},
		"all at once":   {planFile("short", "", 40, 0), "50", "true", wide, "latency"},
		"caches":        {planFile("long", "", 300, 3), "20", "true", wide, "concurrency"},
		"no cache":      {planFile("long", "", 300, 3), "20", "false", wide, "concurrency"},
		"one too large": {planFile("short", strings.Repeat(evenText, 400), 1, 0), "5", "true", sim.Limits{RPM: 1000, ITPM: 2_000, OTPM: 400_000}, "input tokens"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.check(t) })
		})
	}
}

// planCase is a file, the circumstances of its run, and what that waits for.
type planCase struct {
	file, concurrency, cache string
	limits                   sim.Limits
	boundBy                  string
}

func (c planCase) check(t *testing.T) {
	catalogue, err := model.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	// Eleven events are ten pauses: 143 tokens at 100 a second.
	server, err := sim.New(sim.Options{Catalogue: catalogue, Limits: c.limits, Latency: time.Second, TokenDelay: 143 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	e := open(t, claudeforce.Options{
		Project: planAgents(t), Transport: server.Transport(),
		Getenv:   environment(t, "http://api.test", "CLAUDE_FORCE_HOME", t.TempDir()),
		Settings: map[string]string{"concurrency": c.concurrency, "cache.enabled": c.cache},
	})
	p, planErr := e.Plan(t.Context(), claudeforce.PlanOptions{
		In: strings.NewReader(c.file), RPM: c.limits.RPM, ITPM: c.limits.ITPM, OTPM: c.limits.OTPM,
		OutputTokens: 143, FirstToken: time.Second, TokensPerSecond: 100,
	})
	if p == nil {
		t.Fatal(planErr)
	}
	if n := server.Stats().Requests; n > 0 {
		t.Errorf("the plan made %d requests", n)
	}
	var results bytes.Buffer
	r, runErr := e.RunTasks(t.Context(), claudeforce.Tasks{In: strings.NewReader(c.file), Out: &results})
	if r == nil || codeOf(planErr) != codeOf(runErr) {
		t.Fatalf("the plan says %v, the run %v", planErr, runErr)
	}
	s, o := server.Stats(), outcomeOf(t, results.Bytes())
	t.Logf("time %v and %v, cost %v and %v, refused %d and %d, at once %d and %d, used %.3f",
		p.Duration, r.Elapsed, p.Cost, claudeforce.Money(r.Spent.Nano), p.Refused, s.RateLimited, p.MaxInFlight, s.MaxInFlight, p.Used)
	near(t, "wall time in seconds", p.Duration.Seconds(), r.Elapsed.Seconds(), 0.05)
	near(t, "nano-dollars", float64(*p.Cost), float64(r.Spent.Nano), 0.02)
	got := [...]int64{p.Failed, p.Calls, p.ResponseCacheHits, p.PromptCacheHits, p.Usage.OutputTokens}
	if want := [...]int64{o.failed, s.Answered, o.reused, o.readPrompt, s.OutputTokens}; got != want {
		t.Errorf("failed, calls, response and prompt cache hits, output tokens: %v, and were %v", got, want)
	}
	if diff := p.Refused - s.RateLimited; max(diff, -diff) > s.Messages/100 {
		t.Errorf("%d refused, and were %d", p.Refused, s.RateLimited)
	}
	if p.BoundBy != c.boundBy {
		t.Errorf("bound by %s, want %s", p.BoundBy, c.boundBy)
	}
}

// near fails unless a forecast is within a share of the truth.
func near(t *testing.T, what string, got, want, share float64) {
	t.Helper()
	if math.Abs(got-want) > share*want {
		t.Errorf("%s: %g, and were %g", what, got, want)
	}
}

func codeOf(err error) claudeforce.Code {
	if err == nil {
		return ""
	}
	return claudeforce.AsError(err).Code
}

// lines joins the lines of a task file.
func lines(all ...string) io.Reader { return strings.NewReader(strings.Join(all, "\n")) }

// TestPlanCountsWhatFails checks that what is wrong with lines is counted and
// said as a run would, and costs nothing.
func TestPlanCountsWhatFails(t *testing.T) {
	e := open(t, claudeforce.Options{Project: planAgents(t), Getenv: environment(t, "")})
	p, err := e.Plan(t.Context(), claudeforce.PlanOptions{In: lines(
		`{"id":"a","agent":"short","task":"one"}`,
		`{"id":"b",`,
		``,
		`{"id":"a","agent":"short","task":"two"}`,
		`{"id":"c","agent":"shorts","task":"three"}`,
		`{"id":"d","agent":"short","task":" "}`,
		`{"id":"e","agent":"short","task":"five","modle":"haiku"}`,
		`{"id":"f","agent":"short","task":"`+strings.Repeat("word ", 400_000)+`","model":"claude-haiku-4-5"}`,
		`{"id":"g","agent":"short","task":"x","temperature":7}`,
	)})
	if p == nil || codeOf(err) != claudeforce.CodeSomeFailed || !strings.Contains(err.Error(), "6 of 8 tasks would fail") {
		t.Fatalf("%+v, %v", p, err)
	}
	if p.Tasks != 8 || p.Failed != 6 || p.Calls != 2 || p.Usage.OutputTokens != 1000 || p.Cost == nil || *p.Cost <= 0 {
		t.Errorf("%+v", *p)
	}
	said := strings.Join(p.Warnings, "\n")
	for _, want := range []string{
		"line 2 of the task file is not valid JSON", `line 4 fails: the id "a" is that of an earlier line`,
		`line 5 fails: there is no agent "shorts"`, "line 6 fails: the task is empty", "line 8 fails: the prompt has about ",
		`1 line with a field that no task has, such as "modle"`, "the limits of the tier start are not published for the limit group sonnet-5.5",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("no warning says %q:\n%s", want, said)
		}
	}
	if strings.Contains(said, "temperature") {
		t.Errorf("more than the first reasons are told:\n%s", said)
	}
}

// TestPlanFollowsSettings checks models, lengths, tiers and the response cache.
func TestPlanFollowsSettings(t *testing.T) {
	twice := []string{`{"agent":"short","task":"same"}`, `{"agent":"short","task":"same"}`}
	plan := func(o claudeforce.PlanOptions, settings map[string]string, all ...string) *claudeforce.Plan {
		t.Helper()
		e := open(t, claudeforce.Options{Project: planAgents(t), Getenv: environment(t, ""), Settings: settings})
		o.In = lines(all...)
		p, err := e.Plan(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if p := plan(claudeforce.PlanOptions{}, nil, twice...); p.Calls != 1 || p.ResponseCacheHits != 1 || p.Tier != "start" {
		t.Errorf("%+v", *p)
	}
	for name, p := range map[string]*claudeforce.Plan{
		"never":    plan(claudeforce.PlanOptions{Defaults: claudeforce.Run{Reuse: claudeforce.ReuseNever}}, nil, twice...),
		"disabled": plan(claudeforce.PlanOptions{}, map[string]string{"cache.enabled": "false"}, twice...),
		"excluded": plan(claudeforce.PlanOptions{}, map[string]string{"cache.exclude_agents": "short"}, twice...),
	} {
		if p.Calls != 2 || p.ResponseCacheHits != 0 {
			t.Errorf("%s: %+v", name, *p)
		}
	}
	// What the model does not take makes no difference; what it takes does.
	p := plan(claudeforce.PlanOptions{}, nil, twice[0], `{"agent":"short","task":"same","temperature":0.5}`, `{"agent":"short","task":"same","max_tokens":100}`)
	if p.Calls != 2 || p.ResponseCacheHits != 1 || p.Usage.OutputTokens != 600 {
		t.Errorf("%+v", *p)
	}
	p = plan(claudeforce.PlanOptions{OutputTokens: 70, Tier: "scale"}, map[string]string{"max_tokens": "50"}, twice[0], `{"agent":"short","task":"b","max_tokens":90,"model":"claude-opus-5"}`)
	if p.Usage.OutputTokens != 120 || p.Tier != "scale" || p.Assumptions.OutputTokens != 70 {
		t.Errorf("%+v", *p)
	}
	p = plan(claudeforce.PlanOptions{RPM: 5, ITPM: 5, OTPM: 5}, nil)
	if p.Tier != "custom" || p.Tasks != 0 || p.Cost == nil || *p.Cost != 0 || len(p.Warnings) != 0 {
		t.Errorf("%+v", *p)
	}
	p = plan(claudeforce.PlanOptions{}, nil, twice[0], `{"agent":"short","task":"x","model":"my-model"}`)
	if p.Cost != nil || p.BatchCost != nil || !strings.Contains(strings.Join(p.Warnings, "\n"), `model "my-model" is not in the catalogue`) {
		t.Errorf("%+v", *p)
	}
}

// TestPlanJSON checks the names that scripts rely on.
func TestPlanJSON(t *testing.T) {
	cost := claudeforce.Money(1_500_000_000)
	data, err := json.Marshal(&claudeforce.Plan{
		Tasks: 1, Calls: 2, Failed: 3, ResponseCacheHits: 4, PromptCacheHits: 5, Refused: 6, Duration: 7 * time.Millisecond, Cost: &cost,
		Usage:       claudeforce.Usage{InputTokens: 8, CacheCreationInputTokens: 9, CacheReadInputTokens: 10, OutputTokens: 11},
		MaxInFlight: 12, BoundBy: "latency", Used: 0.123456, Tier: "start",
		Assumptions: claudeforce.PlanAssumptions{FirstToken: time.Second, TokensPerSecond: 80, OutputTokens: 500},
	})
	want := `{"tasks":1,"calls":2,"failed":3,"response_cache_hits":4,"prompt_cache_hits":5,"refused":6,"duration_ms":7,"cost_usd":1.5,"batch_cost_usd":null,` +
		`"input_tokens":8,"cache_creation_input_tokens":9,"cache_read_input_tokens":10,"output_tokens":11,"max_in_flight":12,"bound_by":"latency","used":0.1235,"tier":"start",` +
		`"assumptions":{"first_token_ms":1000,"tokens_per_second":80,"output_tokens":500,"prompt_tokens":"estimated"},"warnings":[]}`
	if err != nil || string(data) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, data, want)
	}
}

// TestPlanRefusesNonsense checks wrong options, and files that cannot be
// planned.
func TestPlanRefusesNonsense(t *testing.T) {
	home := t.TempDir()
	e := open(t, claudeforce.Options{Project: planAgents(t), Getenv: environment(t, "", "CLAUDE_FORCE_HOME", home), Settings: map[string]string{"concurrency": "1"}})
	century := strings.NewReader(planFile("short", "", 4000, 0))
	for name, c := range map[string]struct {
		options claudeforce.PlanOptions
		message string
	}{
		"tier":        {claudeforce.PlanOptions{Tier: "custom", RPM: 5}, `no limits are known for the tier "custom": choose start, build, scale`},
		"figure":      {claudeforce.PlanOptions{ITPM: -1}, "the limit of input tokens is -1"},
		"first token": {claudeforce.PlanOptions{FirstToken: 2 * time.Hour}, "must be at most 1h0m0s"},
		"century":     {claudeforce.PlanOptions{In: century, TokensPerSecond: 1, OutputTokens: 1_000_000, Defaults: claudeforce.Run{MaxTokens: 1_000_000, Model: "my-model"}}, "more than a hundred years"},
		"torn file":   {claudeforce.PlanOptions{In: iotest.TimeoutReader(strings.NewReader(planFile("short", "", 9000, 0)))}, "the task file cannot be read on"},
	} {
		p, err := e.Plan(t.Context(), c.options)
		if p != nil || codeOf(err) != claudeforce.CodeUsage || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if p, err := e.Plan(ctx, claudeforce.PlanOptions{In: strings.NewReader(planFile("short", "", 3000, 0))}); p != nil || codeOf(err) != claudeforce.CodeCancelled {
		t.Errorf("cancelled: %+v, %v", p, err)
	}
	if left, err := os.ReadDir(home); err != nil || len(left) > 0 {
		t.Errorf("plans have written %v, %v", left, err)
	}
}

// TestPlanIsBounded checks a file that names more kinds of calls than a plan
// remembers.
func TestPlanIsBounded(t *testing.T) {
	e := open(t, claudeforce.Options{Project: planAgents(t), Getenv: environment(t, "")})
	var b strings.Builder
	for i := range 10_100 {
		fmt.Fprintf(&b, `{"agent":"short","task":"x","model":"model-%d"}`+"\n", i)
	}
	p, err := e.Plan(t.Context(), claudeforce.PlanOptions{In: strings.NewReader(b.String())})
	if p == nil || p.Failed != 100 || codeOf(err) != claudeforce.CodeSomeFailed || len(p.Warnings) > 20 {
		t.Errorf("%+v, %v", p, err)
	}
}
