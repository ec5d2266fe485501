package warmup

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/llm/llmtest"
)

func prefixed(i int) *llm.Request {
	req := llm.New(llm.Params{Model: "m", System: []llm.Block{{Text: fmt.Sprint("agent ", i), CacheTTL: "5m"}}}, llm.Labels{})
	req.WarmUp = true
	return req
}

func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &llmtest.Script{Steps: []llmtest.Step{{Text: "x"}}}
		c := Layer(Options{})(next).(*caller)
		for i := range 3 * most {
			_, _ = c.Call(t.Context(), prefixed(i), llm.Discard)
			time.Sleep(time.Millisecond)
		}
		if len(c.prefixes) != most {
			t.Errorf("%d prefixes are kept, want %d", len(c.prefixes), most)
		}
		if _, ok := c.prefixes[c.key(prefixed(3*most-1))]; !ok {
			t.Error("the latest prefix was forgotten")
		}
		if _, ok := c.prefixes[c.key(prefixed(2*most-1))]; ok {
			t.Error("an old prefix was kept in place of a later one")
		}
		time.Sleep(5 * time.Minute)
		_, _ = c.Call(t.Context(), prefixed(0), llm.Discard)
		if len(c.prefixes) != 1 {
			t.Errorf("%d prefixes are kept after all others became cold", len(c.prefixes))
		}
	})
}

// TestAForgottenLeaderStillLeads fills the memory while one prefix is led.
func TestAForgottenLeaderStillLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var slow atomic.Int64
		c := Layer(Options{})(llm.CallerFunc(func(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
			if req.System[0].Text == "agent 0" {
				slow.Add(1)
				if err := llm.Sleep(ctx, time.Minute); err != nil {
					return nil, err
				}
			}
			emit(llm.Event{Kind: llm.EventStart})
			return llmtest.Whole(req.Model, "x"), nil
		})).(*caller)
		done := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := c.Call(t.Context(), prefixed(0), llm.Discard)
				done <- err
			}()
		}
		synctest.Wait()
		time.Sleep(time.Second)
		for i := range 2 * most {
			_, _ = c.Call(t.Context(), prefixed(i+1), llm.Discard)
		}
		c.mu.Lock()
		_, known := c.prefixes[c.key(prefixed(0))]
		c.mu.Unlock()
		if n := slow.Load(); known || n != 1 {
			t.Fatalf("the prefix is known: %v; %d calls were made for it", known, n)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil || time.Since(began) != 2*time.Minute {
			t.Errorf("the waiter ended with %v after %v", err, time.Since(began))
		}
		if c.join(c.key(prefixed(0))) != nil {
			t.Error("the prefix is not warm")
		}
	})
}
