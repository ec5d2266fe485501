package claude

import (
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
	return collect(ctx, c, "/v1/models", func(ModelInfo) bool { return false })
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

// collect reads all pages of a list, or those up to the first item at which
// stop says so.
func collect[T any](ctx context.Context, c *Client, path string, stop func(T) bool) ([]T, error) {
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
		for _, one := range page.Data {
			if stop(one) {
				return all, nil
			}
			all = append(all, one)
		}
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
	return c.send(hr)
}

// send makes one exchange; the caller closes the body of its answer.
func (c *Client) send(hr *http.Request) (*http.Response, error) {
	began := time.Now()
	res, err := c.transport.RoundTrip(hr)
	if err != nil {
		return nil, c.transportError(hr.Context(), err)
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		return nil, c.statusError(res, began)
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
