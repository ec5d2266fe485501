package coalesce_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claude-force/claude-force/internal/layer/coalesce"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/llm/llmtest"
)

func TestConformance(t *testing.T) {
	for name, mode := range map[string]llm.ReuseMode{"on": llm.ReuseOn, "off": llm.ReuseOff} {
		t.Run(name, func(t *testing.T) {
			llmtest.TestLayer(t, func() llm.Layer {
				layer := coalesce.Layer(coalesce.Options{})
				return func(next llm.Caller) llm.Caller {
					inner := layer(next)
					return llm.CallerFunc(func(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
						shared := *req
						shared.Reuse.Mode = mode
						return inner.Call(ctx, &shared, emit)
					})
				}
			})
		})
	}
}

func request(mode llm.ReuseMode, key byte) *llm.Request {
	req := llmtest.Request()
	req.Reuse = llm.Reuse{Mode: mode, Key: [32]byte{key}}
	return req
}

// slow emits a word a second.
type slow struct {
	words []string
	fail  error

	mu    sync.Mutex
	calls int
	ended []error
}

func (s *slow) Call(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
	s.mu.Lock()
	s.calls++
	s.mu.Unlock()
	for _, w := range s.words {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			s.mu.Lock()
			s.ended = append(s.ended, context.Cause(ctx))
			s.mu.Unlock()
			return &llm.Response{Partial: true}, llm.ContextError(ctx)
		}
		if w == "!" {
			emit(llm.Event{Kind: llm.EventRestart})
			continue
		}
		emit(llm.Event{Kind: llm.EventText, Text: w})
	}
	if s.fail != nil {
		return nil, s.fail
	}
	resp := llmtest.Whole(req.Model, strings.Join(s.words, ""))
	resp.Cost.Nano = 7
	return resp, nil
}

type seen struct {
	text string
	resp *llm.Response
	err  error
	took time.Duration
}

// callAfter makes a call after a while and tells what came of it.
func callAfter(ctx context.Context, c llm.Caller, req *llm.Request, wait time.Duration) <-chan seen {
	out := make(chan seen, 1)
	go func() {
		time.Sleep(wait)
		began := time.Now()
		var s seen
		s.resp, s.err = c.Call(ctx, req, func(e llm.Event) {
			if e.Kind == llm.EventRestart {
				s.text += "!"
			}
			s.text += e.Text
		})
		s.took = time.Since(began)
		out <- s
	}()
	return out
}

func TestLateJoinerSeesEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &slow{words: []string{"a", "b", "c", "d"}}
		joins := 0
		c := coalesce.Layer(coalesce.Options{
			Price:  func(*llm.Request, *llm.Response) int64 { return 5 },
			OnJoin: func(agent string, saved int64) { joins += int(saved) },
		})(next)
		first := callAfter(t.Context(), c, request(llm.ReuseOn, 1), 0)
		late := callAfter(t.Context(), c, request(llm.ReuseOn, 1), 2500*time.Millisecond)
		a, b := <-first, <-late
		if a.err != nil || a.text != "abcd" || a.resp.Cost.Nano != 7 || a.resp.Source != "" {
			t.Errorf("first: %+v", a)
		}
		if b.err != nil || b.text != "abcd" || b.took != 1500*time.Millisecond || b.resp.Cost.Nano != 0 || b.resp.Source != llm.SourceCoalesced || b.resp.Saved != 5 {
			t.Errorf("late: %+v, %+v", b, b.resp)
		}
		if next.calls != 1 || joins != 5 {
			t.Errorf("%d calls, joins %d", next.calls, joins)
		}
	})
}

func TestOneCancelHurtsNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &slow{words: []string{"a", "b", "c"}}
		c := coalesce.Layer(coalesce.Options{})(next)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(1500*time.Millisecond, cancel)
		first := callAfter(ctx, c, request(llm.ReuseOn, 1), 0)
		second := callAfter(t.Context(), c, request(llm.ReuseOn, 1), time.Second/2)
		a, b := <-first, <-second
		if e := llm.AsError(a.err); e.Code != llm.CodeCancelled || a.took != 1500*time.Millisecond || a.resp.Text != "a" || !a.resp.Partial {
			t.Errorf("cancelled: %+v, %+v", a, a.resp)
		}
		if b.err != nil || b.text != "abc" || next.calls != 1 {
			t.Errorf("the other: %+v after %d calls", b, next.calls)
		}
	})
}

func TestTheCallEndsWhenNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &slow{words: []string{"a", "b", "c", "d", "e"}}
		c := coalesce.Layer(coalesce.Options{})(next)
		short, cancelShort := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		long, cancelLong := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancelShort()
		defer cancelLong()
		first := callAfter(short, c, request(llm.ReuseOn, 1), 0)
		second := callAfter(long, c, request(llm.ReuseOn, 1), 0)
		a, b := <-first, <-second
		if llm.AsError(a.err).Code != llm.CodeDeadline || a.took != 1500*time.Millisecond {
			t.Errorf("short: %+v", a)
		}
		if llm.AsError(b.err).Code != llm.CodeDeadline || b.took != 2500*time.Millisecond {
			t.Errorf("long: %+v", b)
		}
		if len(next.ended) != 1 {
			t.Errorf("the call ended %d times", len(next.ended))
		}
		// Who comes later starts a call of its own.
		if s := <-callAfter(t.Context(), c, request(llm.ReuseOn, 1), 0); s.err != nil || next.calls != 2 {
			t.Errorf("later: %+v after %d calls", s, next.calls)
		}
	})
}

func TestTheLatestDeadlineCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var deadlines []bool
		c := coalesce.Layer(coalesce.Options{})(llm.CallerFunc(func(ctx context.Context, req *llm.Request, _ func(llm.Event)) (*llm.Response, error) {
			for range 2 {
				at, ok := ctx.Deadline()
				deadlines = append(deadlines, ok && time.Until(at) <= 5*time.Second)
				time.Sleep(2 * time.Second)
			}
			return llmtest.Whole(req.Model, "x"), nil
		}))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		first := callAfter(ctx, c, request(llm.ReuseOn, 1), 0)
		second := callAfter(t.Context(), c, request(llm.ReuseOn, 1), time.Second)
		<-first
		<-second
		if len(deadlines) != 2 || !deadlines[0] || deadlines[1] {
			t.Errorf("bounded: %v, want by the first caller alone, then not at all", deadlines)
		}
	})
}

func TestRestartIsNotReplayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coalesce.Layer(coalesce.Options{})(&slow{words: []string{"void", "!", "a", "b"}})
		first := callAfter(t.Context(), c, request(llm.ReuseOn, 1), 0)
		late := callAfter(t.Context(), c, request(llm.ReuseOn, 1), 3500*time.Millisecond)
		if a, b := <-first, <-late; a.text != "void!ab" || b.text != "ab" {
			t.Errorf("first saw %q, late %q", a.text, b.text)
		}
	})
}

func TestWhoSharesNothing(t *testing.T) {
	tools := request(llm.ReuseOn, 1)
	tools = llm.New(llm.Params{Model: "m", Tools: []byte(`[{}]`)}, tools.Labels)
	tools.Reuse = llm.Reuse{Mode: llm.ReuseOn, Key: [32]byte{1}}
	for name, req := range map[string]*llm.Request{
		"off": request(llm.ReuseOff, 1), "refresh": request(llm.ReuseRefresh, 1), "only": request(llm.ReuseOnly, 1), "tools": tools,
	} {
		synctest.Test(t, func(t *testing.T) {
			next := &slow{words: []string{"a"}}
			c := coalesce.Layer(coalesce.Options{})(next)
			first, second := callAfter(t.Context(), c, req, 0), callAfter(t.Context(), c, req, 0)
			<-first
			<-second
			if next.calls != 2 {
				t.Errorf("%s: %d calls, want 2", name, next.calls)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		next := &slow{words: []string{"a"}}
		c := coalesce.Layer(coalesce.Options{})(next)
		first, second := callAfter(t.Context(), c, request(llm.ReuseOn, 1), 0), callAfter(t.Context(), c, request(llm.ReuseOn, 2), 0)
		<-first
		<-second
		if next.calls != 2 {
			t.Errorf("two keys: %d calls, want 2", next.calls)
		}
	})
}

func TestAnErrorIsEverybodys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &slow{words: []string{"a"}, fail: &llm.Error{Code: llm.CodeOverloaded}}
		c := coalesce.Layer(coalesce.Options{})(next)
		first, second := callAfter(t.Context(), c, request(llm.ReuseOn, 1), 0), callAfter(t.Context(), c, request(llm.ReuseOn, 1), 0)
		if a, b := <-first, <-second; llm.AsError(a.err).Code != llm.CodeOverloaded || llm.AsError(b.err).Code != llm.CodeOverloaded || next.calls != 1 {
			t.Errorf("%v and %v after %d calls", a.err, b.err, next.calls)
		}
	})
}
