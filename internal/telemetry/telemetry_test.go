package telemetry_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/llm/llmtest"
	"github.com/claude-force/claude-force/internal/telemetry"
)

// delivery is one request that a collector got.
type delivery struct {
	path   string
	header http.Header
	body   []byte
}

// fakeCollector keeps what it is sent.
type fakeCollector struct {
	mu   sync.Mutex
	kept []delivery
}

func (c *fakeCollector) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		if unpacked, err := gzip.NewReader(r.Body); err == nil {
			body = unpacked
		}
	}
	b, _ := io.ReadAll(body)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = append(c.kept, delivery{r.URL.Path, r.Header, b})
}

// got returns what came at a path.
func (c *fakeCollector) got(path string) []delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []delivery
	for _, d := range c.kept {
		if d.path == path {
			found = append(found, d)
		}
	}
	return found
}

// env is an environment; $C stands for the collector's address.
type env map[string]string

// start starts telemetry towards a fake collector on a socket.
func start(t *testing.T, vars env, o telemetry.Options) (*telemetry.Telemetry, *fakeCollector) {
	t.Helper()
	c := &fakeCollector{}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	o.Getenv = func(name string) string { return strings.ReplaceAll(vars[name], "$C", server.URL) }
	if o.OnError == nil {
		o.OnError = func(err error) { t.Errorf("OnError: %v", err) }
	}
	if o.Version == "" {
		o.Version = "1.2.3"
	}
	tel, err := telemetry.New(t.Context(), o)
	if err != nil || tel == nil {
		t.Fatalf("New = %v, %v", tel, err)
	}
	t.Cleanup(func() { shutdown(t, tel) })
	return tel, c
}

