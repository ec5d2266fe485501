package llm

import (
	"sync"
	"time"
)

// Pulse says again and again that something is still held, for as long as it
// is. The zero value with its two fields set is ready to use; it is safe for
// concurrent use.
type Pulse struct {
	// Every is the time between two beats, Beat what is done.
	Every time.Duration
	Beat  func()

	mu   sync.Mutex
	held int
	stop chan struct{}
}

// Hold counts one thing in; the function it returns counts it out. A goroutine
// beats while at least one is held.
func (p *Pulse) Hold() (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held++; p.held == 1 {
		p.stop = make(chan struct{})
		go p.run(p.stop)
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.held--; p.held == 0 {
			close(p.stop)
		}
	}
}

func (p *Pulse) run(stop <-chan struct{}) {
	t := time.NewTicker(p.Every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			p.Beat()
		case <-stop:
			return
		}
	}
}
