package sim

import (
	"net/http"
	"time"
)

// batchResults answers GET /v1/messages/batches/{id}/results: a line for each
// request, in an order that is not the one they were submitted in.
func (s *Server) batchResults(x *exchange, id string) *apiError {
	b, err := s.endedBatch(id)
	if err != nil {
		return err
	}
	x.w.Header().Set("Content-Type", "application/x-jsonl")
	x.w.WriteHeader(http.StatusOK)
	var line []byte
	for _, i := range shuffled(len(b.requests), s.seed) {
		line = s.appendResult(line[:0], b, i)
		if _, err := x.w.Write(append(line, '\n')); err != nil || x.r.Context().Err() != nil {
			return nil // the client has left
		}
	}
	return nil
}

// endedBatch returns a copy of a batch whose results are there.
func (s *Server) endedBatch(id string) (batch, *apiError) {
	s.batches.mu.Lock()
	defer s.batches.mu.Unlock()
	b, err := s.batches.find(id)
	if err != nil {
		return batch{}, err
	}
	now := s.now()
	switch status, _ := b.status(now); {
	case status != "ended":
		return batch{}, invalid("Message batch %s is not done: its results are available once processing has ended", id)
	case now.Sub(b.created) > batchArchive:
		return batch{}, notFound("The results of message batch %s are no longer available", id)
	}
	return *b, nil
}

// appendResult appends the result of request i.
func (s *Server) appendResult(out []byte, b batch, i int) []byte {
	one := &b.requests[i]
	out = append(out, `{"custom_id":`...)
	out = appendString(out, one.customID)
	out = append(out, `,"result":{"type":`...)
	outcome, failure := b.outcome(i), one.err
	var a *answer
	if outcome == "succeeded" {
		if a, failure = s.prepare(one.request, one.model, time.Time{}, "batch"); failure != nil {
			outcome = "errored"
		}
	}
	out = appendString(out, outcome)
	switch outcome {
	case "succeeded":
		out = append(out, `,"message":`...)
		out = a.appendMessage(out)
	case "errored":
		out = append(out, `,"error":`...)
		out = appendError(out, failure, "")
	}
	return append(out, '}', '}')
}

// shuffled returns 0 to n-1 in an order that the seed decides and that is
// never the usual one (n > 1).
func shuffled(n int, seed uint64) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	for i := n - 1; i > 0; i-- {
		seed = mixBits(seed + uint64(i))
		k := int(seed % uint64(i)) // never i itself, so that every element moves
		order[i], order[k] = order[k], order[i]
	}
	return order
}
