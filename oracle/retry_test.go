package oracle

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

// scripted is a transport whose server lives in memory, so that time can be
// synthetic: every request gets the same answer, or the same error.
type scripted struct {
	status int
	header map[string]string
	err    error
	asked  []time.Time
}

func (s *scripted) RoundTrip(req *http.Request) (*http.Response, error) {
	s.asked = append(s.asked, time.Now())
	if s.err != nil {
		return nil, s.err
	}
	header := http.Header{}
	for name, value := range s.header {
		header.Set(name, value)
	}
	return answer(req, s.status, header, errorBody("rate_limit_error", "slow down", "")), nil
}

// unsaid is what is read from a server that asks for no wait.
const unsaid = "nothing"

// TestRetryAfter compares how long the SDK waits for its second attempt with
// what the client says the server asked for.
func TestRetryAfter(t *testing.T) {
	for name, c := range map[string]struct {
		header map[string]string
		read   string
		sdk    *string // where the SDK reads otherwise
		why    string
	}{
		"seconds":            {header: map[string]string{"Retry-After": "7"}, read: "7s"},
		"a part of a second": {header: map[string]string{"Retry-After": "0.25"}, read: "250ms"},
		"at once":            {header: map[string]string{"Retry-After": "0"}, read: "0s"},
		"milliseconds":       {header: map[string]string{"Retry-After-Ms": "1250"}, read: "1.25s"},
		"milliseconds first": {header: map[string]string{"Retry-After-Ms": "20", "Retry-After": "7"}, read: "20ms"},
		"odd milliseconds":   {header: map[string]string{"Retry-After-Ms": "soon", "Retry-After": "7"}, read: "7s"},
		"an hour":            {header: map[string]string{"Retry-After": "3600"}, read: "1h0m0s"},
		"a date":             {header: map[string]string{"Retry-After": "Sat, 01 Jan 2000 00:02:00 GMT"}, read: "2m0s"},
		"a date gone by":     {header: map[string]string{"Retry-After": "Fri, 31 Dec 1999 23:00:00 GMT"}, read: "0s"},
		"no header":          {read: unsaid},
		"not a time":         {header: map[string]string{"Retry-After": "tomorrow"}, read: unsaid},
		"below zero": {
			header: map[string]string{"Retry-After": "-3"}, read: unsaid, sdk: new("0s"),
			why: "nonsense is no reason to ask again at once",
		},
		"years": {
			header: map[string]string{"Retry-After": "40000000"}, read: unsaid, sdk: new("11111h6m40s"),
			why: "nobody waits for more than a year",
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachEdition(t, func(t *testing.T, e edition) {
				synctest.Test(t, func(t *testing.T) { // whose time begins with the year 2000
					_, err := e.ours(t, access{url: "http://sim", transport: &scripted{status: 429, header: c.header}}).
						Call(t.Context(), plain(), llm.Discard)
					got := unsaid
					if e := llm.AsError(err); e.HasRetryAfter {
						got = e.RetryAfter.String()
					}
					if got != c.read {
						t.Errorf("the client reads %s, want %s", got, c.read)
					}
					verdict(t, "wait", got, e.readBySDK(t, c.header), c.sdk, c.why)
				})
			})
		})
	}
}

// readBySDK returns the time between the SDK's two attempts. By itself it
// waits half a second, less up to a quarter of it.
func (e edition) readBySDK(t *testing.T, header map[string]string) string {
	t.Helper()
	server := &scripted{status: 429, header: header}
	sdk := e.open(t, access{url: "http://sim", transport: server, retries: 1})
	if _, err := sdk.message(t.Context(), plain().Params); err == nil || len(server.asked) != 2 {
		t.Fatalf("the SDK asked %d times: %v", len(server.asked), err)
	}
	waited := server.asked[1].Sub(server.asked[0])
	if waited > 375*time.Millisecond && waited <= 500*time.Millisecond {
		return unsaid
	}
	return waited.String()
}

func plain() *llm.Request {
	return request(llm.Params{Model: sonnet, MaxTokens: 10, Messages: user("Hi.")})
}

// TestShouldRetry: the server's advice goes before what the status says, for
// both; what is not "true" or "false" is no advice.
func TestShouldRetry(t *testing.T) {
	eachEdition(t, func(t *testing.T, e edition) {
		for _, status := range []int{400, 404, 429, 529} {
			for _, advice := range []string{"", "true", "false", "perhaps", "TRUE"} {
				header := map[string]string{"Retry-After-Ms": "0"}
				if advice != "" {
					header["X-Should-Retry"] = advice
				}
				server := &adviser{scripted{status: status, header: header}}
				_, _ = e.open(t, access{url: "http://sim", transport: server, retries: 1}).message(t.Context(), plain().Params)
				want := len(server.asked) == 2
				_, err := e.ours(t, access{url: "http://sim", transport: server}).Call(t.Context(), plain(), llm.Discard)
				if got := llm.AsError(err).Retryable; got != want {
					t.Errorf("%d with advice %q: retryable %v, the SDK says %v", status, advice, got, want)
				}
			}
		}
	})
}

// adviser answers without a type, so that only status and advice count.
type adviser struct{ scripted }

func (a *adviser) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := a.scripted.RoundTrip(req)
	if err == nil {
		res.Body = http.NoBody
	}
	return res, err
}

// TestNoConnection: a server that cannot be reached is worth another attempt,
// to both; a caller who has left is not.
func TestNoConnection(t *testing.T) {
	eachEdition(t, func(t *testing.T, e edition) {
		synctest.Test(t, func(t *testing.T) {
			server := &scripted{err: errors.New("connection refused")}
			_, err := e.open(t, access{url: "http://sim", transport: server, retries: 2}).message(t.Context(), plain().Params)
			if err == nil || len(server.asked) != 3 {
				t.Errorf("the SDK asked %d times: %v", len(server.asked), err)
			}
			_, err = e.ours(t, access{url: "http://sim", transport: server}).Call(t.Context(), plain(), llm.Discard)
			if got := llm.AsError(err); got.Code != llm.CodeConnection || !got.Retryable {
				t.Errorf("the client's error is %+v", got)
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		server := &scripted{err: context.Canceled}
		_, err := e.open(t, access{url: "http://sim", transport: server, retries: 2}).message(ctx, plain().Params)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the SDK's error is %v", err)
		}
		_, err = e.ours(t, access{url: "http://sim", transport: server}).Call(ctx, plain(), llm.Discard)
		if got := llm.AsError(err); got.Code != llm.CodeCancelled || got.Retryable {
			t.Errorf("the client's error is %+v", got)
		}
	})
}
