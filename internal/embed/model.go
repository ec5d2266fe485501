package embed

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/claude-force/claude-force/internal/embed/lite"
)

// builtIn lies in the program's file and is read where it lies.
//
//go:embed weights/use-lite-en.bin
var builtIn []byte

// arithmetic counts the changes to how the encoder computes, after which the
// same weights give other vectors.
const arithmetic = "1"

// Dimensions is the length of the vectors of a [Model].
const Dimensions = lite.Dimensions

// defaultCacheEntries holds 2 KiB each.
const defaultCacheEntries = 256

// Options are those of a [Model]. The zero value is useful.
type Options struct {
	// Idle is how long what was loaded stays without being used; 0 means for
	// ever.
	Idle time.Duration
	// Now is the clock; nil is [time.Now].
	Now func() time.Time
	// CacheEntries is how many of the latest vectors are kept in memory, 2 KiB
	// each. 0 means 256, and less none.
	CacheEntries int
	// Weights are the weights, nil those that are built in. They must not change.
	Weights []byte
}

// Model is the encoder that is built in. It loads at first use, in
// milliseconds. It is safe for concurrent use.
type Model struct {
	idle    time.Duration
	now     func() time.Time
	entries int
	weights []byte

	mu     sync.Mutex
	loaded *loaded
	users  int // of loaded, at work now
	used   time.Time
	alarm  *time.Timer // nil while nothing is loaded
	err    error       // why it cannot be used any more
}

// loaded is what idleness gives back.
type loaded struct {
	encoder *lite.Encoder
	recent  recent
}

// New returns an encoder and does no work yet.
func New(o Options) *Model {
	m := &Model{idle: o.Idle, now: o.Now, entries: o.CacheEntries, weights: o.Weights}
	if m.now == nil {
		m.now = time.Now
	}
	if m.entries == 0 {
		m.entries = defaultCacheEntries
	}
	if m.weights == nil {
		m.weights = builtIn
	}
	return m
}

// Space implements [Embedder]. It loads nothing.
func (m *Model) Space() string {
	sum, err := lite.Checksum(m.weights)
	if err != nil {
		return "use-lite-en/damaged"
	}
	return "use-lite-en/" + arithmetic + "-" + hex.EncodeToString(sum[:6])
}

// Embed implements [Embedder]. It uses as many processors as there are texts
// and [runtime.GOMAXPROCS] allows. It returns [ErrDamaged], [ErrClosed] or
// the context's error, which it looks for between two texts.
func (m *Model) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("embed texts: %w", err)
	}
	l, err := m.acquire()
	if err != nil {
		return nil, err
	}
	defer m.release()
	vectors := make([][]float32, len(texts))
	var next atomic.Int64
	work := func() {
		for ctx.Err() == nil {
			i := int(next.Add(1)) - 1
			if i >= len(texts) {
				return
			}
			vectors[i] = l.embed(texts[i])
		}
	}
	var wg sync.WaitGroup
	for range min(len(texts), runtime.GOMAXPROCS(0)) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("embed texts: %w", err)
	}
	return vectors, nil
}

func (l *loaded) embed(text string) []float32 {
	key := sha256.Sum256([]byte(text))
	v := l.recent.get(key)
	if v == nil {
		v = l.encoder.Embed(text)
		l.recent.put(key, v)
	}
	return slices.Clone(v)
}

// acquire returns what is loaded, and loads it where it is not.
func (m *Model) acquire() (*loaded, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil && m.loaded == nil {
		encoder, err := lite.Load(m.weights)
		switch {
		case errors.Is(err, lite.ErrDamaged):
			m.err = fmt.Errorf("%w (%w)", ErrDamaged, err)
		case err != nil:
			m.err = fmt.Errorf("load text encoder: %w", err)
		default:
			m.loaded = &loaded{encoder: encoder, recent: recent{most: m.entries}}
		}
	}
	if m.err != nil {
		return nil, m.err
	}
	m.users++
	return m.loaded, nil
}

// release notes the time. One timer runs while something is loaded; when it
// fires too early, it is set again.
func (m *Model) release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.users--
	m.used = m.now()
	if m.idle > 0 && m.alarm == nil && m.loaded != nil {
		m.alarm = time.AfterFunc(m.idle, m.drop)
	}
}

// drop gives back what has been idle for long enough.
func (m *Model) drop() {
	m.mu.Lock()
	if m.loaded == nil {
		m.mu.Unlock()
		return
	}
	left := m.idle
	if m.users == 0 {
		left -= m.now().Sub(m.used)
	}
	if left > 0 {
		m.alarm.Reset(left)
		m.mu.Unlock()
		return
	}
	m.loaded, m.alarm = nil, nil
	m.mu.Unlock()
	debug.FreeOSMemory()
}

// Loaded reports whether the encoder is in memory.
func (m *Model) Loaded() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.loaded != nil
}

// Close gives back what is loaded. Calls that are at work end as usual; later
// ones return [ErrClosed]. It may be called again.
func (m *Model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.alarm != nil {
		m.alarm.Stop()
	}
	m.loaded, m.alarm, m.err = nil, nil, ErrClosed
	return nil
}
