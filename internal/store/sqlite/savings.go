package sqlite

import (
	"context"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

// Spending is the sum of exchanges that have their price in common.
type Spending struct {
	// Model is the one that answered, Tier, Speed and Geo what was applied.
	Model, Tier, Speed, Geo string
	// Requested is the model that the caller named, Why the reason for another.
	Requested, Why string
	// Prompt is the size of one of the prompts; all are on its side of
	// longPrompt.
	Prompt int64
	Day    time.Time
	Usage  llm.Usage
	Cost   int64 // nano-dollars
	// Unpriced is how many had no known price; their cost is not in it.
	Unpriced int64
}

// longPrompt is where the prices of some models change, in tokens.
const longPrompt = 100_000

// Spendings returns the exchanges since a time, summed up.
func (db *DB) Spendings(ctx context.Context, since time.Time) ([]Spending, error) {
	rows, err := db.sql.QueryContext(ctx, `SELECT
			coalesce(nullif(x.answered, ''), x.model), x.tier, x.speed, x.geo, coalesce(r.requested_model, ''), coalesce(r.why, ''),
			max(x.input + x.cache_write_5m + x.cache_write_1h + x.cache_read), x.started_us / 86400000000 AS day,
			sum(x.input), sum(x.output), sum(x.cache_write_5m), sum(x.cache_write_1h), sum(x.cache_read),
			coalesce(sum(x.cost_nano), 0), sum(x.cost_nano IS NULL)
		FROM exchanges x LEFT JOIN runs r ON r.run_id = x.run_id
		WHERE x.started_us >= ?
		GROUP BY 1, 2, 3, 4, 5, 6, day, x.input + x.cache_write_5m + x.cache_write_1h + x.cache_read > ?`,
		micros(since), longPrompt)
	if err != nil {
		return nil, explain("read the ledger", err)
	}
	defer rows.Close()
	var list []Spending
	for rows.Next() {
		var s Spending
		var day int64
		u := &s.Usage
		err := rows.Scan(&s.Model, &s.Tier, &s.Speed, &s.Geo, &s.Requested, &s.Why, &s.Prompt, &day,
			&u.Input, &u.Output, &u.CacheWrite5m, &u.CacheWrite1h, &u.CacheRead, &s.Cost, &s.Unpriced)
		if err != nil {
			return nil, explain("read the ledger", err)
		}
		s.Day = time.Unix(day*86400, 0).UTC()
		list = append(list, s)
	}
	return list, rows.Err()
}

// SavedBySource returns what the runs since a time did not cost, for they were
// answered without a call, by the source of their answers.
func (db *DB) SavedBySource(ctx context.Context, since time.Time) (map[llm.Source]int64, error) {
	rows, err := db.sql.QueryContext(ctx, "SELECT source, sum(saved_nano) FROM runs WHERE started_us >= ? AND saved_nano > 0 GROUP BY source", micros(since))
	if err != nil {
		return nil, explain("read the ledger", err)
	}
	defer rows.Close()
	saved := map[llm.Source]int64{}
	for rows.Next() {
		var source string
		var nano int64
		if err := rows.Scan(&source, &nano); err != nil {
			return nil, explain("read the ledger", err)
		}
		saved[llm.Source(source)] = nano
	}
	return saved, rows.Err()
}
