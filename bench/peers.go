package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	anthropic "github.com/anthropics/anthropic-sdk-go/v2"
	"github.com/anthropics/anthropic-sdk-go/v2/option"

	"github.com/claude-force/claude-force/internal/claude"
	"github.com/claude-force/claude-force/internal/llm"
)

// The names of what is compared.
const (
	NetHTTP      = "nethttp"       // bare net/http that reads the stream
	NetHTTPPlain = "nethttp-plain" // bare net/http that gets one JSON message
	SDK          = "sdk"           // the official SDK, streaming
	Client       = "client"        // the wire client of claude-force alone
	Engine       = "engine"        // a whole run, the ledger on
	Everything   = "everything"    // the same with the response cache
)

// maxTokens is the setting's default, which the engine sends.
const maxTokens = 4096

// Peer is one way of making a call.
type Peer struct {
	Name string
	// Call makes one call and returns the answer's text.
	Call func(context.Context) (string, error)
	// Close frees what the peer holds.
	Close func() error
}

// Open returns the peer of a name, which asks the server at url.
func Open(name, url string, q *Question) (*Peer, error) {
	switch name {
	case NetHTTP:
		return openNetHTTP(name, newTransport(), url, q), nil
	case NetHTTPPlain:
		return openNetHTTP(name, newTransport(), url, q), nil
	case SDK:
		return openSDK(url, q), nil
	case Client:
		return openClient(url, q)
	case Engine:
		return OpenEngine(EngineOptions{URL: url, Question: q, Ledger: true})
	case Everything:
		return OpenEngine(EngineOptions{URL: url, Question: q, Ledger: true, Cache: true})
	}
	return nil, fmt.Errorf("%q is not among what is compared", name)
}

// newTransport is what someone sets up who makes many calls at once: the
// default keeps two connections per host and dials anew all the time.
func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, 16384
	return t
}

// netHTTP calls the API as a program does that has no client for it.
type netHTTP struct {
	http *http.Client
	url  string
	q    *Question
}

func openNetHTTP(name string, t http.RoundTripper, url string, q *Question) *Peer {
	c := &netHTTP{http: &http.Client{Transport: t}, url: url, q: q}
	p := &Peer{Name: name, Call: c.stream, Close: func() error { c.http.CloseIdleConnections(); return nil }}
	if name == NetHTTPPlain {
		p.Call = c.plain
	}
	return p
}

type textBlock struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type message struct {
	Role    string      `json:"role"`
	Content []textBlock `json:"content"`
}

type request struct {
	Model     string      `json:"model"`
	MaxTokens int         `json:"max_tokens"`
	System    []textBlock `json:"system"`
	Messages  []message   `json:"messages"`
	Stream    bool        `json:"stream"`
}

func (c *netHTTP) post(ctx context.Context, path string) (*http.Response, error) {
	body, err := json.Marshal(request{
		Model: Model, MaxTokens: maxTokens,
		System:   []textBlock{{"text", c.q.System}},
		Messages: []message{{"user", []textBlock{{"text", c.q.Task()}}}},
		Stream:   path == streamPath,
	})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Api-Key", "bench")
	req.Header.Set("Anthropic-Version", "2023-06-01")
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		return nil, fmt.Errorf("the server answered %s", res.Status)
	}
	return res, nil
}

type streamEvent struct {
	Type  string `json:"type"`
	Delta struct {
		Type       string `json:"type"`
		Text       string `json:"text"`
		StopReason string `json:"stop_reason"`
	} `json:"delta"`
	Usage struct {
		OutputTokens int `json:"output_tokens"`
	} `json:"usage"`
	Error struct {
		Message string `json:"message"`
	} `json:"error"`
}

func (c *netHTTP) stream(ctx context.Context) (string, error) {
	res, err := c.post(ctx, streamPath)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var text strings.Builder
	complete := false
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !ok {
			continue
		}
		var ev streamEvent
		if err := json.Unmarshal(data, &ev); err != nil {
			return "", err
		}
		switch ev.Type {
		case "content_block_delta":
			text.WriteString(ev.Delta.Text)
		case "error":
			return "", errors.New(ev.Error.Message)
		case "message_stop":
			complete = true
		}
	}
	if err := lines.Err(); err != nil {
		return "", err
	}
	if !complete {
		return "", errors.New("the stream was cut")
	}
	return text.String(), nil
}

func (c *netHTTP) plain(ctx context.Context) (string, error) {
	res, err := c.post(ctx, plainPath)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var m struct {
		Content []textBlock `json:"content"`
	}
	if err := json.NewDecoder(res.Body).Decode(&m); err != nil {
		return "", err
	}
	var text strings.Builder
	for _, b := range m.Content {
		text.WriteString(b.Text)
	}
	return text.String(), nil
}

func openSDK(url string, q *Question) *Peer {
	httpClient := &http.Client{Transport: newTransport()}
	client := anthropic.NewClient(
		option.WithoutEnvironmentDefaults(), option.WithBaseURL(url), option.WithAPIKey("bench"),
		option.WithHTTPClient(httpClient), option.WithMaxRetries(0),
	)
	call := func(ctx context.Context) (string, error) {
		stream := client.Messages.NewStreaming(ctx, anthropic.MessageNewParams{
			Model: Model, MaxTokens: maxTokens,
			System:   []anthropic.TextBlockParam{{Text: q.System}},
			Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(q.Task()))},
		})
		defer stream.Close()
		var m anthropic.Message
		for stream.Next() {
			if err := m.Accumulate(stream.Current()); err != nil {
				return "", err
			}
		}
		if err := stream.Err(); err != nil {
			return "", err
		}
		var text strings.Builder
		for _, b := range m.Content {
			text.WriteString(b.Text)
		}
		return text.String(), nil
	}
	return &Peer{Name: SDK, Call: call, Close: func() error { httpClient.CloseIdleConnections(); return nil }}
}

func openClient(url string, q *Question) (*Peer, error) {
	client, err := claude.New(claude.Options{BaseURL: url, Credential: "bench", UserAgent: "claude-force-bench"})
	if err != nil {
		return nil, err
	}
	call := func(ctx context.Context) (string, error) {
		req := llm.New(llm.Params{
			Model: Model, MaxTokens: maxTokens,
			System:   []llm.Block{{Text: q.System}},
			Messages: []llm.Message{{Role: "user", Content: []llm.Block{{Text: q.Task()}}}},
		}, llm.Labels{})
		resp, err := client.Call(ctx, req, llm.Discard)
		if err != nil {
			return "", err
		}
		return resp.Text, nil
	}
	return &Peer{Name: Client, Call: call, Close: func() error { client.Close(); return nil }}, nil
}
