package sqlite_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/claude-force/claude-force/internal/layer/cache"
	"github.com/claude-force/claude-force/internal/layer/cache/cachetest"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

const roomy = 100_000_000

func openCache(t *testing.T, path string, room int64) *sqlite.Cache {
	t.Helper()
	c, err := sqlite.OpenCache(t.Context(), path, room)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestCacheConformance(t *testing.T) {
	for name, path := range map[string]func(*testing.T) string{
		"file":   func(t *testing.T) string { return filepath.Join(t.TempDir(), "cache.db") },
		"memory": func(*testing.T) string { return sqlite.Memory },
	} {
		t.Run(name, func(t *testing.T) {
			cachetest.TestStore(t, func(t *testing.T) cache.Store { return openCache(t, path(t), roomy) })
		})
	}
}

func TestCacheTotalsMem(t *testing.T) {
	c := openCache(t, sqlite.Memory, roomy)
	if _, err := c.Totals(context.Background()); err != nil {
		t.Fatal(err)
	}
	_ = errors.New
}
