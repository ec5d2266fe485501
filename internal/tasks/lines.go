package tasks

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

const (
	// chunk is how much is read at once, in bytes.
	chunk = 256 << 10
	// keep is the largest buffer that outlives the line that needed it.
	keep = 1 << 20
)

// lines cuts a stream into lines. A line longer than max is read to its end,
// and only its beginning is kept: memory is bounded whatever the stream holds.
type lines struct {
	in  *bufio.Reader
	max int
	// long gathers a line that does not fit into in's buffer.
	long        []byte
	number, end int64
}

// line is one line of a file, valid until the next.
type line struct {
	// text is the line without its ending, cut at max bytes.
	text []byte
	// number counts from 1; start and end are offsets, and end lies behind
	// the line's ending.
	number, start, end int64
	// cut says that the line is longer than text.
	cut bool
	// open says that the file ended before the line did.
	open bool
}

func newLines(r io.Reader, limit int) *lines {
	return &lines{in: bufio.NewReaderSize(r, chunk), max: limit}
}

// next returns the next line, or io.EOF behind the last one.
func (l *lines) next() (line, error) {
	if cap(l.long) > keep {
		l.long = nil
	}
	text, err := l.in.ReadSlice('\n')
	ln := line{number: l.number + 1, start: l.end}
	l.end += int64(len(text))
	if errors.Is(err, bufio.ErrBufferFull) {
		text, err = l.gather(text)
	}
	ln.open = errors.Is(err, io.EOF)
	if err != nil && (!ln.open || l.end == ln.start) {
		return line{}, err
	}
	l.number, ln.end = ln.number, l.end
	if whole, ok := bytes.CutSuffix(text, []byte("\n")); ok {
		text = bytes.TrimSuffix(whole, []byte("\r"))
	}
	if ln.number == 1 {
		text = bytes.TrimPrefix(text, []byte("\ufeff"))
	}
	ln.cut = len(text) > l.max
	ln.text = text[:min(len(text), l.max)]
	return ln, nil
}

// gather reads a long line to its end and returns what is kept of it: enough
// to tell a line of max bytes and its ending from a longer one.
func (l *lines) gather(piece []byte) ([]byte, error) {
	room := l.max + len("\ufeff\r\n")
	l.long = l.long[:0]
	for {
		l.long = append(l.long, piece[:min(len(piece), room-len(l.long))]...)
		var err error
		piece, err = l.in.ReadSlice('\n')
		l.end += int64(len(piece))
		if !errors.Is(err, bufio.ErrBufferFull) {
			return append(l.long, piece[:min(len(piece), room-len(l.long))]...), err
		}
	}
}

// blank reports whether the line holds nothing but white space.
func (ln line) blank() bool { return !ln.cut && skipSpace(ln.text, 0) == len(ln.text) }
