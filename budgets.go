package claudeforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/claude-force/claude-force/internal/layer/budget"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

// Budget is a cap on spending.
type Budget struct {
	// Per is what the cap is for: day, month, run or project (all of its time).
	// Days and months are UTC's.
	Per string
	// Agent and Tag ("key=value") narrow what counts; empty is everything.
	Agent, Tag string
	// User makes it a cap on all projects of the user instead of this one.
	User bool
	Cap  Money
	// OnExceed is what is done about a call that is over the cap: stop, the
	// default; downgrade takes a cheaper model where that fits; ask lets the
	// command line ask a person.
	OnExceed string
}

// BudgetStanding is a cap and what is gone of its present period.
type BudgetStanding struct {
	Budget
	// Period names it: a day, a month, or "all". A cap for each run has none,
	// and nothing is gone of it.
	Period string
	Spent  Money
	// Reserved is what calls in flight may cost, Unsettled the part of it
	// whose process has died: it counts as spent until it is resolved.
	Reserved, Unsettled Money
}

// MarshalJSON writes the object of `budget show --json`. Its names are stable.
func (b BudgetStanding) MarshalJSON() ([]byte, error) {
	return marshal(struct {
		Per       string `json:"per"`
		Agent     string `json:"agent,omitempty"`
		Tag       string `json:"tag,omitempty"`
		Scope     string `json:"scope"`
		Cap       Money  `json:"cap_usd"`
		OnExceed  string `json:"on_exceed"`
		Period    string `json:"period,omitempty"`
		Spent     Money  `json:"spent_usd"`
		Reserved  Money  `json:"reserved_usd"`
		Unsettled Money  `json:"unsettled_usd"`
	}{b.Per, b.Agent, b.Tag, scope(b.User), b.Cap, b.OnExceed, b.Period, b.Spent, b.Reserved, b.Unsettled})
}

func scope(user bool) string {
	if user {
		return "user"
	}
	return "project"
}

// ParseMoney reads an amount in dollars, such as 5.00.
func ParseMoney(s string) (Money, error) {
	var m Money
	if err := json.Unmarshal([]byte(s), &m); err != nil || m <= 0 || strings.TrimSpace(s) == "null" {
		return 0, usageError(fmt.Sprintf("%q is no amount in dollars above 0, such as 5.00", s), "")
	}
	return m, nil
}

// budgetStore is where caps are kept.
type budgetStore interface {
	budget.Store
	SetBudget(ctx context.Context, b budget.Budget, at time.Time, spent int64) error
	UnsetBudget(ctx context.Context, b budget.Budget) (bool, error)
	Standings(ctx context.Context, at time.Time) ([]budget.Standing, error)
	Unsettled(ctx context.Context, at time.Time) ([]sqlite.Unsettled, error)
	Resolve(ctx context.Context, runID string, at time.Time) (int, int64, error)
}

// SetBudget sets a cap, or changes the one for the same.
func (e *Engine) SetBudget(ctx context.Context, b Budget) error {
	own, err := b.kept()
	if err != nil {
		return err
	}
	if b.Cap <= 0 {
		return usageError("a budget must be above 0", "give it in dollars, such as 5.00")
	}
	store, err := e.budgetStore(b.User)
	if err != nil {
		return err
	}
	var spent int64
	if db, ok := store.(*sqlite.DB); ok {
		if spent, err = db.SpentUnder(ctx, own, e.options.Now()); err != nil {
			return llm.AsError(err)
		}
	}
	if err := store.SetBudget(ctx, own, e.options.Now(), spent); err != nil {
		return llm.AsError(err)
	}
	return nil
}

// UnsetBudget removes a cap; its Cap and OnExceed do not matter.
func (e *Engine) UnsetBudget(ctx context.Context, b Budget) error {
	own, err := b.kept()
	if err != nil {
		return err
	}
	store, err := e.budgetStore(b.User)
	if err != nil {
		return err
	}
	found, err := store.UnsetBudget(ctx, own)
	switch {
	case err != nil:
		return llm.AsError(err)
	case !found:
		return usageError("there is no budget "+own.String(), "`claude-force budget show` lists them")
	}
	return nil
}

