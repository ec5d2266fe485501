package sim_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/sim"
)

// TestRules checks what is refused, and with which words.
func TestRules(t *testing.T) {
	const (
		opus55   = "claude-opus-5-5"
		opus5    = "claude-opus-5"
		opus46   = "claude-opus-4-6"
		opus45   = "claude-opus-4-5"
		sonnet55 = "claude-sonnet-5-5"
		haiku55  = "claude-haiku-5-5"
		haiku45  = "claude-haiku-4-5"
		fable5   = "claude-fable-5"
	)
	tool := `"tools":[{"name":"read","input_schema":{"type":"object"}}]`
	forced := `"tool_choice":{"type":"any"}`
	prefill := func(id string) string {
		return `{"model":"` + id + `","max_tokens":100,"messages":[{"role":"user","content":"Say it"},{"role":"assistant","content":"It is"}]}`
	}
	messages := func(list string) string {
		return `{"model":"` + sonnet55 + `","max_tokens":100,"messages":[` + list + `]}`
	}
	marked := `{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}`
	tests := []struct {
		name   string
		body   string
		want   string // of the message; "" is an answer
		status int    // 400 unless it says otherwise
	}{
		{name: "not JSON", body: `{"model":`, want: "not valid JSON"},
		{name: "not UTF-8", body: "{\"model\":\"\xff\"}", want: "not valid JSON"},
		{name: "no object", body: `[]`, want: "Input should be an object"},
		{name: "rest", body: ask("hi") + "x", want: "unexpected data"},
		{name: "no model", body: `{"max_tokens":1,"messages":[]}`, want: "model: Field required"},
		{name: "empty model", body: askModel("", "hi"), want: "model: String should have at least 1 character"},
		{name: "unknown model", body: askModel("claude-9", "hi"), want: "model: claude-9", status: 404},
		{name: "retired model", body: askModel("claude-2.1", "hi"), want: "model: claude-2.1", status: 404},
		{name: "alias", body: askModel(haiku45, "[[say ok]]")},
		{name: "no max_tokens", body: `{"model":"` + opus55 + `","messages":[{"role":"user","content":"hi"}]}`, want: "max_tokens: Field required"},
		{name: "negative max_tokens", body: ask("hi", `"max_tokens":-1`), want: "max_tokens: Input should be greater than or equal to 0"},
		{name: "max_tokens no number", body: ask("hi", `"max_tokens":"9"`), want: "max_tokens: Input should be a valid integer"},
		{name: "max_tokens broken", body: ask("hi", `"max_tokens":1.5`), want: "max_tokens: Input should be a valid integer"},
		{name: "max_tokens whole", body: ask("[[say ok]]", `"max_tokens":100.0`)},
		{name: "max_tokens above the model's", body: ask("hi", `"max_tokens":128001`), want: "max_tokens: 128001 > 128000, which is the maximum allowed number of output tokens for claude-sonnet-5-5"},
		{name: "unknown field", body: ask("hi", `"temprature":1`), want: "temprature: Extra inputs are not permitted"},
		{name: "beta field without its header", body: ask("hi", `"mcp_servers":[]`), want: "mcp_servers: Extra inputs are not permitted"},
		{name: "null option", body: ask("[[say ok]]", `"temperature":null,"system":null`)},
		{name: "metadata", body: ask("hi", `"metadata":{"user":"x"}`), want: "metadata.user: Extra inputs are not permitted"},
		{name: "service tier", body: ask("hi", `"service_tier":"gold"`), want: "service_tier: Input should be"},

		{name: "no messages", body: messages(""), want: "messages: at least one message is required"},
		{name: "first role", body: messages(`{"role":"assistant","content":"hi"}`), want: `messages: first message must use the "user" role`},
		{name: "unknown role", body: messages(`{"role":"tool","content":"hi"}`), want: "messages.0.role: Input should be"},
		{name: "no content", body: messages(`{"role":"user"}`), want: "messages.0.content: Field required"},
		{name: "empty text", body: messages(`{"role":"user","content":""}`), want: "messages: text content blocks must be non-empty"},
		{name: "blank text", body: messages(`{"role":"user","content":[{"type":"text","text":" \n"}]}`), want: "messages: text content blocks must contain non-whitespace text"},
		{name: "empty content", body: messages(`{"role":"user","content":[]}`), want: "messages.0: all messages must have non-empty content"},
		{name: "empty system", body: ask("hi", `"system":""`), want: "system: text content blocks must be non-empty"},
		{name: "system blocks", body: ask("[[say ok]]", `"system":[{"text":"Be brief.","type":"text"}]`)},
		{name: "block without type", body: messages(`{"role":"user","content":[{"text":"a"}]}`), want: "messages.0.content.0.type: Field required"},
		{name: "block with more", body: messages(`{"role":"user","content":[{"text":"a","name":"b","type":"text"}]}`), want: "messages.0.content.0.text.name: Extra inputs are not permitted"},
		{name: "trailing space of prefill", body: `{"model":"` + haiku45 + `","max_tokens":9,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b "}]}`, want: "final assistant content cannot end with trailing whitespace"},
		{name: "unanswered tool", body: messages(`{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"read","input":{}}]},{"role":"user","content":"b"}`), want: "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: t1"},
		{name: "result of nothing", body: messages(`{"role":"user","content":[{"type":"tool_result","tool_use_id":"t9","content":"x"}]}`), want: "messages.0.content.0: unexpected `tool_use_id` found in `tool_result` blocks: t9"},
		{name: "answered tool", body: messages(`{"role":"user","content":"[[then]] [[say ok]]"},{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"read","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"x"}]}`)},

		{name: "prefill refused", body: prefill(sonnet55), want: "This model does not support assistant message prefill. The conversation must end with a user message."},
		{name: "prefill refused by 4.6", body: prefill(opus46), want: "does not support assistant message prefill"},
		{name: "prefill", body: prefill(haiku45)},

		{name: "temperature refused", body: ask("hi", `"temperature":0.5`), want: "`temperature` is deprecated for this model."},
		{name: "temperature default", body: ask("[[say ok]]", `"temperature":1.0`)},
		{name: "top_p refused", body: ask("hi", `"top_p":0.5`), want: "`top_p` is deprecated"},
		{name: "top_p harmless", body: ask("[[say ok]]", `"top_p":0.99`)},
		{name: "top_k refused", body: ask("hi", `"top_k":40`), want: "`top_k` is deprecated"},
		{name: "temperature of 4.6", body: askModel(opus46, "[[say ok]]", `"temperature":0.5,"top_p":0.9`)},
		{name: "both of 4.5", body: askModel(haiku45, "hi", `"temperature":0.5,"top_p":0.9`), want: "`temperature` and `top_p` cannot both be specified"},
		{name: "temperature range", body: askModel(haiku45, "hi", `"temperature":1.5`), want: "temperature: Input should be less than or equal to 1"},
		{name: "temperature while thinking", body: askModel(opus46, "hi", `"temperature":0.5,"thinking":{"type":"adaptive"}`), want: "`temperature` may only be set to 1 when thinking is enabled"},
		{name: "stop sequence", body: ask("hi", `"stop_sequences":["\n"]`), want: "stop_sequences: each stop sequence must contain non-whitespace"},

		{name: "effort unknown", body: ask("hi", `"output_config":{"effort":"extreme"}`), want: "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'"},
		{name: "effort not of the model", body: askModel(opus46, "hi", `"output_config":{"effort":"xhigh"}`), want: "This model does not support effort level 'xhigh'. Supported levels: high, low, max, medium."},
		{name: "effort of none", body: askModel(haiku45, "hi", `"output_config":{"effort":"low"}`), want: "This model does not support the effort parameter."},
		{name: "effort", body: askModel(opus55, "[[say ok]]", `"output_config":{"effort":"max"}`)},
		{name: "output_config field", body: ask("hi", `"output_config":{"mood":"good"}`), want: "output_config.mood: Extra inputs are not permitted"},
		{name: "format type", body: ask("hi", `"output_config":{"format":{"type":"xml","schema":{}}}`), want: "output_config.format.type: Input should be 'json_schema'"},

		{name: "thinking disabled refused", body: askModel(opus55, "hi", `"thinking":{"type":"disabled"}`), want: `"thinking.type.disabled" is not supported for this model. Use "thinking.type.adaptive"`},
		{name: "thinking disabled up to high", body: askModel(opus5, "hi", `"thinking":{"type":"disabled"},"output_config":{"effort":"xhigh"}`), want: "output_config.effort 'xhigh' is not supported when thinking is disabled on this model."},
		{name: "thinking disabled", body: askModel(haiku55, "[[say ok]]", `"thinking":{"type":"disabled"}`)},
		{name: "thinking adaptive refused", body: askModel(opus45, "hi", `"thinking":{"type":"adaptive"}`), want: "adaptive thinking is not supported on this model"},
		{name: "thinking enabled refused", body: askModel(opus55, "hi", `"thinking":{"type":"enabled","budget_tokens":2000}`), want: `"thinking.type.enabled" is not supported for this model.`},
		{name: "between_tools", body: ask("[[say ok]]", `"thinking":{"type":"between_tools"}`)},
		{name: "between_tools refused", body: askModel(opus55, "hi", `"thinking":{"type":"between_tools"}`), want: `"thinking.type.between_tools" is not supported`},
		{name: "no budget", body: askModel(haiku45, "hi", `"thinking":{"type":"enabled"}`), want: "thinking.enabled.budget_tokens: Field required"},
		{name: "small budget", body: askModel(haiku45, "hi", `"max_tokens":2000,"thinking":{"type":"enabled","budget_tokens":100}`), want: "budget_tokens: Input should be greater than or equal to 1024"},
		{name: "large budget", body: askModel(haiku45, "hi", `"max_tokens":2000,"thinking":{"type":"enabled","budget_tokens":2000}`), want: "`max_tokens` must be greater than `thinking.budget_tokens`."},
		{name: "budget", body: askModel(haiku45, "[[say ok]]", `"max_tokens":2000,"thinking":{"type":"enabled","budget_tokens":1024}`)},
		{name: "unknown thinking", body: ask("hi", `"thinking":{"type":"deep"}`), want: "thinking: Input tag 'deep'"},

		{name: "forced tool refused", body: ask("hi", tool, forced), want: `tool_choice: type "tool" and "any" are not supported for this model.`},
		{name: "forced tool", body: askModel(fable5, "hi", tool, forced)},
		{name: "forced and thinking", body: askModel(haiku45, "hi", tool, forced, `"max_tokens":2000,"thinking":{"type":"enabled","budget_tokens":1024}`), want: "Thinking may not be enabled when tool_choice forces tool use."},
		{name: "choice without tools", body: ask("hi", `"tool_choice":{"type":"auto"}`), want: "tool_choice may only be specified while providing tools."},
		{name: "choice of no tool", body: askModel(haiku45, "hi", tool, `"tool_choice":{"type":"tool","name":"write"}`), want: "Tool 'write' not found in provided tools"},
		{name: "tool name", body: ask("hi", `"tools":[{"name":"a b","input_schema":{}}]`), want: "tools.0.custom.name: String should match pattern"},
		{name: "tool twice", body: ask("hi", `"tools":[{"name":"a","input_schema":{}},{"name":"a","input_schema":{}}]`), want: "tools: Tool names must be unique."},
		{name: "tool without schema", body: ask("hi", `"tools":[{"name":"a"}]`), want: "tools.0.custom.input_schema: Field required"},
		{name: "server tool", body: ask("[[say ok]]", `"tools":[{"type":"web_search_20260318","name":"web_search","max_uses":2}]`)},

		{name: "geography", body: ask("[[say ok]]", `"inference_geo":"us"`)},
		{name: "geography of old models", body: askModel(haiku45, "hi", `"inference_geo":"us"`), want: "inference_geo: claude-haiku-4-5-20251001 does not support"},
		{name: "geography unknown", body: ask("hi", `"inference_geo":"moon"`), want: "inference_geo: Input should be"},
		{name: "speed of others", body: ask("hi", `"speed":"fast"`), want: "speed: claude-sonnet-5-5 does not support speed 'fast'"},
		{name: "speed without its header", body: askModel(opus55, "hi", `"speed":"fast"`), want: "fast-mode-2026-02-01"},

		{name: "five breakpoints", body: messages(`{"role":"user","content":[` + strings.Join([]string{marked, marked, marked, marked, marked}, ",") + `]}`), want: "A maximum of 4 blocks with cache_control may be provided. Found 5."},
		{name: "hour after five minutes", body: messages(`{"role":"user","content":[` + marked + `,{"type":"text","text":"[[say ok]]","cache_control":{"type":"ephemeral","ttl":"1h"}}]}`), want: "messages.0.content.1.cache_control.ttl: a ttl='1h' cache_control block must not come after"},
		{name: "unknown ttl", body: messages(`{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"2h"}}]}`), want: "messages.0.content.0.cache_control.ttl: Input should be '5m' or '1h'"},
		{name: "top-level breakpoint", body: ask("[[say ok]]", `"cache_control":{"type":"ephemeral"}`)},

		{name: "forged thinking", body: messages(`{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"thinking","thinking":"x","signature":"y"},{"type":"text","text":"b"}]},{"role":"user","content":"c"}`), want: "messages.1.content.0: Invalid `signature` in `thinking` block"},
		{name: "directive", body: ask("[[words many]]"), want: "[[words N]]"},
		{name: "tool directive", body: ask("[[tool read nothing]]"), want: "the input must be a JSON object"},
	}
	s, _ := newServer(t, sim.Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want == "" {
				send(t, s, 200, tt.body)
				return
			}
			status, kind := http.StatusBadRequest, "invalid_request_error"
			if tt.status == http.StatusNotFound {
				status, kind = tt.status, "not_found_error"
			}
			m := send(t, s, status, tt.body)
			if !strings.Contains(m.Error.Message, tt.want) || m.Error.Type != kind || m.RequestID == "" {
				t.Errorf("%s %q (request %q), want %s with %q", m.Error.Type, m.Error.Message, m.RequestID, kind, tt.want)
			}
		})
	}
}

