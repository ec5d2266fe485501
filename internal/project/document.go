package project

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"unicode/utf8"
)

// kind is what a file is read as: it decides the limits and the words.
type kind struct {
	what     string // with its article, for messages
	most     int64  // bytes
	code     Code
	tooBig   string // the remedies
	notFound string
	empty    string // "" where an empty file says all it needs to
}

const (
	kib = 1 << 10
	mib = 1 << 20
)

var (
	definitionKind = &kind{
		what: "an agent definition", most: mib, code: BadAgent,
		tooBig:   "move reference material into a skill or the task",
		notFound: `write it, or correct "file" of the agent in .claude/claude.json`,
		empty:    "write what the agent is to do",
	}
	contractKind = &kind{
		what: "a contract", most: mib, code: BadAgent,
		tooBig:   "keep what others may rely on, and move the rest into a skill",
		notFound: `write it, or take "contract" off the agent`,
		empty:    `write it, or take "contract" off the agent`,
	}
	skillKind = &kind{
		what: "a skill", most: mib, code: BadSkill,
		tooBig:   "split it into several skills",
		notFound: "write it, or take the skill off the agent",
		empty:    "write what the skill teaches",
	}
	configKind = &kind{
		what: "claude.json", most: 4 * mib, code: BadProject,
		tooBig: "make sub-agents in .claude/agents of some agents",
		empty:  "write {} or delete the file",
	}
	settingsKind = &kind{
		what: "a settings file", most: 256 * kib, code: BadProject,
		tooBig: "keep only settings in it",
	}
)

// document is a file as it was read, or why it could not be. It is immutable.
type document struct {
	file string
	kind *kind
	raw  string
	text string // raw without BOM, lines ending in LF
	err  *Error // nil if text holds
	// missing tells that there is no such file, which some callers expect.
	missing bool
}

// same reports whether two documents came from files that do not differ.
func (d *document) same(other *document) bool {
	if d == other {
		return true
	}
	if d.file != other.file || d.raw != other.raw || (d.err == nil) != (other.err == nil) {
		return false
	}
	return d.err == nil || d.err.Error() == other.err.Error()
}

// buffers are reused for files that are read only to be compared.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// read reads a file as a kind of document. It returns old itself, which may be
// nil, if that is what the file still holds.
func (s *source) read(file string, k *kind, old *document) *document {
	buf := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buf)
	buf.Reset()
	if err := s.readInto(buf, file, k); err != nil {
		d := &document{file: file, kind: k, err: err, missing: errors.Is(err, fs.ErrNotExist)}
		if old != nil && old.same(d) {
			return old
		}
		return d
	}
	raw := buf.Bytes()
	if old != nil && old.err == nil && old.raw == string(raw) { // compares without a copy
		return old
	}
	return newDocument(file, k, string(raw))
}

// readInto checks what is known before a byte is read, then reads.
func (s *source) readInto(buf *bytes.Buffer, file string, k *kind) *Error {
	f, err := s.open(file)
	if err != nil {
		return k.unreadable(file, err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return k.unreadable(file, err)
	case info.IsDir():
		return k.fault(file, "this is a folder, where "+k.what+" must be a file", "name a file", nil)
	case !info.Mode().IsRegular():
		return k.fault(file, "this is not a regular file but a pipe, a socket or a device", "put "+k.what+" in a file", nil)
	case info.Size() > k.most:
		return k.oversize(file, info.Size())
	}
	buf.Grow(int(info.Size()) + bytes.MinRead)
	if _, err := buf.ReadFrom(io.LimitReader(f, k.most+1)); err != nil {
		return k.unreadable(file, err)
	}
	if int64(buf.Len()) > k.most { // it grew meanwhile
		return k.oversize(file, int64(buf.Len()))
	}
	return nil
}

func newDocument(file string, k *kind, raw string) *document {
	d := &document{file: file, kind: k, raw: raw}
	if n := invalidUTF8(raw); n >= 0 {
		d.err = k.fault(file, fmt.Sprintf("byte %d is not UTF-8 text", n), "save the file as UTF-8", nil)
	} else if n := strings.IndexByte(raw, 0); n >= 0 {
		d.err = k.fault(file, fmt.Sprintf("byte %d is NUL, so this is no text", n), "save the file as UTF-8 text", nil)
	} else if d.text = normalise(raw); k.empty != "" && strings.TrimSpace(d.text) == "" {
		d.err = k.fault(file, "the file is empty", k.empty, nil)
	}
	return d
}

// invalidUTF8 returns the offset of the first byte that is not UTF-8, or -1.
func invalidUTF8(s string) int {
	if utf8.ValidString(s) {
		return -1
	}
	for i, r := range s {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return i
			}
		}
	}
	return -1
}

// normalise removes a byte order mark and makes every line end in LF. Text that
// needs neither is returned as it is, without a copy.
func normalise(s string) string {
	s = strings.TrimPrefix(s, "\ufeff")
	if strings.Contains(s, "\r") {
		s = strings.ReplaceAll(s, "\r\n", "\n")
		s = strings.ReplaceAll(s, "\r", "\n")
	}
	return s
}

func (k *kind) fault(file, message, hint string, err error) *Error {
	return &Error{Code: k.code, File: file, Message: message, Hint: hint, Err: err}
}

func (k *kind) oversize(file string, size int64) *Error {
	tenths := (size*10 + mib - 1) / mib // rounded up, so that it never looks like the limit
	message := fmt.Sprintf("the file has %d.%d MB; %s may have at most %s", tenths/10, tenths%10, k.what, megabytes(k.most))
	return k.fault(file, message, k.tooBig, nil)
}

func megabytes(n int64) string {
	if n < mib {
		return fmt.Sprintf("%d KB", n/kib)
	}
	return fmt.Sprintf("%d MB", n/mib)
}

func (k *kind) unreadable(file string, err error) *Error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return k.fault(file, "there is no such file", k.notFound, err)
	case errors.Is(err, fs.ErrClosed):
		return closedError()
	case escapes(err):
		e := k.fault(file, "a symbolic link leads out of the project, so nothing of the file was read",
			"copy the file into the project, or link to it by a relative path inside", err)
		e.Code = Outside
		return e
	}
	return k.fault(file, "the file cannot be read ("+cause(err)+")", "check the path and its permissions", err)
}

func closedError() *Error {
	return &Error{Code: Closed, Message: "the project is closed", Err: fs.ErrClosed}
}
