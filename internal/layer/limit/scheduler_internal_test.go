package limit

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

// world drives schedulers that share a state, in a time of its own.
type world struct {
	t       *testing.T
	r       *rand.Rand
	now     time.Time
	kept    []byte // the joint state, as a store keeps it
	drivers []*driver
	// wild lets headers say anything.
	wild bool
	log  []string
}

// driver does what a gate does, with asks that take a while.
type driver struct {
	w       *world
	s       *scheduler
	own     state
	most    int // calls at once; 0: auto
	alarm   time.Time
	ask     *ask // on its way
	waiting []*call
	flying  []*call
	// granted is the last lease, refunded what refused calls gave back since,
	// debt what was sent before it without one.
	granted, refunded, debt amounts
}

type call struct {
	ticket
	left int // how often it was let go
}

func newWorld(t *testing.T, seed uint64, wild bool) *world {
	w := &world{t: t, r: rand.New(rand.NewPCG(seed, 7)), now: time.Unix(1_800_000_000, 0), wild: wild}
	processes := 1 + w.r.IntN(3)
	for i := range processes {
		most := []int{0, 0, 1, 5}[w.r.IntN(4)]
		far := processes > 1 || w.r.IntN(2) == 0
		w.drivers = append(w.drivers, &driver{w: w, most: most, s: newScheduler(fmt.Sprint("p", i), most, w.r.Float64, far)})
	}
	return w
}

func (w *world) failf(format string, args ...any) {
	w.t.Helper()
	for _, line := range w.log[max(0, len(w.log)-40):] {
		w.t.Log(line)
	}
	w.t.Fatalf(format, args...)
}

