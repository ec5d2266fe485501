package oracle

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"sync/atomic"
	"testing"

	anthropicv2 "github.com/anthropics/anthropic-sdk-go/v2"

	"github.com/claude-force/claude-force/internal/claude"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/sim"
)

// failure is a call that the API refuses, and what the client makes of it. The
// SDK must make the same of it, unless the row says why not.
type failure struct {
	api    func(t testing.TB) http.Handler
	params llm.Params // the zero value is a plain task
	code   llm.Code
	status int
	retry  bool

	sdkCode  *llm.Code // where the SDK has another code
	sdkRetry *bool     // where the SDK decides otherwise
	why      string    // of the difference
}

// failing is a simulator with one fault.
func failing(f sim.Fault) func(testing.TB) http.Handler {
	return func(t testing.TB) http.Handler { return simulator(t, sim.Options{Faults: []sim.Fault{f}}) }
}

// bare takes the server's advice on retries away, so that clients go by what
// else they know.
func bare(api func(testing.TB) http.Handler) func(testing.TB) http.Handler {
	return func(t testing.TB) http.Handler {
		return editing(func(h http.Header) { h.Del("X-Should-Retry") }, api(t))
	}
}

// canned is an answer that no simulator gives.
func canned(status int, body string, header ...string) func(testing.TB) http.Handler {
	return func(testing.TB) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Request-Id", "req_1")
			w.Header().Set("Content-Type", "application/json")
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
}

// failures are all refusals, by name.
func failures() map[string]failure {
	all := map[string]failure{
		"a wrong key": {
			api:  func(t testing.TB) http.Handler { return simulator(t, sim.Options{Keys: []string{"another"}}) },
			code: llm.CodeAuthentication, status: 401,
		},
		"an unknown model": {
			api:    func(t testing.TB) http.Handler { return simulator(t, sim.Options{}) },
			params: llm.Params{Model: "claude-nope-1", MaxTokens: 10, Messages: user("Hi.")},
			code:   llm.CodeNotFound, status: 404,
		},
		"a retired model": {
			api:    func(t testing.TB) http.Handler { return simulator(t, sim.Options{}) },
			params: llm.Params{Model: "claude-3-opus-20240229", MaxTokens: 10, Messages: user("Hi.")},
			code:   llm.CodeNotFound, status: 404,
		},
		"an invalid request": {
			api:    func(t testing.TB) http.Handler { return simulator(t, sim.Options{}) },
			params: llm.Params{Model: sonnet, MaxTokens: 10, Messages: []llm.Message{{Role: "assistant", Content: []llm.Block{{Text: "Hi."}}}}},
			code:   llm.CodeInvalidRequest, status: 400,
		},
		"growth too fast": {api: failing(sim.Fault{Status: 429, Code: "ramp_limit_exceeded"}), code: llm.CodeRateLimit, status: 429, retry: true},
	}
	for status, code := range map[int]llm.Code{
		400: llm.CodeInvalidRequest, 401: llm.CodeAuthentication, 402: llm.CodeBilling, 403: llm.CodePermission,
		404: llm.CodeNotFound, 413: llm.CodeTooLarge, 409: llm.CodeConflict, 429: llm.CodeRateLimit,
		500: llm.CodeAPI, 502: llm.CodeAPI, 503: llm.CodeAPI, 504: llm.CodeTimeout, 529: llm.CodeOverloaded,
	} {
		row := failure{api: failing(sim.Fault{Status: status}), code: code, status: status, retry: status == 409 || status == 429 || status >= 500}
		all[fmt.Sprint(status)] = row
		row.api = bare(row.api)
		all[fmt.Sprint(status, " without advice")] = row
	}
	// Of a type that only a gateway knows the status decides.
	for status, retry := range map[int]bool{408: true, 409: true, 422: false, 425: false, 429: true, 503: true} {
		all[fmt.Sprint("a gateway's type with ", status)] = failure{
			api: canned(status, errorBody("upstream_error", "not now", "")), code: "upstream_error", status: status, retry: retry,
		}
	}
	maps.Copy(all, differences())
	return all
}

