package tasks

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

func TestScanThatFails(t *testing.T) {
	fault := errors.New("disk on fire")
	half := io.MultiReader(strings.NewReader(`{"id":"a","success":false}`+"\n"), iotest.ErrReader(fault))
	if _, _, err := new(Held).scan(half, false, nil); !errors.Is(err, fault) {
		t.Errorf("reading: %v", err)
	}
	if _, _, err := new(Held).scan(half, true, func(int64, int64) error { return fault }); !errors.Is(err, fault) {
		t.Errorf("dropping: %v", err)
	}
}

// TestARewriteThatFails leaves nothing behind, whatever step it fails at.
func TestARewriteThatFails(t *testing.T) {
	fault := errors.New("disk on fire")
	for name, steps := range map[string]func(r *rewrite) error{
		"drop": func(r *rewrite) error {
			r.path = filepath.Join(r.path, "no", "file")
			return r.drop(1, 2)
		},
		"copy": func(r *rewrite) error {
			r.from = failingAt{fault}
			return r.drop(1, 2)
		},
		"finish": func(r *rewrite) error {
			if err := r.drop(0, 2); err != nil {
				t.Fatal(err)
			}
			r.from = failingAt{fault}
			return r.finish(4, true, 0o600)
		},
		"replace": func(r *rewrite) error {
			if err := errors.Join(r.drop(0, 2), r.finish(4, true, 0o600), os.MkdirAll(filepath.Join(r.path, "full"), 0o700)); err != nil {
				t.Fatal(err)
			}
			return r.replace()
		},
	} {
		folder := t.TempDir()
		r := &rewrite{path: filepath.Join(folder, "out.jsonl"), from: strings.NewReader("12345678")}
		if err := steps(r); err == nil {
			t.Errorf("%s: no error", name)
		}
		r.abandon()
		if left, err := filepath.Glob(filepath.Join(folder, ".*")); err != nil || len(left) > 0 {
			t.Errorf("%s: left behind: %v, %v", name, left, err)
		}
	}
}

type failingAt struct{ err error }

func (f failingAt) ReadAt([]byte, int64) (int, error) { return 0, f.err }
