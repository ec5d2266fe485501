package sqlite

import (
	"context"
	"database/sql"
)

// write is one statement with its arguments, waiting for its commit.
type write struct {
	query string
	args  []any
	done  chan error
}

// most bounds a transaction, so that no writer waits long for its neighbours.
const most = 512

// exec queues one statement and waits until it is committed.
func (db *DB) exec(ctx context.Context, query string, args ...any) error {
	w := &write{query: query, args: args, done: make(chan error, 1)}
	select {
	case <-db.closing:
		return ErrClosed
	default:
	}
	select {
	case db.queue <- w:
	case <-db.closing:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-w.done:
		return err
	case <-db.done:
		select { // the last transaction may have answered
		case err := <-w.done:
			return err
		default:
			return ErrClosed
		}
	}
}

// writeLoop owns the connection. It ends when the store closes and the queue
// is empty.
func (db *DB) writeLoop() {
	defer close(db.done)
	statements := map[string]*sql.Stmt{}
	defer func() {
		for _, stmt := range statements {
			_ = stmt.Close() // an open statement would keep the file open
		}
	}()
	group := make([]*write, 0, most)
	for {
		group = group[:0]
		select {
		case w := <-db.queue:
			group = append(group, w)
		case <-db.closing:
			select {
			case w := <-db.queue:
				group = append(group, w)
			default:
				return
			}
		}
		group = db.gather(group)
		db.commit(statements, group)
	}
}

// gather takes what else is waiting, without waiting for more.
func (db *DB) gather(group []*write) []*write {
	for len(group) < most {
		select {
		case w := <-db.queue:
			group = append(group, w)
		default:
			return group
		}
	}
	return group
}

// commit runs a group as one transaction and answers each of its writers. A
// statement that fails takes nothing else with it, unless the transaction
// cannot be committed.
func (db *DB) commit(statements map[string]*sql.Stmt, group []*write) {
	ctx := context.Background()
	errs := make([]error, len(group))
	_, err := db.conn.ExecContext(ctx, "BEGIN IMMEDIATE")
	if err == nil {
		for i, w := range group {
			errs[i] = db.run(ctx, statements, w)
		}
		if _, err = db.conn.ExecContext(ctx, "COMMIT"); err != nil {
			_, _ = db.conn.ExecContext(ctx, "ROLLBACK")
		}
	}
	for i, w := range group {
		if errs[i] == nil && err != nil {
			errs[i] = explain("write to store", err)
		}
		w.done <- errs[i]
	}
}

func (db *DB) run(ctx context.Context, statements map[string]*sql.Stmt, w *write) error {
	stmt := statements[w.query]
	if stmt == nil {
		var err error
		if stmt, err = db.conn.PrepareContext(ctx, w.query); err != nil {
			return explain("prepare write", err)
		}
		statements[w.query] = stmt
	}
	if _, err := stmt.ExecContext(ctx, w.args...); err != nil {
		return explain("write to store", err)
	}
	return nil
}
