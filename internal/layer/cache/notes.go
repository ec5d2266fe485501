package cache

import (
	"context"
	"sync"
	"time"
)

// Notes are kept when the first of them is this old, or so many have gathered.
const (
	oldNotes  = time.Second
	manyNotes = 1 << 16
)

// notes gathers counts and uses, so that a hit costs no write.
type notes struct {
	keep func(Note) error

	mu     sync.Mutex
	note   Note
	size   int
	since  time.Time
	sender sync.Mutex
}

func (n *notes) count(agent string, c Counts) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.add(agent, c)
}

func (n *notes) add(agent string, c Counts) {
	if n.note.Counts == nil {
		n.note.Counts = map[string]Counts{}
	}
	n.note.Counts[agent] = n.note.Counts[agent].Add(c)
	n.size++
}

// hit counts, and keeps the entry from being the next to go.
func (n *notes) hit(agent string, c Counts, key Key, now time.Time) {
	n.mu.Lock()
	n.add(agent, c)
	if n.note.Used == nil {
		n.note.Used = map[Key]time.Time{}
	}
	n.note.Used[key] = now
	n.mu.Unlock()
	n.tick(now)
}

// tick keeps the notes where they are due.
func (n *notes) tick(now time.Time) {
	n.mu.Lock()
	if n.since.IsZero() {
		n.since = now
	}
	due := n.size >= manyNotes || now.Sub(n.since).Abs() >= oldNotes
	n.mu.Unlock()
	if due {
		_ = n.flush() // what could not be kept is tried again
	}
}

// flush keeps what has gathered. Notes that cannot be kept stay.
func (n *notes) flush() error {
	n.sender.Lock()
	defer n.sender.Unlock()
	n.mu.Lock()
	note := n.note
	n.note, n.size, n.since = Note{}, 0, time.Time{}
	n.mu.Unlock()
	if len(note.Counts) == 0 && len(note.Used) == 0 {
		return nil
	}
	err := n.keep(note)
	if err != nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		for agent, c := range note.Counts {
			n.add(agent, c)
		}
	}
	return err
}

func (c *Cache) keepNotes(n Note) error {
	n.Signer = c.Signer.ID()
	return c.Store.Note(context.Background(), n)
}
