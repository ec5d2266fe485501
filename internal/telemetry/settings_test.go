package telemetry_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/claude-force/claude-force/internal/llm/llmtest"
	"github.com/claude-force/claude-force/internal/telemetry"
)

func TestWhoSpeaks(t *testing.T) {
	vars := jsonTo.with(env{
		"OTEL_SERVICE_NAME": "reviews", "OTEL_RESOURCE_ATTRIBUTES": "service.name=other, deployment.environment.name=pre%20prod ,",
		"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20s3cret", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
	})
	tel, c := start(t, vars, telemetry.Options{})
	call(t, t.Context(), tel, llmtest.Step{Text: "ok"})
	shutdown(t, tel)
	d := c.got("/v1/traces")[0]
	if d.header.Get("Authorization") != "Bearer s3cret" || d.header.Get("Content-Type") != "application/json" || d.header.Get("User-Agent") != "claude-force/1.2.3" {
		t.Errorf("headers = %v", d.header)
	}
	var got traces
	if err := json.Unmarshal(d.body, &got); err != nil {
		t.Fatal(err)
	}
	want(t, got.ResourceSpans[0].Resource.Attributes, map[string]string{
		"service.name": "reviews", "service.version": "1.2.3", "deployment.environment.name": "pre prod", "telemetry.sdk.language": "go",
	})
	scope := got.ResourceSpans[0].ScopeSpans[0]
	if scope.Scope.Version != "1.2.3" || !strings.HasSuffix(scope.SchemaURL, "/1.41.0") {
		t.Errorf("scope = %+v", scope)
	}
}

func TestNothingIsSentThatIsNotConfigured(t *testing.T) {
	for name, vars := range map[string]env{
		"nothing set":  {},
		"disabled":     jsonTo.with(env{"OTEL_SDK_DISABLED": "True"}),
		"headers only": {"OTEL_EXPORTER_OTLP_HEADERS": "a=b"},
		"both off":     jsonTo.with(env{"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}),
		"TRACEPARENT":  {"TRACEPARENT": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
	} {
		tel, err := telemetry.New(t.Context(), telemetry.Options{Getenv: func(name string) string { return vars[name] }})
		if tel != nil || err != nil {
			t.Errorf("%s: New = %v, %v", name, tel, err)
		}
		if tel.RunLayer() != nil || tel.ExchangeLayer() != nil || tel.Shutdown(t.Context()) != nil {
			t.Errorf("%s: a nil Telemetry does something", name)
		}
	}
	var none *telemetry.Metrics
	if none.RunLayer() != nil || none.ExchangeLayer() != nil {
		t.Error("nil Metrics have layers")
	}
}

func TestOneSignalAlone(t *testing.T) {
	for name, c := range map[string]struct {
		vars            env
		traces, metrics string
	}{
		"metrics off":       {jsonTo.with(env{"OTEL_METRICS_EXPORTER": "none"}), "/v1/traces", ""},
		"traces off":        {jsonTo.with(env{"OTEL_TRACES_EXPORTER": "none"}), "", "/v1/metrics"},
		"traces' endpoint":  {env{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "$C/here", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"}, "/here", ""},
		"metrics' endpoint": {env{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "$C", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/json"}, "", "/"},
		"a base with path":  {env{"OTEL_EXPORTER_OTLP_ENDPOINT": "$C/otlp/", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "/otlp/v1/traces", "/otlp/v1/metrics"},
	} {
		t.Run(name, func(t *testing.T) {
			tel, collector := start(t, c.vars, telemetry.Options{})
			call(t, t.Context(), tel, llmtest.Step{Text: "ok"})
			shutdown(t, tel)
			wanted := 0
			for _, path := range []string{c.traces, c.metrics} {
				if path == "" {
					continue
				}
				if wanted++; len(collector.got(path)) != 1 {
					t.Errorf("nothing came at %s", path)
				}
			}
			if len(collector.kept) != wanted {
				t.Errorf("%d requests, want %d", len(collector.kept), wanted)
			}
		})
	}
}

func TestWrongVariables(t *testing.T) {
	for _, c := range []struct{ name, value, says string }{
		{"OTEL_TRACES_EXPORTER", "zipkin", "none, otlp, console"},
		{"OTEL_METRICS_EXPORTER", "prometheus", "none, otlp, console"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "collector.test:4317", "address"},
		{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://user:hunter2@%zz", "address"},
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf or http/json"},
		{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "thrift", "http/protobuf or http/json"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "hunter2", "name=value"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "key=hunter2%0d%0aevil", "HTTP header"},
		{"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "k=hunter2%", "percent"},
		{"OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "whole number"},
		{"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "none, gzip"},
		{"OTEL_RESOURCE_ATTRIBUTES", strings.Repeat("a=b,", 129), "128 pairs"},
		{"OTEL_TRACES_SAMPLER", "sometimes", "always_on"},
		{"OTEL_TRACES_SAMPLER_ARG", "NaN", "0 to 1"},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "0", "whole number"},
		{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5000", "OTEL_BSP_MAX_QUEUE_SIZE"},
		{"OTEL_BSP_SCHEDULE_DELAY", "-1", "whole number"},
		{"OTEL_METRIC_EXPORT_INTERVAL", "soon", "whole number"},
		{"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "eventual", "cumulative"},
		{"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "yes", "true"},
	} {
		vars := env{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:1", "OTEL_TRACES_SAMPLER": "traceidratio"}.with(env{c.name: c.value})
		tel, err := telemetry.New(t.Context(), telemetry.Options{Getenv: func(name string) string { return vars[name] }})
		if tel != nil || err == nil || !strings.HasPrefix(err.Error(), c.name+" ") || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s=%s: New = %v, %v", c.name, c.value, tel, err)
		}
	}
}

func TestSamplers(t *testing.T) {
	for vars, sent := range map[[2]string]bool{
		{"always_on", ""}: true, {"always_off", ""}: false, {"traceidratio", "0"}: false, {"traceidratio", "1"}: true,
		{"parentbased_traceidratio", "0"}: false, {"parentbased_always_off", ""}: false,
	} {
		tel, c := start(t, jsonTo.with(env{"OTEL_TRACES_SAMPLER": vars[0], "OTEL_TRACES_SAMPLER_ARG": vars[1]}), telemetry.Options{})
		call(t, t.Context(), tel, llmtest.Step{Text: "ok"})
		shutdown(t, tel)
		if got := len(c.got("/v1/traces")) > 0; got != sent {
			t.Errorf("%v: sent %v, want %v", vars, got, sent)
		}
		if len(c.got("/v1/metrics")) == 0 {
			t.Errorf("%v: metrics depend on the sampler", vars)
		}
	}
}
