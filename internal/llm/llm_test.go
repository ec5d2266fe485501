package llm_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/llm/llmtest"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestStackOrder(t *testing.T) {
	layer := func(name string) llm.Layer {
		return func(next llm.Caller) llm.Caller {
			return llm.CallerFunc(func(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
				resp, err := next.Call(ctx, req, emit)
				resp.Text = name + "(" + resp.Text + ")"
				return resp, err
			})
		}
	}
	last := &llmtest.Script{Steps: []llmtest.Step{{Text: "x"}}}
	resp, err := llm.Stack(last, layer("outer"), nil, layer("inner")).Call(t.Context(), llmtest.Request(), llm.Discard)
	if err != nil || resp.Text != "outer(inner(x))" {
		t.Fatalf("Stack gives %v, %v", resp, err)
	}
}

func TestEmptyStackConforms(t *testing.T) {
	llmtest.TestLayer(t, func() llm.Layer { return func(next llm.Caller) llm.Caller { return llm.Stack(next) } })
}

func TestBodyGolden(t *testing.T) {
	temperature := 0.25
	full := llm.Params{
		Model: "claude-opus-4-6", MaxTokens: 4096,
		System: []llm.Block{{Text: "Definition\n\twith \"quotes\""}, {Text: "Contract", CacheTTL: "5m"}, {JSON: json.RawMessage(`{"type":"text","text":"raw"}`)}},
		Messages: []llm.Message{
			{Role: "user", Content: []llm.Block{{Text: "Grüße, 世界 <&>\u2028"}}},
			{Role: "assistant", Content: []llm.Block{{Text: "ok"}}},
			{Role: "user", Content: []llm.Block{{Text: "go on", CacheTTL: "1h"}}},
		},
		Temperature: &temperature, StopSequences: []string{"END", "\x00"}, Effort: "high",
		OutputFormat: json.RawMessage(`{"type":"json_schema","schema":{}}`),
		Thinking:     json.RawMessage(`{"type":"adaptive"}`),
		Tools:        json.RawMessage(`[{"name":"t"}]`), ToolChoice: json.RawMessage(`{"type":"auto"}`),
		Speed: "fast", Geo: "us",
	}
	small := llm.Params{Model: "claude-haiku-5-5", MaxTokens: 1, Messages: []llm.Message{{Role: "user", Content: []llm.Block{{Text: "hi"}}}}}
	for name, p := range map[string]llm.Params{"full": full, "small": small} {
		body := llm.New(p, llm.Labels{RunID: "never in the body"}).Body()
		if !json.Valid(body) {
			t.Fatalf("%s: not JSON: %s", name, body)
		}
		golden(t, "body_"+name+".json", body)
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, append(got, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSuffix(string(want), "\n") != string(got) {
		t.Errorf("%s differs from the golden file (cache keys of users depend on these bytes)\ngot  %s\nwant %s", name, got, want)
	}
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\\n\t\r\x00\x1f\x7f", "日本", "\xff\xc3(", "\u2028<&>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := llm.AppendString(nil, s)
		var back string
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatalf("%q renders as %s: %v", s, got, err)
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); back != want && !sameRunes(back, s) {
			t.Fatalf("%q comes back as %q, want %q", s, back, want)
		}
	})
}

// sameRunes compares as Go ranges over strings: each bad byte is one U+FFFD.
func sameRunes(a, b string) bool { return string([]rune(a)) == string([]rune(b)) }

func TestIncomplete(t *testing.T) {
	for reason, want := range map[string]llm.Code{
		"end_turn": "", "stop_sequence": "", "tool_use": "", "pause_turn": "",
		"max_tokens": llm.CodeMaxTokens, "refusal": llm.CodeRefusal,
		"model_context_window_exceeded": llm.CodeContextWindow,
		"":                              llm.CodeBadResponse, "something_new": llm.CodeBadResponse,
	} {
		r := &llm.Response{StopReason: reason}
		var got llm.Code
		if e := r.Incomplete(); e != nil {
			got = e.Code
		}
		if got != want || r.Whole() != (want == "") {
			t.Errorf("%q: Incomplete is %q, want %q; Whole is %v", reason, got, want, r.Whole())
		}
	}
	if (&llm.Response{StopReason: "end_turn", Partial: true}).Whole() {
		t.Error("a partial response is whole")
	}
	if (*llm.Response)(nil).Whole() {
		t.Error("no response is whole")
	}
}

func TestAsError(t *testing.T) {
	own := &llm.Error{Code: llm.CodeRateLimit, Message: "slow down"}
	for _, c := range []struct {
		err  error
		want llm.Code
	}{
		{fmt.Errorf("call: %w", own), llm.CodeRateLimit},
		{fmt.Errorf("call: %w", context.Canceled), llm.CodeCancelled},
		{context.DeadlineExceeded, llm.CodeDeadline},
		{errors.New("odd"), llm.CodeInternal},
	} {
		if got := llm.AsError(c.err); got.Code != c.want {
			t.Errorf("AsError(%v) has code %s, want %s", c.err, got.Code, c.want)
		}
	}
	if llm.AsError(nil) != nil {
		t.Error("AsError(nil) is an error")
	}
}
