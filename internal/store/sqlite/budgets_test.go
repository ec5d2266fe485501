package sqlite_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/layer/budget"
	"github.com/claude-force/claude-force/internal/layer/charge"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func openState(t *testing.T, path string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func setBudget(t *testing.T, db *sqlite.DB, b budget.Budget) {
	t.Helper()
	if b.OnExceed == "" {
		b.OnExceed = budget.Stop
	}
	if err := db.SetBudget(t.Context(), b, noon, 0); err != nil {
		t.Fatal(err)
	}
}

// standing is the only cap's.
func standing(t *testing.T, db *sqlite.DB, at time.Time) budget.Standing {
	t.Helper()
	list, err := db.Standings(t.Context(), at)
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	return list[0]
}

// 10,000 random reservations that are settled, released or lost with their
// process: to the nano-dollar nothing drifts, and the cap is never passed.
func TestBudgetsDriftByNothing(t *testing.T) {
	n := 10_000
	if testing.Short() {
		n = 1000
	}
	db := openState(t, filepath.Join(t.TempDir(), "state.db"))
	const most = 1_000_000_000
	setBudget(t, db, budget.Budget{Per: budget.Project, Cap: most})
	r := rand.New(rand.NewPCG(1, 2))
	held := map[string]int64{}
	var settled, reserved int64
	for i := range n {
		id := fmt.Sprint("r", i)
		nano := r.Int64N(most / 500)
		v, err := db.Reserve(t.Context(), budget.Reservation{ID: id, RunID: id, Agent: "a", Nano: nano, At: noon, Holder: fmt.Sprint("p", i%7)})
		if err != nil {
			t.Fatal(err)
		}
		if fits := settled+reserved+nano <= most; fits != (v.Over == nil) {
			t.Fatalf("step %d: %d settled, %d reserved, %d more: %+v", i, settled, reserved, nano, v)
		}
		if v.Over == nil {
			held[id], reserved = nano, reserved+nano
		}
		for id, nano := range held {
			switch r.IntN(4) {
			case 0: // settled, for less or all of it
				cost := r.Int64N(nano + 1)
				x := charge.Exchange{RunID: id, Agent: "a", Reservation: id, Started: noon, Cost: llm.Cost{Nano: cost}}
				if err := db.SaveExchange(t.Context(), x); err != nil {
					t.Fatal(err)
				}
				settled += cost
			case 1:
				if err := db.Release(t.Context(), id); err != nil {
					t.Fatal(err)
				}
			default:
				continue // in flight, or its process is gone
			}
			reserved -= nano
			delete(held, id)
			break
		}
	}
	got := standing(t, db, noon)
	if got.Settled != settled || got.Reserved != reserved || got.Settled+got.Reserved > most {
		t.Errorf("%d settled and %d reserved, want %d and %d", got.Settled, got.Reserved, settled, reserved)
	}
	var sum int64
	if sum, _ = db.SpentUnder(t.Context(), budget.Budget{Per: budget.Project}, noon); sum != settled {
		t.Errorf("the exchanges sum to %d, the cap says %d", sum, settled)
	}
	// Half a minute later all that hold something are taken for dead.
	if late := standing(t, db, noon.Add(time.Minute)); late.Unsettled != reserved {
		t.Errorf("%d unsettled, want %d", late.Unsettled, reserved)
	}
}

// Two processes reserve at once: together they stay under the cap.
func TestBudgetsAreAtomic(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	a, b := openState(t, path), openState(t, path)
	setBudget(t, a, budget.Budget{Per: budget.Day, Cap: 100})
	var mu sync.Mutex
	var workers sync.WaitGroup
	kept := 0
	for i := range 40 {
		db := []*sqlite.DB{a, b}[i%2]
		workers.Go(func() {
			v, err := db.Reserve(t.Context(), budget.Reservation{ID: fmt.Sprint(i), Nano: 7, At: noon, Holder: "h"})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if v.Over == nil {
				kept++
			}
		})
	}
	workers.Wait()
	if got := standing(t, b, noon); kept != 14 || got.Reserved != 98 {
		t.Errorf("%d were kept, %d reserved of 100", kept, got.Reserved)
	}
}

// What counts for a cap: its period, its agent, its tag.
func TestBudgetsConcern(t *testing.T) {
	tag := llm.Tag{Key: "team", Value: "red"}
	for name, c := range map[string]struct {
		b   budget.Budget
		r   budget.Reservation
		hit bool
	}{
		"all":                 {budget.Budget{Per: budget.Day}, budget.Reservation{Agent: "a"}, true},
		"its agent":           {budget.Budget{Per: budget.Day, Agent: "a"}, budget.Reservation{Agent: "a"}, true},
		"another agent":       {budget.Budget{Per: budget.Day, Agent: "b"}, budget.Reservation{Agent: "a"}, false},
		"its tag":             {budget.Budget{Per: budget.Month, Tag: tag}, budget.Reservation{Tags: []llm.Tag{{Key: "x", Value: "y"}, tag}}, true},
		"another tag":         {budget.Budget{Per: budget.Month, Tag: tag}, budget.Reservation{Tags: []llm.Tag{{Key: "team", Value: "blue"}}}, false},
		"the day after":       {budget.Budget{Per: budget.Day}, budget.Reservation{At: noon.AddDate(0, 0, 1)}, false},
		"the month after":     {budget.Budget{Per: budget.Month}, budget.Reservation{At: noon.AddDate(0, 1, 0)}, false},
		"later in the month":  {budget.Budget{Per: budget.Month}, budget.Reservation{At: noon.AddDate(0, 0, 2)}, true},
		"another run":         {budget.Budget{Per: budget.Run}, budget.Reservation{RunID: "second"}, false},
		"the same run":        {budget.Budget{Per: budget.Run}, budget.Reservation{RunID: "first"}, true},
		"the project, always": {budget.Budget{Per: budget.Project}, budget.Reservation{At: noon.AddDate(3, 0, 0)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			db := openState(t, filepath.Join(t.TempDir(), "state.db"))
			c.b.Cap = 100
			setBudget(t, db, c.b)
			first := budget.Reservation{ID: "1", RunID: "first", Agent: c.b.Agent, Tags: []llm.Tag{c.b.Tag}, Nano: 90, At: noon, Holder: "h"}
			if v, err := db.Reserve(t.Context(), first); err != nil || v.Over != nil {
				t.Fatalf("%+v, %v", v, err)
			}
			c.r.ID, c.r.Nano, c.r.Holder = "2", 90, "h"
			if c.r.At.IsZero() {
				c.r.At = noon
			}
			v, err := db.Reserve(t.Context(), c.r)
			if err != nil || (v.Over != nil) != c.hit {
				t.Errorf("%+v, %v; want it refused: %v", v, err, c.hit)
			}
		})
	}
}
