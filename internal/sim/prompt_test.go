package sim_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claude-force/claude-force/internal/sim"
)

// longText is about 800 tokens of the older tokenizer.
var longText = strings.Repeat("This is a long and stable instruction. ", 100)

// blocks writes text blocks as a JSON list; one that ends in ! or ‼ is a
// breakpoint of 5 minutes or of an hour.
func blocks(texts ...string) string {
	var list []string
	for _, text := range texts {
		cache := ""
		switch {
		case strings.HasSuffix(text, "!"):
			cache = `,"cache_control":{"type":"ephemeral"}`
		case strings.HasSuffix(text, "‼"):
			cache = `,"cache_control":{"type":"ephemeral","ttl":"1h"}`
		}
		quoted, _ := json.Marshal(strings.TrimRight(text, "!‼"))
		list = append(list, `{"type":"text","text":`+string(quoted)+cache+`}`)
	}
	return "[" + strings.Join(list, ",") + "]"
}

// conversation writes a message call with a system prompt and user content.
func conversation(model, system, user string, members ...string) string {
	body := fmt.Sprintf(`{"model":%q,"max_tokens":100,"system":%s,"messages":[{"role":"user","content":%s}]`, model, system, user)
	for _, m := range members {
		body += "," + m
	}
	return body + "}"
}

// TestPromptCache checks what calls write and read, one after the other.
func TestPromptCache(t *testing.T) {
	const model, old = "claude-opus-5-5", "claude-opus-4-5"
	system := blocks(longText + "!")
	type step struct {
		wait        time.Duration
		body        string
		read, write bool
	}
	tests := []struct {
		name  string
		steps []step
	}{
		{"a prefix is written once and then read", []step{
			{body: conversation(model, system, blocks("a")), write: true},
			{body: conversation(model, system, blocks("b")), read: true},
		}},
		{"other models have caches of their own", []step{
			{body: conversation(model, system, blocks("a")), write: true},
			{body: conversation("claude-sonnet-5-5", system, blocks("a")), write: true},
		}},
		{"an alias is its model", []step{
			{body: conversation(old, blocks(strings.Repeat(longText, 6)+"!"), blocks("a")), write: true},
			{body: conversation("claude-opus-4-5-20251101", blocks(strings.Repeat(longText, 6)+"!"), blocks("a")), read: true},
		}},
		{"a short prefix is not cached", []step{
			{body: conversation(model, blocks("Be brief.!"), blocks("a"))},
			{body: conversation(old, system, blocks("a"))}, // 800 of 4096 tokens
		}},
		{"an entry lasts five minutes from the start of the call that used it last", []step{
			{body: conversation(model, system, blocks("a")), write: true},
			{wait: 4*time.Minute + 59*time.Second, body: conversation(model, system, blocks("b")), read: true},
			{wait: 4*time.Minute + 59*time.Second, body: conversation(model, system, blocks("c")), read: true},
			{wait: 5 * time.Minute, body: conversation(model, system, blocks("d")), write: true},
		}},
		{"an entry of an hour lasts an hour", []step{
			{body: conversation(model, blocks(longText+"‼"), blocks("a")), write: true},
			{wait: 59 * time.Minute, body: conversation(model, blocks(longText+"‼"), blocks("a")), read: true},
			{wait: 60 * time.Minute, body: conversation(model, blocks(longText+"‼"), blocks("a")), write: true},
		}},
		{"a longer prefix reads the shorter one and writes the rest", []step{
			{body: conversation(model, system, blocks("a")), write: true},
			{body: conversation(model, system, blocks(longText+"b!")), read: true, write: true},
			{body: conversation(model, system, blocks(longText+"b!", "c")), read: true},
		}},
		{"moving a breakpoint changes nothing", []step{
			{body: conversation(model, blocks("s"), blocks(longText+"!")), write: true},
			{body: conversation(model, blocks("s"), blocks(longText, "more!")), read: true, write: true},
		}},
		{"a change before the breakpoint misses", []step{
			{body: conversation(model, system, blocks("a")), write: true},
			{body: conversation(model, blocks("x "+longText+"!"), blocks("a")), write: true},
		}},
		{"thinking changes the messages, not the system prompt", []step{
			{body: conversation(model, system, blocks(longText+"!")), write: true},
			{body: conversation(model, system, blocks(longText+"!"), `"thinking":{"type":"adaptive"}`), read: true, write: true},
		}},
		{"the top-level breakpoint marks the last block", []step{
			{body: conversation(model, blocks("s"), blocks(longText), `"cache_control":{"type":"ephemeral"}`), write: true},
			{body: conversation(model, blocks("s"), blocks(longText, "b"), `"cache_control":{"type":"ephemeral"}`), read: true, write: true},
		}},
		{"tools come first", []step{
			{body: conversation(model, blocks("s"), blocks("a"), `"tools":[{"name":"t","description":"`+longText+`","input_schema":{},"cache_control":{"type":"ephemeral"}}]`), write: true},
			{body: conversation(model, blocks("t"), blocks("b"), `"tools":[{"name":"t","description":"`+longText+`","cache_control":{"type":"ephemeral"},"input_schema":{}}]`), read: true},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, c := newServer(t, sim.Options{Latency: time.Second})
			for i, step := range tt.steps {
				c.Advance(step.wait - time.Second) // each call takes a second itself
				if i == 0 {
					c.Advance(time.Second)
				}
				u := send(t, s, 200, step.body).Usage
				if (u.Read > 0) != step.read || (u.Write > 0) != step.write {
					t.Errorf("step %d: read %d, written %d tokens; want read %v, written %v", i, u.Read, u.Write, step.read, step.write)
				}
			}
		})
	}
}

