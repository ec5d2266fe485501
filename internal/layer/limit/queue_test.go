package limit_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claude-force/claude-force/internal/layer/limit"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/sim"
)

// line puts calls in a queue, one after the other, behind one that is made
// already; words in capitals are interactive. It returns when all have ended.
func line(t *testing.T, c llm.Caller, names string) {
	t.Helper()
	done := make(chan struct{})
	all := strings.Fields(names)
	for _, name := range all {
		go func() {
			if o := call(t.Context(), c, task(sonnet, name, 1, name == strings.ToLower(name)), 0); o.err != nil {
				t.Errorf("%s: %v", name, o.err)
			}
			done <- struct{}{}
		}()
		synctest.Wait()
	}
	for range all {
		<-done
	}
}

func TestQueueOrder(t *testing.T) {
	for name, c := range map[string]struct{ come, go_ string }{
		"first come, first served": {"a b c d e f", "a b c d e f"},
		"interactive ones first":   {"a b c D E f G", "a D E G b c f"},
		"one in five goes to the background": {
			"A b c d A1 A2 A3 A4 A5 A6 A7 A8 A9 A10",
			"A A1 A2 A3 b A4 A5 A6 A7 c A8 A9 A10 d",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newAPI(t, sim.Options{Latency: time.Second})
				line(t, server.stack(t, limit.Options{Concurrency: 1}), c.come)
				if got := server.order(); got != c.go_ {
					t.Errorf("went %s, want %s", got, c.go_)
				}
			})
		})
	}
}

// While interactive calls never end, each fifth place is the background's.
func TestBackgroundIsNotStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAPI(t, sim.Options{Latency: time.Second})
		c := server.stack(t, limit.Options{Concurrency: 2})
		ctx, cancel := context.WithCancel(t.Context())
		for i := range 20 { // always more than can go
			go func() {
				for n := 0; ctx.Err() == nil; n++ {
					_ = call(ctx, c, task(sonnet, fmt.Sprintf("I%d-%d", i, n), 1, false), 0)
				}
			}()
		}
		time.Sleep(10 * time.Second)
		began := time.Now()
		out := crowd(ctx, c, 20, 0, func(i int) *llm.Request { return task(sonnet, fmt.Sprint("b", i), 1, true) })
		if took := time.Since(began); count(out, "") != 20 || took > 51*time.Second {
			t.Errorf("20 calls in the background ended after %v: %v; two a second go, one in five is theirs", took, tally(out))
		}
		cancel()
		synctest.Wait()
	})
}

func TestCancelledCallLeavesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAPI(t, sim.Options{Latency: 10 * time.Second})
		c := server.stack(t, limit.Options{Concurrency: 1})
		ctx, cancel := context.WithCancel(t.Context())
		go call(t.Context(), c, task(sonnet, "first", 1, false), 0)
		synctest.Wait()
		left := make(chan outcome)
		go func() { left <- call(ctx, c, task(sonnet, "second", 1, false), 0) }()
		synctest.Wait()
		last := make(chan outcome)
		go func() { last <- call(t.Context(), c, task(sonnet, "third", 1, false), 0) }()
		time.Sleep(time.Second)
		cancel()
		if o := <-left; o.err == nil || o.err.Code != llm.CodeCancelled || o.took != time.Second {
			t.Errorf("the cancelled call ended after %v with %v", o.took, o.err)
		}
		if o := <-last; o.err != nil || o.took != 20*time.Second {
			t.Errorf("the one behind it ended after %v with %v", o.took, o.err)
		}
		if got := server.order(); got != "first third" {
			t.Errorf("the server saw %s", got)
		}
	})
}

// A call that is cancelled while it is made frees its place.
func TestCancelledCallFreesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAPI(t, sim.Options{Latency: time.Hour})
		c := server.stack(t, limit.Options{Concurrency: 1})
		for range 5 {
			if o := call(t.Context(), c, task(sonnet, "a", 1, false), time.Second); o.err == nil || o.err.Code != llm.CodeDeadline || o.took != time.Second {
				t.Fatalf("ended after %v with %v", o.took, o.err)
			}
		}
		if n := server.Stats().Messages; n != 5 {
			t.Errorf("%d calls came to the server, want 5", n)
		}
	})
}

// While the group is paused, a call whose deadline is too near does not wait
// for it, whether it comes now or stands in the queue already.
func TestPauseBeyondTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAPI(t, sim.Options{Latency: time.Second, Faults: []sim.Fault{{Status: 429, RetryAfter: time.Minute, First: 1}}})
		c := server.stack(t, limit.Options{Concurrency: 1})
		first := make(chan outcome)
		go func() { first <- call(t.Context(), c, task(sonnet, "first", 1, false), 0) }()
		synctest.Wait()
		time.Sleep(2 * time.Second)
		o := call(t.Context(), c, task(sonnet, "late", 1, false), 30*time.Second)
		if o.err == nil || o.err.Code != llm.CodeRateLimit || !o.err.Retryable || o.took != 0 {
			t.Errorf("ended after %v with %v, want the rate limit at once", o.took, o.err)
		}
		if o.resp == nil || o.resp.Attempts != 0 {
			t.Errorf("response %+v, want one without attempts", o.resp)
		}
		if o := <-first; o.err != nil || o.resp.Attempts != 2 {
			t.Errorf("the first call: %v", o.err)
		}
		if got := server.order(); got != "first first" {
			t.Errorf("the server saw %s", got)
		}
	})
}

func TestPauseBeyondTheDeadlineOfThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAPI(t, sim.Options{Faults: []sim.Fault{{SlowFirstByte: time.Second}, {Status: 429, RetryAfter: time.Minute, First: 1}}})
		c := server.stack(t, limit.Options{Concurrency: 1})
		go call(t.Context(), c, task(sonnet, "first", 1, false), 0)
		synctest.Wait()
		o := call(t.Context(), c, task(sonnet, "waits", 1, false), 30*time.Second)
		if o.err == nil || o.err.Code != llm.CodeRateLimit || !o.err.Retryable || o.took != time.Second {
			t.Errorf("ended after %v with %v, want the rate limit when the pause began, after 1s", o.took, o.err)
		}
		time.Sleep(2 * time.Minute)
	})
}

// A call that panics frees its place: what is above may go on.
func TestPanicFreesThePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := true
		next := llm.CallerFunc(func(_ context.Context, req *llm.Request, _ func(llm.Event)) (*llm.Response, error) {
			if broken {
				panic("broken")
			}
			return &llm.Response{Model: req.Model}, nil
		})
		c := layer(limit.Options{Concurrency: 1})(next)
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic did not come through")
				}
			}()
			_, _ = c.Call(t.Context(), task(sonnet, "a", 1, false), llm.Discard)
		}()
		broken = false
		if o := call(t.Context(), c, task(sonnet, "b", 1, false), time.Minute); o.err != nil {
			t.Error(o.err)
		}
	})
}
