package sim_test

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/sim"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// day is when the tests take place.
var day = time.Date(2026, 11, 12, 10, 0, 0, 0, time.UTC)

// clock is a clock that tests move by hand. Waiting moves it as well.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	slept []time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *clock) Sleep(_ context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slept = append(c.slept, d)
	c.now = c.now.Add(d)
	return nil
}

// newServer returns a server with the built-in catalogue and a clock that
// stands still on the tests' day.
func newServer(t testing.TB, o sim.Options) (*sim.Server, *clock) {
	t.Helper()
	catalogue, err := model.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{now: day}
	o.Catalogue = catalogue
	if o.Now == nil {
		o.Now, o.Sleep = c.Now, c.Sleep
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	s, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

// call is a request to a server; the zero method, path and headers are those
// of an ordinary message call.
type call struct {
	method, path, body string
	header             map[string]string
}

func (c call) request(ctx context.Context, base string) *http.Request {
	method, path := c.method, c.path
	if method == "" {
		method = http.MethodPost
	}
	if path == "" {
		path = "/v1/messages"
	}
	r, err := http.NewRequestWithContext(ctx, method, base+path, strings.NewReader(c.body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("x-api-key", "test-key")
	r.Header.Set("anthropic-version", "2023-06-01")
	for name, value := range c.header {
		if value == "" {
			r.Header.Del(name)
			continue
		}
		r.Header.Set(name, value)
	}
	return r
}

// do sends a call to a handler and returns the whole answer.
func (c call) do(t testing.TB, s http.Handler) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, c.request(t.Context(), "http://api.test"))
	return w
}

// message is what tests look at of an answer.
type message struct {
	ID         string
	Model      string
	Content    []content
	StopReason string `json:"stop_reason"`
	StopSeq    string `json:"stop_sequence"`
	Usage      usage
	Error      struct {
		Type, Message string
		Details       struct {
			ErrorCode string `json:"error_code"`
		}
	}
	RequestID string `json:"request_id"`
}

type content struct {
	Type, Text, Thinking, Signature, ID, Name string
	Input                                     json.RawMessage
}

type usage struct {
	Input         int `json:"input_tokens"`
	Output        int `json:"output_tokens"`
	Read          int `json:"cache_read_input_tokens"`
	Write         int `json:"cache_creation_input_tokens"`
	CacheCreation struct {
		FiveMinutes int `json:"ephemeral_5m_input_tokens"`
		Hour        int `json:"ephemeral_1h_input_tokens"`
	} `json:"cache_creation"`
	ServiceTier string `json:"service_tier"`
	Geo         string `json:"inference_geo"`
}

func (m message) text() string {
	var b strings.Builder
	for _, c := range m.Content {
		b.WriteString(c.Text)
	}
	return b.String()
}

// send sends a body and returns the answer, which must have the status.
func send(t testing.TB, s http.Handler, status int, body string) message {
	t.Helper()
	w := call{body: body}.do(t, s)
	return decode(t, w, status)
}

func decode(t testing.TB, w *httptest.ResponseRecorder, status int) message {
	t.Helper()
	if w.Code != status {
		t.Fatalf("status %d, want %d: %s", w.Code, status, w.Body)
	}
	var m message
	if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
		t.Fatalf("answer is no JSON: %v\n%s", err, w.Body)
	}
	return m
}

// ask returns the body of a message call to Sonnet 5.5 with one user message
// and other members, written as JSON.
func ask(text string, members ...string) string {
	return askModel("claude-sonnet-5-5", text, members...)
}

func askModel(id, text string, members ...string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	body := `{"model":"` + id + `","messages":[{"role":"user","content":` + string(quoted) + `}]`
	if !slices.ContainsFunc(members, func(m string) bool { return strings.HasPrefix(m, `"max_tokens"`) }) {
		body += `,"max_tokens":1024`
	}
	for _, m := range members {
		body += "," + m
	}
	return body + "}"
}

// golden compares an answer with a file of testdata.
func golden(t *testing.T, name string, w *httptest.ResponseRecorder) {
	t.Helper()
	var b strings.Builder
	io.WriteString(&b, w.Result().Status+"\n")
	names := make([]string, 0, len(w.Result().Header))
	for name := range w.Result().Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		io.WriteString(&b, name+": "+strings.Join(w.Result().Header[name], ", ")+"\n")
	}
	b.WriteString("\n" + w.Body.String())
	got := b.String()
	path := filepath.Join("testdata", "golden", name+".txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run go test -update)", err)
	}
	if got != string(want) {
		t.Errorf("%s differs (run go test -update and look at the difference)\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}

// event is one server-sent event.
type event struct {
	name, data string
}

// events reads a stream to its end and returns what ended it, nil for a
// regular end.
func events(r io.Reader) ([]event, error) {
	data, err := io.ReadAll(r)
	var list []event
	for part := range strings.SplitSeq(string(data), "\n\n") {
		name, rest, found := strings.Cut(part, "\n")
		if !found {
			continue
		}
		list = append(list, event{strings.TrimPrefix(name, "event: "), strings.TrimPrefix(rest, "data: ")})
	}
	return list, err
}

// streamed returns the text that the deltas of a stream carry.
func streamed(t testing.TB, list []event) string {
	t.Helper()
	var b strings.Builder
	for _, e := range list {
		if e.name != "content_block_delta" {
			continue
		}
		var d struct{ Delta struct{ Text string } }
		if err := json.Unmarshal([]byte(e.data), &d); err != nil {
			t.Fatalf("event is no JSON: %v: %s", err, e.data)
		}
		b.WriteString(d.Delta.Text)
	}
	return b.String()
}

// list is what tests look at of a page.
type list struct {
	Data []struct {
		ID        string
		Lifecycle string
	}
	FirstID string `json:"first_id"`
	LastID  string `json:"last_id"`
	HasMore bool   `json:"has_more"`
}

func decodeList(t testing.TB, w *httptest.ResponseRecorder, status int) list {
	t.Helper()
	if w.Code != status {
		t.Fatalf("status %d, want %d: %s", w.Code, status, w.Body)
	}
	var l list
	if err := json.Unmarshal(w.Body.Bytes(), &l); err != nil {
		t.Fatal(err)
	}
	return l
}

func builtin(t testing.TB) *model.Catalogue {
	t.Helper()
	catalogue, err := model.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return catalogue
}
