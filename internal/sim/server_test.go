package sim_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claude-force/claude-force/internal/sim"
)

// TestManyAtOnce sends calls of every kind at once, over a socket and in
// process.
func TestManyAtOnce(t *testing.T) {
	const calls = 200
	s, _ := newServer(t, sim.Options{Limits: sim.Limits{RPM: 1 << 20, ITPM: 1 << 40, OTPM: 1 << 40}})
	server := serve(t, s)
	clients := []*http.Client{server.Client(), {Transport: s.Transport()}}
	system := blocks(longText + "!")
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			body := conversation("claude-opus-5-5", system, blocks(fmt.Sprintf("[[words %d]]", 1+i)), `"stream":true`)
			body = strings.Replace(body, `"max_tokens":100`, `"max_tokens":1000`, 1)
			response, err := clients[i%2].Do(call{body: body}.request(t.Context(), server.URL))
			if err != nil {
				t.Error(err)
				return
			}
			defer response.Body.Close()
			list, err := events(response.Body)
			if err != nil {
				t.Error(err)
			}
			if got := len(strings.Fields(streamed(t, list))); got != 1+i {
				t.Errorf("%d words, want %d", got, 1+i)
			}
			batchCall(t, s, 200, "POST", "", batchOf(ask("[[say ok]]")))
			call{method: "GET", path: batchPath}.do(t, s)
		})
	}
	wg.Wait()
	got := s.Stats()
	if got.Messages != calls || got.Answered != calls || got.Batches != calls || got.Errors != 0 || got.InFlight != 0 {
		t.Errorf("stats %+v", got)
	}
	if got.CacheReadTokens+got.CacheWriteTokens < calls*900 {
		t.Errorf("%d tokens read, %d written", got.CacheReadTokens, got.CacheWriteTokens)
	}
}

// TestInFlight checks that calls do not wait for each other: a thousand take
// as long as one.
func TestInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newServer(t, sim.Options{Latency: 50 * time.Millisecond, TokenDelay: 5 * time.Millisecond, Now: time.Now})
		client := &http.Client{Transport: s.Transport()}
		start := time.Now()
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				response, err := client.Do(call{body: ask("[[words 30]]", `"stream":true`)}.request(t.Context(), "http://api.test"))
				if err != nil {
					t.Error(err)
					return
				}
				defer response.Body.Close()
				if _, err := io.Copy(io.Discard, response.Body); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(start); took != 60*time.Millisecond {
			t.Errorf("a thousand calls took %v, want 60ms", took)
		}
		if got := s.Stats(); got.MaxInFlight != 1000 {
			t.Errorf("at most %d were in flight", got.MaxInFlight)
		}
	})
}

// TestStreamsArriveAsTheyAreWritten checks that the in-process transport does
// not hold events back.
func TestStreamsArriveAsTheyAreWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newServer(t, sim.Options{Latency: time.Minute, TokenDelay: time.Minute, Now: time.Now})
		client := &http.Client{Transport: s.Transport()}
		start := time.Now()
		response, err := client.Do(call{body: ask("[[words 20]]", `"stream":true`)}.request(t.Context(), "http://api.test"))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if took := time.Since(start); took != time.Minute {
			t.Errorf("the header took %v", took)
		}
		buf := make([]byte, 4<<10)
		n, err := response.Body.Read(buf)
		if took := time.Since(start); err != nil || took != time.Minute || !strings.Contains(string(buf[:n]), "the answer names") {
			t.Errorf("after %v and with %v: %s", took, err, buf[:n])
		}
		n, err = response.Body.Read(buf)
		if took := time.Since(start); err != nil || took != 2*time.Minute || !strings.Contains(string(buf[:n]), "check that it") {
			t.Errorf("after %v and with %v: %s", took, err, buf[:n])
		}
		if rest, err := io.ReadAll(response.Body); err != nil || len(rest) != 0 {
			t.Errorf("%d bytes more, then %v", len(rest), err)
		}
	})
}

// TestOnRequest checks what a test gets to see of a call.
func TestOnRequest(t *testing.T) {
	var seen []sim.Record
	s, _ := newServer(t, sim.Options{OnRequest: func(r sim.Record) { seen = append(seen, r) }})
	body := ask("[[say ok]]")
	send(t, s, 200, body)
	batchCall(t, s, 200, "POST", "", batchOf(body))
	if len(seen) != 2 || string(seen[0].Body) != body || !seen[0].Message || seen[1].Message {
		t.Errorf("records %+v", seen)
	}
	if seen[0].Header.Get("anthropic-version") != "2023-06-01" || seen[0].Method != "POST" || seen[1].Path != batchPath {
		t.Errorf("records %+v", seen)
	}
}

