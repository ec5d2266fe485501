package limit_test

import (
	"context"
	"testing"

	"github.com/claude-force/claude-force/internal/layer/limit"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/llm/llmtest"
)

// BenchmarkCall measures what the layer adds to a call that takes no time.
func BenchmarkCall(b *testing.B) {
	plenty := llm.Rate{Limit: 1 << 40, Remaining: 1 << 40}
	for name, c := range map[string]struct {
		rates  *llm.Rates
		shared bool
	}{
		"alone":                   {},
		"alone, with headers":     {rates: &llm.Rates{Requests: plenty, Input: plenty, Output: plenty}},
		"shared":                  {shared: true},
		"shared and with headers": {rates: &llm.Rates{Requests: plenty, Input: plenty, Output: plenty}, shared: true},
	} {
		b.Run(name, func(b *testing.B) {
			o := limit.Options{}
			if c.shared {
				o.Shared, o.Holder = &memory{}, "a"
			}
			answer := llmtest.Whole("claude-sonnet-5-5", "short")
			next := llm.CallerFunc(func(_ context.Context, _ *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
				if c.rates != nil {
					emit(llm.Event{Kind: llm.EventRates, Rates: c.rates})
				}
				return answer, nil
			})
			l := limit.New(o)
			defer l.Close()
			caller := l.Layer()(next)
			req := llmtest.Request()
			call := func(ctx context.Context) {
				if _, err := caller.Call(ctx, req, llm.Discard); err != nil {
					b.Error(err)
				}
			}
			for range 3 { // the limits are known, and a lease is held
				call(b.Context())
			}
			b.ReportAllocs()
			for b.Loop() {
				call(b.Context())
			}
		})
	}
}

// BenchmarkCallParallel measures the same where many call at once.
func BenchmarkCallParallel(b *testing.B) {
	next := llm.CallerFunc(func(_ context.Context, req *llm.Request, _ func(llm.Event)) (*llm.Response, error) {
		return &llm.Response{Model: req.Model}, nil
	})
	caller := limit.New(limit.Options{Concurrency: 1000}).Layer()(next)
	req := llmtest.Request()
	b.SetParallelism(50)
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := caller.Call(b.Context(), req, llm.Discard); err != nil {
				b.Error(err)
			}
		}
	})
}
