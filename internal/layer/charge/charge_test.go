package charge_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/layer/charge"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/llm/llmtest"
	"github.com/claude-force/claude-force/internal/model"
)

type rows struct {
	kept []charge.Exchange
	err  error
}

func (r *rows) SaveExchange(ctx context.Context, e charge.Exchange) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.kept = append(r.kept, e)
	return r.err
}

func catalogue(t *testing.T) *model.Catalogue {
	t.Helper()
	c, err := model.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConformance(t *testing.T) {
	c := catalogue(t)
	llmtest.TestLayer(t, func() llm.Layer { return charge.Layer(charge.Options{Catalogue: c}) })
}

func TestPrices(t *testing.T) {
	day := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		answered string
		usage    llm.Usage
		want     llm.Cost
	}{
		// Sonnet 5.5: 2 in, 10 out, 2.50 and 4 for writes, 0.10 for reads.
		"every kind of token":                {"claude-sonnet-5-5", llm.Usage{Input: 1000, Output: 100, CacheWrite5m: 10, CacheWrite1h: 10, CacheRead: 100}, llm.Cost{Nano: 2_000_000 + 1_000_000 + 25_000 + 40_000 + 10_000}},
		"batch":                              {"claude-sonnet-5-5", llm.Usage{Input: 1000, Tier: "batch"}, llm.Cost{Nano: 1_000_000}},
		"US only":                            {"claude-sonnet-5-5", llm.Usage{Input: 1000, Geo: "us"}, llm.Cost{Nano: 2_200_000}},
		"fast":                               {"claude-opus-5-5", llm.Usage{Output: 1000, Speed: "fast"}, llm.Cost{Nano: 40_000_000}},
		"the model that answered is charged": {"claude-haiku-5-5", llm.Usage{Input: 1000}, llm.Cost{Nano: 100_000}},
		"a prompt over the band":             {"claude-haiku-5-5", llm.Usage{Input: 100_001, Output: 2}, llm.Cost{Nano: 100_001*500 + 2*2500}},
		"unknown model":                      {"my-model", llm.Usage{Input: 1000}, llm.Cost{Unknown: true}},
		"no tokens":                          {"my-model", llm.Usage{}, llm.Cost{}},
		"absurd counts":                      {"claude-sonnet-5-5", llm.Usage{Input: -5, Output: 7}, llm.Cost{Unknown: true}},
	} {
		t.Run(name, func(t *testing.T) {
			resp := llmtest.Whole(c.answered, "x")
			resp.Usage = c.usage
			kept := &rows{}
			layer := charge.Layer(charge.Options{Store: kept, Catalogue: catalogue(t), Now: func() time.Time { return day }})
			got, err := layer(&llmtest.Script{Steps: []llmtest.Step{{Response: resp}}}).Call(t.Context(), llmtest.Request(), llm.Discard)
			if err != nil || got.Cost != c.want {
				t.Errorf("cost = %+v, %v; want %+v", got.Cost, err, c.want)
			}
			if len(kept.kept) != 1 || kept.kept[0].Cost != c.want || kept.kept[0].Model != "claude-sonnet-5-5" || kept.kept[0].Answered != c.answered {
				t.Errorf("rows = %+v", kept.kept)
			}
		})
	}
}

func TestFailuresAreRowsToo(t *testing.T) {
	cut := &llm.Error{Code: llm.CodeStreamCut, Status: 200, RequestID: "req_7", Retryable: true}
	for name, c := range map[string]struct {
		step       llmtest.Step
		code       llm.Code
		incomplete bool
		nano       int64
	}{
		"refused":   {llmtest.Step{Err: &llm.Error{Code: llm.CodeRateLimit, Status: 429}}, llm.CodeRateLimit, false, 0},
		"timeout":   {llmtest.Step{Err: &llm.Error{Code: llm.CodeTimeout}}, llm.CodeTimeout, true, 0},
		"cut":       {llmtest.Step{Response: &llm.Response{Model: "claude-sonnet-5-5", Partial: true, Usage: llm.Usage{Input: 1000, Output: 1, Incomplete: true}}, Err: cut}, llm.CodeStreamCut, true, 2_010_000},
		"cancelled": {llmtest.Step{Hang: true}, llm.CodeCancelled, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			kept := &rows{}
			ctx, cancel := context.WithCancel(t.Context())
			if c.step.Hang {
				cancel()
			}
			defer cancel()
			layer := charge.Layer(charge.Options{Store: kept, Catalogue: catalogue(t)})
			if _, err := layer(&llmtest.Script{Steps: []llmtest.Step{c.step}}).Call(ctx, llmtest.Request(), llm.Discard); err == nil {
				t.Fatal("the error was lost")
			}
			if len(kept.kept) != 1 {
				t.Fatalf("rows = %+v", kept.kept)
			}
			row := kept.kept[0]
			if row.Error != c.code || row.Cost.Nano != c.nano || (row.Usage.Incomplete != c.incomplete && name != "cancelled") {
				t.Errorf("row = %+v", row)
			}
		})
	}
}

func TestUnwritableStoreIsAWarning(t *testing.T) {
	layer := charge.Layer(charge.Options{Store: &rows{err: errors.New("disk full")}, Catalogue: catalogue(t)})
	resp, err := layer(&llmtest.Script{Steps: []llmtest.Step{{Text: "ok"}}}).Call(t.Context(), llmtest.Request(), llm.Discard)
	if err != nil || resp.Text != "ok" || len(resp.Warnings) != 1 || !strings.Contains(resp.Warnings[0], "disk full") {
		t.Errorf("Call = %+v, %v", resp, err)
	}
}
