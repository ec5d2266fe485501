package oracle

import (
	"bytes"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/sim"
)

// breakage is a stream that goes wrong after its 200. The SDK never tries
// again then, since its caller has read a part of the answer; the client says
// whether trying again makes sense, and a layer above it does so, with a
// Restart event for who has read.
type breakage struct {
	api   func(t testing.TB) http.Handler
	code  llm.Code // "" where the answer counts as complete
	retry bool
	// foreign says that to the SDK it is no error of the API, but one of the
	// connection or of JSON; silent, that the SDK takes it for a whole answer.
	foreign, silent bool
}

func breakages() map[string]breakage {
	const after = 6 // events: two pieces of the text have arrived
	all := map[string]breakage{
		"cut":       {api: failing(sim.Fault{Cut: true, After: after}), code: llm.CodeStreamCut, retry: true, foreign: true},
		"cut early": {api: failing(sim.Fault{Cut: true, After: 1}), code: llm.CodeStreamCut, retry: true, foreign: true},
		"malformed": {api: failing(sim.Fault{Malformed: true, After: after}), code: llm.CodeBadResponse, retry: true, foreign: true},
		// A proxy that closes the connection in an orderly way looks like the
		// end of the stream; only the missing stop reason tells.
		"ended too early": {api: endingBefore("event: message_delta"), code: llm.CodeStreamCut, retry: true, silent: true},
		// The stop reason and the last count are there: nothing is missing.
		"no message_stop": {api: endingBefore("event: message_stop")},
	}
	for _, code := range []llm.Code{
		llm.CodeOverloaded, llm.CodeAPI, llm.CodeTimeout, llm.CodeRateLimit, llm.CodeInvalidRequest, llm.CodePermission,
	} {
		retry := code != llm.CodeInvalidRequest && code != llm.CodePermission
		all["event "+string(code)] = breakage{api: failing(sim.Fault{ErrorEvent: string(code), After: after}), code: code, retry: retry}
	}
	return all
}

// endingBefore is a simulator behind a proxy that ends the answer before mark.
func endingBefore(mark string) func(testing.TB) http.Handler {
	return func(t testing.TB) http.Handler {
		next := simulator(t, sim.Options{})
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&endingWriter{ResponseWriter: w, mark: []byte(mark)}, r)
		})
	}
}

type endingWriter struct {
	http.ResponseWriter
	mark  []byte
	ended bool
}

func (w *endingWriter) Write(p []byte) (int, error) {
	if w.ended {
		return len(p), nil
	}
	kept, _, found := bytes.Cut(p, w.mark)
	w.ended = found
	if _, err := w.ResponseWriter.Write(kept); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (w *endingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestBrokenStreams(t *testing.T) {
	p := llm.Params{Model: sonnet, MaxTokens: 1024, Messages: user("[[words 100]]")}
	eachEdition(t, func(t *testing.T, e edition) {
		for name, b := range breakages() {
			t.Run(name, func(t *testing.T) {
				var asked atomic.Int64
				sdk := e.open(t, access{url: serve(t, counting(&asked, b.api(t))), retries: 1})
				want, sdkErr := sdk.stream(t.Context(), p)
				if asked.Load() != 1 {
					t.Errorf("the SDK asked %d times", asked.Load())
				}
				got, err := e.ours(t, access{url: serve(t, b.api(t))}).Call(t.Context(), request(p), llm.Discard)
				b.judge(t, llm.AsError(err), sdkErr)
				if got == nil || got.Text != want.Text || got.ID != want.ID || got.RequestID != want.RequestID {
					t.Fatalf("what had arrived is %+v, to the SDK %+v", got, want)
				}
				if broken := b.code != ""; got.Partial != broken || got.Usage.Incomplete != broken {
					t.Errorf("partial %v, usage incomplete %v", got.Partial, got.Usage.Incomplete)
				}
			})
		}
	})
}

func (b breakage) judge(t *testing.T, got *llm.Error, sdkErr error) {
	t.Helper()
	if b.code == "" {
		if got != nil || sdkErr != nil {
			t.Errorf("errors %v and, of the SDK, %v", got, sdkErr)
		}
		return
	}
	if got == nil || got.Code != b.code || got.Retryable != b.retry || got.Status != 200 {
		t.Fatalf("the client's error is %+v", got)
	}
	want, ok := errors.AsType[*llm.Error](sdkErr)
	switch {
	case b.silent && sdkErr != nil, b.foreign && (sdkErr == nil || ok):
		t.Errorf("the SDK's error is %v", sdkErr)
	case !b.silent && !b.foreign && (!ok || got.Code != want.Code || got.Status != want.Status || got.RequestID != want.RequestID || got.Message != want.Message):
		t.Errorf("%+v, the SDK says %v", got, sdkErr)
	}
}

// TestCutWithoutStream: an answer that is not streamed and cut is one that
// both would ask for again.
func TestCutWithoutStream(t *testing.T) {
	p := llm.Params{Model: sonnet, MaxTokens: 1024, Messages: user("[[words 100]]")}
	eachEdition(t, func(t *testing.T, e edition) {
		api := failing(sim.Fault{Cut: true})
		var asked atomic.Int64
		once := editing(func(h http.Header) { h.Set("Retry-After-Ms", "0") }, api(t))
		sdk := e.open(t, access{url: serve(t, counting(&asked, once)), retries: 1})
		if _, err := sdk.message(t.Context(), p); err == nil || asked.Load() != 2 {
			t.Errorf("the SDK asked %d times: %v", asked.Load(), err)
		}
		_, err := e.ours(t, access{url: serve(t, withoutStream(api(t)))}).Call(t.Context(), request(p), llm.Discard)
		if got := llm.AsError(err); got == nil || got.Code != llm.CodeStreamCut || !got.Retryable {
			t.Errorf("the client's error is %+v", got)
		}
	})
}
