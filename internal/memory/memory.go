// Package memory owns past sessions: what was asked, what came of it, and which
// of them are similar to a task in meaning.
//
// The rows of the store are the truth. Beside them lies a file that holds the
// signs of every vector and what searches narrow by; it is derived, and made
// again whenever it does not agree with the rows. A search reads it from
// beginning to end, takes the nearest by the number of different signs, and
// ranks these by their exact vectors, which come from the rows.
package memory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// ErrClosed is returned after Close.
var ErrClosed = errors.New("the memory is closed")

// ErrNoEmbedder is returned where a search by meaning has no embedder.
var ErrNoEmbedder = errors.New("no embedding model is in use")

// Retention is how long sessions are kept where nothing else is said.
const Retention = 90 * 24 * time.Hour

// Options are what a memory needs.
type Options struct {
	Store Store
	// Embedder may be nil: then searches go by words.
	Embedder Embedder
	// Index is where the names of side files begin, a path beside the
	// database; empty keeps them in memory.
	Index string
	// Retention is how long sessions are kept: 0 means [Retention], a negative
	// one for ever.
	Retention time.Duration
	// Now is the clock, [time.Now] where nil.
	Now func() time.Time
	// Idle is how long what searches have in memory stays without being used: 0
	// means for ever.
	Idle time.Duration
	// Local is the zone of imported times without one, [time.Local] where nil.
	Local *time.Location
	// Warn hears of faults that cost speed or a vector, never a session. It may
	// be nil, and is called from several goroutines.
	Warn func(error)
}

// Memory is the memory of past sessions. It is safe for concurrent use.
type Memory struct {
	store    Store
	embedder Embedder
	prefix   string
	keep     time.Duration
	idle     time.Duration
	now      func() time.Time
	local    *time.Location
	warn     func(error)

	worker worker
	recent recent

	mu     sync.Mutex
	closed bool
	index  *index // nil until the first search
}

// New returns a memory. It does nothing until it is used.
func New(o Options) *Memory {
	m := &Memory{
		store: o.Store, embedder: o.Embedder, prefix: o.Index, keep: cmp.Or(o.Retention, Retention),
		idle: o.Idle, now: o.Now, local: o.Local, warn: o.Warn,
	}
	if m.now == nil {
		m.now = time.Now
	}
	if m.local == nil {
		m.local = time.Local
	}
	if m.warn == nil {
		m.warn = func(error) {}
	}
	m.worker.init()
	return m
}

// Remember keeps a session, cut to what may be kept of it. vector is that of
// its task as [Memory.Similar] returned it; where it is nil, one is computed in
// the background. It returns when the session is kept.
func (m *Memory) Remember(ctx context.Context, s Session, vector []float32) error {
	if m.isClosed() {
		return ErrClosed
	}
	s = s.bounded(m.now())
	v := m.vector(vector)
	if _, err := m.store.SaveSession(ctx, &s, v); err != nil {
		return fmt.Errorf("remember a session: %w", err)
	}
	if v == nil {
		m.embedLater()
	}
	return nil
}

// vector returns a vector for the store, or nil where there is none of use.
func (m *Memory) vector(v []float32) *Vector {
	if v == nil || m.embedder == nil {
		return nil
	}
	codes, err := quantise(v)
	if err != nil {
		m.warn(err)
		return nil
	}
	return &Vector{Space: m.embedder.Space(), Codes: codes}
}

func (m *Memory) isClosed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.closed
}

// maxEmbedded is how much of a task is embedded, in bytes: more than models
// read.
const maxEmbedded = 8 << 10

func (m *Memory) embed(ctx context.Context, task string) ([]float32, error) {
	if m.isClosed() {
		return nil, ErrClosed
	}
	if m.embedder == nil {
		return nil, ErrNoEmbedder
	}
	list, err := m.embedder.Embed(ctx, []string{embedded(task)})
	if err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, errVector
	}
	return list[0], nil
}

// embedded is the part of a task that its vector is of.
func embedded(task string) string { return valid(head(task, maxEmbedded)) }