// TestLookback checks that a breakpoint finds an entry at most 20 blocks
// before it.
func TestLookback(t *testing.T) {
	many := func(n int) []string {
		list := []string{longText}
		for i := range n {
			list = append(list, fmt.Sprintf("block %d", i))
		}
		list[len(list)-1] += "!"
		return list
	}
	for added, reads := range map[int]bool{19: true, 20: false} {
		s, _ := newServer(t, sim.Options{})
		send(t, s, 200, conversation("claude-opus-5-5", blocks("s"), blocks(longText+"!")))
		u := send(t, s, 200, conversation("claude-opus-5-5", blocks("s"), blocks(many(added)...))).Usage
		if (u.Read > 0) != reads {
			t.Errorf("a breakpoint %d blocks later reads %d tokens", added, u.Read)
		}
	}
}

// TestUsageAddsUp checks that the parts of the prompt add up to what
// count_tokens says, and the split by time to live.
func TestUsageAddsUp(t *testing.T) {
	s, _ := newServer(t, sim.Options{})
	body := conversation("claude-opus-5-5", blocks(longText+"‼", longText+"b!"), blocks("[[say ok]]"))
	counted := countTokens(t, s, strings.Replace(body, `"max_tokens":100,`, "", 1))
	for _, want := range []string{"written", "read"} {
		u := send(t, s, 200, body).Usage
		if sum := u.Input + u.Read + u.Write; sum != counted {
			t.Errorf("%s: %d tokens, count_tokens says %d", want, sum, counted)
		}
		if u.CacheCreation.Hour+u.CacheCreation.FiveMinutes != u.Write {
			t.Errorf("%s: the split %+v is not %d", want, u.CacheCreation, u.Write)
		}
		if want == "written" && (u.CacheCreation.Hour < 500 || u.CacheCreation.FiveMinutes < 500) {
			t.Errorf("split %+v; each part has about 1000 tokens", u.CacheCreation)
		}
	}
}

// TestCacheFillsWhenAnswersBegin checks that calls which start together do
// not read each other's prefix.
func TestCacheFillsWhenAnswersBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newServer(t, sim.Options{Latency: time.Second, Now: time.Now})
		body := conversation("claude-opus-5-5", blocks(longText+"!"), blocks("a"))
		results := make(chan usage, 2)
		for range 2 {
			go func() { results <- send(t, s, 200, body).Usage }()
		}
		for range 2 {
			if u := <-results; u.Read != 0 || u.Write == 0 {
				t.Errorf("a call of two at once reads %d and writes %d tokens", u.Read, u.Write)
			}
		}
		if u := send(t, s, 200, body).Usage; u.Read == 0 {
			t.Error("the call after them reads nothing")
		}
	})
}

// countTokens returns what count_tokens says of a body.
func countTokens(t testing.TB, s *sim.Server, body string) int {
	t.Helper()
	w := call{path: "/v1/messages/count_tokens", body: body}.do(t, s)
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	var u struct {
		Input int `json:"input_tokens"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &u); err != nil {
		t.Fatal(err)
	}
	return u.Input
}
