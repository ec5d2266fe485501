// Package budget is the layer that stops a call before it is made: the most
// that an attempt can cost is reserved under every cap that concerns it, and
// settled with the row of its exchange.
//
// It stands where a call is about to leave: a hit, a join or a wait reserves
// nothing. A call is refused only where what is spent and its own worst case
// are over a cap. Where other calls' reservations stand in the way it waits
// for them, for they will mostly cost less than they hold. What a process held
// that died counts as spent until somebody resolves it.
package budget

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/model"
)

// Period is what a cap is for.
type Period string

// The periods. Days and months are UTC's.
const (
	Day     Period = "day"
	Month   Period = "month"
	Run     Period = "run"
	Project Period = "project" // all of its time
)

// Action is what is done about a call that is over a cap.
type Action string

// The actions.
const (
	Stop      Action = "stop"
	Downgrade Action = "downgrade" // a cheaper model, where it fits
	Ask       Action = "ask"       // a person, where there is one
)

// Budget is a cap on spending.
type Budget struct {
	ID  int64
	Per Period
	// Agent and Tag narrow what counts; empty is everything.
	Agent string
	Tag   llm.Tag
	// Cap is in nano-dollars.
	Cap      int64
	OnExceed Action
}

// Concerns reports whether a run of an agent with tags counts.
func (b Budget) Concerns(agent string, tags []llm.Tag) bool {
	if b.Agent != "" && b.Agent != agent {
		return false
	}
	return b.Tag == (llm.Tag{}) || slices.Contains(tags, b.Tag)
}

// Key names the period that a time and a run fall into.
func (b Budget) Key(at time.Time, runID string) string {
	switch at = at.UTC(); b.Per {
	case Day:
		return at.Format(time.DateOnly)
	case Month:
		return at.Format("2006-01")
	case Run:
		return "run " + runID
	}
	return "all"
}

// String says what the budget is for: "a day, agent code-reviewer".
func (b Budget) String() string {
	s := "a " + string(b.Per)
	if b.Per == Project {
		s = "the project"
	}
	if b.Agent != "" {
		s += ", agent " + b.Agent
	}
	if b.Tag != (llm.Tag{}) {
		s += ", tag " + b.Tag.Key + "=" + b.Tag.Value
	}
	return s
}

// Standing is a budget and how much of it is gone, in nano-dollars.
type Standing struct {
	Budget
	// Period is the key of the period.
	Period string
	// Settled is what was spent, Reserved what calls in flight may cost,
	// Unsettled the part of it whose process has died.
	Settled, Reserved, Unsettled int64
}

// Reservation is what an attempt may cost.
type Reservation struct {
	// ID is its only one.
	ID           string
	RunID, Agent string
	Tags         []llm.Tag
	// Nano is the most that the attempt can cost, in nano-dollars.
	Nano int64
	At   time.Time
	// Holder is the process.
	Holder string
}

// Verdict is what caps say to a reservation.
type Verdict struct {
	// Over is the budget that refuses, or nil. Busy says that it is only
	// others' reservations which stand in the way.
	Over *Standing
	Busy bool
}

// Store keeps budgets, and what is reserved under them, for all processes.
type Store interface {
	// Budgets returns the caps that are set.
	Budgets(ctx context.Context) ([]Budget, error)
	// Reserve keeps a reservation, if no cap is against it.
	Reserve(ctx context.Context, r Reservation) (Verdict, error)
	// Release drops a reservation that cost nothing; one that was settled, or
	// never kept, stays as it is.
	Release(ctx context.Context, id string) error
	// Alive says that a process lives, for another half a minute, if it holds
	// reservations.
	Alive(ctx context.Context, holder string, at time.Time) error
}