// Similar returns sessions whose tasks mean the same or nearly so, the most
// similar first and none that is a copy of another, and the vector of the task,
// for [Memory.Remember]. The vector is there also where the search fails; it is
// nil where there is nothing to compare it with.
func (m *Memory) Similar(ctx context.Context, task string, f Filter) (matches []Match, vector []float32, err error) {
	if some, err := m.hasAny(ctx, f); err != nil || !some {
		return nil, nil, err
	}
	if vector, err = m.embed(ctx, task); err == nil {
		matches, err = m.near(ctx, task, vector, f, diverse)
	}
	if err != nil {
		return nil, vector, fmt.Errorf("find similar sessions: %w", err)
	}
	return matches, vector, nil
}

// hasAny reports whether a search could find anything.
func (m *Memory) hasAny(ctx context.Context, f Filter) (bool, error) {
	if m.embedder == nil || m.isClosed() {
		return true, nil // the search itself says what is wrong
	}
	key := int64(nameHash(fmt.Sprintf("%q %q %t", f.Agent, f.Project, f.SuccessOnly)))
	if some, known := m.recent.able.get(key); known {
		return some, nil
	}
	some, err := m.store.MayFind(ctx, f)
	if err != nil {
		return false, fmt.Errorf("find similar sessions: %w", err)
	}
	if some { // and will, until it is gone
		m.recent.able.put(key, true)
	}
	return some, nil
}

const (
	// nearby is how many entries are ranked exactly at first.
	nearby = 100
	// mostNearby is how many in the end, where too few were of use.
	mostNearby = 16 * nearby
)

// near finds what is similar to a text with a vector. choose picks from what was
// found. Where some of that is gone, another look at the rows tells.
func (m *Memory) near(ctx context.Context, text string, vector []float32, f Filter, choose func([]hit, int) []hit) ([]Match, error) {
	matches, whole, err := m.look(ctx, text, vector, f, choose)
	if err == nil && !whole {
		m.recent.clear()
		matches, _, err = m.look(ctx, text, vector, f, choose)
	}
	return matches, err
}

// look searches once. whole says that everything chosen was there.
func (m *Memory) look(ctx context.Context, text string, vector []float32, f Filter, choose func([]hit, int) []hit) (matches []Match, whole bool, err error) {
	codes, err := quantise(vector)
	if err != nil {
		return nil, false, err
	}
	words, sieve := signs(codes), newSieve(f)
	index, err := m.indexOf(words)
	if err != nil {
		return nil, false, err
	}
	var chosen []hit
	for most := nearby; ; most *= 4 {
		found, err := index.nearest(ctx, words, sieve, most)
		if err != nil {
			return nil, false, err
		}
		hits, stale, err := m.rank(ctx, vector, words, sieve, found)
		if err != nil {
			return nil, false, err
		}
		if stale {
			m.reindexLater()
		}
		if err := m.withWords(ctx, text, hits); err != nil {
			return nil, false, err
		}
		similar := slices.IndexFunc(hits, func(h hit) bool { return h.similarity < f.AtLeast })
		if similar >= 0 {
			hits = hits[:similar]
		}
		chosen = choose(hits, f.limit())
		// More are asked for, unless those that follow are not similar.
		if len(chosen) >= f.limit() || similar >= 0 || len(found) < most || most >= mostNearby {
			break
		}
	}
	matches, err = m.fetch(ctx, chosen, f)
	return matches, len(matches) == len(chosen), err
}

// rank orders candidates by their exact similarity. What the rows do not have
// any more drops out; stale says that the index has too much of that, or does
// not agree with the rows.
func (m *Memory) rank(ctx context.Context, vector []float32, words []uint64, s sieve, found []candidate) (hits []hit, stale bool, err error) {
	if len(found) == 0 {
		return nil, false, nil
	}
	numbers := make([]int64, len(found))
	distances := make(map[int64]int, len(found))
	for i, c := range found {
		numbers[i], distances[c.number] = c.number, c.distance
	}
	list, err := m.vectorsOf(ctx, numbers)
	if err != nil {
		return nil, false, err
	}
	stale = len(list) < len(found)/2
	for _, v := range list {
		if len(v.Codes) != len(vector) {
			continue
		}
		if differ(words, signs(v.Codes)) != distances[v.Number] {
			stale = true
		}
		if s.passesRow(v) {
			hits = append(hits, hit{v, similarity(vector, v.Codes)})
		}
	}
	return alone(hits), stale, nil
}

