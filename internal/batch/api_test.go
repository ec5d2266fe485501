package batch_test

import (
	"bytes"
	"context"
	"io"
	"time"

	"github.com/claude-force/claude-force/internal/batch"
	"github.com/claude-force/claude-force/internal/llm"
)

// createSizes notes how large batches are.
type createSizes struct {
	batch.API
	sizes *[]int64
}

func (c createSizes) CreateBatch(ctx context.Context, body io.ReadSeeker, size int64) (*llm.Batch, error) {
	*c.sizes = append(*c.sizes, size)
	return c.API.CreateBatch(ctx, body, size)
}

// limited refuses the first submissions for now.
type limited struct {
	batch.API
	times, creates int
	after          time.Duration
}

func (l *limited) CreateBatch(ctx context.Context, body io.ReadSeeker, size int64) (*llm.Batch, error) {
	if l.creates++; l.creates <= l.times {
		return nil, &llm.Error{Code: llm.CodeRateLimit, Status: 429, Retryable: true, RetryAfter: l.after, HasRetryAfter: l.after > 0}
	}
	return l.API.CreateBatch(ctx, body, size)
}

// writerBuffer is a body in memory.
type writerBuffer struct{ b bytes.Buffer }

func (w *writerBuffer) Write(p []byte) (int, error) { return w.b.Write(p) }
func (w *writerBuffer) reader() io.ReadSeeker       { return bytes.NewReader(w.b.Bytes()) }
