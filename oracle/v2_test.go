package oracle

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	anthropic "github.com/anthropics/anthropic-sdk-go/v2"
	"github.com/anthropics/anthropic-sdk-go/v2/option"
	"github.com/anthropics/anthropic-sdk-go/v2/shared"

	"github.com/claude-force/claude-force/internal/claude"
	"github.com/claude-force/claude-force/internal/llm"
)

// sdkV2 is the SDK that speaks version 2026-10-21.
type sdkV2 struct {
	t      testing.TB
	client anthropic.Client
}

func openV2(t testing.TB, a access) official {
	credential := option.WithAPIKey(key)
	if a.auth == claude.AuthBearer {
		credential = option.WithAuthToken(key)
	}
	return &sdkV2{t, anthropic.NewClient(
		option.WithoutEnvironmentDefaults(), credential, option.WithBaseURL(a.url),
		option.WithMaxRetries(a.retries), option.WithHTTPClient(&http.Client{Transport: a.transport}),
	)}
}

// options adds to a call what its parameters do not carry.
func (s *sdkV2) options(p llm.Params, answer **http.Response) []option.RequestOption {
	opts := []option.RequestOption{option.WithResponseInto(answer)}
	if len(p.Betas) > 0 {
		opts = append(opts, option.WithHeader("anthropic-beta", strings.Join(p.Betas, ",")))
	}
	return opts
}

func (s *sdkV2) message(ctx context.Context, p llm.Params) (*llm.Response, error) {
	var answer *http.Response
	m, err := s.client.Messages.New(ctx, s.params(p), s.options(p, &answer)...)
	if err != nil {
		return nil, s.failure(err)
	}
	conform(s.t, "message", *m)
	return s.response(m, answer), nil
}

func (s *sdkV2) stream(ctx context.Context, p llm.Params) (*llm.Response, error) {
	var answer *http.Response
	stream := s.client.Messages.NewStreaming(ctx, s.params(p), s.options(p, &answer)...)
	defer stream.Close()
	var m anthropic.Message
	for stream.Next() {
		event := stream.Current()
		conform(s.t, event.Type, event)
		if err := m.Accumulate(event); err != nil {
			return nil, err
		}
	}
	return s.response(&m, answer), s.failure(stream.Err())
}

func (s *sdkV2) beta(ctx context.Context, p llm.Params) error {
	_, err := s.client.Beta.Messages.New(ctx, anthropic.BetaMessageNewParams{
		Model: anthropic.Model(p.Model), MaxTokens: int64(p.MaxTokens), Betas: p.Betas,
		Messages: []anthropic.BetaMessageParam{anthropic.NewBetaUserMessage(anthropic.NewBetaTextBlock(p.Messages[0].Content[0].Text))},
	})
	return s.failure(err)
}

func (s *sdkV2) count(ctx context.Context, p llm.Params) (int, error) {
	var answer *http.Response
	n, err := s.client.Messages.CountTokens(ctx, s.countParams(p), s.options(p, &answer)...)
	if err != nil {
		return 0, s.failure(err)
	}
	conform(s.t, "count", *n)
	return int(n.InputTokens), nil
}

func (s *sdkV2) models(ctx context.Context, perPage int) ([]claude.ModelInfo, error) {
	var all []claude.ModelInfo
	pages := s.client.Models.ListAutoPaging(ctx, anthropic.ModelListParams{Limit: anthropic.Int(int64(perPage))})
	for pages.Next() {
		m := pages.Current()
		conform(s.t, m.ID, m)
		all = append(all, claude.ModelInfo{
			ID: m.ID, DisplayName: m.DisplayName, Lifecycle: string(m.Lifecycle),
			MaxInputTokens: int(m.MaxInputTokens), MaxTokens: int(m.MaxTokens),
		})
	}
	return all, s.failure(pages.Err())
}

func (s *sdkV2) createBatch(ctx context.Context, items []claude.BatchItem) (*claude.Batch, error) {
	b, err := s.client.Messages.Batches.New(ctx, s.batchParams(items))
	return s.batchState(b, err)
}

func (s *sdkV2) batch(ctx context.Context, id string) (*claude.Batch, error) {
	b, err := s.client.Messages.Batches.Get(ctx, id, anthropic.MessageBatchGetParams{})
	return s.batchState(b, err)
}

func (s *sdkV2) cancelBatch(ctx context.Context, id string) (*claude.Batch, error) {
	b, err := s.client.Messages.Batches.Cancel(ctx, id, anthropic.MessageBatchCancelParams{})
	return s.batchState(b, err)
}

