package memory

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// ErrForgetAll is returned by a call that would forget every session without
// saying so.
var ErrForgetAll = errors.New("say which sessions to forget: a text, an agent, a project or a time")

// Forget deletes sessions so that neither the database nor a side file holds
// them any more, and returns how many there were.
func (m *Memory) Forget(ctx context.Context, ids []int64) (int, error) {
	n, err := m.store.DeleteSessions(ctx, ids)
	m.recent.clear()
	if n > 0 {
		// The index comes second: where this is cut off, searches find out.
		err = errors.Join(err, m.rebuildIndex(ctx), m.store.GiveBack(ctx))
	}
	if err != nil {
		return n, fmt.Errorf("forget sessions: %w", err)
	}
	return n, nil
}

// ForgetMatching forgets the sessions that pass the filter and whose task or
// output contains text, whatever the case of ASCII letters. Where neither says
// anything it returns [ErrForgetAll].
func (m *Memory) ForgetMatching(ctx context.Context, text string, f Filter) (int, error) {
	if text == "" && f.Agent == "" && f.Project == "" && f.Since.IsZero() && f.Until.IsZero() {
		return 0, ErrForgetAll
	}
	ids, err := m.store.Matching(ctx, text, f)
	if err != nil {
		return 0, fmt.Errorf("forget sessions: %w", err)
	}
	return m.Forget(ctx, ids)
}

// pruneStep is how many expired sessions are looked up at a time.
const pruneStep = 1000

// Prune forgets the sessions from before a time, in small deletes that let
// others write between them, and returns how many there were. One that is cut
// off is taken up by the next.
func (m *Memory) Prune(ctx context.Context, olderThan time.Time) (int, error) {
	pruned := 0
	for {
		ids, err := m.store.Expired(ctx, olderThan, pruneStep)
		if err == nil && len(ids) > 0 {
			var n int
			n, err = m.store.DeleteSessions(ctx, ids)
			pruned += n
		}
		if err == nil && len(ids) == pruneStep {
			continue
		}
		m.recent.clear()
		if pruned > 0 {
			err = errors.Join(err, m.rebuildIndex(ctx), m.store.GiveBack(ctx))
		}
		if err != nil {
			return pruned, fmt.Errorf("prune the memory: %w", err)
		}
		return pruned, nil
	}
}

// Housekeep prunes what is older than the retention, once a day of UTC for all
// processes, and gives vectors to the sessions that another process has left
// without. It returns how many sessions were pruned; 0 where the day is done.
func (m *Memory) Housekeep(ctx context.Context) (int, error) {
	if m.isClosed() {
		return 0, ErrClosed
	}
	m.embedLater()
	if m.keep < 0 {
		return 0, nil
	}
	now := m.now()
	today := now.Unix() / (24 * 60 * 60)
	if last, err := m.store.PrunedDay(ctx); err != nil || last >= today {
		return 0, err
	}
	pruned, err := m.Prune(ctx, now.Add(-m.keep))
	if err == nil {
		// Two processes may do the same work; half of it done counts for nothing.
		err = m.store.SetPrunedDay(ctx, today)
	}
	return pruned, err
}

// rebuildIndex makes the index from the rows.
func (m *Memory) rebuildIndex(ctx context.Context) error {
	index, err := m.anyIndex(ctx)
	if err != nil {
		return err
	}
	if index == nil {
		return m.removeFiles()
	}
	if err := index.again(ctx); err != nil {
		return fmt.Errorf("rebuild the side file of the memory: %w", err)
	}
	return nil
}

// anyIndex returns the index, also where no search has opened it, or nil where
// no row has a vector.
func (m *Memory) anyIndex(ctx context.Context) (*index, error) {
	if m.embedder == nil {
		return nil, nil //nolint:nilnil // there is none
	}
	m.mu.Lock()
	index := m.index
	m.mu.Unlock()
	if index != nil {
		return index, nil
	}
	list, err := m.store.VectorsAfter(ctx, m.embedder.Space(), 0, 1)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return m.indexOf(signs(list[0].Codes))
}

// removeFiles deletes the side files of all spaces; a search makes its own
// again.
func (m *Memory) removeFiles() error {
	if m.prefix == "" {
		return nil
	}
	names, err := filepath.Glob(globbed(m.prefix) + "-????????.index")
	for _, name := range names {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// globbed is a path that a pattern matches literally.
func globbed(path string) string {
	out := make([]byte, 0, len(path))
	for i := range len(path) {
		switch path[i] {
		case '*', '?', '[', '\\':
			if filepath.Separator != '\\' { // Windows has no escapes, nor such names
				out = append(out, '\\')
			}
		}
		out = append(out, path[i])
	}
	return string(out)
}

// Stats are figures of the memory.
type Stats struct {
	Sessions, Succeeded int64
	// Embedded is how many sessions have a vector in each space.
	Embedded map[string]int64
	// Agents is how many sessions each agent has.
	Agents map[string]int64
	// Oldest and Newest are when the first and the last run began; zero where
	// there are none.
	Oldest, Newest time.Time
	// IndexBytes is the size of the side files.
	IndexBytes int64
}

// Stats returns the figures of the memory.
func (m *Memory) Stats(ctx context.Context) (Stats, error) {
	stats, err := m.store.Counts(ctx)
	if err != nil {
		return Stats{}, fmt.Errorf("count sessions: %w", err)
	}
	if m.prefix != "" {
		names, _ := filepath.Glob(globbed(m.prefix) + "-????????.index") // the pattern is well formed
		for _, name := range names {
			if info, err := os.Stat(name); err == nil {
				stats.IndexBytes += info.Size()
			}
		}
	}
	return stats, nil
}

// Reindex gives a vector of the embedder in use to every session that has none
// of it, and makes the side file from the rows. progress, which may be nil,
// hears how many sessions of how many have been tried.
func (m *Memory) Reindex(ctx context.Context, progress func(done, total int64)) error {
	if m.embedder == nil {
		return ErrNoEmbedder
	}
	stats, err := m.store.Counts(ctx)
	if err != nil {
		return fmt.Errorf("count sessions: %w", err)
	}
	total := stats.Sessions - stats.Embedded[m.embedder.Space()]
	var done, last int64
	for {
		list, err := m.store.Unembedded(ctx, m.embedder.Space(), true, last, batch)
		if err == nil && len(list) > 0 {
			err = m.embedTasks(ctx, list)
		}
		if err != nil {
			return fmt.Errorf("embed sessions: %w", err)
		}
		if len(list) == 0 { // those of other spaces are of no use any more
			return errors.Join(m.removeFiles(), m.rebuildIndex(ctx))
		}
		last = list[len(list)-1].Session
		done += int64(len(list))
		if progress != nil {
			progress(done, max(total, done))
		}
	}
}
