package project_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/claude-force/claude-force/internal/project"
)

func TestFind(t *testing.T) {
	base := t.TempDir()
	for _, dir := range []string{
		"repo/.git", "repo/.claude", "repo/a/b",
		"repo/nested/.claude", "repo/nested/deep",
		"bare/.git", "bare/a",
		"outer/.claude", "outer/worktree/a",
		"file/.git", "file/a",
		"home/.claude", "home/src/a", "home/own/.claude", "linked",
	} {
		if err := os.MkdirAll(filepath.Join(base, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	put(t, base, "outer/worktree/.git", "gitdir: elsewhere\n")
	put(t, base, "file/.claude", "a file, not a folder\n")
	if err := os.Symlink(filepath.Join(base, "home", ".claude"), filepath.Join(base, "linked", ".claude")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(base, "home"), filepath.Join(base, "home2")); err != nil {
		t.Fatal(err)
	}
	if _, found, _ := project.Find(base, ""); found {
		t.Skip("the folder for temporary files lies in a project")
	}
	tests := []struct {
		name, start, home, want string
	}{
		{"here", "repo", "", "repo"},
		{"above", "repo/a/b", "", "repo"},
		{"nearest", "repo/nested/deep", "", "repo/nested"},
		{"git root without a project ends the search", "bare/a", "", ""},
		{"git file ends the search", "outer/worktree/a", "", ""},
		{"a file .claude is no project", "file/a", "", ""},
		{"home is no project", "home/src/a", "home", ""},
		{"home itself", "home", "home", ""},
		{"home by another path", "home/src/a", "home2", ""},
		{"a link to home's folder", "linked", "home", ""},
		{"a project in home", "home/own", "home", "home/own"},
		{"home without a home", "home/src/a", "", "home"},
		{"home that does not exist", "repo/a", "nowhere", "repo"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			home := tt.home
			if home != "" {
				home = filepath.Join(base, home)
			}
			got, ok, err := project.Find(filepath.Join(base, tt.start), home)
			want := ""
			if tt.want != "" {
				want = filepath.Join(base, tt.want)
			}
			if err != nil || got != want || ok != (want != "") {
				t.Errorf("got %q, %v, %v; want %q", got, ok, err, want)
			}
		})
	}
}

func TestFindBadStart(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "file", "")
	for _, start := range []string{"missing", "file"} {
		_, ok, err := project.Find(filepath.Join(dir, start), "")
		if ok {
			t.Errorf("%s: found", start)
		}
		wantError(t, err, project.BadProject, start, "folder")
	}
}
