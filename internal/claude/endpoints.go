package claude

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

// CountTokens asks the API how many input tokens req has, which is free and
// has a rate limit of its own.
func (c *Client) CountTokens(ctx context.Context, req *llm.Request) (int, error) {
	// The endpoint refuses what only shapes the output.
	p := llm.Params{
		Model: req.Model, System: req.System, Messages: req.Messages,
		Tools: req.Tools, ToolChoice: req.ToolChoice, Thinking: req.Thinking, OutputFormat: req.OutputFormat,
	}
	body := llm.New(p, llm.Labels{}).Body()
	var out struct {
		InputTokens int `json:"input_tokens"`
	}
	if err := c.do(ctx, http.MethodPost, "/v1/messages/count_tokens", body, req.Betas, &out); err != nil {
		return 0, err
	}
	return out.InputTokens, nil
}

// ModelInfo is one model as the API lists it.
type ModelInfo struct {
	ID          string `json:"id"`
	DisplayName string `json:"display_name"`
	Lifecycle   string `json:"lifecycle"`
	// MaxInputTokens and MaxTokens are 0 where the server does not say.
	MaxInputTokens int `json:"max_input_tokens"`
	MaxTokens      int `json:"max_tokens"`
}

// Models lists the models that the credential may use. It is free, which
// makes it the test of a key.
func (c *Client) Models(ctx context.Context) ([]ModelInfo, error) {
	return collect[ModelInfo](ctx, c, "/v1/models")
}

// Ping asks for the list of models, the free test of a key, and returns how
// many there are on the first page and the server's time (zero where it did
// not say).
func (c *Client) Ping(ctx context.Context) (models int, served time.Time, err error) {
	res, err := c.open(ctx, http.MethodGet, "/v1/models?limit=100", nil, nil)
	if err != nil {
		return 0, time.Time{}, err
	}
	defer res.Body.Close()
	served, _ = http.ParseTime(res.Header.Get("Date"))
	var page struct {
		Data []json.RawMessage `json:"data"`
	}
	err = c.decode(ctx, res, &page)
	return len(page.Data), served, err
}

// Batch is the state of a Message Batch.
type Batch struct {
	ID     string `json:"id"`
	Status string `json:"processing_status"` // in_progress, canceling, ended
	Counts struct {
		Processing int `json:"processing"`
		Succeeded  int `json:"succeeded"`
		Errored    int `json:"errored"`
		Canceled   int `json:"canceled"`
		Expired    int `json:"expired"`
	} `json:"request_counts"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at"`
	EndedAt   *time.Time `json:"ended_at"`
}

// BatchItem is one request of a batch; ID must match
// ^[a-zA-Z0-9_-]{1,64}$ and be its only one in the batch.
type BatchItem struct {
	ID      string
	Request *llm.Request
}

