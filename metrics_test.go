package claudeforce_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	claudeforce "github.com/claude-force/claude-force"
	"github.com/claude-force/claude-force/internal/sim"
)

// counting answers every call with a usage of its choice.
type counting struct{ usage string }

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	var body struct{ Model string }
	err := json.NewDecoder(r.Body).Decode(&body)
	text := fmt.Sprintf(`{"type":"message","id":"msg_1","role":"assistant","model":%q,"content":[{"type":"text","text":"x"}],"stop_reason":"end_turn","usage":%s}`, body.Model, c.usage)
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(text)), ContentLength: int64(len(text)), Request: r,
	}, err
}

// The published prices, through a whole run into the ledger.
func TestCostsToTheLastDigit(t *testing.T) {
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	answer := &counting{}
	e := open(t, claudeforce.Options{
		Getenv: environment(t, "", "CLAUDE_FORCE_CACHE_ENABLED", "false"), Transport: answer, Now: func() time.Time { return noon },
	})
	var total claudeforce.Money
	byModel := map[string]claudeforce.Money{}
	for _, c := range []struct{ model, usage, want string }{
		// A chat of 3,700 tokens in and 400 out, ten thousand of which come to 114 dollars.
		{"claude-sonnet-5-5", `{"input_tokens":3700,"output_tokens":400}`, "0.0114"},
		{"claude-opus-5-5", `{"input_tokens":1000000,"output_tokens":1000000}`, "24.00"},
		{"claude-sonnet-5-5", `{"input_tokens":1000,"output_tokens":100,"cache_read_input_tokens":100000,"cache_creation_input_tokens":30,"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20}}`, "0.013105"},
		{"claude-haiku-5-5", `{"input_tokens":100000,"output_tokens":1000}`, "0.0105"},
		{"claude-haiku-5-5", `{"input_tokens":100001,"output_tokens":1000}`, "0.0525005"},
		{"claude-haiku-5-5", `{"input_tokens":60000,"output_tokens":1000,"cache_read_input_tokens":40001}`, "0.03450005"},
		{"claude-opus-5-5", `{"input_tokens":1000000,"output_tokens":1000000,"speed":"fast"}`, "48.00"},
		{"claude-sonnet-5-5", `{"input_tokens":1000000,"output_tokens":1000000,"inference_geo":"us"}`, "13.20"},
		{"claude-opus-5-5", `{"input_tokens":0,"output_tokens":1000000,"speed":"fast","inference_geo":"us","service_tier":"batch"}`, "22.00"},
		{"claude-sonnet-5-5", `{"input_tokens":1,"output_tokens":70,"output_tokens_details":{"thinking_tokens":40}}`, "0.000702"},
	} {
		answer.usage = c.usage
		r, err := e.Run(t.Context(), claudeforce.Run{Agent: "code-reviewer", Task: "x", Model: c.model})
		if err != nil || r.Cost == nil {
			t.Fatalf("%s: %+v, %v", c.usage, r, err)
		}
		if r.Cost.String() != c.want {
			t.Errorf("%s %s costs %s, want %s", c.model, c.usage, r.Cost, c.want)
		}
		total += *r.Cost
		byModel[c.model] += *r.Cost
	}
	costs, err := e.Costs(t.Context(), claudeforce.MetricsFilter{})
	if err != nil || costs.Total != total || costs.ByAgent["code-reviewer"] != total || !maps.Equal(costs.ByModel, byModel) {
		t.Errorf("Costs = %+v, %v, want %s and %v", costs, err, total, byModel)
	}
	m, err := e.Metrics(t.Context(), claudeforce.MetricsFilter{Hours: 1})
	if err != nil || m.TotalCost != total || m.Runs != 10 || m.Tokens.Thinking != 40 || m.Tokens.CacheWrite1h != 20 {
		t.Errorf("Metrics = %+v, %v", m, err)
	}
}

