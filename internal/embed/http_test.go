package embed_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/embed"
)

const secret = "sk-very-secret"

// service answers like one of a kind: text n gets a vector that tells n.
func service(t *testing.T, kind embed.Kind, path string) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path || r.Method != http.MethodPost {
			http.Error(w, `{"error":"no such path"}`, http.StatusNotFound)
			return
		}
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		checkRequest(t, kind, r, body)
		input, _ := body["input"].([]any)
		var vectors [][]float32
		var data []map[string]any
		for i, text := range input {
			v := []float32{3, float32(len(text.(string))), 0}
			vectors = append(vectors, v)
			data = append([]map[string]any{{"index": i, "embedding": v}}, data...) // in another order
		}
		answer := map[string]any{"data": data}
		if kind == embed.Ollama {
			answer = map[string]any{"embeddings": vectors}
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func checkRequest(t *testing.T, kind embed.Kind, r *http.Request, body map[string]any) {
	want := map[embed.Kind]string{embed.Ollama: "truncate", embed.OpenAI: "encoding_format", embed.Voyage: "truncation"}
	input, _ := body["input"].([]any)
	if len(body) != 3 || body[want[kind]] == nil || body["model"] != "small" || len(input) == 0 || len(input) > 64 {
		t.Errorf("%s was asked %.200v", kind, body)
	}
	if r.Header.Get("Authorization") != "Bearer "+secret || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", r.Header)
	}
}

func TestHTTP(t *testing.T) {
	for _, c := range []struct {
		kind       embed.Kind
		base, path string
	}{
		{embed.Ollama, "", "/api/embed"},
		{embed.Ollama, "/proxy/", "/proxy/api/embed"},
		{embed.OpenAI, "", "/v1/embeddings"},
		{embed.OpenAI, "/v1", "/v1/embeddings"},
		{embed.OpenAI, "/openai/v1/", "/openai/v1/embeddings"},
		{embed.Voyage, "", "/v1/embeddings"},
	} {
		t.Run(string(c.kind)+c.base, func(t *testing.T) {
			s := service(t, c.kind, c.path)
			h, err := embed.NewHTTP(embed.HTTPOptions{Kind: c.kind, BaseURL: s.URL + c.base, Model: "small", Key: secret})
			if err != nil {
				t.Fatal(err)
			}
			texts := append(numbered(150), "", " \n")
			vectors, err := h.Embed(t.Context(), texts)
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range vectors[:150] {
				if got := v[1] / v[0] * 3; fmt.Sprint(got + 0.001)[:2] != fmt.Sprint(float32(len(texts[i])) + 0.001)[:2] {
					t.Errorf("text %d has the vector of one of length %g", i, got)
				}
				if n := length(v); n < 0.999 || n > 1.001 {
					t.Errorf("length %g", n)
				}
			}
			for _, v := range vectors[150:] {
				if len(v) != 3 || length(v) != 0 {
					t.Errorf("an empty text has %v", v)
				}
			}
			if want := string(c.kind) + "/" + strings.TrimPrefix(s.URL, "http://") + "/small"; h.Space() != want {
				t.Errorf("space %q, want %q", h.Space(), want)
			}
		})
	}
}

