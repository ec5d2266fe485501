package sim

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/claude-force/claude-force/internal/model"
)

// messages answers POST /v1/messages.
func (s *Server) messages(x *exchange) *apiError {
	start := s.now()
	body, err := s.body(x, maxBody)
	if err != nil {
		return err
	}
	s.stats.enter()
	defer s.stats.inFlight.Add(-1)
	own, err := parseOwnFaults(x.r.Header.Values(faultHeader))
	if err != nil {
		return err
	}
	q, m, err := s.read(body, x.terms)
	if err != nil {
		return err
	}
	meter := s.meter(m.LimitGroup)
	shown := meter.Look(start)
	shown.setHeaders(x.w.Header())
	a, err := s.prepare(q, m, start, "standard")
	if err != nil {
		return err
	}
	p := s.plan(m.ID, own)
	if p.err != nil {
		if s.pause(x.r.Context(), p.slowFirstByte) != nil {
			return nil // the client has left
		}
		return p.err
	}
	return s.deliver(x, q.stream, a, &p, meter, start)
}

// read parses and judges the body of a call that names a model.
func (s *Server) read(body string, t terms) (*request, *model.Model, *apiError) {
	q, err := parseRequest(body)
	if err != nil {
		return nil, nil, err
	}
	if err := q.checkForm(t); err != nil {
		return nil, nil, err
	}
	m, err := s.find(q.model)
	if err != nil {
		return nil, nil, err
	}
	if err := q.checkModel(m, t); err != nil {
		return nil, nil, err
	}
	if err := s.checkSignatures(q, m); err != nil {
		return nil, nil, err
	}
	return q, m, nil
}

// prepare measures the prompt and composes the answer for a service tier.
// Batches do without the prompt cache.
func (s *Server) prepare(q *request, m *model.Model, start time.Time, tier string) (*answer, *apiError) {
	p := s.measure(q, m, start, tier != "batch")
	if m.Context > 0 && p.tokens > m.Context {
		return nil, tooLong(p.tokens, m.Context)
	}
	r, err := s.compose(q, m, p)
	if err != nil {
		return nil, err
	}
	return &answer{reply: r, id: s.newID("msg_01"), model: m.ID, prompt: p, service: serviceOf(q, m, tier)}, nil
}

// deliver takes the call from the rate limits, waits as long as a model
// would, and sends the answer. The request is not kept for it: thousands of
// calls may wait at once.
func (s *Server) deliver(x *exchange, stream bool, a *answer, p *plan, meter *Meter, start time.Time) *apiError {
	ctx := x.r.Context()
	c := a.prompt.cached
	shown, refusal := meter.Admit(s.now(), c.input+c.write5m+c.write1h)
	shown.setHeaders(x.w.Header())
	if refusal != nil {
		s.stats.rateLimited.Add(1)
		return refusal.apiError(a.model)
	}
	wait := s.latency + p.slowFirstByte
	if !stream {
		delay := s.tokenDelay
		if p.slowTokens > 0 {
			delay = p.slowTokens
		}
		wait += delay * time.Duration(a.outputEvents())
	}
	if s.pause(ctx, wait-s.now().Sub(start)) != nil {
		return nil // the client has left
	}
	s.commit(a.prompt)
	s.stats.prompt(c)
	settle := func(output int) {
		meter.Settle(s.now(), output)
		s.stats.outputTokens.Add(int64(output))
	}
	if stream {
		s.writeStream(ctx, x.w, a, p, settle)
		return nil
	}
	settle(a.outputTokens)
	return writeWhole(ctx, x.w, a, p.stream)
}

// pause waits for d, unless the client leaves.
func (s *Server) pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	return s.sleep(ctx, d)
}

// writeWhole sends an answer that is not streamed. Faults of a stream become
// what they mean for a single body.
func writeWhole(ctx context.Context, w http.ResponseWriter, a *answer, fault *Fault) *apiError {
	body := a.appendMessage(make([]byte, 0, 4<<10))
	switch {
	case fault == nil:
		writeJSON(w, http.StatusOK, body)
	case fault.ErrorEvent != "":
		status := statusOf(fault.ErrorEvent)
		_, message := kindOf(status)
		return &apiError{status: status, kind: fault.ErrorEvent, message: message}
	case fault.Malformed:
		writeJSON(w, http.StatusOK, body[:len(body)/2])
	case fault.Hang:
		<-ctx.Done()
	case fault.Cut:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		abort()
	}
	return nil
}

// countTokens answers POST /v1/messages/count_tokens.
func (s *Server) countTokens(x *exchange) *apiError {
	body, err := s.body(x, maxBody)
	if err != nil {
		return err
	}
	s.stats.countTokens.Add(1)
	t := x.terms
	t.endpoint = toCountTokens
	q, m, err := s.read(body, t)
	if err != nil {
		return err
	}
	p := s.measure(q, m, s.now(), false)
	writeJSON(x.w, http.StatusOK, append(strconv.AppendInt([]byte(`{"input_tokens":`), int64(p.tokens), 10), '}'))
	return nil
}
