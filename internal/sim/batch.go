package sim

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/claude-force/claude-force/internal/model"
)

// Bounds of batches.
const (
	maxBatchRequests = 100_000
	maxBatches       = 200 // remembered; the oldest are forgotten
	batchExpiry      = 24 * time.Hour
	batchArchive     = 29 * 24 * time.Hour
	maxCustomID      = 64 // characters
)

// batches are the batches of a server, the oldest first.
type batches struct {
	mu   sync.Mutex
	list []*batch
}

func newBatches() *batches { return &batches{} }

// batch is one message batch. What changes is guarded by batches.mu.
type batch struct {
	id        string
	created   time.Time
	ends      time.Time // when the last request is answered, unless it is canceled
	requests  []batchRequest
	canceled  time.Time // zero unless it was canceled
	canceling time.Duration
	tally     map[string]int // of outcomes, once it has ended
}

// batchRequest is one request of a batch, judged when the batch was created.
type batchRequest struct {
	customID string
	outcome  string // succeeded, errored or expired
	err      *apiError
	request  *request
	model    *model.Model
}

// batchRoutes returns what answers requests to a path below
// /v1/messages/batches.
func (s *Server) batchRoutes(path string) map[string]func(*exchange) *apiError {
	if path == "" {
		return map[string]func(*exchange) *apiError{http.MethodGet: s.listBatches, http.MethodPost: s.createBatch}
	}
	id, action, _ := strings.Cut(path, "/")
	with := func(f func(*exchange, string) *apiError) func(*exchange) *apiError {
		return func(x *exchange) *apiError { return f(x, id) }
	}
	switch action {
	case "":
		return map[string]func(*exchange) *apiError{http.MethodGet: with(s.getBatch), http.MethodDelete: with(s.deleteBatch)}
	case "cancel":
		return map[string]func(*exchange) *apiError{http.MethodPost: with(s.cancelBatch)}
	case "results":
		return map[string]func(*exchange) *apiError{http.MethodGet: with(s.batchResults)}
	}
	return nil
}

// createBatch answers POST /v1/messages/batches.
func (s *Server) createBatch(x *exchange) *apiError {
	body, err := s.body(x, maxBatchBody)
	if err != nil {
		return err
	}
	requests, err := s.parseBatch(body, x.terms)
	if err != nil {
		return err
	}
	now := s.now()
	b := &batch{
		id: s.newID("msgbatch_01"), created: now, ends: now.Add(s.batchDelay),
		requests: requests, canceling: s.batchDelay / 10,
	}
	s.stats.batches.Add(1)
	// A new batch is in progress even where it takes no time.
	record := b.append(nil, "in_progress", x)
	s.batches.add(b)
	writeJSON(x.w, http.StatusOK, record)
	return nil
}

// add remembers a batch and forgets the oldest of too many.
func (bs *batches) add(b *batch) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	bs.list = append(bs.list, b)
	if len(bs.list) > maxBatches {
		bs.list = slices.Delete(bs.list, 0, 1)
	}
}

// parseBatch reads the body of a new batch. What is wrong with the parameters
// of one request errors that request; what batches refuse, and custom ids that
// are no good, refuse the batch.
func (s *Server) parseBatch(body string, t terms) ([]batchRequest, *apiError) {
	if !utf8.ValidString(body) {
		return nil, notUTF8()
	}
	r := &reader{src: body}
	var requests []batchRequest
	seen := make(map[string]bool)
	t.endpoint = toBatches
	found := false
	r.object(func(key string) {
		if key != "requests" {
			r.fail("Extra inputs are not permitted")
			return
		}
		found = true
		r.array(func(i int) {
			if i >= maxBatchRequests {
				r.failAt("requests", "List should have at most "+strconv.Itoa(maxBatchRequests)+" items")
				return
			}
			one := s.parseBatchRequest(r, t)
			if r.err == nil && seen[one.customID] {
				r.failAt(r.at("custom_id"), "custom_id values must be unique within a batch: "+one.customID)
			}
			seen[one.customID] = true
			requests = append(requests, one)
		})
	})
	switch {
	case r.err == nil && r.peek() != 0:
		r.malformed("unexpected data after the object")
	case r.err == nil && !found:
		r.failAt("requests", "Field required")
	case r.err == nil && len(requests) == 0:
		r.failAt("requests", "List should have at least 1 item after validation, not 0")
	}
	if r.err != nil {
		return nil, r.err
	}
	return requests, nil
}