// BudgetStandings returns every cap that concerns this project, those of the
// user last.
func (e *Engine) BudgetStandings(ctx context.Context) ([]BudgetStanding, error) {
	var out []BudgetStanding
	err := e.eachBudgetStore(func(user bool, store budgetStore) error {
		list, err := store.Standings(ctx, e.options.Now())
		for _, s := range list {
			out = append(out, shown(s, user))
		}
		return err
	})
	return out, err
}

// shown is the public form of a standing.
func shown(s budget.Standing, user bool) BudgetStanding {
	st := BudgetStanding{
		Budget: Budget{
			Per: string(s.Per), Agent: s.Agent, User: user, Cap: Money(s.Cap), OnExceed: string(s.OnExceed),
		},
		Period: s.Period, Spent: Money(s.Settled), Reserved: Money(s.Reserved), Unsettled: Money(s.Unsettled),
	}
	if s.Tag.Key != "" {
		st.Tag = s.Tag.Key + "=" + s.Tag.Value
	}
	if s.Per == budget.Run {
		st.Period = ""
	}
	return st
}

// eachBudgetStore hands the stores that keep caps to do, the project's first.
func (e *Engine) eachBudgetStore(do func(user bool, store budgetStore) error) error {
	for _, user := range []bool{false, true} {
		store, err := e.budgetStore(user)
		if err != nil {
			return err
		}
		if err := do(user, store); err != nil {
			return llm.AsError(err)
		}
	}
	return nil
}

// ResolveBudgets declares that what dead processes had reserved was not spent:
// for one run or, where it is empty, for all. It returns how many reservations
// there were and what they held under the caps of the project and the user.
func (e *Engine) ResolveBudgets(ctx context.Context, runID string) (n int, held Money, err error) {
	err = e.eachBudgetStore(func(_ bool, store budgetStore) error {
		count, nano, err := store.Resolve(ctx, runID, e.options.Now())
		n, held = n+count, held+Money(nano)
		return err
	})
	return n, held, err
}

// kept is the form in which a cap is stored.
func (b Budget) kept() (budget.Budget, error) {
	out := budget.Budget{Per: budget.Period(b.Per), Agent: b.Agent, Cap: int64(b.Cap), OnExceed: budget.Action(b.OnExceed)}
	switch out.Per {
	case budget.Day, budget.Month, budget.Run:
	case budget.Project:
		if b.User {
			return out, usageError("a budget of a project cannot be one of the user", "leave --user away")
		}
	default:
		return out, usageError(fmt.Sprintf("a budget is for a day, a month, a run or a project, not for %q", b.Per), "give --per day, for instance")
	}
	switch out.OnExceed {
	case "":
		out.OnExceed = budget.Stop
	case budget.Stop, budget.Downgrade, budget.Ask:
	default:
		return out, usageError(fmt.Sprintf("--on-exceed is %q and must be stop, downgrade or ask", b.OnExceed), "")
	}
	if b.Tag != "" {
		key, value, ok := strings.Cut(b.Tag, "=")
		if !ok || key == "" {
			return out, usageError(fmt.Sprintf("the tag %q must be written as key=value", b.Tag), "")
		}
		out.Tag = llm.Tag{Key: key, Value: value}
	}
	return out, nil
}

func (e *Engine) budgetStore(user bool) (budgetStore, error) {
	if e.options.Demo {
		return nil, usageError("a demo spends nothing and keeps no budgets", "leave --demo away")
	}
	if user {
		db, err := e.shared.store()
		if err != nil {
			return nil, configError("budgets of the user cannot be kept", "make the state folder writable", err)
		}
		return db, nil
	}
	db, err := e.ledger.store()
	if err != nil {
		return nil, configError("budgets cannot be kept", "make the state folder writable", err)
	}
	return db, nil
}