// Options configure the layer.
type Options struct {
	// Stores are asked in their order; all must agree.
	Stores []Store
	// Worst returns the most that a request can cost, in nano-dollars, or
	// false where its price is not known. exact asks for the true size of the
	// prompt in place of a bound, which takes a call.
	Worst func(ctx context.Context, req *llm.Request, exact bool) (nano int64, known bool)
	// Holder names this process; NewID makes ids of reservations.
	Holder string
	NewID  func() string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// The first and the longest wait for others' reservations.
const (
	firstLook = 20 * time.Millisecond
	lastLook  = time.Second
	// beat is the time between two signs of life.
	beat = 10 * time.Second
	// remember is how long the absence of caps is believed.
	remember = time.Second
)

// Guard is the layer's state. It is safe for concurrent use.
type Guard struct {
	Options
	memory memory
	pulse  llm.Pulse
}

// New returns a guard.
func New(o Options) *Guard {
	if o.Now == nil {
		o.Now = time.Now
	}
	g := &Guard{Options: o}
	g.pulse.Every, g.pulse.Beat = beat, g.beat
	return g
}

// beat tells the stores that this process lives. One that fails is asked again
// soon.
func (g *Guard) beat() {
	for _, s := range g.Stores {
		_ = s.Alive(context.Background(), g.Holder, g.Now())
	}
}

// Layer returns the layer.
func (g *Guard) Layer() llm.Layer {
	return func(next llm.Caller) llm.Caller { return &caller{g, next} }
}

// Batches is the holder of what requests of Message Batches may cost: it
// outlives every process.
const Batches = "batches"

// Set reserves what a request of a batch may cost, under the id of its run, and
// does not wait: others of the same batch hold theirs until it has ended. The
// row of its exchange settles it, or [Guard.Free] gives it back.
func (g *Guard) Set(ctx context.Context, req *llm.Request, nano int64, known bool) error {
	if req.OverBudget || !g.Capped(ctx) {
		return nil
	}
	if !known {
		return unpriced(req.Model)
	}
	r := Reservation{ID: req.RunID, RunID: req.RunID, Agent: req.Agent, Tags: req.Tags, Nano: nano, Holder: Batches, At: g.Now()}
	for i, s := range g.Stores {
		v, err := s.Reserve(ctx, r)
		switch {
		case err != nil:
			err = unkept(err)
		case v.Over != nil:
			err = over(nano, *v.Over)
		}
		if err != nil {
			g.release(ctx, r.ID, g.Stores[:i])
			return err
		}
	}
	return nil
}

// Free gives back what was set for a run of a batch and was not needed.
func (g *Guard) Free(ctx context.Context, runID string) {
	if g.Capped(ctx) {
		g.release(ctx, runID, g.Stores)
	}
}

type caller struct {
	*Guard
	next llm.Caller
}

// Call implements [llm.Caller]. A call that is refused has the error
// [llm.CodeBudget].
func (c *caller) Call(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
	capped := !req.OverBudget && c.Capped(ctx)
	if !capped && req.Purse == nil {
		return c.next.Call(ctx, req, emit)
	}
	r, err := c.reserve(ctx, req, capped)
	if err != nil {
		return nil, err
	}
	marked := ctx
	if capped {
		defer c.pulse.Hold()()
		marked = llm.WithReservation(ctx, r.ID)
	}
	resp, err := c.next.Call(marked, req, emit)
	cost := llm.Cost{}
	if resp != nil {
		cost = resp.Cost
	}
	if req.Purse != nil {
		req.Purse.Pay(r.Nano, cost)
	}
	// What cost something was settled with its row; where that failed, it
	// stays reserved, which counts.
	if cost == (llm.Cost{}) {
		c.release(ctx, r.ID, c.stores(capped))
	}
	return resp, err
}

func (g *Guard) stores(capped bool) []Store {
	if !capped {
		return nil
	}
	return g.Stores
}

// reserve sets the worst case aside everywhere, or nowhere.
func (g *Guard) reserve(ctx context.Context, req *llm.Request, capped bool) (Reservation, error) {
	r := Reservation{ID: g.NewID(), RunID: req.RunID, Agent: req.Agent, Tags: req.Tags, Holder: g.Holder, At: g.Now()}
	for _, exact := range []bool{false, true} {
		nano, known := g.Worst(ctx, req, exact)
		if !known {
			return r, unpriced(req.Model)
		}
		r.Nano = nano
		err := g.reserveIn(ctx, g.stores(capped), r)
		if err == nil {
			err = g.hold(ctx, req, r)
		}
		if e := llm.AsError(err); e == nil || e.Code != llm.CodeBudget || exact {
			return r, err
		}
	}
	return r, nil
}

// hold takes the worst case out of the run's own purse.
func (g *Guard) hold(ctx context.Context, req *llm.Request, r Reservation) error {
	if req.Purse == nil {
		return nil
	}
	ok, left, err := req.Purse.Hold(ctx, r.Nano)
	if err == nil && !ok {
		err = OverPurse(r.Nano, left, req.Purse.Cap())
	}
	if err != nil {
		g.release(ctx, r.ID, g.Stores)
	}
	return err
}

func (g *Guard) reserveIn(ctx context.Context, stores []Store, r Reservation) error {
	for i, s := range stores {
		if err := g.wait(ctx, s, r); err != nil {
			g.release(ctx, r.ID, stores[:i])
			return err
		}
	}
	return nil
}

func (g *Guard) release(ctx context.Context, id string, stores []Store) {
	for _, s := range stores {
		_ = s.Release(context.WithoutCancel(ctx), id) // the error that led here counts
	}
}

// wait reserves in one store, after others' reservations where they are in the
// way.
func (g *Guard) wait(ctx context.Context, s Store, r Reservation) error {
	for look := firstLook; ; look = min(2*look, lastLook) {
		v, err := s.Reserve(ctx, r)
		switch {
		case err != nil:
			if ended := llm.ContextError(ctx); ended != nil {
				return ended
			}
			return unkept(err)
		case v.Over == nil:
			return nil
		case !v.Busy:
			return over(r.Nano, *v.Over)
		}
		if err := llm.Sleep(ctx, look); err != nil {
			return err
		}
	}
}

func dollars(nano int64) string { return "$" + model.Money(nano).String() }

func over(worst int64, s Standing) *llm.Error {
	gone := dollars(s.Settled) + " is spent"
	if s.Unsettled > 0 {
		gone += fmt.Sprintf(", %s is unsettled", dollars(s.Unsettled))
	}
	if busy := s.Reserved - s.Unsettled; busy > 0 {
		gone += fmt.Sprintf(", %s is reserved", dollars(busy))
	}
	return &llm.Error{
		Code:    llm.CodeBudget,
		Message: fmt.Sprintf("the budget of %s %s would be exceeded: %s, and this call may cost up to %s", dollars(s.Cap), s.Budget, gone, dollars(worst)),
		Hint:    "lower --max-tokens, choose a cheaper model, or raise it with `claude-force budget set`",
		Reason:  string(s.OnExceed),
	}
}

// OverPurse is the error of a call that may cost more than is left in a purse,
// of which so much was in it at first.
func OverPurse(worst, left, most int64) *llm.Error {
	return &llm.Error{
		Code:    llm.CodeBudget,
		Message: fmt.Sprintf("the cost cap of %s would be exceeded: %s is left, and this call may cost up to %s", dollars(most), dollars(left), dollars(worst)),
		Hint:    "lower --max-tokens, choose a cheaper model, or raise --max-cost",
	}
}

func unpriced(id string) *llm.Error {
	return &llm.Error{
		Code: llm.CodeBudget, Message: fmt.Sprintf("a budget is set and the price of %s is not known", id),
		Hint: "choose a model that `claude-force list models` shows, or take a newer catalogue with `claude-force models update`",
	}
}

func unkept(err error) *llm.Error {
	return &llm.Error{
		Code: llm.CodeBudget, Message: "a budget is set and cannot be kept: " + err.Error(),
		Hint: "make the state folder writable, or unset the budget", Err: err,
	}
}
