package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/claude-force/claude-force/internal/layer/cache"
)

var _ cache.Store = (*Cache)(nil)

// Overhead is what an entry weighs beside its value, in bytes: its rows, its
// index entries and their share of pages.
const overhead = 400

// slice is how many contents of evicted entries are deleted at a time.
const slice = 32

// Cache is the store of the response cache, for all processes of a user. It is
// safe for concurrent use.
type Cache struct {
	path string
	max  int64

	// mu is held to read while the file is used, and to write while it is
	// replaced; see heal.go.
	mu   sync.RWMutex
	file *cacheFile
	lost error // why there is no file any more
	// counted says that this process has counted the entries; the writer's.
	counted bool
}

// OpenCache opens the cache at path, or [Memory], with room for room bytes.
func OpenCache(ctx context.Context, path string, room int64) (*Cache, error) {
	f, err := openCacheFile(ctx, path)
	if err != nil {
		return nil, err
	}
	return &Cache{path: path, max: room, file: f}, nil
}

// Close writes what is queued and closes the file.
func (c *Cache) Close() error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.file == nil {
		return nil
	}
	return c.file.Close()
}

func (c *Cache) update(ctx context.Context, do func(*statements) error) error {
	return c.use(func(f *cacheFile) error { return f.update(ctx, do) })
}

func (c *Cache) exec(ctx context.Context, query string, args ...any) error {
	return c.use(func(f *cacheFile) error { return f.exec(ctx, query, args...) })
}

// querier is a connection to read with, or a pool of them.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// read lets do read. A store in memory has one connection, the writer's.
func (c *Cache) read(ctx context.Context, do func(querier) error) error {
	return c.use(func(f *cacheFile) error {
		if f.get != nil {
			return explainRead(do(f.sql))
		}
		return f.write(ctx, func(s *statements) error { return explainRead(do(s.conn)) })
	})
}

func explainRead(err error) error {
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		return err
	}
	return explain("read cache", err)
}

const selectEntry = `SELECT e.agent, e.stored_us, c.mac, c.value
	FROM entries e JOIN contents c USING (id) WHERE e.key = ? AND e.signer = ?`

