package oracle

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/claude"
	"github.com/claude-force/claude-force/internal/llm"
)

const (
	sonnet = "claude-sonnet-5-5"
	opus   = "claude-opus-5-5"
	haiku  = "claude-haiku-4-5" // an alias; it takes sampling parameters
)

// tools are two tools, as JSON.
const tools = `[
	{"name":"grep","description":"Search \"files\"","input_schema":{"type":"object","properties":{"pattern":{"type":"string"},
	 "limit":{"type":"integer","maximum":9007199254740993}},"required":["pattern"],"additionalProperties":false}},
	{"name":"now","input_schema":{"type":"object"},"cache_control":{"type":"ephemeral","ttl":"1h"}}]`

// format is a structured output.
const format = `{"type":"json_schema","schema":{"type":"object","properties":{"ok":{"type":"boolean"},"why":{"type":["string","null"]}},"required":["ok"],"additionalProperties":false}}`

// inputs are what a caller may ask, by name.
func inputs() map[string]llm.Params {
	all := map[string]llm.Params{
		"a task": {Messages: user("Say hello.")},
		"a system prompt": {
			System:   []llm.Block{{Text: "You review code."}, {Text: "Be brief."}},
			Messages: user("Review this."),
		},
		"breakpoints": {
			System:   []llm.Block{{Text: "Contract.", CacheTTL: "1h"}, {Text: "Skills.", CacheTTL: "5m"}, {Text: "Notes."}},
			Messages: []llm.Message{{Role: "user", Content: []llm.Block{{Text: "File.", CacheTTL: "5m"}, {Text: "Review it."}}}},
		},
		"many turns": {Messages: []llm.Message{
			{Role: "user", Content: []llm.Block{{Text: "One."}}},
			{Role: "assistant", Content: []llm.Block{{Text: "Two."}, {Text: "And a half."}}},
			{Role: "user", Content: []llm.Block{{Text: "Three."}}},
		}},
		"unicode":         {Messages: user("Grüße, 世界 🎉 e\u0301 \u2028\u2029 \u00a0 \ufeff \U0010ffff")},
		"escapes":         {Messages: user("\"quoted\" \\back\\ /slash/ \r\n\t\b\f\v\x00\x1f\x7f <script>&amp;</script> {\"a\":1}")},
		"invalid UTF-8":   {Messages: user("cut \xe4\xb8 \xff\xfe here \xc3")},
		"no temperature":  {Model: haiku, Temperature: new(0.0), Messages: user("Hi.")},
		"a temperature":   {Model: haiku, Temperature: new(0.7), Messages: user("Hi.")},
		"tiny":            {Model: haiku, Temperature: new(1e-7), Messages: user("Hi.")},
		"stop sequences":  {StopSequences: []string{"\n\nHuman:", "</end>", "终"}, Messages: user("Hi.")},
		"effort":          {Effort: "xhigh", Messages: user("Hi.")},
		"format":          {OutputFormat: json.RawMessage(format), Messages: user("Hi.")},
		"effort, format":  {Effort: "low", OutputFormat: json.RawMessage(format), Messages: user("Hi.")},
		"speed, place":    {Model: opus, Speed: "fast", Geo: "us", Betas: []string{"fast-mode-2026-02-01"}, Messages: user("Hi.")},
		"a tool's answer": {Tools: json.RawMessage(tools), Messages: toolConversation()},
	}
	for name, raw := range map[string]string{
		"adaptive": `{"type":"adaptive"}`, "adaptive, shown": `{"type":"adaptive","display":"summarized"}`,
		"enabled": `{"type":"enabled","budget_tokens":2048}`, "enabled, not shown": `{"type":"enabled","budget_tokens":2048,"display":"omitted"}`,
		"disabled": `{"type":"disabled"}`, "between tools": `{"type":"between_tools"}`,
	} {
		all["thinking "+name] = llm.Params{Thinking: json.RawMessage(raw), Messages: user("Think.")}
	}
	for name, raw := range map[string]string{
		"free": "", "auto": `{"type":"auto"}`, "one at a time": `{"type":"auto","disable_parallel_tool_use":true}`,
		"any": `{"type":"any","disable_parallel_tool_use":true}`, "one": `{"type":"tool","name":"grep"}`, "none": `{"type":"none"}`,
	} {
		all["tools "+name] = llm.Params{Tools: json.RawMessage(tools), ToolChoice: json.RawMessage(raw), Messages: user("Look.")}
	}
	for name, p := range all {
		p.MaxTokens = 1024
		if p.Model == "" {
			p.Model = sonnet
		}
		all[name] = p
	}
	return all
}

