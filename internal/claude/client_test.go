package claude_test

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claude-force/claude-force/internal/claude"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/llm/llmtest"
)

// stream is a whole answer in the API's spelling.
const stream = `event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-5-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":12,"cache_creation_input_tokens":30,"cache_read_input_tokens":7,"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"output_tokens":1,"service_tier":"standard"},"container":{"id":"c1"}}}

event: ping
data: {"type": "ping"}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"lo \"wörld\"\n"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null,"new_thing":[1]},"usage":{"output_tokens":9}}

event: message_stop
data: {"type":"message_stop"}

`

func serve(t *testing.T, h http.HandlerFunc) *claude.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return client(t, claude.Options{BaseURL: server.URL, Credential: "sk-secret-123"})
}

func client(t *testing.T, o claude.Options) *claude.Client {
	t.Helper()
	c, err := claude.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func sse(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		w.Header().Set("Request-Id", "req_1")
		_, _ = io.WriteString(w, body)
	}
}

func TestCallReadsAWholeStream(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var sent map[string]any
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil || sent["stream"] != true || sent["model"] != "claude-sonnet-5-5" {
			t.Errorf("request body = %v, %v", sent, err)
		}
		if r.URL.Path != "/v1/messages" || r.Header.Get("X-Api-Key") != "sk-secret-123" || r.Header.Get("Anthropic-Version") != "2023-06-01" {
			t.Errorf("request to %s with %v", r.URL.Path, r.Header)
		}
		sse(stream)(w, r)
	})
	var text strings.Builder
	var names []string
	resp, err := c.Call(t.Context(), llmtest.Request(), func(e llm.Event) {
		names = append(names, e.Name)
		text.WriteString(e.Text)
	})
	if err != nil {
		t.Fatal(err)
	}
	if resp.Text != "Hello \"wörld\"\n" || text.String() != resp.Text || !resp.Whole() || resp.ID != "msg_1" || resp.RequestID != "req_1" {
		t.Errorf("response = %+v, streamed %q", resp, text.String())
	}
	want := llm.Usage{Input: 12, Output: 9, CacheWrite5m: 10, CacheWrite1h: 20, CacheRead: 7, Tier: "standard"}
	got := resp.Usage
	got.Raw = nil
	if got.Input != want.Input || got.Output != want.Output || got.CacheWrite5m != 10 || got.CacheWrite1h != 20 || got.CacheRead != 7 || got.Tier != "standard" || got.Incomplete {
		t.Errorf("usage = %+v, want %+v", got, want)
	}
	if string(resp.Extra["container"]) != `{"id":"c1"}` || string(resp.Extra["new_thing"]) != "[1]" {
		t.Errorf("unknown fields were lost: %s", resp.Extra)
	}
	if got := strings.Join(names, " "); got != "message_start ping content_block_start content_block_delta content_block_delta content_block_stop message_delta message_stop" {
		t.Errorf("events: %s", got)
	}
	if resp.FirstToken <= 0 {
		t.Error("no time to the first token")
	}
}

func TestCallKeepsBlocksOfEveryKind(t *testing.T) {
	body := strings.Replace(stream, "event: content_block_start", `event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}

data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"sig"}}

data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t1","name":"grep","input":{}}}

data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}

data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"1}"}}

data: {"type":"content_block_start","index":2,"content_block":{"type":"novelty","x":1}}

data: {"type":"content_block_delta","index":2,"delta":{"type":"novelty_delta","y":2}}

event: content_block_start`, 1)
	body = strings.ReplaceAll(body, `"index":0,"content_block":{"type":"text"`, `"index":3,"content_block":{"type":"text"`)
	body = strings.ReplaceAll(body, `"index":0,"delta":{"type":"text_delta"`, `"index":3,"delta":{"type":"text_delta"`)
	resp, err := serve(t, sse(body)).Call(t.Context(), llmtest.Request(), llm.Discard)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`{"signature":"sig","thinking":"hm","type":"thinking"}`,
		`{"id":"t1","input":{"a":1},"name":"grep","type":"tool_use"}`,
		`{"deltas":[{"type":"novelty_delta","y":2}],"type":"novelty","x":1}`,
	}
	if len(resp.Content) != 4 || resp.Content[3].Text != "Hello \"wörld\"\n" || resp.Text != resp.Content[3].Text {
		t.Fatalf("content = %+v", resp.Content)
	}
	for i, w := range want {
		if string(resp.Content[i].JSON) != w {
			t.Errorf("block %d = %s, want %s", i, resp.Content[i].JSON, w)
		}
	}
}

