package oracle

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/sim"
)

// noon is the simulators' time: every model of the tests is served then.
func noon() time.Time { return time.Date(2026, 11, 15, 12, 0, 0, 0, time.UTC) }

// simulator returns a simulated API. All of them answer alike.
func simulator(t testing.TB, o sim.Options) http.Handler {
	t.Helper()
	catalogue, err := model.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	o.Catalogue = catalogue
	if o.Now == nil {
		o.Now = noon
	}
	s, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve puts a handler on a socket and returns its address.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// counting counts requests.
func counting(n *atomic.Int64, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		next.ServeHTTP(w, r)
	})
}

// withoutStream is a gateway that answers as if no stream had been asked for.
func withoutStream(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = bytes.Replace(body, []byte(`"stream":true`), []byte(`"stream":false`), 1)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		next.ServeHTTP(w, r)
	})
}

// shortPages is an API whose lists come two items at a time.
func shortPages(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if query := r.URL.Query(); query.Has("limit") {
			query.Set("limit", "2")
			r.URL.RawQuery = query.Encode()
		}
		next.ServeHTTP(w, r)
	})
}

// editing lets edit change the headers of every answer.
func editing(edit func(http.Header), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&editedWriter{ResponseWriter: w, edit: edit}, r)
	})
}

type editedWriter struct {
	http.ResponseWriter
	edit func(http.Header)
}

func (w *editedWriter) WriteHeader(status int) {
	w.edit(w.Header())
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController flush.
func (w *editedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// recorder is a transport that keeps what it was to send. It refuses every
// request, so that nobody has to answer.
type recorder struct {
	requests []recorded
}

type recorded struct {
	method, url string
	header      http.Header
	body        []byte
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	one := recorded{method: req.Method, url: req.URL.RequestURI(), header: req.Header}
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		one.body = body
		_ = req.Body.Close()
	}
	r.requests = append(r.requests, one)
	return answer(req, http.StatusBadRequest, nil, errorBody("invalid_request_error", "recorded", "")), nil
}

// only is the one request that was sent.
func (r *recorder) only(t testing.TB) recorded {
	t.Helper()
	if len(r.requests) != 1 {
		t.Fatalf("%d requests were sent, want 1", len(r.requests))
	}
	return r.requests[0]
}

// answer is a response made in memory.
func answer(req *http.Request, status int, header http.Header, body string) *http.Response {
	if header == nil {
		header = http.Header{}
	}
	if header.Get("Content-Type") == "" {
		header.Set("Content-Type", "application/json")
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Header: header, Request: req,
		Body: io.NopCloser(bytes.NewReader([]byte(body))), ContentLength: int64(len(body)),
		ProtoMajor: 1, ProtoMinor: 1,
	}
}

// errorBody is the body of the API's errors.
func errorBody(kind, message, errorCode string) string {
	failure := map[string]any{"type": kind, "message": message}
	if errorCode != "" {
		failure["details"] = map[string]any{"error_code": errorCode}
	}
	body, err := json.Marshal(map[string]any{"type": "error", "error": failure, "request_id": "req_1"})
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(body)
}
