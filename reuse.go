package claudeforce

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/claude-force/claude-force/internal/claude"
	"github.com/claude-force/claude-force/internal/layer/cache"
	"github.com/claude-force/claude-force/internal/layer/charge"
	"github.com/claude-force/claude-force/internal/layer/coalesce"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

// Reuse says whether an earlier answer may stand in for a new one. The zero
// value leaves it to the settings of the cache.
type Reuse string

// The ways of reuse.
const (
	// ReuseNever neither takes nor keeps an answer, and joins nobody.
	ReuseNever Reuse = "never"
	// ReuseOnly takes a kept answer and makes no call.
	ReuseOnly Reuse = "only"
	// ReuseRefresh makes a call of its own and keeps its answer.
	ReuseRefresh Reuse = "refresh"
)

// answers is the response cache.
type answers struct {
	*trouble
	cache *cache.Cache // nil where there is none
	store *sqlite.Cache
}

// close keeps the counts and closes the store.
func (a *answers) close() error {
	if a.cache == nil {
		return nil
	}
	// Counts that cannot be kept are no reason to fail.
	_ = a.cache.Close()
	return a.store.Close()
}

// openAnswers opens the response cache. What keeps it from opening is a
// warning: a run answers without it.
func (e *Engine) openAnswers() *answers {
	a := &answers{trouble: &e.trouble}
	e.answersOpen.Store(true)
	c, err := e.catalogue()
	if err != nil || !e.config.Bool("cache.enabled") {
		return a
	}
	store, secret, healed, err := e.openCacheStore()
	if err != nil {
		a.warn("the response cache is off: " + err.Error())
		return a
	}
	if healed != "" {
		a.warn("the response cache was damaged: it was moved to " + healed + " and a new one was begun")
	}
	a.store = store
	a.cache, err = cache.New(cache.Options{
		Store: store, Signer: cache.NewSigner(secret), Holder: e.options.NewID(),
		TTL: e.config.Duration("cache.ttl"), Verify: cache.Verify(e.config.Text("cache.verify")),
		Price: priceOf(c.Catalogue, e.options.Now), Now: e.options.Now,
		Warn: func(err error) { a.warn("the response cache fails: " + err.Error()) },
	})
	if err != nil {
		a.warn("the response cache is off: " + err.Error())
		_ = store.Close()
	}
	return a
}

func priceOf(prices *model.Catalogue, now func() time.Time) func(*llm.Request, *llm.Response) int64 {
	return func(req *llm.Request, resp *llm.Response) int64 {
		cost := charge.Price(prices, req, resp, now())
		if cost.Unknown {
			return 0
		}
		return cost.Nano
	}
}

func (e *Engine) openCacheStore() (store *sqlite.Cache, secret []byte, healed string, err error) {
	ctx := context.Background()
	room := e.config.Size("cache.max_size")
	if e.options.Demo {
		store, err = sqlite.OpenCache(ctx, sqlite.Memory, room)
		return store, newSecret(), "", err
	}
	dir := e.paths.Cache
	if dir == "" {
		return nil, nil, "", errors.New("there is no folder for it: set HOME, XDG_CACHE_HOME or CLAUDE_FORCE_HOME")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, "", fmt.Errorf("make its folder: %w", err)
	}
	if secret, err = e.cacheSecret(dir); err != nil {
		return nil, nil, "", err
	}
	path := filepath.Join(dir, "cache.db")
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, nil, "", fmt.Errorf("%s is no regular file, and links are not followed", path)
	}
	store, healed, err = sqlite.OpenOrHealCache(ctx, path, room)
	return store, secret, healed, err
}

// cacheSecret returns the secret that signs entries: from the environment, or
// the one that was made for this install at its first use.
func (e *Engine) cacheSecret(dir string) ([]byte, error) {
	if s := e.options.Getenv("CLAUDE_FORCE_CACHE_SECRET"); s != "" {
		return []byte(s), nil
	}
	path := filepath.Join(dir, "cache.key")
	for range 2 {
		secret, err := readSecret(path)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return secret, err
		}
		if err := makeSecret(path); err != nil {
			return nil, err
		}
	}
	return readSecret(path)
}

const secretSize = 32

func readSecret(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() != secretSize {
		return nil, fmt.Errorf("%s is not a secret of this program: move it away to have a new one made", path)
	}
	return os.ReadFile(path)
}

func newSecret() []byte {
	secret := make([]byte, secretSize)
	_, _ = rand.Read(secret) // never fails, see its documentation
	return secret
}

// makeSecret makes the file whole or not at all; of two processes that try at
// once, both then read the first one's.
func makeSecret(path string) error {
	secret := newSecret()
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return fmt.Errorf("make the secret of the cache: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(secret)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Link(f.Name(), path)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make the secret of the cache: %w", err)
	}
	return nil
}

// reuse decides how a request may be answered by another one's answer.
func (e *Engine) reuse(r Run, req *llm.Request) llm.Reuse {
	mode := llm.ReuseOn
	switch r.Reuse {
	case ReuseNever:
		return llm.Reuse{}
	case ReuseOnly:
		mode = llm.ReuseOnly
	case ReuseRefresh:
		mode = llm.ReuseRefresh
	}
	if !e.config.Bool("cache.enabled") || slices.Contains(e.config.List("cache.exclude_agents"), req.Agent) {
		if mode == llm.ReuseOnly {
			return llm.Reuse{Mode: mode} // which nothing is kept for
		}
		return llm.Reuse{}
	}
	place := cache.Place{BaseURL: e.baseURL(), Version: e.config.Text("api.version"), Memory: req.Memory != llm.MemoryOff}
	if e.config.Text("cache.scope") == "project" {
		place.Scope = e.paths.State // one for each project, and for none
	}
	return llm.Reuse{Mode: mode, Key: cache.KeyOf(req, place)}
}

// baseURL is the address that answers, which is none in a demo.
func (e *Engine) baseURL() string {
	if e.options.Demo {
		return claude.DefaultBaseURL
	}
	return e.config.Text("api.base_url")
}

// layers are the two that answer without a call. Calls in flight are shared
// also where there is no cache.
func (a *answers) layers(price func(*llm.Request, *llm.Response) int64) (joins, kept llm.Layer) {
	if a.cache == nil {
		return coalesce.Layer(coalesce.Options{Price: price}), cache.Absent
	}
	return coalesce.Layer(coalesce.Options{Price: price, OnJoin: a.cache.Joined}), a.cache.Layer()
}
