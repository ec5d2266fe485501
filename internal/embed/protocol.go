package embed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// ask is the body of a request, for all kinds.
type ask struct {
	Model string   `json:"model"`
	Input []string `json:"input"`
	// EncodingFormat is OpenAI's.
	EncodingFormat string `json:"encoding_format,omitempty"`
	// Truncate is Ollama's way to cut texts that are too long for the model, and
	// Truncation is Voyage's.
	Truncate   bool `json:"truncate,omitempty"`
	Truncation bool `json:"truncation,omitempty"`
}

// answer is the body of a response: Ollama fills Embeddings, the others Data.
type answer struct {
	Embeddings [][]float32 `json:"embeddings"`
	Data       []struct {
		Index     int       `json:"index"`
		Embedding []float32 `json:"embedding"`
	} `json:"data"`
}

// request embeds texts with one request.
func (h *HTTP) request(ctx context.Context, texts []string) ([][]float32, error) {
	body := ask{Model: h.model, Input: texts}
	switch h.kind {
	case Ollama:
		body.Truncate = true
	case OpenAI:
		body.EncodingFormat = "float"
	case Voyage:
		body.Truncation = true
	}
	raw, err := h.post(ctx, body)
	if err != nil {
		return nil, err
	}
	var a answer
	if err := json.Unmarshal(raw, &a); err != nil {
		return nil, errors.New("the answer is no list of vectors, is the address that of an embedding service?")
	}
	vectors := a.Embeddings
	if h.kind != Ollama {
		if vectors, err = a.inOrder(len(texts)); err != nil {
			return nil, err
		}
	}
	return vectors, h.accept(vectors, len(texts))
}

// inOrder returns the vectors in the order of the texts, each once.
func (a *answer) inOrder(count int) ([][]float32, error) {
	vectors := make([][]float32, count)
	for _, d := range a.Data {
		if d.Index < 0 || d.Index >= count || vectors[d.Index] != nil {
			return nil, fmt.Errorf("the service answered twice for text %d, or there is no such text", d.Index)
		}
		vectors[d.Index] = d.Embedding
	}
	if len(a.Data) != count {
		return nil, fmt.Errorf("the service answered with %d vectors for %d texts", len(a.Data), count)
	}
	return vectors, nil
}

func (h *HTTP) post(ctx context.Context, body ask) ([]byte, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.endpoint, bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if h.key != "" {
		req.Header.Set("Authorization", "Bearer "+h.key)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		// The address around the error says nothing new and may hold a password.
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, mostBytes+1))
	switch {
	case resp.StatusCode != http.StatusOK:
		return nil, h.refusal(resp.StatusCode, raw)
	case err != nil:
		return nil, fmt.Errorf("read the answer: %w", err)
	case len(raw) > mostBytes:
		return nil, fmt.Errorf("the answer is longer than %d MiB", mostBytes>>20)
	}
	return raw, nil
}

// refusal says what the service said, shortly and without the key.
func (h *HTTP) refusal(status int, raw []byte) error {
	var e struct {
		Error  json.RawMessage `json:"error"`  // a text, or an object with one
		Detail string          `json:"detail"` // Voyage's
	}
	var object struct {
		Message string `json:"message"`
	}
	said := ""
	if json.Unmarshal(raw, &e) == nil {
		said = e.Detail
		if json.Unmarshal(e.Error, &said) != nil && json.Unmarshal(e.Error, &object) == nil {
			said = object.Message
		}
	}
	if h.key != "" {
		said = strings.ReplaceAll(said, h.key, "(key)")
	}
	const most = 300
	if len(said) > most {
		said = strings.ToValidUTF8(said[:most], "") + "…"
	}
	text := fmt.Sprintf("the service answered %d %s", status, http.StatusText(status))
	if said != "" && utf8.ValidString(said) {
		text += fmt.Sprintf(" (%q)", said)
	}
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		text += ": check the key of the embedding service"
	case http.StatusNotFound:
		text += ": check its address and the name of the model"
	case http.StatusTooManyRequests:
		text += ": wait a moment and try again"
	}
	return errors.New(text)
}
