package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/layer/charge"
	"github.com/claude-force/claude-force/internal/layer/record"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

// BenchmarkRecord keeps a run and its exchange in a transaction of their own.
func BenchmarkRecord(b *testing.B) {
	db, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "state.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	at := time.Now()
	usage := llm.Usage{Input: 1200, Output: 300, Tier: "standard"}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r := record.Run{
			Labels: llm.Labels{
				RunID: fmt.Sprintf("019ac1d2-%08d-7000-9000-%08d", i, i), Agent: "code-reviewer", Requested: "sonnet",
				TaskHash: "0123456789abcdef",
			},
			Model: "claude-sonnet-5-5", Status: record.Succeeded, StopReason: "end_turn", Started: at,
			Duration: time.Duration(i%1000) * time.Millisecond, Usage: usage, Cost: llm.Cost{Nano: 12345},
			RequestID: "req_018EeWyXxfu5pfWkrYcMdjWG", Attempts: 1, Source: llm.SourceMiss,
		}
		x := charge.Exchange{
			RunID: r.RunID, Agent: r.Agent, Model: r.Model, Answered: r.Model, Started: at, Duration: r.Duration,
			Usage: usage, Cost: r.Cost, StopReason: r.StopReason, RequestID: r.RequestID,
		}
		if err := db.SaveExchange(b.Context(), x); err != nil {
			b.Fatal(err)
		}
		if err := db.SaveRun(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}
