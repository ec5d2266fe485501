package cachetest

import (
	"bytes"
	"context"
	"maps"
	"sync"
	"time"

	"github.com/claude-force/claude-force/internal/layer/cache"
)

// Memory is a store in this process, without a limit of size, for tests of
// what stands on a store. The zero value is empty and ready to use. It is safe
// for concurrent use.
type Memory struct {
	mu      sync.Mutex
	fail    error
	entries map[place]cache.Entry
	aside   int
	leases  map[cache.Key]lease
	note    cache.Note
	calls   Calls
}

// Calls are how often each method was called.
type Calls struct{ Get, Put, SetAside, Acquire, Extend, Release, Note int }

var _ cache.Store = (*Memory)(nil)

type place struct {
	key    cache.Key
	signer [8]byte
}

type lease struct {
	holder  string
	until   time.Time
	outcome []byte
}

// Fail makes every method fail with err from now on; nil ends that.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// Entry returns the entry of a key and a signer.
func (m *Memory) Entry(key cache.Key, signer [8]byte) (cache.Entry, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.entries[place{key, signer}]
	return e, ok
}

// Entries is how many entries there are.
func (m *Memory) Entries() int { return m.count(func() int { return len(m.entries) }) }

// Aside is how many entries were set aside.
func (m *Memory) Aside() int { return m.count(func() int { return m.aside }) }

// Leases is how many leases and outcomes there are.
func (m *Memory) Leases() int { return m.count(func() int { return len(m.leases) }) }

func (m *Memory) count(of func() int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return of()
}

// Calls returns how often each method was called.
func (m *Memory) Calls() Calls {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls
}

// Noted returns the sum of all notes; of uses the last one.
func (m *Memory) Noted() cache.Note {
	m.mu.Lock()
	defer m.mu.Unlock()
	return cache.Note{Counts: maps.Clone(m.note.Counts), Used: maps.Clone(m.note.Used), Signer: m.note.Signer}
}

// begin counts a call and returns the error that it fails with.
func (m *Memory) begin(counter *int) error {
	*counter++
	if m.entries == nil {
		m.entries, m.leases = map[place]cache.Entry{}, map[cache.Key]lease{}
		m.note = cache.Note{Counts: map[string]cache.Counts{}, Used: map[cache.Key]time.Time{}}
	}
	return m.fail
}

// Get implements [cache.Entries].
func (m *Memory) Get(_ context.Context, key cache.Key, signer [8]byte) (cache.Entry, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(&m.calls.Get); err != nil {
		return cache.Entry{}, false, err
	}
	e, ok := m.entries[place{key, signer}]
	e.Value = bytes.Clone(e.Value)
	return e, ok, nil
}

// Put implements [cache.Entries].
func (m *Memory) Put(_ context.Context, key cache.Key, e cache.Entry, holder string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(&m.calls.Put); err != nil {
		return err
	}
	if m.leases[key].holder == holder {
		delete(m.leases, key)
	}
	e.Value = bytes.Clone(e.Value)
	m.entries[place{key, e.Signer}] = e
	return nil
}

// SetAside implements [cache.Entries].
func (m *Memory) SetAside(_ context.Context, key cache.Key, signer [8]byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(&m.calls.SetAside); err != nil {
		return err
	}
	if _, ok := m.entries[place{key, signer}]; ok {
		m.aside++
		delete(m.entries, place{key, signer})
	}
	return nil
}

// Acquire implements [cache.Leases].
func (m *Memory) Acquire(_ context.Context, key cache.Key, holder string, waiting bool, now time.Time) (bool, []byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(&m.calls.Acquire); err != nil {
		return false, nil, err
	}
	l, taken := m.leases[key]
	longest := cache.LeaseTime
	if l.outcome != nil {
		longest = cache.OutcomeTime
	}
	alive := taken && l.until.After(now) && !l.until.After(now.Add(longest))
	if alive && (l.outcome == nil || waiting) {
		return false, bytes.Clone(l.outcome), nil
	}
	m.leases[key] = lease{holder: holder, until: now.Add(cache.LeaseTime)}
	return true, nil, nil
}

// Extend implements [cache.Leases].
func (m *Memory) Extend(_ context.Context, holder string, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(&m.calls.Extend); err != nil {
		return err
	}
	for key, l := range m.leases {
		if l.holder == holder && l.outcome == nil {
			l.until = now.Add(cache.LeaseTime)
			m.leases[key] = l
		}
	}
	return nil
}

// Release implements [cache.Leases].
func (m *Memory) Release(_ context.Context, key cache.Key, holder string, outcome []byte, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(&m.calls.Release); err != nil {
		return err
	}
	switch {
	case m.leases[key].holder != holder:
	case outcome == nil:
		delete(m.leases, key)
	default:
		m.leases[key] = lease{holder: holder, until: now.Add(cache.OutcomeTime), outcome: bytes.Clone(outcome)}
	}
	return nil
}

// Note implements [cache.Notes].
func (m *Memory) Note(_ context.Context, n cache.Note) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(&m.calls.Note); err != nil {
		return err
	}
	for agent, c := range n.Counts {
		m.note.Counts[agent] = m.note.Counts[agent].Add(c)
	}
	maps.Copy(m.note.Used, n.Used)
	m.note.Signer = n.Signer
	return nil
}
