package telemetry

import (
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"

	"github.com/claude-force/claude-force/internal/llm"
)

const (
	// maxText bounds the text of one attribute, in bytes: many spans wait in
	// memory, and collectors refuse large ones.
	maxText = 64 << 10
	// cutMark ends a text that was cut.
	cutMark = "… [cut]"
)

// content is what was asked and answered, in the JSON that the semantic
// conventions define for it. resp may be nil.
func content(req *llm.Request, resp *llm.Response) []attribute.KeyValue {
	var attributes []attribute.KeyValue
	if len(req.System) > 0 {
		t := transcript{left: maxText}
		t.parts(req.System)
		attributes = append(attributes, t.attribute(systemInstructions))
	}
	if len(req.Messages) > 0 {
		t := transcript{left: maxText}
		t.array(len(req.Messages), func(i int) {
			t.message(req.Messages[i])
			t.add("}")
		})
		attributes = append(attributes, t.attribute(inputMessages))
	}
	if resp != nil && len(resp.Content) > 0 {
		t := transcript{left: maxText}
		t.add("[")
		t.message(llm.Message{Role: "assistant", Content: resp.Content})
		t.add(`,"finish_reason":`)
		t.quote(resp.StopReason)
		t.add("}]")
		attributes = append(attributes, t.attribute(outputMessages))
	}
	return attributes
}

// transcript spells messages for as long as there is room for their text.
type transcript struct {
	buf  []byte
	left int
}

func (t *transcript) attribute(name string) attribute.KeyValue {
	return attribute.String(name, string(t.buf))
}

func (t *transcript) add(s string)   { t.buf = append(t.buf, s...) }
func (t *transcript) quote(s string) { t.buf = llm.AppendString(t.buf, s) }

func (t *transcript) array(n int, write func(i int)) {
	t.add("[")
	for i := range n {
		if i > 0 {
			t.add(",")
		}
		write(i)
	}
	t.add("]")
}

// message spells one and leaves its object open.
func (t *transcript) message(m llm.Message) {
	t.add(`{"role":`)
	t.quote(m.Role)
	t.add(`,"parts":`)
	t.parts(m.Content)
}

// parts spells blocks. One that is not text says only that it was there: an
// image or a tool's result has no place on a span.
func (t *transcript) parts(blocks []llm.Block) {
	t.array(len(blocks), func(i int) {
		if len(blocks[i].JSON) > 0 {
			t.add(`{"type":"other"}`)
			return
		}
		t.add(`{"type":"text","content":`)
		s := cut(blocks[i].Text, t.left)
		t.left = max(t.left-len(blocks[i].Text), 0)
		t.quote(s)
		t.add("}")
	})
}

// cut shortens a text to a number of bytes, at the end of a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + cutMark
}
