package cache

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/claude-force/claude-force/internal/llm"
)

func answers() []*answer {
	return []*answer{
		{},
		{price: -1, resp: llm.Response{Text: "text", Content: []llm.Block{{Text: "text"}}, StopReason: "end_turn"}},
		{price: 1 << 62, resp: llm.Response{
			ID: "msg_1", Model: "m", RequestID: "req_1", StopReason: "stop_sequence", StopSequence: "END",
			Text: "ab", Content: []llm.Block{{Text: "a"}, {JSON: json.RawMessage(`{"type":"x"}`)}, {Text: "b"}},
			StopDetails: json.RawMessage(`{}`),
			Extra:       map[string]json.RawMessage{"a": json.RawMessage(`1`), "": json.RawMessage(`2`)},
		}},
		{resp: llm.Response{Text: "", Content: []llm.Block{{JSON: json.RawMessage(`{}`)}}}},
		{resp: llm.Response{Text: "text of no block"}},
	}
}

// same compares what a value holds.
func same(a, b *answer) bool { return a.price == b.price && reflect.DeepEqual(a.resp, b.resp) }

func TestDecodeReadsWhatEncodeWrote(t *testing.T) {
	for i, a := range answers() {
		value := encode(a)
		got, err := decode(value)
		if err != nil || !same(got, a) || got.size != len(value) {
			t.Errorf("%d: decode = %+v, %v, want %+v of %d bytes", i, got, err, a, len(value))
		}
	}
}

// What is not a whole value of this version is no answer.
func TestDecodeRefuses(t *testing.T) {
	value := encode(answers()[2])
	for version := range 256 {
		other := bytes.Clone(value)
		other[0] = byte(version)
		if _, err := decode(other); (err == nil) != (version == codecVersion) {
			t.Errorf("version %d: %v", version, err)
		}
	}
	for n := range value {
		if _, err := decode(value[:n]); err == nil {
			t.Errorf("the first %d of %d bytes are an answer", n, len(value))
		}
	}
	if _, err := decode(append(bytes.Clone(value), 0)); err == nil {
		t.Error("a value with a byte behind it is an answer")
	}
}

// Decoding never panics, and an answer that it finds is one that encode can
// write.
func FuzzDecode(f *testing.F) {
	for _, a := range answers() {
		f.Add(encode(a))
	}
	f.Add([]byte{})
	f.Add([]byte{codecVersion})
	f.Add([]byte{codecVersion, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, value []byte) {
		a, err := decode(value)
		if err != nil {
			return
		}
		again, err := decode(encode(a))
		if err != nil || !same(a, again) {
			t.Fatalf("%+v is written and read as %+v, %v", a, again, err)
		}
	})
}

func FuzzRoundTrip(f *testing.F) {
	f.Add(int64(5), "msg_1", "m", "req_1", "end_turn", "", "text", []byte(nil), uint8(1), []byte(nil), "", []byte(nil))
	f.Add(int64(-5), "", "", "", "stop_sequence", "END", "a", []byte(`{}`), uint8(3), []byte(`{"type":"x"}`), "new", []byte(`1`))
	f.Fuzz(func(t *testing.T, price int64, id, model, request, stop, sequence, text string, details []byte, blocks uint8, block []byte, name string, extra []byte) {
		a := &answer{price: price, resp: llm.Response{
			ID: id, Model: model, RequestID: request, StopReason: stop, StopSequence: sequence, Text: text, StopDetails: raw(details),
		}}
		for i := range blocks {
			a.resp.Content = append(a.resp.Content, llm.Block{Text: text[:len(text)*int(i+1)/int(blocks)], JSON: raw(block)})
		}
		if len(extra) > 0 {
			a.resp.Extra = map[string]json.RawMessage{name: raw(extra), name + "2": raw(extra)}
		}
		got, err := decode(encode(a))
		if err != nil || !same(got, a) {
			t.Fatalf("%+v comes back as %+v, %v", a, got, err)
		}
	})
}

// raw is JSON as a response has it: nil where there is none.
func raw(b []byte) json.RawMessage {
	if len(b) == 0 {
		return nil
	}
	return b
}
