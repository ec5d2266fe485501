//go:build !(linux || darwin)

package memory_test

import (
	"context"
	"errors"

	"github.com/claude-force/claude-force/internal/memory"
)

func fillDisk(context.Context, *memory.Memory, *topics) error { return errors.ErrUnsupported }
