package claudeforce

import (
	"slices"
	"sync"
)

// trouble keeps what is wrong beside the runs themselves, for the next result
// to say. It is safe for concurrent use.
type trouble struct {
	mu    sync.Mutex
	texts []string
}

// mostTrouble bounds what one result has to say.
const mostTrouble = 8

// warn keeps a sentence until it is said, each one once.
func (t *trouble) warn(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.Contains(t.texts, text) && len(t.texts) < mostTrouble {
		t.texts = append(t.texts, text)
	}
}

// drain returns what has not been said.
func (t *trouble) drain() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.texts
	t.texts = nil
	return out
}