// differences are the refusals that the client reads otherwise than the SDK,
// on purpose.
func differences() map[string]failure {
	const capped = "a cap on spending has a code of its own: waiting does not lift it, and a person must act"
	const foreign = "an answer that is not the API's has no type; the client derives it from the status, so that every error has a code"
	spend := failing(sim.Fault{SpendCap: true})
	return map[string]failure{
		"a spend cap":                {api: spend, code: llm.CodeSpendLimit, status: 429, sdkCode: new(llm.CodeRateLimit), why: capped},
		"a spend cap without advice": {api: bare(spend), code: llm.CodeSpendLimit, status: 429, sdkCode: new(llm.CodeRateLimit), sdkRetry: new(true), why: capped},
		"a spend cap, told to retry": {
			api:  canned(429, errorBody("rate_limit_error", "cap", "enforced_spend_limit_reached"), "X-Should-Retry", "true"),
			code: llm.CodeSpendLimit, status: 429, sdkCode: new(llm.CodeRateLimit), sdkRetry: new(true), why: capped,
		},
		"an own spend limit": {
			api:  canned(400, errorBody("invalid_request_error", "You have reached your specified API usage limits.", "")),
			code: llm.CodeSpendLimit, status: 400, sdkCode: new(llm.CodeInvalidRequest), why: capped,
		},
		"no credit": {
			api:  canned(400, errorBody("invalid_request_error", "Your credit balance is too low to access the API.", "")),
			code: llm.CodeBilling, status: 400, sdkCode: new(llm.CodeInvalidRequest), why: "the request is fine, the account is not: the hint must say so",
		},
		"a gateway's page":    {api: canned(502, "<html>Bad Gateway</html>", "Content-Type", "text/html"), code: llm.CodeAPI, status: 502, retry: true, sdkCode: new(llm.Code("")), why: foreign},
		"a gateway's limit":   {api: canned(429, "slow down", "Content-Type", "text/plain"), code: llm.CodeRateLimit, status: 429, retry: true, sdkCode: new(llm.Code("")), why: foreign},
		"a gateway's timeout": {api: canned(408, `{"detail":"timeout"}`), code: llm.CodeTimeout, status: 408, retry: true, sdkCode: new(llm.Code("")), why: foreign},
		"a gateway's login":   {api: canned(401, ""), code: llm.CodeAuthentication, status: 401, sdkCode: new(llm.Code("")), why: foreign},
		"a gateway's 404":     {api: canned(404, `"no such page"`), code: llm.CodeNotFound, status: 404, sdkCode: new(llm.Code("")), why: foreign},
		"a permanent 500": {
			api:  canned(500, errorBody("invalid_request_error", "broken", "")),
			code: llm.CodeInvalidRequest, status: 500, sdkRetry: new(true),
			why: "the type is more precise than the status: an invalid request stays invalid",
		},
		"a passing 400": {
			api:  canned(400, errorBody("overloaded_error", "busy", "")),
			code: llm.CodeOverloaded, status: 400, retry: true, sdkRetry: new(false),
			why: "the type is more precise than the status: a gateway may hide a 529",
		},
	}
}

func TestFailures(t *testing.T) {
	eachEdition(t, func(t *testing.T, e edition) {
		for name, f := range failures() {
			if f.params.Model == "" {
				f.params = llm.Params{Model: sonnet, MaxTokens: 100, Messages: user("Hi.")}
			}
			t.Run(name, func(t *testing.T) { f.judge(t, e) })
		}
	})
}

func (f failure) judge(t *testing.T, e edition) {
	_, err := e.ours(t, access{url: serve(t, f.api(t))}).Call(t.Context(), request(f.params), llm.Discard)
	got := llm.AsError(err)
	if got == nil || got.Code != f.code || got.Status != f.status || got.Retryable != f.retry {
		t.Fatalf("the client's error is %+v", got)
	}
	for _, streamed := range []bool{false, true} {
		attempts, err := f.askSDK(t, e, streamed, 0)
		want, ok := errors.AsType[*llm.Error](err)
		if !ok || attempts != 1 {
			t.Fatalf("the SDK's error is %T after %d attempts: %v", err, attempts, err)
		}
		if got.Status != want.Status || got.RequestID != want.RequestID || got.RequestID == "" {
			t.Errorf("status %d, request id %q; the SDK says %d, %q", got.Status, got.RequestID, want.Status, want.RequestID)
		}
		if want.Message != "" && got.Message != want.Message {
			t.Errorf("message %q, the SDK has %q", got.Message, want.Message)
		}
		verdict(t, "code", got.Code, want.Code, f.sdkCode, f.why)
		attempts, _ = f.askSDK(t, e, streamed, 1)
		verdict(t, "retry", got.Retryable, attempts == 2, f.sdkRetry, f.why)
	}
}

// verdict compares what the SDK says with what the table states of it, or with
// the client's word where the table states nothing. A stated difference that
// is none is a mistake of the table.
func verdict[T comparable](t *testing.T, what string, ours, sdk T, stated *T, why string) {
	t.Helper()
	want := ours
	if stated != nil {
		want = *stated
	}
	if sdk != want || stated != nil && *stated == ours {
		t.Errorf("%s: the client says %v, the SDK %v; stated difference: %q", what, ours, sdk, why)
	}
}

