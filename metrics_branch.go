package claudeforce

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"
)

// findBranch reads the git branch of the project's folder, or of the one the
// engine was opened in, from the files of git. It is empty outside a work tree
// and where no branch is checked out.
func (e *Engine) findBranch() string {
	dir := e.project.Dir()
	if dir == "" {
		dir = e.options.Dir
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	for {
		git := filepath.Join(dir, ".git")
		if info, err := os.Stat(git); err == nil {
			return branchOf(git, info.IsDir())
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

// branchOf is the branch of a .git, which is a file in a linked work tree and
// in a submodule.
func branchOf(git string, isDir bool) string {
	if !isDir {
		to, ok := strings.CutPrefix(firstLine(git), "gitdir: ")
		if !ok {
			return ""
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(git), to)
		}
		git = to
	}
	branch, ok := strings.CutPrefix(firstLine(filepath.Join(git, "HEAD")), "ref: refs/heads/")
	if !ok || !utf8.ValidString(branch) || strings.ContainsFunc(branch, unicode.IsControl) {
		return "" // no branch is checked out, or it is no file of git
	}
	return branch
}

// firstLine is the first line of a small file, or empty.
func firstLine(name string) string {
	if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	const most = 4096
	text, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil || len(text) == most {
		return ""
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(line)
}
