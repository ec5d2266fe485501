package telemetry_test

import (
	"context"
	"flag"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/llm/llmtest"
	"github.com/claude-force/claude-force/internal/telemetry"
)

var update = flag.Bool("update", false, "write the golden files anew")

// clock gains a second with each look.
func clock() func() time.Time {
	now := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second)
		return now
	}
}

func scrape(t *testing.T, m *telemetry.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if got := w.Header().Get("Content-Type"); w.Code != http.StatusOK || got != "text/plain; version=0.0.4; charset=utf-8" {
		t.Errorf("status %d, type %q", w.Code, got)
	}
	return w.Body.String()
}

func run(t *testing.T, m *telemetry.Metrics, agent, model string, steps ...llmtest.Step) {
	t.Helper()
	caller := llm.Stack(&llmtest.Script{Steps: steps}, m.RunLayer(), m.ExchangeLayer())
	for range steps {
		req := llm.New(llm.Params{Model: model}, llm.Labels{Agent: agent})
		_, _ = caller.Call(context.Background(), req, llm.Discard)
	}
}

func TestExposition(t *testing.T) {
	m := telemetry.NewMetrics(telemetry.Options{Now: clock(), Version: "1.2.3"})
	hit := &llm.Response{StopReason: "end_turn", Source: llm.SourceMemory, Saved: 2_000_000_001}
	unpriced := llmtest.Whole("mine", "ok")
	unpriced.Cost = llm.Cost{Unknown: true}
	run(
		t, m, "code-reviewer", "claude-sonnet-5-5",
		llmtest.Step{Response: answer()}, llmtest.Step{Response: hit}, llmtest.Step{Err: &llm.Error{Code: llm.CodeRateLimit}}, llmtest.Step{Err: context.Canceled},
	)
	run(t, m, "odd \"name\" \\ \n with\xff", "mine", llmtest.Step{Response: unpriced})
	got := scrape(t, m)
	parseExposition(t, got)
	golden := filepath.Join("testdata", "metrics.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wanted, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(wanted) {
		t.Errorf("the exposition changed; see -update. It is\n%s", got)
	}
}

func TestNamesThatAreNoUTF8AreOneName(t *testing.T) {
	m := telemetry.NewMetrics(telemetry.Options{})
	for _, agent := range []string{"a\xff", "a\uFFFD"} {
		run(t, m, agent, "m", llmtest.Step{Text: "ok"})
	}
	if got := parseExposition(t, scrape(t, m)); got["claude_force_run_duration_seconds_count{agent=\"a\uFFFD\"}"] != 2 {
		t.Errorf("samples = %v", got)
	}
}

// parseExposition reads the text format strictly and returns the samples.
func parseExposition(t *testing.T, text string) map[string]float64 {
	t.Helper()
	sample := regexp.MustCompile(`^([a-z_]+)(\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\S+)$`)
	samples := map[string]float64{}
	kinds := map[string]string{}
	buckets := map[string]float64{} // the last bucket of a series
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if words := strings.Fields(line); strings.HasPrefix(line, "# TYPE ") {
			if kinds[words[2]] != "" {
				t.Errorf("%s is there twice", words[2])
			}
			kinds[words[2]] = words[3]
			continue
		}
		if strings.HasPrefix(line, "# HELP ") {
			continue
		}
		parts := sample.FindStringSubmatch(line)
		if parts == nil {
			t.Fatalf("no sample: %q", line)
		}
		value, err := strconv.ParseFloat(parts[3], 64)
		if _, twice := samples[parts[1]+parts[2]]; err != nil || twice {
			t.Errorf("%s: %v, twice %v", line, err, twice)
		}
		samples[parts[1]+parts[2]] = value
		if name, ok := strings.CutSuffix(parts[1], "_bucket"); ok {
			labels, le, _ := strings.Cut(parts[2], "le=")
			series := name + labels
			if value < buckets[series] || kinds[name] != "histogram" {
				t.Errorf("%s is below the bucket before it", line)
			}
			buckets[series] = value
			if strings.HasPrefix(le, `"+Inf"`) {
				delete(buckets, series)
			}
		}
	}
	if len(buckets) > 0 {
		t.Errorf("series without +Inf: %v", buckets)
	}
	return samples
}

