package sim_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claude-force/claude-force/internal/sim"
)

// serve runs a handler on a real socket. Closing waits for every request, so
// that a handler which does not end hangs the test.
func serve(t testing.TB, h http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

func TestParseFault(t *testing.T) {
	tests := []struct {
		text string
		want sim.Fault
		err  string
	}{
		{text: "status=529,first=3", want: sim.Fault{Status: 529, First: 3}},
		{text: "status=429, code=ramp_limit_exceeded, retry-after=5s", want: sim.Fault{Status: 429, Code: "ramp_limit_exceeded", RetryAfter: 5 * time.Second}},
		{text: "spend-cap", want: sim.Fault{SpendCap: true}},
		{text: "slow-first-byte=2s", want: sim.Fault{SlowFirstByte: 2 * time.Second}},
		{text: "slow-tokens=200ms,model=claude-opus-5-5", want: sim.Fault{SlowTokens: 200 * time.Millisecond, Model: "claude-opus-5-5"}},
		{text: "cut=5", want: sim.Fault{Cut: true, After: 5}},
		{text: "cut=0", want: sim.Fault{Cut: true}},
		{text: "error-event=overloaded_error,after=3,first=1", want: sim.Fault{ErrorEvent: "overloaded_error", After: 3, First: 1}},
		{text: "malformed,after=2", want: sim.Fault{Malformed: true, After: 2}},
		{text: "hang,first=1", want: sim.Fault{Hang: true, First: 1}},
		{text: "", err: "unknown or needs a value"},
		{text: "first=1", err: "say one thing"},
		{text: "status=529,hang", err: "say one thing"},
		{text: "status=200", err: "not an error"},
		{text: "status=abc", err: "whole number"},
		{text: "status=529,status=500", err: "given twice"},
		{text: "hang=1", err: "takes no value"},
		{text: "slow-tokens=5", err: "not a duration"},
		{text: "slow-tokens=-5s", err: "not a duration"},
		{text: "cut=5,after=3", err: "says already"},
		{text: "status=500,after=3", err: "after goes with"},
		{text: "cut=1,code=x", err: "go with status only"},
		{text: "error-event=nonsense", err: "no error type"},
		{text: "hang,first=0", err: "at least 1"},
		{text: "explode=1", err: "unknown"},
	}
	for _, tt := range tests {
		got, err := sim.ParseFault(tt.text)
		if tt.err == "" && (err != nil || got != tt.want) {
			t.Errorf("%q: got %+v, %v; want %+v", tt.text, got, err, tt.want)
		}
		if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%q: error %v, want one with %q", tt.text, err, tt.err)
		}
	}
}

// TestFaultsCount checks first and model: a retry gets through once the fault
// has met its calls, and calls to other models do not count.
func TestFaultsCount(t *testing.T) {
	s, _ := newServer(t, sim.Options{Faults: []sim.Fault{
		{Status: 529, First: 2, Model: "claude-opus-4-5"},
	}})
	old := func() string { return askModel("claude-opus-4-5-20251101", "[[say ok]]") }
	send(t, s, 200, ask("[[say ok]]"))
	send(t, s, 529, askModel("claude-opus-4-5", "[[say ok]]"))
	if m := send(t, s, 400, askModel("claude-opus-4-5", "")); m.Error.Type != "invalid_request_error" {
		t.Errorf("an invalid call fails with %s", m.Error.Type)
	}
	if m := send(t, s, 529, old()); m.Error.Type != "overloaded_error" {
		t.Errorf("error type %s", m.Error.Type)
	}
	send(t, s, 200, old())
}