// CreateBatch submits items as one batch of at most 100,000 requests and
// 256 MB. Nothing is submitted twice by itself: after an error it is unknown
// whether the batch exists, and [Client.Batches] tells.
func (c *Client) CreateBatch(ctx context.Context, items []BatchItem) (*Batch, error) {
	b := []byte(`{"requests":[`)
	for i, it := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"custom_id":`...)
		b = llm.AppendString(b, it.ID)
		b = append(b, `,"params":`...)
		b = append(b, it.Request.Body()...)
		b = append(b, '}')
	}
	b = append(b, `]}`...)
	var out Batch
	return &out, c.do(ctx, http.MethodPost, "/v1/messages/batches", b, nil, &out)
}

// Batch returns the state of one batch.
func (c *Client) Batch(ctx context.Context, id string) (*Batch, error) {
	var out Batch
	return &out, c.do(ctx, http.MethodGet, "/v1/messages/batches/"+url.PathEscape(id), nil, nil, &out)
}

// Batches lists the batches of the key's workspace, newest first.
func (c *Client) Batches(ctx context.Context) ([]Batch, error) {
	return collect[Batch](ctx, c, "/v1/messages/batches")
}

// CancelBatch asks the API to stop a batch; what has finished stays.
func (c *Client) CancelBatch(ctx context.Context, id string) (*Batch, error) {
	var out Batch
	return &out, c.do(ctx, http.MethodPost, "/v1/messages/batches/"+url.PathEscape(id)+"/cancel", []byte("{}"), nil, &out)
}

// BatchResult is the outcome of one request of a batch: Response where it
// succeeded, else Err (an [llm.Error]; CodeCancelled or CodeTimeout for
// requests that were cancelled or expired, which cost nothing).
type BatchResult struct {
	ID       string
	Response *llm.Response
	Err      error
}

// BatchResults hands each result of an ended batch to each, in the server's
// order, which is not the order of submission. It stops at each's first error.
func (c *Client) BatchResults(ctx context.Context, id string, each func(BatchResult) error) error {
	res, err := c.open(ctx, http.MethodGet, "/v1/messages/batches/"+url.PathEscape(id)+"/results", nil, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(make([]byte, 64<<10), maxEvent)
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		r, err := c.batchResult(lines.Bytes())
		if err != nil {
			return err
		}
		if err := each(r); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return c.transportError(ctx, err)
	}
	return nil
}

func (c *Client) batchResult(line []byte) (BatchResult, error) {
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
	if err := json.Unmarshal(line, &doc); err != nil {
		return BatchResult{}, &llm.Error{Code: llm.CodeBadResponse, Message: "the server sent a batch result that is not JSON", Err: err}
	}
	out := BatchResult{ID: doc.ID}
	switch doc.Result.Type {
	case "succeeded":
		out.Response = &llm.Response{Attempts: 1}
		if err := c.message(doc.Result.Message, out.Response, llm.Discard); err != nil {
			return BatchResult{}, err
		}
		out.Response.Usage.Tier = "batch"
	case "canceled":
		out.Err = &llm.Error{Code: llm.CodeCancelled, Message: "the request was cancelled with its batch", Retryable: true}
	case "expired":
		out.Err = &llm.Error{Code: llm.CodeTimeout, Message: "the batch expired before this request was processed", Retryable: true}
	default:
		out.Err = c.classify(doc.Result.Error.Error, 0)
	}
	return out, nil
}

// collect reads all pages of a list.
func collect[T any](ctx context.Context, c *Client, path string) ([]T, error) {
	const pages, perPage = 100, 100
	var all []T
	query := "?limit=" + strconv.Itoa(perPage)
	for range pages {
		var page struct {
			Data    []T    `json:"data"`
			HasMore bool   `json:"has_more"`
			LastID  string `json:"last_id"`
		}
		if err := c.do(ctx, http.MethodGet, path+query, nil, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Data...)
		if !page.HasMore || page.LastID == "" {
			break
		}
		query = "?limit=" + strconv.Itoa(perPage) + "&after_id=" + url.QueryEscape(page.LastID)
	}
	return all, nil
}

// open sends a request whose answer is not a stream of events; the caller
// closes the body.
func (c *Client) open(ctx context.Context, method, path string, body []byte, betas []string) (*http.Response, error) {
	hr, err := c.request(ctx, method, path, body, betas)
	if err != nil {
		return nil, err
	}
	res, err := c.transport.RoundTrip(hr)
	if err != nil {
		return nil, c.transportError(ctx, err)
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		return nil, c.statusError(res)
	}
	return res, nil
}

func (c *Client) do(ctx context.Context, method, path string, body []byte, betas []string, out any) error {
	res, err := c.open(ctx, method, path, body, betas)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return c.decode(ctx, res, out)
}

func (c *Client) decode(ctx context.Context, res *http.Response, out any) error {
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxEvent))
	if err != nil {
		return c.transportError(ctx, err)
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return &llm.Error{
			Code: llm.CodeBadResponse, Status: res.StatusCode, RequestID: requestID(res.Header), Err: err,
			Message: "the server's answer is not the JSON that the Messages API gives here",
			Hint:    "check ANTHROPIC_BASE_URL: it must be the address of a server that speaks the Messages API",
		}
	}
	return nil
}
