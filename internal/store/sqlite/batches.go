package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/claude-force/claude-force/internal/batch"
	"github.com/claude-force/claude-force/internal/llm"
)

var _ batch.Store = (*DB)(nil)

// each reads the rows of a query. It belongs to the writer like everything
// else about batches: in memory there is no second connection, and what is
// read is bounded.
func (s *statements) each(query string, args []any, row func(*sql.Rows) error) error {
	stmt, err := s.prepare(query) //nolint:sqlclosecheck // close closes all of them
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(context.Background(), args...)
	if err != nil {
		return explain("read store", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return explain("read store", otherType(err))
		}
	}
	if err := rows.Err(); err != nil {
		return explain("read store", err)
	}
	return nil
}

// changed runs a statement with a RETURNING clause of one column, and reports
// whether there was a row to change.
func (s *statements) changed(to any, query string, args ...any) (bool, error) {
	err := s.query(query, args, to)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// list is a JSON list for json_each.
func list[T any](items []T) string {
	if len(items) == 0 {
		return "[]"
	}
	raw, err := json.Marshal(items)
	if err != nil {
		return "[]" // text and numbers can always be written
	}
	return string(raw)
}

// moment is a time, or NULL where it is not known.
func moment(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return micros(t)
}

// timeOf is the time that moment wrote.
func timeOf(us sql.NullInt64) time.Time {
	if !us.Valid {
		return time.Time{}
	}
	return time.UnixMicro(us.Int64).UTC()
}

// storedError is how the reason of a failed batch is kept.
type storedError struct {
	Code      llm.Code `json:"code"`
	Message   string   `json:"message"`
	Hint      string   `json:"hint,omitempty"`
	Status    int      `json:"status,omitempty"`
	RequestID string   `json:"request_id,omitempty"`
	Retryable bool     `json:"retryable,omitempty"`
}

func errorText(e *llm.Error) string {
	if e == nil {
		return ""
	}
	raw, err := json.Marshal(storedError{e.Code, e.Message, e.Hint, e.Status, e.RequestID, e.Retryable})
	if err != nil {
		return ""
	}
	return string(raw)
}

func errorOf(text string) *llm.Error {
	if text == "" {
		return nil
	}
	var e storedError
	if json.Unmarshal([]byte(text), &e) != nil {
		e = storedError{Code: llm.CodeInternal, Message: "why the batch failed is not known any more"}
	}
	return &llm.Error{Code: e.Code, Message: e.Message, Hint: e.Hint, Status: e.Status, RequestID: e.RequestID, Retryable: e.Retryable}
}

// BeginBatchSession implements [batch.Sessions].
func (db *DB) BeginBatchSession(ctx context.Context, session string, at time.Time) error {
	return db.exec(ctx, "INSERT OR REPLACE INTO batch_sessions (session, started_us) VALUES (?, ?)", session, micros(at))
}

// BatchSessions implements [batch.Sessions].
func (db *DB) BatchSessions(ctx context.Context) ([]string, error) {
	var out []string
	err := db.write(ctx, func(s *statements) error {
		return s.each("SELECT session FROM batch_sessions", nil, func(r *sql.Rows) error {
			var session string
			err := r.Scan(&session)
			out = append(out, session)
			return err
		})
	})
	return out, err
}

// PruneBatches implements [batch.Sessions].
func (db *DB) PruneBatches(ctx context.Context, p batch.Pruning) error {
	old := `SELECT session FROM batch_sessions WHERE started_us < ?1 AND session IN (SELECT value FROM json_each(?2))`
	before, dead := micros(p.Before), list(p.Dead)
	return db.update(ctx, func(s *statements) error {
		err := s.run(`UPDATE batches SET state = ?, error = ?, reserved_nano = 0, version = version + 1
			WHERE account = ? AND state IN (?, ?, ?) AND coalesce(submitted_us, sent_us) < ?`,
			string(batch.Failed), errorText(p.Lost), p.Account[:],
			string(batch.Submitting), string(batch.Submitted), string(batch.Ended), before)
		if err != nil {
			return err
		}
		var some bool
		if err := s.query("SELECT EXISTS ("+old+")", []any{before, dead}, &some); err != nil || !some {
			return err
		}
		return errors.Join(
			s.run("DELETE FROM batch_tasks WHERE session IN ("+old+")", before, dead),
			s.run("DELETE FROM batch_sessions WHERE session IN ("+old+")", before, dead),
			s.run(`DELETE FROM batch_requests WHERE delivered = 1 AND outcome <> ''
				AND NOT EXISTS (SELECT 1 FROM batch_tasks t WHERE t.batch = batch_requests.batch AND t.custom_id = batch_requests.custom_id)`),
		)
	})
}

// OpenBatch implements [batch.Spooler].
func (db *DB) OpenBatch(ctx context.Context, r batch.Record) (key int64, err error) {
	err = db.update(ctx, func(s *statements) error {
		_, err := s.changed(&key, `INSERT INTO batches (
			account, adopted, refuted, state, session, spool, requests, bytes, created_us, cancel,
			processing, succeeded, errored, canceled, expired, error
		) VALUES (?, 0, '[]', ?, ?, ?, 0, 0, ?, '', 0, 0, 0, 0, 0, '') RETURNING key`,
			r.Account[:], string(r.State), r.Session, r.Spool, micros(r.Created))
		return err
	})
	return key, err
}

// selectOpen finds the latest request of a custom id that a task can wait for,
// and whether a living session waits for it. What was not settled in a batch
// that is over never will be.
const selectOpen = `SELECT r.batch, r.run_id, EXISTS (
		SELECT 1 FROM batch_tasks t WHERE t.batch = r.batch AND t.custom_id = r.custom_id
		AND t.session NOT IN (SELECT value FROM json_each(?4))
	) FROM batch_requests r JOIN batches b ON b.key = r.batch
	WHERE r.custom_id = ?1 AND r.delivered = 0 AND r.outcome IN ('', 'succeeded')
		AND b.account = ?2 AND coalesce(b.submitted_us, b.created_us) > ?5
		AND (b.state IN ('prepared', 'submitting', 'submitted', 'ended')
			OR b.state = 'preparing' AND b.session = ?3
			OR b.state IN ('collected', 'cancelled') AND r.outcome <> '')
	ORDER BY r.batch DESC LIMIT 1`

// JoinBatches implements [batch.Spooler].
func (db *DB) JoinBatches(ctx context.Context, j batch.Joining) ([]bool, error) {
	joined := make([]bool, len(j.Tasks))
	dead, since := list(j.Dead), micros(j.Since)
	err := db.update(ctx, func(s *statements) error {
		for i, t := range j.Tasks {
			var runID string
			var shared bool
			err := s.query(selectOpen, []any{t.CustomID, j.Account[:], j.Session, dead, since}, &t.Batch, &runID, &shared)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if !shared {
				t.RunID = runID // it goes on where a dead session ended
			}
			if err := errors.Join(err, s.insertTask(j.Session, t)); err != nil {
				return err
			}
			joined[i] = true
		}
		return nil
	})
	return joined, err
}

func (s *statements) insertTask(session string, t batch.StoredTask) error {
	if t.Tag == nil {
		t.Tag = []byte{} // NULL otherwise
	}
	return s.run("INSERT INTO batch_tasks (session, batch, custom_id, run_id, tag) VALUES (?, ?, ?, ?, ?)",
		session, t.Batch, t.CustomID, t.RunID, t.Tag)
}

// AppendBatches implements [batch.Spooler].
func (db *DB) AppendBatches(ctx context.Context, session string, requests []batch.StoredRequest, tasks []batch.StoredTask) error {
	return db.update(ctx, func(s *statements) error {
		reserved := map[int64]int64{}
		for _, r := range requests {
			var key any
			if r.Reuse.Mode != llm.ReuseOff {
				key = r.Reuse.Key[:]
			}
			err := s.run(`INSERT INTO batch_requests (
				batch, custom_id, run_id, agent, workflow, step, requested_model, model, why, task_hash, branch, tags,
				speed, geo, reuse_key, reserved_nano
			) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
				r.Batch, r.CustomID, r.RunID, r.Agent, r.Workflow, r.Step, r.Requested, r.Model, r.Why, r.TaskHash, r.Branch, tagText(r.Tags),
				r.Speed, r.Geo, key, r.Reserved)
			if err != nil {
				return err
			}
			reserved[r.Batch] += r.Reserved
		}
		for key, nano := range reserved {
			if err := s.run("UPDATE batches SET reserved_nano = reserved_nano + ? WHERE key = ?", nano, key); err != nil {
				return err
			}
		}
		for _, t := range tasks {
			if err := s.insertTask(session, t); err != nil {
				return err
			}
		}
		return nil
	})
}

// DiscardBatch implements [batch.Spooler].
func (db *DB) DiscardBatch(ctx context.Context, r batch.Record) (done bool, err error) {
	err = db.update(ctx, func(s *statements) error {
		var key int64
		if done, err = s.changed(&key, "DELETE FROM batches WHERE key = ? AND version = ? RETURNING key", r.Key, r.Version); !done {
			return err
		}
		return errors.Join(
			s.run("DELETE FROM batch_requests WHERE batch = ?", key),
			s.run("DELETE FROM batch_tasks WHERE batch = ? AND session = ?", key, r.Session),
		)
	})
	return done, err
}

const batchColumns = `key, version, account, coalesce(batch_id, ''), adopted, refuted, state, session, spool, requests, bytes,
	created_us, sent_us, submitted_us, ended_us, expires_us, cancel,
	processing, succeeded, errored, canceled, expired, error, cost_nano, unpriced, reserved_nano`

func scanBatch(rows *sql.Rows) (r batch.Record, err error) {
	var account []byte
	var refuted, failure string
	var created, sent, submitted, ended, expires sql.NullInt64
	c := &r.Counts
	err = rows.Scan(&r.Key, &r.Version, &account, &r.ID, &r.Adopted, &refuted, &r.State, &r.Session, &r.Spool, &r.Requests, &r.Bytes,
		&created, &sent, &submitted, &ended, &expires, &r.Cancel,
		&c.Processing, &c.Succeeded, &c.Errored, &c.Canceled, &c.Expired, &failure, &r.Cost, &r.Unpriced, &r.Reserved)
	if err != nil {
		return r, err
	}
	copy(r.Account[:], account)
	r.Created, r.Sent, r.Submitted, r.Ended, r.Expires = timeOf(created), timeOf(sent), timeOf(submitted), timeOf(ended), timeOf(expires)
	r.Err = errorOf(failure)
	return r, json.Unmarshal([]byte(refuted), &r.Refuted)
}

// FindBatches implements [batch.Batches].
func (db *DB) FindBatches(ctx context.Context, f batch.Filter) ([]batch.Record, error) {
	where, args := filterBatches(f)
	limit := -1
	if f.Limit > 0 {
		limit = f.Limit
	}
	query := "SELECT " + batchColumns + " FROM batches WHERE " + where + " ORDER BY key DESC LIMIT ? OFFSET ?"
	args = append(args, limit, f.Offset)
	var out []batch.Record
	err := db.write(ctx, func(s *statements) error {
		return s.each(query, args, func(rows *sql.Rows) error {
			r, err := scanBatch(rows)
			out = append(out, r)
			return err
		})
	})
	return out, err
}

func filterBatches(f batch.Filter) (where string, args []any) {
	terms := []string{"1"}
	add := func(term string, arg any) {
		terms, args = append(terms, term), append(args, arg)
	}
	if f.Account != [32]byte{} {
		add("account = ?", f.Account[:])
	}
	if f.Key != 0 {
		add("key = ?", f.Key)
	}
	if f.IDPrefix != "" { // a range, so that the index serves it
		add("batch_id >= ?", f.IDPrefix)
		add("batch_id < ?", f.IDPrefix+"\U0010ffff")
	}
	if f.Spool != "" {
		add("spool = ?", f.Spool)
	}
	if f.WaitedBy != "" {
		add("EXISTS (SELECT 1 FROM batch_tasks t WHERE t.batch = batches.key AND t.session = ?)", f.WaitedBy)
	}
	if len(f.States) > 0 {
		add("state IN (SELECT value FROM json_each(?))", list(f.States))
	}
	return strings.Join(terms, " AND "), args
}

// AdvanceBatch implements [batch.Batches].
func (db *DB) AdvanceBatch(ctx context.Context, r batch.Record) (done bool, err error) {
	var id any
	if r.ID != "" {
		id = r.ID
	}
	c := r.Counts
	err = db.update(ctx, func(s *statements) error {
		var key int64
		done, err = s.changed(&key, `UPDATE batches SET
			version = version + 1, batch_id = ?1, adopted = ?2, refuted = ?3, state = ?4, session = ?5, requests = ?6, bytes = ?7,
			sent_us = ?8, submitted_us = ?9, ended_us = ?10, expires_us = ?11, cancel = ?12,
			processing = ?13, succeeded = ?14, errored = ?15, canceled = ?16, expired = ?17, error = ?18
			WHERE key = ?19 AND version = ?20 AND NOT EXISTS (SELECT 1 FROM batches o WHERE o.batch_id = ?1 AND o.key <> ?19)
			RETURNING key`,
			id, r.Adopted, list(r.Refuted), string(r.State), r.Session, r.Requests, r.Bytes,
			moment(r.Sent), moment(r.Submitted), moment(r.Ended), moment(r.Expires), string(r.Cancel),
			c.Processing, c.Succeeded, c.Errored, c.Canceled, c.Expired, errorText(r.Err), r.Key, r.Version)
		return err
	})
	if err == nil && done && r.State == batch.Submitting {
		err = db.toDisk(ctx)
	}
	return done, err
}

// toDisk makes what is committed durable against a power cut as well: before a
// checkpoint copies the log, it syncs it.
func (db *DB) toDisk(ctx context.Context) error {
	if db.sql.Stats().MaxOpenConnections == 1 {
		return nil // in memory
	}
	if _, err := db.sql.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
		return explain("write to store", fmt.Errorf("sync the log: %w", err))
	}
	return nil
}
