package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/claude-force/claude-force/internal/layer/limit"
)

var _ limit.Shared = (*Shared)(nil)

// Shared is the store of what belongs to a user and not to a project: the
// rate limits of each credential. It is safe for concurrent use.
type Shared struct{ *file }

// OpenShared opens the store at path, or [Memory], and makes or migrates its
// schema. A missing file is created with mode 0600; its folder must exist.
func OpenShared(ctx context.Context, path string) (*Shared, error) {
	f, err := openFile(ctx, path, "shared")
	if err != nil {
		return nil, err
	}
	return &Shared{f}, nil
}

// UpdateLimits implements [limit.Shared].
func (s *Shared) UpdateLimits(ctx context.Context, key limit.Key, change func(kept []byte) []byte) error {
	return s.update(ctx, func(st *statements) error {
		var kept []byte
		err := st.query("SELECT state FROM limits WHERE key = ?", []any{key[:]}, &kept)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		return st.run("INSERT OR REPLACE INTO limits (key, state, updated_us) VALUES (?, ?, ?)", key[:], change(kept), micros(time.Now()))
	})
}
