package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// Transport returns a transport that answers every request by this server, in
// process and without a socket, whatever address it is for. Streams arrive as
// they are written. When the request's context ends, or the response's body is
// closed, the server stops working on the answer. It is safe for concurrent
// use.
func (s *Server) Transport() http.RoundTripper { return &transport{server: s} }

type transport struct {
	server *Server
}

// RoundTrip answers one request. The goroutine that it starts ends with the
// answer, with the context of the request, or when the body is closed.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(req.Context())
	inner := req.Clone(ctx)
	if inner.Body == nil {
		inner.Body = http.NoBody
	}
	if inner.Host == "" {
		inner.Host = inner.URL.Host
	}
	body, bodyWriter := io.Pipe()
	w := &pipeWriter{header: make(http.Header), body: bodyWriter, begun: make(chan int, 1)}
	// A body that waits to be read, or a reader that waits for more of it, is
	// woken when the context ends.
	stop := context.AfterFunc(ctx, func() { bodyWriter.CloseWithError(context.Cause(ctx)) })
	go func() {
		defer cancel()
		defer stop()
		bodyWriter.CloseWithError(t.serve(w, inner))
	}()
	select {
	case status := <-w.begun:
		return w.response(status, req, &pipeBody{PipeReader: body, cancel: cancel}), nil
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

// serve runs the handler and returns how the body ends: with io.EOF, or with
// what broke it.
func (t *transport) serve(w *pipeWriter, req *http.Request) (end error) {
	defer req.Body.Close()
	defer func() {
		switch p := recover(); {
		case p == nil:
		case p == any(http.ErrAbortHandler):
			end = io.ErrUnexpectedEOF
		default:
			end = fmt.Errorf("simulator: %v", p)
		}
		w.WriteHeader(http.StatusOK)
	}()
	t.server.ServeHTTP(w, req)
	if err := req.Context().Err(); err != nil {
		return err
	}
	return io.EOF
}

// pipeWriter is the http.ResponseWriter of an answer that stays in process.
type pipeWriter struct {
	header  http.Header
	sent    http.Header // the header as it was when the answer began
	body    *io.PipeWriter
	begun   chan int // receives the status once
	written bool
}

// Header returns the header, which is sent with the first write.
func (w *pipeWriter) Header() http.Header { return w.header }

// WriteHeader begins the answer; only the first call counts.
func (w *pipeWriter) WriteHeader(status int) {
	if w.written {
		return
	}
	w.written = true
	w.sent = w.header.Clone()
	w.begun <- status
}

// Write hands data to the reader of the body and waits until it is taken.
func (w *pipeWriter) Write(data []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(data)
}

// Flush does nothing: whatever is written has been read.
func (w *pipeWriter) Flush() { w.WriteHeader(http.StatusOK) }

// response returns the answer as a client sees it.
func (w *pipeWriter) response(status int, req *http.Request, body io.ReadCloser) *http.Response {
	length := int64(-1)
	if n, err := strconv.ParseInt(w.sent.Get("Content-Length"), 10, 64); err == nil {
		length = n
	}
	return &http.Response{
		Status:     strconv.Itoa(status) + " " + http.StatusText(status),
		StatusCode: status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: body, ContentLength: length, Request: req,
	}
}

// pipeBody is the body of an answer; closing it stops the server's work.
type pipeBody struct {
	*io.PipeReader
	cancel context.CancelFunc
}

// Close closes the body. It never fails.
func (b *pipeBody) Close() error {
	b.cancel()
	return b.PipeReader.Close()
}

// Read reads the body. The end of the server's context is the client's own.
func (b *pipeBody) Read(p []byte) (int, error) {
	n, err := b.PipeReader.Read(p)
	if errors.Is(err, io.ErrClosedPipe) {
		err = http.ErrBodyReadAfterClose
	}
	return n, err
}