// parseBatchRequest reads one element of requests.
func (s *Server) parseBatchRequest(r *reader, t terms) batchRequest {
	one := batchRequest{outcome: "succeeded"}
	params := ""
	r.object(func(key string) {
		switch key {
		case "custom_id":
			one.customID = r.str()
			if r.err == nil && !isIdentifier(one.customID, maxCustomID) {
				r.fail("String should match pattern '^[a-zA-Z0-9_-]{1,64}$'")
			}
		case "params":
			if r.peek() != '{' {
				r.wrongKind("Input should be an object")
				return
			}
			params = r.raw()
		default:
			r.fail("Extra inputs are not permitted")
		}
	})
	switch {
	case r.err != nil:
		return one
	case one.customID == "":
		r.failAt(r.at("custom_id"), "Field required")
		return one
	case params == "":
		r.failAt(r.at("params"), "Field required")
		return one
	}
	q, m, err := s.read(params, t)
	if err == nil {
		one.request, one.model = q, m
		one.judge()
		return one
	}
	if refusedInBatch(err.message) {
		field, message, _ := strings.Cut(err.message, ": ")
		r.failAt(r.at("params", field), message)
	}
	one.outcome, one.err = "errored", err
	return one
}

// judge looks for a directive that prescribes the outcome.
func (one *batchRequest) judge() {
	turn, err := one.request.scripted()
	switch {
	case err != nil:
		one.outcome, one.err = "errored", err
	case turn == nil || turn.outcome == "":
	case turn.outcome == "errored":
		kind, message := kindOf(http.StatusInternalServerError)
		one.outcome, one.err = "errored", &apiError{status: http.StatusInternalServerError, kind: kind, message: message}
	default:
		one.outcome = turn.outcome
	}
}

// refusedInBatch reports whether a parameter's error concerns one that batches
// refuse as a whole.
func refusedInBatch(message string) bool {
	for _, field := range []string{"stream: ", "speed: ", "max_tokens: Input should be greater"} {
		if strings.HasPrefix(message, field) {
			return true
		}
	}
	return false
}

// status returns the processing status at a time, and when processing ended or
// will end.
func (b *batch) status(now time.Time) (status string, end time.Time) {
	end = b.ends
	if expiry := b.created.Add(batchExpiry); end.After(expiry) {
		end = expiry
	}
	if !b.canceled.IsZero() {
		if canceled := b.canceled.Add(b.canceling); canceled.Before(end) {
			end = canceled
		}
		if now.Before(end) {
			return "canceling", end
		}
	}
	if now.Before(end) {
		return "in_progress", end
	}
	return "ended", end
}

// outcome returns what became of request i of an ended batch. Requests are
// answered evenly over the time that the batch takes: those that were not at
// the time of a cancellation are canceled, those at the expiry expired.
func (b *batch) outcome(i int) string {
	one := &b.requests[i]
	at := b.created
	if n := len(b.requests); n > 0 {
		at = at.Add(time.Duration(float64(b.ends.Sub(b.created)) * float64(i+1) / float64(n)))
	}
	switch {
	case !b.canceled.IsZero() && at.After(b.canceled):
		return "canceled"
	case at.After(b.created.Add(batchExpiry)):
		return "expired"
	}
	return one.outcome
}

// count returns the outcomes of an ended batch.
func (b *batch) count() map[string]int {
	if b.tally == nil {
		b.tally = make(map[string]int)
		for i := range b.requests {
			b.tally[b.outcome(i)]++
		}
	}
	return b.tally
}

// find returns a batch; the lock must be held.
func (bs *batches) find(id string) (*batch, *apiError) {
	for _, b := range bs.list {
		if b.id == id {
			return b, nil
		}
	}
	return nil, notFound("Message batch %.100s not found", id)
}

