package tasks

import (
	"errors"
	"fmt"
	"io"

	"github.com/claude-force/claude-force/internal/llm"
)

// MaxLine is the longest line of a task file in bytes, its ending not counted:
// a little more than the API takes as a request.
const MaxLine = 34 << 20

// Reader reads a task file: UTF-8, one JSON object a line. Blank lines are
// passed over, but counted; a byte order mark at the start, CRLF and a last
// line without its newline are fine. It is not safe for concurrent use.
type Reader struct {
	lines *lines
	err   error
}

// Line is a line of a task file: a task, or what is wrong with the line.
type Line struct {
	// Number counts from 1, blank lines included.
	Number int64
	// End is the offset behind the line and its ending, in bytes.
	End int64
	// Raw is the line without its ending, valid until the next call of Next.
	// It is nil where the line is longer than [MaxLine].
	Raw []byte
	// Task is what the line asks for. With Err it holds only the id, where
	// that could be read.
	Task Task
	// Err is why the line cannot be run, with [llm.CodeUsage], or nil.
	Err *llm.Error
}

// NewReader returns a Reader that takes no more memory than the longest line
// needs, and at most a small multiple of [MaxLine].
func NewReader(r io.Reader) *Reader { return newReader(r, MaxLine) }

func newReader(r io.Reader, longest int) *Reader { return &Reader{lines: newLines(r, longest)} }

// Parse reads one line as [Reader.Next] does: raw, which is not kept, of a
// number.
func Parse(number int64, raw []byte) Line { return read(line{number: number, text: raw}) }

// Next returns the next line that is not blank. A line that cannot be run has
// its Err set, and the next call goes on behind it. Next's own error is io.EOF
// at the end, else the file's: it could not be read on. It is returned again
// by every later call.
func (r *Reader) Next() (Line, error) {
	for r.err == nil {
		ln, err := r.lines.next()
		switch {
		case errors.Is(err, io.EOF):
			r.err = io.EOF
		case err != nil:
			r.err = fmt.Errorf("read line %d of the task file: %w", r.lines.number+1, err)
		case !ln.blank():
			return read(ln), nil
		}
	}
	return Line{}, r.err
}

func read(ln line) Line {
	out := Line{Number: ln.number, End: ln.end}
	if !ln.cut {
		out.Raw = ln.text
	}
	task, fault := decode(ln)
	if fault != "" {
		out.Task.ID = task.ID
		out.Err = &llm.Error{
			Code:    llm.CodeUsage,
			Message: fmt.Sprintf("line %d of the task file %s", ln.number, fault),
			Hint:    `write one JSON object a line, such as {"id": "a1", "agent": "code-reviewer", "task": "…"}`,
		}
		return out
	}
	out.Task = task
	return out
}
