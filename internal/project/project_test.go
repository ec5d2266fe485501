package project_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/claude-force/claude-force/internal/project"
)

// write makes a project of files by their paths and returns its folder.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, ".claude"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		put(t, dir, name, text)
	}
	return dir
}

func put(t testing.TB, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// open makes a project of files and opens it.
func open(t testing.TB, files map[string]string) *project.Project {
	t.Helper()
	return openDir(t, write(t, files))
}

func openDir(t testing.TB, dir string) *project.Project {
	t.Helper()
	p, err := project.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// wantError fails unless err is an *Error with the code whose text holds all of
// the given parts.
func wantError(t testing.TB, err error, code project.Code, parts ...string) {
	t.Helper()
	var e *project.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v (%T), want an *Error", err, err)
	}
	if e.Code != code {
		t.Errorf("got code %s, want %s: %v", e.Code, code, err)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got %q, want it to hold %q", err, part)
		}
	}
	if e.Hint == "" && e.Code != project.Closed {
		t.Errorf("%q has no hint", err)
	}
}

// wantWarnings fails unless there are as many warnings as texts, each equal to
// its text or, if that ends in "…", beginning with it.
func wantWarnings(t testing.TB, got []project.Warning, want ...string) {
	t.Helper()
	ok := len(got) == len(want)
	for i := 0; ok && i < len(want); i++ {
		text := got[i].String()
		if start, cut := strings.CutSuffix(want[i], "…"); cut {
			ok = strings.HasPrefix(text, start)
		} else {
			ok = text == want[i]
		}
	}
	if !ok {
		var b strings.Builder
		for _, w := range got {
			b.WriteString("\n\t" + w.String())
		}
		t.Errorf("got %d warnings, want %d: %s\nwant\n\t%s", len(got), len(want), b.String(), strings.Join(want, "\n\t"))
	}
}

// agent returns an agent that must be usable.
func agent(t testing.TB, p *project.Project, name string) *project.Agent {
	t.Helper()
	a, _, err := p.Agent(name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// names returns the names of the usable agents, joined by spaces.
func names(t testing.TB, p *project.Project) string {
	t.Helper()
	list, err := p.Agents()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, a := range list.Agents {
		all = append(all, a.Name)
	}
	return strings.Join(all, " ")
}
