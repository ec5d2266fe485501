package llm

import (
	"io"
	"time"
)

// Batch is the state of a Message Batch.
type Batch struct {
	ID        string      `json:"id"`
	Status    string      `json:"processing_status"` // in_progress, canceling, ended
	Counts    BatchCounts `json:"request_counts"`
	CreatedAt time.Time   `json:"created_at"`
	ExpiresAt time.Time   `json:"expires_at"`
	EndedAt   *time.Time  `json:"ended_at"`
}

// BatchCounts are the requests of a batch by what became of them. All are in
// processing until the batch has ended.
type BatchCounts struct {
	Processing int `json:"processing"`
	Succeeded  int `json:"succeeded"`
	Errored    int `json:"errored"`
	Canceled   int `json:"canceled"`
	Expired    int `json:"expired"`
}

// Total is the number of requests in the batch.
func (c BatchCounts) Total() int {
	return c.Processing + c.Succeeded + c.Errored + c.Canceled + c.Expired
}

// BatchResult is the outcome of one request of a batch: Response where it
// succeeded, else Err (an [Error]; CodeCancelled or CodeTimeout for requests
// that were cancelled or expired, which cost nothing).
type BatchResult struct {
	ID       string
	Response *Response
	Err      error
}

// BatchItem is one request of a batch; ID must match
// ^[a-zA-Z0-9_-]{1,64}$ and be its only one in the batch.
type BatchItem struct {
	ID      string
	Request *Request
}

const (
	batchOpen    = `{"requests":[`
	batchClose   = `]}`
	itemOpen     = `{"custom_id":`
	itemParams   = `,"params":`
	itemClose    = `}`
	itemOverhead = len(itemOpen) + len(`""`) + len(itemParams) + len(itemClose)
)

// Size is the number of bytes that [BatchWriter.Add] writes for the item at
// most, the comma before it included.
func (i BatchItem) Size() int64 {
	return int64(itemOverhead + len(i.ID) + len(i.Request.Body()) + len(`,`))
}

// BatchWriter writes the body that creates a batch, item by item, so that a
// batch need never be in memory. It does not buffer. It is not safe for
// concurrent use.
type BatchWriter struct {
	w     io.Writer
	buf   []byte
	count int
	bytes int64
	ended bool
}

// NewBatchWriter returns a writer of a body without items.
func NewBatchWriter(w io.Writer) *BatchWriter { return &BatchWriter{w: w} }

// Add appends one item. After an error the body is of no use.
func (b *BatchWriter) Add(i BatchItem) error {
	lead := `,`
	if b.count == 0 {
		lead = batchOpen
	}
	b.buf = append(b.buf[:0], lead...)
	b.buf = append(b.buf, itemOpen...)
	b.buf = AppendString(b.buf, i.ID)
	b.buf = append(b.buf, itemParams...)
	b.buf = append(b.buf, i.Request.Body()...)
	b.buf = append(b.buf, itemClose...)
	b.count++
	return b.write(b.buf)
}

// Close ends the body; it does not close the writer below. Nothing may be
// added afterwards.
func (b *BatchWriter) Close() error {
	b.ended = true
	if b.count == 0 {
		return b.write([]byte(batchOpen + batchClose))
	}
	return b.write([]byte(batchClose))
}

// Count is the number of items so far.
func (b *BatchWriter) Count() int { return b.count }

// Bytes is the size of the body, or what it will be if it is closed now.
func (b *BatchWriter) Bytes() int64 {
	switch {
	case b.ended:
		return b.bytes
	case b.count == 0:
		return int64(len(batchOpen + batchClose))
	}
	return b.bytes + int64(len(batchClose))
}

func (b *BatchWriter) write(p []byte) error {
	n, err := b.w.Write(p)
	b.bytes += int64(n)
	return err
}
