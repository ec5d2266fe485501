package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/claude-force/claude-force/internal/memory"
)

const (
	// deleteRows and deleteBytes bound a transaction that deletes, so that no
	// other writer waits long. The bytes are those of the texts, which are
	// overwritten.
	deleteRows  = 32
	deleteBytes = 512 << 10
	// vacuumPages is how many pages a transaction gives back.
	vacuumPages = 32
	// breath is the time between two transactions in which other processes get
	// their turn: they look for it every few milliseconds.
	breath = 5 * time.Millisecond
)

// breathe waits between two transactions.
func breathe(ctx context.Context) error {
	select {
	case <-time.After(breath):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// DeleteSessions implements [memory.Remover]. What was deleted is overwritten.
func (d *Sessions) DeleteSessions(ctx context.Context, ids []int64) (deleted int, err error) {
	for len(ids) > 0 {
		var done, n int
		err := d.db.update(ctx, func(s *statements) (err error) {
			done, n, err = s.deleteSome(ids)
			return err
		})
		if err != nil {
			return deleted, err
		}
		ids, deleted = ids[done:], deleted+n
		if len(ids) > 0 {
			if err := breathe(ctx); err != nil {
				return deleted, err
			}
		}
	}
	return deleted, nil
}

// deleteSome deletes as many as one transaction may, and returns how many ids
// are done and how many of them were there.
func (s *statements) deleteSome(ids []int64) (done, deleted int, err error) {
	if err := s.leaveNoTrace(); err != nil {
		return 0, 0, err
	}
	for bytes := int64(0); done < min(len(ids), deleteRows) && bytes < deleteBytes; done++ {
		id := ids[done]
		var size int64
		err := s.query("SELECT octet_length(task) + octet_length(output) FROM sessions WHERE id = ?", []any{id}, &size)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err == nil {
			err = errors.Join(s.dropVector(id), s.run("DELETE FROM sessions WHERE id = ?", id))
		}
		if err != nil {
			return done, deleted, err
		}
		bytes += size
		deleted++
	}
	return done, deleted, nil
}

// GiveBack implements [memory.Remover].
func (d *Sessions) GiveBack(ctx context.Context) error {
	for {
		var before, after int64
		err := d.db.write(ctx, func(s *statements) error {
			return errors.Join(
				s.query("PRAGMA freelist_count", nil, &before),
				s.run(fmt.Sprintf("PRAGMA incremental_vacuum(%d)", vacuumPages)),
				s.query("PRAGMA freelist_count", nil, &after),
			)
		})
		if err != nil {
			return err
		}
		if after == 0 || after >= before {
			break
		}
		if err := breathe(ctx); err != nil {
			return err
		}
	}
	return d.emptyLog(ctx)
}

// emptyLog writes the log to the file and cuts it to nothing, so that what was
// deleted is not in it either. Where a reader is in the way, the next commits
// write over it.
func (d *Sessions) emptyLog(ctx context.Context) error {
	if d.db.sql.Stats().MaxOpenConnections == 1 {
		return nil // in memory
	}
	// The first lets others write meanwhile and leaves little to the second.
	for _, mode := range []string{"PASSIVE", "TRUNCATE"} {
		var blocked, log, moved int64
		err := d.db.sql.QueryRowContext(ctx, "PRAGMA wal_checkpoint("+mode+")").Scan(&blocked, &log, &moved)
		if err != nil && !busy(err) {
			return explain("empty the log of the store", err)
		}
	}
	return nil
}

// ImportSessions implements [memory.Importer].
func (d *Sessions) ImportSessions(ctx context.Context, list []memory.Imported) (kept []bool, err error) {
	err = d.db.update(ctx, func(s *statements) error {
		kept = make([]bool, len(list))
		for i := range list {
			var one int64
			isNew, err := s.changed(&one, "INSERT INTO imported_sessions VALUES (?) ON CONFLICT DO NOTHING RETURNING 1", list[i].Key[:])
			if isNew && err == nil {
				var id int64
				if id, err = s.insertSession(&list[i].Session); err == nil {
					err = s.run("INSERT INTO sessions_without_vector VALUES (?)", id)
				}
			}
			if err != nil {
				return err
			}
			kept[i] = isNew
		}
		return nil
	})
	return kept, err
}