// TestHeaders checks credentials, the API's version and betas.
func TestHeaders(t *testing.T) {
	open, _ := newServer(t, sim.Options{})
	locked, _ := newServer(t, sim.Options{Keys: []string{"good", "better"}})
	anonymous, _ := newServer(t, sim.Options{AllowAnonymous: true})
	modern := map[string]string{"anthropic-version": "2026-10-21"}
	tests := []struct {
		name   string
		server http.Handler
		header map[string]string
		body   string
		status int
		want   string
	}{
		{name: "any key", server: open, status: 200},
		{name: "bearer", server: open, header: map[string]string{"x-api-key": "", "authorization": "Bearer t"}, status: 200},
		{name: "no key", server: open, header: map[string]string{"x-api-key": ""}, status: 401, want: "x-api-key header is required"},
		{name: "empty bearer", server: open, header: map[string]string{"x-api-key": "", "authorization": "Bearer "}, status: 401, want: "required"},
		{name: "good key", server: locked, header: map[string]string{"x-api-key": "better"}, status: 200},
		{name: "bad key", server: locked, status: 401, want: "invalid x-api-key"},
		{name: "bad bearer", server: locked, header: map[string]string{"x-api-key": "", "authorization": "Bearer t"}, status: 401, want: "Invalid bearer token"},
		{name: "anonymous", server: anonymous, header: map[string]string{"x-api-key": ""}, status: 200},
		{name: "no version", server: open, header: map[string]string{"anthropic-version": ""}, status: 400, want: "anthropic-version: header is required"},
		{name: "unknown version", server: open, header: map[string]string{"anthropic-version": "2024-01-01"}, status: 400, want: `anthropic-version: "2024-01-01" is not a valid version`},
		{name: "modern", server: open, header: modern, status: 200},
		{name: "modern sampling", server: open, header: modern, body: askModel("claude-opus-4-6", "hi", `"temperature":1`), status: 400, want: "temperature: Extra inputs are not permitted"},
		{name: "modern citations", server: open, header: modern, body: `{"model":"claude-opus-5-5","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"a","citations":[{"type":"char_location"}]}]}]}`, status: 400, want: "messages.0.content.0.text.citations: Extra inputs are not permitted"},
		{name: "modern documents", server: open, header: modern, body: `{"model":"claude-haiku-4-5","max_tokens":9,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"d"}}]}]}`, status: 400, want: "messages.1.content.0: document blocks are not permitted"},
		{name: "fast", server: open, header: map[string]string{"anthropic-beta": "x, fast-mode-2026-02-01"}, body: askModel("claude-opus-5-5", "[[say ok]]", `"speed":"fast"`), status: 200},
		{name: "beta field", server: open, header: map[string]string{"anthropic-beta": "context-management-2025-06-27"}, body: ask("[[say ok]]", `"context_management":{"edits":[]}`), status: 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := tt.body
			if body == "" {
				body = ask("[[say ok]]")
			}
			m := decode(t, call{body: body, header: tt.header}.do(t, tt.server), tt.status)
			if !strings.Contains(m.Error.Message, tt.want) {
				t.Errorf("message %q, want one with %q", m.Error.Message, tt.want)
			}
		})
	}
}

