package claude

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

// The words of batches, which are the vocabulary's.
type (
	// Batch is the state of a Message Batch.
	Batch = llm.Batch
	// BatchItem is one request of a batch.
	BatchItem = llm.BatchItem
	// BatchResult is the outcome of one request of a batch.
	BatchResult = llm.BatchResult
	// BatchWriter writes the body that creates a batch.
	BatchWriter = llm.BatchWriter
)

const batchesPath = "/v1/messages/batches"

func batchPath(id string) string { return batchesPath + "/" + url.PathEscape(id) }

// CreateBatch submits a body of size bytes that a [BatchWriter] wrote: at most
// 100,000 requests and 256 MB. body is read from its start and not closed.
//
// Nothing is submitted twice by itself: net/http, too, repeats no request
// whose body it cannot get again. After an error it may be unknown whether the
// batch exists, and [Client.Batches] tells; ctx bounds the wait.
func (c *Client) CreateBatch(ctx context.Context, body io.ReadSeeker, size int64) (*llm.Batch, error) {
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read the batch: %w", err)
	}
	hr, err := c.request(ctx, http.MethodPost, batchesPath, nil, nil)
	if err != nil {
		return nil, err
	}
	hr.Body, hr.ContentLength = io.NopCloser(body), size
	res, err := c.send(hr)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var out llm.Batch
	if err := c.decode(ctx, res, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// Batch returns the state of one batch.
func (c *Client) Batch(ctx context.Context, id string) (*llm.Batch, error) {
	var out llm.Batch
	return &out, c.do(ctx, http.MethodGet, batchPath(id), nil, nil, &out)
}

// Batches lists the batches of the key's workspace, newest first, as far back
// as since; the zero time lists all.
func (c *Client) Batches(ctx context.Context, since time.Time) ([]llm.Batch, error) {
	return collect(ctx, c, batchesPath, func(b llm.Batch) bool { return b.CreatedAt.Before(since) })
}

// CancelBatch asks the API to stop a batch; what has finished stays.
func (c *Client) CancelBatch(ctx context.Context, id string) (*llm.Batch, error) {
	var out llm.Batch
	return &out, c.do(ctx, http.MethodPost, batchPath(id)+"/cancel", []byte("{}"), nil, &out)
}

// BatchResults hands each result of an ended batch to each, in the server's
// order, which is not the order of submission. It stops at each's first error
// and returns it as it is.
//
// Results are read as they come, however many there are. A download that is
// cut, or stands still for longer than the timeout Idle, returns a retryable
// error after the results that had arrived whole; to read them again from the
// start is safe.
func (c *Client) BatchResults(ctx context.Context, id string, each func(llm.BatchResult) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	res, err := c.open(ctx, http.MethodGet, batchPath(id)+"/results", nil, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := lineReader{r: bufio.NewReaderSize(c.idle(res.Body, cancel), 64<<10)}
	for {
		line, err := lines.next()
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return c.resultsCut(ctx, err)
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		r, err := c.batchResult(line)
		if err != nil {
			return err
		}
		if err := each(r); err != nil {
			return err
		}
	}
}

// resultsCut says that results ended before their end.
func (c *Client) resultsCut(ctx context.Context, err error) error {
	if cause := llm.ContextError(ctx); cause != nil {
		return cause
	}
	if errors.Is(err, errTooLarge) {
		return &llm.Error{Code: llm.CodeBadResponse, Status: http.StatusOK, Message: err.Error(), Err: err}
	}
	return &llm.Error{
		Code: llm.CodeStreamCut, Status: http.StatusOK, Retryable: true, Err: err,
		Message: "the connection ended in the middle of the results of a batch", Hint: "run it again; nothing is paid twice",
	}
}

// batchResult reads one line. What cannot be read of a message is that
// request's error and no other's; a line that names no request is an error.
func (c *Client) batchResult(line []byte) (llm.BatchResult, error) {
	var doc struct {
		ID     string `json:"custom_id"`
		Result struct {
			Type    string          `json:"type"`
			Message json.RawMessage `json:"message"`
			Error   struct {
				Error wireError `json:"error"`
			} `json:"error"`
		} `json:"result"`
	}
	if err := json.Unmarshal(line, &doc); err != nil || doc.ID == "" {
		return llm.BatchResult{}, &llm.Error{
			Code: llm.CodeBadResponse, Status: http.StatusOK, Retryable: true, Err: err,
			Message: "the server sent a batch result that is no JSON object with a custom_id",
		}
	}
	out := llm.BatchResult{ID: doc.ID}
	switch doc.Result.Type {
	case "succeeded":
		resp := &llm.Response{Attempts: 1}
		if err := c.message(doc.Result.Message, resp, llm.Discard); err != nil {
			out.Err = err
			return out, nil
		}
		resp.Usage.Tier = "batch"
		out.Response = resp
	case "canceled":
		out.Err = &llm.Error{Code: llm.CodeCancelled, Message: "the request was cancelled with its batch", Retryable: true}
	case "expired":
		out.Err = &llm.Error{Code: llm.CodeTimeout, Message: "the batch expired before this request was processed", Retryable: true}
	default:
		if doc.Result.Error.Error.Type == "" {
			doc.Result.Error.Error.Type = llm.CodeBadResponse
		}
		out.Err = c.classify(doc.Result.Error.Error, 0)
	}
	return out, nil
}

// lineReader reads lines of at most maxEvent bytes.
type lineReader struct {
	r    *bufio.Reader
	long []byte // a line that is longer than r's buffer
}

// next returns the next line without its end, valid until the call after. The
// last line may lack its end; it comes with io.EOF.
func (l *lineReader) next() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		l.long = append(l.long[:0], line...)
		for errors.Is(err, bufio.ErrBufferFull) {
			if len(l.long) > maxEvent {
				return nil, fmt.Errorf("%w (one result over %d bytes)", errTooLarge, maxEvent)
			}
			line, err = l.r.ReadSlice('\n')
			l.long = append(l.long, line...)
		}
		line = l.long
	}
	return bytes.TrimSuffix(line, []byte{'\n'}), err
}

// idle bounds each read of a body: cancel ends the exchange where the server
// sends nothing for longer than the timeout Idle. The time that a reader takes
// between its reads does not count.
func (c *Client) idle(body io.Reader, cancel context.CancelCauseFunc) io.Reader {
	if c.timeouts.Idle <= 0 {
		return body
	}
	timer := time.AfterFunc(c.timeouts.Idle, func() {
		cancel(timeoutError("the next result", c.timeouts.Idle, "timeouts.idle"))
	})
	timer.Stop()
	return &idleReader{body, timer, c.timeouts.Idle}
}

type idleReader struct {
	io.Reader
	timer *time.Timer
	most  time.Duration
}

// Read implements [io.Reader].
func (r *idleReader) Read(p []byte) (int, error) {
	r.timer.Reset(r.most)
	defer r.timer.Stop()
	return r.Reader.Read(p)
}
