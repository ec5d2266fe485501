//go:build unix

package project

import (
	"os"
	"syscall"
)

// openFlags keep the opening of a FIFO from waiting for a writer. Regular files
// do not notice.
const openFlags = os.O_RDONLY | syscall.O_NONBLOCK