// Retries, failures, hits and tags: what the results say is what the ledger
// says, and it outlives the engine.
func TestTheLedgerIsTheSumOfTheResults(t *testing.T) {
	_, url := simulate(t, sim.Options{Faults: []sim.Fault{{Status: 529, First: 20}}})
	getenv := environment(t, url)
	dir := t.TempDir()
	write(t, filepath.Join(dir, ".git", "HEAD"), "ref: refs/heads/feature/x\n")
	o := claudeforce.Options{Dir: dir, Getenv: getenv, Jitter: func() float64 { return 0 }}
	e := open(t, o)
	var file strings.Builder
	for i := range 60 {
		fmt.Fprintf(&file, `{"id":%d,"agent":%q,"task":"[[words %d]]","tags":{"part":"%d"}}`+"\n", i, []string{"code-reviewer", "python-expert"}[i%2], 1+i%50, i%3)
	}
	fmt.Fprintln(&file, `{"id":"big","agent":"python-expert","model":"haiku","task":"`+strings.Repeat("many words of text ", 30_000)+`"}`)
	fmt.Fprintln(&file, `{"id":"bad","agent":"python-expert","task":"x","tags":{"a b":"1"}}`)
	var results bytes.Buffer
	_, err := e.RunTasks(t.Context(), claudeforce.Tasks{In: strings.NewReader(file.String()), Out: &results, Defaults: claudeforce.Run{Tags: map[string]string{"all": "1", "part": "none"}}})
	if codeOf(err) != claudeforce.CodeSomeFailed {
		t.Fatal(err)
	}
	var total claudeforce.Money
	var attempts int64
	for line := range strings.Lines(results.String()) {
		var r struct {
			ID       any                `json:"id"`
			Cost     claudeforce.Money  `json:"cost_usd"`
			Attempts int64              `json:"attempts"`
			Usage    *claudeforce.Usage `json:"usage"`
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		total += r.Cost
		attempts += r.Attempts
		if r.ID == "big" { // over 100,000 tokens haiku 5.5 takes 0.50 and 2.50, and 0.625 for writes
			u := r.Usage
			if in := u.InputTokens + u.CacheCreationInputTokens; in <= 100_000 || r.Cost != claudeforce.Money(u.InputTokens*500+u.CacheCreationInputTokens*625+u.OutputTokens*2500+u.CacheReadInputTokens*50) {
				t.Errorf("the big prompt costs %s for %+v", r.Cost, u)
			}
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = open(t, o)
	c, err := e.Costs(t.Context(), claudeforce.MetricsFilter{})
	if err != nil {
		t.Fatal(err)
	}
	sum := func(costs map[string]claudeforce.Money, prefix string) (n claudeforce.Money) {
		for name, cost := range costs {
			if strings.HasPrefix(name, prefix) {
				n += cost
			}
		}
		return n
	}
	if c.Total != total || sum(c.ByAgent, "") != total || sum(c.ByModel, "") != total || c.ByTag["all=1"] != total || sum(c.ByTag, "part=") != total || len(c.ByTag) != 5 {
		t.Errorf("%+v, want %s", c, total)
	}
	m, err := e.Metrics(t.Context(), claudeforce.MetricsFilter{})
	if err != nil || m.Exchanges != attempts || m.Exchanges <= m.Runs || m.Errors == 0 || m.Runs != 61 {
		t.Errorf("%+v, %v, want %d exchanges", m, err, attempts)
	}
	var exported bytes.Buffer
	if n, err := e.ExportMetrics(t.Context(), &exported, claudeforce.Export{}); err != nil || n != m.Runs {
		t.Errorf("%d exported, %v", n, err)
	}
	var again claudeforce.Money
	for line := range strings.Lines(exported.String()) {
		var r claudeforce.RunRecord
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.Branch != "feature/x" || r.Tags["all"] != "1" || len(r.TaskHash) != 16 {
			t.Fatalf("%s %v", line, err)
		}
		again += *r.Cost
	}
	if again != total {
		t.Errorf("the export sums to %s, want %s", again, total)
	}
}

// A batch costs half, and its runs keep their tags.
func TestBatchesAreInTheLedger(t *testing.T) {
	_, url := simulate(t, sim.Options{})
	e := open(t, claudeforce.Options{Dir: emptyDir(t), Getenv: environment(t, url)})
	file := `{"id":1,"agent":"code-reviewer","task":"[[words 50]]","tags":{"t":"1"}}` + "\n" + `{"id":2,"agent":"code-reviewer","task":"[[words 70]]"}`
	var results bytes.Buffer
	if _, err := e.RunTasks(t.Context(), claudeforce.Tasks{In: strings.NewReader(file), Out: &results, Via: claudeforce.LaneBatch}); err != nil {
		t.Fatal(err)
	}
	var exported bytes.Buffer
	if n, err := e.ExportMetrics(t.Context(), &exported, claudeforce.Export{}); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	var total claudeforce.Money
	tagged := 0
	for line := range strings.Lines(exported.String()) {
		var r claudeforce.RunRecord
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		want := claudeforce.Money(r.InputTokens*2000+r.OutputTokens*10_000+r.CacheWrite5mTokens*2500+r.CacheReadTokens*100) / 2
		if r.Tier != "batch" || *r.Cost != want || r.ModelReason != "setting" {
			t.Errorf("%s costs %s, want %s", line, r.Cost, want)
		}
		total += *r.Cost
		tagged += len(r.Tags)
	}
	c, err := e.Costs(t.Context(), claudeforce.MetricsFilter{})
	if err != nil || c.Total != total || tagged != 1 || c.ByTag["t=1"] == 0 || c.ByTag["t=1"] == total {
		t.Errorf("%+v, %v, want %s", c, err, total)
	}
}

// An export that follows sees the runs of another engine on the same state.
func TestExportFollowsOtherProcesses(t *testing.T) {
	_, url := simulate(t, sim.Options{})
	getenv, dir := environment(t, url), emptyDir(t)
	o := claudeforce.Options{Dir: dir, Getenv: getenv}
	watcher, worker := open(t, o), open(t, o)
	in, out := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := watcher.ExportMetrics(ctx, out, claudeforce.Export{Follow: true})
		done <- err
	}()
	read := json.NewDecoder(in)
	ended := worker.Ended()
	for i := range 3 {
		r, err := worker.Run(t.Context(), claudeforce.Run{Agent: "code-reviewer", Task: fmt.Sprint("[[say ", i, "]]")})
		if err != nil {
			t.Fatal(err)
		}
		var seen claudeforce.RunRecord
		if err := read.Decode(&seen); err != nil || seen.RunID != r.RunID {
			t.Fatalf("%+v, %v", seen, err)
		}
	}
	<-ended
	if runs, n := worker.Recent(1); n != 3 || len(runs) != 2 || !runs[0].Success {
		t.Errorf("recent: %+v, %d", runs, n)
	}
	cancel()
	if err := <-done; codeOf(err) != claudeforce.CodeCancelled {
		t.Errorf("ExportMetrics = %v", err)
	}
	if _, err := watcher.ExportMetrics(t.Context(), io.Discard, claudeforce.Export{Follow: true, Format: claudeforce.ExportJSON}); codeOf(err) != claudeforce.CodeUsage {
		t.Errorf("a list that follows: %v", err)
	}
}

func TestMetricsOfADemo(t *testing.T) {
	e := open(t, claudeforce.Options{Demo: true, Getenv: environment(t, "")})
	if c, err := e.Costs(t.Context(), claudeforce.MetricsFilter{}); err != nil || c.Total != 0 || c.ByAgent == nil {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := e.Run(t.Context(), claudeforce.Run{Agent: "code-reviewer", Task: "x"}); err != nil {
		t.Fatal(err)
	}
	c, err := e.Costs(t.Context(), claudeforce.MetricsFilter{})
	if err != nil || c.Total == 0 {
		t.Errorf("%+v, %v", c, err)
	}
	points, err := e.Trend(t.Context(), claudeforce.ByHour, claudeforce.MetricsFilter{})
	if err != nil || len(points) != 24 || points[23].Runs+points[22].Runs != 1 {
		t.Errorf("%+v, %v", points, err)
	}
	if _, err := e.PruneMetrics(t.Context(), time.Hour); err != nil {
		t.Error(err)
	}
	for _, err := range []error{
		second(e.Metrics(t.Context(), claudeforce.MetricsFilter{Hours: -1})),
		second(e.Trend(t.Context(), "year", claudeforce.MetricsFilter{})),
		second(e.PruneMetrics(t.Context(), 0)),
		second(e.ExportMetrics(t.Context(), io.Discard, claudeforce.Export{Format: "xml"})),
	} {
		if codeOf(err) != claudeforce.CodeUsage {
			t.Errorf("%v", err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestImport(t *testing.T) {
	e := open(t, claudeforce.Options{Getenv: environment(t, "")})
	var file strings.Builder
	for i := range 1300 {
		fmt.Fprintf(&file, `{"timestamp":%d,"agent_name":"a","model":"claude-sonnet-5-5","success":true,"input_tokens":%d,"output_tokens":0}`+"\r\n", 1763640000+i, i)
	}
	file.WriteString(strings.Repeat("x", 2<<20) + "\n" + `{"timestamp":"2025-11-20T14:0`)
	got, err := e.ImportMetrics(t.Context(), strings.NewReader("\ufeff"+file.String()))
	if codeOf(err) != claudeforce.CodeSomeFailed || got.Imported != 1300 || got.Skipped != 2 || len(got.Warnings) < 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	again, err := e.ImportMetrics(t.Context(), strings.NewReader(file.String()))
	if codeOf(err) != claudeforce.CodeSomeFailed || again.Imported != 0 || again.Known != 1300 || again.Cost != 0 {
		t.Errorf("%+v, %v", again, err)
	}
	m, err := e.Metrics(t.Context(), claudeforce.MetricsFilter{})
	if err != nil || m.Runs != 1300 || m.TotalCost != got.Cost {
		t.Errorf("%+v, %v", m, err)
	}
	// What is exported can be imported, and adds nothing where it is.
	var exported bytes.Buffer
	if _, err := e.ExportMetrics(t.Context(), &exported, claudeforce.Export{}); err != nil {
		t.Fatal(err)
	}
	if same, err := e.ImportMetrics(t.Context(), bytes.NewReader(exported.Bytes())); err != nil || same.Imported != 0 || same.Known != 1300 {
		t.Errorf("%+v, %v", same, err)
	}
	other := open(t, claudeforce.Options{Getenv: environment(t, "")})
	if moved, err := other.ImportMetrics(t.Context(), &exported); err != nil || moved.Imported != 1300 || moved.Cost != got.Cost {
		t.Errorf("%+v, %v", moved, err)
	}
}

func TestBranch(t *testing.T) {
	_, url := simulate(t, sim.Options{})
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"a branch":           {map[string]string{".git/HEAD": "ref: refs/heads/main\n"}, "main"},
		"above the folder":   {map[string]string{"../.git/HEAD": "ref: refs/heads/up\n"}, "up"},
		"a commit":           {map[string]string{".git/HEAD": "0123456789abcdef0123456789abcdef01234567\n"}, ""},
		"a linked work tree": {map[string]string{".git": "gitdir: ../main/.git/worktrees/w\n", "../main/.git/worktrees/w/HEAD": "ref: refs/heads/w\n"}, "w"},
		"nonsense":           {map[string]string{".git": "no git\n"}, ""},
		"control characters": {map[string]string{".git/HEAD": "ref: refs/heads/a\x1b[31m\n"}, ""},
		"endless":            {map[string]string{".git/HEAD": "ref: refs/heads/" + strings.Repeat("a", 1<<20)}, ""},
		"a folder":           {map[string]string{".git/HEAD/x": ""}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "work")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			for file, text := range c.files {
				write(t, filepath.Join(dir, file), text)
			}
			e := open(t, claudeforce.Options{Dir: dir, Getenv: environment(t, url)})
			if _, err := e.Run(t.Context(), claudeforce.Run{Agent: "code-reviewer", Task: "x"}); err != nil {
				t.Fatal(err)
			}
			if runs, _ := e.Recent(0); len(runs) != 1 || runs[0].Branch != c.want {
				t.Errorf("branch = %q, want %q", runs[0].Branch, c.want)
			}
		})
	}
}
