package claude

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/claude-force/claude-force/internal/llm"
)

// accumulator builds a response from the events of one stream and passes each
// of them on.
type accumulator struct {
	resp   *llm.Response
	emit   func(llm.Event)
	client *Client
	blocks []block
	// written is all prompt-cache writes; split says that the API told them
	// apart by time to live.
	written int64
	split   bool
}

// block is a content block that grows by deltas.
type block struct {
	isText  bool
	text    []byte
	start   json.RawMessage // of any other kind
	input   []byte          // input_json_delta
	sign    []byte          // signature_delta
	foreign []json.RawMessage
}

// wireEvent is an event with the fields that matter, as they came.
type wireEvent struct {
	kind                                            string
	index, message, contentBlock, delta, usage, err []byte
}

func parseEvent(name, data []byte) (ev wireEvent, err error) {
	if !json.Valid(data) {
		return ev, errNotObject
	}
	err = eachField(data, func(field string, value []byte) {
		switch field {
		case "type":
			ev.kind = text(value)
		case "index":
			ev.index = value
		case "message":
			ev.message = value
		case "content_block":
			ev.contentBlock = value
		case "delta":
			ev.delta = value
		case "usage":
			ev.usage = value
		case "error":
			ev.err = value
		}
	})
	if ev.kind == "" {
		ev.kind = string(name)
	}
	return ev, err
}

// maxBlocks bounds the content blocks of one answer.
const maxBlocks = 4096

// add takes one event; done says that the message is complete.
func (a *accumulator) add(name, data []byte) (done bool, err error) {
	if text, index, ok := textDelta(data); ok && index < len(a.blocks) && a.blocks[index].isText {
		a.blocks[index].text = append(a.blocks[index].text, text...)
		a.emit(llm.Event{Kind: llm.EventText, Text: text, Name: "content_block_delta", Data: data})
		return false, nil
	}
	ev, err := parseEvent(name, data)
	if err != nil {
		return false, a.malformed("an event that is no JSON object", err)
	}
	out := llm.Event{Name: ev.kind, Data: data}
	switch ev.kind {
	case "message_start":
		out.Kind = llm.EventStart
		err = a.start(ev.message)
	case "content_block_start":
		err = a.open(ev.index, ev.contentBlock)
	case "content_block_delta":
		out.Kind, out.Text, err = a.delta(ev.index, ev.delta)
	case "message_delta":
		if err = a.stop(ev.delta, true); err == nil {
			err = a.count(ev.usage)
		}
	case "message_stop":
		done = true
	case "error":
		err = a.streamError(ev.err)
	}
	if err == nil {
		a.emit(out)
	}
	return done, err
}

// streamError is the error event of a stream that began well.
func (a *accumulator) streamError(raw []byte) error {
	w := wireError{Type: llm.CodeAPI}
	if !isNull(raw) {
		_ = json.Unmarshal(raw, &w) // what cannot be read keeps the general type
	}
	e := a.client.classify(w, http.StatusOK)
	e.RequestID = a.resp.RequestID
	return e
}

func (a *accumulator) malformed(what string, err error) error {
	return &llm.Error{
		Code: llm.CodeBadResponse, Status: http.StatusOK, RequestID: a.resp.RequestID, Retryable: true,
		Message: "the server sent " + what, Hint: "check that ANTHROPIC_BASE_URL speaks the Messages API", Err: err,
	}
}

// start reads the message as it stands when its stream begins, or the whole
// message of an answer without a stream.
func (a *accumulator) start(raw []byte) error {
	var usage []byte
	err := eachField(raw, func(field string, value []byte) {
		switch field {
		case "id":
			a.resp.ID = text(value)
		case "model":
			a.resp.Model = text(value)
		case "usage":
			usage = value
		case "type", "role", "content", "stop_reason", "stop_sequence", "stop_details":
		default:
			a.extra(field, value)
		}
	})
	if err != nil {
		return a.malformed("a message that is no JSON object", err)
	}
	return a.count(usage)
}

// extra keeps a field that this version does not know.
func (a *accumulator) extra(field string, value []byte) {
	if a.resp.Extra == nil {
		a.resp.Extra = map[string]json.RawMessage{}
	}
	a.resp.Extra[field] = bytes.Clone(value)
}

