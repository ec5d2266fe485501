package limit_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claude-force/claude-force/internal/layer/limit"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/llm/llmtest"
)

func TestConformance(t *testing.T) {
	llmtest.TestLayer(t, func() llm.Layer { return layer(limit.Options{}) })
}

// layer is a limiter's; one that is alone needs no closing.
func layer(o limit.Options) llm.Layer { return limit.New(o).Layer() }

func overloaded() *llm.Error {
	return &llm.Error{Code: llm.CodeOverloaded, Message: "busy", Retryable: true}
}

func rateLimited(wait time.Duration) *llm.Error {
	return &llm.Error{Code: llm.CodeRateLimit, Message: "slow down", Retryable: true, RetryAfter: wait, HasRetryAfter: true}
}

// half is a jitter without chance: each wait is half its bound.
func half() float64 { return 0.5 }

func TestRetries(t *testing.T) {
	for name, c := range map[string]struct {
		steps    []llmtest.Step
		attempts int // asked for; 0 is the default of 4
		timeout  time.Duration
		calls    int
		took     time.Duration
		code     llm.Code // of the error; empty for success
	}{
		"succeeds at once":     {[]llmtest.Step{{Text: "ok"}}, 0, 0, 1, 0, ""},
		"second attempt":       {[]llmtest.Step{{Err: overloaded()}, {Text: "ok"}}, 0, 0, 2, 250 * time.Millisecond, ""},
		"bounds grow":          {[]llmtest.Step{{Err: overloaded()}, {Err: overloaded()}, {Err: overloaded()}, {Text: "ok"}}, 0, 0, 4, 1750 * time.Millisecond, ""},
		"gives up after four":  {[]llmtest.Step{{Err: overloaded()}}, 0, 0, 4, 1750 * time.Millisecond, llm.CodeOverloaded},
		"attempts are a limit": {[]llmtest.Step{{Err: overloaded()}}, 2, 0, 2, 250 * time.Millisecond, llm.CodeOverloaded},
		"not retryable":        {[]llmtest.Step{{Err: &llm.Error{Code: llm.CodeAuthentication}}}, 0, 0, 1, 0, llm.CodeAuthentication},
		"server's wait":        {[]llmtest.Step{{Err: rateLimited(7 * time.Second)}, {Text: "ok"}}, 0, 0, 2, 7 * time.Second, ""},
		"at once":              {[]llmtest.Step{{Err: rateLimited(0)}, {Text: "ok"}}, 0, 0, 2, 0, ""},
		"wait within deadline": {[]llmtest.Step{{Err: rateLimited(7 * time.Second)}, {Text: "ok"}}, 0, 8 * time.Second, 2, 7 * time.Second, ""},
		"wait beyond deadline": {[]llmtest.Step{{Err: rateLimited(time.Hour)}}, 0, time.Minute, 1, 0, llm.CodeRateLimit},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if c.timeout > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.timeout)
					defer cancel()
				}
				next := &llmtest.Script{Steps: c.steps}
				began := time.Now()
				resp, err := layer(limit.Options{Attempts: c.attempts, Jitter: half})(next).Call(ctx, llmtest.Request(), llm.Discard)
				var code llm.Code
				if err != nil {
					code = llm.AsError(err).Code
				}
				if code != c.code || next.Calls() != c.calls || time.Since(began) != c.took {
					t.Errorf("code %q after %d calls in %v, want %q after %d in %v", code, next.Calls(), time.Since(began), c.code, c.calls, c.took)
				}
				if resp == nil || resp.Attempts != c.calls {
					t.Errorf("response = %+v, want %d attempts", resp, c.calls)
				}
			})
		})
	}
}

func TestRestartVoidsWhatWasShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cut := &llm.Error{Code: llm.CodeStreamCut, Retryable: true}
		next := &llmtest.Script{Steps: []llmtest.Step{
			{Err: overloaded()},
			{Text: "half an", Response: &llm.Response{Text: "half an", Partial: true, Cost: llm.Cost{Nano: 5}}, Err: cut},
			{Text: "a whole one", Response: whole("a whole one", 7)},
		}}
		var events []string
		resp, err := layer(limit.Options{Jitter: half})(next).Call(t.Context(), llmtest.Request(), func(e llm.Event) {
			switch e.Kind {
			case llm.EventText:
				events = append(events, e.Text)
			case llm.EventRestart:
				events = append(events, "!")
			}
		})
		if err != nil || resp.Text != "a whole one" || resp.Cost != (llm.Cost{Nano: 12}) || resp.Attempts != 3 {
			t.Errorf("response = %+v, %v; want both attempts' cost", resp, err)
		}
		if got := strings.Join(events, "|"); got != "half |an|!|a |whole |one" {
			t.Errorf("events = %s", got)
		}
	})
}

func whole(text string, nano int64) *llm.Response {
	r := llmtest.Whole("claude-sonnet-5-5", text)
	r.Cost.Nano = nano
	return r
}

// A reader that has shown text leaves at the restart, and no call is bought
// for it.
func TestReaderLeavesAtRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, leave := context.WithCancelCause(t.Context())
		next := &llmtest.Script{Steps: []llmtest.Step{{Text: "shown ", Err: &llm.Error{Code: llm.CodeStreamCut, Retryable: true}}}}
		_, err := layer(limit.Options{Jitter: half})(next).Call(ctx, llmtest.Request(), func(e llm.Event) {
			if e.Kind == llm.EventRestart {
				leave(&llm.Error{Code: llm.CodeStreamCut, Message: "shown already"})
			}
		})
		if e := llm.AsError(err); e.Code != llm.CodeStreamCut || e.Message != "shown already" || next.Calls() != 1 {
			t.Errorf("error %v after %d calls", err, next.Calls())
		}
	})
}

func TestCancelEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, cancel)
		next := &llmtest.Script{Steps: []llmtest.Step{{Err: rateLimited(time.Hour)}}}
		began := time.Now()
		var told limit.Retry
		_, err := layer(limit.Options{OnRetry: func(r limit.Retry) { told = r }})(next).Call(ctx, llmtest.Request(), llm.Discard)
		if e := llm.AsError(err); e.Code != llm.CodeCancelled || time.Since(began) != 2*time.Second || next.Calls() != 1 {
			t.Errorf("error %v after %v and %d calls", err, time.Since(began), next.Calls())
		}
		if told.Attempt != 1 || told.Wait != time.Hour || told.RunID != "run-1" {
			t.Errorf("told %+v", told)
		}
	})
}

func TestRandomJitterStaysWithinItsBound(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			next := &llmtest.Script{Steps: []llmtest.Step{{Err: overloaded()}, {Text: "ok"}}}
			began := time.Now()
			if _, err := layer(limit.Options{})(next).Call(t.Context(), llmtest.Request(), llm.Discard); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > limit.Base {
				t.Errorf("waited %v, more than %v", took, limit.Base)
			}
		})
	}
}
