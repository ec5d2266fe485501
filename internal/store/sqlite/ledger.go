package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/claude-force/claude-force/internal/layer/charge"
	"github.com/claude-force/claude-force/internal/layer/record"
	"github.com/claude-force/claude-force/internal/llm"
)

var (
	_ record.Store = (*DB)(nil)
	_ charge.Store = (*DB)(nil)
)

const insertRun = `INSERT INTO runs (
	run_id, agent, requested_model, model, status, error, stop_reason,
	started_us, duration_us, first_token_us, attempts,
	input, output, cache_write_5m, cache_write_1h, cache_read, incomplete,
	cost_nano, task_hash, request_id, source, saved_nano
) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`

// SaveRun implements [record.Store].
func (db *DB) SaveRun(ctx context.Context, r record.Run) error {
	u := r.Usage
	return db.exec(
		ctx, insertRun,
		r.RunID, r.Agent, r.Requested, r.Model, string(r.Status), string(r.Error), r.StopReason,
		micros(r.Started), r.Duration.Microseconds(), r.FirstToken.Microseconds(), r.Attempts,
		u.Input, u.Output, u.CacheWrite5m, u.CacheWrite1h, u.CacheRead, u.Incomplete,
		nano(r.Cost), r.TaskHash, r.RequestID, string(r.Source), r.Saved,
	)
}

const insertExchange = `INSERT INTO exchanges (
	run_id, agent, model, answered, error, http_status, stop_reason,
	started_us, duration_us, first_token_us,
	input, output, cache_write_5m, cache_write_1h, cache_read, incomplete,
	cost_nano, request_id
) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`

// SaveExchange implements [charge.Store]. It does not wait: the row is written
// with that of its run, or a moment later if the run goes on. One that settles
// a reservation does so in the transaction of its row, and that is waited for.
func (db *DB) SaveExchange(ctx context.Context, e charge.Exchange) error {
	if e.Reservation == "" {
		return db.post(insertExchange, exchangeRow(e)...)
	}
	return db.update(ctx, func(s *statements) error {
		return errors.Join(
			s.run(insertExchange, exchangeRow(e)...),
			s.spend(e.Reservation, e.RunID, e.Agent, e.Tags, e.Started, e.Cost),
		)
	})
}

func exchangeRow(e charge.Exchange) []any {
	u := e.Usage
	return []any{
		e.RunID, e.Agent, e.Model, e.Answered, string(e.Error), e.Status, e.StopReason,
		micros(e.Started), e.Duration.Microseconds(), e.FirstToken.Microseconds(),
		u.Input, u.Output, u.CacheWrite5m, u.CacheWrite1h, u.CacheRead, u.Incomplete,
		nano(e.Cost), e.RequestID,
	}
}

func micros(t time.Time) int64 { return t.UTC().UnixMicro() }

// nano is the amount, or NULL where no price is known.
func nano(c llm.Cost) any {
	if c.Unknown {
		return nil
	}
	return c.Nano
}
