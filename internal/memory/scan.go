package memory

import (
	"cmp"
	"encoding/binary"
	"io"
	"runtime"
	"slices"
	"sync"
	"time"
)

// candidate is an entry that is near by its signs.
type candidate struct {
	number   int64
	distance int
}

// nearest collects the candidates of one scan.
type nearest struct {
	layout
	query []uint64 // the signs of what is looked for
	sieve sieve
	most  int
	found []candidate
	bound int // no candidate above it can be one of the nearest
}

func newNearest(query []uint64, s sieve, most int) *nearest {
	return &nearest{layout: layout{len(query)}, query: query, sieve: s, most: most, bound: len(query) * 64}
}

// scan looks at packed entries. Few are near, so the filter comes second.
func (n *nearest) scan(entries []byte) {
	size := n.entry()
	for ; len(entries) >= size; entries = entries[size:] {
		d := distance(n.query, entries)
		if d <= n.bound && n.sieve.passes(entries[n.words*8:]) {
			n.add(candidate{n.number(entries), d})
		}
	}
}

func (n *nearest) add(c candidate) {
	n.found = append(n.found, c)
	if len(n.found) >= 2*n.most {
		n.cut()
	}
}

// cut keeps the nearest, of equals the newest.
func (n *nearest) cut() []candidate {
	slices.SortFunc(n.found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(b.number, a.number))
	})
	if len(n.found) >= n.most {
		n.found = n.found[:n.most]
		n.bound = n.found[n.most-1].distance
	}
	return n.found
}

// sieve is a filter in the form of the entries. It may let too much through.
type sieve struct {
	agent, project, task uint64 // 0: any; the last is the one that is not wanted
	since, until         uint32 // both inclusive
	successOnly          bool
	exact                Filter
}

func newSieve(f Filter) sieve {
	s := sieve{until: ^uint32(0), successOnly: f.SuccessOnly, exact: f}
	if f.Agent != "" {
		s.agent = nameHash(f.Agent)
	}
	if f.Project != "" {
		s.project = nameHash(f.Project)
	}
	if f.ExceptTask != "" {
		s.task = nameHash(f.ExceptTask)
	}
	if !f.Since.IsZero() {
		s.since = seconds(f.Since)
	}
	if !f.Until.IsZero() {
		s.until = seconds(f.Until)
	}
	return s
}

// passes looks at the fields that follow the bits of an entry.
func (s *sieve) passes(fields []byte) bool {
	_ = fields[fieldsSize-1]
	at := binary.LittleEndian.Uint32(fields[20:])
	return (!s.successOnly || fields[0]&1 != 0) && at >= s.since && at <= s.until &&
		(s.agent == 0 || binary.LittleEndian.Uint32(fields[8:]) == uint32(s.agent)) &&
		(s.project == 0 || binary.LittleEndian.Uint32(fields[12:]) == uint32(s.project)) &&
		(s.task == 0 || binary.LittleEndian.Uint32(fields[16:]) != uint32(s.task))
}

// passesRow is exact but for names whose hashes of 64 bits are equal.
func (s *sieve) passesRow(v *Vector) bool {
	at := time.UnixMilli(v.At)
	return (!s.successOnly || v.Succeeded) &&
		(s.agent == 0 || v.Agent == s.agent) && (s.project == 0 || v.Project == s.project) &&
		(s.task == 0 || v.Task != s.task) &&
		(s.exact.Since.IsZero() || !at.Before(s.exact.Since)) && (s.exact.Until.IsZero() || at.Before(s.exact.Until))
}

// blocksEach is how many blocks are worth a goroutine.
const blocksEach = 24

// scanFile looks at the first blocks of a file, with all processors where it
// is large. It reads block by block: what is in the system's cache is read
// about as fast as it is compared. The checksums of the first so many blocks
// were verified before. What have has places for is kept there.
func (n *nearest) scanFile(file io.ReaderAt, blocks, verified int, have kept) error {
	workers := max(1, min(runtime.GOMAXPROCS(0), blocks/blocksEach))
	parts := make([]*nearest, workers)
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		parts[w] = newNearest(n.query, n.sieve, n.most)
		wg.Go(func() { errs[w] = parts[w].scanBlocks(file, blocks*w/workers, blocks*(w+1)/workers, verified, have) })
	}
	wg.Wait()
	for w, part := range parts {
		if errs[w] != nil {
			return errs[w]
		}
		for _, c := range part.found {
			n.add(c)
		}
	}
	return nil
}

func (n *nearest) scanBlocks(file io.ReaderAt, from, to, verified int, have kept) error {
	var buf []byte
	for block := from; block < to; block++ {
		entries := have.at(block)
		if entries == nil {
			if buf == nil {
				buf = make([]byte, n.block())
			}
			var err error
			if entries, err = n.readBlock(file, block, buf, block >= verified); err != nil {
				return err
			}
			if block < len(have) { // no other goroutine has this block
				have[block], buf = entries, nil
			}
		}
		n.scan(entries)
	}
	return nil
}

// readBlock reads a block into buf, which has room for one, and returns its
// entries.
func (l layout) readBlock(file io.ReaderAt, block int, buf []byte, verify bool) ([]byte, error) {
	read, err := file.ReadAt(buf[:l.block()], l.offset(block))
	if err != nil && err != io.EOF {
		return nil, err
	}
	return l.open(buf[:read], verify)
}
