package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/claude-force/claude-force/internal/layer/budget"
	"github.com/claude-force/claude-force/internal/llm"
)

var (
	_ budget.Store = (*DB)(nil)
	_ budget.Store = (*Shared)(nil)
)

// holderTime is how long a process is believed to live after its last word.
const holderTime = 30 * time.Second

// batchTime is how long a request of a batch is waited for: results are kept for
// 29 days.
const batchTime = 32 * 24 * time.Hour

// lifetime is how long a holder is believed to live.
func lifetime(holder string) time.Duration {
	if holder == budget.Batches {
		return batchTime
	}
	return holderTime
}

// share is one period that a reservation is part of.
type share struct {
	Budget int64  `json:"budget"`
	Period string `json:"period"`
}

const selectBudgets = "SELECT id, per, agent, tag_key, tag_value, cap_nano, on_exceed FROM budgets ORDER BY id"

// Budgets implements [budget.Store].
func (f *file) Budgets(ctx context.Context) ([]budget.Budget, error) {
	rows, err := f.sql.QueryContext(ctx, selectBudgets)
	if err != nil {
		return nil, explain("read budgets", err)
	}
	defer rows.Close()
	var list []budget.Budget
	for rows.Next() {
		b, err := scanBudget(rows)
		if err != nil {
			return nil, explain("read budgets", err)
		}
		list = append(list, b)
	}
	return list, rows.Err()
}

func scanBudget(rows interface{ Scan(...any) error }) (b budget.Budget, err error) {
	err = rows.Scan(&b.ID, &b.Per, &b.Agent, &b.Tag.Key, &b.Tag.Value, &b.Cap, &b.OnExceed)
	return b, err
}

