package claude

import (
	"bytes"
	"context"
	"encoding/json"
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
	usage  wireUsage
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

type wireEvent struct {
	Type         string          `json:"type"`
	Index        int             `json:"index"`
	Message      json.RawMessage `json:"message"`
	ContentBlock json.RawMessage `json:"content_block"`
	Delta        json.RawMessage `json:"delta"`
	Usage        json.RawMessage `json:"usage"`
	Error        *wireError      `json:"error"`
}

type wireUsage struct {
	InputTokens   int64 `json:"input_tokens"`
	OutputTokens  int64 `json:"output_tokens"`
	CacheCreation int64 `json:"cache_creation_input_tokens"`
	CacheRead     int64 `json:"cache_read_input_tokens"`
	Split         *struct {
		FiveMinutes int64 `json:"ephemeral_5m_input_tokens"`
		OneHour     int64 `json:"ephemeral_1h_input_tokens"`
	} `json:"cache_creation"`
	ServiceTier string `json:"service_tier"`
	Geo         string `json:"inference_geo"`
	Speed       string `json:"speed"`
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
	var ev wireEvent
	if err := json.Unmarshal(data, &ev); err != nil {
		return false, a.malformed("an event that is not JSON", err)
	}
	if ev.Type == "" {
		ev.Type = string(name)
	}
	out := llm.Event{Name: ev.Type, Data: data}
	switch ev.Type {
	case "message_start":
		out.Kind = llm.EventStart
		err = a.start(ev.Message)
	case "content_block_start":
		err = a.open(ev.Index, ev.ContentBlock)
	case "content_block_delta":
		out.Kind, out.Text, err = a.delta(ev.Index, ev.Delta)
	case "message_delta":
		err = a.messageDelta(ev)
	case "message_stop":
		done = true
	case "error":
		w := wireError{Type: llm.CodeAPI}
		if ev.Error != nil {
			w = *ev.Error
		}
		e := a.client.classify(w, http.StatusOK)
		e.RequestID = a.resp.RequestID
		err = e
	}
	if err == nil {
		a.emit(out)
	}
	return done, err
}

func (a *accumulator) malformed(what string, err error) error {
	return &llm.Error{
		Code: llm.CodeBadResponse, Status: http.StatusOK, RequestID: a.resp.RequestID, Retryable: true,
		Message: "the server sent " + what, Hint: "check that ANTHROPIC_BASE_URL speaks the Messages API", Err: err,
	}
}

// start reads the message as it stands when its stream begins, or the whole
// message of an answer without a stream.
func (a *accumulator) start(raw json.RawMessage) error {
	var m struct {
		ID    string          `json:"id"`
		Model string          `json:"model"`
		Usage json.RawMessage `json:"usage"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return a.malformed("a message that is not one", err)
	}
	a.resp.ID, a.resp.Model = m.ID, m.Model
	a.resp.Extra = foreignFields(raw, "id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "stop_details", "usage")
	return a.count(m.Usage)
}

func (a *accumulator) open(index int, raw json.RawMessage) error {
	if index != len(a.blocks) || index >= maxBlocks {
		return a.malformed("content blocks out of order", nil)
	}
	var head struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return a.malformed("a content block that is not one", err)
	}
	b := block{isText: head.Type == "text", start: bytes.Clone(raw)}
	if b.isText {
		b.text = append(b.text, head.Text...)
	}
	a.blocks = append(a.blocks, b)
	return nil
}

func (a *accumulator) delta(index int, raw json.RawMessage) (llm.EventKind, string, error) {
	if index < 0 || index >= len(a.blocks) {
		return 0, "", a.malformed("text for a content block that was never opened", nil)
	}
	var d struct {
		Type        string `json:"type"`
		Text        string `json:"text"`
		Thinking    string `json:"thinking"`
		PartialJSON string `json:"partial_json"`
		Signature   string `json:"signature"`
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return 0, "", a.malformed("a delta that is not one", err)
	}
	b := &a.blocks[index]
	switch {
	case d.Type == "text_delta" && b.isText:
		b.text = append(b.text, d.Text...)
		return llm.EventText, d.Text, nil
	case d.Type == "thinking_delta" && !b.isText:
		b.text = append(b.text, d.Thinking...)
		return llm.EventThinking, d.Thinking, nil
	case d.Type == "input_json_delta":
		b.input = append(b.input, d.PartialJSON...)
	case d.Type == "signature_delta":
		b.sign = append(b.sign, d.Signature...)
	default:
		b.foreign = append(b.foreign, bytes.Clone(raw))
	}
	return llm.EventOther, "", nil
}

func (a *accumulator) messageDelta(ev wireEvent) error {
	if err := a.stop(ev.Delta); err != nil {
		return err
	}
	for name, v := range foreignFields(ev.Delta, "stop_reason", "stop_sequence", "stop_details") {
		if a.resp.Extra == nil {
			a.resp.Extra = map[string]json.RawMessage{}
		}
		a.resp.Extra[name] = v
	}
	return a.count(ev.Usage)
}

// stop reads why an answer ended.
func (a *accumulator) stop(raw json.RawMessage) error {
	if len(raw) == 0 {
		return nil
	}
	var d struct {
		StopReason   string          `json:"stop_reason"`
		StopSequence string          `json:"stop_sequence"`
		StopDetails  json.RawMessage `json:"stop_details"`
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return a.malformed("a message delta that is not one", err)
	}
	a.resp.StopReason, a.resp.StopSequence = d.StopReason, d.StopSequence
	if len(d.StopDetails) > 0 && !bytes.Equal(d.StopDetails, []byte("null")) {
		a.resp.StopDetails = bytes.Clone(d.StopDetails)
	}
	return nil
}

// count takes a usage object. Counts are cumulative: what a later object does
// not name keeps its value.
func (a *accumulator) count(raw json.RawMessage) error {
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil
	}
	if err := json.Unmarshal(raw, &a.usage); err != nil {
		return a.malformed("a usage that is not one", err)
	}
	u := &a.usage
	a.resp.Usage = llm.Usage{
		Input: u.InputTokens, Output: u.OutputTokens,
		CacheWrite5m: u.CacheCreation, CacheRead: u.CacheRead,
		Speed: u.Speed, Geo: u.Geo, Tier: u.ServiceTier,
		Raw: bytes.Clone(raw),
	}
	if u.Split != nil && u.Split.FiveMinutes+u.Split.OneHour == u.CacheCreation {
		a.resp.Usage.CacheWrite5m, a.resp.Usage.CacheWrite1h = u.Split.FiveMinutes, u.Split.OneHour
	}
	return nil
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

// foreignFields returns the fields of an object that are not among known.
func foreignFields(raw json.RawMessage, known ...string) map[string]json.RawMessage {
	if len(raw) == 0 {
		return nil
	}
	var all map[string]json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		return nil
	}
	for _, k := range known {
		delete(all, k)
	}
	if len(all) == 0 {
		return nil
	}
	for k, v := range all {
		all[k] = bytes.Clone(v)
	}
	return all
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
	if !ok || len(digits) > 4 {
		return "", 0, false
	}
	index, err := strconv.Atoi(string(digits))
	if err != nil || strconv.Itoa(index) != string(digits) || index < 0 {
		return "", 0, false
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
		if err := acc.open(i, b); err != nil {
			return err
		}
	}
	acc.finish()
	emit(llm.Event{Kind: llm.EventText, Text: resp.Text})
	return acc.stop(raw)
}