func (s *sdkV2) batches(ctx context.Context, perPage int) ([]claude.Batch, error) {
	var all []claude.Batch
	pages := s.client.Messages.Batches.ListAutoPaging(ctx, anthropic.MessageBatchListParams{Limit: anthropic.Int(int64(perPage))})
	for pages.Next() {
		b := pages.Current()
		state, err := s.batchState(&b, nil)
		if err != nil {
			return nil, err
		}
		all = append(all, *state)
	}
	return all, s.failure(pages.Err())
}

func (s *sdkV2) batchResults(ctx context.Context, id string) ([]claude.BatchResult, error) {
	stream := s.client.Messages.Batches.ResultsStreaming(ctx, id, anthropic.MessageBatchResultsParams{})
	defer stream.Close()
	var all []claude.BatchResult
	for stream.Next() {
		r := stream.Current()
		conform(s.t, r.CustomID, r)
		one := claude.BatchResult{ID: r.CustomID}
		if r.Result.Type == "succeeded" {
			one.Response = s.response(&r.Result.Message, nil)
		} else {
			one.Err = batchOutcome(r.Result.Type, r.Result.Error.Error.Type, r.Result.Error.Error.Message)
		}
		all = append(all, one)
	}
	return all, s.failure(stream.Err())
}

func (s *sdkV2) batchState(b *anthropic.MessageBatch, err error) (*claude.Batch, error) {
	if err != nil {
		return nil, s.failure(err)
	}
	conform(s.t, "batch", *b)
	out := &claude.Batch{ID: b.ID, Status: string(b.ProcessingStatus), CreatedAt: b.CreatedAt, ExpiresAt: b.ExpiresAt}
	out.Counts.Processing = int(b.RequestCounts.Processing)
	out.Counts.Succeeded = int(b.RequestCounts.Succeeded)
	out.Counts.Errored = int(b.RequestCounts.Errored)
	out.Counts.Canceled = int(b.RequestCounts.Canceled)
	out.Counts.Expired = int(b.RequestCounts.Expired)
	if b.EndedAt != (time.Time{}) {
		out.EndedAt = &b.EndedAt
	}
	return out, nil
}

// response puts a message into this project's words.
func (s *sdkV2) response(m *anthropic.Message, answer *http.Response) *llm.Response {
	u := m.Usage
	if sum := u.CacheCreation.Ephemeral5mInputTokens + u.CacheCreation.Ephemeral1hInputTokens; sum != u.CacheCreationInputTokens {
		s.t.Errorf("cache_creation_input_tokens is %d, but its parts make %d", u.CacheCreationInputTokens, sum)
	}
	out := &llm.Response{
		ID: m.ID, Model: string(m.Model), StopReason: string(m.StopReason), StopSequence: m.StopSequence,
		Usage: llm.Usage{
			Input: u.InputTokens, Output: u.OutputTokens, CacheRead: u.CacheReadInputTokens,
			CacheWrite5m: u.CacheCreation.Ephemeral5mInputTokens, CacheWrite1h: u.CacheCreation.Ephemeral1hInputTokens,
			Speed: string(u.Speed), Geo: u.InferenceGeo, Tier: string(u.ServiceTier), Thinking: u.OutputTokensDetails.ThinkingTokens,
		},
	}
	if answer != nil {
		out.RequestID = answer.Header.Get("Request-Id")
	}
	if m.StopDetails.Type != "" {
		out.StopDetails = []byte(m.StopDetails.RawJSON())
	}
	for _, b := range m.Content {
		if b.Type == "text" {
			out.Text += b.Text
			out.Content = append(out.Content, llm.Block{Text: b.Text})
			continue
		}
		out.Content = append(out.Content, llm.Block{JSON: []byte(b.RawJSON())})
	}
	return out
}

// failure puts an error of the API into this project's words. Of some types
// that the API documents the SDK has only the name, and of the objects it has
// none knows the details that v2 reads beside them.
func (s *sdkV2) failure(err error) error {
	e, ok := errors.AsType[*anthropic.Error](err)
	if !ok {
		return err
	}
	var body shared.ErrorResponse
	if json.Unmarshal([]byte(e.RawJSON()), &body) == nil && e.StatusCode >= 400 && body.Error.AsAny() != nil {
		conform(s.t, "error", body, "error.error.details: unknown")
	}
	return apiFailure(string(e.Type()), e.StatusCode, e.RequestID, e.RawJSON())
}
