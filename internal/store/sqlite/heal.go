package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// HealedError says that the file of a cache was found damaged while it was in
// use. It was moved aside, never deleted, and a new one is in use.
type HealedError struct {
	// Aside is where the damaged file is; empty where another process has
	// moved it.
	Aside string
	// Err is what showed the damage.
	Err error
}

// Error says what was done.
func (e *HealedError) Error() string {
	if e.Aside == "" {
		return "it was damaged and a new one was begun"
	}
	return "it was damaged: it was moved to " + e.Aside + " and a new one was begun"
}

// Unwrap returns what showed the damage.
func (e *HealedError) Unwrap() error { return e.Err }

// cacheFile is the file of a cache, until it is found damaged.
type cacheFile struct {
	*file
	get *sql.Stmt // nil in memory
	// made tells the file from another one that has taken its name.
	made fs.FileInfo
}

func openCacheFile(ctx context.Context, path string) (*cacheFile, error) {
	f, err := openFile(ctx, path, "cache")
	if err != nil {
		return nil, err
	}
	c := &cacheFile{file: f}
	if path == Memory {
		return c, nil
	}
	c.get, err = f.sql.PrepareContext(ctx, selectEntry)
	if err == nil {
		c.made, err = os.Lstat(path)
	}
	if err != nil {
		return nil, errors.Join(explain("open cache", err), c.Close())
	}
	return c, nil
}

// Close writes what is queued and closes the file.
func (f *cacheFile) Close() error {
	if f.get != nil {
		_ = f.get.Close()
	}
	return f.file.Close()
}

// use lets do use the file. One that turns out to be damaged is replaced.
func (c *Cache) use(do func(*cacheFile) error) error {
	c.mu.RLock()
	f, err := c.file, c.lost
	if err == nil {
		err = do(f)
	}
	c.mu.RUnlock()
	if f == nil || f.made == nil || !damaged(err) {
		return err
	}
	return c.beginAnew(f, err)
}

// beginAnew moves the damaged file aside and opens a new one. What the caller
// wanted is not tried again: to a cache it is a miss.
func (c *Cache) beginAnew(bad *cacheFile, cause error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file != bad {
		return &HealedError{Err: cause} // by another goroutine
	}
	_ = bad.Close() // what cannot be written any more is lost with it
	aside, err := moveAside(c.path, bad.made)
	if err == nil {
		c.file, err = openCacheFile(context.Background(), c.path)
	}
	if err != nil {
		c.file, c.lost = nil, fmt.Errorf("begin a new cache: %w", err)
		return errors.Join(cause, c.lost)
	}
	return &HealedError{Aside: aside, Err: cause}
}

// OpenOrHealCache is [OpenCache], but a file that is damaged is moved aside, to
// the name it returns, and a new one begun.
func OpenOrHealCache(ctx context.Context, path string, room int64) (c *Cache, healed string, err error) {
	was, _ := os.Lstat(path) // a file that is not there yet is not damaged
	c, err = OpenCache(ctx, path, room)
	if err == nil || was == nil || !damagedAtOpen(err) {
		return c, "", err
	}
	if healed, err = moveAside(path, was); err != nil {
		return nil, "", err
	}
	c, err = OpenCache(ctx, path, room)
	return c, healed, err
}

// moveAside renames a file and its log and returns the new name; where another
// file has taken its place it does nothing.
func moveAside(path string, was fs.FileInfo) (aside string, err error) {
	if is, err := os.Lstat(path); err != nil || !os.SameFile(is, was) {
		return "", nil //nolint:nilerr // another process has moved it
	}
	aside = fmt.Sprintf("%s.damaged-%d", path, time.Now().UnixNano())
	// The file comes last: a new one must not find a log that is not its own.
	for _, end := range []string{"-wal", "-shm", ""} {
		if err := os.Rename(path+end, aside+end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("move damaged cache aside: %w", err)
		}
	}
	return aside, nil
}

// errNonsense is content that this program did not write.
var errNonsense = errors.New("its content makes no sense")

// otherSchema marks the error of a statement that does not fit the schema.
func otherSchema(err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok && e.Code() == sqlite3.SQLITE_ERROR {
		return fmt.Errorf("%w: %w", errNonsense, err)
	}
	return err
}

// otherType marks the error of a value that is not of its column's type.
func otherType(err error) error {
	if _, ok := errors.AsType[*sqlite.Error](err); ok {
		return err
	}
	return fmt.Errorf("%w: %w", errNonsense, err)
}

// damaged reports whether an error says that a file is no database, that its
// pages make no sense, or that it holds what the schema does not allow.
func damaged(err error) bool {
	if errors.Is(err, errNonsense) {
		return true
	}
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return false
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH:
		return true
	}
	return false
}

// damagedAtOpen is damaged for a file that could be opened for writing and
// whose schema is then not this program's, or forbids to write.
func damagedAtOpen(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return damaged(err) || ok && (e.Code() == sqlite3.SQLITE_ERROR || e.Code() == sqlite3.SQLITE_READONLY)
}
