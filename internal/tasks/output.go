package tasks

import (
	"fmt"
	"io"
	"os"

	"github.com/claude-force/claude-force/internal/llm"
)

// Output is where results go, a line each. It is safe for concurrent use.
type Output struct {
	name string
	// turn holds one token: who has it writes. Others may wait for a reader of
	// a pipe, so they wait on a channel.
	turn chan struct{}
	w    io.Writer
	// file is w where that is a regular file of this Output's own, else nil.
	file file
	// close closes what was opened here.
	close  func() error
	closed bool
	line   []byte
	// err is the first failure.
	err error
}

// file is what Output needs of a regular file.
type file interface {
	io.WriteSeeker
	Truncate(size int64) error
	Sync() error
}

// Create opens path for results. A regular file that is there loses what it
// holds, a new one gets the mode that the umask leaves, a folder is refused.
// Errors are *[llm.Error].
func Create(path string) (*Output, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, cannotOpen(fmt.Errorf("%s is a folder", path))
	}
	return open(path, os.O_TRUNC)
}

// To sends results to w, which stays the caller's: a line that went out in
// part stays there, and Close leaves w open.
func To(w io.Writer) *Output { return newOutput("the output", w, nil, nil) }

// open appends, so that two processes with one file keep each other's lines.
func open(path string, flag int) (*Output, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|flag, 0o666) //nolint:gosec // the file is the user's, and so is the umask
	if err != nil {
		return nil, cannotOpen(err)
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		return newOutput(path, f, f, f.Close), nil
	}
	return newOutput(path, f, nil, f.Close), nil
}

func newOutput(name string, w io.Writer, own file, closing func() error) *Output {
	return &Output{name: name, turn: make(chan struct{}, 1), w: w, file: own, close: closing}
}

func cannotOpen(err error) error {
	return &llm.Error{Code: llm.CodeUsage, Message: "the output file cannot be written: " + err.Error(), Hint: "name another one with -o", Err: err}
}

// Write appends line, which has no newline in it, and a newline, in one write.
// A regular file keeps no half line: what a full disk left of it is taken back;
// where the system refuses that, the error says so, and [Resume] does it. The
// first failure is final: every later call returns the same
// *[llm.Error] and writes nothing.
func (o *Output) Write(line []byte) error {
	o.turn <- struct{}{}
	defer func() { <-o.turn }()
	switch {
	case o.err != nil:
		return o.err
	case o.closed:
		o.fail(os.ErrClosed)
		return o.err
	}
	o.line = append(append(o.line[:0], line...), '\n')
	n, err := o.w.Write(o.line)
	if err == nil && n < len(o.line) {
		err = io.ErrShortWrite
	}
	if err != nil {
		if n > 0 && n < len(o.line) && o.file != nil {
			err = takeBack(o.file, int64(n), err)
		}
		o.fail(err)
	}
	if cap(o.line) > keep {
		o.line = nil
	}
	return o.err
}

// takeBack cuts the n bytes that were written last off f. It returns why.
func takeBack(f file, n int64, why error) error {
	end, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		err = f.Truncate(end - n)
	}
	if err != nil {
		return fmt.Errorf("%w; half a line stays at its end: %w", why, err)
	}
	return why
}

func (o *Output) fail(err error) {
	o.err = &llm.Error{
		Code: llm.CodeInternal, Message: "results cannot be written to " + o.name + ": " + err.Error(),
		Hint: "make room, or name another file with -o", Err: err,
	}
}

// Close makes a regular file durable and closes what was opened here. It
// returns the first failure, that of a Write included. A later Write fails; a
// later Close returns the same.
func (o *Output) Close() error {
	o.turn <- struct{}{}
	defer func() { <-o.turn }()
	if o.closed {
		return o.err
	}
	o.closed = true
	var err error
	if o.file != nil {
		err = o.file.Sync()
	}
	if o.close != nil {
		if closeErr := o.close(); err == nil {
			err = closeErr
		}
	}
	if err != nil && o.err == nil {
		o.fail(err)
	}
	return o.err
}
