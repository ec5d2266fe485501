// Package llmtest has what tests of callers need: a scripted caller, and the
// conformance suite that every layer and every last caller passes.
package llmtest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

// Step is what a scripted caller does with one call.
type Step struct {
	// Text is emitted in pieces, a word each.
	Text string
	// Response is returned; nil means a whole one with Text.
	Response *llm.Response
	// Err is returned; with it Response may be nil.
	Err error
	// Hang waits for the context's end after the text and returns its error.
	Hang bool
	// Delay passes before the first event, or the context's end does.
	Delay time.Duration
}

// Script is a caller that goes through its steps, the last one for ever. It is
// safe for concurrent use.
type Script struct {
	Steps []Step

	mu    sync.Mutex
	calls int
}

// Calls is how many calls were made.
func (s *Script) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

func (s *Script) next() Step {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := min(s.calls, len(s.Steps)-1)
	s.calls++
	return s.Steps[i]
}

// Call implements [llm.Caller].
func (s *Script) Call(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
	step := s.next()
	if step.Delay > 0 {
		t := time.NewTimer(step.Delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil, llm.ContextError(ctx)
		}
	}
	if step.Text != "" {
		emit(llm.Event{Kind: llm.EventStart})
	}
	for piece := range strings.SplitAfterSeq(step.Text, " ") {
		if piece != "" {
			emit(llm.Event{Kind: llm.EventText, Text: piece})
		}
	}
	if step.Hang {
		<-ctx.Done()
		return &llm.Response{Text: step.Text, Model: req.Model, Partial: true}, llm.ContextError(ctx)
	}
	resp := step.Response
	if resp == nil && step.Err == nil {
		resp = Whole(req.Model, step.Text)
	}
	if resp != nil {
		clone := *resp
		resp = &clone
	}
	return resp, step.Err
}

// Whole is a complete response with some usage.
func Whole(model, text string) *llm.Response {
	return &llm.Response{
		ID: "msg_test", Model: model, Text: text, Content: []llm.Block{{Text: text}},
		StopReason: "end_turn", RequestID: "req_test", Attempts: 1,
		Usage: llm.Usage{Input: 100, Output: 10},
	}
}

// Request is a request for tests.
func Request() *llm.Request {
	return llm.New(llm.Params{
		Model: "claude-sonnet-5-5", MaxTokens: 100,
		System:   []llm.Block{{Text: "You review code."}},
		Messages: []llm.Message{{Role: "user", Content: []llm.Block{{Text: "Review this."}}}},
	}, llm.Labels{RunID: "run-1", Agent: "code-reviewer", Requested: "sonnet"})
}

// TestLayer is the conformance suite: what a caller may rely on whatever
// layers are in between. build makes a fresh layer for each part.
func TestLayer(t *testing.T, build func() llm.Layer) {
	t.Helper()
	t.Run("passes an answer and its events on in order", func(t *testing.T) {
		next := &Script{Steps: []Step{{Text: "one two three"}}}
		req := Request()
		body := bytes.Clone(req.Body())
		var got strings.Builder
		resp, err := build()(next).Call(t.Context(), req, collect(&got))
		if err != nil || resp == nil || resp.Text != "one two three" || !resp.Whole() {
			t.Fatalf("Call = %+v, %v", resp, err)
		}
		if got.String() != resp.Text {
			t.Errorf("events spell %q, the answer is %q", got.String(), resp.Text)
		}
		if !bytes.Equal(body, req.Body()) {
			t.Error("the request was changed")
		}
	})
	t.Run("keeps the error and what there is of the answer", func(t *testing.T) {
		want := &llm.Error{Code: llm.CodeInvalidRequest, Message: "no", RequestID: "req_1"}
		next := &Script{Steps: []Step{{Text: "some", Response: &llm.Response{Text: "some", Partial: true}, Err: want}}}
		resp, err := build()(next).Call(t.Context(), Request(), llm.Discard)
		if e := llm.AsError(err); e == nil || e.Code != want.Code || e.RequestID != "req_1" {
			t.Fatalf("error = %v, want %v", err, want)
		}
		if resp == nil || resp.Text != "some" || !resp.Partial {
			t.Errorf("response = %+v, want the partial text", resp)
		}
		if next.Calls() != 1 {
			t.Errorf("%d calls for an error that is not retryable", next.Calls())
		}
	})
	t.Run("ends with its context and says why", func(t *testing.T) {
		testContext(t, build)
	})
	t.Run("serves many calls at once", func(t *testing.T) {
		next := &Script{Steps: []Step{{Text: "a b c"}}}
		caller := build()(next)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				var got strings.Builder
				if resp, err := caller.Call(context.Background(), Request(), collect(&got)); err != nil || resp.Text != got.String() {
					t.Errorf("Call = %+v, %v with events %q", resp, err, got.String())
				}
			})
		}
		wg.Wait()
	})
}

func testContext(t *testing.T, build func() llm.Layer) {
	cause := &llm.Error{Code: llm.CodeDeadline, Message: "too late"}
	for name, c := range map[string]struct {
		end  func(context.Context) (context.Context, context.CancelFunc)
		want llm.Code
	}{
		"cancel": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		}, llm.CodeCancelled},
		"deadline": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(ctx, time.Second, cause)
		}, llm.CodeDeadline},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				caller := build()(&Script{Steps: []Step{{Text: "begun ", Hang: true}}})
				ctx, cancel := c.end(t.Context())
				defer cancel()
				began := time.Now()
				ended := false
				_, err := caller.Call(ctx, Request(), func(llm.Event) {
					if ended {
						t.Error("emit after the return of Call")
					}
				})
				ended = true
				synctest.Wait()
				var e *llm.Error
				if !errors.As(err, &e) || e.Code != c.want {
					t.Errorf("error = %v, want code %s", err, c.want)
				}
				if took := time.Since(began); took != time.Second {
					t.Errorf("returned after %v, want at the context's end after 1s", took)
				}
			})
		})
	}
}

// collect spells out the text of a stream; a restart voids it.
func collect(b *strings.Builder) func(llm.Event) {
	return func(e llm.Event) {
		switch e.Kind {
		case llm.EventText:
			b.WriteString(e.Text)
		case llm.EventRestart:
			b.Reset()
		}
	}
}
