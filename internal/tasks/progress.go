package tasks

import (
	"math"
	"sync"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

const (
	// recent is what the figures for people look back on, steady what the
	// time left is told by. Where runs are slow, both look back on few of them.
	recent = 10 * time.Second
	steady = time.Minute
	few    = 20
	// farthest is the longest time left that is a forecast and no guess.
	farthest = 100 * 24 * time.Hour
)

// Progress counts the runs of a task file. It is safe for concurrent use.
type Progress struct {
	now  func() time.Time
	size int64

	mu    sync.Mutex
	began time.Time
	// first is when the first run started.
	first time.Time
	// at is the offset up to which the input was read; taken is how many of
	// these bytes went into runs.
	at, taken      int64
	started, done  int64
	failed, cached int64
	spent          llm.Cost
	// runs and tokens are for people, steady is runs again.
	runs, tokens, steady meter
}

// Snapshot are the figures of one moment.
type Snapshot struct {
	// Done is how many runs have ended; Failed and Cached are among them.
	Done, Failed, Cached int64
	// InFlight is how many have started and not ended.
	InFlight int64
	// PerSecond is runs ended a second over about the last ten seconds, or
	// over the last few runs where these are slower; TokensPerSecond is output
	// tokens alike.
	PerSecond, TokensPerSecond float64
	Spent                      llm.Cost
	Elapsed                    time.Duration
	// Left is the time until the input is done at the pace of about the last
	// minute; it is below 0 where it is not known.
	Left time.Duration
}

// NewProgress returns a Progress whose time begins now. size is the input's
// length in bytes, 0 where it is not known.
func NewProgress(now func() time.Time, size int64) *Progress {
	return &Progress{
		now: now, size: size, began: now(),
		runs: meter{least: recent}, tokens: meter{least: recent}, steady: meter{least: steady},
	}
}

// Read tells that the input was read up to the offset end, for a run.
func (p *Progress) Read(end int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken += max(end-p.at, 0)
	p.at = max(end, p.at)
}

// Skip tells that the input was read up to the offset end and the line needs
// no run: it brings the end nearer and says nothing about the pace.
func (p *Progress) Skip(end int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = max(end, p.at)
}

// Started counts a run that begins. The first one starts the clock of the
// rates.
func (p *Progress) Started() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.started == 0 {
		p.first = p.now()
		p.runs.last, p.tokens.last, p.steady.last = p.first, p.first, p.first
	}
	p.started++
}

// Done counts a run that ended, each after its Started. The output tokens of a
// cached one are nobody's work and count for no rate.
func (p *Progress) Done(ok bool, outputTokens int64, cost llm.Cost, cached bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tick()
	p.done++
	p.runs.sum++
	p.steady.sum++
	p.spent = p.spent.Add(cost)
	if !ok {
		p.failed++
	}
	if cached {
		p.cached++
	} else {
		p.tokens.sum += float64(outputTokens)
	}
}

// tick brings the rates to now, which it returns.
func (p *Progress) tick() time.Time {
	now := p.now()
	if p.started > 0 {
		window := now.Sub(p.first) / time.Duration(max(p.done, 1)) * few
		for _, m := range []*meter{&p.runs, &p.tokens, &p.steady} {
			m.fade(now, window)
		}
	}
	return now
}

// Snapshot returns the figures of now.
func (p *Progress) Snapshot() Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.tick()
	return Snapshot{
		Done: p.done, Failed: p.failed, Cached: p.cached, InFlight: p.inFlight(),
		PerSecond: p.runs.rate(), TokensPerSecond: p.tokens.rate(),
		Spent: p.spent, Elapsed: max(now.Sub(p.began), 0), Left: p.left(),
	}
}

func (p *Progress) inFlight() int64 { return max(p.started-p.done, 0) }

// left takes the lines to come to be as long as those so far, on average.
func (p *Progress) left() time.Duration {
	const unknown = -1
	rate := p.steady.rate()
	switch {
	case p.size <= 0:
		return unknown
	case p.at >= p.size && p.inFlight() == 0:
		return 0
	case rate <= 0 || p.taken == 0:
		return unknown
	}
	perRun := float64(p.taken) / float64(p.started)
	ahead := float64(max(p.size-p.at, 0))/perRun + float64(p.inFlight())
	seconds := ahead / rate
	if seconds > farthest.Seconds() {
		return unknown
	}
	return time.Duration(seconds * float64(time.Second))
}

// meter tells a rate in which what is older than a window fades.
type meter struct {
	least time.Duration // the window, where enough ends in it
	last  time.Time
	// sum and seconds fade alike.
	sum, seconds float64
}

// fade lets time pass up to now.
func (m *meter) fade(now time.Time, window time.Duration) {
	if age := now.Sub(m.last); age > 0 {
		w := max(m.least, window).Seconds()
		f := math.Exp(-age.Seconds() / w)
		m.sum *= f
		m.seconds = m.seconds*f + w*(1-f)
		m.last = now
	}
}

// rate returns how much a second, and of the first second the sum.
func (m *meter) rate() float64 { return m.sum / max(m.seconds, 1) }
