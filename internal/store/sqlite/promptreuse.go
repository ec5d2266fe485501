package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/claude-force/claude-force/internal/layer/breakpoint"
)

// Gaps implements [breakpoint.Store].
func (db *DB) Gaps(ctx context.Context, agent, model string) (breakpoint.Gaps, error) {
	var g breakpoint.Gaps
	err := db.sql.QueryRowContext(ctx, "SELECT within_5m, within_1h, beyond FROM prompt_reuse WHERE agent = ? AND model = ?", agent, model).
		Scan(&g.Short, &g.Long, &g.Beyond)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return g, explain("read the ledger", err)
	}
	return g, nil
}

// manyGaps are so many that the oldest are let go: all counts are halved.
const manyGaps = 256

// SaveUses implements [breakpoint.Store]. Of several uses the first is as far
// from the latest one as the last is, the others are close.
func (db *DB) SaveUses(agent, model string, at time.Time, count int64) error {
	return db.post(func(s *statements) error {
		now, rest := at.UnixMicro(), count-1
		err := s.run(`INSERT INTO prompt_reuse VALUES (?1, ?2, ?3, ?4, 0, 0) ON CONFLICT DO UPDATE SET
			within_5m = within_5m + ?4 + (?3 - last_us <= 300000000),
			within_1h = within_1h + (?3 - last_us > 300000000 AND ?3 - last_us <= 3600000000),
			beyond = beyond + (?3 - last_us > 3600000000), last_us = max(last_us, ?3)`, agent, model, now, rest)
		if err != nil {
			return err
		}
		return s.run(`UPDATE prompt_reuse SET within_5m = within_5m / 2, within_1h = within_1h / 2, beyond = beyond / 2
			WHERE agent = ? AND model = ? AND within_5m + within_1h + beyond >= ?`, agent, model, manyGaps)
	})
}
