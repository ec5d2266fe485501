package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/claude-force/claude-force/internal/layer/charge"
	"github.com/claude-force/claude-force/internal/layer/record"
	"github.com/claude-force/claude-force/internal/ledger"
	"github.com/claude-force/claude-force/internal/llm"
)

var (
	_ ledger.Store = (*DB)(nil)
	_ ledger.Rows  = (*DB)(nil)
)

// view hands each row of a query to visit. A store in memory has one
// connection, the writer's.
func (db *DB) view(ctx context.Context, visit func(*sql.Rows) error, query string, args ...any) error {
	do := func(q querier) error {
		rows, err := q.QueryContext(ctx, query, args...)
		if err != nil {
			return explain("read store", otherSchema(err))
		}
		defer rows.Close()
		for rows.Next() {
			if err := visit(rows); err != nil {
				return explain("read store", otherType(err))
			}
		}
		if err := rows.Err(); err != nil {
			return explain("read store", err)
		}
		return nil
	}
	if db.sql.Stats().MaxOpenConnections == 1 {
		return db.write(ctx, func(s *statements) error { return do(s.conn) })
	}
	return do(db.sql)
}

const sums = `sum(runs), sum(succeeded), sum(cancelled), sum(lookups), sum(hits), sum(saved_nano), sum(duration_us), sum(waited_us),
	sum(exchanges), sum(errors), sum(cost_nano), sum(unpriced),
	sum(input), sum(output), sum(thinking), sum(cache_write_5m), sum(cache_write_1h), sum(cache_read)`

func scanCounts(rows *sql.Rows, name any) (n ledger.Counts, err error) {
	err = rows.Scan(name, &n.Runs, &n.Succeeded, &n.Cancelled, &n.Lookups, &n.Hits, &n.Saved, &n.Duration, &n.Waited,
		&n.Exchanges, &n.Errors, &n.Cost, &n.Unpriced,
		&n.Input, &n.Output, &n.Thinking, &n.CacheWrite5m, &n.CacheWrite1h, &n.CacheRead)
	return n, err
}

// figures selects what the rollups hold and what the latest rows add to it. In a
// window the rollups are looked up hour by hour: beside them lie those of other
// dimensions.
func figures(columns string, from ledger.Hour, group, latest string) string {
	rest := " UNION ALL SELECT " + columns + " FROM " + latest + " WHERE dimension = ?1 AND hour >= ?2 GROUP BY " + group
	if from == ledger.AllTime {
		return "SELECT " + columns + " FROM rollups WHERE dimension = ?1 AND hour = ?2 GROUP BY " + group + rest
	}
	return `WITH RECURSIVE h(hour) AS (
		SELECT max(?2, coalesce((SELECT min(hour) FROM rollups WHERE hour >= 0), 0))
		UNION ALL SELECT hour + 1 FROM h WHERE hour < (SELECT max(hour) FROM rollups)
	) SELECT ` + columns + " FROM h CROSS JOIN rollups USING (hour) WHERE dimension = ?1 GROUP BY " + group + rest
}

// Counts implements [ledger.Store].
func (db *DB) Counts(ctx context.Context, by ledger.Dimension, from ledger.Hour) (map[string]ledger.Counts, error) {
	out := map[string]ledger.Counts{}
	err := db.view(ctx, func(rows *sql.Rows) error {
		var name string
		n, err := scanCounts(rows, &name)
		sum := out[name]
		sum.Add(&n)
		out[name] = sum
		return err
	}, figures("name, "+sums, from, "name", "latest"), int64(by), int64(from))
	return out, err
}

// durations is the dimension whose names are buckets.
const durations = 5

// Durations implements [ledger.Store].
func (db *DB) Durations(ctx context.Context, from ledger.Hour) (ledger.Histogram, error) {
	out := ledger.Histogram{}
	err := db.view(ctx, func(rows *sql.Rows) error {
		var bucket int
		var n int64
		err := rows.Scan(&bucket, &n)
		out[bucket] += n
		return err
	}, figures("name, sum(runs)", from, "name", "latest_durations"), durations, int64(from))
	return out, err
}

// Hours implements [ledger.Store].
func (db *DB) Hours(ctx context.Context, from ledger.Hour) (map[ledger.Hour]ledger.Counts, error) {
	out := map[ledger.Hour]ledger.Counts{}
	err := db.view(ctx, func(rows *sql.Rows) error {
		var hour int64
		n, err := scanCounts(rows, &hour)
		sum := out[ledger.Hour(hour)]
		sum.Add(&n)
		out[ledger.Hour(hour)] = sum
		return err
	}, figures("hour, "+sums, max(from, 0), "hour", "latest"), int64(ledger.Total), int64(max(from, 0)))
	return out, err
}