// askSDK returns how often the SDK asked, and its error. The server tells it
// to try again at once.
func (f failure) askSDK(t *testing.T, e edition, streamed bool, retries int) (asked int64, err error) {
	t.Helper()
	var count atomic.Int64
	atOnce := editing(func(h http.Header) { h.Set("Retry-After-Ms", "0") }, f.api(t))
	sdk := e.open(t, access{url: serve(t, counting(&count, atOnce)), retries: retries})
	ask := sdk.message
	if streamed {
		ask = sdk.stream
	}
	_, err = ask(t.Context(), f.params)
	return count.Load(), err
}

// TestErrorCodes: the newer SDK reads the cause of a refusal, which the client
// goes by, from the details that the simulator sends.
func TestErrorCodes(t *testing.T) {
	for fault, want := range map[sim.Fault]anthropicv2.ErrorCode{
		{SpendCap: true}: anthropicv2.ErrorCodeEnforcedSpendLimitReached,
		{Status: 429, Code: "ramp_limit_exceeded"}: anthropicv2.ErrorCodeRampLimitExceeded,
		{Status: 429}: "",
	} {
		client := openV2(t, access{url: serve(t, failing(fault)(t))}).(*sdkV2).client
		_, err := client.Models.List(t.Context(), anthropicv2.ModelListParams{})
		if err != nil {
			t.Fatalf("a fault of messages concerns the list of models: %v", err)
		}
		_, err = client.Messages.New(t.Context(), (&sdkV2{t: t}).params(plain().Params))
		e, ok := errors.AsType[*anthropicv2.Error](err)
		if !ok || e.ErrorCode() != want {
			t.Errorf("%+v: the SDK reads %v, want the code %q", fault, err, want)
			continue
		}
		if want != "" {
			conform(t, "details", e.Details)
		}
	}
}

// TestRequestIDOfTheBody: without the header the client takes the request id
// of the body; the SDK knows none then.
func TestRequestIDOfTheBody(t *testing.T) {
	eachEdition(t, func(t *testing.T, e edition) {
		address := serve(t, canned(500, errorBody("api_error", "broken", ""), "Request-Id", "")(t))
		p := llm.Params{Model: sonnet, MaxTokens: 10, Messages: user("Hi.")}
		_, err := e.ours(t, access{url: address}).Call(t.Context(), request(p), llm.Discard)
		if got := llm.AsError(err).RequestID; got != "req_1" {
			t.Errorf("request id %q", got)
		}
		_, err = e.open(t, access{url: address}).message(t.Context(), p)
		if want, ok := errors.AsType[*llm.Error](err); !ok || want.RequestID != "" {
			t.Errorf("the SDK's error is %v", err)
		}
	})
}

// TestFailuresOfOtherEndpoints: the free endpoints and batches report their
// errors like messages do.
func TestFailuresOfOtherEndpoints(t *testing.T) {
	eachEdition(t, func(t *testing.T, e edition) {
		sdk := e.open(t, access{url: serve(t, simulator(t, sim.Options{}))})
		client := e.ours(t, access{url: serve(t, simulator(t, sim.Options{}))})
		unknown := llm.Params{Model: "claude-nope-1", MaxTokens: 10, Messages: user("Hi.")}
		twice := []claude.BatchItem{{ID: "same", Request: request(unknown)}, {ID: "same", Request: request(unknown)}}
		nothing := func(claude.BatchResult) error { return nil }
		for _, one := range []struct {
			name   string
			sdk    func() (any, error)
			ours   func() (any, error)
			code   llm.Code
			status int
		}{
			{"count", func() (any, error) { return sdk.count(t.Context(), unknown) }, func() (any, error) { return client.CountTokens(t.Context(), request(unknown)) }, llm.CodeNotFound, 404},
			{"create", func() (any, error) { return sdk.createBatch(t.Context(), twice) }, func() (any, error) { return ourBatch(t.Context(), client, twice) }, llm.CodeInvalidRequest, 400},
			{"batch", func() (any, error) { return sdk.batch(t.Context(), "msgbatch_1") }, func() (any, error) { return client.Batch(t.Context(), "msgbatch_1") }, llm.CodeNotFound, 404},
			{"cancel", func() (any, error) { return sdk.cancelBatch(t.Context(), "msgbatch_1") }, func() (any, error) { return client.CancelBatch(t.Context(), "msgbatch_1") }, llm.CodeNotFound, 404},
			{"results", func() (any, error) { return sdk.batchResults(t.Context(), "msgbatch_1") }, func() (any, error) { return nil, client.BatchResults(t.Context(), "msgbatch_1", nothing) }, llm.CodeNotFound, 404},
		} {
			_, err := one.sdk()
			want, ok := errors.AsType[*llm.Error](err)
			_, err = one.ours()
			got := llm.AsError(err)
			if !ok || got == nil || got.Code != one.code || got.Status != one.status ||
				got.Code != want.Code || got.Status != want.Status || got.RequestID != want.RequestID || got.Message != want.Message {
				t.Errorf("%s: %+v, the SDK says %+v", one.name, got, want)
			}
		}
	})
}