// TestBrokenStreams checks the faults in mid-stream, over a socket and in
// process.
func TestBrokenStreams(t *testing.T) {
	tests := []struct {
		name   string
		fault  string
		stream bool
		status int
		events int   // that arrive
		err    error // that ends the body
		check  func(t *testing.T, list []event, body string)
	}{
		{name: "cut", fault: "cut=5", stream: true, status: 200, events: 5, err: io.ErrUnexpectedEOF},
		{name: "cut at once", fault: "cut=0", stream: true, status: 200, err: io.ErrUnexpectedEOF},
		{name: "cut body", fault: "cut=5", status: 200, err: io.ErrUnexpectedEOF},
		{
			name: "error event", fault: "error-event=overloaded_error,after=3", stream: true, status: 200, events: 4,
			check: func(t *testing.T, list []event, _ string) {
				if last := list[len(list)-1]; last.name != "error" || !strings.Contains(last.data, `"type":"overloaded_error"`) {
					t.Errorf("last event %+v", last)
				}
			},
		},
		{name: "error event without a stream", fault: "error-event=overloaded_error", status: 529},
		{
			name: "malformed", fault: "malformed,after=4", stream: true, status: 200, events: 11,
			check: func(t *testing.T, list []event, _ string) {
				if data := list[4].data; !strings.HasSuffix(data, `"text_del`) {
					t.Errorf("event 5 is whole: %s", data)
				}
			},
		},
		{
			name: "malformed body", fault: "malformed", status: 200,
			check: func(t *testing.T, _ []event, body string) {
				if !strings.HasPrefix(body, `{"id":`) || strings.HasSuffix(body, "}") {
					t.Errorf("body %s", body)
				}
			},
		},
	}
	s, _ := newServer(t, sim.Options{})
	clients := map[string]*http.Client{
		"socket":     serve(t, s).Client(),
		"in process": {Transport: s.Transport()},
	}
	base := serve(t, s).URL
	for _, tt := range tests {
		for via, client := range clients {
			t.Run(tt.name+"/"+via, func(t *testing.T) {
				c := call{body: ask("[[words 40]]"), header: map[string]string{"x-simulate-fault": tt.fault}}
				if tt.stream {
					c.body = ask("[[words 40]]", `"stream":true`)
				}
				response, err := client.Do(c.request(t.Context(), base))
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				if response.StatusCode != tt.status {
					t.Fatalf("status %d, want %d", response.StatusCode, tt.status)
				}
				data, err := io.ReadAll(response.Body)
				if !errors.Is(err, tt.err) || err == nil && tt.err != nil {
					t.Errorf("the body ends with %v, want %v", err, tt.err)
				}
				list, _ := events(strings.NewReader(string(data)))
				if tt.stream && len(list) != tt.events {
					t.Errorf("%d events, want %d", len(list), tt.events)
				}
				if tt.check != nil {
					tt.check(t, list, string(data))
				}
			})
		}
	}
}

// TestOwnFault checks the header that makes one call fail.
func TestOwnFault(t *testing.T) {
	s, c := newServer(t, sim.Options{Latency: time.Second})
	w := call{body: ask("[[say ok]]"), header: map[string]string{"x-simulate-fault": "slow-first-byte=2s; status=503"}}.do(t, s)
	if m := decode(t, w, 503); m.Error.Type != "api_error" {
		t.Errorf("error type %s", m.Error.Type)
	}
	if len(c.slept) != 1 || c.slept[0] != 2*time.Second {
		t.Errorf("slept %v, want 2s", c.slept)
	}
	for _, bad := range []string{"nonsense", "status=529,first=2", "hang,model=claude-opus-5-5"} {
		w := call{body: ask("[[say ok]]"), header: map[string]string{"x-simulate-fault": bad}}.do(t, s)
		if m := decode(t, w, 400); !strings.HasPrefix(m.Error.Message, "x-simulate-fault: ") {
			t.Errorf("%s: message %q", bad, m.Error.Message)
		}
	}
}

