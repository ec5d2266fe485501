package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/claude-force/claude-force/internal/layer/cache"
)

// CacheTotals are what a cache holds, over all processes.
type CacheTotals struct {
	Entries, Bytes, MaxBytes, Evictions int64
	// Aside is how many entries failed their verification and were kept for
	// inspection.
	Aside int64
	// ByAgent are the counts of each agent.
	ByAgent map[string]cache.Counts
}

// Totals reads what the cache holds and has done.
func (c *Cache) Totals(ctx context.Context) (CacheTotals, error) {
	t := CacheTotals{MaxBytes: c.max, ByAgent: map[string]cache.Counts{}}
	err := c.read(ctx, func(q querier) error {
		err := q.QueryRowContext(ctx, "SELECT entries, bytes, evictions, (SELECT count(*) FROM aside) FROM totals").
			Scan(&t.Entries, &t.Bytes, &t.Evictions, &t.Aside)
		if errors.Is(err, sql.ErrNoRows) {
			return errNonsense // there is one row, always
		}
		if err != nil {
			return err
		}
		return readCounts(ctx, q, t.ByAgent)
	})
	return t, err
}

func readCounts(ctx context.Context, q querier, byAgent map[string]cache.Counts) error {
	rows, err := q.QueryContext(ctx, "SELECT agent, memory_hits, disk_hits, joins, misses, verify_failures, saved_nano FROM counts")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var agent string
		var x cache.Counts
		if err := rows.Scan(&agent, &x.MemoryHits, &x.DiskHits, &x.Joins, &x.Misses, &x.VerifyFailures, &x.Saved); err != nil {
			return err
		}
		byAgent[agent] = x
	}
	return rows.Err()
}

// clearStep is how many entries go in one transaction, so that no other
// process waits long.
const clearStep = 500

// Clear deletes entries: of one agent, or of all where it is empty, that were
// stored before a time, or at any where it is zero. It returns how many.
func (c *Cache) Clear(ctx context.Context, agent string, before time.Time) (int64, error) {
	limit := int64(1) << 62
	if !before.IsZero() {
		limit = micros(before)
	}
	var cleared int64
	for {
		var n int64
		err := c.update(ctx, func(s *statements) error {
			var ids string
			var bytes int64
			err := s.query(`SELECT json_group_array(id), count(*), coalesce(sum(bytes), 0) FROM (SELECT id, bytes FROM entries
				WHERE (?1 = '' OR agent = ?1) AND stored_us < ?2 LIMIT ?3)`, []any{agent, limit, clearStep}, &ids, &n, &bytes)
			if err != nil || n == 0 {
				return err
			}
			return errors.Join(
				s.run("DELETE FROM entries WHERE id IN (SELECT value FROM json_each(?))", ids),
				s.run("DELETE FROM contents WHERE id IN (SELECT value FROM json_each(?))", ids),
				s.run("UPDATE totals SET entries = entries - ?, bytes = bytes - ?", n, bytes),
			)
		})
		if err != nil || n == 0 {
			if err == nil && cleared > 0 {
				err = c.exec(ctx, "PRAGMA incremental_vacuum")
			}
			return cleared, err
		}
		cleared += n
	}
}

// Each hands every entry to visit, in no order. It stops at the first error.
func (c *Cache) Each(ctx context.Context, visit func(cache.Key, cache.Entry) error) error {
	var last int64
	for {
		key, e, id, err := c.after(ctx, last)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := visit(key, e); err != nil {
			return err
		}
		last = id
	}
}

func (c *Cache) after(ctx context.Context, last int64) (key cache.Key, e cache.Entry, id int64, err error) {
	var k, signer, mac []byte
	var stored int64
	err = c.read(ctx, func(q querier) error {
		return q.QueryRowContext(ctx, `SELECT id, e.key, e.signer, e.agent, e.stored_us, c.mac, c.value
			FROM entries e JOIN contents c USING (id) WHERE id > ? ORDER BY id LIMIT 1`, last).
			Scan(&id, &k, &signer, &e.Agent, &stored, &mac, &e.Value)
	})
	copy(key[:], k)
	copy(e.Signer[:], signer)
	copy(e.MAC[:], mac)
	e.Stored = time.UnixMicro(stored).UTC()
	return key, e, id, err
}
