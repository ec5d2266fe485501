package sim_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/sim"
)

// TestWireFormat pins down the wire format of every endpoint, byte for byte.
func TestWireFormat(t *testing.T) {
	tool := `"tools":[{"name":"read","description":"Reads a file","input_schema":{"type":"object","properties":{"path":{"type":"string"}},"required":["path"]}}]`
	limits := sim.Limits{RPM: 1000, ITPM: 2_000_000, OTPM: 400_000}
	tests := []struct {
		name    string
		call    call
		options sim.Options
	}{
		{"message", call{body: ask("[[say Hello, \"world\" <&>.]]")}, sim.Options{}},
		{"message-limits", call{body: ask("[[say Hello.]]")}, sim.Options{Limits: limits}},
		{"message-modern", call{body: ask("[[say Hello.]]"), header: map[string]string{"anthropic-version": "2026-10-21"}}, sim.Options{}},
		{"message-tool", call{body: ask(`[[say I look.]] [[tool read {"path":"a.go"}]] [[tool read {"path":"b.go"}]]`, tool)}, sim.Options{}},
		{"message-refusal", call{body: ask("[[refuse]]")}, sim.Options{}},
		{"message-thinking", call{body: ask("[[say Done.]]", `"thinking":{"type":"adaptive","display":"summarized"}`)}, sim.Options{}},
		{"message-prewarm", call{body: ask("[[say Hello.]]", `"max_tokens":0`)}, sim.Options{}},
		{"message-schema", call{body: ask("Give me the data.", `"output_config":{"format":{"type":"json_schema","schema":{"type":"object","properties":{"name":{"type":"string"},"tags":{"type":"array","items":{"enum":["a","b"]}}},"required":["name","tags"]}}}`)}, sim.Options{}},
		{"message-generated", call{body: ask("Review this.\n\n```go\npackage a\n\nfunc Load(path string) []byte {\n\tb, _ := os.ReadFile(path)\n\treturn b\n}\n```\n")}, sim.Options{Marked: true}},
		{"stream", call{body: ask("[[words 25]]", `"stream":true`)}, sim.Options{}},
		{"stream-tool", call{body: ask(`[[say I look.]] [[tool read {"path":"a.go"}]]`, `"stream":true`, tool)}, sim.Options{}},
		{"stream-thinking-omitted", call{body: ask("[[say Done.]]", `"stream":true`, `"thinking":{"type":"adaptive"}`)}, sim.Options{}},
		{"stream-refusal", call{body: ask("[[say I begin]] [[refuse]]", `"stream":true`)}, sim.Options{}},
		{"count-tokens", call{path: "/v1/messages/count_tokens", body: `{"model":"claude-sonnet-5-5","messages":[{"role":"user","content":"Hello, world"}]}`}, sim.Options{}},
		{"model", call{method: http.MethodGet, path: "/v1/models/claude-opus-4-5"}, sim.Options{}},
		{"models", call{method: http.MethodGet, path: "/v1/models?limit=1"}, sim.Options{}},
		{"error-model", call{body: askModel("claude-3-opus-20240229", "Hello")}, sim.Options{}},
		{"error-429", call{body: ask("Hello")}, sim.Options{Limits: limits, Faults: []sim.Fault{{Status: 429, RetryAfter: 1500 * time.Millisecond}}}},
		{"error-529", call{body: ask("Hello")}, sim.Options{Faults: []sim.Fault{{Status: 529}}}},
		{"error-spend-cap", call{body: ask("Hello")}, sim.Options{Faults: []sim.Fault{{SpendCap: true}}}},
		{"error-event", call{body: ask("[[words 40]]", `"stream":true`)}, sim.Options{Faults: []sim.Fault{{ErrorEvent: "overloaded_error", After: 4}}}},
		{"malformed", call{body: ask("[[words 25]]", `"stream":true`)}, sim.Options{Faults: []sim.Fault{{Malformed: true, After: 4}}}},
		{"error-key", call{body: ask("Hello"), header: map[string]string{"x-api-key": ""}}, sim.Options{}},
		{"error-path", call{path: "/v1/complete"}, sim.Options{}},
		{"error-method", call{method: http.MethodGet}, sim.Options{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := newServer(t, tt.options)
			golden(t, tt.name, tt.call.do(t, s))
		})
	}
}

// TestStream checks a stream over a real socket: the order of its events, and
// that it says the same as an answer that is not streamed.
func TestStream(t *testing.T) {
	s, _ := newServer(t, sim.Options{})
	server := serve(t, s)
	body := ask("Review this.\n\nfunc Load(path string) ([]byte, error) {\n\treturn os.ReadFile(path)\n}\n\nfunc Save(path string) {\n\tpanic(path)\n}\n", `"stream":true`)
	response, err := http.DefaultClient.Do(call{body: body}.request(t.Context(), server.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	list, err := events(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		if n := len(names); n == 0 || names[n-1] != e.name {
			names = append(names, e.name)
		}
	}
	want := "message_start content_block_start ping content_block_delta content_block_stop message_delta message_stop"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("events %s, want %s", got, want)
	}
	if n := len(list); n < 18 || n > 32 {
		t.Errorf("%d events; a usual answer has about 25", n)
	}
	whole := send(t, s, 200, strings.Replace(body, `,"stream":true`, "", 1))
	if got := streamed(t, list); got != whole.text() {
		t.Errorf("the stream says\n%s\nthe answer says\n%s", got, whole.text())
	}
}
