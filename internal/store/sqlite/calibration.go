package sqlite

import (
	"context"
	"slices"
)

// Calibration is how good the estimates of prompts for one model were.
type Calibration struct {
	Model   string
	Samples int64
	// Estimated and Counted are sums of tokens.
	Estimated, Counted int64
	// Low is how many estimates were more than 5 % below the count, High how
	// many more than 15 % above it.
	Low, High int64
}

// The bounds of a good estimate, in percent of the count.
const (
	mostUnder = 95
	mostOver  = 115
)

// SaveSample keeps what was estimated of a prompt and what the API counted. It
// does not wait.
func (db *DB) SaveSample(model string, estimated, counted int64) error {
	low, high := 0, 0
	switch {
	case estimated*100 < counted*mostUnder:
		low = 1
	case estimated*100 > counted*mostOver:
		high = 1
	}
	return db.post(func(s *statements) error {
		return s.run(`INSERT INTO calibration VALUES (?, 1, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
			samples = samples + 1, estimated = estimated + excluded.estimated, counted = counted + excluded.counted,
			low = low + excluded.low, high = high + excluded.high`, model, estimated, counted, low, high)
	})
}

// Calibrations returns what is known of each model.
func (db *DB) Calibrations(ctx context.Context) ([]Calibration, error) {
	rows, err := db.sql.QueryContext(ctx, "SELECT model, samples, estimated, counted, low, high FROM calibration ORDER BY model")
	if err != nil {
		return nil, explain("read the ledger", err)
	}
	defer rows.Close()
	var list []Calibration
	for rows.Next() {
		var c Calibration
		if err := rows.Scan(&c.Model, &c.Samples, &c.Estimated, &c.Counted, &c.Low, &c.High); err != nil {
			return nil, explain("read the ledger", err)
		}
		list = append(list, c)
	}
	return list, rows.Err()
}

// Outputs returns the output tokens of an agent's last runs with a model that
// called it and succeeded, at most so many, in ascending order.
func (db *DB) Outputs(ctx context.Context, agent, model string, most int) ([]int64, error) {
	rows, err := db.sql.QueryContext(ctx, `SELECT output FROM runs
		WHERE agent = ? AND model = ? AND status = 'succeeded' AND source IN ('', 'miss') AND output > 0
		ORDER BY number DESC LIMIT ?`, agent, model, most)
	if err != nil {
		return nil, explain("read the ledger", err)
	}
	defer rows.Close()
	var list []int64
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, explain("read the ledger", err)
		}
		list = append(list, n)
	}
	slices.Sort(list)
	return list, rows.Err()
}
