package embed

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Kind is whose protocol a service speaks.
type Kind string

// The kinds of services.
const (
	Ollama Kind = "ollama"
	OpenAI Kind = "openai" // and whatever is compatible with it
	Voyage Kind = "voyage"
)

// Bounds of what is sent and what is believed.
const (
	// mostTexts is how many texts a request has.
	mostTexts = 64
	// mostDimensions is twice what the longest vectors on offer have.
	mostDimensions = 8192
	// mostBytes is what an answer may have: numbers are written with at most 24
	// bytes, and there is some room for the rest.
	mostBytes = mostTexts*mostDimensions*24 + 1<<20
	// patience is how long one request may take, with a default client.
	patience = 2 * time.Minute
)

// HTTPOptions are those of an [HTTP].
type HTTPOptions struct {
	Kind Kind
	// BaseURL is the address without the path of the protocol; empty means the
	// service's own, and http://localhost:11434 for Ollama. It may end in /v1.
	BaseURL string
	// Model is the name that the service knows.
	Model string
	// Key is sent as a bearer token, unless it is empty.
	Key string
	// Client is nil for one that waits two minutes at most for a request. With
	// another one, its Timeout or the caller's context has to end a request.
	Client *http.Client
}

// HTTP asks a service for vectors. It is safe for concurrent use.
type HTTP struct {
	kind     Kind
	endpoint string
	host     string
	model    string
	key      string
	client   *http.Client
	// dimensions is the length of its vectors, 0 until one was seen.
	dimensions atomic.Int64
}

// NewHTTP returns an embedder for a service, to which it does not talk yet. It
// returns an error where the options make no sense.
func NewHTTP(o HTTPOptions) (*HTTP, error) {
	bases := map[Kind]string{Ollama: "http://localhost:11434", OpenAI: "https://api.openai.com", Voyage: "https://api.voyageai.com"}
	base, ok := bases[o.Kind]
	if !ok {
		return nil, fmt.Errorf("the kind of an embedding service is ollama, openai or voyage, not %q", o.Kind)
	}
	if o.Model == "" {
		return nil, fmt.Errorf("the embedding service %s needs the name of a model", o.Kind)
	}
	if o.BaseURL != "" {
		base = o.BaseURL
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		// The address may hold a password, and the parser's error holds it.
		return nil, errors.New("the address of an embedding service begins with http:// or https:// and names a host")
	}
	path := "/v1/embeddings"
	if o.Kind == Ollama {
		path = "/api/embed"
	}
	h := &HTTP{kind: o.Kind, host: u.Host, model: o.Model, key: o.Key, client: o.Client}
	h.endpoint = u.JoinPath(strings.TrimPrefix(path, commonEnd(u.Path, path))).String()
	if h.client == nil {
		h.client = &http.Client{Timeout: patience}
	}
	return h, nil
}

// commonEnd returns the first part of path where base ends in it already.
func commonEnd(base, path string) string {
	first := "/" + strings.SplitN(path, "/", 3)[1]
	if strings.HasSuffix(strings.TrimRight(base, "/"), first) {
		return first
	}
	return ""
}

// Space implements [Embedder]: the kind, the host and the model.
func (h *HTTP) Space() string { return string(h.kind) + "/" + h.host + "/" + h.model }

// Embed implements [Embedder]. Empty texts are not sent. Where all are empty
// before the length of the service's vectors is known, theirs is zero.
func (h *HTTP) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	var sent []int
	for i, text := range texts {
		if strings.TrimSpace(text) != "" {
			sent = append(sent, i)
		}
	}
	vectors := make([][]float32, len(texts))
	for len(sent) > 0 {
		part := sent[:min(mostTexts, len(sent))]
		sent = sent[len(part):]
		ask := make([]string, len(part))
		for i, place := range part {
			ask[i] = texts[place]
		}
		got, err := h.request(ctx, ask)
		if err != nil {
			return nil, fmt.Errorf("embed %d texts with %s at %s: %w", len(ask), h.model, h.host, err)
		}
		for i, place := range part {
			vectors[place] = got[i]
		}
	}
	for i, v := range vectors {
		if v == nil {
			vectors[i] = make([]float32, h.dimensions.Load())
		}
	}
	return vectors, nil
}

// accept checks the vectors of an answer and gives them unit length.
func (h *HTTP) accept(vectors [][]float32, want int) error {
	if len(vectors) != want {
		return fmt.Errorf("the service answered with %d vectors for %d texts", len(vectors), want)
	}
	for _, v := range vectors {
		n := int64(len(v))
		if n == 0 || n > mostDimensions {
			return fmt.Errorf("the service answered with a vector of %d numbers", n)
		}
		if !h.dimensions.CompareAndSwap(0, n) && h.dimensions.Load() != n {
			return fmt.Errorf("the service answered with a vector of %d numbers after one of %d", n, h.dimensions.Load())
		}
		if !normalize(v) {
			return errors.New("the service answered with a vector of no length, or with numbers that are none")
		}
	}
	return nil
}

// normalize gives a vector unit length, if it has a length.
func normalize(v []float32) bool {
	var squares float64
	for _, x := range v {
		squares += float64(x) * float64(x)
	}
	length := math.Sqrt(squares)
	if !(length > 0) || math.IsInf(length, 1) {
		return false
	}
	for i, x := range v {
		v[i] = float32(float64(x) / length)
	}
	return true
}