func (w *world) note(format string, args ...any) {
	w.log = append(w.log, w.now.Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// turn does what a gate does after each event.
func (d *driver) turn() {
	for range 100 {
		a, next := d.s.dispatch(d.w.now)
		d.alarm = next
		switch {
		case a == nil:
			return
		case d.s.far:
			d.ask = a
			return
		}
		d.accept(d.trade(&d.own, a))
	}
	d.w.failf("%s asks without end", d.s.id)
}

func (d *driver) accept(g grant) {
	d.granted, d.refunded, d.debt = g.lease, amounts{}, d.s.lease
	d.s.accept(d.w.now, g)
}

func (d *driver) trade(st *state, a *ask) grant {
	g := st.trade(d.w.now, a)
	d.w.checkState(st)
	d.w.checkGrant(&g)
	return g
}

// deliver lets an ask arrive and be answered.
func (d *driver) deliver() {
	var st state
	if json.Unmarshal(d.w.kept, &st) != nil {
		st = state{}
	}
	g := d.trade(&st, d.ask)
	data, err := json.Marshal(&st)
	if err != nil {
		d.w.failf("the state cannot be kept: %v", err)
	}
	d.w.kept = data
	d.ask = nil
	d.accept(g)
	d.w.note("%s was granted %.1f, waits %v", d.s.id, g.lease, g.wait)
	d.turn()
}

func (w *world) checkState(st *state) {
	w.t.Helper()
	for i := range st.Buckets {
		b := &st.Buckets[i]
		for name, x := range map[string]float64{
			"limit": b.Limit, "floor": b.Floor, "roof": b.Roof, "left": b.Left, "given": b.Given, "fixed": b.Fixed,
			"base": b.Base, "credit": b.Credit, "others": b.Others, "missing": b.Missing,
		} {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				w.failf("bucket %d: %s is %v", i, name, x)
			}
		}
		if b.Others < 0 || b.Others > 1 {
			w.failf("bucket %d: others take %v of it", i, b.Others)
		}
		for id, h := range st.Holders {
			if h.Lease[i] < 0 {
				w.failf("%s holds %v of bucket %d", id, h.Lease[i], i)
			}
		}
	}
}

func (w *world) checkGrant(g *grant) {
	w.t.Helper()
	if g.wait < 0 || g.wait > time.Minute {
		w.failf("a wait of %v", g.wait)
	}
	for i, x := range g.lease {
		if !(x >= 0) || math.IsInf(x, 0) {
			w.failf("a lease of %v of bucket %d", x, i)
		}
	}
}

// check holds what is true after each event.
func (w *world) check() {
	w.t.Helper()
	for _, d := range w.drivers {
		s := d.s
		if s.inFlight != len(d.flying) || queued(s) != len(d.waiting) {
			w.failf("%s: %d in flight and %d waiting, counted as %d and %d", s.id, len(d.flying), len(d.waiting), s.inFlight, queued(s))
		}
		if d.most > 0 && s.inFlight > d.most {
			w.failf("%s: %d in flight, at most %d may be", s.id, s.inFlight, d.most)
		}
		if s.asking != (d.ask != nil) {
			w.failf("%s: asking is %v, an ask is on its way: %v", s.id, s.asking, d.ask != nil)
		}
		for i, x := range s.lease {
			most, least := d.granted[i]+d.refunded[i]+max(d.debt[i], 0), min(d.debt[i], 0)
			if s.view[i].cap > 0 && !s.asking && (x > most+1e-6 || x < least-1e-6) {
				w.failf("%s: holds %v of bucket %d, was granted %v", s.id, x, i, d.granted[i])
			}
		}
		stuck := len(d.waiting) > 0 && d.ask == nil && len(d.flying) == 0
		if stuck && d.alarm.IsZero() {
			w.failf("%s: calls wait, and nothing will wake them", s.id)
		}
		if limit := maxTime(w.now, s.pausedUntil).Add(time.Minute + time.Millisecond); d.alarm.After(limit) {
			w.failf("%s: sleeps until %v from now", s.id, d.alarm.Sub(w.now))
		}
	}
}

func queued(s *scheduler) int { return s.queues[0].length + s.queues[1].length }

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (d *driver) enqueue() {
	c := &call{}
	c.background = d.w.r.IntN(2) == 0
	c.need = amounts{1, float64(d.w.r.IntN(3000)), float64(d.w.r.IntN(2000))}
	if d.w.r.IntN(20) == 0 {
		c.need[input] = 1e6 // more than any bucket holds
	}
	c.ready = func() {
		c.left++
		if c.left > 1 {
			d.w.failf("%s: a call was let go twice", d.s.id)
		}
		i := slices.Index(d.waiting, c)
		if i < 0 {
			d.w.failf("%s: a call was let go that does not wait", d.s.id)
		}
		d.waiting = slices.Delete(d.waiting, i, i+1)
		if d.s.inFlight > len(d.flying) { // else it need not wait any longer
			d.flying = append(d.flying, c)
		}
	}
	d.waiting = append(d.waiting, c)
	d.s.enqueue(d.w.now, &c.ticket)
	d.turn()
}

func (d *driver) withdraw() {
	if n := len(d.flying); n > 0 && d.s.withdraw(&d.flying[d.w.r.IntN(n)].ticket) {
		d.w.failf("%s: a call was withdrawn that has its leave", d.s.id)
	}
	if len(d.waiting) == 0 {
		return
	}
	i := d.w.r.IntN(len(d.waiting))
	c := d.waiting[i]
	if !d.s.withdraw(&c.ticket) || d.s.withdraw(&c.ticket) {
		d.w.failf("%s: a call that waits can be withdrawn once", d.s.id)
	}
	d.waiting = slices.Delete(d.waiting, i, i+1)
	d.turn()
}

// rates are what headers say, or nil.
func (w *world) rates() *llm.Rates {
	if w.r.IntN(4) == 0 {
		return nil
	}
	rate := func(limit int64) llm.Rate {
		switch {
		case w.r.IntN(8) == 0:
			return llm.Rate{}
		case w.wild:
			return wildRate(w.r)
		}
		left := w.r.Int64N(limit + 1)
		return llm.Rate{Limit: limit, Remaining: left, Full: time.Duration(float64(limit-left) / float64(limit) * float64(time.Minute)).Round(time.Second)}
	}
	return &llm.Rates{Requests: rate(600), Input: rate(1_000_000), Output: rate(200_000)}
}

func wildRate(r *rand.Rand) llm.Rate {
	figure := func() int64 {
		switch r.IntN(4) {
		case 0:
			return r.Int64N(10)
		case 1:
			return r.Int64N(10_000)
		case 2:
			return r.Int64N(1 << 40)
		}
		return 1 << 40
	}
	return llm.Rate{Limit: figure(), Remaining: figure(), Full: time.Duration(r.Int64N(int64(26*time.Hour))) - time.Hour}
}

func (d *driver) headers() {
	if len(d.flying) > 0 {
		d.s.learn(&d.flying[d.w.r.IntN(len(d.flying))].ticket, d.w.rates(), false)
		d.turn()
	}
}

// end ends a call in flight, well or not.
func (d *driver) end(well bool) {
	if len(d.flying) == 0 {
		return
	}
	r := d.w.r
	i := r.IntN(len(d.flying))
	c := d.flying[i]
	d.flying = slices.Delete(d.flying, i, i+1)
	var failure *llm.Error
	if kind := r.IntN(10); !well && kind < 5 {
		failure = &llm.Error{
			Code:  []llm.Code{llm.CodeRateLimit, llm.CodeOverloaded, llm.CodeCancelled, llm.CodeSpendLimit, llm.CodeConnection}[kind],
			Rates: d.w.rates(), HasRetryAfter: r.IntN(2) == 0,
		}
		if failure.HasRetryAfter {
			failure.RetryAfter = time.Duration(r.Int64N(int64(20 * time.Second)))
		}
		if r.IntN(5) == 0 {
			failure.Reason = llm.ReasonRamp
		}
	}
	if failure != nil && (failure.Code == llm.CodeRateLimit || failure.Code == llm.CodeSpendLimit) {
		for i := range c.need {
			d.refunded[i] += c.need[i]
		}
	}
	used := llm.Usage{Output: r.Int64N(4000)}
	d.s.settle(d.w.now, &c.ticket, used, failure)
	d.s.settle(d.w.now, &c.ticket, used, failure) // the second time is none
	d.w.note("%s: a call ended, %v", d.s.id, failure)
	d.turn()
}

// pass lets some time go by, with all that is due in it.
func (w *world) pass(most time.Duration) {
	end := w.now.Add(time.Duration(w.r.Int64N(int64(most)) + 1))
	for range 10_000 {
		due, d := w.due()
		if d == nil || due.After(end) {
			w.now = end
			return
		}
		w.now = maxTime(w.now, due)
		d.alarm = time.Time{}
		d.turn()
		w.check()
	}
	w.failf("alarms without end")
}

// due is the next alarm.
func (w *world) due() (time.Time, *driver) {
	var first *driver
	for _, d := range w.drivers {
		if !d.alarm.IsZero() && (first == nil || d.alarm.Before(first.alarm)) {
			first = d
		}
	}
	if first == nil {
		return time.Time{}, nil
	}
	return first.alarm, first
}

func (w *world) step() {
	d := w.drivers[w.r.IntN(len(w.drivers))]
	switch w.r.IntN(9) {
	case 0, 1:
		d.enqueue()
	case 2:
		d.withdraw()
	case 3:
		d.headers()
	case 4:
		d.end(false)
	case 5:
		d.end(true)
	case 6, 7:
		if d.ask != nil {
			d.deliver()
		}
	case 8:
		w.pass([]time.Duration{time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second}[w.r.IntN(4)])
	}
}

// drain lets everything end, and fails where that takes too long.
func (w *world) drain(within time.Duration) {
	began := w.now
	for step := 0; ; step++ {
		busy := false
		for _, d := range w.drivers {
			for d.ask != nil {
				d.deliver()
			}
			for len(d.flying) > 0 {
				d.end(true)
			}
			busy = busy || len(d.waiting) > 0 || d.ask != nil || len(d.flying) > 0
			w.check()
		}
		if !busy {
			return
		}
		due, d := w.due()
		if d == nil {
			continue // an ask that the last end has made
		}
		w.now = maxTime(w.now, due)
		d.alarm = time.Time{}
		d.turn()
		if took := w.now.Sub(began); took > within || step > 20_000 {
			for _, d := range w.drivers {
				w.note("%s: %d wait, lease %.1f, view %+v, asks again %v", d.s.id, len(d.waiting), d.s.lease, d.s.view, d.s.askAfter.Sub(w.now))
			}
			w.note("state %s", w.kept)
			w.failf("calls still wait after %v and %d steps", took, step)
		}
	}
}

// Whatever happens in whatever order, each call is let go once or withdrawn,
// and while one waits there is something that will wake it.
func TestSchedulerLosesNobody(t *testing.T) {
	for seed := range uint64(300) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { runWorld(t, seed, false) })
	}
}

func runWorld(t *testing.T, seed uint64, wild bool) {
	w := newWorld(t, seed, wild)
	for range 300 {
		w.step()
		w.check()
	}
	w.wild = false
	w.drain(2 * time.Hour)
	for _, d := range w.drivers {
		if d.s.inFlight != 0 || math.Abs(d.s.flight) > 0.001 {
			t.Errorf("%s: in the end %d calls in flight, with %v tokens to come", d.s.id, d.s.inFlight, d.s.flight)
		}
	}
}

func FuzzScheduler(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(seed, true)
	}
	f.Fuzz(runWorld)
}
