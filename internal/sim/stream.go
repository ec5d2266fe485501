package sim

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// wordsPerDelta is how much text one event carries, so that an answer of usual
// length has about 25 events.
const wordsPerDelta = 10

// maxPiece bounds the text of one event, in bytes.
const maxPiece = 400

// flushAt is the size from which buffered events are sent on although none
// waits for another.
const flushAt = 16 << 10

// stream writes an answer as server-sent events.
type stream struct {
	w       http.ResponseWriter
	flush   func() error
	sleep   func(context.Context, time.Duration) error
	buf     []byte        // events that are not sent yet
	scratch []byte        // for the data of one event
	delay   time.Duration // between output events
	fault   *Fault
	events  int // written so far
	output  int // output events written so far
}

// writeStream sends the answer. However it ends, settle is told the output
// tokens that were made by then.
func (s *Server) writeStream(ctx context.Context, w http.ResponseWriter, a *answer, p *plan, settle func(int)) {
	st := &stream{
		w: w, flush: http.NewResponseController(w).Flush, sleep: s.sleep,
		buf: make([]byte, 0, 4<<10), delay: s.tokenDelay, fault: p.stream,
	}
	if p.slowTokens > 0 {
		st.delay = p.slowTokens
	}
	whole := false
	defer func() {
		switch total := a.outputEvents(); {
		case whole || total == 0:
			settle(a.outputTokens)
		default:
			settle(a.outputTokens * st.output / total)
		}
	}()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	whole = st.send(ctx, a)
}

// send writes all events and reports whether the stream came to its end.
func (st *stream) send(ctx context.Context, a *answer) bool {
	b := a.appendHead([]byte(`{"type":"message_start","message":`))
	b = append(b, `],"stop_reason":null,"stop_sequence":null,"stop_details":null,"usage":`...)
	b = a.appendUsage(b, min(a.outputTokens, 1), 0)
	if !st.event(ctx, "message_start", append(b, '}', '}')) {
		return false
	}
	for i := range a.blocks {
		if !st.block(ctx, i, &a.blocks[i]) {
			return false
		}
	}
	b = append(b[:0], `{"type":"message_delta","delta":{"container":null`...)
	b = a.appendStop(b)
	b = append(b, `},"usage":{`...)
	b = a.appendPromptUsage(b)
	b = appendInt(b, "output_tokens", a.outputTokens)
	b = appendThinkingTokens(b, a.thinkingTokens)
	b = append(b, `,"server_tool_use":null}}`...)
	return st.event(ctx, "message_delta", b) && st.event(ctx, "message_stop", []byte(`{"type":"message_stop"}`)) && st.finish()
}

// block writes the events of one content block.
func (st *stream) block(ctx context.Context, index int, block *replyBlock) bool {
	b := append([]byte(`{"type":"content_block_start","index":`), strconv.Itoa(index)...)
	b = append(b, `,"content_block":`...)
	b = block.appendEmpty(b)
	if !st.event(ctx, "content_block_start", append(b, '}')) {
		return false
	}
	if index == 0 && !st.event(ctx, "ping", []byte(`{"type":"ping"}`)) {
		return false
	}
	kind, field := "text_delta", "text"
	switch block.kind {
	case "thinking":
		kind, field = "thinking_delta", "thinking"
	case "tool_use":
		kind, field = "input_json_delta", "partial_json"
	}
	for rest := block.text; rest != ""; {
		var piece string
		piece, rest = nextPiece(rest)
		if !st.delta(ctx, index, kind, field, piece) {
			return false
		}
	}
	if block.kind == "thinking" && !st.delta(ctx, index, "signature_delta", "signature", block.signature) {
		return false
	}
	b = append([]byte(`{"type":"content_block_stop","index":`), strconv.Itoa(index)...)
	return st.event(ctx, "content_block_stop", append(b, '}'))
}

