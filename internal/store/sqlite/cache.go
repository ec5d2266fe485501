package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
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
	*file
	max int64
	get *sql.Stmt
}

// OpenCache opens the cache at path, or [Memory], with room for room bytes.
func OpenCache(ctx context.Context, path string, room int64) (*Cache, error) {
	f, err := openFile(ctx, path, "cache")
	if err != nil {
		return nil, err
	}
	c := &Cache{file: f, max: room}
	if path != Memory {
		c.get, err = f.sql.PrepareContext(ctx, selectEntry)
		if err != nil {
			return nil, errors.Join(explain("open cache", err), f.Close())
		}
	}
	return c, nil
}

// OpenOrHealCache is [OpenCache], but a file that is damaged is moved aside, to
// the name it returns, and a new one begun.
func OpenOrHealCache(ctx context.Context, path string, room int64) (c *Cache, healed string, err error) {
	c, err = OpenCache(ctx, path, room)
	if err == nil || !Damaged(err) {
		return c, "", err
	}
	healed = fmt.Sprintf("%s.damaged-%d", path, time.Now().UnixNano())
	if err := os.Rename(path, healed); err != nil {
		return nil, "", fmt.Errorf("move damaged cache aside: %w", err)
	}
	// The log belongs to the damaged file.
	for _, end := range []string{"-wal", "-shm"} {
		if err := os.Rename(path+end, healed+end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, "", fmt.Errorf("move damaged cache aside: %w", err)
		}
	}
	c, err = OpenCache(ctx, path, room)
	return c, healed, err
}

// Close writes what is queued and closes the file.
func (c *Cache) Close() error {
	if c.get != nil {
		_ = c.get.Close()
	}
	return c.file.Close()
}

const selectEntry = `SELECT e.agent, e.stored_us, c.mac, c.value
	FROM entries e JOIN contents c USING (id) WHERE e.key = ? AND e.signer = ?`

// Get implements [cache.Entries].
func (c *Cache) Get(ctx context.Context, key cache.Key, signer [8]byte) (cache.Entry, bool, error) {
	e := cache.Entry{Signer: signer}
	var mac []byte
	var stored int64
	scan := func(row interface{ Scan(...any) error }) error {
		return row.Scan(&e.Agent, &stored, &mac, &e.Value)
	}
	var err error
	if c.get != nil {
		err = scan(c.get.QueryRowContext(ctx, key[:], signer[:]))
	} else {
		// A store in memory has one connection, the writer's.
		err = c.write(ctx, func(s *statements) error {
			return s.query(selectEntry, []any{key[:], signer[:]}, &e.Agent, &stored, &mac, &e.Value)
		})
	}
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return cache.Entry{}, false, nil
	case err != nil:
		return cache.Entry{}, false, explain("read cache", err)
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
		if err != nil {
			return err
		}
		if total > c.max {
			return c.evict(s, total)
		}
		return sweep(s)
	})
}

// putEntry writes the rows and returns how many entries and bytes were added.
func putEntry(s *statements, key cache.Key, e cache.Entry, size int64) (added int, grown int64, err error) {
	var id, old int64
	now := micros(e.Stored)
	err = s.query("SELECT id, bytes FROM entries WHERE key = ? AND signer = ?", []any{key[:], e.Signer[:]}, &id, &old)
	switch {
	case err == nil:
		err = errors.Join(
			s.run("UPDATE contents SET mac = ?, value = ? WHERE id = ?", e.MAC[:], e.Value, id),
			s.run("UPDATE entries SET agent = ?, bytes = ?, stored_us = ?, used_us = ? WHERE id = ?", e.Agent, size, now, now, id),
		)
		return 0, size - old, err
	case !errors.Is(err, sql.ErrNoRows):
		return 0, 0, err
	}
	err = s.query("INSERT INTO contents (mac, value) VALUES (?, ?) RETURNING id", []any{e.MAC[:], e.Value}, &id)
	if err != nil {
		return 0, 0, err
	}
	err = s.run("INSERT INTO entries (id, key, signer, agent, bytes, stored_us, used_us) VALUES (?,?,?,?,?,?,?)",
		id, key[:], e.Signer[:], e.Agent, size, now, now)
	return 1, size, err
}

// evict makes room: a tenth of the store at once, so that it is rare. Only the
// small rows go now; their contents are left to sweep.
func (c *Cache) evict(s *statements, total int64) error {
	goal := c.max / 10 * 9
	for total > goal {
		var count int64
		if err := s.query("SELECT entries FROM totals", nil, &count); err != nil {
			return err
		}
		// As many as the goal needs, if all were of one size.
		n := max(count*(total-goal)/total, 1)
		var ids string
		var bytes int64
		err := s.query(`SELECT json_group_array(id), coalesce(sum(bytes), 0) FROM
			(SELECT id, bytes FROM entries ORDER BY used_us LIMIT ?)`, []any{n}, &ids, &bytes)
		if err != nil || bytes == 0 {
			return err
		}
		err = errors.Join(
			s.run("DELETE FROM entries WHERE id IN (SELECT value FROM json_each(?))", ids),
			s.run("INSERT INTO dropped (ids) VALUES (?)", ids),
			s.query("UPDATE totals SET entries = entries - ?1, bytes = bytes - ?2, evictions = evictions + ?1 RETURNING bytes", []any{n, bytes}, &total),
		)
		if err != nil {
			return err
		}
	}
	return nil
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
		return fmt.Errorf("read list of dropped contents: %w", err)
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
			if err := s.run("UPDATE entries SET used_us = ? WHERE key = ? AND signer = ?", micros(at), key[:], n.Signer[:]); err != nil {
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
