// Package claude is the last [llm.Caller]: a thin client of the Messages API
// over net/http. It owns the wire: requests and their headers, server-sent
// events, the classification of errors, and the free endpoints beside the
// messages (token counts, models, batches).
//
// One call is one exchange: nothing here retries, waits or counts money.
package claude

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

// DefaultBaseURL is the provider's own address. A key is required for it.
const DefaultBaseURL = "https://api.anthropic.com"

// DefaultVersion is the anthropic-version that every gateway knows.
const DefaultVersion = "2023-06-01"

// Auth is the way a credential is sent.
type Auth string

// The ways of sending a credential.
const (
	AuthKey    Auth = "x-api-key"
	AuthBearer Auth = "bearer"
)

// Timeouts bound the phases of one exchange. Zero means no bound.
type Timeouts struct {
	// Connect bounds dialling and, apart from it, the TLS handshake. It is
	// used by [NewTransport] only.
	Connect time.Duration
	// FirstToken bounds the time from sending a request to the first event.
	FirstToken time.Duration
	// Idle bounds the time between two events of a stream.
	Idle time.Duration
	// Attempt bounds the whole exchange.
	Attempt time.Duration
}

// Options configure a [Client].
type Options struct {
	// BaseURL is where the API is; empty means [DefaultBaseURL].
	BaseURL string
	// Credential is the key or token; empty sends none.
	Credential string
	// Auth says how Credential is sent; empty means [AuthKey].
	Auth Auth
	// Version is the anthropic-version; empty means [DefaultVersion].
	Version string
	// UserAgent is sent as it is.
	UserAgent string
	// Transport carries the requests; nil means NewTransport(Timeouts).
	// Redirects are never followed: they would carry the key elsewhere.
	Transport http.RoundTripper
	Timeouts  Timeouts
}

// Client is the wire client. It is safe for concurrent use; Close frees its
// idle connections.
type Client struct {
	base      string
	header    http.Header
	secret    string
	timeouts  Timeouts
	transport http.RoundTripper
	readers   sync.Pool // of *eventReader
}

// New returns a client. It makes no connection; the error says what is wrong
// with the options.
func New(o Options) (*Client, error) {
	if o.BaseURL == "" {
		o.BaseURL = DefaultBaseURL
	}
	u, err := url.Parse(o.BaseURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, &llm.Error{Code: llm.CodeConfig, Message: fmt.Sprintf("the base URL %q is not an http or https address", o.BaseURL), Hint: "set ANTHROPIC_BASE_URL to something like http://127.0.0.1:8421"}
	}
	if o.Version == "" {
		o.Version = DefaultVersion
	}
	h := http.Header{
		"Content-Type":      {"application/json"},
		"Anthropic-Version": {o.Version},
		"User-Agent":        {o.UserAgent},
	}
	if err := setCredential(h, o.Auth, o.Credential); err != nil {
		return nil, err
	}
	if o.Transport == nil {
		o.Transport = NewTransport(o.Timeouts)
	}
	return &Client{
		// Both spellings are in use; the API's paths begin with /v1 anyway.
		base:      strings.TrimSuffix(strings.TrimRight(o.BaseURL, "/"), "/v1"),
		header:    h,
		secret:    o.Credential,
		timeouts:  o.Timeouts,
		transport: o.Transport,
		readers:   sync.Pool{New: func() any { return newEventReader() }},
	}, nil
}

func setCredential(h http.Header, auth Auth, credential string) error {
	if credential == "" {
		return nil
	}
	for i := range len(credential) {
		if c := credential[i]; c <= ' ' || c > '~' {
			return &llm.Error{Code: llm.CodeConfig, Message: "the API key holds a character that no key has (white space, a line break or a non-ASCII letter)", Hint: "set ANTHROPIC_API_KEY again, without quotes or line breaks"}
		}
	}
	switch auth {
	case "", AuthKey:
		h["X-Api-Key"] = []string{credential}
	case AuthBearer:
		h["Authorization"] = []string{"Bearer " + credential}
	default:
		return &llm.Error{Code: llm.CodeConfig, Message: fmt.Sprintf("api.auth %q is not known", auth), Hint: "use x-api-key or bearer"}
	}
	return nil
}

