// Package sqlite is the store on one machine: a file that short commands and
// a long-running server use at once. It owns the schema and its migrations,
// fills the interfaces that other rooms ask for, and is the only importer of
// the driver.
//
// Writes from all goroutines go through one writer, which commits whatever
// has gathered while it was busy as one transaction: a single run pays for
// its own commit, a thousand at once share them. WAL with synchronous NORMAL
// survives any crash of the process; a power cut may lose the last moments,
// never the rest.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

//go:embed migrations
var migrations embed.FS

// Memory is the path of a store that lives as long as its DB.
const Memory = ":memory:"

// busyTimeout is how long a writer waits for another process.
const busyTimeout = 10 * time.Second

// ErrNewer says that a file was written by a newer version of this program.
// It is left as it is.
var ErrNewer = errors.New("the file was made by a newer version of claude-force")

// ErrClosed is returned by writes after Close.
var ErrClosed = errors.New("the store is closed")

// DB is the store of a project's state. It is safe for concurrent use.
type DB struct{ *file }

// Open opens the state at path, or [Memory], and makes or migrates its schema.
// A missing file is created with mode 0600; its folder must exist.
func Open(ctx context.Context, path string) (*DB, error) {
	f, err := openFile(ctx, path, "state")
	if err != nil {
		return nil, err
	}
	return &DB{f}, nil
}

// file is one open database: a writer of its own beside a pool of readers.
type file struct {
	sql   *sql.DB
	conn  *sql.Conn // the writer's
	queue chan *write
	done  chan struct{}

	// posted waits for the next transaction; see post.
	posted posted

	stop sync.Once
	// closing is closed by Close; writes that come later are refused.
	closing chan struct{}
}

// openFile opens a database with the schema in the given folder of migrations.
func openFile(ctx context.Context, path, schema string) (*file, error) {
	if path != Memory {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
		if err := f.Close(); err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
	}
	pool, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	// Opening a connection costs as much as twenty reads, so those that are
	// there stay; more readers than processors only wait for each other.
	readers := max(4, runtime.GOMAXPROCS(0))
	pool.SetMaxOpenConns(readers + 1) // and the writer
	pool.SetMaxIdleConns(readers)
	conn, err := prepare(ctx, pool, path, schema)
	if err != nil {
		pool.Close()
		return nil, explain("open store "+filepath.Base(path), err)
	}
	f := &file{
		sql: pool, conn: conn,
		queue: make(chan *write, 1024), done: make(chan struct{}), closing: make(chan struct{}),
	}
	go f.writeLoop()
	return f, nil
}

func dsn(path string) string {
	q := url.Values{}
	// auto_vacuum must come before the first table and before WAL.
	q.Add("_pragma", "auto_vacuum(incremental)")
	q.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()))
	q.Add("_pragma", "journal_mode(wal)")
	q.Add("_pragma", "synchronous(normal)")
	q.Add("_pragma", "temp_store(memory)")
	q.Add("_pragma", "foreign_keys(on)")
	if path == Memory {
		return "file::memory:?" + q.Encode()
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

func prepare(ctx context.Context, pool *sql.DB, path, schema string) (*sql.Conn, error) {
	if path == Memory {
		pool.SetMaxOpenConns(1) // each connection would have a database of its own
	}
	// While another process makes the file, its lock is met without the wait
	// that the busy timeout means.
	for deadline := time.Now().Add(busyTimeout); ; {
		conn, err := connect(ctx, pool, schema)
		if err == nil || !busy(err) || time.Now().After(deadline) {
			return conn, err
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func connect(ctx context.Context, pool *sql.DB, schema string) (*sql.Conn, error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, conn, schema); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func busy(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&0xff == sqlite3.SQLITE_BUSY
}

// migrate brings the schema to this version, one transaction a step. Two
// processes may try at once: the second finds the work done.
func migrate(ctx context.Context, conn *sql.Conn, schema string) error {
	steps, err := fs.Glob(migrations, "migrations/"+schema+"/*.sql")
	if err != nil {
		return err
	}
	for {
		var version int
		if err := conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
			return err
		}
		switch {
		case version < 0:
			return fmt.Errorf("%w: its schema is %d", errNonsense, version)
		case version == len(steps):
			return nil
		case version > len(steps):
			return fmt.Errorf("%w (schema %d, this one knows %d)", ErrNewer, version, len(steps))
		}
		if err := migrateOne(ctx, conn, version, steps[version]); err != nil {
			return fmt.Errorf("migrate to schema %d: %w", version+1, err)
		}
	}
}

func migrateOne(ctx context.Context, conn *sql.Conn, from int, file string) (err error) {
	script, err := migrations.ReadFile(file)
	if err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		}
	}()
	var version int
	if err := conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version == from {
		if _, err := conn.ExecContext(ctx, string(script)); err != nil {
			return err
		}
		if _, err := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", from+1)); err != nil {
			return err
		}
	}
	_, err = conn.ExecContext(ctx, "COMMIT")
	return err
}

// Close writes what is queued and closes the file. It may be called again.
func (f *file) Close() error {
	var err error
	f.stop.Do(func() {
		close(f.closing)
		<-f.done
		err = errors.Join(f.conn.Close(), f.sql.Close())
	})
	return err
}

// explain wraps err with the operation, and says in words what the driver
// only says in numbers.
func explain(operation string, err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff { // the low byte is the kind, the rest its detail
		case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR:
			operation += ": the disk is full or fails"
		case sqlite3.SQLITE_READONLY:
			operation += ": the file is read-only"
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			operation += ": the file is damaged or no database, move it away to begin a new one"
		}
	}
	return fmt.Errorf("%s: %w", operation, err)
}
