package claudeforce_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	claudeforce "github.com/claude-force/claude-force"
	"github.com/claude-force/claude-force/internal/sim"
)

// collector keeps what it is sent, by path.
type collector struct {
	mu   sync.Mutex
	sent map[string]*bytes.Buffer
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sent[r.URL.Path] == nil {
		c.sent[r.URL.Path] = &bytes.Buffer{}
	}
	c.sent[r.URL.Path].Write(body)
	w.WriteHeader(http.StatusOK)
}

func (c *collector) text(path string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sent[path] == nil {
		return ""
	}
	return c.sent[path].String()
}

func runOnce(t *testing.T, getenv func(string) string) (*claudeforce.Result, error) {
	t.Helper()
	e, err := claudeforce.Open(claudeforce.Options{Dir: emptyDir(t), Getenv: getenv})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	return e.Run(t.Context(), claudeforce.Run{Agent: "code-reviewer", Task: "[[say the secret answer]]"})
}

// A run and its exchange reach a collector with their standard names, without
// what was said.
func TestRunsAreTraced(t *testing.T) {
	c := &collector{sent: map[string]*bytes.Buffer{}}
	server := httptest.NewServer(c)
	defer server.Close()
	_, url := simulate(t, sim.Options{Marked: true})
	if _, err := runOnce(t, environment(t, url, "OTEL_EXPORTER_OTLP_ENDPOINT", server.URL, "OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")); err != nil {
		t.Fatal(err)
	}
	traces, metrics := c.text("/v1/traces"), c.text("/v1/metrics")
	for _, want := range []string{"invoke_agent code-reviewer", "chat claude-sonnet-5-5", "gen_ai.usage.input_tokens", "gen_ai.provider.name"} {
		if !strings.Contains(traces, want) {
			t.Errorf("the traces lack %s: %s", want, traces)
		}
	}
	if !strings.Contains(metrics, "gen_ai.client.operation.duration") {
		t.Errorf("metrics: %s", metrics)
	}
	if strings.Contains(traces+metrics, "secret answer") {
		t.Error("what was said left the process unasked")
	}
}

// Without variables nothing is told; a collector that is away changes no run.
func TestACollectorIsNoPartOfARun(t *testing.T) {
	_, url := simulate(t, sim.Options{Marked: true})
	away := httptest.NewServer(http.NotFoundHandler())
	away.Close()
	for name, env := range map[string][]string{
		"none":   nil,
		"away":   {"OTEL_EXPORTER_OTLP_ENDPOINT", away.URL},
		"closed": {"OTEL_EXPORTER_OTLP_ENDPOINT", away.URL, "OTEL_SDK_DISABLED", "true"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := runOnce(t, environment(t, url, env...))
			if err != nil || !r.Success {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

func TestWrongTelemetryIsSaid(t *testing.T) {
	_, url := simulate(t, sim.Options{Marked: true})
	_, err := runOnce(t, environment(t, url, "OTEL_TRACES_EXPORTER", "pigeon"))
	if f := claudeforce.AsError(err); f == nil || f.Code != claudeforce.CodeConfig || !strings.Contains(f.Message, "OTEL_TRACES_EXPORTER must be one of") {
		t.Errorf("err = %v", err)
	}
}