// newGuard returns the layer that keeps the caps.
func (e *Engine) newGuard() *budget.Guard {
	o := budget.Options{
		Worst: e.worst, Holder: e.options.NewID(), NewID: e.options.NewID, Now: e.options.Now,
	}
	// What is in memory only, or not there at all, sets no cap.
	if !e.options.Demo {
		o.Stores = []budget.Store{lazyBudgets{path: filepath.Join(e.paths.State, "state.db"), open: func() (budget.Store, error) { return e.ledger.store() }}}
		if e.shared != nil {
			o.Stores = append(o.Stores, lazyBudgets{path: e.paths.Shared, open: func() (budget.Store, error) { return e.shared.store() }})
		}
	}
	return budget.New(o)
}

// lazyBudgets opens a store of budgets when it is there.
type lazyBudgets struct {
	path string
	open func() (budget.Store, error)
}

// Budgets implements [budget.Store]: a file that is not there has none.
func (l lazyBudgets) Budgets(ctx context.Context) ([]budget.Budget, error) {
	if _, err := os.Stat(l.path); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	s, err := l.open()
	if err != nil {
		return nil, err
	}
	return s.Budgets(ctx)
}

// Reserve implements [budget.Store].
func (l lazyBudgets) Reserve(ctx context.Context, r budget.Reservation) (budget.Verdict, error) {
	s, err := l.open()
	if err != nil {
		return budget.Verdict{}, err
	}
	return s.Reserve(ctx, r)
}

// Release implements [budget.Store].
func (l lazyBudgets) Release(ctx context.Context, id string) error {
	s, err := l.open()
	if err != nil {
		return err
	}
	return s.Release(ctx, id)
}

// Alive implements [budget.Store].
func (l lazyBudgets) Alive(ctx context.Context, holder string, at time.Time) error {
	s, err := l.open()
	if err != nil {
		return err
	}
	return s.Alive(ctx, holder, at)
}

// worst is the most that a request can cost.
func (e *Engine) worst(ctx context.Context, req *llm.Request, exact bool) (nano int64, known bool) {
	c, err := e.catalogue()
	if err != nil {
		return 0, false
	}
	prompt := int64(len(req.Body())) // no prompt has more tokens than bytes
	if exact {
		client, err := e.client()
		if err != nil {
			return 0, false
		}
		if n, err := client.CountTokens(ctx, req); err == nil {
			prompt = min(prompt, int64(n))
		}
	}
	return mostFor(c.Catalogue, req, prompt, false, e.options.Now())
}

// mostFor is the most that a request with a prompt of so many tokens can cost:
// all of it at the dearest rate it may be billed at, and all of max_tokens.
func mostFor(prices *model.Catalogue, req *llm.Request, prompt int64, batch bool, at time.Time) (nano int64, known bool) {
	m, ok := prices.Lookup(req.Model)
	if !ok {
		return 0, false
	}
	usage := model.Usage{Output: int64(req.MaxTokens)}
	switch longest(req) {
	case "":
		usage.Input = prompt
	case "5m":
		usage.CacheWrite5m = prompt
	default:
		usage.CacheWrite1h = prompt
	}
	cost, ok := m.Price(usage, model.Terms{Fast: req.Speed == "fast", Geo: req.Geo, Batch: batch}, at)
	return int64(cost), ok
}

// longest is the longest time to live of a request's prompt-cache breakpoints.
func longest(req *llm.Request) string {
	ttl := ""
	blocks := append([]llm.Block{}, req.System...)
	for _, m := range req.Messages {
		blocks = append(blocks, m.Content...)
	}
	for _, b := range blocks {
		if b.CacheTTL == "1h" || (b.CacheTTL != "" && ttl == "") {
			ttl = b.CacheTTL
		}
		if len(b.JSON) > 0 && ttl == "" {
			ttl = "1h" // it may hold one of its own
		}
	}
	return ttl
}

// For says what counts: "this project", "all projects, agent x".
func (b Budget) For() string {
	s := "this project"
	if b.User {
		s = "all projects"
	}
	if b.Agent != "" {
		s += ", agent " + b.Agent
	}
	if b.Tag != "" {
		s += ", tag " + b.Tag
	}
	return s
}
