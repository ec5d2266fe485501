package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/claude-force/claude-force/internal/layer/cache"
)

// Acquire implements [cache.Leases]. A lease that ends later than any lease
// can, for the clock was set back, counts as dead too.
func (c *Cache) Acquire(ctx context.Context, key cache.Key, holder string, waiting bool, now time.Time) (held bool, outcome []byte, err error) {
	err = c.update(ctx, func(s *statements) error {
		var until int64
		err := s.query("SELECT until_us, outcome FROM leases WHERE key = ?", []any{key[:]}, &until, &outcome)
		latest := micros(now.Add(max(cache.LeaseTime, cache.OutcomeTime)))
		switch {
		case err != nil && !errors.Is(err, sql.ErrNoRows):
			return err
		case err == nil && until > micros(now) && until <= latest && (outcome == nil || waiting):
			return nil
		}
		held, outcome = true, nil
		return s.run("INSERT OR REPLACE INTO leases (key, holder, until_us, outcome) VALUES (?, ?, ?, NULL)",
			key[:], holder, micros(now.Add(cache.LeaseTime)))
	})
	return held, outcome, err
}

// Extend implements [cache.Leases].
func (c *Cache) Extend(ctx context.Context, holder string, now time.Time) error {
	return c.exec(ctx, "UPDATE leases SET until_us = ? WHERE holder = ? AND outcome IS NULL", micros(now.Add(cache.LeaseTime)), holder)
}

// Release implements [cache.Leases].
func (c *Cache) Release(ctx context.Context, key cache.Key, holder string, outcome []byte, now time.Time) error {
	if outcome == nil {
		return c.exec(ctx, "DELETE FROM leases WHERE key = ? AND holder = ?", key[:], holder)
	}
	return c.update(ctx, func(s *statements) error {
		return errors.Join(
			s.run("UPDATE leases SET outcome = ?, until_us = ? WHERE key = ? AND holder = ?", outcome, micros(now.Add(cache.OutcomeTime)), key[:], holder),
			s.run("DELETE FROM leases WHERE outcome IS NOT NULL AND until_us < ?", micros(now)),
		)
	})
}
