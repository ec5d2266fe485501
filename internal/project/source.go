package project

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// source is what a project is read from. Names are relative to the project's
// folder, with slashes.
type source struct {
	fsys fs.FS
	// root confines a project on disk; nil for a tree that never changes.
	root *os.Root
	now  func() time.Time
	// near is the folder that a walk is in: opening a file from there takes
	// one step in place of three. Nil outside of walks.
	near *nearFolder
}

type nearFolder struct {
	name string
	root *os.Root
}

// from returns a source for one walk through a folder, and its end.
func (s *source) from(folder string) (*source, func()) {
	if s.root == nil {
		return s, func() {}
	}
	// OpenRoot would wait for somebody to write into a pipe of that name.
	if info, err := s.root.Stat(folder); err != nil || !info.IsDir() {
		return s, func() {}
	}
	root, err := s.root.OpenRoot(folder)
	if err != nil { // it is not there, or not a folder: whoever reads it is told
		return s, func() {}
	}
	walk := *s
	walk.near = &nearFolder{folder, root}
	return &walk, func() { _ = root.Close() }
}

// open opens a file or folder without ever waiting for another process.
func (s *source) open(name string) (fs.File, error) {
	if n := s.near; n != nil && path.Dir(name) == n.name {
		// A link may lead out of the folder and stay in the project.
		if f, err := n.root.OpenFile(path.Base(name), openFlags, 0); err == nil {
			return f, nil
		}
	}
	if s.root != nil {
		return s.root.OpenFile(name, openFlags, 0)
	}
	return s.fsys.Open(name)
}

// stamp returns the stamp of what a name leads to.
func (s *source) stamp(name string) stamp {
	info, err := fs.Stat(s.fsys, name)
	if err != nil {
		return stamp{}
	}
	return stampOf(info)
}

// list returns at most a number of a folder's entries, sorted by name, and
// whether there are more.
func (s *source) list(name string, most int) (entries []fs.DirEntry, more bool, err error) {
	f, err := s.open(name)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	dir, ok := f.(fs.ReadDirFile)
	if !ok {
		return nil, false, errNotFolder
	}
	entries, err = dir.ReadDir(most + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, err
	}
	if len(entries) > most {
		entries, more = entries[:most], true
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, more, nil
}

var errNotFolder = errors.New("it is not a folder")

// escapes reports whether err is an [os.Root]'s refusal to leave its folder.
// Package os has no exported error for it.
func escapes(err error) bool {
	e, ok := errors.AsType[*fs.PathError](err)
	return ok && e.Err.Error() == "path escapes from parent"
}

// cause returns the innermost reason of a file error, without the operation and
// the path, which the message around it names already.
func cause(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

// confine turns a path written in a project, relative to .claude, into one
// relative to the project's folder. If that leads outside, fault says how. This
// judges the text only: symbolic links are judged when the file is opened.
func confine(written string) (file, fault string) {
	switch {
	case strings.Contains(written, `\`):
		return "", "holds a backslash"
	case path.IsAbs(written), len(written) >= 2 && written[1] == ':':
		return "", "is absolute"
	case hasControl(written):
		return "", "holds a control character"
	}
	file = path.Join(".claude", written)
	if file == ".." || strings.HasPrefix(file, "../") {
		return "", "leads out of the project"
	}
	return file, ""
}
