package cache

import (
	"context"
	"time"
)

// Key identifies everything that shapes an answer; see [KeyOf].
type Key = [32]byte

// Entry is an answer as it is kept.
type Entry struct {
	// Value is the answer, encoded; MAC signs it together with its key and
	// time; Signer says which secret did.
	Value  []byte
	MAC    [32]byte
	Signer [8]byte
	Agent  string
	Stored time.Time
}

// Entries keep answers, for all processes of a user. It is safe for concurrent
// use. Nothing that fails here fails a run.
type Entries interface {
	// Get returns the entry of a key that the signer has made.
	Get(ctx context.Context, key Key, signer [8]byte) (Entry, bool, error)
	// Put keeps an entry, takes the room it needs from the least recently
	// used ones, and ends the holder's lease, all at once. An entry that is
	// larger than the whole store is not kept, and nothing is evicted for it.
	Put(ctx context.Context, key Key, e Entry, holder string) error
	// SetAside takes an entry out that failed its verification, and keeps it
	// for inspection.
	SetAside(ctx context.Context, key Key, signer [8]byte) error
}

// Leases let one process make a call while others wait for its answer.
type Leases interface {
	// Acquire takes the lease of a key that nobody holds, or whose holder is
	// dead. Where somebody holds it, held is false. Who has been waiting gets
	// the outcome that the holder left, if there is one; who has not takes
	// the lease, for an outcome is not a kept answer.
	Acquire(ctx context.Context, key Key, holder string, waiting bool, now time.Time) (held bool, outcome []byte, err error)
	// Extend keeps all leases of a holder alive.
	Extend(ctx context.Context, holder string, now time.Time) error
	// Release ends a lease. An outcome stays for a while, for those who wait.
	Release(ctx context.Context, key Key, holder string, outcome []byte, now time.Time) error
}

// Note is what happened since the last one: counts by agent, and keys whose
// entries were used.
type Note struct {
	Counts map[string]Counts
	Used   map[Key]time.Time
	Signer [8]byte
}

// Counts are how requests of an agent were answered. Amounts are nano-dollars.
type Counts struct {
	MemoryHits, DiskHits, Joins, Misses, VerifyFailures int64
	Saved                                               int64
}

// Add returns the sum.
func (c Counts) Add(d Counts) Counts {
	return Counts{
		MemoryHits: c.MemoryHits + d.MemoryHits, DiskHits: c.DiskHits + d.DiskHits, Joins: c.Joins + d.Joins,
		Misses: c.Misses + d.Misses, VerifyFailures: c.VerifyFailures + d.VerifyFailures, Saved: c.Saved + d.Saved,
	}
}

// Notes keep counts and uses.
type Notes interface {
	Note(ctx context.Context, n Note) error
}

// Store is all that the layer keeps on disk.
type Store interface {
	Entries
	Leases
	Notes
}

// LeaseTime is how long a lease lives without being extended: a dead holder's
// is taken over after it.
const LeaseTime = 3 * time.Second

// OutcomeTime is how long an outcome stays for those who wait.
const OutcomeTime = 30 * time.Second