// TestDelays checks what is waited for, with and without a stream.
func TestDelays(t *testing.T) {
	options := sim.Options{Latency: 50 * time.Millisecond, TokenDelay: 5 * time.Millisecond}
	s, c := newServer(t, options)
	send(t, s, 200, ask("[[words 30]]"))
	if want := 65 * time.Millisecond; len(c.slept) != 1 || c.slept[0] != want {
		t.Errorf("slept %v for an answer of 3 deltas, want %v", c.slept, want)
	}
	s, c = newServer(t, options)
	call{body: ask("[[words 30]]", `"stream":true`)}.do(t, s)
	if len(c.slept) != 3 || c.slept[0] != 50*time.Millisecond || c.slept[1] != 5*time.Millisecond {
		t.Errorf("slept %v for a stream of 3 deltas", c.slept)
	}
	s, c = newServer(t, options)
	call{body: ask("[[words 30]]", `"stream":true`), header: map[string]string{"x-simulate-fault": "slow-tokens=1s"}}.do(t, s)
	if len(c.slept) != 3 || c.slept[1] != time.Second {
		t.Errorf("slept %v with slow tokens", c.slept)
	}
}

// TestHangEndsWithTheClient checks over a socket that a hanging handler ends
// when the client leaves: closing the server waits for it.
func TestHangEndsWithTheClient(t *testing.T) {
	s, _ := newServer(t, sim.Options{})
	server := serve(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	c := call{body: ask("[[words 40]]", `"stream":true`), header: map[string]string{"x-simulate-fault": "hang,after=4"}}
	response, err := server.Client().Do(c.request(ctx, server.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	buf := make([]byte, 64)
	if _, err := io.ReadFull(response.Body, buf); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.ReadAll(response.Body); !errors.Is(err, context.Canceled) {
		t.Errorf("the body ends with %v", err)
	}
}

// TestInProcessLeavesNothingBehind checks that no goroutine outlives its call:
// a bubble in which one does cannot end.
func TestInProcessLeavesNothingBehind(t *testing.T) {
	body := ask("[[words 400]]", `"stream":true`)
	whole := ask("[[words 400]]")
	tests := []struct {
		name string
		call call
		use  func(t *testing.T, client *http.Client, r *http.Request, cancel func())
	}{
		{"closed unread", call{body: body}, func(t *testing.T, client *http.Client, r *http.Request, _ func()) {
			response, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
		}},
		{"canceled while it waits", call{body: body}, func(t *testing.T, client *http.Client, r *http.Request, cancel func()) {
			time.AfterFunc(time.Second, cancel) // the latency is a minute
			if _, err := client.Do(r); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want context.Canceled", err)
			}
		}},
		{"canceled in mid-stream", call{body: body, header: map[string]string{"x-simulate-fault": "slow-tokens=1h"}}, func(t *testing.T, client *http.Client, r *http.Request, cancel func()) {
			response, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(90*time.Minute, cancel)
			list, err := events(response.Body)
			if !errors.Is(err, context.Canceled) || len(list) != 5 {
				t.Errorf("%d events, then %v", len(list), err)
			}
			response.Body.Close()
		}},
		{"hangs in mid-stream", call{body: body, header: map[string]string{"x-simulate-fault": "hang,after=3"}}, func(t *testing.T, client *http.Client, r *http.Request, cancel func()) {
			response, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(time.Hour, cancel)
			if list, err := events(response.Body); !errors.Is(err, context.Canceled) || len(list) != 3 {
				t.Errorf("%d events, then %v", len(list), err)
			}
			response.Body.Close()
		}},
		{"hangs without a stream", call{body: whole, header: map[string]string{"x-simulate-fault": "hang"}}, func(t *testing.T, client *http.Client, r *http.Request, cancel func()) {
			time.AfterFunc(time.Hour, cancel)
			if _, err := client.Do(r); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want context.Canceled", err)
			}
		}},
		{"deadline", call{body: whole}, func(t *testing.T, client *http.Client, r *http.Request, _ func()) {
			ctx, cancel := context.WithTimeout(r.Context(), time.Second)
			defer cancel()
			if _, err := client.Do(r.WithContext(ctx)); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v, want context.DeadlineExceeded", err)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := newServer(t, sim.Options{Latency: time.Minute, Now: time.Now})
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				tt.use(t, &http.Client{Transport: s.Transport()}, tt.call.request(ctx, "http://api.test"), cancel)
				cancel()
				synctest.Wait()
				if n := s.Stats().InFlight; n != 0 {
					t.Errorf("%d calls are still in flight", n)
				}
			})
		})
	}
}
