package cachetest_test

import (
	"testing"

	"github.com/claude-force/claude-force/internal/layer/cache"
	"github.com/claude-force/claude-force/internal/layer/cache/cachetest"
)

func TestMemory(t *testing.T) {
	cachetest.TestStore(t, func(*testing.T) cache.Store { return &cachetest.Memory{} })
}
