package tasks_test

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/tasks"
)

// clock is a time that tests move.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func (c *clock) pass(d time.Duration) { c.at = c.at.Add(d) }

func newClock() *clock { return &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

const lineSize = 100 // bytes of a task's line

// run reads, starts and ends runs in step for a while, one each interval.
func run(p *tasks.Progress, c *clock, at *int64, n int, interval time.Duration) {
	for range n {
		*at += lineSize
		p.Read(*at)
		p.Started()
		c.pass(interval)
		p.Done(true, 50, llm.Cost{Nano: 1_000_000}, false)
	}
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > want*tolerance {
		t.Errorf("%s is %.3f, want %.3f", what, got, want)
	}
}

func TestCounts(t *testing.T) {
	c := newClock()
	p := tasks.NewProgress(c.now, 0)
	for range 10 {
		p.Started()
	}
	c.pass(2 * time.Second)
	p.Done(true, 100, llm.Cost{Nano: 5}, false)
	p.Done(false, 20, llm.Cost{Nano: 7}, false)
	p.Done(true, 900, llm.Cost{}, true)
	got := p.Snapshot()
	near(t, "runs a second", got.PerSecond, 1.5, 0.1)
	near(t, "tokens a second", got.TokensPerSecond, 60, 0.1)
	got.PerSecond, got.TokensPerSecond = 0, 0
	want := tasks.Snapshot{Done: 3, Failed: 1, Cached: 1, InFlight: 7, Spent: llm.Cost{Nano: 12}, Elapsed: 2 * time.Second, Left: -1}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestPace(t *testing.T) {
	const size = 1_000_000 * lineSize
	for name, c := range map[string]struct {
		interval time.Duration
		runs     int
	}{
		"fast": {5 * time.Millisecond, 20_000}, "one a second": {time.Second, 300}, "slow": {5 * time.Minute, 40}, "the first few": {time.Minute, 3},
	} {
		t.Run(name, func(t *testing.T) {
			clock := newClock()
			p := tasks.NewProgress(clock.now, size)
			var at int64
			run(p, clock, &at, c.runs, c.interval)
			s := p.Snapshot()
			perSecond := 1 / c.interval.Seconds()
			near(t, "runs a second", s.PerSecond, perSecond, 0.05)
			near(t, "tokens a second", s.TokensPerSecond, 50*perSecond, 0.05)
			if left := float64(1_000_000-c.runs) / perSecond; left > 100*24*3600 {
				if s.Left >= 0 {
					t.Errorf("left is %v, want unknown", s.Left)
				}
			} else {
				near(t, "left", s.Left.Seconds(), left, 0.05)
			}
		})
	}
}

func TestPaceFollowsAChange(t *testing.T) {
	clock := newClock()
	var at int64
	p := tasks.NewProgress(clock.now, 100_000*lineSize)
	run(p, clock, &at, 10_000, 10*time.Millisecond)
	run(p, clock, &at, 2_000, 40*time.Millisecond) // for 80 seconds
	near(t, "runs a second", p.Snapshot().PerSecond, 25, 0.05)
	run(p, clock, &at, 12_000, 40*time.Millisecond)
	s := p.Snapshot()
	near(t, "left", s.Left.Seconds(), float64(100_000-24_000)/25, 0.05)
	clock.pass(time.Minute) // a pause: nothing ends
	if paused := p.Snapshot(); paused.PerSecond > 0.1 || paused.Left < s.Left {
		t.Errorf("in a pause: %+v", paused)
	}
	clock.pass(-time.Hour) // a clock that jumps
	if back := p.Snapshot(); back.Elapsed < 0 || math.IsNaN(back.PerSecond) || back.PerSecond < 0 {
		t.Errorf("after a jump: %+v", back)
	}
}

func TestSkippedLinesAreNoSpeed(t *testing.T) {
	clock := newClock()
	p := tasks.NewProgress(clock.now, 10_000*lineSize)
	var at int64
	for range 5_000 {
		at += lineSize
		p.Skip(at)
	}
	clock.pass(time.Minute)
	if s := p.Snapshot(); s.Left >= 0 || s.PerSecond != 0 {
		t.Errorf("before a run: %+v", s)
	}
	run(p, clock, &at, 1_000, 100*time.Millisecond)
	near(t, "left", p.Snapshot().Left.Seconds(), 400, 0.05)
	at += 3_900 * lineSize
	p.Skip(at)
	near(t, "left", p.Snapshot().Left.Seconds(), 10, 0.05)
}

func TestLeftCountsWhatIsInFlight(t *testing.T) {
	clock := newClock()
	p := tasks.NewProgress(clock.now, 200*lineSize)
	p.Read(200 * lineSize)
	for range 200 {
		p.Started()
	}
	for range 100 {
		clock.pass(time.Second)
		p.Done(true, 1, llm.Cost{}, false)
	}
	near(t, "left", p.Snapshot().Left.Seconds(), 100, 0.05)
	for range 100 {
		p.Done(true, 1, llm.Cost{}, false)
	}
	if s := p.Snapshot(); s.Left != 0 || s.InFlight != 0 {
		t.Errorf("at the end: %+v", s)
	}
}

func TestProgressAtOnce(t *testing.T) {
	p := tasks.NewProgress(time.Now, 1000)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			p.Read(10)
			p.Skip(20)
			p.Started()
			p.Done(true, 1, llm.Cost{Nano: 1}, false)
			_ = p.Snapshot().String()
		})
	}
	wg.Wait()
	if s := p.Snapshot(); s.Done != 50 || s.Spent.Nano != 50 {
		t.Errorf("%+v", s)
	}
}

func TestSnapshotForPeople(t *testing.T) {
	for want, s := range map[string]tasks.Snapshot{
		"1,204 done · 3 failed · 210/s · 18,400 tokens/s · $1.2345 · 2m10s left": {
			Done: 1204, Failed: 3, PerSecond: 209.6, TokensPerSecond: 18400.4, Spent: llm.Cost{Nano: 1_234_450_000}, Left: 130 * time.Second,
		},
		"0 done · 0 failed · 0.0/s · 0 tokens/s · $0.0000 · 0s so far": {Left: -1},
		"12 done · 0 failed · 5 cached · 2.3/s · 7 tokens/s · cost unknown · 1h2m so far": {
			Done: 12, Cached: 5, PerSecond: 2.34, TokensPerSecond: 7, Spent: llm.Cost{Unknown: true}, Elapsed: time.Hour + 2*time.Minute + 3*time.Second, Left: -1,
		},
		"1,234,567 done · 0 failed · 3.0/min · 1 tokens/s · more than $1,234.5679 · in 26h0m": {
			Done: 1234567, PerSecond: 0.05, TokensPerSecond: 1, Spent: llm.Cost{Nano: 1_234_567_890_000, Unknown: true}, Elapsed: 26 * time.Hour,
		},
		"1 done · 0 failed · 10/s · 0 tokens/s · $1.0000 · 1h0m left": {Done: 1, PerSecond: 9.96, Spent: llm.Cost{Nano: 999_999_999}, Left: time.Hour - time.Millisecond},
	} {
		if got := s.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
