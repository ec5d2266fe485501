package telemetry_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/llm/llmtest"
	"github.com/claude-force/claude-force/internal/telemetry"
)

// FuzzVariables gives every variable that has a form of its own a text: it is
// taken, or refused with a sentence that does not repeat it.
func FuzzVariables(f *testing.F) {
	for _, s := range []string{"", "a=b", " a = b%20c ,, d=e", "=x", "a", "a=%", "a=%0a", "ä=1", "http://x:1/%2f?k=v", strings.Repeat(",a=b", 200)} {
		f.Add(s, s, s, s)
	}
	f.Fuzz(func(t *testing.T, headers, attributes, endpoint, parent string) {
		vars := env{
			"OTEL_EXPORTER_OTLP_HEADERS": headers, "OTEL_RESOURCE_ATTRIBUTES": attributes,
			"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": endpoint, "TRACEPARENT": parent, "OTEL_TRACES_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "none",
		}
		tel, err := telemetry.New(t.Context(), telemetry.Options{Getenv: func(name string) string { return vars[name] }, Console: io.Discard})
		switch {
		case err == nil && tel == nil:
			t.Error("neither telemetry nor an error")
		case err == nil:
			if err := tel.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		case len(headers) > 40 && strings.Contains(err.Error(), headers):
			t.Errorf("%v repeats the headers", err)
		}
	})
}

// FuzzExposition gives names of any kind to the text format.
func FuzzExposition(f *testing.F) {
	f.Add("agent", "model", "code")
	f.Add("a\"b\\c\nd", "\xff\xfe", "\x00")
	f.Fuzz(func(t *testing.T, agent, model, code string) {
		m := telemetry.NewMetrics(telemetry.Options{})
		run(t, m, agent, model, llmtest.Step{Err: &llm.Error{Code: llm.Code(code)}}, llmtest.Step{Response: answer()})
		text := scrape(t, m)
		if !utf8.ValidString(text) {
			t.Error("no UTF-8")
		}
		parseExposition(t, text)
	})
}