const selectRecords = `SELECT r.number, r.run_id, r.started_us, r.agent, r.workflow, r.step, r.requested_model, r.model, r.why,
	r.status, r.error, r.stop_reason, r.duration_us, r.first_token_us, r.waited_us, r.attempts,
	r.source, r.saved_nano, r.tier, r.task_hash, r.branch, r.request_id, r.tags,
	coalesce(sum(x.input), 0), coalesce(sum(x.output), 0), coalesce(sum(x.thinking), 0), coalesce(sum(x.cache_read), 0),
	coalesce(sum(x.cache_write_5m), 0), coalesce(sum(x.cache_write_1h), 0),
	coalesce(sum(x.cost_nano), 0), count(x.id) - count(x.cost_nano)
	FROM (SELECT * FROM runs WHERE number > ? ORDER BY number LIMIT ?) r LEFT JOIN exchanges x USING (run_id)
	GROUP BY r.number ORDER BY r.number`

// Records implements [ledger.Rows].
func (db *DB) Records(ctx context.Context, after int64, most int) ([]ledger.Record, error) {
	var out []ledger.Record
	err := db.view(ctx, func(rows *sql.Rows) error {
		r, err := scanRecord(rows)
		out = append(out, r)
		return err
	}, selectRecords, after, most)
	return out, err
}

func scanRecord(rows *sql.Rows) (r ledger.Record, err error) {
	var started, duration, first, waited, cost, unpriced int64
	var source, tags string
	err = rows.Scan(&r.Number, &r.RunID, &started, &r.Agent, &r.Workflow, &r.Step, &r.RequestedModel, &r.Model, &r.ModelReason,
		&r.Status, &r.ErrorType, &r.StopReason, &duration, &first, &waited, &r.Attempts,
		&source, &r.Saved, &r.Tier, &r.TaskHash, &r.Branch, &r.RequestID, &tags,
		&r.InputTokens, &r.OutputTokens, &r.ThinkingTokens, &r.CacheReadTokens,
		&r.CacheWrite5mTokens, &r.CacheWrite1hTokens, &cost, &unpriced)
	r.Started = time.UnixMicro(started).UTC()
	r.Success = r.Status == string(record.Succeeded)
	r.DurationMS, r.FirstTokenMS, r.WaitedMS = duration/1000, first/1000, waited/1000
	r.Cache, r.Tags = ledger.CacheName(llm.Source(source)), tagMap(tags)
	if sum := ledger.Money(cost); unpriced == 0 {
		r.Cost = &sum
	}
	return r, err
}

// pruneStep is how many rows are looked at in one transaction, so that no
// other process waits long.
const pruneStep = 500

// Prune deletes the runs and exchanges from before a time and returns how many
// of each. What they add up to stays, and so does the last row of each, whose
// number must not be given again, with what belongs to it.
func (db *DB) Prune(ctx context.Context, before time.Time) (runs, exchanges int64, err error) {
	if runs, err = db.prune(ctx, "runs", "number", before); err == nil {
		exchanges, err = db.prune(ctx, "exchanges", "id", before)
	}
	if err == nil && runs+exchanges > 0 {
		err = db.exec(ctx, "PRAGMA incremental_vacuum")
	}
	return runs, exchanges, err
}

// prune goes through a table in the order of its key.
func (db *DB) prune(ctx context.Context, table, key string, before time.Time) (deleted int64, err error) {
	next := "SELECT coalesce(max(" + key + "), 0) FROM (SELECT " + key + " FROM " + table + " WHERE " + key + " > ? ORDER BY " + key + " LIMIT ?)"
	remove := "DELETE FROM " + table + " WHERE " + key + " > ? AND " + key + " <= ? AND started_us < ? AND " +
		key + " < (SELECT max(" + key + ") FROM " + table + ") AND run_id IS NOT (SELECT run_id FROM runs ORDER BY number DESC LIMIT 1)"
	var last int64
	for done := false; !done; {
		err := db.update(ctx, func(s *statements) error {
			var upTo, n int64
			err := s.query(next, []any{last, pruneStep}, &upTo)
			if done = upTo == 0; err != nil || done {
				return err
			}
			// What goes must be in the rollups first.
			if err := s.run(rollUp); err != nil {
				return err
			}
			if err := s.run(remove, last, upTo, micros(before)); err != nil {
				return err
			}
			last = upTo
			err = s.query("SELECT changes()", nil, &n)
			deleted += n
			return err
		})
		if err != nil {
			return deleted, err
		}
	}
	return deleted, nil
}

// Imported is a run of another program's record, and the bill for it.
type Imported struct {
	// Line identifies the record: it is imported once.
	Line     [32]byte
	Run      record.Run
	Exchange charge.Exchange
}

// Import keeps records that are not there yet, all of them or none, and says
// of each whether it was new.
func (db *DB) Import(ctx context.Context, records []Imported) (kept []bool, err error) {
	err = db.update(ctx, func(s *statements) error {
		kept = make([]bool, len(records))
		for i := range records {
			r := &records[i]
			var one int64
			isNew, err := s.changed(&one, "INSERT INTO imported VALUES (?) ON CONFLICT DO NOTHING RETURNING 1", r.Line[:])
			if isNew {
				// A run that is there under its own id has its bill as well.
				isNew, err = s.insertRunOnce(&r.Run)
			}
			if err == nil && isNew {
				err = s.insert(insertExchange, exchangeRow(&r.Exchange))
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
