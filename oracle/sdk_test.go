package oracle

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/claude-force/claude-force/internal/claude"
	"github.com/claude-force/claude-force/internal/llm"
)

// official is one of the official SDKs in this project's words. What it
// returns is what the SDK made of an answer, with nothing added. An error of
// the API is an *llm.Error with Code, Message, Status and RequestID; any other
// error is the SDK's own.
type official interface {
	// message asks without a stream.
	message(ctx context.Context, p llm.Params) (*llm.Response, error)
	// stream asks with a stream and returns what had arrived with an error.
	stream(ctx context.Context, p llm.Params) (*llm.Response, error)
	// beta asks through the SDK's beta service, which takes names of betas.
	beta(ctx context.Context, p llm.Params) error
	count(ctx context.Context, p llm.Params) (int, error)
	models(ctx context.Context, perPage int) ([]claude.ModelInfo, error)
	createBatch(ctx context.Context, items []claude.BatchItem) (*claude.Batch, error)
	batch(ctx context.Context, id string) (*claude.Batch, error)
	batches(ctx context.Context, perPage int) ([]claude.Batch, error)
	cancelBatch(ctx context.Context, id string) (*claude.Batch, error)
	batchResults(ctx context.Context, id string) ([]claude.BatchResult, error)
}

// access is how to reach an API.
type access struct {
	url       string
	auth      claude.Auth       // "" is the edition's own
	transport http.RoundTripper // nil is net/http's
	retries   int               // the SDK's; the client has none
}

// key is a credential that a simulator accepts.
const key = "sk-ant-oracle-0123456789"

// edition is one version of the API and the SDK that speaks it.
type edition struct {
	name     string
	version  string      // anthropic-version
	auth     claude.Auth // how the SDK sends an API key
	sampling bool        // whether there is a temperature
	open     func(t testing.TB, a access) official
}

func editions() []edition {
	return []edition{
		{"v1", "2023-06-01", claude.AuthKey, true, openV1},
		{"v2", "2026-10-21", claude.AuthBearer, false, openV2},
	}
}

// eachEdition runs a test for both versions of the API.
func eachEdition(t *testing.T, test func(t *testing.T, e edition)) {
	t.Helper()
	for _, e := range editions() {
		t.Run(e.name, func(t *testing.T) { test(t, e) })
	}
}

// ours is this project's client with the access that the SDK of e has.
func (e edition) ours(t testing.TB, a access) *claude.Client {
	t.Helper()
	if a.auth == "" {
		a.auth = e.auth
	}
	c, err := claude.New(claude.Options{
		BaseURL: a.url, Credential: key, Auth: a.auth, Version: e.version, Transport: a.transport,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// takes reports whether the edition's SDK can say what p says.
func (e edition) takes(p llm.Params) bool { return e.sampling || p.Temperature == nil }

// request renders p without labels.
func request(p llm.Params) *llm.Request { return llm.New(p, llm.Labels{}) }

// user is a conversation of one text.
func user(text string) []llm.Message {
	return []llm.Message{{Role: "user", Content: []llm.Block{{Text: text}}}}
}

// apiFailure is an error of the API as an SDK reports it. Only v2 decodes the
// message, so it is read from the body here.
func apiFailure(code string, status int, requestID, body string) *llm.Error {
	var doc struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	_ = json.Unmarshal([]byte(body), &doc) // a gateway's body may be no JSON
	return &llm.Error{Code: llm.Code(code), Message: doc.Error.Message, Status: status, RequestID: requestID}
}

// batchOutcome is the outcome of a batch's request that was not answered, in
// the client's words.
func batchOutcome(kind, code, message string) *llm.Error {
	switch kind {
	case "canceled":
		return &llm.Error{Code: llm.CodeCancelled}
	case "expired":
		return &llm.Error{Code: llm.CodeTimeout}
	}
	return &llm.Error{Code: llm.Code(code), Message: message}
}
