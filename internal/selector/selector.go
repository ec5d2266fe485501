package selector

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
)

// Agent is what an agent says of itself. Every part but the name may be empty.
type Agent struct {
	Name        string
	Domains     []string // fields of work, like "database" or "core-web-vitals"
	Description string   // empty: taken from the body
	// WhenToUse says what to ask the agent for, in sentences or lines. Empty: the
	// part of the description and of the body that says so.
	WhenToUse string
	Examples  []string // tasks for it, in a user's words
	Body      string   // the definition, in Markdown
	// Priority decides between equals: 1 goes before 2, and 0, none, goes last.
	Priority int
}

// Options are those of a [Selector]. The zero value compares words only.
type Options struct {
	// Embedder makes vectors of the agents, once, and of each task. Nil: words
	// have to do.
	Embedder Embedder
	// Keywords makes a router by keywords: what counts is whether an agent has a
	// word, however often and wherever. The Embedder is not used.
	Keywords bool
	// Areas are areas of work: what those who work in one call it, and what others
	// ask for. Empty: those that are built in, in data/areas.txt, which also shows
	// the form.
	Areas string
	// Progress is called while the agents' vectors are made, from the goroutine of
	// the call that needs them: how many of their texts are done. The embedder
	// may have kept some, so that it can be over in no time. Nil: no report.
	Progress func(done, total int)
}

// ErrEmptyTask says that there is nothing to find an agent for.
var ErrEmptyTask = errors.New("the task is empty: say in a sentence what is to be done")

// Selector finds the agents that fit a task. It belongs to the agents as they
// were when it was made: where one was edited, make another. It is safe for
// concurrent use.
type Selector struct {
	agents   []Agent // by priority and name
	names    map[string]int32
	docs     []document
	index    *index
	stemmer  *stemmer // remembers nothing any more
	atlas    *atlas   // nil for a router by keywords
	weights  *weights
	embedder Embedder
	progress func(done, total int)
	pool     sync.Pool // of *[]fit, one for each agent

	embedding chan struct{} // holds a token while nobody makes the vectors
	vectors   atomic.Pointer[vectors]
}

// New indexes the words of agents, some milliseconds for a hundred. Their
// vectors are made by the first call that needs them.
func New(agents []Agent, o Options) *Selector {
	s := &Selector{
		agents: slices.Clone(agents), embedder: o.Embedder, progress: o.Progress,
		weights: &withMeaning, embedding: make(chan struct{}, 1),
	}
	s.embedding <- struct{}{}
	switch {
	case o.Keywords:
		s.weights, s.embedder = &withKeywords, nil
	case o.Embedder == nil:
		s.weights = &withWords
	}
	slices.SortStableFunc(s.agents, func(a, b Agent) int {
		return cmp.Or(cmp.Compare(uint(a.Priority-1), uint(b.Priority-1)), cmp.Compare(a.Name, b.Name))
	})
	s.names = readNames(s.agents)
	words := newStemmer()
	s.docs = documents(s.agents)
	if o.Keywords {
		s.index = newIndex(s.docs, words, counting{})
	} else {
		s.index = newIndex(s.docs, words, counting{saturation: 1.2, byLength: 0.6})
		s.atlas = newAtlas(cmp.Or(o.Areas, areaList), s.index, words)
	}
	words.seen = nil
	s.stemmer = words
	s.pool.New = func() any {
		fits := make([]fit, len(agents))
		return &fits
	}
	return s
}

// ready returns the vectors of all agents. One call at a time makes them, the
// others wait; after a failure the next one tries again.
func (s *Selector) ready(ctx context.Context) (*vectors, error) {
	if v := s.vectors.Load(); v != nil {
		return v, nil
	}
	select {
	case <-s.embedding:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { s.embedding <- struct{}{} }()
	if v := s.vectors.Load(); v != nil {
		return v, nil
	}
	v, err := s.embedAll(ctx)
	if err != nil {
		return nil, err
	}
	s.vectors.Store(v)
	return v, nil
}
