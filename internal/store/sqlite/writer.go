package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"sync"
	"time"
)

// write is what one caller wants written, waiting for its commit.
type write struct {
	do   func(*statements) error
	done chan error
}

// most bounds a transaction, so that no writer waits long for its neighbours.
const most = 512

// exec queues one statement and waits until it is committed.
func (f *file) exec(ctx context.Context, query string, args ...any) error {
	return f.write(ctx, func(s *statements) error { return s.run(query, args...) })
}

// update queues several statements, all or none of which are kept, and waits
// until they are committed.
func (f *file) update(ctx context.Context, do func(*statements) error) error {
	return f.write(ctx, func(s *statements) error {
		if err := s.run("SAVEPOINT part"); err != nil {
			return err
		}
		err := do(s)
		if err != nil {
			_ = s.run("ROLLBACK TO part") // the transaction may be gone with the disk
		}
		return errors.Join(err, s.run("RELEASE part"))
	})
}

// postTime is how long a posted write waits for a transaction to join.
const postTime = 2 * time.Millisecond

// posted are writes that nobody waits for.
type posted struct {
	mu    sync.Mutex
	do    []func(*statements) error
	alarm *time.Timer
	armed bool
}

// post queues a write without waiting: it goes with the next transaction,
// ahead of what that one is for, and after a moment in one of its own. If it
// fails, the writers of that transaction are told.
func (f *file) post(do func(*statements) error) error {
	select {
	case <-f.closing:
		return ErrClosed
	default:
	}
	p := &f.posted
	p.mu.Lock()
	defer p.mu.Unlock()
	p.do = append(p.do, do)
	if !p.armed {
		p.armed = true
		if p.alarm == nil {
			p.alarm = time.AfterFunc(postTime, f.flush)
		} else {
			p.alarm.Reset(postTime)
		}
	}
	return nil
}

// flush makes a transaction for what was posted.
func (f *file) flush() {
	_ = f.write(context.Background(), func(*statements) error { return nil })
}

// mostPosted bounds what waits for a disk that does not take it.
const mostPosted = 1024

// giveBack keeps what a failed transaction did not write for the next one.
func (p *posted) giveBack(do []func(*statements) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	do = append(do, p.do...)
	p.do = do[:min(len(do), mostPosted)]
}

func (p *posted) take() []func(*statements) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	do := p.do
	p.do = nil
	if p.armed {
		p.armed = false
		p.alarm.Stop()
	}
	return do
}

func (f *file) write(ctx context.Context, do func(*statements) error) error {
	w := &write{do: do, done: make(chan error, 1)}
	select {
	case <-f.closing:
		return ErrClosed
	default:
	}
	select {
	case f.queue <- w:
	case <-f.closing:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-w.done:
		return err
	case <-f.done:
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
func (f *file) writeLoop() {
	defer close(f.done)
	s := statements{conn: f.conn, prepared: map[string]*sql.Stmt{}}
	defer s.close()
	group := make([]*write, 0, most)
	for {
		group = group[:0]
		select {
		case w := <-f.queue:
			group = append(group, w)
		case <-f.closing:
			select {
			case w := <-f.queue:
				group = append(group, w)
			default:
				if posted := f.posted.take(); len(posted) > 0 {
					_ = s.commit(posted, nil)
				}
				return
			}
		}
		// Who is about to write gets the chance to, and shares the commit.
		runtime.Gosched()
		group = f.gather(group)
		posted := f.posted.take()
		if err := s.commit(posted, group); err != nil && len(posted) > 0 {
			f.posted.giveBack(posted)
		}
	}
}

// gather takes what else is waiting, without waiting for more.
func (f *file) gather(group []*write) []*write {
	for len(group) < most {
		select {
		case w := <-f.queue:
			group = append(group, w)
		default:
			return group
		}
	}
	return group
}

// statements are the writer's, prepared once: parsing one costs as much as
// running it.
type statements struct {
	conn     *sql.Conn
	prepared map[string]*sql.Stmt
}

// close lets go of the connection, which would stay open otherwise.
func (s *statements) close() {
	for _, stmt := range s.prepared {
		_ = stmt.Close()
	}
}

// commit runs what was posted and then a group as one transaction, and answers
// the writers of the group. A statement that fails takes nothing else with it,
// unless the transaction cannot be committed; then that is the error.
func (s *statements) commit(posted []func(*statements) error, group []*write) error {
	errs := make([]error, len(group))
	var lost error
	err := s.run("BEGIN IMMEDIATE")
	if err == nil {
		for _, do := range posted {
			lost = errors.Join(lost, do(s))
		}
		for i, w := range group {
			errs[i] = w.do(s)
		}
		if err = s.run("COMMIT"); err != nil {
			_ = s.run("ROLLBACK")
		}
	}
	for i, w := range group {
		if errs[i] == nil {
			errs[i] = errors.Join(lost, err)
		}
		w.done <- errs[i]
	}
	return err
}

// prepare returns a statement that is prepared once. Statements are not bound
// to a context: a transaction that has begun is finished.
func (s *statements) prepare(query string) (*sql.Stmt, error) {
	if stmt := s.prepared[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, explain("prepare write", otherSchema(err))
	}
	s.prepared[query] = stmt
	return stmt, nil
}

func (s *statements) run(query string, args ...any) error {
	stmt, err := s.prepare(query) //nolint:sqlclosecheck // close closes all of them
	if err != nil {
		return err
	}
	if _, err := stmt.ExecContext(context.Background(), args...); err != nil {
		return explain("write to store", err)
	}
	return nil
}

// query reads one row, or returns [sql.ErrNoRows].
func (s *statements) query(query string, args []any, to ...any) error {
	stmt, err := s.prepare(query) //nolint:sqlclosecheck // close closes all of them
	if err != nil {
		return err
	}
	err = stmt.QueryRowContext(context.Background(), args...).Scan(to...)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return explain("read store", otherType(err))
	}
	return err
}