// TestTooLarge checks the size of bodies and of prompts.
func TestTooLarge(t *testing.T) {
	s, _ := newServer(t, sim.Options{})
	if m := send(t, s, 413, ask(strings.Repeat("word ", 7<<20))); m.Error.Type != "request_too_large" {
		t.Errorf("error type %s", m.Error.Type)
	}
	m := send(t, s, 400, askModel("claude-haiku-4-5", strings.Repeat("word ", 250_000)))
	if want := "prompt is too long: 250008 tokens > 200000 maximum"; m.Error.Message != want {
		t.Errorf("message %q, want %q", m.Error.Message, want)
	}
	// A prompt that leaves too little room is answered as far as it goes.
	m = send(t, s, 200, askModel("claude-haiku-4-5", strings.Repeat("word ", 199_900)+"[[words 500]]", `"max_tokens":1000`))
	if m.StopReason != "model_context_window_exceeded" || m.Usage.Input+m.Usage.Output != 200_000 {
		t.Errorf("stop reason %s after %d + %d tokens", m.StopReason, m.Usage.Input, m.Usage.Output)
	}
}

// TestLifecycle checks that a model ends on its day.
func TestLifecycle(t *testing.T) {
	s, c := newServer(t, sim.Options{})
	body := askModel("claude-sonnet-4-5", "[[say ok]]")
	send(t, s, 200, body)
	c.Advance(time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC).Sub(day))
	if m := send(t, s, 404, body); m.Error.Message != "model: claude-sonnet-4-5" {
		t.Errorf("message %q", m.Error.Message)
	}
}

