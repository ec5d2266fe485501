package project

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Find returns the project that the folder start belongs to: the nearest
// folder, start or above it, that holds a folder .claude. The last one looked
// at is the git root (whatever holds .git, a folder or a file) or else the file
// system's root. The user's own home/.claude makes no project, by whatever path
// it is reached; home may be "". ok is false where there is no project; err
// says that start is no folder, or that a folder could not be looked into.
func Find(start, home string) (dir string, ok bool, err error) {
	dir, err = filepath.Abs(start)
	if err != nil {
		return "", false, badFolder(start, err)
	}
	if info, err := os.Stat(dir); err != nil {
		return "", false, badFolder(dir, err)
	} else if !info.IsDir() {
		return "", false, badFolder(dir, errors.New("it is a file"))
	}
	var own fs.FileInfo
	if home != "" {
		own, _ = os.Stat(filepath.Join(home, ".claude"))
	}
	for {
		switch found, err := holdsProject(dir, own); {
		case err != nil:
			return "", false, badFolder(dir, err)
		case found:
			return dir, true, nil
		}
		parent := filepath.Dir(dir)
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil || parent == dir {
			return "", false, nil
		}
		dir = parent
	}
}

// holdsProject reports whether dir holds a folder .claude other than own.
func holdsProject(dir string, own fs.FileInfo) (bool, error) {
	info, err := os.Stat(filepath.Join(dir, ".claude"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return info.IsDir() && (own == nil || !os.SameFile(info, own)), nil
}

// badFolder says why a folder cannot be a project, or be searched for one.
func badFolder(dir string, err error) *Error {
	return &Error{
		Code: BadProject, File: dir, Err: err,
		Message: "this folder cannot be read (" + cause(err) + ")",
		Hint:    "give a folder that exists and that you may read",
	}
}
