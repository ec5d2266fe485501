package lite

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// magic begins a file of weights; its last byte is the version of the format.
const magic = "uselite\x01"

// headerSize is the magic and the SHA-256 of what follows the header.
const headerSize = len(magic) + sha256.Size

// ErrDamaged says that weights are not what their checksum promises, or no
// weights of this version at all.
var ErrDamaged = errors.New("the weights of the text encoder are damaged")

// weights is everything that was learned.
type weights struct {
	pieces []piece // in the order of their bytes
	// timing is added to the embeddings, by position.
	timing []float32
	// embeddings holds a signed byte for each number; scales, what a one means.
	embeddings []byte
	scales     []float32
	layers     [2]layer
	head       matrix
}

// layer is one transformer layer. What normalisation learned is folded into
// the matrix behind it, and the scale of attention into qkv.
type layer struct {
	width            int
	qkv, mix         matrix
	bypass           matrix // empty where a layer keeps its width
	expand, contract matrix
}

// fields visits the parts of a file, one after the other.
type fields interface {
	bytes(to *[]byte, n int)
	floats(to *[]float32, n int)
}

// visit is the file format: the order of everything behind the vocabulary.
func (w *weights) visit(f fields) {
	f.floats(&w.timing, Tokens*Width)
	f.bytes(&w.embeddings, Rows*Width)
	f.floats(&w.scales, Rows)
	for i := range w.layers {
		l := &w.layers[i]
		l.width = Width << i
		l.qkv.visit(f, l.width, 3*l.width)
		l.mix.visit(f, l.width, Dimensions)
		if l.width != Dimensions {
			l.bypass.visit(f, l.width, Dimensions)
		}
		l.expand.visit(f, Dimensions, Hidden)
		l.contract.visit(f, Hidden, Dimensions)
	}
	w.head.visit(f, Dimensions, Dimensions)
}

func (m *matrix) visit(f fields, in, out int) {
	m.in, m.out = in, out
	f.bytes(&m.codes, in*out)
	f.floats(&m.scale, out)
	f.floats(&m.bias, out)
}

// Checksum returns the checksum that weights claim to have, without looking at
// more than their header. It returns [ErrDamaged] where there is none.
func Checksum(file []byte) ([sha256.Size]byte, error) {
	var sum [sha256.Size]byte
	if len(file) < headerSize || string(file[:len(magic)]) != magic {
		return sum, fmt.Errorf("%w: they do not begin as weights do", ErrDamaged)
	}
	copy(sum[:], file[len(magic):])
	return sum, nil
}

// parse reads a file of weights. What it returns shares the file's memory.
func parse(file []byte) (*weights, error) {
	want, err := Checksum(file)
	if err != nil {
		return nil, err
	}
	if sha256.Sum256(file[headerSize:]) != want {
		return nil, fmt.Errorf("%w: their checksum does not match", ErrDamaged)
	}
	r := &reader{rest: file[headerSize:]}
	w := &weights{}
	if w.pieces, err = r.pieces(); err != nil {
		return nil, err
	}
	w.visit(r)
	if r.short || len(r.rest) > 0 {
		return nil, fmt.Errorf("%w: they are too short or too long", ErrDamaged)
	}
	return w, nil
}

// reader takes parts off the front of a file.
type reader struct {
	rest  []byte
	short bool // the file has ended too early
}

func (r *reader) bytes(to *[]byte, n int) {
	if n > len(r.rest) {
		r.short, r.rest = true, nil
		return
	}
	*to, r.rest = r.rest[:n:n], r.rest[n:]
}

func (r *reader) floats(to *[]float32, n int) {
	var b []byte
	if r.bytes(&b, 4*n); r.short {
		return
	}
	*to = make([]float32, n)
	for i := range *to {
		(*to)[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
}

// pieceHead is what stands before the text of a piece: its length, its id and
// its score.
const pieceHead = 1 + 2 + 8

// pieces reads the vocabulary.
func (r *reader) pieces() ([]piece, error) {
	var size, b []byte
	if r.bytes(&size, 4); !r.short {
		r.bytes(&b, int(binary.LittleEndian.Uint32(size)))
	}
	text := string(b) // one string, of which the pieces are parts
	pieces := make([]piece, 0, Rows)
	for at := 0; at < len(b); {
		if len(b)-at < pieceHead+1 || b[at] == 0 || len(b)-at-pieceHead < int(b[at]) {
			return nil, fmt.Errorf("%w: the vocabulary ends in a piece", ErrDamaged)
		}
		p := piece{
			id:    binary.LittleEndian.Uint16(b[at+1:]),
			score: math.Float64frombits(binary.LittleEndian.Uint64(b[at+3:])),
			text:  text[at+pieceHead : at+pieceHead+int(b[at])],
		}
		if p.id >= Rows || !utf8.ValidString(p.text) || len(pieces) > 0 && pieces[len(pieces)-1].text >= p.text {
			return nil, fmt.Errorf("%w: the vocabulary is in disorder", ErrDamaged)
		}
		pieces = append(pieces, p)
		at += pieceHead + len(p.text)
	}
	return pieces, nil
}

// writer is the reader's counterpart.
type writer struct {
	bytes.Buffer
	wrong error // a part that has not the size it should have
}

func (w *writer) bytes(from *[]byte, n int) {
	if len(*from) != n {
		w.wrong = errors.Join(w.wrong, fmt.Errorf("a part has %d bytes and should have %d", len(*from), n))
	}
	w.Write(*from)
}

func (w *writer) floats(from *[]float32, n int) {
	if len(*from) != n {
		w.wrong = errors.Join(w.wrong, fmt.Errorf("a part has %d numbers and should have %d", len(*from), n))
	}
	for _, v := range *from {
		w.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
	}
}

func (w *writer) pieces(pieces []piece) {
	var b []byte
	for _, p := range pieces {
		if p.text == "" || !utf8.ValidString(p.text) || len(p.text) > math.MaxUint8 || p.id >= Rows {
			w.wrong = errors.Join(w.wrong, fmt.Errorf("piece %d, %q, cannot be written", p.id, p.text))
		}
		b = append(b, byte(len(p.text)))
		b = binary.LittleEndian.AppendUint16(b, p.id)
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(p.score))
		b = append(b, p.text...)
	}
	w.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(b))))
	w.Write(b)
}
