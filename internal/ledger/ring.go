package ledger

import "sync"

// RingSize is how many records a [Ring] of the usual size keeps.
const RingSize = 10_000

// Ring keeps the latest runs of this process for those who watch it. It grows
// to its size and not beyond: the oldest record makes room for the newest. It
// is safe for concurrent use.
type Ring struct {
	most int

	mu      sync.Mutex
	records []Record
	added   uint64        // ever
	changed chan struct{} // closed by the next record; nil: nobody waits
}

// NewRing returns a ring of so many records, at least one.
func NewRing(most int) *Ring { return &Ring{most: max(most, 1)} }

// Add adds a record.
func (r *Ring) Add(x Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.records) < r.most {
		r.records = append(r.records, x)
	} else {
		r.records[r.added%uint64(r.most)] = x
	}
	r.added++
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

// Since returns the records that were added after the first seen ones, the
// oldest first, those left out that are gone, and how many were ever added:
// what to ask with the next time.
func (r *Ring) Since(seen uint64) (records []Record, added uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := r.added - uint64(len(r.records))
	for i := min(max(seen, first), r.added); i < r.added; i++ {
		records = append(records, r.records[i%uint64(r.most)])
	}
	return records, r.added
}

// Changed is closed when a record is added after this call.
func (r *Ring) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	return r.changed
}