// SetBudget sets a cap, or changes the one that is for the same. spent is what
// is gone of its present period already, where the cap is new.
func (f *file) SetBudget(ctx context.Context, b budget.Budget, at time.Time, spent int64) error {
	return f.update(ctx, func(s *statements) error {
		var id int64
		err := s.query("SELECT id FROM budgets WHERE per = ? AND agent = ? AND tag_key = ? AND tag_value = ?",
			[]any{string(b.Per), b.Agent, b.Tag.Key, b.Tag.Value}, &id)
		if err == nil {
			return s.run("UPDATE budgets SET cap_nano = ?, on_exceed = ? WHERE id = ?", b.Cap, string(b.OnExceed), id)
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err := s.run("INSERT INTO budgets (per, agent, tag_key, tag_value, cap_nano, on_exceed, created_us) VALUES (?,?,?,?,?,?,?)",
			string(b.Per), b.Agent, b.Tag.Key, b.Tag.Value, b.Cap, string(b.OnExceed), micros(at)); err != nil || b.Per == budget.Run {
			return err
		}
		return s.run("INSERT INTO budget_periods SELECT max(id), ?, ?, 0 FROM budgets", b.Key(at, ""), spent)
	})
}

// UnsetBudget removes a cap and reports whether it was there.
func (f *file) UnsetBudget(ctx context.Context, b budget.Budget) (found bool, err error) {
	err = f.update(ctx, func(s *statements) error {
		var id int64
		err := s.query("SELECT id FROM budgets WHERE per = ? AND agent = ? AND tag_key = ? AND tag_value = ?",
			[]any{string(b.Per), b.Agent, b.Tag.Key, b.Tag.Value}, &id)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		found = true
		return errors.Join(err, s.run("DELETE FROM budget_periods WHERE budget_id = ?", id), s.run("DELETE FROM budgets WHERE id = ?", id))
	})
	return found, err
}

// Reserve implements [budget.Store].
func (f *file) Reserve(ctx context.Context, r budget.Reservation) (v budget.Verdict, err error) {
	err = f.update(ctx, func(s *statements) error {
		v = budget.Verdict{}
		list, err := s.concerned(r.Agent, r.Tags)
		if err != nil || len(list) == 0 {
			return err
		}
		var shares []share
		for _, b := range list {
			st, err := s.standing(b, b.Key(r.At, r.RunID))
			if err != nil {
				return err
			}
			if st.Settled+st.Reserved+r.Nano > b.Cap {
				if st.Unsettled, err = s.unsettled(b.ID, st.Period, r.At); err != nil {
					return err
				}
				v.Over, v.Busy = &st, st.Settled+st.Unsettled+r.Nano <= b.Cap
				if !v.Busy {
					return nil
				}
				continue
			}
			shares = append(shares, share{b.ID, st.Period})
		}
		if v.Over != nil {
			return nil
		}
		return s.reserve(r, shares)
	})
	return v, err
}

func (s *statements) reserve(r budget.Reservation, shares []share) error {
	periods, err := json.Marshal(shares)
	if err != nil {
		return err
	}
	err = errors.Join(
		s.run("INSERT INTO reservations (id, run_id, agent, nano, at_us, holder, periods) VALUES (?,?,?,?,?,?,?)",
			r.ID, r.RunID, r.Agent, r.Nano, micros(r.At), r.Holder, string(periods)),
		s.run("INSERT INTO holders (id, until_us) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET until_us = max(until_us, excluded.until_us)",
			r.Holder, micros(r.At.Add(lifetime(r.Holder)))),
	)
	for _, sh := range shares {
		err = errors.Join(err, s.run(`INSERT INTO budget_periods VALUES (?, ?, 0, ?)
			ON CONFLICT DO UPDATE SET reserved_nano = reserved_nano + excluded.reserved_nano`, sh.Budget, sh.Period, r.Nano))
	}
	return err
}

// concerned are the caps that count a run of an agent with tags.
func (s *statements) concerned(agent string, tags []llm.Tag) ([]budget.Budget, error) {
	list, err := s.every()
	return slices.DeleteFunc(list, func(b budget.Budget) bool { return !b.Concerns(agent, tags) }), err
}

// every returns all caps.
func (s *statements) every() (list []budget.Budget, err error) {
	stmt, err := s.prepare(selectBudgets) //nolint:sqlclosecheck // close closes all of them
	if err != nil {
		return nil, err
	}
	rows, err := stmt.QueryContext(context.Background())
	if err != nil {
		return nil, explain("read budgets", err)
	}
	defer rows.Close()
	for rows.Next() {
		b, err := scanBudget(rows)
		if err != nil {
			return nil, explain("read budgets", err)
		}
		list = append(list, b)
	}
	return list, rows.Err()
}

func (s *statements) standing(b budget.Budget, period string) (st budget.Standing, err error) {
	st = budget.Standing{Budget: b, Period: period}
	err = s.query("SELECT settled_nano, reserved_nano FROM budget_periods WHERE budget_id = ? AND period = ?",
		[]any{b.ID, period}, &st.Settled, &st.Reserved)
	if errors.Is(err, sql.ErrNoRows) {
		return st, nil
	}
	return st, err
}

// unsettledSum is what the dead hold of one period of a cap.
const unsettledSum = `SELECT coalesce(sum(r.nano), 0)
	FROM reservations r, json_each(r.periods) p
	LEFT JOIN holders h ON h.id = r.holder
	WHERE p.value ->> 'budget' = ? AND p.value ->> 'period' = ? AND coalesce(h.until_us, 0) < ?`

func (s *statements) unsettled(id int64, period string, at time.Time) (nano int64, err error) {
	err = s.query(unsettledSum, []any{id, period, micros(at)}, &nano)
	return nano, err
}

// Release implements [budget.Store].
func (f *file) Release(ctx context.Context, id string) error {
	return f.update(ctx, func(s *statements) error {
		_, _, err := s.release(id)
		return err
	})
}

// release drops a reservation and returns what it held and the periods that it
// was part of, or none where it is not there.
func (s *statements) release(id string) (nano int64, shares []share, err error) {
	var periods string
	err = s.query("SELECT nano, periods FROM reservations WHERE id = ?", []any{id}, &nano, &periods)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil, nil
	}
	if err != nil {
		return 0, nil, err
	}
	if err := json.Unmarshal([]byte(periods), &shares); err != nil {
		return 0, nil, fmt.Errorf("read a reservation: %w", err)
	}
	err = s.run("DELETE FROM reservations WHERE id = ?", id)
	for _, sh := range shares {
		err = errors.Join(err, s.run("UPDATE budget_periods SET reserved_nano = reserved_nano - ? WHERE budget_id = ? AND period = ?",
			nano, sh.Budget, sh.Period))
	}
	return nano, shares, err
}

// spend settles what an exchange cost: under the caps that its reservation is
// part of, or, where it has none, under those that concern it. Where the price
// is not known, all that was held is gone.
func (s *statements) spend(reservation, runID, agent string, tags []llm.Tag, at time.Time, cost llm.Cost) error {
	var shares []share
	var err error
	nano := cost.Nano
	if reservation != "" {
		var held int64
		held, shares, err = s.release(reservation)
		if cost.Unknown {
			nano = max(held, nano)
		}
	}
	if err == nil && shares == nil {
		var list []budget.Budget
		list, err = s.concerned(agent, tags)
		for _, b := range list {
			shares = append(shares, share{b.ID, b.Key(at, runID)})
		}
	}
	for _, sh := range shares {
		err = errors.Join(err, s.run(`INSERT INTO budget_periods VALUES (?, ?, ?, 0)
			ON CONFLICT DO UPDATE SET settled_nano = settled_nano + excluded.settled_nano`, sh.Budget, sh.Period, nano))
	}
	return err
}

