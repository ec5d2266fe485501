package memory

import "sync"

// recent is what a process that searches often has of the rows already: what a
// row says of a session never changes, so only that a session is gone has to be
// noticed.
type recent struct {
	vectors table[*Vector]  // by their numbers
	stems   table[[]uint64] // of tasks, by sessions
	able    table[bool]     // filters that may find something, by their hashes
}

func (r *recent) clear() {
	r.vectors.clear()
	r.stems.clear()
	r.able.clear()
}

// mostRecent bounds each table: some 5 MB of vectors, 1 MB of words.
const mostRecent = 8192

// table is a bounded map that begins anew where it is full. Its zero value is
// ready, and safe for concurrent use.
type table[V any] struct {
	mu sync.Mutex
	m  map[int64]V
}

func (t *table[V]) get(key int64) (V, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, ok := t.m[key]
	return v, ok
}

func (t *table[V]) put(key int64, v V) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.m == nil || len(t.m) >= mostRecent {
		t.m = map[int64]V{}
	}
	t.m[key] = v
}

func (t *table[V]) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.m = nil
}
