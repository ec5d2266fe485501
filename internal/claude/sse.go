package claude

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Bounds for what a server may send. An answer of 128,000 tokens is well
// under one megabyte.
const (
	maxEvent  = 16 << 20
	maxAnswer = 64 << 20
)

var errTooLarge = errors.New("the server sent more than any answer of the Messages API can be")

// eventReader splits a body into server-sent events as the WHATWG standard
// describes them: fields by line, an event at each blank line.
type eventReader struct {
	r    *bufio.Reader
	name []byte
	data []byte
	line []byte // a line that is longer than r's buffer
	read int
	bom  bool
}

func newEventReader() *eventReader {
	return &eventReader{r: bufio.NewReaderSize(nil, 4096)}
}

func (e *eventReader) reset(r io.Reader) {
	e.r.Reset(r)
	e.read, e.bom = 0, false
	if cap(e.data) > 64<<10 { // one large event must not stay in the pool
		e.data = nil
	}
	if cap(e.line) > 64<<10 {
		e.line = nil
	}
}

// next returns the next event with data. Both slices are valid until the call
// after. At the end of the body it returns io.EOF, or io.ErrUnexpectedEOF
// where an event was left without its blank line.
func (e *eventReader) next() (name, data []byte, err error) {
	e.name, e.data = e.name[:0], e.data[:0]
	fields, lines := false, 0
	for {
		line, err := e.readLine()
		if err != nil {
			if errors.Is(err, io.EOF) && (fields || len(line) > 0) {
				err = io.ErrUnexpectedEOF
			}
			return nil, nil, err
		}
		if len(line) == 0 {
			if lines > 0 {
				return e.name, e.data, nil
			}
			e.name, fields = e.name[:0], false
			continue
		}
		fields = true
		field, value, _ := bytes.Cut(line, []byte{':'})
		value = bytes.TrimPrefix(value, []byte{' '})
		switch string(field) {
		case "event":
			e.name = append(e.name[:0], value...)
		case "data":
			if lines++; lines > 1 {
				e.data = append(e.data, '\n')
			}
			if len(e.data)+len(value) > maxEvent {
				return nil, nil, fmt.Errorf("%w (one event over %d bytes)", errTooLarge, maxEvent)
			}
			e.data = append(e.data, value...)
		}
	}
}

// readLine returns a line without its end (LF or CRLF).
func (e *eventReader) readLine() ([]byte, error) {
	line, err := e.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		e.line = append(e.line[:0], line...)
		for errors.Is(err, bufio.ErrBufferFull) {
			if len(e.line) > maxEvent {
				return nil, fmt.Errorf("%w (one line over %d bytes)", errTooLarge, maxEvent)
			}
			line, err = e.r.ReadSlice('\n')
			e.line = append(e.line, line...)
		}
		line = e.line
	}
	if e.read += len(line); e.read > maxAnswer {
		return nil, fmt.Errorf("%w (over %d bytes)", errTooLarge, maxAnswer)
	}
	if err != nil {
		return line, err
	}
	if !e.bom {
		e.bom = true
		line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
	}
	line = line[:len(line)-1]
	return bytes.TrimSuffix(line, []byte{'\r'}), nil
}