// answering returns an embedder of a service that always gives one answer.
func answering(t *testing.T, kind embed.Kind, status int, body string) *embed.HTTP {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	h, err := embed.NewHTTP(embed.HTTPOptions{Kind: kind, BaseURL: strings.Replace(s.URL, "//", "//user:hidden@", 1), Model: "small", Key: secret})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHTTPRefusesBadAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		kind   embed.Kind
		status int
		body   string
		want   string
	}{
		{"no JSON", embed.OpenAI, 200, "<html>", "no list of vectors"},
		{"empty", embed.Ollama, 200, "", "no list of vectors"},
		{"none", embed.Ollama, 200, "{}", "0 vectors for 2"},
		{"too few", embed.OpenAI, 200, `{"data":[{"index":0,"embedding":[1]}]}`, "1 vectors for 2"},
		{"twice", embed.OpenAI, 200, `{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}`, "twice"},
		{"no such text", embed.Voyage, 200, `{"data":[{"index":-1,"embedding":[1]}]}`, "no such text"},
		{"no numbers", embed.Ollama, 200, `{"embeddings":[[],[]]}`, "0 numbers"},
		{"lengths", embed.Ollama, 200, `{"embeddings":[[1,2],[1]]}`, "1 numbers after one of 2"},
		{"zeros", embed.Ollama, 200, `{"embeddings":[[1],[0]]}`, "no length"},
		{"NaN", embed.Ollama, 200, `{"embeddings":[[1],[NaN]]}`, "no list of vectors"},
		{"infinite", embed.Ollama, 200, `{"embeddings":[[1],[1e999]]}`, "no list of vectors"},
		{"too long", embed.Ollama, 200, `{"embeddings":[[1],[` + strings.Repeat("1,", 8200) + `1]]}`, "8201 numbers"},
		{"key", embed.OpenAI, 401, `{"error":{"message":"Incorrect API key provided: ` + secret + `"}}`, "(key)"},
		{"model", embed.Ollama, 404, `{"error":"model \"small\" not found, try pulling it first"}`, "name of the model"},
		{"limit", embed.Voyage, 429, `{"detail":"too many requests"}`, "too many requests"},
		{"long text", embed.Voyage, 500, `{"detail":"` + strings.Repeat("é", 5000) + `"}`, "500 Internal Server Error"},
		{"a proxy", embed.OpenAI, 502, `<html>`, "502 Bad Gateway"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := answering(t, c.kind, c.status, c.body).Embed(t.Context(), []string{"a", "b"})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if s := err.Error(); strings.Contains(s, secret) || strings.Contains(s, "hidden") || len(s) > 700 {
				t.Errorf("the error tells too much: %s", s)
			}
		})
	}
}

// Vectors of one service have one length, also over several calls.
func TestHTTPKeepsItsDimensions(t *testing.T) {
	lengths := make(chan string, 2)
	lengths <- `{"embeddings":[[1,2]]}`
	lengths <- `{"embeddings":[[1,2,3]]}`
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, <-lengths) }))
	defer s.Close()
	h, err := embed.NewHTTP(embed.HTTPOptions{Kind: embed.Ollama, BaseURL: s.URL, Model: "small"})
	if err != nil {
		t.Fatal(err)
	}
	one(t, h, "text")
	if _, err := h.Embed(t.Context(), []string{"text"}); err == nil || !strings.Contains(err.Error(), "3 numbers after one of 2") {
		t.Errorf("got %v", err)
	}
}

func TestHTTPBoundsAnswers(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	}))
	defer s.Close()
	h, err := embed.NewHTTP(embed.HTTPOptions{Kind: embed.OpenAI, BaseURL: s.URL, Model: "small"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Embed(t.Context(), []string{"text"}); err == nil || !strings.Contains(err.Error(), "longer than 13 MiB") {
		t.Errorf("got %v", err)
	}
}

func TestHTTPEndsWithItsContext(t *testing.T) {
	stop := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
		case <-stop:
		}
	}))
	defer s.Close()
	defer close(stop)
	h, err := embed.NewHTTP(embed.HTTPOptions{Kind: embed.OpenAI, BaseURL: s.URL, Model: "small"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := h.Embed(ctx, []string{"text"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestHTTPOptionsMakeSense(t *testing.T) {
	for _, o := range []embed.HTTPOptions{
		{},
		{Kind: "cohere", Model: "x"},
		{Kind: embed.Ollama},
		{Kind: embed.Ollama, Model: "x", BaseURL: "localhost:11434"},
		{Kind: embed.OpenAI, Model: "x", BaseURL: "ftp://example.com"},
		{Kind: embed.OpenAI, Model: "x", BaseURL: "http://user:" + secret + "@ bad"},
	} {
		if _, err := embed.NewHTTP(o); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	for _, kind := range []embed.Kind{embed.Ollama, embed.OpenAI, embed.Voyage} {
		if _, err := embed.NewHTTP(embed.HTTPOptions{Kind: kind, Model: "x"}); err != nil {
			t.Error(err)
		}
	}
}
