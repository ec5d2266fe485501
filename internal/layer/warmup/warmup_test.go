package warmup_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claude-force/claude-force/internal/layer/warmup"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/llm/llmtest"
)

func TestConformance(t *testing.T) {
	for name, warm := range map[string]bool{"on": true, "off": false} {
		t.Run(name, func(t *testing.T) {
			llmtest.TestLayer(t, func() llm.Layer {
				layer := warmup.Layer(warmup.Options{})
				return func(next llm.Caller) llm.Caller {
					inner := layer(next)
					return llm.CallerFunc(func(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
						asked := *req
						asked.System = []llm.Block{{Text: "You review code.", CacheTTL: "5m"}}
						asked.WarmUp = warm
						return inner.Call(ctx, &asked, emit)
					})
				}
			})
		})
	}
}

// request has a prefix of its own for each system text.
func request(system, ttl string) *llm.Request {
	req := llm.New(llm.Params{
		Model: "claude-sonnet-5-5", MaxTokens: 100,
		System:   []llm.Block{{Text: "You are an agent."}, {Text: system, CacheTTL: ttl}},
		Messages: []llm.Message{{Role: "user", Content: []llm.Block{{Text: "Go on."}}}},
	}, llm.Labels{})
	req.WarmUp = true
	return req
}

// server answers each call with a start after begin and the end a second
// later, and keeps the times at which calls came.
type server struct {
	begin time.Duration
	// fail ends the first calls with an error, in place of their start.
	fail int
	// silent tells no start.
	silent bool

	mu    sync.Mutex
	calls []time.Time
}

func (s *server) Call(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
	s.mu.Lock()
	s.calls = append(s.calls, time.Now())
	failing := len(s.calls) <= s.fail
	s.mu.Unlock()
	if err := llm.Sleep(ctx, s.begin); err != nil {
		return nil, err
	}
	if failing {
		return nil, &llm.Error{Code: llm.CodeOverloaded, Message: "busy"}
	}
	if !s.silent {
		emit(llm.Event{Kind: llm.EventStart})
	}
	if err := llm.Sleep(ctx, time.Second); err != nil {
		return nil, err
	}
	return llmtest.Whole(req.Model, "done"), nil
}

// at returns how many calls came at each time since began.
func (s *server) at(began time.Time) map[time.Duration]int {
	out := map[time.Duration]int{}
	for _, c := range s.calls {
		out[c.Sub(began)]++
	}
	return out
}

// callAll makes n calls at once and returns the errors of those that failed.
func callAll(ctx context.Context, c llm.Caller, n int, req *llm.Request) []error {
	var mu sync.Mutex
	var failed []error
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if _, err := c.Call(ctx, req, llm.Discard); err != nil {
				mu.Lock()
				failed = append(failed, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return failed
}

func same(t *testing.T, got, want map[time.Duration]int) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) { // maps print in order
		t.Errorf("calls came at %v, want %v", got, want)
	}
}

func TestOneGoesAhead(t *testing.T) {
	for name, c := range map[string]struct {
		server *server
		want   map[time.Duration]int
	}{
		"until its stream begins":           {&server{begin: 3 * time.Second}, map[time.Duration]int{0: 1, 3 * time.Second: 49}},
		"until its end, where it is silent": {&server{begin: 3 * time.Second, silent: true}, map[time.Duration]int{0: 1, 4 * time.Second: 49}},
		"the next one where it fails":       {&server{begin: 3 * time.Second, fail: 2}, map[time.Duration]int{0: 1, 3 * time.Second: 1, 6 * time.Second: 1, 9 * time.Second: 47}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				caller := warmup.Layer(warmup.Options{})(c.server)
				if failed := callAll(t.Context(), caller, 50, request("one", "5m")); len(failed) != c.server.fail {
					t.Errorf("%d calls failed, want %d", len(failed), c.server.fail)
				}
				same(t, c.server.at(began), c.want)
			})
		})
	}
}

func TestALeaderThatIsCancelledPassesTheLeadOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{begin: 3 * time.Second}
		caller := warmup.Layer(warmup.Options{})(s)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() { callAll(ctx, caller, 1, request("one", "5m")) })
		synctest.Wait()
		wg.Go(func() { callAll(t.Context(), caller, 10, request("one", "5m")) })
		wg.Wait()
		same(t, s.at(began), map[time.Duration]int{0: 1, time.Second: 1, 4 * time.Second: 9})
	})
}

func TestALeaderThatPanicsPassesTheLeadOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		caller := warmup.Layer(warmup.Options{})(llm.CallerFunc(func(_ context.Context, req *llm.Request, _ func(llm.Event)) (*llm.Response, error) {
			if calls.Add(1) == 1 {
				panic("a fault below")
			}
			return llmtest.Whole(req.Model, "done"), nil
		}))
		func() {
			defer func() { _ = recover() }()
			_, _ = caller.Call(t.Context(), request("one", "5m"), llm.Discard)
		}()
		if failed := callAll(t.Context(), caller, 5, request("one", "5m")); failed != nil {
			t.Error(failed)
		}
	})
}

func TestAWaiterIsCancelledAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{begin: 10 * time.Second}
		caller := warmup.Layer(warmup.Options{})(s)
		began := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() { callAll(t.Context(), caller, 1, request("one", "5m")) })
		synctest.Wait()
		cause := &llm.Error{Code: llm.CodeDeadline, Message: "too late"}
		ctx, cancel := context.WithTimeoutCause(t.Context(), 2*time.Second, cause)
		defer cancel()
		wg.Go(func() { callAll(t.Context(), caller, 3, request("one", "5m")) })
		resp, err := caller.Call(ctx, request("one", "5m"), llm.Discard)
		if !errors.Is(err, cause) || resp != nil || time.Since(began) != 2*time.Second {
			t.Errorf("Call = %v, %v after %v", resp, err, time.Since(began))
		}
		wg.Wait()
		same(t, s.at(began), map[time.Duration]int{0: 1, 10 * time.Second: 3})
	})
}

// TestWarmth makes two calls at once at each of some times: a warm prefix lets
// both go at once, a cold one lets the second wait a second.
func TestWarmth(t *testing.T) {
	for _, c := range []struct {
		ttl string
		// at is minutes after the first pair, warm what each pair finds.
		at   []int
		warm []bool
	}{
		{"5m", []int{0, 4, 8, 14, 15}, []bool{false, true, true, false, true}},
		{"1h", []int{0, 59, 118, 180}, []bool{false, true, true, false}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &server{begin: time.Second}
			caller := warmup.Layer(warmup.Options{Now: time.Now})(s)
			began := time.Now()
			want := map[time.Duration]int{}
			for i, minutes := range c.at {
				at := time.Duration(minutes) * time.Minute
				want[at]++
				if c.warm[i] {
					want[at]++
				} else {
					want[at+time.Second]++
				}
				time.Sleep(time.Until(began.Add(at)))
				callAll(t.Context(), caller, 2, request("one", c.ttl))
			}
			same(t, s.at(began), want)
		})
	}
}

func TestARestartKeepsThePrefixWarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		caller := warmup.Layer(warmup.Options{})(llm.CallerFunc(func(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
			calls.Add(1)
			for _, kind := range []llm.EventKind{llm.EventStart, llm.EventRestart, llm.EventStart} {
				emit(llm.Event{Kind: kind})
			}
			<-ctx.Done()
			return nil, llm.ContextError(ctx)
		}))
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { callAll(ctx, caller, 8, request("one", "5m")) })
		synctest.Wait()
		if n := calls.Load(); n != 8 {
			t.Errorf("%d calls after the restart, want all 8", n)
		}
		cancel()
		wg.Wait()
	})
}

func TestOtherPrefixesDoNotWait(t *testing.T) {
	change := func(f func(*llm.Params)) *llm.Request {
		p := request("one", "5m").Params
		f(&p)
		req := llm.New(p, llm.Labels{})
		req.WarmUp = true
		return req
	}
	for name, c := range map[string]struct {
		other *llm.Request
		waits bool
	}{
		"another task":     {change(func(p *llm.Params) { p.Messages = nil }), true},
		"another length":   {change(func(p *llm.Params) { p.MaxTokens = 1 }), true},
		"another system":   {request("two", "5m"), false},
		"another ttl":      {request("one", "1h"), false},
		"another split":    {change(func(p *llm.Params) { p.System = []llm.Block{{Text: "You are an agent.one", CacheTTL: "5m"}} }), false},
		"another model":    {change(func(p *llm.Params) { p.Model = "claude-haiku-5-5" }), false},
		"other tools":      {change(func(p *llm.Params) { p.Tools = []byte(`[{"name":"t"}]`) }), false},
		"another thinking": {change(func(p *llm.Params) { p.Thinking = []byte(`{"type":"adaptive"}`) }), false},
		"another format":   {change(func(p *llm.Params) { p.OutputFormat = []byte(`{}`) }), false},
		"another speed":    {change(func(p *llm.Params) { p.Speed = "fast" }), false},
		"no breakpoint":    {request("one", ""), false},
		"raw last block": {change(func(p *llm.Params) {
			p.System = []llm.Block{{JSON: []byte(`{"type":"text","text":"x"}`), CacheTTL: "5m"}}
		}), false},
		"no system": {change(func(p *llm.Params) { p.System = nil }), false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{begin: time.Second}
				caller := warmup.Layer(warmup.Options{})(s)
				began := time.Now()
				var wg sync.WaitGroup
				wg.Go(func() { callAll(t.Context(), caller, 1, request("one", "5m")) })
				synctest.Wait()
				wg.Go(func() { callAll(t.Context(), caller, 1, c.other) })
				wg.Wait()
				want := map[time.Duration]int{0: 2}
				if c.waits {
					want = map[time.Duration]int{0: 1, time.Second: 1}
				}
				same(t, s.at(began), want)
			})
		})
	}
}

func TestPassingByCostsNothing(t *testing.T) {
	caller := warmup.Layer(warmup.Options{})(llm.CallerFunc(func(context.Context, *llm.Request, func(llm.Event)) (*llm.Response, error) {
		return nil, nil
	}))
	off := request("one", "5m")
	off.WarmUp = false
	for name, req := range map[string]*llm.Request{"off": off, "no breakpoint": request("one", "")} {
		if n := testing.AllocsPerRun(100, func() { _, _ = caller.Call(t.Context(), req, llm.Discard) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkWarm(b *testing.B) {
	caller := warmup.Layer(warmup.Options{})(llm.CallerFunc(func(_ context.Context, _ *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
		emit(llm.Event{Kind: llm.EventStart})
		return nil, nil
	}))
	text := make([]byte, 16<<10)
	req := request(string(text), "5m")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = caller.Call(b.Context(), req, llm.Discard)
	}
}
