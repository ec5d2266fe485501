package bench

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	_ "modernc.org/sqlite" // the driver that is read bare

	"github.com/claude-force/claude-force/internal/layer/cache"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

// The sizes of what the cache is measured with, in bytes.
const (
	// AnswerBytes is a kept answer's text.
	AnswerBytes = 4 << 10
	// RequestBytes is about what the body of a request has whose key is made.
	RequestBytes = 3 << 10
)

// Contest is one way of doing something beside another. Each side does it n
// times and returns what that took.
type Contest struct {
	Ours, Peer func(n int) (Sample, error)
	// Close frees what both hold.
	Close func() error
}

// Run lets both sides do it n times in turns, so many rounds, after one that
// is not measured.
func (c *Contest) Run(rounds, n int) (ours, peer Samples, err error) {
	sides := []func(int) (Sample, error){c.Ours, c.Peer}
	for _, side := range sides {
		if _, err := side(n); err != nil {
			return nil, nil, err
		}
	}
	out := make([]Samples, len(sides))
	err = InTurns(rounds, len(sides), func(i int) error {
		s, err := sides[i](n)
		out[i] = append(out[i], s)
		return err
	})
	return out[0], out[1], err
}

// repeated measures something that is done n times.
func repeated(n int, do func(i int) error) (Sample, error) {
	runtime.GC() // each side pays for its own garbage only
	cpu, err := processorTime()
	if err != nil {
		return Sample{}, err
	}
	began := time.Now()
	for i := range n {
		if err := do(i); err != nil {
			return Sample{}, err
		}
	}
	s := Sample{Calls: n, Wall: time.Since(began)}
	after, err := processorTime()
	s.CPU = after - cpu
	return s, err
}

// nowhere is a store that keeps nothing, and says how large what it was given
// is. Only one goroutine may use it.
type nowhere struct{ size int }

func (*nowhere) Get(context.Context, cache.Key, [8]byte) (cache.Entry, bool, error) {
	return cache.Entry{}, false, nil
}

func (s *nowhere) Put(_ context.Context, _ cache.Key, e cache.Entry, _ string) error {
	s.size = len(e.Value)
	return nil
}
func (*nowhere) SetAside(context.Context, cache.Key, [8]byte) error { return nil }
func (*nowhere) Acquire(context.Context, cache.Key, string, bool, time.Time) (bool, []byte, error) {
	return true, nil, nil
}

func (*nowhere) Extend(context.Context, string, time.Time) error                     { return nil }
func (*nowhere) Release(context.Context, cache.Key, string, []byte, time.Time) error { return nil }
func (*nowhere) Note(context.Context, cache.Note) error                              { return nil }

// layer is the cache's layer over what always gives the same answer.
type layer struct {
	*cache.Cache
	llm.Caller
	answer string
}

func newLayer(store cache.Store, answer string) (*layer, error) {
	var broken atomic.Pointer[error]
	c, err := cache.New(cache.Options{
		Store: store, Signer: cache.NewSigner([]byte("a secret of thirty-two bytes ...")), Holder: "bench",
		Verify: cache.VerifyAlways,
		Price:  func(*llm.Request, *llm.Response) int64 { return 0 },
		Warn:   func(err error) { broken.Store(&err) },
	})
	if err != nil {
		return nil, err
	}
	api := llm.CallerFunc(func(context.Context, *llm.Request, func(llm.Event)) (*llm.Response, error) {
		if err := broken.Load(); err != nil {
			return nil, *err
		}
		return &llm.Response{Text: answer, Content: []llm.Block{{Text: answer}}, StopReason: "end_turn"}, nil
	})
	return &layer{c, c.Layer()(api), answer}, nil
}

// requestOf is a request whose key is at hand.
func requestOf(mode llm.ReuseMode, key cache.Key) *llm.Request {
	return &llm.Request{Labels: llm.Labels{Agent: agentName(1)}, Reuse: llm.Reuse{Mode: mode, Key: key}}
}

