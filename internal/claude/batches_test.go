package claude_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claude-force/claude-force/internal/claude"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/llm/llmtest"
)

// body is a batch of n requests, as a writer makes it.
func body(t *testing.T, n int) (*bytes.Reader, int64) {
	t.Helper()
	var buf bytes.Buffer
	w := llm.NewBatchWriter(&buf)
	for i := range n {
		if err := w.Add(claude.BatchItem{ID: fmt.Sprint("r-", i), Request: llmtest.Request()}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(buf.Bytes()), w.Bytes()
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(r *http.Request, body io.ReadCloser) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Header: http.Header{}, Body: body, Request: r, ContentLength: -1}
}

func TestCreateBatchSendsAPreparedBody(t *testing.T) {
	var sent []string
	c := client(t, claude.Options{Credential: "sk-secret-123", Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		raw, err := io.ReadAll(r.Body)
		if err != nil || int64(len(raw)) != r.ContentLength || r.GetBody != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/messages/batches" {
			t.Errorf("%s %s, %d bytes of %d, can be repeated: %v, %v", r.Method, r.URL.Path, len(raw), r.ContentLength, r.GetBody != nil, err)
		}
		sent = append(sent, string(raw))
		return answer(r, io.NopCloser(strings.NewReader(`{"id":"msgbatch_1","processing_status":"in_progress","request_counts":{"processing":2}}`))), nil
	})})
	b, size := body(t, 2)
	for range 2 { // each reads it from its start
		got, err := c.CreateBatch(t.Context(), b, size)
		if err != nil || got.ID != "msgbatch_1" || got.Counts.Total() != 2 {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if sent[0] != sent[1] || !strings.HasPrefix(sent[0], `{"requests":[{"custom_id":"r-0","params":{`) {
		t.Errorf("sent %q, then %q", sent[0], sent[1])
	}
}

// A connection that dies does not have net/http submit twice.
func TestCreateBatchIsNotRepeated(t *testing.T) {
	var posts atomic.Int64
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			posts.Add(1)
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, `{"data":[]}`)
	})
	if _, err := c.Batches(t.Context(), time.Time{}); err != nil { // so that a connection is idle
		t.Fatal(err)
	}
	b, size := body(t, 1)
	_, err := c.CreateBatch(t.Context(), b, size)
	if e := llm.AsError(err); e.Code != llm.CodeConnection || posts.Load() != 1 {
		t.Errorf("%v after %d submissions", err, posts.Load())
	}
}

func TestBatchesStopAtOlderOnes(t *testing.T) {
	noon := time.Date(2026, 11, 12, 12, 0, 0, 0, time.UTC)
	var pages atomic.Int64
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		page := int(pages.Add(1)) - 1
		if after := r.URL.Query().Get("after_id"); (after == "") != (page == 0) {
			t.Errorf("page %d comes after %q", page, after)
		}
		var list []string
		for i := range 2 {
			n := page*2 + i // hours ago
			list = append(list, fmt.Sprintf(`{"id":"b%d","created_at":%q}`, n, noon.Add(-time.Duration(n)*time.Hour).Format(time.RFC3339)))
		}
		_, _ = fmt.Fprintf(w, `{"data":[%s],"has_more":%v,"last_id":"b%d"}`, strings.Join(list, ","), page < 4, page*2+1)
	})
	for _, one := range []struct {
		since time.Time
		most  int
		pages int64
	}{{time.Time{}, 10, 5}, {noon.Add(-2 * time.Hour), 3, 2}, {noon.Add(time.Hour), 0, 1}} {
		pages.Store(0)
		got, err := c.Batches(t.Context(), one.since)
		if err != nil || len(got) != one.most || pages.Load() != one.pages {
			t.Errorf("since %v: %d batches in %d pages, %v", one.since, len(got), pages.Load(), err)
		}
	}
}

// line is a result of a request that succeeded with a text.
func line(id, text string) string {
	return fmt.Sprintf(`{"custom_id":%q,"result":{"type":"succeeded","message":{"id":"msg_%s","type":"message","role":"assistant","model":"claude-sonnet-5-5","content":[{"type":"text","text":%q}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":5}}}}`, id, id, text)
}

// results downloads a body and returns what came of it.
func results(t *testing.T, h http.HandlerFunc) ([]claude.BatchResult, error) {
	t.Helper()
	var all []claude.BatchResult
	err := serve(t, h).BatchResults(t.Context(), "msgbatch_1", func(r claude.BatchResult) error {
		all = append(all, r)
		return nil
	})
	return all, err
}

