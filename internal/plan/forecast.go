package plan

import (
	"context"
	"time"

	"github.com/claude-force/claude-force/internal/layer/limit"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/sim"
)

// run is a task that makes a call.
type run struct {
	task   Task
	lane   *lane
	began  time.Duration
	joined int64 // tasks that wait for the same answer
	leads  bool

	// What follows is of the present attempt.
	attempt int
	call    *limit.Call
	sent    time.Duration
	writes  bool // the prefix, into the prompt cache
	usage   model.Usage
	rates   llm.Rates
	refusal *sim.Refusal
}

// forecast is a simulation under way.
type forecast struct {
	Options
	next func() (Task, bool)
	// ahead is the task that begins next; more says that there is one.
	ahead Task
	more  bool

	now      time.Duration // since Start
	events   events
	groups   map[string]*group
	lanes    map[*Kind]*lane
	prefixes map[*Prefix]*prefix
	dirty    []*group
	running  int // runs under way
	inFlight int // calls
	// flying are the runs whose answer can be joined, kept the answers and
	// when they came.
	flying map[uint64]*run
	kept   map[uint64]time.Duration

	inState [states]int // groups
	waited  [states]time.Duration
	out     Forecast
}

func newForecast(o Options, next func() (Task, bool)) *forecast {
	f := &forecast{
		Options: o, next: next,
		groups: map[string]*group{}, lanes: map[*Kind]*lane{}, prefixes: map[*Prefix]*prefix{},
		flying: map[uint64]*run{}, kept: map[uint64]time.Duration{},
	}
	f.ahead, f.more = next()
	return f
}

func (f *forecast) clock() time.Time { return f.Start.Add(f.now) }

// settle does all that can be done at this moment: tasks begin and calls go
// until each has to wait for something.
func (f *forecast) settle(ctx context.Context) error {
	for n := 1; ; n++ {
		for f.more && f.room() {
			f.take(f.ahead)
			f.ahead, f.more = f.next()
			if n++; n%1024 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
		}
		if len(f.dirty) == 0 {
			return nil
		}
		for _, g := range f.dirty {
			f.turn(g)
		}
		f.dirty = f.dirty[:0]
	}
}

// room reports whether another run may begin.
func (f *forecast) room() bool {
	if f.Concurrency > 0 {
		return f.running < f.Concurrency
	}
	return f.running < f.inFlight+f.Ahead
}

// take begins a task.
func (f *forecast) take(t Task) {
	f.out.Tasks++
	if t.Kind == nil {
		f.out.Failed++
		return
	}
	if t.Key != 0 {
		if r := f.flying[t.Key]; r != nil {
			r.joined++
			f.running++
			return
		}
		if at, ok := f.kept[t.Key]; ok && f.now-at < f.Kept {
			f.out.ResponseHits++
			return
		}
	}
	r := &run{task: t, lane: f.lane(t.Kind), began: f.now}
	if t.Key != 0 {
		f.flying[t.Key] = r
	}
	f.running++
	f.out.BatchCost = f.out.BatchCost.Add(f.price(r, model.Usage{Input: r.prompt(), Output: t.Output}, model.Terms{Batch: true}))
	f.begin(r)
}

// lane returns the way of the calls of a kind.
func (f *forecast) lane(k *Kind) *lane {
	l := f.lanes[k]
	if l != nil {
		return l
	}
	l = &lane{kind: k, group: f.groups[k.Group]}
	if l.group == nil {
		l.group = &group{
			queue: limit.NewVirtual(f.Concurrency, 1), meter: sim.NewMeter(k.Limits, f.clock()),
			limits: k.Limits, first: f.now, since: f.now,
		}
		f.groups[k.Group] = l.group
		f.inState[free]++
	}
	if k.Prefix != nil {
		if l.prefix = f.prefixes[k.Prefix]; l.prefix == nil {
			l.prefix = &prefix{tokens: k.Prefix.Tokens}
			f.prefixes[k.Prefix] = l.prefix
		}
	}
	f.lanes[k] = l
	return l
}

// enqueue puts an attempt at the end of the queue of its group.
func (f *forecast) enqueue(r *run) {
	g, t := r.lane.group, &r.task
	r.call = g.queue.Add(f.clock(), t.Kind.Agent, t.Kind.ID, t.Bytes, t.MaxTokens, func() { f.send(r) })
	g.waiting++
	f.touch(g)
}

// touch has the queue of a group turned at this moment.
func (f *forecast) touch(g *group) {
	g.last = f.now
	if !g.dirty {
		g.dirty = true
		f.dirty = append(f.dirty, g)
	}
}

// turn lets calls of a group go and notes what the rest waits for.
func (f *forecast) turn(g *group) {
	g.dirty = false
	next := g.queue.Turn(f.clock())
	at := time.Duration(0)
	if !next.IsZero() {
		at = max(next.Sub(f.Start), f.now+1)
		if g.wake == 0 || at < g.wake {
			g.wake = at
			f.events.push(event{at: at, what: wake, group: g})
		}
	}
	s := free
	switch {
	case g.waiting > 0 && at > 0:
		s = limited
	case g.waiting > 0:
		s = crowded
	}
	f.inState[g.state]--
	f.inState[s]++
	g.become(s, f.now)
}

// send is what the queue calls when an attempt may go: the API admits it, or
// it does not.
func (f *forecast) send(r *run) {
	g := r.lane.group
	g.waiting--
	f.inFlight++
	f.out.MaxInFlight = max(f.out.MaxInFlight, f.inFlight)
	r.sent = f.now
	r.attempt++
	r.read(f.now)
	now := f.clock()
	shown, refusal := g.meter.Admit(now, int(r.usage.Input+r.usage.CacheWrite5m))
	r.rates, r.refusal = ratesOf(&shown, now), refusal
	if refusal != nil {
		f.events.push(event{at: f.now, what: refused, run: r})
		return
	}
	f.events.push(event{at: f.now + f.FirstToken, what: begun, run: r})
}