func toolConversation() []llm.Message {
	return []llm.Message{
		{Role: "user", Content: []llm.Block{{Text: "Find it."}}},
		{Role: "assistant", Content: []llm.Block{
			{JSON: json.RawMessage(`{"type":"thinking","thinking":"Where?","signature":"c2ln"}`)},
			{Text: "Looking."},
			{JSON: json.RawMessage(`{"type":"tool_use","id":"toolu_1","name":"grep","input":{"pattern":"[[a]] \"b\"","limit":9007199254740993}}`)},
			{JSON: json.RawMessage(`{"type":"tool_use","id":"toolu_2","name":"now","input":{},"caller":{"type":"direct"}}`)},
		}},
		{Role: "user", Content: []llm.Block{
			{JSON: json.RawMessage(`{"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"text","text":"a.go:1: é"}],"cache_control":{"type":"ephemeral","ttl":"5m"}}`)},
			{JSON: json.RawMessage(`{"type":"tool_result","tool_use_id":"toolu_2","is_error":true,"content":[{"type":"text","text":"no clock"}]}`)},
		}},
	}
}

// TestRequests compares what the client and the SDK send for the same input.
// The SDK asks for a stream in "stream", which the client's rendered requests
// leave out, because Batches and token counts refuse the field.
func TestRequests(t *testing.T) {
	eachEdition(t, func(t *testing.T, e edition) {
		for name, p := range inputs() {
			if !e.takes(p) {
				continue
			}
			t.Run(name, func(t *testing.T) {
				whole := e.recordSDK(t, func(ctx context.Context, sdk official) { _, _ = sdk.message(ctx, p) })
				sameMeaning(t, request(p).Body(), whole.body)
				streamed := e.recordSDK(t, func(ctx context.Context, sdk official) { _, _ = sdk.stream(ctx, p) })
				sent := e.recordOurs(t, func(ctx context.Context, c *claude.Client) { _, _ = c.Call(ctx, request(p), llm.Discard) })
				sameMeaning(t, sent.body, streamed.body)
				sameAddress(t, sent, streamed)
			})
		}
	})
}

// TestCountRequests does the same for token counts. The client leaves out
// output_config, which the SDK can send as well.
func TestCountRequests(t *testing.T) {
	eachEdition(t, func(t *testing.T, e edition) {
		for name, p := range inputs() {
			t.Run(name, func(t *testing.T) {
				want := e.recordSDK(t, func(ctx context.Context, sdk official) { _, _ = sdk.count(ctx, p) })
				got := e.recordOurs(t, func(ctx context.Context, c *claude.Client) { _, _ = c.CountTokens(ctx, request(p)) })
				sameMeaning(t, got.body, want.body, "output_config")
				sameAddress(t, got, want)
			})
		}
	})
}

// TestBatchRequests puts every input into one batch.
func TestBatchRequests(t *testing.T) {
	eachEdition(t, func(t *testing.T, e edition) {
		var items []claude.BatchItem
		for name, p := range inputs() {
			if e.takes(p) {
				items = append(items, claude.BatchItem{ID: strings.NewReplacer(" ", "-", ",", "", "'", "").Replace(name), Request: request(p)})
			}
		}
		want := e.recordSDK(t, func(ctx context.Context, sdk official) { _, _ = sdk.createBatch(ctx, items) })
		got := e.recordOurs(t, func(ctx context.Context, c *claude.Client) { _, _ = ourBatch(ctx, c, items) })
		sameMeaning(t, got.body, want.body)
		sameAddress(t, got, want)
	})
}

// TestOtherRequests compares the requests that have no body worth comparing.
// The client asks for the largest pages; to cancel it sends an empty object
// where the SDK sends nothing, and both are taken.
func TestOtherRequests(t *testing.T) {
	const id = "msgbatch_1/../x?y" // hostile: it must stay one segment of the path
	eachEdition(t, func(t *testing.T, e edition) {
		for name, one := range map[string]struct {
			sdk  func(context.Context, official)
			ours func(context.Context, *claude.Client)
		}{
			"models": {
				func(ctx context.Context, sdk official) { _, _ = sdk.models(ctx, 100) },
				func(ctx context.Context, c *claude.Client) { _, _ = c.Models(ctx) },
			},
			"batches": {
				func(ctx context.Context, sdk official) { _, _ = sdk.batches(ctx, 100) },
				func(ctx context.Context, c *claude.Client) { _, _ = c.Batches(ctx, time.Time{}) },
			},
			"batch": {
				func(ctx context.Context, sdk official) { _, _ = sdk.batch(ctx, id) },
				func(ctx context.Context, c *claude.Client) { _, _ = c.Batch(ctx, id) },
			},
			"cancel": {
				func(ctx context.Context, sdk official) { _, _ = sdk.cancelBatch(ctx, id) },
				func(ctx context.Context, c *claude.Client) { _, _ = c.CancelBatch(ctx, id) },
			},
			"results": {
				func(ctx context.Context, sdk official) { _, _ = sdk.batchResults(ctx, id) },
				func(ctx context.Context, c *claude.Client) {
					_ = c.BatchResults(ctx, id, func(claude.BatchResult) error { return nil })
				},
			},
		} {
			t.Run(name, func(t *testing.T) {
				want, got := e.recordSDK(t, one.sdk), e.recordOurs(t, one.ours)
				if name == "cancel" && string(got.body) == "{}" && len(want.body) == 0 {
					want.header.Set("Content-Type", "application/json")
				}
				sameAddress(t, got, want)
			})
		}
	})
}