func TestNewRefusesNonsense(t *testing.T) {
	if _, err := sim.New(sim.Options{}); err == nil {
		t.Error("no catalogue is no error")
	}
	catalogue := builtin(t)
	for name, o := range map[string]sim.Options{
		"latency": {Latency: -1},
		"delay":   {TokenDelay: -1},
		"batch":   {BatchDelay: -1},
		"limits":  {Limits: sim.Limits{ITPM: -1}},
		"output":  {OutputTokens: -1},
		"outputs": {OutputTokens: 1 << 30},
		"fault":   {Faults: []sim.Fault{{}}},
		"faults":  {Faults: []sim.Fault{{Status: 500, Hang: true}}},
		"model":   {Faults: []sim.Fault{{Status: 500, Model: "claude-9"}}},
		"key":     {Keys: []string{""}},
	} {
		o.Catalogue = catalogue
		if _, err := sim.New(o); err == nil {
			t.Errorf("%s: nonsense is no error", name)
		}
	}
}

// TestModels checks the pages of the list and the single record.
func TestModels(t *testing.T) {
	s, _ := newServer(t, sim.Options{})
	get := func(path string, status int) list {
		return decodeList(t, call{method: http.MethodGet, path: path}.do(t, s), status)
	}
	all := get("/v1/models?limit=1000", 200)
	if all.HasMore || len(all.Data) < 15 || all.FirstID != all.Data[0].ID {
		t.Errorf("%d models, more %v", len(all.Data), all.HasMore)
	}
	for _, m := range all.Data {
		if m.Lifecycle == "retired" {
			t.Errorf("%s is in the list although it is retired", m.ID)
		}
	}
	var paged []string
	for after := ""; ; {
		page := get("/v1/models?limit=4&after_id="+after, 200)
		for _, m := range page.Data {
			paged = append(paged, m.ID)
		}
		if after = page.LastID; !page.HasMore {
			break
		}
	}
	if len(paged) != len(all.Data) {
		t.Errorf("%d models in pages of 4, %d in one", len(paged), len(all.Data))
	}
	back := get("/v1/models?limit=2&before_id="+paged[3], 200)
	if len(back.Data) != 2 || back.Data[0].ID != paged[1] || !back.HasMore {
		t.Errorf("the page before %s is %+v", paged[3], back)
	}
	if retired := get("/v1/models?lifecycle[]=retired&limit=1000", 200); len(retired.Data) == 0 || retired.Data[0].Lifecycle != "retired" {
		t.Errorf("retired models: %+v", retired)
	}
	for _, path := range []string{"?limit=0", "?limit=1001", "?limit=x", "?after_id=x", "?before_id=x", "?after_id=a&before_id=b"} {
		get("/v1/models"+path, 400)
	}
	get("/v1/models/claude-9", 404)
	get("/v1/models/claude-2.1", 404)
}

// TestPaths checks what there is not.
func TestPaths(t *testing.T) {
	s, _ := newServer(t, sim.Options{})
	for path, status := range map[string]int{
		"GET /": 404, "GET /v1": 404, "POST /v1/complete": 404, "GET /v1/messages": 405, "PUT /v1/messages/count_tokens": 405,
		"POST /v1/models": 405, "DELETE /v1/messages/batches": 405, "GET /v1/messages/batches/x/y": 404,
		"GET /v1/messages/batches/x": 404, "GET /v1/messages/batches/x/results": 404, "POST /v1/messages/batches/x/cancel": 404,
	} {
		method, path, _ := strings.Cut(path, " ")
		w := call{method: method, path: path}.do(t, s)
		if w.Code != status || w.Header().Get("Request-Id") == "" {
			t.Errorf("%s %s: status %s, want %d", method, path, strconv.Itoa(w.Code), status)
		}
	}
}
