package oracle

import (
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/sim"
)

// exchange is a conversation with the simulator.
type exchange struct {
	params llm.Params
	// next asks again after an answer; nil ends the conversation.
	next func(llm.Params, *llm.Response) llm.Params
	// stop is the stop reason of the last answer; whole, whether it counts as
	// an answer that the model ended by itself.
	stop  string
	whole bool
	// check, where it is set, says what the answers must be, so that equal
	// answers are not equally empty.
	check func([]*llm.Response) bool
}

func exchanges() map[string]exchange {
	long := strings.Repeat("Every finding names its line and says what happens. ", 120)
	all := map[string]exchange{
		"written": {params: llm.Params{System: []llm.Block{{Text: "You review code."}}, Messages: user("func f() {\n\tpanic(1)\n}")}, stop: "end_turn", whole: true},
		"unicode": {
			params: llm.Params{Messages: user("[[say Grüße, 世界 🎉 \"quoted\" \\ back <b>&amp;</b>\n\tnext\u2028line]]")}, stop: "end_turn", whole: true,
			check: func(r []*llm.Response) bool {
				return r[0].Text == "Grüße, 世界 🎉 \"quoted\" \\ back <b>&amp;</b>\n\tnext\u2028line"
			},
		},
		"long": {
			params: llm.Params{MaxTokens: 16_000, Messages: user("[[words 9000]]")}, stop: "end_turn", whole: true,
			check: func(r []*llm.Response) bool { return len(r[0].Text) > 32<<10 },
		},
		"older model": {
			params: llm.Params{Model: haiku, Temperature: new(0.2), Messages: user("[[say By the alias.]]")}, stop: "end_turn", whole: true,
			check: func(r []*llm.Response) bool { return r[0].Model == "claude-haiku-4-5-20251001" },
		},
		"refusal":            {params: llm.Params{Messages: user("[[refuse]]")}, stop: "refusal", check: func(r []*llm.Response) bool { return len(r[0].StopDetails) > 0 }},
		"refusal after text": {params: llm.Params{Messages: user("[[say I would rather]] [[refuse]]")}, stop: "refusal", check: func(r []*llm.Response) bool { return r[0].Text == "I would rather" }},
		"cut at max_tokens": {
			params: llm.Params{MaxTokens: 20, Messages: user("[[words 400]]")}, stop: "max_tokens",
			check: func(r []*llm.Response) bool { return r[0].Usage.Output == 20 },
		},
		"cut by the window": {params: llm.Params{Messages: user("[[say So far]] [[window]]")}, stop: "model_context_window_exceeded"},
		"paused":            {params: llm.Params{Messages: user("[[say Wait]] [[pause]]")}, stop: "pause_turn", whole: true},
		"stop sequence": {
			params: llm.Params{StopSequences: []string{"</end>"}, Messages: user("[[say Before</end>after]]")}, stop: "stop_sequence", whole: true,
			check: func(r []*llm.Response) bool { return r[0].Text == "Before" && r[0].StopSequence == "</end>" },
		},
		"structured output": {
			params: llm.Params{OutputFormat: json.RawMessage(format), Messages: user("Is it so?")}, stop: "end_turn", whole: true,
			check: func(r []*llm.Response) bool { return json.Valid([]byte(r[0].Text)) },
		},
		"forced tool": {
			params: llm.Params{Model: haiku, Tools: json.RawMessage(tools), ToolChoice: json.RawMessage(`{"type":"tool","name":"grep"}`), Messages: user("Look.")},
			stop:   "tool_use", whole: true,
			check: func(r []*llm.Response) bool { return kinds(r[0]) == "tool_use" },
		},
		"prompt cache": {
			params: llm.Params{
				System:   []llm.Block{{Text: long, CacheTTL: "1h"}, {Text: "And: " + long, CacheTTL: "5m"}},
				Messages: user("[[say Read.]]"),
			},
			next: func(p llm.Params, _ *llm.Response) llm.Params { return p }, stop: "end_turn", whole: true,
			check: func(r []*llm.Response) bool {
				first, second := r[0].Usage, r[1].Usage
				return first.CacheWrite1h > 0 && first.CacheWrite5m > 0 && first.CacheRead == 0 &&
					second.CacheRead == first.CacheWrite() && second.CacheWrite() == 0
			},
		},
		"speed and place": {
			params: llm.Params{Model: opus, Speed: "fast", Geo: "us", Betas: []string{"fast-mode-2026-02-01"}, Messages: user("[[say Quick.]]")},
			stop:   "end_turn", whole: true,
			check: func(r []*llm.Response) bool { return r[0].Usage.Speed == "fast" && r[0].Usage.Geo == "us" },
		},
	}
	maps.Copy(all, thoughts())
	for name, x := range all {
		if x.params.Model == "" {
			x.params.Model = sonnet
		}
		if x.params.MaxTokens == 0 {
			x.params.MaxTokens = 4096
		}
		all[name] = x
	}
	return all
}