// TestCredentials compares how a key and a token are sent. Version 2026-10-21
// of the SDK sends a key as a bearer token too.
func TestCredentials(t *testing.T) {
	p := inputs()["a task"]
	eachEdition(t, func(t *testing.T, e edition) {
		for _, auth := range []claude.Auth{e.auth, claude.AuthBearer} {
			rec := &recorder{}
			_, _ = e.open(t, access{url: "http://127.0.0.1", auth: auth, transport: rec}).message(t.Context(), p)
			want := rec.only(t)
			rec = &recorder{}
			_, _ = e.ours(t, access{url: "http://127.0.0.1", auth: auth, transport: rec}).Call(t.Context(), request(p), llm.Discard)
			sameAddress(t, rec.only(t), want)
		}
	})
}

// TestBetas compares the header that names betas. The SDK of the older version
// marks its beta service in the query as well, which the API does not need.
func TestBetas(t *testing.T) {
	eachEdition(t, func(t *testing.T, e edition) {
		p := inputs()["a task"]
		p.Betas = []string{"output-300k-2026-03-24", "interleaved-thinking-2025-05-14"}
		want := e.recordSDK(t, func(ctx context.Context, sdk official) { _ = sdk.beta(ctx, p) })
		want.url = strings.TrimSuffix(want.url, "?beta=true")
		got := e.recordOurs(t, func(ctx context.Context, c *claude.Client) { _, _ = c.Call(ctx, request(p), llm.Discard) })
		sameAddress(t, got, want)
		if got.header.Get("Anthropic-Beta") == "" {
			t.Error("no betas were sent")
		}
	})
}

// recordSDK returns the one request that the SDK sends in ask.
func (e edition) recordSDK(t *testing.T, ask func(context.Context, official)) recorded {
	t.Helper()
	rec := &recorder{}
	ask(t.Context(), e.open(t, access{url: "http://127.0.0.1", transport: rec}))
	return rec.only(t)
}

// recordOurs returns the one request that the client sends in ask.
func (e edition) recordOurs(t *testing.T, ask func(context.Context, *claude.Client)) recorded {
	t.Helper()
	rec := &recorder{}
	ask(t.Context(), e.ours(t, access{url: "http://127.0.0.1", transport: rec}))
	return rec.only(t)
}

// sameAddress compares where a request goes and the headers that matter. Of
// the others, the client sends Accept: text/event-stream with messages, and
// the SDK tells of itself and its platform in User-Agent and X-Stainless-*.
func sameAddress(t *testing.T, got, want recorded) {
	t.Helper()
	if got.method != want.method || got.url != want.url {
		t.Errorf("sent to %s %s, the SDK to %s %s", got.method, got.url, want.method, want.url)
	}
	for _, name := range []string{"Anthropic-Version", "Anthropic-Beta", "X-Api-Key", "Authorization"} {
		if g, w := got.header[name], want.header[name]; !reflect.DeepEqual(g, w) {
			t.Errorf("%s: %q, the SDK sends %q", name, g, w)
		}
	}
	// Without a body the type of its content means nothing.
	if g, w := got.header.Get("Content-Type"), want.header.Get("Content-Type"); g != w && got.method != http.MethodGet {
		t.Errorf("Content-Type: %q, the SDK sends %q", g, w)
	}
}

// sameMeaning compares two bodies but for the top-level fields in except.
func sameMeaning(t *testing.T, got, want []byte, except ...string) {
	t.Helper()
	g, w := meaning(t, got), meaning(t, want)
	for _, name := range except {
		delete(g.(map[string]any), name)
		delete(w.(map[string]any), name)
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("the bodies differ in meaning:\nours %s\n SDK %s", got, want)
	}
}

// meaning decodes JSON so that equal values mean the same to the API: numbers
// by value, and breakpoints without the time to live that is the default.
func meaning(t *testing.T, body []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("a body that is not JSON: %v\n%s", err, body)
	}
	return normal(v)
}

func normal(v any) any {
	switch v := v.(type) {
	case json.Number:
		if r, ok := new(big.Rat).SetString(string(v)); ok {
			return r.RatString()
		}
	case []any:
		for i := range v {
			v[i] = normal(v[i])
		}
	case map[string]any:
		if v["type"] == "ephemeral" {
			maps.DeleteFunc(v, func(name string, value any) bool { return name == "ttl" && value == "5m" })
		}
		for name := range v {
			v[name] = normal(v[name])
		}
	}
	return v
}