// ask makes a call, checks the answer and its stream, and returns where it
// came from.
func (l *layer) ask(ctx context.Context, req *llm.Request) (llm.Source, error) {
	streamed := 0
	resp, err := l.Call(ctx, req, func(e llm.Event) { streamed += len(e.Text) })
	if err != nil {
		return "", err
	}
	if resp.Text != l.answer || resp.Source != llm.SourceMiss && streamed != len(l.answer) {
		return "", fmt.Errorf("the answer of %d bytes came as %d, %d of them streamed", len(l.answer), len(resp.Text), streamed)
	}
	return resp.Source, nil
}

// hit is ask for an answer that must come from a tier.
func (l *layer) hit(ctx context.Context, req *llm.Request, tier llm.Source) error {
	source, err := l.ask(ctx, req)
	if err == nil && source != tier {
		err = fmt.Errorf("the answer came from %q, want %q", source, tier)
	}
	return err
}

// keyNumber returns one of as many keys as there are numbers.
func keyNumber(i int) cache.Key {
	return sha256.Sum256(binary.LittleEndian.AppendUint64(nil, uint64(i)))
}

// requests are n requests of different keys.
func requests(n int) []*llm.Request {
	out := make([]*llm.Request, n)
	for i := range out {
		out[i] = requestOf(llm.ReuseOn, keyNumber(i))
	}
	return out
}

// MemoryHits has the layer answer from memory, the key at hand and the answer
// streamed, beside a bare look-up in a cache of the same kind.
func MemoryHits(ctx context.Context) (*Contest, error) {
	l, err := newLayer(&nowhere{}, prose(AnswerBytes))
	if err != nil {
		return nil, err
	}
	bare, err := otter.New(&otter.Options[cache.Key, *string]{MaximumWeight: cache.MemorySize, Weigher: func(cache.Key, *string) uint32 { return AnswerBytes }})
	if err != nil {
		return nil, err
	}
	asked := requests(1000)
	for _, req := range asked {
		if _, err := l.ask(ctx, req); err != nil {
			return nil, err
		}
		bare.Set(req.Reuse.Key, &l.answer)
	}
	return &Contest{
		Ours: func(n int) (Sample, error) {
			return repeated(n, func(i int) error { return l.hit(ctx, asked[i%len(asked)], llm.SourceMemory) })
		},
		Peer: func(n int) (Sample, error) {
			return repeated(n, func(i int) error {
				if v, ok := bare.GetIfPresent(asked[i%len(asked)].Reuse.Key); !ok || len(*v) != AnswerBytes {
					return errors.New("what was kept is gone")
				}
				return nil
			})
		},
		Close: l.Close,
	}, nil
}

// Keys makes keys of requests beside a bare SHA-256 of their bodies.
func Keys() *Contest {
	const parts = 64
	q := NewQuestion(RequestBytes*9/10, TaskBytes)
	var reqs [parts]*llm.Request
	for i := range reqs {
		reqs[i] = llm.New(llm.Params{
			Model: Model, MaxTokens: maxTokens, System: []llm.Block{{Text: q.System}},
			Messages: []llm.Message{{Role: "user", Content: []llm.Block{{Text: q.Task()}}}},
		}, llm.Labels{})
	}
	place := cache.Place{BaseURL: "https://api.anthropic.com", Version: "2023-06-01"}
	sides := func(sum func(*llm.Request) [32]byte) func(n int) (Sample, error) {
		return func(n int) (Sample, error) {
			var last [32]byte
			return repeated(n, func(i int) error {
				key := sum(reqs[i%parts])
				if key == last {
					return errors.New("two requests have one key")
				}
				last = key
				return nil
			})
		}
	}
	return &Contest{
		Ours:  sides(func(r *llm.Request) [32]byte { return cache.KeyOf(r, place) }),
		Peer:  sides(func(r *llm.Request) [32]byte { return sha256.Sum256(r.Body()) }),
		Close: func() error { return nil },
	}
}

