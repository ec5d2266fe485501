package claudeforce

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/claude-force/claude-force/internal/layer/limit"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

// newLimiter returns the limiter of this engine, which shares what it learns
// with all processes of the user.
func (e *Engine) newLimiter() *limit.Limiter {
	e.limiterOpen.Store(true)
	o := limit.Options{
		Attempts: e.config.Integer("retries"), Concurrency: e.config.Count("concurrency"),
		Group: e.limitGroup, Account: e.account(), Holder: e.options.NewID(),
		Jitter: e.options.Jitter, OnRetry: e.logRetry,
		Warn: func(err error) { e.trouble.warn("the rate limits are not shared with other processes: " + err.Error()) },
	}
	if e.shared != nil {
		o.Shared = e.shared
	}
	return limit.New(o)
}

// limitGroup names the models that share a model's rate limits.
func (e *Engine) limitGroup(id string) string {
	c, err := e.catalogue()
	if err != nil {
		return id
	}
	if m, ok := c.Lookup(id); ok && m.LimitGroup != "" {
		return m.LimitGroup
	}
	return id
}

// account names the credential and where it is used, without telling either.
func (e *Engine) account() [32]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%q %q %q", e.baseURL(), e.config.Text("api.auth"), e.credential()))
}

// shared is the user's own store, opened when it is first needed.
type shared struct{ lazy[*sqlite.Shared] }

// newShared returns the store at a path; an empty one means that there is no
// place for it.
func newShared(path string) *shared {
	s := &shared{}
	s.opens(func() (*sqlite.Shared, error) {
		if path == "" {
			return nil, errors.New("there is no folder for them: set HOME, XDG_STATE_HOME or CLAUDE_FORCE_HOME")
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, fmt.Errorf("make their folder: %w", err)
		}
		if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s is no regular file, and links are not followed", path)
		}
		return sqlite.OpenShared(context.Background(), path)
	})
	return s
}

// UpdateLimits implements [limit.Shared].
func (s *shared) UpdateLimits(ctx context.Context, key limit.Key, change func([]byte) []byte) error {
	db, err := s.store()
	if err != nil {
		return err
	}
	return db.UpdateLimits(ctx, key, change)
}
