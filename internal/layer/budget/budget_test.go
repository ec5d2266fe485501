package budget_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claude-force/claude-force/internal/layer/budget"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/llm/llmtest"
)

func TestConformance(t *testing.T) {
	llmtest.TestLayer(t, func() llm.Layer { return budget.New(budget.Options{}).Layer() })
	llmtest.TestLayer(t, func() llm.Layer { return guard(&store{cap: 1 << 40}, 1).Layer() })
}

// store is one cap a day in memory.
type store struct {
	mu       sync.Mutex
	cap      int64
	settled  int64
	held     map[string]int64
	dead     int64
	fails    error
	released []string
}

func (s *store) Budgets(context.Context) ([]budget.Budget, error) {
	return []budget.Budget{{ID: 1, Per: budget.Day, Cap: s.cap}}, nil
}

func (s *store) Reserve(_ context.Context, r budget.Reservation) (budget.Verdict, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails != nil {
		return budget.Verdict{}, s.fails
	}
	reserved := s.dead
	for _, n := range s.held {
		reserved += n
	}
	if s.settled+reserved+r.Nano > s.cap {
		st := budget.Standing{Budget: budget.Budget{Per: budget.Day, Cap: s.cap, OnExceed: budget.Ask}, Settled: s.settled, Reserved: reserved, Unsettled: s.dead}
		return budget.Verdict{Over: &st, Busy: s.settled+s.dead+r.Nano <= s.cap}, nil
	}
	if s.held == nil {
		s.held = map[string]int64{}
	}
	s.held[r.ID] = r.Nano
	return budget.Verdict{}, nil
}

func (s *store) Release(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, id)
	s.released = append(s.released, id)
	return nil
}

func (s *store) Alive(context.Context, string, time.Time) error { return nil }

// pays is the layer below: it settles what a call cost, as the bill does.
func (s *store) pays(next llm.Caller) llm.Caller {
	return llm.CallerFunc(func(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
		resp, err := next.Call(ctx, req, emit)
		if resp != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.held, llm.ReservationOf(ctx))
			s.settled += resp.Cost.Nano
		}
		return resp, err
	})
}

// guard returns one whose calls cost at most worst.
func guard(s budget.Store, worst int64) *budget.Guard {
	n := 0
	var mu sync.Mutex
	return budget.New(budget.Options{
		Stores: []budget.Store{s}, Holder: "me",
		NewID: func() string {
			mu.Lock()
			defer mu.Unlock()
			n++
			return string(rune('a' + n))
		},
		Worst: func(_ context.Context, _ *llm.Request, exact bool) (int64, bool) {
			if exact {
				return worst / 2, worst > 0
			}
			return worst, worst > 0
		},
	})
}

func costs(nano int64) *llmtest.Script {
	r := llmtest.Whole("claude-sonnet-5-5", "ok")
	r.Cost.Nano = nano
	return &llmtest.Script{Steps: []llmtest.Step{{Text: "ok", Response: r}}}
}

func TestACallOverTheCapIsNotMade(t *testing.T) {
	for name, c := range map[string]struct {
		store  *store
		worst  int64
		calls  int
		code   llm.Code
		says   string
		reason string
	}{
		"within":                   {&store{cap: 100}, 60, 1, "", "", ""},
		"the exact size decides":   {&store{cap: 100, settled: 60}, 70, 1, "", "", ""},
		"over":                     {&store{cap: 100, settled: 60}, 90, 0, llm.CodeBudget, "the budget of $0.0000001 a day would be exceeded: $0.00000006 is spent, and this call may cost up to $0.000000045", "ask"},
		"the dead count as spent":  {&store{cap: 100, dead: 60}, 90, 0, llm.CodeBudget, "$0.00000006 is unsettled", "ask"},
		"no price":                 {&store{cap: 100}, 0, 0, llm.CodeBudget, "the price of claude-sonnet-5-5 is not known", ""},
		"a store that cannot keep": {&store{cap: 100, fails: errors.New("disk is full")}, 10, 0, llm.CodeBudget, "a budget is set and cannot be kept: disk is full", ""},
	} {
		t.Run(name, func(t *testing.T) {
			next := costs(30)
			_, err := llm.Stack(next, guard(c.store, c.worst).Layer(), c.store.pays).Call(t.Context(), llmtest.Request(), llm.Discard)
			e := llm.AsError(err)
			if e == nil {
				e = &llm.Error{}
			}
			if e.Code != c.code || !strings.Contains(e.Message, c.says) || e.Reason != c.reason || e.Retryable || next.Calls() != c.calls {
				t.Errorf("%d calls, %v (%s)", next.Calls(), err, e.Reason)
			}
			if len(c.store.held) != 0 {
				t.Errorf("%v is still held", c.store.held)
			}
		})
	}
}

// A call waits where only others' reservations stand in the way, and goes when
// they turn out to be cheap.
func TestACallWaitsForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{cap: 100, held: map[string]int64{"other": 80}}
		next := costs(5)
		time.AfterFunc(3*time.Second, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.held, "other")
			s.settled += 10
		})
		began := time.Now()
		if _, err := llm.Stack(next, guard(s, 60).Layer(), s.pays).Call(t.Context(), llmtest.Request(), llm.Discard); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 3*time.Second || took > 5*time.Second || s.settled != 15 {
			t.Errorf("took %v; %d settled", took, s.settled)
		}
		// Its deadline ends the wait.
		s.held = map[string]int64{"other": 80}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := guard(s, 60).Layer()(next).Call(ctx, llmtest.Request(), llm.Discard)
		if llm.AsError(err).Code != llm.CodeDeadline || next.Calls() != 1 {
			t.Errorf("%v after %d calls", err, next.Calls())
		}
	})
}

// A failure that cost nothing is given back; a cost that could not be settled
// stays reserved.
func TestFailures(t *testing.T) {
	s := &store{cap: 100}
	failing := &llmtest.Script{Steps: []llmtest.Step{{Err: &llm.Error{Code: llm.CodeOverloaded, Retryable: true}}}}
	if _, err := llm.Stack(failing, guard(s, 60).Layer()).Call(t.Context(), llmtest.Request(), llm.Discard); err == nil || len(s.held) != 0 {
		t.Errorf("%v; held %v", err, s.held)
	}
	if _, err := llm.Stack(costs(30), guard(s, 60).Layer()).Call(t.Context(), llmtest.Request(), llm.Discard); err != nil || len(s.held) != 1 {
		t.Errorf("%v; held %v, want what was not settled", err, s.held)
	}
}

// The purse of a run, or of a whole file, is kept in the same way.
func TestPurse(t *testing.T) {
	s := &store{cap: 1 << 40}
	purse := llm.NewPurse(100)
	layer := llm.Stack(costs(30), guard(s, 60).Layer(), s.pays)
	for i, want := range []llm.Code{"", "", "", llm.CodeBudget} {
		req := llmtest.Request()
		req.Purse = purse
		_, err := layer.Call(t.Context(), req, llm.Discard)
		if e := llm.AsError(err); (e == nil) != (want == "") || (e != nil && e.Code != want) {
			t.Errorf("call %d with %d spent: %v", i+1, purse.Spent(), err)
		}
	}
	if purse.Spent() != 90 || len(s.held) != 0 {
		t.Errorf("%d spent, %v held", purse.Spent(), s.held)
	}
}