func (a *accumulator) open(index, raw []byte) error {
	if n, err := number(index); err != nil || n != int64(len(a.blocks)) || n >= maxBlocks {
		return a.malformed("content blocks out of order", err)
	}
	b := block{}
	err := eachField(raw, func(field string, value []byte) {
		switch field {
		case "type":
			b.isText = text(value) == "text"
		case "text":
			b.text = append(b.text[:0], text(value)...)
		}
	})
	if err != nil {
		return a.malformed("a content block that is no JSON object", err)
	}
	if !b.isText {
		b.text = nil
	}
	b.start = bytes.Clone(raw)
	a.blocks = append(a.blocks, b)
	return nil
}

func (a *accumulator) delta(index, raw []byte) (llm.EventKind, string, error) {
	n, err := number(index)
	if err != nil || n < 0 || n >= int64(len(a.blocks)) {
		return 0, "", a.malformed("text for a content block that was never opened", err)
	}
	var kind string
	var body []byte // the one field beside the type
	err = eachField(raw, func(field string, value []byte) {
		switch field {
		case "type":
			kind = text(value)
		case "text", "thinking", "partial_json", "signature":
			body = value
		}
	})
	if err != nil {
		return 0, "", a.malformed("a delta that is no JSON object", err)
	}
	b := &a.blocks[n]
	switch {
	case kind == "text_delta" && b.isText:
		piece := text(body)
		b.text = append(b.text, piece...)
		return llm.EventText, piece, nil
	case kind == "thinking_delta" && !b.isText:
		piece := text(body)
		b.text = append(b.text, piece...)
		return llm.EventThinking, piece, nil
	case kind == "input_json_delta":
		b.input = append(b.input, text(body)...)
	case kind == "signature_delta":
		b.sign = append(b.sign, text(body)...)
	default:
		b.foreign = append(b.foreign, bytes.Clone(raw))
	}
	return llm.EventOther, "", nil
}

// stop reads why an answer ended. Of a delta, which holds nothing else, the
// unknown fields are kept.
func (a *accumulator) stop(raw []byte, isDelta bool) error {
	if isNull(raw) {
		return nil
	}
	err := eachField(raw, func(field string, value []byte) {
		switch field {
		case "stop_reason":
			a.resp.StopReason = text(value)
		case "stop_sequence":
			a.resp.StopSequence = text(value)
		case "stop_details":
			if !isNull(value) {
				a.resp.StopDetails = bytes.Clone(value)
			}
		default:
			if isDelta {
				a.extra(field, value)
			}
		}
	})
	if err != nil {
		return a.malformed("a message delta that is no JSON object", err)
	}
	return nil
}

// count takes a usage object. Counts are cumulative: what a later object does
// not name keeps its value.
func (a *accumulator) count(raw []byte) error {
	if isNull(raw) {
		return nil
	}
	u := &a.resp.Usage
	var bad error
	take := func(to *int64, value []byte) {
		n, err := number(value)
		if err != nil {
			bad = err
		}
		*to = n
	}
	err := eachField(raw, func(field string, value []byte) {
		switch field {
		case "input_tokens":
			take(&u.Input, value)
		case "output_tokens":
			take(&u.Output, value)
		case "output_tokens_details":
			u.Thinking = thinking(value)
		case "cache_read_input_tokens":
			take(&u.CacheRead, value)
		case "cache_creation_input_tokens":
			take(&a.written, value)
		case "cache_creation":
			if !isNull(value) {
				a.split = true
				_ = eachField(value, func(field string, value []byte) {
					switch field {
					case "ephemeral_5m_input_tokens":
						take(&u.CacheWrite5m, value)
					case "ephemeral_1h_input_tokens":
						take(&u.CacheWrite1h, value)
					}
				})
			}
		case "service_tier":
			u.Tier = text(value)
		case "inference_geo":
			u.Geo = text(value)
		case "speed":
			u.Speed = text(value)
		}
	})
	if err = errors.Join(err, bad); err != nil {
		return a.malformed("token counts that are no numbers", err)
	}
	if !a.split || u.CacheWrite() != a.written {
		u.CacheWrite5m, u.CacheWrite1h = a.written, 0
	}
	u.Raw = bytes.Clone(raw)
	return nil
}

// thinking is the part of the output that was thought. Nothing is billed by it:
// details of another form are 0.
func thinking(details []byte) (tokens int64) {
	if isNull(details) {
		return 0
	}
	_ = eachField(details, func(field string, value []byte) {
		if n, err := number(value); err == nil && field == "thinking_tokens" {
			tokens = max(n, 0)
		}
	})
	return tokens
}

