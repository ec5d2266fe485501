package sim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/sim"
)

// batchRecord is what tests look at of a batch.
type batchRecord struct {
	ID               string
	ProcessingStatus string         `json:"processing_status"`
	RequestCounts    map[string]int `json:"request_counts"`
	EndedAt          *time.Time     `json:"ended_at"`
	CreatedAt        time.Time      `json:"created_at"`
	ExpiresAt        time.Time      `json:"expires_at"`
	ResultsURL       *string        `json:"results_url"`
	CancelInitiated  *time.Time     `json:"cancel_initiated_at"`
	Error            struct{ Type, Message string }
}

// result is one line of the results of a batch.
type result struct {
	CustomID string `json:"custom_id"`
	Result   struct {
		Type    string
		Message message
		Error   struct {
			Error struct{ Type, Message string }
		}
	}
}

const batchPath = "/v1/messages/batches"

// batchCall sends a request about batches.
func batchCall(t testing.TB, s http.Handler, status int, method, path, body string) batchRecord {
	t.Helper()
	w := call{method: method, path: batchPath + path, body: body}.do(t, s)
	if w.Code != status {
		t.Fatalf("%s %s: status %d, want %d: %s", method, path, w.Code, status, w.Body)
	}
	var b batchRecord
	if err := json.Unmarshal(w.Body.Bytes(), &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// results returns the lines of an ended batch.
func results(t testing.TB, s http.Handler, id string) []result {
	t.Helper()
	w := call{method: http.MethodGet, path: batchPath + "/" + id + "/results"}.do(t, s)
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/x-jsonl" {
		t.Fatalf("status %d, %s: %s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	var list []result
	for line := range strings.Lines(w.Body.String()) {
		var one result
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		list = append(list, one)
	}
	return list
}

// batchOf writes a batch of requests; each is its params.
func batchOf(params ...string) string {
	var list []string
	for i, p := range params {
		list = append(list, fmt.Sprintf(`{"custom_id":"r-%d","params":%s}`, i, p))
	}
	return `{"requests":[` + strings.Join(list, ",") + `]}`
}

// TestBatch checks a batch from its creation to its results.
func TestBatch(t *testing.T) {
	s, c := newServer(t, sim.Options{BatchDelay: time.Hour})
	b := batchCall(t, s, 200, "POST", "", batchOf(
		ask("[[say one]]"), ask("[[say two]]"), ask("[[say three]]"),
		ask("hi", `"max_tokens":900000`), ask("[[batch errored]]"), ask("[[batch expired]]")))
	if b.ProcessingStatus != "in_progress" || b.RequestCounts["processing"] != 6 || b.ResultsURL != nil || b.EndedAt != nil {
		t.Errorf("a new batch is %+v", b)
	}
	if !b.CreatedAt.Equal(day) || !b.ExpiresAt.Equal(day.Add(24*time.Hour)) {
		t.Errorf("created %v, expires %v", b.CreatedAt, b.ExpiresAt)
	}
	c.Advance(59 * time.Minute)
	batchCall(t, s, 400, "GET", "/"+b.ID+"/results", "")
	batchCall(t, s, 400, "DELETE", "/"+b.ID, "")
	c.Advance(time.Minute)
	b = batchCall(t, s, 200, "GET", "/"+b.ID, "")
	want := map[string]int{"processing": 0, "succeeded": 3, "errored": 2, "canceled": 0, "expired": 1}
	if b.ProcessingStatus != "ended" || fmt.Sprint(b.RequestCounts) != fmt.Sprint(want) {
		t.Errorf("%s with %v, want %v", b.ProcessingStatus, b.RequestCounts, want)
	}
	if b.ResultsURL == nil || *b.ResultsURL != "http://api.test"+batchPath+"/"+b.ID+"/results" || !b.EndedAt.Equal(day.Add(time.Hour)) {
		t.Errorf("results %v, ended %v", b.ResultsURL, b.EndedAt)
	}

	list := results(t, s, b.ID)
	var order []string
	byID := make(map[string]result)
	for _, one := range list {
		order = append(order, one.CustomID)
		byID[one.CustomID] = one
	}
	if len(byID) != 6 || slices.IsSorted(order) {
		t.Errorf("results in the order %v", order)
	}
	if one := byID["r-1"].Result; one.Type != "succeeded" || one.Message.text() != "two" || one.Message.Usage.ServiceTier != "batch" {
		t.Errorf("r-1: %+v", one)
	}
	if one := byID["r-3"].Result; one.Type != "errored" || !strings.HasPrefix(one.Error.Error.Message, "max_tokens: 900000 > 128000") {
		t.Errorf("r-3: %+v", one)
	}
	if one := byID["r-4"].Result; one.Error.Error.Type != "api_error" {
		t.Errorf("r-4: %+v", one)
	}
	if one := byID["r-5"].Result; one.Type != "expired" {
		t.Errorf("r-5: %+v", one)
	}
	c.Advance(30 * 24 * time.Hour)
	batchCall(t, s, 404, "GET", "/"+b.ID+"/results", "")
	batchCall(t, s, 200, "DELETE", "/"+b.ID, "")
	batchCall(t, s, 404, "GET", "/"+b.ID, "")
}

// TestCancelBatch checks that a cancellation keeps what was done by then.
func TestCancelBatch(t *testing.T) {
	s, c := newServer(t, sim.Options{BatchDelay: 100 * time.Minute})
	params := make([]string, 10)
	for i := range params {
		params[i] = ask("[[say ok]]")
	}
	b := batchCall(t, s, 200, "POST", "", batchOf(params...))
	c.Advance(35 * time.Minute)
	b = batchCall(t, s, 200, "POST", "/"+b.ID+"/cancel", "")
	if b.ProcessingStatus != "canceling" || b.CancelInitiated == nil {
		t.Errorf("after the cancellation it is %+v", b)
	}
	c.Advance(9 * time.Minute)
	if b = batchCall(t, s, 200, "GET", "/"+b.ID, ""); b.ProcessingStatus != "canceling" {
		t.Errorf("it is %s", b.ProcessingStatus)
	}
	c.Advance(time.Minute)
	b = batchCall(t, s, 200, "GET", "/"+b.ID, "")
	if b.ProcessingStatus != "ended" || b.RequestCounts["succeeded"] != 3 || b.RequestCounts["canceled"] != 7 {
		t.Errorf("%s with %v", b.ProcessingStatus, b.RequestCounts)
	}
	batchCall(t, s, 400, "POST", "/"+b.ID+"/cancel", "")
	n := 0
	for _, one := range results(t, s, b.ID) {
		if one.Result.Type == "canceled" {
			n++
		}
	}
	if n != 7 {
		t.Errorf("%d results are canceled", n)
	}
}

// TestBatchExpires checks that what is not answered within a day expires.
func TestBatchExpires(t *testing.T) {
	s, c := newServer(t, sim.Options{BatchDelay: 48 * time.Hour})
	b := batchCall(t, s, 200, "POST", "", batchOf(ask("[[say ok]]"), ask("[[say ok]]")))
	c.Advance(24 * time.Hour)
	b = batchCall(t, s, 200, "GET", "/"+b.ID, "")
	if b.ProcessingStatus != "ended" || b.RequestCounts["succeeded"] != 1 || b.RequestCounts["expired"] != 1 {
		t.Errorf("%s with %v", b.ProcessingStatus, b.RequestCounts)
	}
}

// TestBatchAtOnce checks a batch that takes no time, and the list.
func TestBatchAtOnce(t *testing.T) {
	s, _ := newServer(t, sim.Options{})
	var ids []string
	for range 3 {
		b := batchCall(t, s, 200, "POST", "", batchOf(ask("[[say ok]]")))
		if b.ProcessingStatus != "in_progress" {
			t.Errorf("a new batch is %s", b.ProcessingStatus)
		}
		ids = append(ids, b.ID)
	}
	if b := batchCall(t, s, 200, "GET", "/"+ids[0], ""); b.ProcessingStatus != "ended" {
		t.Errorf("it is %s", b.ProcessingStatus)
	}
	page := decodeList(t, call{method: "GET", path: batchPath + "?limit=2"}.do(t, s), 200)
	if len(page.Data) != 2 || page.Data[0].ID != ids[2] || !page.HasMore {
		t.Errorf("the first page is %+v", page)
	}
	page = decodeList(t, call{method: "GET", path: batchPath + "?after_id=" + page.LastID}.do(t, s), 200)
	if len(page.Data) != 1 || page.Data[0].ID != ids[0] || page.HasMore {
		t.Errorf("the second page is %+v", page)
	}
}

// TestBatchRules checks what refuses a batch as a whole.
func TestBatchRules(t *testing.T) {
	ok := ask("[[say ok]]")
	tests := []struct{ name, body, want string }{
		{"not JSON", "{", "not valid JSON"},
		{"nothing", "{}", "requests: Field required"},
		{"empty", `{"requests":[]}`, "requests: List should have at least 1 item"},
		{"more", `{"requests":[],"priority":1}`, "priority: Extra inputs are not permitted"},
		{"no id", `{"requests":[{"params":` + ok + `}]}`, "requests.0.custom_id: Field required"},
		{"bad id", `{"requests":[{"custom_id":"a b","params":` + ok + `}]}`, "requests.0.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'"},
		{"long id", `{"requests":[{"custom_id":"` + strings.Repeat("a", 65) + `","params":` + ok + `}]}`, "requests.0.custom_id: String should match"},
		{"same id", `{"requests":[{"custom_id":"a","params":` + ok + `},{"custom_id":"a","params":` + ok + `}]}`, "requests.1.custom_id: custom_id values must be unique"},
		{"no params", `{"requests":[{"custom_id":"a"}]}`, "requests.0.params: Field required"},
		{"stream", batchOf(ask("hi", `"stream":true`)), "requests.0.params.stream: "},
		{"speed", batchOf(ok, ask("hi", `"speed":"standard"`)), "requests.1.params.speed: Extra inputs are not permitted"},
		{"no output", batchOf(ask("hi", `"max_tokens":0`)), "requests.0.params.max_tokens: Input should be greater than or equal to 1"},
	}
	s, _ := newServer(t, sim.Options{})
	for _, tt := range tests {
		b := batchCall(t, s, 400, "POST", "", tt.body)
		if !strings.Contains(b.Error.Message, tt.want) || b.Error.Type != "invalid_request_error" {
			t.Errorf("%s: %q, want %q", tt.name, b.Error.Message, tt.want)
		}
	}
	long := batchOf(askModel("claude-opus-4-6", "[[say ok]]", `"max_tokens":300000`))
	for header, outcome := range map[string]string{"": "errored", "output-300k-2026-03-24": "succeeded"} {
		w := call{path: batchPath, body: long, header: map[string]string{"anthropic-beta": header}}.do(t, s)
		var b batchRecord
		if err := json.Unmarshal(w.Body.Bytes(), &b); err != nil || w.Code != 200 {
			t.Fatalf("status %d: %v", w.Code, err)
		}
		if got := results(t, s, b.ID)[0].Result.Type; got != outcome {
			t.Errorf("300,000 tokens with beta %q: %s, want %s", header, got, outcome)
		}
	}
}
