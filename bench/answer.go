package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
)

// Model is the model that is asked for and that answers.
const Model = "claude-sonnet-5-5"

// Events is the number of server-sent events in the answer.
const Events = 25

// Answer is the text that every caller must make of the answer.
func Answer() string { return strings.Join(pieces(), "") }

// pieces are the deltas of the answer. As in real answers, some hold line
// breaks, quotes and letters beyond ASCII, which JSON decoders take a slower
// way for.
func pieces() []string {
	return []string{
		"## Review\n\n", "The function reads ", "the whole body before ", "it looks at the status", ", so an error page ",
		"of any size is held ", "in memory. ", "Two changes help:\n\n", "1. Check the status first ", "and bound what is read ",
		"of an error.\n", "2. Close the body in ", "every branch — the early ", "return on \"not found\" ", "leaves a connection ",
		"open.\n\n", "Both are small; the second ", "is the more urgent one ", "under load.",
	}
}

// event is one server-sent event of the Messages API.
func event(name string, fields string) string {
	return "event: " + name + "\ndata: {\"type\":\"" + name + "\"" + fields + "}\n\n"
}

// events are the answer as the Messages API streams it.
func events() []string {
	out := []string{
		event("message_start", `,"message":{"id":"msg_01XFDUDYJgAACzvnptvVoYEL","type":"message","role":"assistant","model":"`+Model+
			`","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1130,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,`+
			`"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens":1,"service_tier":"standard"}}`),
		event("content_block_start", `,"index":0,"content_block":{"type":"text","text":""}`),
		event("ping", ""),
	}
	for _, p := range pieces() {
		out = append(out, event("content_block_delta", `,"index":0,"delta":{"type":"text_delta","text":`+quote(p)+`}`))
	}
	return append(
		out,
		event("content_block_stop", `,"index":0`),
		event("message_delta", `,"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":96}`),
		event("message_stop", ""),
	)
}

func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	return strings.TrimSuffix(b.String(), "\n")
}

// stream is the answer's body as server-sent events.
func stream() string { return strings.Join(events(), "") }

// streamAnswer is the answer on the wire: a chunk for each event.
func streamAnswer() []byte {
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nRequest-Id: req_018EeWyXxfu5pfWkrYcMdjWG\r\nTransfer-Encoding: chunked\r\n\r\n")
	for _, e := range events() {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(e), e)
	}
	b.WriteString("0\r\n\r\n")
	return b.Bytes()
}

// plainAnswer is the answer on the wire as one JSON message.
func plainAnswer() []byte {
	body := `{"id":"msg_01XFDUDYJgAACzvnptvVoYEL","type":"message","role":"assistant","model":"` + Model +
		`","content":[{"type":"text","text":` + quote(Answer()) + `}],"stop_reason":"end_turn","stop_sequence":null,` +
		`"usage":{"input_tokens":1130,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":96,"service_tier":"standard"}}`
	head := fmt.Sprintf("HTTP/1.1 %d OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", http.StatusOK, len(body))
	return []byte(head + body)
}

// Question is what is asked: an agent's definition and tasks. It is safe for
// concurrent use.
type Question struct {
	System string

	tasks string // each task is a window on it
	size  int
	next  atomic.Uint64
}

// windows is how many different tasks there are.
const windows = 1 << 16

// NewQuestion returns a question with texts of so many bytes.
func NewQuestion(system, task int) *Question {
	return &Question{System: prose(system), tasks: prose(task + windows), size: task}
}

// Task returns another task each time, so that no caller can share or keep an
// answer. It copies nothing.
func (q *Question) Task() string {
	from := int(q.next.Add(1) % windows)
	return q.tasks[from : from+q.size]
}

// prose returns n bytes of text with the line breaks and marks that a
// definition has. Its paragraphs differ by their numbers.
func prose(n int) string {
	const paragraph = "You review Go code: correctness first, then clarity, then speed. Name the file and the line of\n" +
		"  each finding, say what goes wrong and for which input, and show the smallest change that mends it.\n" +
		"  Leave out what a formatter or `go vet` finds; do not praise.\n"
	var b strings.Builder
	for i := 1; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%d. %s", i, paragraph)
	}
	return b.String()[:n]
}
