//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package batch

import (
	"os"
	"time"
)

const (
	// beatEvery is how often a session says that it lives.
	beatEvery = time.Minute
	// deadAfter is the silence after which a session counts as dead.
	deadAfter = time.Hour
)

// sessionLock is the sign that a session lives: a file that it touches every
// minute.
type sessionLock struct {
	path string
	last time.Time
}

func lockSession(dir, session string) (*sessionLock, error) {
	path := lockPath(dir, session)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &sessionLock{path: path}, f.Close()
}

// beat says that the session lives.
func (l *sessionLock) beat(now time.Time) {
	if now.Sub(l.last) >= beatEvery {
		l.last = now
		_ = os.Chtimes(l.path, now, now) // the next beat tries again
	}
}

func (l *sessionLock) release() error { return os.Remove(l.path) }

// alive reports whether a session has been heard of in the last hour. Where
// the system does not tell, it counts as alive.
func alive(dir, session string, now time.Time) bool {
	info, err := os.Stat(lockPath(dir, session))
	if err != nil {
		return !os.IsNotExist(err)
	}
	return now.Sub(info.ModTime()) < deadAfter
}
