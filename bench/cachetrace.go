package bench

import (
	"container/list"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/claude-force/claude-force/internal/layer/cache"
	"github.com/claude-force/claude-force/internal/llm"
)

// Trace is a sequence of requests: of [TraceKeys] keys by Zipf's law, and
// scans of keys that never come again, 30 % of all. It is the same each time.
type Trace struct {
	zipf *rand.Zipf
	at   int
}

// The sizes of a trace's parts.
const (
	TraceKeys   = 20_000
	TraceMemory = 1000 // how many entries fit into memory
	scanEvery   = 200
	scanLength  = 60
)

// NewTrace returns a trace at its beginning.
func NewTrace() *Trace {
	return &Trace{zipf: rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.01, 1, TraceKeys-1)}
}

// Next returns the number of the next key.
func (t *Trace) Next() int {
	t.at++
	if t.at%scanEvery < scanLength {
		return TraceKeys + t.at
	}
	return int(t.zipf.Uint64())
}

// MissRatio returns which share of a trace's requests memory has no answer to,
// in percent, by the layer and by a plain LRU of [TraceMemory] entries. As many
// requests as are counted come before, to fill both.
func MissRatio(ctx context.Context, counted int) (ours, lru float64, err error) {
	// The layer's memory holds this many answers of this size.
	const value = (cache.MemorySize/TraceMemory - 256) / 2
	store := &nowhere{}
	l, err := newLayer(store, strings.Repeat("x", value-24))
	if err != nil {
		return 0, 0, err
	}
	trace, plain := NewTrace(), newLRU(TraceMemory)
	for i := range 2 * counted {
		k := trace.Next()
		source, err := l.ask(ctx, requestOf(llm.ReuseOn, keyNumber(k)))
		if err != nil {
			return 0, 0, err
		}
		known := plain.ask(k)
		if i < counted {
			continue
		}
		if source != llm.SourceMemory {
			ours++
		}
		if !known {
			lru++
		}
	}
	if n := cache.MemorySize / (2*store.size + 256); n != TraceMemory {
		return 0, 0, fmt.Errorf("the memory holds %d answers, want %d", n, TraceMemory)
	}
	percent := 100 / float64(counted)
	return ours * percent, lru * percent, l.Close()
}

// lru keeps the keys that were asked for last.
type lru struct {
	size  int
	order *list.List
	at    map[int]*list.Element
}

func newLRU(size int) *lru { return &lru{size, list.New(), map[int]*list.Element{}} }

// ask reports whether a key is there, and keeps it.
func (l *lru) ask(k int) bool {
	if e, ok := l.at[k]; ok {
		l.order.MoveToFront(e)
		return true
	}
	l.at[k] = l.order.PushFront(k)
	if l.order.Len() > l.size {
		delete(l.at, l.order.Remove(l.order.Back()).(int))
	}
	return false
}