// alone leaves each session once, with the vector that was kept last, the most
// similar first: one that was made anew while it was looked for has two.
func alone(hits []hit) []hit {
	last := make(map[int64]int64, len(hits))
	for _, h := range hits {
		last[h.Session] = max(last[h.Session], h.Number)
	}
	hits = slices.DeleteFunc(hits, func(h hit) bool { return h.Number != last[h.Session] })
	sortHits(hits)
	return hits
}

// vectorsOf returns the vectors of numbers that are there, or were lately.
func (m *Memory) vectorsOf(ctx context.Context, numbers []int64) ([]*Vector, error) {
	list := make([]*Vector, 0, len(numbers))
	var unknown []int64
	for _, n := range numbers {
		if v, ok := m.recent.vectors.get(n); ok {
			list = append(list, v)
		} else {
			unknown = append(unknown, n)
		}
	}
	if len(unknown) == 0 {
		return list, nil
	}
	rows, err := m.store.VectorsOf(ctx, m.embedder.Space(), unknown)
	for i := range rows {
		v := &rows[i]
		m.recent.vectors.put(v.Number, v)
		list = append(list, v)
	}
	return list, err
}

// fetch reads the sessions of hits, in their order.
func (m *Memory) fetch(ctx context.Context, hits []hit, f Filter) ([]Match, error) {
	if len(hits) == 0 {
		return nil, nil
	}
	ids := make([]int64, len(hits))
	for i, h := range hits {
		ids[i] = h.Session
	}
	list, err := m.store.Sessions(ctx, ids)
	if err != nil {
		return nil, err
	}
	byID := make(map[int64]*Session, len(list))
	for i := range list {
		byID[list[i].ID] = &list[i]
	}
	matches := make([]Match, 0, len(ids))
	for _, h := range hits {
		if s := byID[h.Session]; s != nil && f.passes(s) {
			matches = append(matches, Match{*s, h.similarity})
		}
	}
	return matches, nil
}

// indexOf returns the index for vectors of so many words, which is one for as
// long as the embedder does not change its mind.
func (m *Memory) indexOf(words []uint64) (*index, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	if m.index != nil && m.index.words != len(words) {
		return nil, errVector
	}
	if m.index == nil {
		m.index = newIndex(m.store, m.embedder.Space(), m.prefix, len(words))
		m.index.warn, m.index.now, m.index.idle = m.warn, m.now, m.idle
	}
	return m.index, nil
}

// Close ends the background work: it waits until the sessions that have no
// vector yet have got one, or until ctx ends; the next process goes on with
// the rest. The store stays open. It may be called again.
func (m *Memory) Close(ctx context.Context) error {
	m.mu.Lock()
	m.closed = true
	index := m.index
	m.mu.Unlock()
	err := m.worker.close(ctx)
	if index != nil {
		err = errors.Join(err, index.close(context.WithoutCancel(ctx)))
	}
	return err
}

// Sessions returns those of the given numbers that are there, in any order.
func (m *Memory) Sessions(ctx context.Context, ids []int64) ([]Session, error) {
	list, err := m.store.Sessions(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read past sessions: %w", err)
	}
	return list, nil
}

// OfRun returns the sessions of a run of the ledger: none or one.
func (m *Memory) OfRun(ctx context.Context, runID string) ([]Session, error) {
	if runID == "" {
		return nil, nil
	}
	ids, err := m.store.OfRun(ctx, runID)
	if err != nil {
		return nil, fmt.Errorf("read past sessions: %w", err)
	}
	return m.Sessions(ctx, ids)
}
