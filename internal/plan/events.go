package plan

import "time"

// event is something that happens to a run, or the time to look after a group
// again (run is nil).
type event struct {
	at    time.Duration
	order uint64 // of events at the same time, the first pushed is the first
	what  what
	run   *run
	group *group
}

// what happens.
type what uint8

const (
	wake    what = iota // the queue has asked to be turned
	refused             // a call is met with a 429
	begun               // an answer begins
	ended               // an answer is complete
)

func (e *event) before(other *event) bool {
	return e.at < other.at || (e.at == other.at && e.order < other.order)
}

// events is a binary heap, the earliest first.
type events struct {
	heap   []event
	pushed uint64
}

func (q *events) push(e event) {
	q.pushed++
	e.order = q.pushed
	h := append(q.heap, e)
	q.heap = h
	for i := len(h) - 1; i > 0; {
		parent := (i - 1) / 2
		if !h[i].before(&h[parent]) {
			return
		}
		h[i], h[parent] = h[parent], h[i]
		i = parent
	}
}

// pop takes the earliest event.
func (q *events) pop() (event, bool) {
	h := q.heap
	if len(h) == 0 {
		return event{}, false
	}
	first, last := h[0], len(h)-1
	h[0], h[last] = h[last], event{}
	h = h[:last]
	q.heap = h
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			return first, true
		}
		if right := child + 1; right < last && h[right].before(&h[child]) {
			child = right
		}
		if !h[child].before(&h[i]) {
			return first, true
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}
