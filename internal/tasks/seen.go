package tasks

import (
	"hash/maphash"
	"math/bits"
)

// Seen is a set of ids that keeps 64 bits of each: about 12 bytes an id, from
// 10 to 15. The zero value is empty and ready to use. It is not safe for
// concurrent use.
//
// Two different ids may have the same 64 bits, and the later one is then taken
// for seen. Among 1,000,000 ids that is a chance of 1 in 37 million, and the
// hash has another seed in each set: no file can be written to cause it.
type Seen struct {
	seed maphash.Seed
	// slots are hashes, probed one after the other from the place that the
	// hash itself tells; 0 is a free slot.
	slots []uint64
	used  int
}

const firstSlots = 64

// Add takes text into the set and reports whether it was not there before.
func (s *Seen) Add(text string) (fresh bool) {
	if s.slots == nil {
		s.seed, s.slots = maphash.MakeSeed(), make([]uint64, firstSlots)
	}
	if s.used >= len(s.slots)/5*4 {
		s.grow()
	}
	if !s.put(s.hash(text)) {
		return false
	}
	s.used++
	return true
}

// Has reports whether text was added before.
func (s *Seen) Has(text string) bool {
	if s.slots == nil {
		return false
	}
	h := s.hash(text)
	return s.slots[s.find(h)] == h
}

// Len is how many ids there are.
func (s *Seen) Len() int { return s.used }

func (s *Seen) hash(text string) uint64 {
	return max(maphash.String(s.seed, text), 1)
}

// find returns the slot that holds h, or the free one where it would be.
func (s *Seen) find(h uint64) int {
	hi, _ := bits.Mul64(h, uint64(len(s.slots))) // h as a fraction of the length
	at := int(hi)
	for s.slots[at] != 0 && s.slots[at] != h {
		if at++; at == len(s.slots) {
			at = 0
		}
	}
	return at
}

func (s *Seen) put(h uint64) (fresh bool) {
	at := s.find(h)
	fresh = s.slots[at] == 0
	s.slots[at] = h
	return fresh
}

// grow makes half as much room again.
func (s *Seen) grow() {
	old := s.slots
	s.slots = make([]uint64, len(old)+len(old)/2)
	for _, h := range old {
		if h != 0 {
			s.put(h)
		}
	}
}