// read looks the prefix up in the prompt cache: it is read, or will be written
// when the answer begins.
func (r *run) read(now time.Duration) {
	r.usage, r.writes = model.Usage{Input: r.task.Input, Output: r.task.Output}, false
	p := r.lane.prefix
	switch {
	case p == nil:
	case now < p.expires:
		p.expires = now + timeToLive
		r.usage.CacheRead = p.tokens
	default:
		r.writes = true
		r.usage.CacheWrite5m = p.tokens
	}
}

// prompt is the tokens of the whole prompt.
func (r *run) prompt() int64 {
	if r.lane.prefix == nil {
		return r.task.Input
	}
	return r.task.Input + r.lane.prefix.tokens
}

// happen does what an event says.
func (f *forecast) happen(e event) {
	switch e.what {
	case wake:
		if e.group.wake == e.at {
			e.group.wake = 0
		}
		// Nothing came or went, so this is no touch.
		if !e.group.dirty {
			e.group.dirty = true
			f.dirty = append(f.dirty, e.group)
		}
	case refused:
		f.refuse(e.run)
	case begun:
		e.run.lane.group.queue.Headers(e.run.call, &e.run.rates)
		f.warmed(e.run)
		f.touch(e.run.lane.group)
		f.events.push(event{at: f.now + f.answerTime(e.run.task.Output), what: ended, run: e.run})
	case ended:
		f.answer(e.run)
	}
}

// answerTime is how long the tokens behind the first one take.
func (f *forecast) answerTime(tokens int64) time.Duration {
	whole, rest := tokens/int64(f.TokensPerSecond), tokens%int64(f.TokensPerSecond)
	return time.Duration(whole)*time.Second + time.Duration(rest)*time.Second/time.Duration(f.TokensPerSecond)
}

// refuse is the end of an attempt that met a 429: the call is made again, as
// long as that is allowed.
func (f *forecast) refuse(r *run) {
	f.out.Refused++
	r.lane.group.refuse(r.refusal)
	f.leave(r, llm.Usage{}, refusalOf(r.refusal, &r.rates))
	if r.attempt < f.Attempts {
		f.enqueue(r)
		return
	}
	f.out.Failed += 1 + r.joined
	f.out.Exhausted += 1 + r.joined
	f.finish(r)
	f.stepDown(r)
}

// answer is the end of an answer.
func (f *forecast) answer(r *run) {
	g, u := r.lane.group, r.usage
	g.meter.Settle(f.clock(), int(u.Output))
	f.leave(r, llm.Usage{Input: u.Input, Output: u.Output, CacheWrite5m: u.CacheWrite5m, CacheRead: u.CacheRead}, nil)
	g.taken[0]++
	g.taken[1] += u.Input + u.CacheWrite5m
	g.taken[2] += u.Output
	f.count(r)
	f.out.ResponseHits += r.joined
	if r.task.Key != 0 {
		f.kept[r.task.Key] = f.now
	}
	f.finish(r)
}

// leave tells the queue how an attempt ended.
func (f *forecast) leave(r *run, u llm.Usage, failure *llm.Error) {
	f.inFlight--
	r.lane.group.queue.End(f.clock(), r.call, u, failure)
	f.touch(r.lane.group)
}

// count adds an answered call to the sums.
func (f *forecast) count(r *run) {
	u, sum := r.usage, &f.out.Usage
	f.out.Calls++
	if u.CacheRead > 0 {
		f.out.PromptHits++
	}
	sum.Input += u.Input
	sum.Output += u.Output
	sum.CacheWrite5m += u.CacheWrite5m
	sum.CacheRead += u.CacheRead
	f.out.Cost = f.out.Cost.Add(f.price(r, u, model.Terms{}))
}

// price is what the present attempt of a run costs. The day of its sending
// counts.
func (f *forecast) price(r *run, u model.Usage, t model.Terms) llm.Cost {
	cost, ok := r.lane.kind.Model.Price(u, t, f.Start.Add(r.sent))
	return llm.Cost{Nano: int64(cost), Unknown: !ok}
}

// finish ends a run and those that have joined it.
func (f *forecast) finish(r *run) {
	f.running -= 1 + int(r.joined)
	if r.task.Key != 0 {
		delete(f.flying, r.task.Key)
	}
	if f.now-r.began > f.Deadline {
		f.out.Late += 1 + r.joined
	}
}

// pass lets the time go by until the next event, and notes what was waited
// for.
func (f *forecast) pass(to time.Duration) {
	s := free
	switch {
	case f.inState[limited] > 0:
		s = limited
	case f.inState[crowded] > 0, f.Concurrency > 0 && f.running >= f.Concurrency && f.more:
		s = crowded
	}
	f.waited[s] += to - f.now
	f.now = to
}

// end says what came of it all.
func (f *forecast) end() *Forecast {
	out := &f.out
	var slowest *group
	for _, g := range f.groups {
		g.become(free, f.now)
		out.Duration = max(out.Duration, g.last)
		_, used := g.tightest()
		out.Used = max(out.Used, used)
		if slowest == nil || g.limited > slowest.limited {
			slowest = g
		}
	}
	switch w := f.waited; {
	case w[limited] > max(w[crowded], w[free]):
		out.BoundBy, out.Used = slowest.tightest()
	case w[crowded] > w[free]:
		out.BoundBy = BoundConcurrency
	default:
		out.BoundBy = BoundLatency
	}
	return out
}