// NewTransport returns an HTTP transport for many calls at once: HTTP/2 where
// it is offered, proxies from the environment, and as many idle connections
// kept as were in use (net/http keeps two per host and dials anew all the
// time).
func NewTransport(t Timeouts) *http.Transport {
	dialer := &net.Dialer{Timeout: t.Connect, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		TLSHandshakeTimeout: t.Connect,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 16384,
		IdleConnTimeout:     90 * time.Second,
		// Compressing a stream makes its events wait for a full block.
		DisableCompression: true,
	}
}

// Close frees idle connections. Calls in flight go on.
func (c *Client) Close() {
	if t, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// Call implements [llm.Caller]: one POST /v1/messages, always as a stream.
func (c *Client) Call(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
	ctx, dog := watch(ctx, c.timeouts)
	defer dog.stop()
	began := time.Now()
	hr, err := c.request(ctx, http.MethodPost, "/v1/messages", nil, req.Betas)
	if err != nil {
		return nil, err
	}
	setStreamBody(hr, req.Body())
	hr.Header["Accept"] = []string{"text/event-stream"}
	res, err := c.transport.RoundTrip(hr)
	if err != nil {
		return nil, c.transportError(ctx, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, c.statusError(res, began)
	}
	if rates := ratesOf(res.Header, began, time.Now()); rates != nil {
		emit(llm.Event{Kind: llm.EventRates, Rates: rates})
	}
	resp := &llm.Response{RequestID: requestID(res.Header), Attempts: 1}
	if err := c.receive(ctx, res, resp, emit, dog, began); err != nil {
		resp.Partial, resp.Usage.Incomplete = true, true
		return resp, err
	}
	return resp, nil
}

// receive reads the body of an answered request into resp.
func (c *Client) receive(ctx context.Context, res *http.Response, resp *llm.Response, emit func(llm.Event), dog *watchdog, began time.Time) error {
	kind, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	switch strings.TrimSpace(strings.ToLower(kind)) {
	case "text/event-stream", "":
	case "application/json":
		// A gateway that does not stream: the whole message at once.
		return c.receiveMessage(ctx, res, resp, emit)
	default:
		return &llm.Error{
			Code: llm.CodeBadResponse, Status: res.StatusCode, RequestID: resp.RequestID,
			Message: fmt.Sprintf("the server answered with %q, not with a stream of the Messages API", clean(kind, 80)),
			Hint:    "check ANTHROPIC_BASE_URL: it must be the address of a server that speaks the Messages API",
		}
	}
	r := c.readers.Get().(*eventReader)
	r.reset(res.Body)
	defer func() {
		r.reset(nil)
		c.readers.Put(r)
	}()
	acc := accumulator{resp: resp, emit: emit, client: c}
	for {
		name, data, err := r.next()
		if err != nil {
			return c.streamEnd(ctx, &acc, err)
		}
		if resp.FirstToken == 0 {
			resp.FirstToken = max(time.Since(began), 1)
		}
		dog.event()
		done, err := acc.add(name, data)
		if err != nil {
			acc.finish()
			return err
		}
		if done {
			acc.finish()
			// Reading to the end lets the connection serve the next call.
			dog.drain()
			_, _ = io.CopyN(io.Discard, res.Body, 4096)
			return nil
		}
	}
}

// streamEnd decides what the end of a stream means that had no message_stop.
func (c *Client) streamEnd(ctx context.Context, acc *accumulator, err error) error {
	acc.finish()
	if cause := llm.ContextError(ctx); cause != nil {
		return cause
	}
	if errors.Is(err, io.EOF) && acc.resp.StopReason != "" {
		return nil // all blocks are closed and the last count is in
	}
	if errors.Is(err, errTooLarge) {
		return &llm.Error{Code: llm.CodeBadResponse, Status: http.StatusOK, RequestID: acc.resp.RequestID, Message: err.Error(), Err: err}
	}
	return &llm.Error{
		Code: llm.CodeStreamCut, Status: http.StatusOK, RequestID: acc.resp.RequestID, Retryable: true,
		Message: "the connection ended in the middle of the answer", Hint: "run it again; what had arrived is kept as partial output", Err: err,
	}
}

// request builds a request with this client's headers, which nobody shares.
func (c *Client) request(ctx context.Context, method, path string, body []byte, betas []string) (*http.Request, error) {
	var r io.Reader
	if body != nil {
		r = bytes.NewReader(body)
	}
	hr, err := http.NewRequestWithContext(ctx, method, c.base+path, r)
	if err != nil {
		return nil, &llm.Error{Code: llm.CodeConfig, Message: "the base URL cannot be used: " + clean(err.Error(), 200), Err: err}
	}
	hr.Header = c.header.Clone()
	if len(betas) > 0 {
		hr.Header["Anthropic-Beta"] = []string{strings.Join(betas, ",")}
	}
	return hr, nil
}

// setStreamBody sends body with "stream":true as its first field, without a
// copy; Batches and token counts refuse the field, so it is not part of the
// rendered request.
func setStreamBody(hr *http.Request, body []byte) {
	const field = `{"stream":true,`
	hr.ContentLength = int64(len(field) + len(body) - 1)
	hr.GetBody = func() (io.ReadCloser, error) { return &parts{first: field, rest: body[1:]}, nil }
	hr.Body, _ = hr.GetBody()
}

// parts reads two pieces one after the other. Unlike [io.MultiReader] it has
// no WriteTo: net/http would have that one allocate a buffer of 32 KB a call.
type parts struct {
	first string
	rest  []byte
}

// Read implements [io.Reader].
func (p *parts) Read(b []byte) (int, error) {
	n := copy(b, p.first)
	p.first = p.first[n:]
	if n == len(b) {
		return n, nil
	}
	m := copy(b[n:], p.rest)
	p.rest = p.rest[m:]
	if n+m == 0 {
		return 0, io.EOF
	}
	return n + m, nil
}

// Close implements [io.Closer].
func (p *parts) Close() error { return nil }

func requestID(h http.Header) string { return clean(h.Get("Request-Id"), 100) }

const drainTime = 250 * time.Millisecond

// watchdog ends an exchange whose phase takes too long. It owns no goroutine:
// a timer fires only where the bound is reached.
type watchdog struct {
	cancel  context.CancelCauseFunc
	phase   *time.Timer
	attempt *time.Timer
	idle    time.Duration
	started bool
}

func watch(ctx context.Context, t Timeouts) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(ctx)
	d := &watchdog{cancel: cancel, idle: t.Idle}
	if t.FirstToken > 0 {
		d.phase = time.AfterFunc(t.FirstToken, func() { cancel(timeoutError("the first token", t.FirstToken, "timeouts.first_token")) })
	}
	if t.Attempt > 0 {
		d.attempt = time.AfterFunc(t.Attempt, func() { cancel(timeoutError("the attempt", t.Attempt, "timeouts.attempt")) })
	}
	return ctx, d
}

func (d *watchdog) event() {
	switch {
	case d.started && d.phase != nil:
		d.phase.Reset(d.idle)
	case !d.started:
		d.started = true
		if d.phase != nil {
			d.phase.Stop()
			d.phase = nil
		}
		if idle, cancel := d.idle, d.cancel; idle > 0 {
			d.phase = time.AfterFunc(idle, func() { cancel(timeoutError("the next token", idle, "timeouts.idle")) })
		}
	}
}

// drain bounds the wait for a body's end: the answer is there, and a server
// that does not end its stream only loses the connection.
func (d *watchdog) drain() {
	if d.phase != nil {
		d.phase.Stop()
	}
	cancel := d.cancel
	d.phase = time.AfterFunc(drainTime, func() { cancel(nil) })
}

func (d *watchdog) stop() {
	if d.phase != nil {
		d.phase.Stop()
	}
	if d.attempt != nil {
		d.attempt.Stop()
	}
	d.cancel(nil)
}

func timeoutError(what string, after time.Duration, setting string) *llm.Error {
	return &llm.Error{
		Code: llm.CodeTimeout, Retryable: true,
		Message: "waited " + after.String() + " for " + what,
		Hint:    "raise " + setting + " where the model needs longer",
	}
}
