package claude

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/claude-force/claude-force/internal/llm"
)

func readEvents(body io.Reader) (events []string, err error) {
	r := newEventReader()
	r.reset(body)
	for {
		name, data, err := r.next()
		if err != nil {
			return events, err
		}
		events = append(events, string(name)+"|"+string(data))
	}
}

func TestEventReader(t *testing.T) {
	long := strings.Repeat("x", 9000)
	for name, c := range map[string]struct {
		body string
		want []string
		err  error
	}{
		"plain":                  {"event: a\ndata: 1\n\ndata: 2\n\n", []string{"a|1", "|2"}, io.EOF},
		"CRLF and a BOM":         {"\xef\xbb\xbfevent: a\r\ndata: 1\r\n\r\n", []string{"a|1"}, io.EOF},
		"comments":               {": keep-alive\n\n:\ndata:1\nid: 7\nretry: 3\n\n", []string{"|1"}, io.EOF},
		"two data lines":         {"data: 1\ndata: 2\n\n", []string{"|1\n2"}, io.EOF},
		"one space only":         {"data:  x \n\n", []string{"| x "}, io.EOF},
		"empty data":             {"data\n\n", []string{"|"}, io.EOF},
		"name without data":      {"event: a\n\ndata: 1\n\n", []string{"|1"}, io.EOF},
		"cut in an event":        {"data: 1\n\ndata: 2\n", []string{"|1"}, io.ErrUnexpectedEOF},
		"cut in a line":          {"data: 1\n\ndat", []string{"|1"}, io.ErrUnexpectedEOF},
		"longer than the buffer": {"data: " + long + "\n\ndata: 1\n\n", []string{"|" + long, "|1"}, io.EOF},
		"nothing":                {"", nil, io.EOF},
	} {
		for _, slow := range []bool{false, true} {
			var body io.Reader = strings.NewReader(c.body)
			if slow {
				body = iotest.OneByteReader(body)
			}
			got, err := readEvents(body)
			if strings.Join(got, "\x00") != strings.Join(c.want, "\x00") || !errors.Is(err, c.err) {
				t.Errorf("%s (byte by byte: %v): %q, %v; want %q, %v", name, slow, got, err, c.want, c.err)
			}
		}
	}
}

func TestEventReaderIsBounded(t *testing.T) {
	endless := io.MultiReader(strings.NewReader("data: "), zeros{})
	if _, err := readEvents(endless); !errors.Is(err, errTooLarge) {
		t.Errorf("an endless line gives %v", err)
	}
	many := io.MultiReader(strings.NewReader("data: x\n"), repeat("data: x\n"))
	if _, err := readEvents(many); !errors.Is(err, errTooLarge) {
		t.Errorf("an endless event gives %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

type repeat string

func (r repeat) Read(p []byte) (int, error) {
	n := 0
	for len(p)-n >= len(r) {
		n += copy(p[n:], r)
	}
	return n, nil
}

// FuzzStream feeds a whole body through the reader and the accumulator: no
// input may panic, and what is emitted is what the response holds.
func FuzzStream(f *testing.F) {
	f.Add([]byte("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":{\"input_tokens\":1}}}\n\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\\u00e9\"}}\n\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\ndata: {\"type\":\"message_stop\"}\n\n"))
	f.Add([]byte("data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\"}}\n\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\"}}\n\n"))
	f.Add([]byte("data: {\"type\":\"error\",\"error\":null}\r\n\r\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		c := &Client{}
		resp := &llm.Response{}
		var streamed strings.Builder
		acc := accumulator{resp: resp, client: c, emit: func(e llm.Event) {
			if e.Kind == llm.EventText {
				streamed.WriteString(e.Text)
			}
		}}
		r := newEventReader()
		r.reset(bytes.NewReader(body))
		for {
			name, data, err := r.next()
			if err != nil {
				break
			}
			if done, err := acc.add(name, data); done || err != nil {
				break
			}
		}
		acc.finish()
		for _, b := range resp.Content {
			if len(b.JSON) > 0 && !json.Valid(b.JSON) {
				t.Fatalf("a block is not JSON: %q", b.JSON)
			}
		}
		if !strings.Contains(resp.Text, streamed.String()) && len(acc.blocks) <= 1 {
			t.Fatalf("streamed %q, the response holds %q", streamed.String(), resp.Text)
		}
	})
}

// FuzzTextDelta holds the fast way against encoding/json.
func FuzzTextDelta(f *testing.F) {
	for _, s := range []string{
		`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"plain"}}`,
		`{"type":"content_block_delta","index":12,"delta":{"type":"text_delta","text":"a\"\\\u00e9\ud83d\ude00"}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"ends\\"}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"bad\"}}`,
		`{"type":"content_block_delta","index":-1,"delta":{"type":"text_delta","text":"x"}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}} `,
		"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"\xff\xc3\xa9\"}}",
		`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"},"more":1}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		text, index, ok := textDelta(data)
		if !ok {
			return
		}
		var want struct {
			Type  string
			Index int
			Delta struct{ Type, Text string }
		}
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatalf("%q was taken but is not JSON: %v", data, err)
		}
		if want.Type != "content_block_delta" || want.Index != index || want.Delta.Type != "text_delta" || want.Delta.Text != text {
			t.Fatalf("%q read as %d %q, want %+v", data, index, text, want)
		}
	})
}

// FuzzEachField holds the fields of an object against encoding/json.
func FuzzEachField(f *testing.F) {
	for _, s := range []string{
		`{}`, ` { "a" : 1 , "b":[1,{"c":"}"}],"d":"\"\\","e":null} `, `{"\u0061":{"x":{}},"é":-1.5e3}`, `[]`, `"x"`, `{"a":true}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !json.Valid(data) {
			return
		}
		got := map[string]string{}
		err := eachField(data, func(name string, value []byte) { got[name] = string(value) })
		var want map[string]json.RawMessage
		if json.Unmarshal(data, &want) != nil || want == nil {
			if err == nil {
				t.Fatalf("%q was taken for an object", data)
			}
			return
		}
		if err != nil || len(got) != len(want) {
			t.Fatalf("%q: %v, %v; want %s", data, got, err, want)
		}
		for name, v := range want {
			if got[name] != string(v) {
				t.Fatalf("%q: field %q is %q, want %q", data, name, got[name], v)
			}
			var s string
			if json.Unmarshal(v, &s) == nil && v[0] == '"' && text(v) != s {
				t.Fatalf("text(%q) = %q, want %q", v, text(v), s)
			}
		}
	})
}