// Get implements [cache.Entries].
func (c *Cache) Get(ctx context.Context, key cache.Key, signer [8]byte) (cache.Entry, bool, error) {
	e := cache.Entry{Signer: signer}
	var mac []byte
	var stored int64
	err := c.use(func(f *cacheFile) error {
		if f.get != nil {
			return explainRead(f.get.QueryRowContext(ctx, key[:], signer[:]).Scan(&e.Agent, &stored, &mac, &e.Value))
		}
		return f.write(ctx, func(s *statements) error {
			return s.query(selectEntry, []any{key[:], signer[:]}, &e.Agent, &stored, &mac, &e.Value)
		})
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return cache.Entry{}, false, nil
	case err != nil:
		return cache.Entry{}, false, err
	}
	copy(e.MAC[:], mac)
	e.Stored = time.UnixMicro(stored).UTC()
	return e, true, nil
}

// Put implements [cache.Entries].
func (c *Cache) Put(ctx context.Context, key cache.Key, e cache.Entry, holder string) error {
	size := int64(len(e.Value)) + overhead
	return c.update(ctx, func(s *statements) error {
		if err := s.run("DELETE FROM leases WHERE key = ? AND holder = ?", key[:], holder); err != nil {
			return err
		}
		if size > c.max {
			return nil
		}
		added, grown, err := putEntry(s, key, e, size)
		if err != nil {
			return err
		}
		var total int64
		err = s.query("UPDATE totals SET entries = entries + ?, bytes = bytes + ? RETURNING bytes", []any{added, grown}, &total)
		if errors.Is(err, sql.ErrNoRows) {
			return errNonsense // there is one row, always
		}
		if err != nil {
			return err
		}
		// Less than the one entry: what was written there has been damaged.
		if total > c.max || total < size {
			if err := c.evict(s, total < size); err != nil {
				return err
			}
		}
		return sweep(s)
	})
}

// newest is a time of use after all others, where the clock was set back: what
// is stored or used now is never the next to go.
const newest = "(SELECT coalesce(max(used_us), 0) + 1 FROM entries)"

// putEntry writes the rows and returns how many entries and bytes were added.
func putEntry(s *statements, key cache.Key, e cache.Entry, size int64) (added int, grown int64, err error) {
	var id, old int64
	now := micros(e.Stored)
	err = s.query("SELECT id, bytes FROM entries WHERE key = ? AND signer = ?", []any{key[:], e.Signer[:]}, &id, &old)
	switch {
	case err == nil:
		err = errors.Join(
			s.run("INSERT OR REPLACE INTO contents (id, mac, value) VALUES (?, ?, ?)", id, e.MAC[:], e.Value),
			s.run("UPDATE entries SET agent = ?, bytes = ?, stored_us = ?, used_us = max(?, "+newest+") WHERE id = ?", e.Agent, size, now, now, id),
		)
		return 0, size - old, err
	case !errors.Is(err, sql.ErrNoRows):
		return 0, 0, err
	}
	err = s.query("INSERT INTO contents (mac, value) VALUES (?, ?) RETURNING id", []any{e.MAC[:], e.Value}, &id)
	if err != nil {
		return 0, 0, err
	}
	err = s.run("INSERT INTO entries (id, key, signer, agent, bytes, stored_us, used_us) VALUES (?,?,?,?,?,?,max(?,"+newest+"))",
		id, key[:], e.Signer[:], e.Agent, size, now, now)
	return 1, size, err
}

// evict makes room in steps of three thousandths: a tenth at once kept one
// caller waiting for 4 to 7 ms, such a step takes 1.4. Only the
// small rows go now; their contents are left to sweep. At first, and in doubt, it
// counts afresh, which mends totals that were damaged.
func (c *Cache) evict(s *statements, doubt bool) error {
	totals := "SELECT entries, bytes FROM totals"
	if doubt || !c.counted {
		totals = "SELECT count(*), coalesce(sum(bytes), 0) FROM entries"
		c.counted = true
	}
	var count, total, evicted int64
	if err := s.query(totals, nil, &count, &total); err != nil {
		return err
	}
	goal := total
	if total > c.max {
		goal = c.max / 1000 * 997
	}
	for total > goal {
		// As many as the goal needs, if all were of one size.
		most := max(int64(float64(count)*float64(total-goal)/float64(total)), 1)
		var ids string
		var n, bytes int64
		err := s.query(`SELECT json_group_array(id), count(*), coalesce(sum(bytes), 0) FROM
			(SELECT id, bytes FROM entries ORDER BY used_us LIMIT ?)`, []any{most}, &ids, &n, &bytes)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		err = errors.Join(
			s.run("DELETE FROM entries WHERE id IN (SELECT value FROM json_each(?))", ids),
			s.run("INSERT INTO dropped (ids) VALUES (?)", ids),
		)
		if err != nil {
			return err
		}
		count, total, evicted = count-n, total-bytes, evicted+n
	}
	return s.run("UPDATE totals SET entries = ?, bytes = ?, evictions = evictions + ?", count, total, evicted)
}

// sweep deletes a slice of what eviction has left, and gives its pages back.
func sweep(s *statements) error {
	var id int64
	var text string
	err := s.query("SELECT id, ids FROM dropped LIMIT 1", nil, &id, &text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	var ids []int64
	if err := json.Unmarshal([]byte(text), &ids); err != nil {
		return fmt.Errorf("read list of dropped contents: %w: %w", errNonsense, err)
	}
	now, later := ids[:min(slice, len(ids))], ids[min(slice, len(ids)):]
	list, err := json.Marshal(now)
	if err != nil {
		return err
	}
	if err := s.run("DELETE FROM contents WHERE id IN (SELECT value FROM json_each(?))", string(list)); err != nil {
		return err
	}
	if len(later) == 0 {
		return s.run("DELETE FROM dropped WHERE id = ?", id)
	}
	rest, err := json.Marshal(later)
	if err != nil {
		return err
	}
	return s.run("UPDATE dropped SET ids = ? WHERE id = ?", string(rest), id)
}

// SetAside implements [cache.Entries].
func (c *Cache) SetAside(ctx context.Context, key cache.Key, signer [8]byte) error {
	return c.update(ctx, func(s *statements) error {
		var id, bytes int64
		err := s.query("SELECT id, bytes FROM entries WHERE key = ? AND signer = ?", []any{key[:], signer[:]}, &id, &bytes)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		return errors.Join(
			s.run(`INSERT INTO aside (key, signer, mac, value, moved_us)
				SELECT e.key, e.signer, c.mac, c.value, ? FROM entries e JOIN contents c USING (id) WHERE id = ?`, micros(time.Now()), id),
			s.run("DELETE FROM aside WHERE id <= (SELECT max(id) FROM aside) - 100"),
			s.run("DELETE FROM entries WHERE id = ?", id),
			s.run("DELETE FROM contents WHERE id = ?", id),
			s.run("UPDATE totals SET entries = entries - 1, bytes = bytes - ?", bytes),
		)
	})
}

// Note implements [cache.Notes].
func (c *Cache) Note(ctx context.Context, n cache.Note) error {
	return c.update(ctx, func(s *statements) error {
		for key, at := range n.Used {
			err := s.run("UPDATE entries SET used_us = CASE WHEN used_us < ?1 THEN ?1 ELSE "+newest+" END WHERE key = ?2 AND signer = ?3",
				micros(at), key[:], n.Signer[:])
			if err != nil {
				return err
			}
		}
		for agent, x := range n.Counts {
			err := s.run(`INSERT INTO counts VALUES (?,?,?,?,?,?,?) ON CONFLICT (agent) DO UPDATE SET
				memory_hits = memory_hits + excluded.memory_hits, disk_hits = disk_hits + excluded.disk_hits,
				joins = joins + excluded.joins, misses = misses + excluded.misses,
				verify_failures = verify_failures + excluded.verify_failures, saved_nano = saved_nano + excluded.saved_nano`,
				agent, x.MemoryHits, x.DiskHits, x.Joins, x.Misses, x.VerifyFailures, x.Saved)
			if err != nil {
				return err
			}
		}
		return nil
	})
}