func TestFiguresAreExact(t *testing.T) {
	m := telemetry.NewMetrics(telemetry.Options{})
	for range 1000 {
		resp := llmtest.Whole("m", "ok")
		resp.Cost.Nano = 1_000_001
		run(t, m, "a", "m", llmtest.Step{Response: resp})
	}
	if !strings.Contains(scrape(t, m), `claude_force_cost_usd_total{agent="a",model="m"} 1.000001`+"\n") {
		t.Errorf("%s", scrape(t, m))
	}
	absurd := llmtest.Whole("m", "ok")
	absurd.Usage = llm.Usage{Input: math.MaxInt64, Output: -5}
	run(t, m, "a", "m", llmtest.Step{Response: absurd}, llmtest.Step{Response: absurd})
	samples := parseExposition(t, scrape(t, m))
	if samples[`claude_force_tokens_total{model="m",kind="input"}`] != math.MaxInt64 || samples[`claude_force_tokens_total{model="m",kind="output"}`] != 10_000 {
		t.Errorf("samples = %v", samples)
	}
}

func TestNamesAreBounded(t *testing.T) {
	m := telemetry.NewMetrics(telemetry.Options{})
	for i := range 300 {
		run(t, m, fmt.Sprintf("agent-%d", i), fmt.Sprintf("model-%d", i), llmtest.Step{Err: &llm.Error{Code: llm.Code(fmt.Sprintf("code-%d", i))}})
	}
	samples := parseExposition(t, scrape(t, m))
	count := 0
	for name := range samples {
		if strings.HasPrefix(name, "claude_force_runs_total{") {
			count++
		}
	}
	if count != 201 || samples[`claude_force_runs_total{agent="other",model="other",outcome="failed",source="off"}`] != 100 ||
		samples[`claude_force_exchanges_total{model="other",outcome="other"}`] != 100 {
		t.Errorf("%d series", count)
	}
	// Every agent with every model is too many as well.
	for a := range 120 {
		for n := range 120 {
			run(t, m, fmt.Sprintf("agent-%d", a), fmt.Sprintf("model-%d", n), llmtest.Step{Text: "ok"})
		}
	}
	count, runs := 0, 0.0
	for name, value := range parseExposition(t, scrape(t, m)) {
		if strings.HasPrefix(name, "claude_force_runs_total{") {
			count++
			runs += value
		}
	}
	if count > 5001 || runs != 300+120*120 {
		t.Errorf("%d series, %v runs", count, runs)
	}
}

func TestInFlight(t *testing.T) {
	m := telemetry.NewMetrics(telemetry.Options{})
	inside := llm.CallerFunc(func(context.Context, *llm.Request, func(llm.Event)) (*llm.Response, error) {
		samples := parseExposition(t, scrape(t, m))
		if samples["claude_force_runs_in_flight"] != 1 || samples["claude_force_exchanges_in_flight"] != 1 {
			t.Errorf("in flight: %v", samples)
		}
		return llmtest.Whole("m", "ok"), nil
	})
	_, _ = llm.Stack(inside, m.RunLayer(), m.ExchangeLayer()).Call(t.Context(), llmtest.Request(), llm.Discard)
	samples := parseExposition(t, scrape(t, m))
	if n, there := samples["claude_force_runs_in_flight"]; n != 0 || !there {
		t.Errorf("in flight afterwards: %v, %v", n, there)
	}
}

func TestMetricsAreRead(t *testing.T) {
	m := telemetry.NewMetrics(telemetry.Options{})
	for method, status := range map[string]int{http.MethodHead: 200, http.MethodPost: 405} {
		w := httptest.NewRecorder()
		m.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "/metrics", nil))
		if w.Code != status || strings.Contains(w.Body.String(), "claude_force") {
			t.Errorf("%s: %d %s", method, w.Code, w.Body)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	m := telemetry.NewMetrics(telemetry.Options{})
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			for range 50 {
				run(t, m, fmt.Sprintf("agent-%d", i%3), "m", llmtest.Step{Response: answer()})
				_ = scrape(t, m)
			}
		})
	}
	all.Wait()
	runs := 0.0
	for name, value := range parseExposition(t, scrape(t, m)) {
		if strings.HasPrefix(name, "claude_force_runs_total{") {
			runs += value
		}
	}
	if runs != 1000 {
		t.Errorf("%v runs", runs)
	}
}
