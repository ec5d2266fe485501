//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package batch

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// sessionLock is the sign that a session lives: a file that the system keeps
// locked until the process ends, however it ends.
type sessionLock struct{ file *os.File }

func lockSession(dir, session string) (*sessionLock, error) {
	f, err := os.OpenFile(lockPath(dir, session), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(&os.PathError{Op: "lock", Path: f.Name(), Err: err}, f.Close())
	}
	return &sessionLock{f}, nil
}

// beat is for systems without such locks.
func (*sessionLock) beat(time.Time) {}

func (l *sessionLock) release() error {
	return errors.Join(os.Remove(l.file.Name()), l.file.Close())
}

// alive reports whether a session holds its lock. Where the system does not
// tell, it counts as alive.
func alive(dir, session string, _ time.Time) bool {
	f, err := os.Open(lockPath(dir, session))
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil
}