func TestCallTakesAnAnswerWithoutStream(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"m","type":"message","role":"assistant","model":"x","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":1},"odd":true}`)
	})
	var streamed string
	resp, err := c.Call(t.Context(), llmtest.Request(), func(e llm.Event) { streamed += e.Text })
	if err != nil || resp.Text != "hi" || streamed != "hi" || resp.Usage.Input != 3 || !resp.Whole() || string(resp.Extra["odd"]) != "true" || len(resp.Extra) != 1 {
		t.Errorf("Call = %+v, %v, streamed %q", resp, err, streamed)
	}
}

func TestCallErrors(t *testing.T) {
	apiError := func(status int, kind, message string, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Request-Id", "req_9")
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(map[string]any{"type": "error", "error": map[string]any{"type": kind, "message": message}})
		}
	}
	cut := stream[:strings.Index(stream, "event: content_block_stop")]
	for name, c := range map[string]struct {
		h         http.HandlerFunc
		code      llm.Code
		retryable bool
		wait      time.Duration
		contains  string
	}{
		"rate limit":         {apiError(429, "rate_limit_error", "slow", "Retry-After", "7"), llm.CodeRateLimit, true, 7 * time.Second, "slow"},
		"milliseconds win":   {apiError(429, "rate_limit_error", "slow", "Retry-After", "7", "Retry-After-Ms", "250"), llm.CodeRateLimit, true, 250 * time.Millisecond, ""},
		"overloaded":         {apiError(529, "overloaded_error", "busy"), llm.CodeOverloaded, true, 0, "busy"},
		"should not retry":   {apiError(529, "overloaded_error", "busy", "X-Should-Retry", "false"), llm.CodeOverloaded, false, 0, ""},
		"bad key":            {apiError(401, "authentication_error", "invalid x-api-key sk-secret-123"), llm.CodeAuthentication, false, 0, "invalid x-api-key [key]"},
		"unknown model":      {apiError(404, "not_found_error", "model: nope"), llm.CodeNotFound, false, 0, "nope"},
		"conflict":           {apiError(409, "conflict_error", "again"), llm.CodeConflict, true, 0, ""},
		"credit":             {apiError(400, "invalid_request_error", "Your credit balance is too low"), llm.CodeBilling, false, 0, ""},
		"not the API's page": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502); _, _ = io.WriteString(w, "<html>") }, llm.CodeAPI, true, 0, "502"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		}, llm.CodeBadResponse, false, 0, "not followed"},
		"html with 200": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<p>")
		}, llm.CodeBadResponse, false, 0, "text/html"},
		"cut stream":           {sse(cut), llm.CodeStreamCut, true, 0, ""},
		"malformed event":      {sse(cut + "data: {oops\n\n"), llm.CodeBadResponse, true, 0, ""},
		"error in the stream":  {sse(cut + "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n"), llm.CodeOverloaded, true, 0, "busy"},
		"block never opened":   {sse("data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\n"), llm.CodeBadResponse, true, 0, ""},
		"nonsense retry-after": {apiError(429, "rate_limit_error", "slow", "Retry-After", "-3"), llm.CodeRateLimit, true, 0, ""},
		"control characters":   {apiError(400, "invalid_request_error", "a\x1b[31mb\nc"), llm.CodeInvalidRequest, false, 0, "a[31mb c"},
	} {
		t.Run(name, func(t *testing.T) {
			resp, err := serve(t, c.h).Call(t.Context(), llmtest.Request(), llm.Discard)
			e := llm.AsError(err)
			if e == nil || e.Code != c.code || e.Retryable != c.retryable || e.RetryAfter != c.wait || !strings.Contains(e.Message, c.contains) {
				t.Fatalf("error = %+v", e)
			}
			if strings.Contains(e.Error(), "sk-secret") {
				t.Error("the key is in the message")
			}
			if resp != nil && (!resp.Partial || !resp.Usage.Incomplete) {
				t.Errorf("response is not marked partial: %+v", resp)
			}
			if strings.HasPrefix(name, "cut") && (resp == nil || resp.Text != "Hello \"wörld\"\n" || resp.Usage.Input != 12) {
				t.Errorf("the text of a cut stream was lost: %+v", resp)
			}
		})
	}
}

func TestSpendCapIsNotRetryable(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(429)
		_, _ = io.WriteString(w, `{"type":"error","error":{"type":"rate_limit_error","message":"cap","details":{"error_code":"enforced_spend_limit_reached"}}}`)
	})
	_, err := c.Call(t.Context(), llmtest.Request(), llm.Discard)
	if e := llm.AsError(err); e.Code != llm.CodeSpendLimit || e.Retryable {
		t.Errorf("error = %+v", e)
	}
}

func TestUnreachableServer(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	_, err := client(t, claude.Options{BaseURL: server.URL}).Call(t.Context(), llmtest.Request(), llm.Discard)
	if e := llm.AsError(err); e.Code != llm.CodeConnection || !e.Retryable || !strings.Contains(e.Message, server.URL) {
		t.Errorf("error = %+v", e)
	}
}

func TestTimeouts(t *testing.T) {
	start := stream[:strings.Index(stream, "event: ping")]
	for name, c := range map[string]struct {
		timeouts claude.Timeouts
		before   string // sent before the server falls silent
		setting  string
	}{
		"first token": {claude.Timeouts{FirstToken: 3 * time.Second, Idle: time.Hour}, "", "timeouts.first_token"},
		"idle":        {claude.Timeouts{FirstToken: time.Hour, Idle: 3 * time.Second}, start, "timeouts.idle"},
		"attempt":     {claude.Timeouts{Attempt: 3 * time.Second}, start, "timeouts.attempt"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				cl := client(t, claude.Options{BaseURL: "http://sim", Timeouts: c.timeouts, Transport: silent(c.before)})
				_, err := cl.Call(t.Context(), llmtest.Request(), llm.Discard)
				e := llm.AsError(err)
				if e == nil || e.Code != llm.CodeTimeout || !e.Retryable || !strings.Contains(e.Hint, c.setting) {
					t.Errorf("error = %+v", e)
				}
				if took := time.Since(began); took != 3*time.Second {
					t.Errorf("ended after %v, want 3s", took)
				}
			})
		})
	}
}

// silent is a transport whose answer stops after some text.
type silent string

func (s silent) RoundTrip(r *http.Request) (*http.Response, error) {
	read, write := io.Pipe()
	context.AfterFunc(r.Context(), func() { _ = write.CloseWithError(r.Context().Err()) })
	if s != "" {
		go func() { _, _ = io.WriteString(write, string(s)) }()
	}
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: read, Request: r}, nil
}

// A server that does not end its stream delays nobody.
func TestStreamThatStaysOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		c := client(t, claude.Options{BaseURL: "http://sim", Timeouts: claude.Timeouts{Idle: time.Hour}, Transport: silent(stream)})
		resp, err := c.Call(t.Context(), llmtest.Request(), llm.Discard)
		if err != nil || !resp.Whole() || time.Since(began) > time.Second {
			t.Errorf("Call = %+v, %v after %v", resp, err, time.Since(began))
		}
	})
}

func TestConnectionIsKept(t *testing.T) {
	remote := map[string]int{}
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		remote[r.RemoteAddr]++
		sse(stream)(w, r)
	})
	for range 5 {
		if _, err := c.Call(t.Context(), llmtest.Request(), llm.Discard); err != nil {
			t.Fatal(err)
		}
	}
	if len(remote) != 1 {
		t.Errorf("5 calls used %d connections", len(remote))
	}
}

// HTTP/2 is used where it is offered, and a certificate that nobody vouches for
// ends the call at once.
func TestHTTP2AndCertificates(t *testing.T) {
	protocol := ""
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocol = r.Proto
		sse(stream)(w, r)
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)

	_, err := client(t, claude.Options{BaseURL: server.URL}).Call(t.Context(), llmtest.Request(), llm.Discard)
	if e := llm.AsError(err); e == nil || e.Code != llm.CodeConnection || e.Retryable || !strings.Contains(e.Hint, "SSL_CERT_FILE") {
		t.Errorf("an unknown certificate gives %+v", e)
	}
	trusting := claude.NewTransport(claude.Timeouts{})
	trusting.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
	resp, err := client(t, claude.Options{BaseURL: server.URL, Transport: trusting}).Call(t.Context(), llmtest.Request(), llm.Discard)
	if err != nil || !resp.Whole() || protocol != "HTTP/2.0" {
		t.Errorf("Call = %+v, %v by %s", resp, err, protocol)
	}
}

func TestNewRefusesBadOptions(t *testing.T) {
	for name, o := range map[string]claude.Options{
		"scheme":     {BaseURL: "ftp://x"},
		"no host":    {BaseURL: "http://"},
		"not a URL":  {BaseURL: "::"},
		"line break": {Credential: "sk-1\nX-Evil: 1"},
		"auth":       {Credential: "k", Auth: "basic"},
	} {
		if _, err := claude.New(o); llm.AsError(err) == nil || llm.AsError(err).Code != llm.CodeConfig {
			t.Errorf("%s: New = %v", name, err)
		}
	}
}

func TestBearerAndBasePath(t *testing.T) {
	var path, auth string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, auth = r.URL.Path, r.Header.Get("Authorization")
		sse(stream)(w, r)
	}))
	defer server.Close()
	for base, want := range map[string]string{"/gateway/v1/": "/gateway/v1/messages", "/x": "/x/v1/messages", "/": "/v1/messages"} {
		c := client(t, claude.Options{BaseURL: server.URL + base, Credential: "tok", Auth: claude.AuthBearer})
		if _, err := c.Call(t.Context(), llmtest.Request(), llm.Discard); err != nil || path != want || auth != "Bearer tok" {
			t.Errorf("%s: path %s, auth %s, %v", base, path, auth, err)
		}
	}
}