func shutdown(t *testing.T, tel *telemetry.Telemetry) {
	t.Helper()
	if err := tel.Shutdown(context.Background()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// twice makes each exchange two: the first one's outcome is thrown away.
func twice(next llm.Caller) llm.Caller {
	return llm.CallerFunc(func(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
		_, _ = next.Call(ctx, req, llm.Discard)
		return next.Call(ctx, req, emit)
	})
}

// answer is a response with everything in it that telemetry tells.
func answer() *llm.Response {
	r := llmtest.Whole("claude-sonnet-5-5-20261001", "The secret answer.")
	r.Usage = llm.Usage{Input: 100, Output: 20, Thinking: 5, CacheWrite5m: 10, CacheWrite1h: 1, CacheRead: 1000}
	r.FirstToken = 250 * time.Millisecond
	r.Cost = llm.Cost{Nano: 1_234_567}
	r.Attempts = 2
	r.Waited = 1500 * time.Millisecond
	r.Source = llm.SourceMiss
	return r
}

// span is a span as JSON spells it.
type span struct {
	TraceID, SpanID, ParentSpanID, TraceState, Name string
	Kind, Flags                                     int
	StartTimeUnixNano, EndTimeUnixNano              string
	Attributes                                      attributes
	Status                                          struct {
		Code    int
		Message string
	}
}

type attributes []struct {
	Key   string
	Value map[string]any
}

// value is an attribute's value as JSON, or "".
func (as attributes) value(key string) string {
	for _, a := range as {
		if a.Key == key {
			for _, v := range a.Value {
				if s, ok := v.(string); ok {
					return s
				}
				b, _ := json.Marshal(v)
				return string(b)
			}
		}
	}
	return ""
}

type traces struct {
	ResourceSpans []struct {
		Resource   struct{ Attributes attributes }
		ScopeSpans []struct {
			Scope     struct{ Name, Version string }
			Spans     []span
			SchemaURL string
		}
	}
}

// spans decodes JSON requests; it returns the spans by their names, those of
// one name in the order they ended.
func spans(t *testing.T, bodies ...[]byte) map[string][]span {
	t.Helper()
	found := map[string][]span{}
	for _, body := range bodies {
		var got traces
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		for _, r := range got.ResourceSpans {
			for _, s := range r.ScopeSpans {
				for _, span := range s.Spans {
					found[span.Name] = append(found[span.Name], span)
				}
			}
		}
	}
	return found
}

func bodies(ds []delivery) [][]byte {
	var all [][]byte
	for _, d := range ds {
		all = append(all, d.body)
	}
	return all
}

func call(t *testing.T, ctx context.Context, tel *telemetry.Telemetry, step llmtest.Step, between ...llm.Layer) { //nolint:revive // the context is the call's, not the test's
	t.Helper()
	layers := append([]llm.Layer{tel.RunLayer()}, between...)
	caller := llm.Stack(&llmtest.Script{Steps: []llmtest.Step{step}}, append(layers, tel.ExchangeLayer())...)
	_, _ = caller.Call(ctx, request(), llm.Discard)
}

func request() *llm.Request {
	req := llmtest.Request()
	temperature := 0.5
	req.Temperature = &temperature
	req.Workflow, req.Step, req.Why = "bug-fix", "review", "flag"
	return req
}

var jsonTo = env{"OTEL_EXPORTER_OTLP_ENDPOINT": "$C", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}

// with returns the variables and more.
func (e env) with(more env) env {
	all := env{}
	maps.Copy(all, e)
	maps.Copy(all, more)
	return all
}

func TestLayersConform(t *testing.T) {
	tel, _ := start(t, jsonTo, telemetry.Options{})
	m := telemetry.NewMetrics(telemetry.Options{})
	for name, layer := range map[string]func() llm.Layer{
		"run span": tel.RunLayer, "exchange span": tel.ExchangeLayer,
		"run metrics": m.RunLayer, "exchange metrics": m.ExchangeLayer,
	} {
		t.Run(name, func(t *testing.T) { llmtest.TestLayer(t, layer) })
	}
}

func TestSpansOfARun(t *testing.T) {
	tel, c := start(t, jsonTo, telemetry.Options{BaseURL: "http://gateway.test:8080/v1"})
	call(t, t.Context(), tel, llmtest.Step{Response: answer()}, twice)
	shutdown(t, tel)
	got := spans(t, bodies(c.got("/v1/traces"))...)
	runs, chats := got["invoke_agent code-reviewer"], got["chat claude-sonnet-5-5"]
	if len(runs) != 1 || len(chats) != 2 {
		t.Fatalf("spans = %+v", got)
	}
	run := runs[0]
	if run.Kind != 1 || run.ParentSpanID != "" || len(run.TraceID) != 32 || run.Status.Code != 0 {
		t.Errorf("run = %+v", run)
	}
	want(t, run.Attributes, map[string]string{
		"gen_ai.operation.name": "invoke_agent", "gen_ai.provider.name": "anthropic", "gen_ai.agent.name": "code-reviewer",
		"gen_ai.conversation.id": "run-1", "gen_ai.workflow.name": "bug-fix", "claude_force.workflow.step": "review",
		"gen_ai.request.model": "claude-sonnet-5-5", "gen_ai.response.model": "claude-sonnet-5-5-20261001",
		"claude_force.requested_model": "sonnet", "claude_force.model_reason": "flag", "claude_force.source": "miss",
		"claude_force.attempts": "2", "claude_force.cost.nano_usd": "1234567", "claude_force.waited": "1.5", "error.type": "",
	})
	for i, chat := range chats {
		if chat.Kind != 3 || chat.ParentSpanID != run.SpanID || chat.TraceID != run.TraceID {
			t.Errorf("chat = %+v below %+v", chat, run)
		}
		want(t, chat.Attributes, map[string]string{
			"gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic", "gen_ai.request.model": "claude-sonnet-5-5",
			"gen_ai.response.model": "claude-sonnet-5-5-20261001", "gen_ai.response.id": "msg_test", "claude_force.request.id": "req_test",
			"gen_ai.response.finish_reasons": `{"values":[{"stringValue":"end_turn"}]}`, "gen_ai.response.time_to_first_chunk": "0.25",
			"gen_ai.usage.input_tokens": "1111", "gen_ai.usage.output_tokens": "20", "gen_ai.usage.reasoning.output_tokens": "5",
			"gen_ai.usage.cache_read.input_tokens": "1000", "gen_ai.usage.cache_creation.input_tokens": "11",
			"gen_ai.request.max_tokens": "100", "gen_ai.request.temperature": "0.5",
			"server.address": "gateway.test", "server.port": "8080", "claude_force.attempt": []string{"1", "2"}[i],
		})
	}
	for _, a := range run.Attributes {
		if strings.HasPrefix(a.Key, "gen_ai.usage.") {
			t.Errorf("the run's span has %s: a sum over spans would count it twice", a.Key)
		}
	}
}

func want(t *testing.T, got attributes, values map[string]string) {
	t.Helper()
	for key, value := range values {
		if got.value(key) != value {
			t.Errorf("%s = %q, want %q", key, got.value(key), value)
		}
	}
}

func TestFailures(t *testing.T) {
	refused := llmtest.Whole("claude-sonnet-5-5", "")
	refused.StopReason = "refusal"
	for name, c := range map[string]struct {
		step      llmtest.Step
		run, chat string
	}{
		"refused by the API":   {llmtest.Step{Err: &llm.Error{Code: llm.CodeInvalidRequest, Message: "the task says secret"}}, "invalid_request_error", "invalid_request_error"},
		"refused by the model": {llmtest.Step{Response: refused}, "refusal", ""},
		"cancelled":            {llmtest.Step{Hang: true}, "cancelled", "cancelled"},
	} {
		t.Run(name, func(t *testing.T) {
			tel, collector := start(t, jsonTo, telemetry.Options{})
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			call(t, ctx, tel, c.step)
			shutdown(t, tel)
			got := spans(t, bodies(collector.got("/v1/traces"))...)
			for name, code := range map[string]string{"invoke_agent code-reviewer": c.run, "chat claude-sonnet-5-5": c.chat} {
				s := got[name]
				if len(s) != 1 || s[0].Attributes.value("error.type") != code || (s[0].Status.Code == 2) != (code != "") || s[0].Status.Message != "" {
					t.Errorf("%s = %+v, want error.type %q", name, s, code)
				}
			}
		})
	}
}

func TestContentIsOptIn(t *testing.T) {
	const variable = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
	secrets := []string{"You review code.", "Review this.", "The secret answer."}
	for value, on := range map[string]bool{"": false, "false": false, "no_content": false, "EVENT_ONLY": false, "true": true, "SPAN_ONLY": true} {
		t.Run("is "+value, func(t *testing.T) {
			tel, c := start(t, jsonTo.with(env{variable: value}), telemetry.Options{})
			call(t, t.Context(), tel, llmtest.Step{Response: answer()})
			shutdown(t, tel)
			all := bodies(c.got("/v1/traces"))
			for _, secret := range secrets {
				if found := strings.Contains(string(all[0]), secret); found != on {
					t.Errorf("%q is told: %v, want %v", secret, found, on)
				}
			}
			if !on {
				return
			}
			chat := spans(t, all...)["chat claude-sonnet-5-5"][0].Attributes
			want(t, chat, map[string]string{
				"gen_ai.system_instructions": `[{"type":"text","content":"You review code."}]`,
				"gen_ai.input.messages":      `[{"role":"user","parts":[{"type":"text","content":"Review this."}]}]`,
				"gen_ai.output.messages":     `[{"role":"assistant","parts":[{"type":"text","content":"The secret answer."}],"finish_reason":"end_turn"}]`,
			})
		})
	}
}

func TestLongContentIsCut(t *testing.T) {
	tel, c := start(t, jsonTo.with(env{"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"}), telemetry.Options{})
	long := answer()
	long.Content = []llm.Block{{Text: strings.Repeat("é", 40_000)}, {Text: "behind"}, {JSON: json.RawMessage(`{"type":"image"}`)}}
	call(t, t.Context(), tel, llmtest.Step{Response: long})
	shutdown(t, tel)
	got := spans(t, bodies(c.got("/v1/traces"))...)["chat claude-sonnet-5-5"][0].Attributes.value("gen_ai.output.messages")
	if len(got) > 66_000 || !json.Valid([]byte(got)) || !strings.Contains(got, "é… [cut]") || strings.Contains(got, "behind") {
		t.Errorf("%d bytes, ending %q", len(got), got[max(len(got)-200, 0):])
	}
}

func TestParents(t *testing.T) {
	const (
		traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
		spanID  = "00f067aa0ba902b7"
	)
	own := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	for name, c := range map[string]struct {
		ctx           func(context.Context) context.Context
		vars          env
		trace, parent string
		flags         int
	}{
		"TRACEPARENT":            {nil, env{"TRACEPARENT": "00-" + traceID + "-" + spanID + "-01", "TRACESTATE": "a=b"}, traceID, spanID, 0x301},
		"the context":            {func(ctx context.Context) context.Context { return trace.ContextWithSpanContext(ctx, own) }, nil, own.TraceID().String(), own.SpanID().String(), 0x101},
		"the context over both":  {func(ctx context.Context) context.Context { return trace.ContextWithSpanContext(ctx, own) }, env{"TRACEPARENT": "00-" + traceID + "-" + spanID + "-01"}, own.TraceID().String(), own.SpanID().String(), 0x101},
		"not sampled: no traces": {nil, env{"TRACEPARENT": "00-" + traceID + "-" + spanID + "-00"}, "", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			tel, collector := start(t, jsonTo.with(c.vars), telemetry.Options{})
			ctx := t.Context()
			if c.ctx != nil {
				ctx = c.ctx(ctx)
			}
			call(t, ctx, tel, llmtest.Step{Text: "ok"})
			shutdown(t, tel)
			got := spans(t, bodies(collector.got("/v1/traces"))...)["invoke_agent code-reviewer"]
			if c.trace == "" {
				if len(got) != 0 {
					t.Errorf("spans = %+v", got)
				}
				return
			}
			if len(got) != 1 || got[0].TraceID != c.trace || got[0].ParentSpanID != c.parent || got[0].Flags != c.flags {
				t.Errorf("spans = %+v", got)
			}
		})
	}
}

func TestBrokenTraceParentIsToldAndIgnored(t *testing.T) {
	var told []error
	tel, c := start(t, jsonTo.with(env{"TRACEPARENT": "nonsense"}), telemetry.Options{OnError: func(err error) { told = append(told, err) }})
	call(t, t.Context(), tel, llmtest.Step{Text: "ok"})
	shutdown(t, tel)
	if len(told) != 1 || !strings.Contains(told[0].Error(), "TRACEPARENT") || len(c.got("/v1/traces")) != 1 {
		t.Errorf("told %v", told)
	}
}
