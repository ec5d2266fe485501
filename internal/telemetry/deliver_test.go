package telemetry_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claude-force/claude-force/internal/llm/llmtest"
	"github.com/claude-force/claude-force/internal/telemetry"
)

func TestRunsAreBatched(t *testing.T) {
	tel, c := start(t, jsonTo.with(env{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "100"}), telemetry.Options{})
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			for range 50 {
				call(t, context.Background(), tel, llmtest.Step{Text: "ok"})
			}
		})
	}
	all.Wait()
	shutdown(t, tel)
	got := 0
	for _, d := range c.got("/v1/traces") {
		for _, s := range spans(t, d.body) {
			got += len(s)
		}
	}
	if got != 1000 || len(c.got("/v1/traces")) > 20 {
		t.Errorf("%d spans in %d requests", got, len(c.got("/v1/traces")))
	}
}

// lines is a console for tests.
type lines struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func TestConsole(t *testing.T) {
	out := &lines{}
	tel, c := start(t, env{"OTEL_TRACES_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "console"}, telemetry.Options{Console: out})
	call(t, t.Context(), tel, llmtest.Step{Response: answer()})
	shutdown(t, tel)
	got := strings.Split(strings.TrimSuffix(out.buf.String(), "\n"), "\n")
	if len(got) != 2 || len(c.kept) != 0 {
		t.Fatalf("%d lines: %s", len(got), out.buf.String())
	}
	for _, line := range got {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}
}

// carrier is a transport that answers with statuses, the last one for ever.
type carrier struct {
	statuses []int
	after    string
	times    []time.Time
}

func (c *carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	status := c.statuses[min(len(c.times), len(c.statuses)-1)]
	c.times = append(c.times, time.Now())
	if status == 0 {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {c.after}}, Body: http.NoBody, Request: r}, nil
}

func TestCollectorsThatFail(t *testing.T) {
	for name, c := range map[string]struct {
		carrier
		tries int
		took  time.Duration
		says  string
		flush string
	}{
		"busy, then well":     {carrier{statuses: []int{503, 200}, after: "2"}, 2, 2 * time.Second, "", ""},
		"busy without a word": {carrier{statuses: []int{429}}, 3, 1500 * time.Millisecond, "status 429", ""},
		"refuses":             {carrier{statuses: []int{401}}, 1, 0, "status 401", ""},
		"redirects":           {carrier{statuses: []int{302}}, 1, 0, "status 302", ""},
		"never answers":       {carrier{statuses: []int{0}}, 1, 5 * time.Second, "not reached", "deadline"},
		"busy for an hour":    {carrier{statuses: []int{503}, after: "3600"}, 1, 5 * time.Second, "status 503", "deadline"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				vars := env{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://collector.test/?key=hunter2", "OTEL_EXPORTER_OTLP_HEADERS": "x-key=hunter2"}
				var told []string
				tel, err := telemetry.New(t.Context(), telemetry.Options{
					Getenv: func(name string) string { return vars[name] }, Transport: &c.carrier,
					OnError: func(err error) { told = append(told, err.Error()) },
				})
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				call(t, t.Context(), tel, llmtest.Step{Text: "ok"})
				if took := time.Since(began); took != 0 {
					t.Errorf("the run was kept for %v", took)
				}
				err = tel.Shutdown(context.Background())
				took := time.Since(began)
				synctest.Wait() // for what Shutdown gave up
				if took != c.took || len(c.times) != c.tries {
					t.Errorf("Shutdown took %v and %d tries, want %v and %d", took, len(c.times), c.took, c.tries)
				}
				if (err != nil) != (c.flush != "") || (err != nil && !strings.Contains(err.Error(), c.flush)) {
					t.Errorf("Shutdown = %v", err)
				}
				all := strings.Join(told, "\n")
				if (c.says == "" && all != "") || !strings.Contains(all, c.says) || strings.Contains(all, "hunter2") || len(told) > 1 {
					t.Errorf("told %q, want one error with %q", told, c.says)
				}
			})
		})
	}
}

func TestCollectorThatIsNotThere(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	address := server.URL
	server.Close()
	var mu sync.Mutex
	var told []error
	tel, _ := start(t, env{"OTEL_EXPORTER_OTLP_ENDPOINT": address, "OTEL_BSP_MAX_QUEUE_SIZE": "2"}, telemetry.Options{OnError: func(err error) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, err)
	}})
	for range 100 {
		call(t, t.Context(), tel, llmtest.Step{Text: "ok"})
	}
	shutdown(t, tel)
	shutdown(t, tel)
	if len(told) != 1 || !strings.Contains(told[0].Error(), "not reached") {
		t.Errorf("told %v, want one error", told)
	}
}