// TestServerIDs checks that ids repeat between servers of one seed, not within
// one.
func TestServerIDs(t *testing.T) {
	a, _ := newServer(t, sim.Options{})
	b, _ := newServer(t, sim.Options{})
	c, _ := newServer(t, sim.Options{Seed: 9})
	body := ask("[[say ok]]")
	first := send(t, a, 200, body).ID
	if second := send(t, a, 200, body).ID; second == first || !strings.HasPrefix(first, "msg_01") {
		t.Errorf("ids %s and %s", first, second)
	}
	if send(t, b, 200, body).ID != first || send(t, c, 200, body).ID == first {
		t.Error("ids do not follow the seed")
	}
}

// FuzzServer checks that no body brings the server down or gets an answer that
// is no JSON.
func FuzzServer(f *testing.F) {
	s, _ := newServer(f, sim.Options{Marked: true})
	for _, body := range []string{
		ask("Review this:\n```go\nfunc A() {\n}\n```"),
		askModel("claude-haiku-4-5", "[[words 5]]", `"thinking":{"type":"enabled","budget_tokens":1024}`, `"max_tokens":2000`),
		ask(`[[tool a {"b":[[1]]}]] [[then]] [[say x]]`, `"tools":[{"name":"a","input_schema":{"type":"object"}}]`),
		conversation("claude-opus-5-5", blocks(longText+"!"), blocks("a‼", "b")),
		askModel("claude-opus-5", "x", `"tools":[{"name":"a","input_schema":{"$ref":"#"}}],"tool_choice":{"type":"any"}`),
		`{"model":"claude-opus-5-5","max_tokens":1,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"x","content":[{"type":"image"}]}]}]}`,
		"{\"a\":\"\\ud83d\\ude80\\u00e9\"}",
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, path := range []string{"/v1/messages", "/v1/messages/count_tokens"} {
			w := call{path: path, body: body}.do(t, s)
			stream := strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream")
			if !stream && !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s: the answer to %q is no JSON: %s", path, body, w.Body)
			}
			if w.Code != 200 && w.Code != 400 && w.Code != 404 {
				t.Errorf("%s: status %d for %q", path, w.Code, body)
			}
			if w.Code == 200 && !json.Valid([]byte(body)) {
				t.Errorf("%s: what is no JSON is answered: %q", path, body)
			}
		}
	})
}

func FuzzParseFault(f *testing.F) {
	for _, text := range []string{"status=529,first=3", "spend-cap", "slow-first-byte=2s", "cut=5", "error-event=overloaded_error,after=3", "hang", ",,=", "status=429,code=x,retry-after=1h"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fault, err := sim.ParseFault(text)
		if err != nil {
			return
		}
		if _, err := sim.New(sim.Options{Catalogue: builtin(t), Faults: []sim.Fault{fault}}); err != nil && fault.Model == "" {
			t.Errorf("%q parses to a fault that New refuses: %v", text, err)
		}
	})
}

// BenchmarkStream is one streamed call of 25 events with a 4 KB system prompt
// and a 16 KB task, in process.
func BenchmarkStream(b *testing.B) {
	s, _ := newServer(b, sim.Options{Now: time.Now})
	client := &http.Client{Transport: s.Transport()}
	body := conversation("claude-opus-5-5", blocks(strings.Repeat("Follow the house rules. ", 170)+"!"),
		blocks(strings.Repeat("func A() error { return nil } // a line of code\n", 340)+"[[words 190]]"), `"stream":true`)
	body = strings.Replace(body, `"max_tokens":100`, `"max_tokens":1000`, 1)
	b.ReportAllocs()
	for b.Loop() {
		response, err := client.Do(call{body: body}.request(b.Context(), "http://api.test"))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			b.Fatal(err)
		}
		response.Body.Close()
	}
}

// BenchmarkAnswer is one generated answer that is not streamed.
func BenchmarkAnswer(b *testing.B) {
	s, _ := newServer(b, sim.Options{Now: time.Now})
	body := ask("Review:\n" + strings.Repeat("func A() error { return nil } // a line of code\n", 80))
	b.ReportAllocs()
	for b.Loop() {
		call{body: body}.do(b, s)
	}
}
