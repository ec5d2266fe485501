package telemetry

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// Bounds of one delivery.
const (
	maxReply   = 64 << 10
	maxTries   = 3
	firstPause = 500 * time.Millisecond
)

// sink takes encoded requests to where they go.
type sink interface {
	// deliver returns what is wrong in words that hold no secret.
	deliver(ctx context.Context, body []byte) error
}

// console writes each request as one line of JSON. It is safe for concurrent
// use; both signals may share the writer below.
type console struct {
	mu *sync.Mutex
	w  io.Writer
}

func (c console) deliver(_ context.Context, body []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.w.Write(append(body, '\n')); err != nil {
		return fmt.Errorf("write telemetry: %w", err)
	}
	return nil
}

// collector posts requests to an OpenTelemetry collector.
type collector struct {
	destination
	client *http.Client
	agent  string
	// closed ends deliveries under way.
	closed <-chan struct{}
}

// newCollector returns a collector that follows no redirection: the headers
// are meant for the server that was named.
func newCollector(d destination, transport http.RoundTripper, agent string, closed <-chan struct{}) *collector {
	return &collector{
		destination: d, agent: agent, closed: closed,
		client: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// deliver sends a request, and a few times again where the collector says that
// it is busy, all within the destination's timeout. A collector that cannot be
// reached is not tried again: what is sent next will find out.
func (c *collector) deliver(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	go func() { // ends with the delivery
		select {
		case <-c.closed:
			cancel()
		case <-ctx.Done():
		}
	}()
	if c.gzip {
		body = compress(body)
	}
	pause := firstPause
	for try := 1; ; try++ {
		wait, err := c.post(ctx, body)
		if err == nil || wait < 0 || try == maxTries {
			return err
		}
		t := time.NewTimer(max(wait, pause))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return err
		}
		pause *= 2
	}
}

// post sends a request once. With an error, wait is how long the collector
// asked to wait before the next try, or negative where a next try is of no use.
func (c *collector) post(ctx context.Context, body []byte) (wait time.Duration, err error) {
	const never = -1
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint.String(), bytes.NewReader(body))
	if err != nil {
		return never, errors.New("the collector's address cannot be used")
	}
	maps.Copy(req.Header, c.headers)
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("Content-Type", "application/x-protobuf")
	if c.json {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return never, fmt.Errorf("the collector was not reached: %w", withoutAddress(err))
	}
	defer resp.Body.Close()
	// A body that is read to its end lets the connection be used again; it is
	// of no other use, and of no harm where it cannot be read.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxReply))
	if resp.StatusCode/100 == 2 {
		return 0, nil
	}
	err = fmt.Errorf("the collector answered with status %d", resp.StatusCode)
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return retryAfter(resp.Header), err
	}
	return never, err
}

// retryAfter is how many seconds a collector asks to wait, or 0.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(min(seconds, 3600)) * time.Second
}

// withoutAddress takes the address, which may hold a key, out of an error.
func withoutAddress(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

func compress(body []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(body) // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}