// thoughts are the exchanges with thinking and tools, which go on with what
// the model said before.
func thoughts() map[string]exchange {
	const script = `[[say Looking.]] [[tool grep {"pattern":"a]] \"é\" 世","limit":9007199254740993,"deep":[{"x":null}]}]] [[tool now {}]] [[then]] [[say Found.]]`
	return map[string]exchange{
		"tools": {
			params: llm.Params{Tools: json.RawMessage(tools), Messages: user(script)},
			next:   withResults, stop: "end_turn", whole: true,
			check: func(r []*llm.Response) bool {
				return r[0].StopReason == "tool_use" && kinds(r[0]) == "text tool_use tool_use" && r[1].Text == "Found."
			},
		},
		"thinking, shown": {
			params: llm.Params{Thinking: json.RawMessage(`{"type":"adaptive","display":"summarized"}`), Messages: user("[[think Is \"it\" so? Ja.]] [[say It is.]]")},
			next:   withMore, stop: "end_turn", whole: true,
			check: func(r []*llm.Response) bool {
				return kinds(r[0]) == "thinking text" && strings.Contains(string(r[0].Content[0].JSON), "Ja.")
			},
		},
		"thinking, omitted": {
			params: llm.Params{Thinking: json.RawMessage(`{"type":"adaptive"}`), Effort: "low", Messages: user("[[think Secret.]] [[say It is.]]")},
			next:   withMore, stop: "end_turn", whole: true,
			check: func(r []*llm.Response) bool {
				return kinds(r[0]) == "thinking text" && !strings.Contains(string(r[0].Content[0].JSON), "Secret.")
			},
		},
		"thinking on a budget": {
			params: llm.Params{Model: haiku, Thinking: json.RawMessage(`{"type":"enabled","budget_tokens":1024}`), Messages: user("[[think First.]] [[say Then.]]")},
			stop:   "end_turn", whole: true,
			check: func(r []*llm.Response) bool { return kinds(r[0]) == "thinking text" },
		},
		// The second answer must hold no thinking: its signature would be of a
		// conversation whose bytes differ between the SDK and the client.
		"thinking before tools": {
			params: llm.Params{Tools: json.RawMessage(tools), Messages: user("[[think First.]] " + script)},
			next:   withResults, stop: "end_turn", whole: true,
			check: func(r []*llm.Response) bool {
				return kinds(r[0]) == "thinking text tool_use tool_use" && kinds(r[1]) == "text"
			},
		},
	}
}

// withMore goes on after an answer.
func withMore(p llm.Params, r *llm.Response) llm.Params {
	p.Messages = append(p.Messages[:1:1], llm.Message{Role: "assistant", Content: r.Content}, user("[[say Indeed.]]")[0])
	return p
}

// withResults answers the tool calls of an answer.
func withResults(p llm.Params, r *llm.Response) llm.Params {
	results := llm.Message{Role: "user"}
	for _, b := range r.Content {
		var call struct{ Type, ID string }
		if json.Unmarshal(b.JSON, &call) == nil && call.Type == "tool_use" {
			results.Content = append(results.Content, llm.Block{JSON: json.RawMessage(
				`{"type":"tool_result","tool_use_id":"` + call.ID + `","content":[{"type":"text","text":"a.go:1"}]}`)})
		}
	}
	p.Messages = append(p.Messages[:1:1], llm.Message{Role: "assistant", Content: r.Content}, results)
	return p
}

// kinds are the kinds of an answer's blocks.
func kinds(r *llm.Response) string {
	var all []string
	for _, b := range r.Content {
		head := struct{ Type string }{"text"}
		if len(b.JSON) > 0 {
			_ = json.Unmarshal(b.JSON, &head) // a block that is not JSON stays "text" and fails the check
		}
		all = append(all, head.Type)
	}
	return strings.Join(all, " ")
}

