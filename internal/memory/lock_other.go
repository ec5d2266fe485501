//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package memory

import (
	"errors"
	"os"
	"time"
)

// lockDead is the age at which a lock counts as left behind: no process holds
// one that long.
const lockDead = 5 * time.Minute

// lockFile makes a file that nobody else can make, or fails at once where it is
// there.
func lockFile(path string) (unlock func(), err error) {
	if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > lockDead {
		_ = os.Remove(path)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		if errors.Is(err, os.ErrExist) {
			err = errors.Join(errLocked, err)
		}
		return nil, err
	}
	return func() { _, _ = f.Close(), os.Remove(path) }, nil
}
