package memory

import (
	"context"
	"fmt"
	"sync"
)

// worker is the one goroutine that works in the background. It begins with the
// first thing to do and ends with Close.
type worker struct {
	begin  sync.Once
	wake   chan struct{}      // there are sessions without a vector
	mend   chan struct{}      // the index does not agree with the rows
	finish chan struct{}      // closed by Close: end when nothing is left to do
	stop   context.CancelFunc // end now; set by begin
	done   chan struct{}
	once   sync.Once
}

func (w *worker) init() {
	w.wake, w.mend = make(chan struct{}, 1), make(chan struct{}, 1)
	w.finish, w.done = make(chan struct{}), make(chan struct{})
}

// close waits for the goroutine, and stops it when ctx ends.
func (w *worker) close(ctx context.Context) error {
	w.once.Do(func() { close(w.finish) })
	w.begin.Do(func() { // it never began
		w.stop = func() {}
		close(w.done)
	})
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
	}
	w.stop()
	<-w.done
	return ctx.Err()
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it will look anyway
	}
}

func (m *Memory) embedLater() {
	if m.embedder != nil {
		signal(m.worker.wake)
		m.startWork()
	}
}

func (m *Memory) reindexLater() {
	signal(m.worker.mend)
	m.startWork()
}

func (m *Memory) startWork() {
	m.worker.begin.Do(func() {
		ctx, stop := context.WithCancel(context.Background())
		m.worker.stop = stop
		go m.work(ctx)
	})
}

// work embeds what has no vector yet and mends the index.
func (m *Memory) work(ctx context.Context) {
	w := &m.worker
	defer close(w.done)
	defer w.stop()
	var last int64 // what fails is left to the next process
	for {
		select {
		case <-w.wake:
			last = m.embedAfter(ctx, last)
			continue
		case <-w.mend:
			m.mendIndex(ctx)
			continue
		default:
		}
		select {
		case <-w.wake:
			last = m.embedAfter(ctx, last)
		case <-w.mend:
			m.mendIndex(ctx)
		case <-w.finish:
			select { // what came before the end is done as well
			case <-w.wake:
				m.embedAfter(ctx, last)
			default:
			}
			return
		}
	}
}

// batch is how many tasks are embedded at a time.
const batch = 32

// embedAfter gives vectors to the sessions after one that have none, and
// returns the last one that it has tried.
func (m *Memory) embedAfter(ctx context.Context, last int64) int64 {
	for ctx.Err() == nil {
		list, err := m.store.Unembedded(ctx, m.embedder.Space(), false, last, batch)
		if err != nil {
			m.complain(ctx, err)
			return last
		}
		if len(list) == 0 {
			return last
		}
		if err := m.embedTasks(ctx, list); err != nil {
			m.complain(ctx, err)
			if ctx.Err() != nil {
				return last
			}
		}
		last = list[len(list)-1].Session
	}
	return last
}

func (m *Memory) complain(ctx context.Context, err error) {
	if ctx.Err() == nil {
		m.warn(fmt.Errorf("sessions got no vector and are not found by meaning: %w", err))
	}
}

// embedTasks computes and keeps the vectors of tasks.
func (m *Memory) embedTasks(ctx context.Context, list []Task) error {
	texts := make([]string, len(list))
	for i, t := range list {
		texts[i] = embedded(t.Text)
	}
	vectors, err := m.embedder.Embed(ctx, texts)
	if err != nil {
		return err
	}
	if len(vectors) != len(list) {
		return errVector
	}
	keep := make([]Vector, 0, len(list))
	for i, v := range vectors {
		codes, bad := quantise(v)
		if bad != nil {
			err = bad // of one text; the others are kept
			continue
		}
		keep = append(keep, Vector{Session: list[i].Session, Space: m.embedder.Space(), Codes: codes})
	}
	if saved := m.store.SaveVectors(ctx, keep); saved != nil {
		return saved
	}
	return err
}

func (m *Memory) mendIndex(ctx context.Context) {
	if err := m.rebuildIndex(ctx); err != nil && ctx.Err() == nil {
		m.warn(err)
	}
}
