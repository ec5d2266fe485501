package cache

import (
	"encoding/binary"
	"encoding/json"
	"errors"

	"github.com/claude-force/claude-force/internal/llm"
)

// codecVersion is the first byte of a value. A value of another version is a
// miss and stays where it is.
const codecVersion = 1

var errBadValue = errors.New("not an answer of this version")

// answer is what a hit needs: the response, and what the call cost.
type answer struct {
	resp  llm.Response
	price int64 // nano-dollars; what a hit saves
	size  int
}

// encode writes an answer as fields behind their lengths: JSON would take
// longer to read than the disk does.
func encode(a *answer) []byte {
	r := &a.resp
	b := make([]byte, 0, len(r.Text)+len(r.Text)/8+256)
	b = append(b, codecVersion)
	b = binary.AppendVarint(b, a.price)
	for _, s := range []string{r.ID, r.Model, r.RequestID, r.StopReason, r.StopSequence, r.Text, string(r.StopDetails)} {
		b = appendBytes(b, s)
	}
	if len(r.Content) == 1 && len(r.Content[0].JSON) == 0 && r.Content[0].Text == r.Text {
		b = binary.AppendUvarint(b, 0) // the one block is the text
	} else {
		b = binary.AppendUvarint(b, uint64(len(r.Content))+1)
		for _, c := range r.Content {
			b = appendBytes(b, c.Text)
			b = appendBytes(b, string(c.JSON))
		}
	}
	b = binary.AppendUvarint(b, uint64(len(r.Extra)))
	for name, v := range r.Extra {
		b = appendBytes(b, name)
		b = appendBytes(b, string(v))
	}
	return b
}

func appendBytes(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decode reads what encode wrote. A value is only decoded when its signature
// is right, or its verification was skipped: nothing in it may panic.
func decode(value []byte) (*answer, error) {
	if len(value) == 0 || value[0] != codecVersion {
		return nil, errBadValue
	}
	d := decoder{b: value[1:]}
	a := &answer{size: len(value)}
	r := &a.resp
	a.price = d.varint()
	r.ID, r.Model, r.RequestID = d.text(), d.text(), d.text()
	r.StopReason, r.StopSequence, r.Text = d.text(), d.text(), d.text()
	if s := d.text(); s != "" {
		r.StopDetails = json.RawMessage(s)
	}
	if n := d.count(); n == 0 {
		r.Content = []llm.Block{{Text: r.Text}}
	} else {
		for range n - 1 {
			block := llm.Block{Text: d.text()}
			if s := d.text(); s != "" {
				block.JSON = json.RawMessage(s)
			}
			r.Content = append(r.Content, block)
		}
	}
	for range d.count() {
		name := d.text()
		if r.Extra == nil {
			r.Extra = map[string]json.RawMessage{}
		}
		r.Extra[name] = json.RawMessage(d.text())
	}
	if d.bad || len(d.b) != 0 {
		return nil, errBadValue
	}
	return a, nil
}

// decoder takes fields off the front; after a field that is not there it is
// bad and gives zeros.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	return advance(d, v, n)
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	return advance(d, v, n)
}

func advance[T int64 | uint64](d *decoder, v T, n int) T {
	if n <= 0 || d.bad {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count is a number of things that follow, each of which takes a byte at
// least: a larger number is a lie.
func (d *decoder) count() int {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.bad = true
		return 0
	}
	return int(n)
}

func (d *decoder) text() string {
	n := d.count()
	if d.bad {
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}