// finish writes the blocks into the response, whole or cut.
func (a *accumulator) finish() {
	texts := make([]string, 0, 1)
	a.resp.Content = make([]llm.Block, 0, len(a.blocks))
	for i := range a.blocks {
		b := &a.blocks[i]
		if b.isText && len(b.foreign) == 0 && len(b.text) > 0 {
			text := string(b.text)
			texts = append(texts, text)
			a.resp.Content = append(a.resp.Content, llm.Block{Text: text})
			continue
		}
		if b.isText {
			texts = append(texts, string(b.text))
		}
		a.resp.Content = append(a.resp.Content, llm.Block{JSON: b.json()})
	}
	a.resp.Text = strings.Join(texts, "")
}

// json is a block of any kind with its deltas merged in.
func (b *block) json() json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(b.start, &fields) != nil || fields == nil {
		return b.start
	}
	set := func(name string, v any) {
		if raw, err := json.Marshal(v); err == nil {
			fields[name] = raw
		}
	}
	if len(b.text) > 0 {
		name := "thinking"
		if b.isText {
			name = "text"
		}
		set(name, string(b.text))
	}
	if len(b.sign) > 0 {
		set("signature", string(b.sign))
	}
	if json.Valid(b.input) {
		fields["input"] = b.input
	}
	if len(b.foreign) > 0 {
		set("deltas", b.foreign)
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		return b.start
	}
	return raw
}

// textDelta recognises the one event that a stream consists of, in the form
// in which the API spells it, without a JSON decoder. Anything else, an
// escape inside the text included, is left to encoding/json.
func textDelta(data []byte) (text string, index int, ok bool) {
	rest, ok := bytes.CutPrefix(data, []byte(`{"type":"content_block_delta","index":`))
	if !ok {
		return "", 0, false
	}
	digits, rest, ok := bytes.Cut(rest, []byte(`,"delta":{"type":"text_delta","text":"`))
	if !ok || len(digits) == 0 || len(digits) > 4 || (digits[0] == '0' && len(digits) > 1) {
		return "", 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return "", 0, false
		}
		index = index*10 + int(c-'0')
	}
	raw, ok := bytes.CutSuffix(bytes.TrimRight(rest, " "), []byte(`"}}`))
	if !ok {
		return "", 0, false
	}
	plain, ascii := true, true
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '"' || c < ' ':
			return "", 0, false
		case c == '\\':
			i++ // raw cannot end here: its closing quote would be escaped
			plain = false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	if plain && (ascii || utf8.Valid(raw)) {
		return string(raw), index, true
	}
	start := len(data) - len(rest)
	if json.Unmarshal(data[start-1:start+len(raw)+1], &text) != nil {
		return "", 0, false
	}
	return text, index, true
}

// receiveMessage reads an answer that is one JSON message.
func (c *Client) receiveMessage(ctx context.Context, res *http.Response, resp *llm.Response, emit func(llm.Event)) error {
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err == nil && len(raw) > maxAnswer {
		err = errTooLarge
	}
	if err != nil {
		return c.streamEnd(ctx, &accumulator{resp: resp}, err)
	}
	return c.message(raw, resp, emit)
}

// message reads a whole message into resp.
func (c *Client) message(raw []byte, resp *llm.Response, emit func(llm.Event)) error {
	acc := accumulator{resp: resp, emit: emit, client: c}
	var m struct {
		Type    string            `json:"type"`
		Content []json.RawMessage `json:"content"`
		Error   *wireError        `json:"error"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return acc.malformed("an answer that is not JSON", err)
	}
	if m.Type == "error" && m.Error != nil {
		return c.classify(*m.Error, http.StatusOK)
	}
	if m.Type != "message" {
		return acc.malformed("JSON that is not a message", nil)
	}
	if err := acc.start(raw); err != nil {
		return err
	}
	emit(llm.Event{Kind: llm.EventStart})
	for i, b := range m.Content {
		if err := acc.open(strconv.AppendInt(nil, int64(i), 10), b); err != nil {
			return err
		}
	}
	acc.finish()
	emit(llm.Event{Kind: llm.EventText, Text: resp.Text})
	return acc.stop(raw, false)
}