// delta writes one output event.
func (st *stream) delta(ctx context.Context, index int, kind, field, piece string) bool {
	if st.output > 0 && st.delay > 0 && !st.pause(ctx) {
		return false
	}
	b := append(st.scratch[:0], `{"type":"content_block_delta","index":`...)
	b = strconv.AppendInt(b, int64(index), 10)
	b = append(b, `,"delta":{"type":"`...)
	b = append(b, kind...)
	b = append(b, '"')
	b = appendMember(b, field, piece)
	st.scratch = b
	if !st.event(ctx, "content_block_delta", append(b, '}', '}')) {
		return false
	}
	st.output++
	return true
}

// pause sends what is buffered and waits for the time between output events.
func (st *stream) pause(ctx context.Context) bool {
	return st.write(ctx) && st.sleep(ctx, st.delay) == nil
}

// event writes one event and reports whether the stream goes on.
func (st *stream) event(ctx context.Context, name string, data []byte) bool {
	if st.fault != nil && st.events >= st.fault.After && !st.fail(ctx) {
		return false
	}
	st.events++
	st.raw(name, data)
	return len(st.buf) < flushAt || st.write(ctx)
}

func (st *stream) raw(name string, data []byte) {
	st.buf = append(st.buf, "event: "...)
	st.buf = append(st.buf, name...)
	st.buf = append(st.buf, "\ndata: "...)
	st.buf = append(st.buf, data...)
	st.buf = append(st.buf, "\n\n"...)
}

// fail lets the fault of the call happen and reports whether the stream goes
// on after it.
func (st *stream) fail(ctx context.Context) bool {
	fault := st.fault
	st.fault = nil
	switch {
	case fault.Malformed:
		st.raw("content_block_delta", []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_del`))
		return true
	case fault.ErrorEvent != "":
		_, message := kindOf(statusOf(fault.ErrorEvent))
		b := appendString([]byte(`{"type":"error","error":{"type":`), fault.ErrorEvent)
		b = appendMember(b, "message", message)
		st.raw("error", append(b, '}', '}'))
		st.write(ctx)
		return false
	}
	// What came before has to arrive, if only the header.
	if st.write(ctx) {
		_ = st.flush()
	}
	if fault.Hang {
		<-ctx.Done()
		return false
	}
	abort()
	return false
}

// abort breaks the connection to the client: it sees the body end too early.
func abort() {
	panic(http.ErrAbortHandler)
}

// write sends what is buffered and reports whether the client still reads.
func (st *stream) write(ctx context.Context) bool {
	if len(st.buf) == 0 {
		return ctx.Err() == nil
	}
	_, err := st.w.Write(st.buf)
	st.buf = st.buf[:0]
	return err == nil && st.flush() == nil && ctx.Err() == nil
}

// finish sends the last events. The end of the handler flushes them.
func (st *stream) finish() bool {
	_, err := st.w.Write(st.buf)
	st.buf = st.buf[:0]
	return err == nil
}

// nextPiece cuts the text of one output event off a text: several words, or a
// part of what has no spaces.
func nextPiece(text string) (piece, rest string) {
	at := 0
	for range wordsPerDelta {
		for at < len(text) && isBlank(text[at]) {
			at++
		}
		end := strings.IndexAny(text[at:], " \n")
		if end < 0 {
			end = len(text) - at
		}
		at += end
		if at == len(text) || at > maxPiece {
			break
		}
	}
	if at > maxPiece {
		at = len(cutAt(text, maxPiece))
	}
	return text[:at], text[at:]
}

func isBlank(c byte) bool { return c == ' ' || c == '\n' }

// outputEvents returns how many output events the answer has.
func (a *answer) outputEvents() int {
	n := 0
	for _, block := range a.blocks {
		for rest := block.text; rest != ""; n++ {
			_, rest = nextPiece(rest)
		}
		if block.kind == "thinking" {
			n++
		}
	}
	return n
}
