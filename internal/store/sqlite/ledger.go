package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/claude-force/claude-force/internal/layer/charge"
	"github.com/claude-force/claude-force/internal/layer/record"
	"github.com/claude-force/claude-force/internal/ledger"
	"github.com/claude-force/claude-force/internal/llm"
)

var (
	_ record.Store = (*DB)(nil)
	_ charge.Store = (*DB)(nil)
)

const insertRun = `INSERT INTO runs (
	run_id, agent, workflow, step, requested_model, model, why, status, error, stop_reason,
	started_us, duration_us, bucket, first_token_us, waited_us, attempts,
	input, output, thinking, cache_write_5m, cache_write_1h, cache_read, incomplete,
	cost_nano, tier, task_hash, request_id, source, saved_nano, branch, tags
) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`

// SaveRun implements [record.Store].
func (db *DB) SaveRun(ctx context.Context, r record.Run) error {
	return db.write(ctx, func(s *statements) error { return s.insert(insertRun, runRow(&r)) })
}

func runRow(r *record.Run) []any {
	u, took := &r.Usage, r.Duration.Microseconds()
	return []any{
		r.RunID, r.Agent, r.Workflow, r.Step, r.Requested, r.Model, r.Why, string(r.Status), string(r.Error), r.StopReason,
		micros(r.Started), took, ledger.Bucket(took), r.FirstToken.Microseconds(), r.Waited.Microseconds(), r.Attempts,
		u.Input, u.Output, u.Thinking, u.CacheWrite5m, u.CacheWrite1h, u.CacheRead, u.Incomplete,
		nano(r.Cost), u.Tier, r.TaskHash, r.RequestID, string(r.Source), r.Saved, r.Branch, tagText(r.Tags),
	}
}

// insertRunOnce keeps a run that is not there yet, and reports whether it was
// not.
func (s *statements) insertRunOnce(r *record.Run) (kept bool, err error) {
	var number int64
	kept, err = s.changed(&number, insertRun+" ON CONFLICT DO NOTHING RETURNING number", runRow(r)...)
	if kept {
		err = s.rollUpAt(number)
	}
	return kept, err
}

// insert adds a row whose key is a number.
func (s *statements) insert(query string, args []any) error {
	stmt, err := s.prepare(query) //nolint:sqlclosecheck // close closes all of them
	if err != nil {
		return err
	}
	result, err := stmt.ExecContext(context.Background(), args...)
	if err != nil {
		return explain("write to store", err)
	}
	number, err := result.LastInsertId()
	if err != nil {
		return explain("write to store", err)
	}
	return s.rollUpAt(number)
}

const (
	// latest is how many rows are left to be added up by those who read.
	latest = 256
	rollUp = `UPDATE rolled_up SET
		runs = (SELECT coalesce(max(number), 0) FROM runs), exchanges = (SELECT coalesce(max(id), 0) FROM exchanges)`
)

// rollUpAt rolls up every so many rows, whoever adds them. That is a matter of
// speed alone: what is not rolled up counts as well.
func (s *statements) rollUpAt(number int64) error {
	if number%latest != 0 {
		return nil
	}
	return s.run(rollUp)
}

const insertExchange = `INSERT INTO exchanges (
	run_id, agent, workflow, step, model, answered, error, http_status, stop_reason,
	started_us, duration_us, first_token_us,
	input, output, thinking, cache_write_5m, cache_write_1h, cache_read, incomplete,
	cost_nano, tier, speed, geo, request_id, tags
) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`

// SaveExchange implements [charge.Store]. It does not wait: the row is written
// with that of its run, or a moment later if the run goes on. One that settles
// a reservation does so in the transaction of its row, and that is waited for.
func (db *DB) SaveExchange(ctx context.Context, x charge.Exchange) error {
	if x.Reservation == "" {
		return db.post(func(s *statements) error { return s.insert(insertExchange, exchangeRow(&x)) })
	}
	return db.update(ctx, func(s *statements) error {
		return errors.Join(
			s.insert(insertExchange, exchangeRow(&x)),
			s.spend(x.Reservation, x.RunID, x.Agent, x.Tags, x.Started, x.Cost),
		)
	})
}

func exchangeRow(x *charge.Exchange) []any {
	u := &x.Usage
	return []any{
		x.RunID, x.Agent, x.Workflow, x.Step, x.Model, x.Answered, string(x.Error), x.Status, x.StopReason,
		micros(x.Started), x.Duration.Microseconds(), x.FirstToken.Microseconds(),
		u.Input, u.Output, u.Thinking, u.CacheWrite5m, u.CacheWrite1h, u.CacheRead, u.Incomplete,
		nano(x.Cost), u.Tier, u.Speed, u.Geo, x.RequestID, tagText(x.Tags),
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

// tagText is how tags are kept: a JSON object in the order of the keys, or
// nothing.
func tagText(tags []llm.Tag) string {
	if len(tags) == 0 {
		return ""
	}
	text := []byte{'{'}
	for i, t := range tags {
		if i > 0 {
			text = append(text, ',')
		}
		text = llm.AppendString(text, t.Key)
		text = append(text, ':')
		text = llm.AppendString(text, t.Value)
	}
	return string(append(text, '}'))
}

// tagMap reads what tagText wrote; what is no such text is no tags.
func tagMap(text string) map[string]string {
	if text == "" {
		return nil
	}
	var tags map[string]string
	if json.Unmarshal([]byte(text), &tags) != nil {
		return nil
	}
	return tags
}

func tagsOf(text string) []llm.Tag { return ledger.Tags(tagMap(text)) }
