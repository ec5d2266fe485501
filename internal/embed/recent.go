package embed

import "sync"

// key is the SHA-256 of a text.
type key = [32]byte

// recent holds the latest vectors, at most so many. Beyond that, the oldest
// goes for each that comes. It is safe for concurrent use.
type recent struct {
	most int

	mu      sync.Mutex
	vectors map[key][]float32
	order   []key // a ring, once it is full
	oldest  int
}

// get returns a vector, which must not be changed, or nil.
func (r *recent) get(k key) []float32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.vectors[k]
}

func (r *recent) put(k key, v []float32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.most <= 0 || r.vectors[k] != nil {
		return
	}
	if r.vectors == nil {
		r.vectors = map[key][]float32{}
	}
	r.vectors[k] = v
	if len(r.order) < r.most {
		r.order = append(r.order, k)
		return
	}
	delete(r.vectors, r.order[r.oldest])
	r.order[r.oldest] = k
	r.oldest = (r.oldest + 1) % r.most
}
