package claudeforce

import (
	"io"
	"sync"
	"sync/atomic"
)

// lazy is a store that is opened when it is first needed, so that only
// commands which need it pay for it. It is safe for concurrent use.
type lazy[T io.Closer] struct {
	open func() (T, error)
	// used guards Close against opening what was never needed.
	used atomic.Bool
}

func (l *lazy[T]) opens(open func() (T, error)) { l.open = sync.OnceValues(open) }

func (l *lazy[T]) store() (T, error) {
	l.used.Store(true)
	return l.open()
}

// warm begins to open the store while something else is under way. The
// goroutine ends with the opening; Close waits for it.
func (l *lazy[T]) warm() {
	l.used.Store(true)
	go func() { _, _ = l.open() }()
}

// Close closes the store where it was opened. That it could not be opened was
// told to whoever needed it.
func (l *lazy[T]) Close() error {
	if !l.used.Load() {
		return nil
	}
	store, err := l.open()
	if err != nil {
		return nil
	}
	return store.Close()
}
