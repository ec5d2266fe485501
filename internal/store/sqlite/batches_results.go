package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/claude-force/claude-force/internal/batch"
	"github.com/claude-force/claude-force/internal/layer/charge"
	"github.com/claude-force/claude-force/internal/layer/record"
	"github.com/claude-force/claude-force/internal/llm"
)

const requestColumns = `batch, custom_id, run_id, agent, workflow, step, requested_model, model, why, task_hash, branch, tags,
	speed, geo, reuse_key, reserved_nano, outcome <> ''`

// BatchRequests implements [batch.Results].
func (db *DB) BatchRequests(ctx context.Context, key int64, ids []string, limit int) ([]batch.StoredRequest, error) {
	query := "SELECT " + requestColumns + " FROM batch_requests WHERE batch = ? AND custom_id IN (SELECT value FROM json_each(?))"
	args := []any{key, list(ids)}
	if ids == nil {
		query = "SELECT " + requestColumns + " FROM batch_requests WHERE batch = ? AND outcome = '' LIMIT ?"
		args = []any{key, limit}
	}
	var out []batch.StoredRequest
	err := db.write(ctx, func(s *statements) error {
		return s.each(query, args, func(rows *sql.Rows) error {
			var r batch.StoredRequest
			var reuse []byte
			var tags string
			err := rows.Scan(&r.Batch, &r.CustomID, &r.RunID, &r.Agent, &r.Workflow, &r.Step,
				&r.Requested, &r.Model, &r.Why, &r.TaskHash, &r.Branch, &tags, &r.Speed, &r.Geo, &reuse, &r.Reserved, &r.Settled)
			r.Tags = tagsOf(tags)
			if reuse != nil {
				r.Reuse.Mode = llm.ReuseOn
				copy(r.Reuse.Key[:], reuse)
			}
			out = append(out, r)
			return err
		})
	})
	return out, err
}

// SettleBatch implements [batch.Results].
func (db *DB) SettleBatch(ctx context.Context, key int64, settled []batch.Settlement) error {
	return db.update(ctx, func(s *statements) error {
		var cost, released int64
		unpriced := 0
		for _, one := range settled {
			var reserved int64
			var runID, agent, tags string
			err := s.query(`UPDATE batch_requests SET outcome = ?
				WHERE batch = ? AND custom_id = ? AND outcome = '' RETURNING reserved_nano, run_id, agent, tags`,
				[]any{one.Outcome, key, one.CustomID}, &reserved, &runID, &agent, &tags)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return err
			}
			// Budgets know the request by its run.
			if err := s.spend(runID, runID, agent, tagsOf(tags), time.Now(), one.Cost); err != nil {
				return err
			}
			released += reserved
			cost += one.Cost.Nano
			if one.Cost.Unknown {
				unpriced++
			}
			if err := s.keep(one.Exchange, one.Run); err != nil {
				return err
			}
		}
		return s.run(`UPDATE batches SET cost_nano = cost_nano + ?, unpriced = unpriced + ?, reserved_nano = max(reserved_nano - ?, 0)
			WHERE key = ?`, cost, unpriced, released, key)
	})
}

// keep writes rows of the ledger, where there are any. A run that is there
// already stays as it is.
func (s *statements) keep(x *charge.Exchange, r *record.Run) error {
	if x != nil {
		if err := s.insert(insertExchange, exchangeRow(x)); err != nil {
			return err
		}
	}
	if r == nil {
		return nil
	}
	_, err := s.insertRunOnce(r)
	return err
}

// BatchTasks implements [batch.Results].
func (db *DB) BatchTasks(ctx context.Context, session string, key int64, ids []string, limit int) ([]batch.StoredTask, error) {
	query := "SELECT key, batch, custom_id, run_id, tag FROM batch_tasks WHERE session = ? AND "
	args := []any{session}
	switch {
	case key == 0:
		query += "NOT EXISTS (SELECT 1 FROM batches b WHERE b.key = batch_tasks.batch) LIMIT ?"
		args = append(args, limit)
	case ids == nil:
		query += "batch = ? LIMIT ?"
		args = append(args, key, limit)
	default:
		query += "batch = ? AND custom_id IN (SELECT value FROM json_each(?)) ORDER BY key"
		args = append(args, key, list(ids))
	}
	var out []batch.StoredTask
	err := db.write(ctx, func(s *statements) error {
		return s.each(query, args, func(rows *sql.Rows) error {
			var t batch.StoredTask
			err := rows.Scan(&t.Key, &t.Batch, &t.CustomID, &t.RunID, &t.Tag)
			out = append(out, t)
			return err
		})
	})
	return out, err
}

// DeliverBatch implements [batch.Results]. A request counts as delivered once
// no task of the session waits for it, and goes when nobody does.
func (db *DB) DeliverBatch(ctx context.Context, delivered []batch.Delivery) error {
	return db.update(ctx, func(s *statements) error {
		for _, d := range delivered {
			var session string
			there, err := s.changed(&session, "DELETE FROM batch_tasks WHERE key = ? RETURNING session", d.Task.Key)
			if err != nil {
				return err
			}
			if !there {
				continue
			}
			err = errors.Join(
				s.keep(nil, d.Run),
				s.run(`UPDATE batch_requests SET delivered = 1 WHERE batch = ?1 AND custom_id = ?2 AND NOT EXISTS (
					SELECT 1 FROM batch_tasks WHERE batch = ?1 AND custom_id = ?2 AND session = ?3)`,
					d.Task.Batch, d.Task.CustomID, session),
				s.run(`DELETE FROM batch_requests WHERE batch = ?1 AND custom_id = ?2 AND delivered = 1 AND outcome <> ''
					AND NOT EXISTS (SELECT 1 FROM batch_tasks WHERE batch = ?1 AND custom_id = ?2)`,
					d.Task.Batch, d.Task.CustomID),
			)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Reserved returns the nano-dollars that are set aside for requests of batches
// that are not settled. They stay so for as long as the batch is open.
func (db *DB) Reserved(ctx context.Context) (nano int64, err error) {
	err = db.write(ctx, func(s *statements) error {
		return s.query("SELECT coalesce(sum(reserved_nano), 0) FROM batches WHERE state NOT IN (?, ?)",
			[]any{string(batch.Failed), string(batch.Cancelled)}, &nano)
	})
	return nano, err
}