// TestResponses lets the SDK and the client ask the same, with and without a
// stream, and compares what they make of the answers.
func TestResponses(t *testing.T) {
	eachEdition(t, func(t *testing.T, e edition) {
		for name, x := range exchanges() {
			if !e.takes(x.params) {
				continue
			}
			t.Run(name, func(t *testing.T) { x.judge(t, e) })
		}
	})
}

func (x exchange) judge(t *testing.T, e edition) {
	sdk := e.open(t, access{url: serve(t, simulator(t, sim.Options{}))})
	want := x.converse(t, sdk.message)
	last := want[len(want)-1]
	if last.StopReason != x.stop || x.check != nil && !x.check(want) {
		t.Fatalf("the answers are not what the test is about: %+v", last)
	}
	if !strings.HasPrefix(last.ID, "msg_") || !strings.HasPrefix(last.RequestID, "req_") {
		t.Errorf("ids %q and %q", last.ID, last.RequestID)
	}

	sdk = e.open(t, access{url: serve(t, simulator(t, sim.Options{}))})
	sameAnswers(t, "the SDK's stream", x.converse(t, sdk.stream), want)

	client := e.ours(t, access{url: serve(t, simulator(t, sim.Options{}))})
	got := x.converse(t, func(ctx context.Context, p llm.Params) (*llm.Response, error) {
		var text strings.Builder
		r, err := client.Call(ctx, request(p), func(e llm.Event) {
			if e.Kind == llm.EventText {
				text.WriteString(e.Text)
			}
		})
		if err == nil && text.String() != r.Text {
			t.Errorf("emitted %q of the text %q", text.String(), r.Text)
		}
		return r, err
	})
	sameAnswers(t, "our stream", got, want)
	if end := got[len(got)-1]; end.Whole() != x.whole {
		t.Errorf("Whole() = %v after %q", end.Whole(), end.StopReason)
	}

	client = e.ours(t, access{url: serve(t, withoutStream(simulator(t, sim.Options{})))})
	got = x.converse(t, func(ctx context.Context, p llm.Params) (*llm.Response, error) {
		return client.Call(ctx, request(p), llm.Discard)
	})
	sameAnswers(t, "our answer without a stream", got, want)
}

// converse asks and goes on once where the exchange does.
func (x exchange) converse(t *testing.T, ask func(context.Context, llm.Params) (*llm.Response, error)) []*llm.Response {
	t.Helper()
	r, err := ask(t.Context(), x.params)
	if err != nil {
		t.Fatal(err)
	}
	all := []*llm.Response{r}
	if x.next != nil {
		r, err := ask(t.Context(), x.next(x.params, r))
		if err != nil {
			t.Fatalf("going on: %v", err)
		}
		all = append(all, r)
	}
	return all
}

func sameAnswers(t *testing.T, who string, got, want []*llm.Response) {
	t.Helper()
	for i := range want {
		sameResponse(t, who, got[i], want[i])
	}
}

// sameResponse compares all that the SDK reads of a message.
func sameResponse(t *testing.T, who string, got, want *llm.Response) {
	t.Helper()
	for name, pair := range map[string][2]any{
		"id":            {got.ID, want.ID},
		"request id":    {got.RequestID, want.RequestID},
		"model":         {got.Model, want.Model},
		"text":          {got.Text, want.Text},
		"stop reason":   {got.StopReason, want.StopReason},
		"stop sequence": {got.StopSequence, want.StopSequence},
		"stop details":  {blockMeaning(t, got.StopDetails), blockMeaning(t, want.StopDetails)},
		"usage":         {counts(got.Usage), counts(want.Usage)},
		"content":       {contentMeaning(t, got.Content), contentMeaning(t, want.Content)},
		"partial":       {got.Partial, want.Partial},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s: %s is %+v, want %+v", who, name, pair[0], pair[1])
		}
	}
}

// counts is usage without the bytes it was read from.
func counts(u llm.Usage) llm.Usage {
	u.Raw = nil
	return u
}

func contentMeaning(t *testing.T, blocks []llm.Block) []any {
	t.Helper()
	all := []any{}
	for _, b := range blocks {
		if len(b.JSON) == 0 {
			all = append(all, b.Text)
			continue
		}
		all = append(all, blockMeaning(t, b.JSON))
	}
	return all
}

func blockMeaning(t *testing.T, raw json.RawMessage) any {
	t.Helper()
	if len(raw) == 0 {
		return nil
	}
	return meaning(t, raw)
}
