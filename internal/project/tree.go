package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

const agentsFolder = ".claude/agents"

// The bounds of .claude/agents, and of .claude/skills.
const (
	maxFiles  = 50_000
	maxLevels = 16
)

// tree is what .claude/agents held when it was walked. It is immutable.
type tree struct {
	folders []*folder
	// files are the Markdown files in the order of their paths.
	files    []*subAgent
	warnings []Warning
}

// folder is one folder of the tree.
type folder struct {
	path    string
	stamp   stamp
	settled bool
	files   []*subAgent // directly in it
}

// subAgent is a Markdown file in .claude/agents. It need not be an agent.
type subAgent struct {
	file  string
	order int  // in tree.files
	link  bool // a symbolic link; the stamp is that of its target
	stamp stamp
	// settled tells that the stamp vouches for the rest.
	settled bool
	framed  bool   // it has front matter, so it is a sub-agent
	name    string // if framed
	named   bool   // the name is given, not that of the file
	err     *Error // nil if the rest holds
	// md is what was read; nil beyond the first maxAgents files, which would take
	// too much memory.
	md *markdown
}

// walker builds a tree.
type walker struct {
	*source
	old   map[string]*subAgent // from the walk before
	start time.Time
	left  int // how many entries may still be looked at
	tree
}

// walk reads .claude/agents. Files that did not change since old are not read
// again; old may be nil.
func (s *source) walk(old *tree) *tree {
	s, done := s.from(agentsFolder)
	defer done()
	w := &walker{source: s, old: map[string]*subAgent{}, start: s.now(), left: maxFiles}
	if old != nil {
		for _, f := range old.files {
			w.old[f.file] = f
		}
	}
	w.folder(agentsFolder, 1)
	slices.SortFunc(w.files, func(a, b *subAgent) int { return strings.Compare(a.file, b.file) })
	for i, f := range w.files {
		f.order = i
	}
	return &w.tree
}

func (w *walker) folder(name string, level int) {
	st := w.source.stamp(name)
	d := &folder{path: name, stamp: st, settled: st.settled(w.start)}
	w.folders = append(w.folders, d)
	if level > maxLevels {
		w.warn(name, fmt.Sprintf("the folder lies more than %d deep and is not read: move its agents up", maxLevels))
		return
	}
	entries, more, err := w.list(name, w.left)
	if err != nil {
		w.warnings = append(w.warnings, folderWarning(name, err)...)
		return
	}
	if more && w.left > 0 {
		w.warn(name, fmt.Sprintf("there are over %d files in %s, and those beyond are not read: delete some", maxFiles, agentsFolder))
	}
	w.left -= len(entries)
	for _, e := range entries {
		child := name + "/" + e.Name()
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case e.IsDir():
			w.folder(child, level+1)
		case strings.EqualFold(path.Ext(child), ".md"):
			f := w.file(child, e)
			w.files = append(w.files, f)
			d.files = append(d.files, f)
		default:
			w.linkedFolder(child, e)
		}
	}
}

func (w *walker) warn(name, message string) {
	w.warnings = append(w.warnings, Warning{File: name, Message: message})
}

// linkedFolder warns of a link to a folder. To follow it could mean to go round
// in circles.
func (w *walker) linkedFolder(name string, e fs.DirEntry) {
	if e.Type()&fs.ModeSymlink == 0 {
		return
	}
	if info, err := fs.Stat(w.fsys, name); err == nil && info.IsDir() {
		w.warn(name, "a symbolic link to a folder is not followed: put the folder itself here")
	}
}

// file takes a file over from the old tree, or reads it.
func (w *walker) file(name string, e fs.DirEntry) *subAgent {
	f := &subAgent{file: name, link: e.Type()&fs.ModeSymlink != 0}
	if f.link {
		f.stamp = w.source.stamp(name)
	} else if info, err := e.Info(); err == nil {
		f.stamp = stampOf(info)
	}
	f.settled = f.stamp.settled(w.start)
	var known *markdown
	if old := w.old[name]; old != nil {
		if old.settled && old.stamp == f.stamp && old.link == f.link {
			again := *old // its order may be another
			return &again
		}
		known = old.md
	}
	f.read(w.source, known)
	if len(w.files) >= maxAgents {
		f.md = nil
	}
	return f
}

// read fills in what the file says; known is what it said before, or nil.
func (f *subAgent) read(s *source, known *markdown) {
	var doc *document
	if known != nil {
		doc = known.doc
	}
	doc = s.read(f.file, definitionKind, doc)
	if f.err = doc.err; f.err != nil {
		f.settled = false // the reason may lie outside of the file
		return
	}
	if f.md = known; known == nil || known.doc != doc {
		f.md = split(doc, agentKeys)
	}
	if f.framed = f.md.framed; f.framed {
		f.name = (&matter{markdown: f.md}).name()
		f.named = f.md.get("name") != nil
	}
}

// folderWarning says that a folder cannot be listed; nothing if it is missing.
func folderWarning(name string, err error) []Warning {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	message := "the folder cannot be read (" + cause(err) + "), so nothing of it is used"
	if escapes(err) {
		message = "a symbolic link leads out of the project, so nothing of it is used: copy the folder into the project"
	}
	return []Warning{{File: name, Message: message}}
}

// unchanged reports whether the folders, and the first so many files, are still
// what the tree says.
func (s *source) unchanged(t *tree, files int) bool {
	for _, d := range t.folders {
		if !d.settled || !s.folderUnchanged(d, files) {
			return false
		}
	}
	return true
}

func (s *source) folderUnchanged(d *folder, files int) bool {
	if len(d.files) == 0 || d.files[0].order >= files {
		return s.stamp(d.path) == d.stamp
	}
	dir, err := s.root.OpenRoot(d.path) // once, instead of a walk down for each file
	if err != nil {
		return false
	}
	defer dir.Close()
	if info, err := dir.Stat("."); err != nil || stampOf(info) != d.stamp {
		return false
	}
	for _, f := range d.files {
		if f.order >= files {
			break
		}
		if !f.settled || s.fileStamp(f, dir) != f.stamp {
			return false
		}
	}
	return true
}

// fileStamp returns a file's stamp as it is now; dir is its folder.
func (s *source) fileStamp(f *subAgent, dir *os.Root) stamp {
	if f.link {
		return s.stamp(f.file)
	}
	info, err := dir.Lstat(path.Base(f.file))
	if err != nil {
		return stamp{}
	}
	return stampOf(info)
}
