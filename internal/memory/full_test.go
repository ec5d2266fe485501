//go:build linux || darwin

package memory_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/claude-force/claude-force/internal/memory"
)

// fillDisk lets no file grow beyond a few hundred entries, and searches.
func fillDisk(ctx context.Context, m *memory.Memory, e *topics) error {
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 30_000, Max: 30_000}); err != nil {
		return err
	}
	for i, s := range many(4, 300) {
		if err := m.Remember(ctx, s, e.vector(s.Task)); err != nil {
			return err
		}
		if i%100 != 99 {
			continue
		}
		matches, _, err := m.Similar(ctx, s.Task, memory.Filter{Limit: 1})
		if err != nil || len(matches) != 1 || matches[0].Task != s.Task {
			return fmt.Errorf("after %d sessions found %v, %w", i+1, matches, err)
		}
	}
	fmt.Println("searched")
	return nil
}

// Where the disk is full, or writing fails for another reason, searches stay
// right.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	out, err := child(t, "full", dir).Output()
	if err != nil || !strings.Contains(string(out), "searched") {
		t.Fatalf("%v: %s", err, out)
	}
	if n := strings.Count(string(out), "warning:"); n != 1 {
		t.Errorf("%d warnings: %s", n, out)
	}
	names, err := filepath.Glob(filepath.Join(dir, "memory-*.index"))
	if err != nil || len(names) != 1 {
		t.Fatalf("files = %v, %v", names, err)
	}
	if info, err := os.Stat(names[0]); err != nil || (info.Size()-52-16)%88 != 0 {
		t.Errorf("the file that could not grow has %d bytes, %v", info.Size(), err)
	}
}