// append appends the record of a batch in a processing status.
func (b *batch) append(out []byte, status string, x *exchange) []byte {
	_, end := b.status(time.Time{})
	counts := map[string]int{"processing": len(b.requests)}
	if status == "ended" {
		counts = b.count()
	}
	out = append(out, `{"id":`...)
	out = appendString(out, b.id)
	out = append(out, `,"type":"message_batch"`...)
	out = appendMember(out, "processing_status", status)
	out = append(out, `,"request_counts":{"processing":`...)
	out = strconv.AppendInt(out, int64(counts["processing"]), 10)
	for _, outcome := range []string{"succeeded", "errored", "canceled", "expired"} {
		out = appendInt(out, outcome, counts[outcome])
	}
	out = append(out, '}')
	ended, results := "", ""
	if status == "ended" {
		ended, results = timestamp(end), resultsURL(x.r, b.id)
	}
	out = appendMember(out, "ended_at", ended)
	out = appendMember(out, "created_at", timestamp(b.created))
	out = appendMember(out, "expires_at", timestamp(b.created.Add(batchExpiry)))
	canceled := ""
	if !b.canceled.IsZero() {
		canceled = timestamp(b.canceled)
	}
	out = appendMember(out, "cancel_initiated_at", canceled)
	out = appendMember(out, "results_url", results)
	return append(out, `,"archived_at":null}`...)
}

// timestamp writes a time as the API does.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// resultsURL returns where the results of a batch are, seen by the client.
func resultsURL(r *http.Request, id string) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	if r.URL.Scheme != "" {
		scheme = r.URL.Scheme
	}
	return scheme + "://" + r.Host + "/v1/messages/batches/" + id + "/results"
}

// getBatch answers GET /v1/messages/batches/{id}.
func (s *Server) getBatch(x *exchange, id string) *apiError {
	return s.withBatch(x, id, func(b *batch, status string) ([]byte, *apiError) {
		return b.append(nil, status, x), nil
	})
}

// cancelBatch answers POST /v1/messages/batches/{id}/cancel. A batch that was
// just canceled is canceling even where that takes no time.
func (s *Server) cancelBatch(x *exchange, id string) *apiError {
	return s.withBatch(x, id, func(b *batch, status string) ([]byte, *apiError) {
		if status == "ended" {
			return nil, invalid("Message batch %s cannot be canceled because it has ended", id)
		}
		if b.canceled.IsZero() {
			b.canceled = s.now()
		}
		return b.append(nil, "canceling", x), nil
	})
}

// deleteBatch answers DELETE /v1/messages/batches/{id}.
func (s *Server) deleteBatch(x *exchange, id string) *apiError {
	return s.withBatch(x, id, func(b *batch, status string) ([]byte, *apiError) {
		if status != "ended" {
			return nil, invalid("Message batch %s cannot be deleted while it is in progress. Cancel it first.", id)
		}
		s.batches.list = slices.DeleteFunc(s.batches.list, func(one *batch) bool { return one == b })
		body := appendString([]byte(`{"id":`), id)
		return append(body, `,"type":"message_batch_deleted"}`...), nil
	})
}

// withBatch lets f look at or change a batch under the lock and answers with
// what it returns. The lock is not held while the client reads.
func (s *Server) withBatch(x *exchange, id string, f func(b *batch, status string) ([]byte, *apiError)) *apiError {
	body, err := func() ([]byte, *apiError) {
		s.batches.mu.Lock()
		defer s.batches.mu.Unlock()
		b, err := s.batches.find(id)
		if err != nil {
			return nil, err
		}
		status, _ := b.status(s.now())
		return f(b, status)
	}()
	if err != nil {
		return err
	}
	writeJSON(x.w, http.StatusOK, body)
	return nil
}

// listBatches answers GET /v1/messages/batches, the newest first.
func (s *Server) listBatches(x *exchange) *apiError {
	body, err := func() ([]byte, *apiError) {
		s.batches.mu.Lock()
		defer s.batches.mu.Unlock()
		newest := slices.Clone(s.batches.list)
		slices.Reverse(newest)
		page, err := pageOf(x.r.URL.Query(), newest, func(b *batch) string { return b.id })
		if err != nil {
			return nil, err
		}
		now := s.now()
		return page.append(nil, func(out []byte, b *batch) []byte {
			status, _ := b.status(now)
			return b.append(out, status, x)
		}), nil
	}()
	if err != nil {
		return err
	}
	writeJSON(x.w, http.StatusOK, body)
	return nil
}
