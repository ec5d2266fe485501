package record_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/layer/record"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/llm/llmtest"
)

type rows struct {
	mu   sync.Mutex
	kept []record.Run
	err  error
}

func (r *rows) SaveRun(ctx context.Context, row record.Run) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = append(r.kept, row)
	return r.err
}

func TestConformance(t *testing.T) {
	llmtest.TestLayer(t, func() llm.Layer { return record.Layer(&rows{}, time.Now) })
}

func TestEveryEndIsOneRow(t *testing.T) {
	refused := llmtest.Whole("claude-sonnet-5-5", "")
	refused.StopReason = "refusal"
	for name, c := range map[string]struct {
		step   llmtest.Step
		status record.Status
		code   llm.Code
	}{
		"success":   {llmtest.Step{Text: "ok"}, record.Succeeded, ""},
		"failure":   {llmtest.Step{Err: &llm.Error{Code: llm.CodeAuthentication, RequestID: "req_1"}}, record.Failed, llm.CodeAuthentication},
		"refusal":   {llmtest.Step{Response: refused}, record.Failed, llm.CodeRefusal},
		"cancelled": {llmtest.Step{Hang: true}, record.Cancelled, llm.CodeCancelled},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			if c.step.Hang {
				cancel()
			}
			defer cancel()
			kept := &rows{}
			resp, _ := record.Layer(kept, time.Now)(&llmtest.Script{Steps: []llmtest.Step{c.step}}).Call(ctx, llmtest.Request(), llm.Discard)
			if len(kept.kept) != 1 || resp == nil {
				t.Fatalf("rows = %+v, response = %v", kept.kept, resp)
			}
			if row := kept.kept[0]; row.Status != c.status || row.Error != c.code || row.RunID != "run-1" || row.Requested != "sonnet" {
				t.Errorf("row = %+v", row)
			}
		})
	}
}

func TestUnwritableStoreIsOneWarning(t *testing.T) {
	step := llmtest.Step{Response: llmtest.Whole("m", "ok")}
	step.Response.Warnings = []string{"this run was not recorded: disk full"}
	resp, err := record.Layer(&rows{err: errors.New("disk full")}, time.Now)(&llmtest.Script{Steps: []llmtest.Step{step}}).Call(t.Context(), llmtest.Request(), llm.Discard)
	if err != nil || resp.Text != "ok" || len(resp.Warnings) != 1 {
		t.Errorf("Call = %+v, %v", resp, err)
	}
}
