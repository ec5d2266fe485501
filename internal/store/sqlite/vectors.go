package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/claude-force/claude-force/internal/embed"
)

var _ embed.Store = (*Cache)(nil)

const (
	// mostVectors bounds the table to some 130 MB, with 512 numbers a vector.
	mostVectors = 200_000
	// vectorSlice is how many vectors may go for a transaction that adds some,
	// at least; so the deletes of a full table stay small.
	vectorSlice = 64
	// lookup is how many keys one query looks for.
	lookup = 128
)

// Vectors implements [embed.Store]. A row that makes no sense counts as missing.
func (c *Cache) Vectors(ctx context.Context, space string, keys [][32]byte) ([][]float32, error) {
	vectors := make([][]float32, len(keys))
	for start := 0; start < len(keys); start += lookup {
		end := min(start+lookup, len(keys))
		if err := c.vectors(ctx, space, keys[start:end], vectors[start:end]); err != nil {
			return nil, err
		}
	}
	return vectors, nil
}

// vectors fills in those of a few keys.
func (c *Cache) vectors(ctx context.Context, space string, keys [][32]byte, to [][]float32) error {
	places := make(map[[32]byte][]int, len(keys))
	args := []any{space}
	for i, key := range keys {
		if places[key] == nil {
			args = append(args, key[:])
		}
		places[key] = append(places[key], i)
	}
	today := day(time.Now())
	var stale []int64
	err := c.read(ctx, func(q querier) error {
		rows, err := q.QueryContext(ctx, "SELECT id, key, dims, scale, codes, used_day FROM vectors WHERE space = ? AND key IN (?"+
			strings.Repeat(",?", len(args)-2)+")", args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id, dims, used int64
			var key, codes []byte
			var scale float64
			if err := rows.Scan(&id, &key, &dims, &scale, &codes, &used); err != nil {
				return otherType(err)
			}
			if len(key) != 32 || !sound(dims, scale, codes) {
				continue
			}
			if used < today {
				stale = append(stale, id)
			}
			for _, i := range places[[32]byte(key)] {
				to[i] = embed.Dequantize(signed(codes), float32(scale))
			}
		}
		return rows.Err()
	})
	if err != nil || len(stale) == 0 {
		return err
	}
	return c.touch(stale, today)
}

// sound reports whether a row can be what this program has written.
func sound(dims int64, scale float64, codes []byte) bool {
	return dims == int64(len(codes)) && dims > 0 && scale >= 0 && scale <= math.MaxFloat32
}

// touch notes, without waiting, that vectors were used today.
func (c *Cache) touch(ids []int64, today int64) error {
	list, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	return c.use(func(f *cacheFile) error {
		return f.post(func(s *statements) error {
			return s.run("UPDATE vectors SET used_day = ? WHERE id IN (SELECT value FROM json_each(?))", today, string(list))
		})
	})
}

// PutVectors implements [embed.Store].
func (c *Cache) PutVectors(ctx context.Context, space string, keys [][32]byte, vectors [][]float32) error {
	if len(keys) != len(vectors) {
		return fmt.Errorf("store vectors: there are %d for %d keys", len(vectors), len(keys))
	}
	today := day(time.Now())
	return c.update(ctx, func(s *statements) error {
		for i, v := range vectors {
			codes, scale := embed.Quantize(v)
			err := s.run(`INSERT INTO vectors (space, key, dims, scale, codes, used_day) VALUES (?,?,?,?,?,?)
				ON CONFLICT (space, key) DO UPDATE SET dims = excluded.dims, scale = excluded.scale, codes = excluded.codes,
				used_day = excluded.used_day`, space, keys[i][:], len(v), float64(scale), unsigned(codes), today)
			if err != nil {
				return err
			}
		}
		return dropVectors(s, max(vectorSlice, 2*len(keys)))
	})
}

// dropVectors deletes those that were not used for longest, where there are too
// many.
func dropVectors(s *statements, most int) error {
	var count int64
	if err := s.query("SELECT vectors FROM vector_totals", nil, &count); err != nil {
		return errors.Join(errNonsense, err) // there is one row, always
	}
	if count <= mostVectors {
		return nil
	}
	return s.run("DELETE FROM vectors WHERE id IN (SELECT id FROM vectors ORDER BY used_day, id LIMIT ?)", min(count-mostVectors, int64(most)))
}

// day is the number of a day since 1970 in UTC.
func day(t time.Time) int64 { return t.Unix() / (24 * 60 * 60) }

func signed(b []byte) []int8 {
	codes := make([]int8, len(b))
	for i, v := range b {
		codes[i] = int8(v)
	}
	return codes
}

func unsigned(codes []int8) []byte {
	b := make([]byte, len(codes))
	for i, v := range codes {
		b[i] = byte(v)
	}
	return b
}