// DiskHits has a cache that has nothing in memory answer from a store of so
// many entries, verified, beside the driver's bare read of a value of the same
// size from a database of one table. Each side does it at most entries times.
func DiskHits(ctx context.Context, entries int) (*Contest, error) {
	dir, err := os.MkdirTemp("", "claude-force-bench-")
	if err != nil {
		return nil, err
	}
	c := &Contest{Close: func() error { return os.RemoveAll(dir) }}
	store, err := signedStore(ctx, filepath.Join(dir, "cache.db"), entries)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	db, read, err := bareTable(ctx, filepath.Join(dir, "bare.db"), entries)
	if err != nil {
		return nil, errors.Join(err, store.Close(), c.Close())
	}
	c.Close = func() error { return errors.Join(read.Close(), db.Close(), store.Close(), os.RemoveAll(dir)) }
	asked := requests(entries)
	rand.New(rand.NewPCG(4, 4)).Shuffle(entries, func(i, j int) { asked[i], asked[j] = asked[j], asked[i] })
	c.Ours = func(n int) (Sample, error) {
		l, err := newLayer(store, prose(AnswerBytes))
		if err != nil {
			return Sample{}, err
		}
		s, err := repeated(n, func(i int) error { return l.hit(ctx, asked[i], llm.SourceDisk) })
		return s, errors.Join(err, l.Close())
	}
	c.Peer = func(n int) (Sample, error) {
		return repeated(n, func(i int) error {
			var value []byte
			if err := read.QueryRowContext(ctx, asked[i].Reuse.Key[:]).Scan(&value); err != nil || len(value) == AnswerBytes {
				return err
			}
			return errors.New("another value came back")
		})
	}
	return c, nil
}

// signedStore makes a store with genuine entries, which only the layer can
// make, and opens it anew, as another process finds it.
func signedStore(ctx context.Context, path string, entries int) (*sqlite.Cache, error) {
	room := 2 * roomFor(entries, AnswerBytes)
	s, err := sqlite.OpenCache(ctx, path, room)
	if err != nil {
		return nil, err
	}
	l, err := newLayer(s, prose(AnswerBytes))
	if err == nil {
		err = atOnce(64, entries, func(i int) error {
			_, err := l.ask(ctx, requestOf(llm.ReuseRefresh, keyNumber(i)))
			return err
		})
		err = errors.Join(err, l.Close())
	}
	if err = errors.Join(err, s.Close()); err != nil {
		return nil, err
	}
	return sqlite.OpenCache(ctx, path, room)
}

// bareTable makes a database of one table, with the pragmas that the store
// uses, and returns what reads one of its values.
func bareTable(ctx context.Context, path string, entries int) (*sql.DB, *sql.Stmt, error) {
	pragmas := url.Values{"_pragma": {"auto_vacuum(incremental)", "busy_timeout(10000)", "journal_mode(wal)", "synchronous(normal)", "foreign_keys(on)"}}
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + pragmas.Encode()
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, nil, err
	}
	if err := errors.Join(fillBare(ctx, db, entries), db.Close()); err != nil {
		return nil, nil, err
	}
	if db, err = sql.Open("sqlite", dsn); err != nil {
		return nil, nil, err
	}
	read, err := db.PrepareContext(ctx, "SELECT value FROM answers WHERE key = ?")
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, read, nil
}

func fillBare(ctx context.Context, db *sql.DB, entries int) error {
	if _, err := db.ExecContext(ctx, "CREATE TABLE answers (key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT"); err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	value := []byte(prose(AnswerBytes))
	for i := range entries {
		key := keyNumber(i)
		if _, err := tx.ExecContext(ctx, "INSERT INTO answers VALUES (?, ?)", key[:], value); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}

// atOnce does something for each of n numbers, several at a time.
func atOnce(workers, n int, do func(i int) error) error {
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n && errs[w] == nil; i += workers {
				errs[w] = do(i)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