func TestBatchResults(t *testing.T) {
	all, err := results(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, line("a", "Hi.")+"\r\n\n"+
			`{"custom_id":"b","result":{"type":"errored","error":{"type":"error","error":{"type":"overloaded_error","message":"busy"}}}}`+"\n"+
			`{"custom_id":"c","result":{"type":"canceled"}}`+"\n"+
			`{"custom_id":"d","result":{"type":"expired"}}`+"\n"+
			`{"custom_id":"e","result":{"type":"succeeded","message":{"type":"message","content":7}}}`+"\n"+
			`{"custom_id":"f","result":{"type":"new_kind"}}`+"\n"+
			line("g", "Last.")) // without a line break
	})
	if err != nil || len(all) != 7 {
		t.Fatalf("%d results, %v", len(all), err)
	}
	if r := all[0]; r.ID != "a" || r.Response.Text != "Hi." || r.Response.Usage.Tier != "batch" || r.Response.Usage.Output != 5 {
		t.Errorf("%+v", r)
	}
	for i, want := range map[int]llm.Code{1: llm.CodeOverloaded, 2: llm.CodeCancelled, 3: llm.CodeTimeout, 4: llm.CodeBadResponse, 5: llm.CodeBadResponse} {
		if r := all[i]; r.Response != nil || llm.AsError(r.Err).Code != want {
			t.Errorf("%s: %+v", r.ID, r)
		}
	}
	if all[6].Response.Text != "Last." {
		t.Errorf("%+v", all[6])
	}
}

// However much there is, it is read as it comes.
func TestBatchResultsAreStreamed(t *testing.T) {
	const lines = 34
	text := strings.Repeat("x", 1<<20)
	var n atomic.Int64
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for i := range lines {
			if read := int(n.Load()); i > read+16 { // what the sockets hold is some lines at most
				t.Errorf("line %d is written and %d are read", i, read)
			}
			_, _ = io.WriteString(w, line(fmt.Sprint(i), text)+"\n")
		}
	})
	err := c.BatchResults(t.Context(), "msgbatch_1", func(r claude.BatchResult) error {
		if r.ID != fmt.Sprint(n.Load()) || len(r.Response.Text) != len(text) {
			t.Errorf("result %d is %s", n.Load(), r.ID)
		}
		n.Add(1)
		return nil
	})
	if err != nil || n.Load() != lines {
		t.Errorf("%d results, %v", n.Load(), err)
	}
}

func TestBatchResultsThatAreCut(t *testing.T) {
	whole := line("a", "Hi.") + "\n" + line("b", "Ho.") + "\n"
	for name, one := range map[string]struct {
		send func(http.ResponseWriter)
		come int
	}{
		"in a line": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "100000")
			_, _ = io.WriteString(w, whole[:len(whole)-20])
		}, 1},
		"between lines": {func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, whole)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, 2},
		"without an error": {func(w http.ResponseWriter) { _, _ = io.WriteString(w, whole[:len(whole)-20]) }, 1},
		"no JSON":          {func(w http.ResponseWriter) { _, _ = io.WriteString(w, line("a", "")+"\nnonsense\n"+line("b", "")) }, 1},
		"no id":            {func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"result":{"type":"expired"}}`+"\n") }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			all, err := results(t, func(w http.ResponseWriter, _ *http.Request) { one.send(w) })
			if e := llm.AsError(err); e == nil || !e.Retryable || len(all) != one.come {
				t.Errorf("%d results, %v", len(all), err)
			}
		})
	}
	huge := strings.Repeat("x", 17<<20)
	if _, err := results(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, huge) }); err == nil || llm.AsError(err).Retryable {
		t.Errorf("a line without an end: %v", err)
	}
}

func TestBatchResultsStopAtTheReadersError(t *testing.T) {
	full := errors.New("full")
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, line("a", "")+"\n"+line("b", ""))
	})
	n := 0
	err := c.BatchResults(t.Context(), "msgbatch_1", func(claude.BatchResult) error { n++; return full })
	if !errors.Is(err, full) || n != 1 {
		t.Errorf("%v after %d results", err, n)
	}
}

// A server that falls silent is not waited for; a reader may take its time.
func TestBatchResultsThatStandStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(t, claude.Options{
			Timeouts: claude.Timeouts{Idle: time.Minute},
			Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				body, w := io.Pipe()
				context.AfterFunc(r.Context(), func() { _ = w.CloseWithError(r.Context().Err()) })
				go func() {
					for _, id := range []string{"a", "b", "c"} {
						_, _ = io.WriteString(w, line(id, "")+"\n")
					}
				}()
				return answer(r, body), nil
			}),
		})
		began, n := time.Now(), 0
		err := c.BatchResults(t.Context(), "msgbatch_1", func(claude.BatchResult) error {
			n++
			time.Sleep(time.Hour)
			return nil
		})
		if e := llm.AsError(err); e.Code != llm.CodeTimeout || !e.Retryable || n != 3 || time.Since(began) != 3*time.Hour+time.Minute {
			t.Errorf("%v after %d results and %v", err, n, time.Since(began))
		}
		synctest.Wait()
	})
}