// Settle settles a reservation by what its exchange cost. One that is not
// there was settled before, or never kept: nothing is done.
func (f *file) Settle(ctx context.Context, id string, cost llm.Cost) error {
	return f.update(ctx, func(s *statements) error {
		held, shares, err := s.release(id)
		nano := cost.Nano
		if cost.Unknown {
			nano = max(held, nano)
		}
		for _, sh := range shares {
			err = errors.Join(err, s.run("UPDATE budget_periods SET settled_nano = settled_nano + ? WHERE budget_id = ? AND period = ?",
				nano, sh.Budget, sh.Period))
		}
		return err
	})
}

// Spend settles what an exchange cost that is not kept here.
func (f *file) Spend(ctx context.Context, reservation, runID, agent string, tags []llm.Tag, at time.Time, cost llm.Cost) error {
	return f.update(ctx, func(s *statements) error { return s.spend(reservation, runID, agent, tags, at, cost) })
}

// Alive says that a process lives, as long as it holds reservations.
func (f *file) Alive(ctx context.Context, holder string, at time.Time) error {
	return f.exec(ctx, "UPDATE holders SET until_us = ? WHERE id = ?", micros(at.Add(holderTime)), holder)
}

// Standings returns every cap with what is gone of its present period; one a
// run has none.
func (f *file) Standings(ctx context.Context, at time.Time) (list []budget.Standing, err error) {
	err = f.update(ctx, func(s *statements) error {
		list = nil
		all, err := s.every()
		for _, b := range all {
			var st budget.Standing
			if st, err = s.standing(b, b.Key(at, "")); err != nil {
				return err
			}
			if st.Unsettled, err = s.unsettled(b.ID, st.Period, at); err != nil {
				return err
			}
			list = append(list, st)
		}
		return err
	})
	return list, err
}

// Unsettled is one reservation whose process has died.
type Unsettled struct {
	ID, RunID, Agent string
	Nano             int64
	At               time.Time
}

// Unsettled returns the reservations of processes that are dead at a time.
func (f *file) Unsettled(ctx context.Context, at time.Time) ([]Unsettled, error) {
	rows, err := f.sql.QueryContext(ctx, `SELECT r.id, r.run_id, r.agent, r.nano, r.at_us FROM reservations r
		LEFT JOIN holders h ON h.id = r.holder WHERE coalesce(h.until_us, 0) < ? ORDER BY r.at_us`, micros(at))
	if err != nil {
		return nil, explain("read reservations", err)
	}
	defer rows.Close()
	var list []Unsettled
	for rows.Next() {
		var u Unsettled
		var us int64
		if err := rows.Scan(&u.ID, &u.RunID, &u.Agent, &u.Nano, &us); err != nil {
			return nil, explain("read reservations", err)
		}
		u.At = time.UnixMicro(us).UTC()
		list = append(list, u)
	}
	return list, rows.Err()
}

// SpentUnder is what the exchanges of a cap's present period have cost so far.
func (db *DB) SpentUnder(ctx context.Context, b budget.Budget, at time.Time) (nano int64, err error) {
	from := time.Time{}
	switch at = at.UTC(); b.Per {
	case budget.Run:
		return 0, nil
	case budget.Day:
		from = time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC)
	case budget.Month:
		from = time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
	}
	query, args := "SELECT coalesce(sum(cost_nano), 0) FROM exchanges WHERE started_us >= ?", []any{int64(0)}
	if !from.IsZero() {
		args[0] = micros(from)
	}
	if b.Agent != "" {
		query, args = query+" AND agent = ?", append(args, b.Agent)
	}
	if b.Tag.Key != "" { // tags are a JSON object, or nothing
		query += " AND EXISTS (SELECT 1 FROM json_each(iif(tags = '', '{}', tags)) t WHERE t.key = ? AND t.value = ?)"
		args = append(args, b.Tag.Key, b.Tag.Value)
	}
	if err := db.sql.QueryRowContext(ctx, query, args...).Scan(&nano); err != nil {
		return 0, explain("read the ledger", err)
	}
	return nano, nil
}

// Resolve drops the reservations of processes that are dead at a time, those
// of one run or, where it is empty, of all, and returns how many there were
// and what they held: none of it was spent after all.
func (f *file) Resolve(ctx context.Context, runID string, at time.Time) (n int, nano int64, err error) {
	dead, err := f.Unsettled(ctx, at)
	if err != nil {
		return 0, 0, err
	}
	err = f.update(ctx, func(s *statements) error {
		n, nano = 0, 0
		for _, u := range dead {
			if runID != "" && u.RunID != runID {
				continue
			}
			held, _, err := s.release(u.ID)
			if err != nil {
				return err
			}
			n, nano = n+1, nano+held
		}
		return nil
	})
	return n, nano, err
}
