package telemetry

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
	"strconv"

	"github.com/claude-force/claude-force/internal/llm"
)

// field names one field of a message, for either encoding: its number in
// Protocol Buffers and its name in JSON.
type field struct {
	number int
	name   string
}

// message is one message of the OpenTelemetry protocol being written. A field
// is written once; what is written of zero values is legal in both encodings.
type message interface {
	text(f field, s string)
	// id writes bytes, which JSON spells in hexadecimal digits.
	id(f field, b []byte)
	boolean(f field, v bool)
	// enum is a small number that is one in JSON as well.
	enum(f field, v uint32)
	// integer, fixed32 and fixed64 differ in Protocol Buffers only, but JSON
	// spells numbers of 64 bits as strings.
	integer(f field, v int64)
	fixed32(f field, v uint32)
	fixed64(f field, v uint64)
	double(f field, v float64)
	fixed64s(f field, vs []uint64)
	doubles(f field, vs []float64)
	// object writes one message, list as many as there are.
	object(f field, write func(message))
	list(f field, n int, write func(i int, m message))
	// bytes is the message so far, complete.
	bytes() []byte
}

// newMessage returns an empty message.
func newMessage(asJSON bool) message {
	if asJSON {
		return &jsonMessage{buf: &[]byte{'{'}}
	}
	return &protoMessage{}
}

// protoMessage is a message in Protocol Buffers.
type protoMessage struct{ buf []byte }

// The wire types of Protocol Buffers.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

func (m *protoMessage) tag(f field, wire int) {
	m.buf = binary.AppendUvarint(m.buf, uint64(f.number<<3|wire))
}

func (m *protoMessage) text(f field, s string) {
	m.tag(f, wireBytes)
	m.buf = binary.AppendUvarint(m.buf, uint64(len(s)))
	m.buf = append(m.buf, s...)
}

func (m *protoMessage) id(f field, b []byte) {
	m.tag(f, wireBytes)
	m.buf = binary.AppendUvarint(m.buf, uint64(len(b)))
	m.buf = append(m.buf, b...)
}

func (m *protoMessage) boolean(f field, v bool) {
	n := uint32(0)
	if v {
		n = 1
	}
	m.enum(f, n)
}

func (m *protoMessage) enum(f field, v uint32) {
	m.tag(f, wireVarint)
	m.buf = binary.AppendUvarint(m.buf, uint64(v))
}

func (m *protoMessage) integer(f field, v int64) {
	m.tag(f, wireVarint)
	m.buf = binary.AppendUvarint(m.buf, uint64(v))
}

func (m *protoMessage) fixed32(f field, v uint32) {
	m.tag(f, wireFixed32)
	m.buf = binary.LittleEndian.AppendUint32(m.buf, v)
}

func (m *protoMessage) fixed64(f field, v uint64) {
	m.tag(f, wireFixed64)
	m.buf = binary.LittleEndian.AppendUint64(m.buf, v)
}

func (m *protoMessage) double(f field, v float64) { m.fixed64(f, math.Float64bits(v)) }

func (m *protoMessage) fixed64s(f field, vs []uint64) {
	m.tag(f, wireBytes)
	m.buf = binary.AppendUvarint(m.buf, uint64(8*len(vs)))
	for _, v := range vs {
		m.buf = binary.LittleEndian.AppendUint64(m.buf, v)
	}
}

func (m *protoMessage) doubles(f field, vs []float64) {
	m.tag(f, wireBytes)
	m.buf = binary.AppendUvarint(m.buf, uint64(8*len(vs)))
	for _, v := range vs {
		m.buf = binary.LittleEndian.AppendUint64(m.buf, math.Float64bits(v))
	}
}

// object writes the message behind its tag and then puts its length between
// the two.
func (m *protoMessage) object(f field, write func(message)) {
	m.tag(f, wireBytes)
	start := len(m.buf)
	write(m)
	var length [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(length[:], uint64(len(m.buf)-start))
	m.buf = slices.Insert(m.buf, start, length[:n]...)
}

func (m *protoMessage) list(f field, n int, write func(int, message)) {
	for i := range n {
		m.object(f, func(m message) { write(i, m) })
	}
}

func (m *protoMessage) bytes() []byte { return m.buf }

// jsonMessage is a message in the JSON that the protocol defines: names in
// lower camel case, numbers of 64 bits as strings, ids in hexadecimal digits.
// Messages within one another share a buffer.
type jsonMessage struct {
	buf *[]byte
	// more says that a field was written.
	more bool
}

func (m *jsonMessage) name(f field) {
	if m.more {
		m.add(",")
	}
	m.more = true
	m.add(`"` + f.name + `":`)
}

func (m *jsonMessage) add(s string) { *m.buf = append(*m.buf, s...) }

func (m *jsonMessage) text(f field, s string) {
	m.name(f)
	*m.buf = llm.AppendString(*m.buf, s)
}

func (m *jsonMessage) id(f field, b []byte) { m.text(f, hex.EncodeToString(b)) }

func (m *jsonMessage) boolean(f field, v bool) {
	m.name(f)
	*m.buf = strconv.AppendBool(*m.buf, v)
}

func (m *jsonMessage) enum(f field, v uint32) {
	m.name(f)
	*m.buf = strconv.AppendUint(*m.buf, uint64(v), 10)
}

func (m *jsonMessage) integer(f field, v int64) { m.text(f, strconv.FormatInt(v, 10)) }

func (m *jsonMessage) fixed32(f field, v uint32) { m.enum(f, v) }

func (m *jsonMessage) fixed64(f field, v uint64) { m.text(f, strconv.FormatUint(v, 10)) }

func (m *jsonMessage) double(f field, v float64) {
	m.name(f)
	m.float(v)
}

// float writes a number; the protocol spells those that JSON has no form for.
func (m *jsonMessage) float(v float64) {
	switch {
	case math.IsNaN(v):
		m.add(`"NaN"`)
	case math.IsInf(v, 1):
		m.add(`"Infinity"`)
	case math.IsInf(v, -1):
		m.add(`"-Infinity"`)
	default:
		*m.buf = strconv.AppendFloat(*m.buf, v, 'g', -1, 64)
	}
}

func (m *jsonMessage) fixed64s(f field, vs []uint64) {
	m.array(f, len(vs), func(i int) { m.add(`"` + strconv.FormatUint(vs[i], 10) + `"`) })
}

func (m *jsonMessage) doubles(f field, vs []float64) {
	m.array(f, len(vs), func(i int) { m.float(vs[i]) })
}

func (m *jsonMessage) object(f field, write func(message)) {
	m.name(f)
	m.nested(write)
}

func (m *jsonMessage) list(f field, n int, write func(int, message)) {
	m.array(f, n, func(i int) { m.nested(func(m message) { write(i, m) }) })
}

func (m *jsonMessage) array(f field, n int, write func(i int)) {
	m.name(f)
	m.add("[")
	for i := range n {
		if i > 0 {
			m.add(",")
		}
		write(i)
	}
	m.add("]")
}

func (m *jsonMessage) nested(write func(message)) {
	m.add("{")
	write(&jsonMessage{buf: m.buf})
	m.add("}")
}

func (m *jsonMessage) bytes() []byte { return append(*m.buf, '}') }
