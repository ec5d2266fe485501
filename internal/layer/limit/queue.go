package limit

import "slices"

// queue is first in, first out; those who left are skipped.
type queue struct {
	tickets []*ticket
	first   int
	length  int // of those who still wait
}

func (q *queue) push(t *ticket) {
	q.tickets = append(q.tickets, t)
	q.length++
}

// head returns the first who waits, or nil.
func (q *queue) head() *ticket {
	for q.first < len(q.tickets) {
		if t := q.tickets[q.first]; !t.gone {
			return t
		}
		q.drop()
	}
	q.tickets, q.first = q.tickets[:0], 0
	return nil
}

func (q *queue) pop() {
	q.drop()
	q.length--
}

// leave counts one who left from anywhere. Many of them are forgotten at once.
func (q *queue) leave() {
	q.length--
	waste := len(q.tickets) - q.first - q.length
	if waste > 1024 && waste > q.length {
		q.tickets = slices.DeleteFunc(q.tickets[q.first:], func(t *ticket) bool { return t.gone })
		q.first = 0
	}
}

func (q *queue) drop() {
	q.tickets[q.first] = nil
	q.first++
	if q.first > 1024 && q.first*2 > len(q.tickets) {
		q.tickets = append(q.tickets[:0], q.tickets[q.first:]...)
		q.first = 0
	}
}

// sum adds the needs of the first most, and returns how many there were.
func (q *queue) sum(to *amounts, most int) int {
	n := 0
	for _, t := range q.tickets[q.first:] {
		if n == most {
			break
		}
		if t.gone {
			continue
		}
		n++
		for i := range to {
			to[i] += t.need[i]
		}
	}
	return n
}

// class is the number of a call's queue.
func class(background bool) int {
	if background {
		return 1
	}
	return 0
}
