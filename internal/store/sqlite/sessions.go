package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"

	"github.com/claude-force/claude-force/internal/memory"
)

var _ memory.Store = (*Sessions)(nil)

// Sessions is the part of a store that keeps past sessions. It is safe for
// concurrent use.
type Sessions struct{ db *DB }

// Sessions returns the part of the store that keeps past sessions. It lives as
// long as the store does.
func (db *DB) Sessions() *Sessions { return &Sessions{db} }

const insertSession = `INSERT INTO sessions (
	at_ms, succeeded, agent, project, task_hash, run_id, model, error,
	input_tokens, output_tokens, cost_nano, tags, task, output
) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)`

// SaveSession implements [memory.Rows].
func (d *Sessions) SaveSession(ctx context.Context, s *memory.Session, v *memory.Vector) (id int64, err error) {
	err = d.db.update(ctx, func(st *statements) (err error) {
		if id, err = st.insertSession(s); err != nil {
			return err
		}
		if v == nil {
			return st.run("INSERT INTO sessions_without_vector VALUES (?)", id)
		}
		kept, vector := *s, *v
		kept.ID = id
		vector.Describe(&kept)
		return st.insertVector(&vector)
	})
	return id, err
}

func (s *statements) insertSession(row *memory.Session) (int64, error) {
	if err := s.leaveNoTrace(); err != nil {
		return 0, err
	}
	var cost any
	if !row.Unpriced {
		cost = row.Cost
	}
	return s.insertID(insertSession, []any{
		row.At.UnixMilli(), row.Succeeded, row.Agent, row.Project, row.TaskHash, row.RunID, row.Model, row.Error,
		row.InputTokens, row.OutputTokens, cost, row.Tags, row.Task, row.Output,
	})
}

// leaveNoTrace lets the connection overwrite what it deletes, from now on, and
// also what it moves: a row that is forgotten later must not be found where it
// once was. The pragma acts when it is prepared, which is once.
func (s *statements) leaveNoTrace() error { return s.run("PRAGMA secure_delete = on") }

// insertID adds a row and returns its number.
func (s *statements) insertID(query string, args []any) (int64, error) {
	stmt, err := s.prepare(query) //nolint:sqlclosecheck // close closes all of them
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, explain("write to store", err)
	}
	return result.LastInsertId()
}

// space returns the number of a space, which it gets here at first.
func (s *statements) space(name string) (id int64, err error) {
	err = s.query("SELECT id FROM session_spaces WHERE name = ?", []any{name}, &id)
	if errors.Is(err, sql.ErrNoRows) {
		return s.insertID("INSERT INTO session_spaces (name) VALUES (?)", []any{name})
	}
	return id, err
}

func (s *statements) insertVector(v *memory.Vector) error {
	space, err := s.space(v.Space)
	if err != nil {
		return err
	}
	return s.run(`INSERT INTO session_vectors (session, space, at_ms, succeeded, agent, project, task, codes) VALUES (?,?,?,?,?,?,?,?)`,
		v.Session, space, v.At, v.Succeeded, int64(v.Agent), int64(v.Project), int64(v.Task), v.Codes)
}

const (
	sessionColumns = `id, at_ms, succeeded, agent, project, task_hash, run_id, model, error,
	input_tokens, output_tokens, cost_nano, tags, task`
	sessionsWithOutput = "SELECT " + sessionColumns + ", output FROM sessions "
	sessionsWithout    = "SELECT " + sessionColumns + ", '' FROM sessions "
)

// Sessions implements [memory.Rows].
func (d *Sessions) Sessions(ctx context.Context, ids []int64) ([]memory.Session, error) {
	return d.sessions(ctx, sessionsWithOutput+"WHERE id IN (SELECT value FROM json_each(?))", list(ids))
}

// Tasks implements [memory.Rows].
func (d *Sessions) Tasks(ctx context.Context, ids []int64) (tasks []memory.Task, err error) {
	err = d.db.view(ctx, func(rows *sql.Rows) error {
		var t memory.Task
		err := rows.Scan(&t.Session, &t.Text)
		tasks = append(tasks, t)
		return err
	}, "SELECT id, task FROM sessions WHERE id IN (SELECT value FROM json_each(?))", list(ids))
	return tasks, err
}

// OfRun implements [memory.Rows]. It reads every row: people ask, not programs.
func (d *Sessions) OfRun(ctx context.Context, runID string) (ids []int64, err error) {
	err = d.db.view(ctx, func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	}, "SELECT id FROM sessions WHERE run_id = ?", runID)
	return ids, err
}

// Older implements [memory.Rows].
func (d *Sessions) Older(ctx context.Context, before int64, most int) ([]memory.Session, error) {
	return d.sessions(ctx, sessionsWithout+"WHERE id < ? ORDER BY id DESC LIMIT ?", before, most)
}

func (d *Sessions) sessions(ctx context.Context, query string, args ...any) ([]memory.Session, error) {
	var list []memory.Session
	err := d.db.view(ctx, func(rows *sql.Rows) error {
		s, err := scanSession(rows)
		list = append(list, s)
		return err
	}, query, args...)
	return list, err
}

func scanSession(rows *sql.Rows) (s memory.Session, err error) {
	var at int64
	var cost sql.NullInt64
	err = rows.Scan(&s.ID, &at, &s.Succeeded, &s.Agent, &s.Project, &s.TaskHash, &s.RunID, &s.Model, &s.Error,
		&s.InputTokens, &s.OutputTokens, &cost, &s.Tags, &s.Task, &s.Output)
	s.At, s.Cost, s.Unpriced = time.UnixMilli(at).UTC(), cost.Int64, !cost.Valid
	return s, err
}

// Counts implements [memory.Rows].
func (d *Sessions) Counts(ctx context.Context) (memory.Stats, error) {
	stats := memory.Stats{Agents: map[string]int64{}, Embedded: map[string]int64{}}
	var oldest, newest int64
	err := d.db.view(ctx, func(rows *sql.Rows) error {
		var agent string
		var n, succeeded, first, last int64
		err := rows.Scan(&agent, &n, &succeeded, &first, &last)
		if stats.Sessions == 0 || first < oldest {
			oldest = first
		}
		newest = max(newest, last)
		stats.Sessions, stats.Succeeded = stats.Sessions+n, stats.Succeeded+succeeded
		stats.Agents[agent] = n
		return err
	}, "SELECT agent, count(*), sum(succeeded), min(at_ms), max(at_ms) FROM sessions GROUP BY agent")
	if err != nil {
		return memory.Stats{}, err
	}
	if stats.Sessions > 0 {
		stats.Oldest, stats.Newest = time.UnixMilli(oldest).UTC(), time.UnixMilli(newest).UTC()
	}
	err = d.db.view(ctx, func(rows *sql.Rows) error {
		var space string
		var n int64
		err := rows.Scan(&space, &n)
		stats.Embedded[space] = n
		return err
	}, "SELECT p.name, count(*) FROM session_vectors v JOIN session_spaces p ON p.id = v.space GROUP BY p.id")
	return stats, err
}

const selectVectors = `SELECT number, session, at_ms, succeeded, agent, project, task, codes FROM session_vectors
	WHERE space = (SELECT id FROM session_spaces WHERE name = ?) `

// VectorsAfter implements [memory.Vectors].
func (d *Sessions) VectorsAfter(ctx context.Context, space string, after int64, most int) ([]memory.Vector, error) {
	return d.vectors(ctx, selectVectors+"AND number > ? ORDER BY number LIMIT ?", space, after, most)
}

// VectorsOf implements [memory.Vectors].
func (d *Sessions) VectorsOf(ctx context.Context, space string, numbers []int64) ([]memory.Vector, error) {
	return d.vectors(ctx, selectVectors+"AND number IN (SELECT value FROM json_each(?))", space, list(numbers))
}

func (d *Sessions) vectors(ctx context.Context, query, space string, args ...any) ([]memory.Vector, error) {
	var list []memory.Vector
	err := d.db.view(ctx, func(rows *sql.Rows) error {
		v := memory.Vector{Space: space}
		var agent, project, task int64
		err := rows.Scan(&v.Number, &v.Session, &v.At, &v.Succeeded, &agent, &project, &task, &v.Codes)
		v.Agent, v.Project, v.Task = uint64(agent), uint64(project), uint64(task)
		list = append(list, v)
		return err
	}, query, append([]any{space}, args...)...)
	return list, err
}

// lookedThrough is how many of the newest vectors are looked through for one
// that passes a filter.
const lookedThrough = 2000

// MayFind implements [memory.Vectors]. A session that waits for its vector may
// be anything.
func (d *Sessions) MayFind(ctx context.Context, f memory.Filter) (bool, error) {
	agent, project, except := int64(memory.Hash(f.Agent)), int64(memory.Hash(f.Project)), int64(memory.Hash(f.ExceptTask))
	var found, seen int64
	err := d.db.view(ctx, func(rows *sql.Rows) error { return rows.Scan(&found, &seen) },
		`SELECT coalesce(max((? OR succeeded) AND (? OR agent = ?) AND (? OR project = ?) AND (? OR task <> ?)), 0)
			OR EXISTS (SELECT 1 FROM sessions_without_vector), count(*)
		FROM (SELECT succeeded, agent, project, task FROM session_vectors ORDER BY number DESC LIMIT ?)`,
		!f.SuccessOnly, f.Agent == "", agent, f.Project == "", project, f.ExceptTask == "", except, lookedThrough)
	return found != 0 || seen == lookedThrough, err
}

// SaveVectors implements [memory.Vectors].
func (d *Sessions) SaveVectors(ctx context.Context, list []memory.Vector) error {
	return d.db.update(ctx, func(st *statements) error {
		for _, v := range list {
			s := memory.Session{ID: v.Session}
			var at int64
			err := st.query("SELECT at_ms, succeeded, agent, project, task_hash FROM sessions WHERE id = ?",
				[]any{v.Session}, &at, &s.Succeeded, &s.Agent, &s.Project, &s.TaskHash)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return err
			}
			s.At = time.UnixMilli(at)
			v.Describe(&s)
			if err := errors.Join(st.dropVector(v.Session), st.insertVector(&v)); err != nil {
				return err
			}
		}
		return nil
	})
}

// dropVector deletes the vector of a session, or that it waits for one.
func (s *statements) dropVector(session int64) error {
	return errors.Join(
		s.run("DELETE FROM sessions_without_vector WHERE session = ?", session),
		s.run("DELETE FROM session_vectors WHERE session = ?", session),
	)
}

// Unembedded implements [memory.Vectors].
func (d *Sessions) Unembedded(ctx context.Context, space string, others bool, after int64, most int) ([]memory.Task, error) {
	query, args := "SELECT s.id, s.task FROM sessions_without_vector JOIN sessions s ON s.id = session WHERE session > ? ORDER BY session LIMIT ?", []any{after, most}
	if others {
		query = `SELECT id, task FROM sessions s WHERE id > ? AND NOT EXISTS (SELECT 1 FROM session_vectors v
			WHERE v.session = s.id AND v.space = (SELECT id FROM session_spaces WHERE name = ?)) ORDER BY id LIMIT ?`
		args = []any{after, space, most}
	}
	var list []memory.Task
	err := d.db.view(ctx, func(rows *sql.Rows) error {
		var t memory.Task
		err := rows.Scan(&t.Session, &t.Text)
		list = append(list, t)
		return err
	}, query, args...)
	return list, err
}

// Origin implements [memory.Keeper].
func (d *Sessions) Origin(ctx context.Context) (store [16]byte, number int64, err error) {
	err = d.db.view(ctx, func(rows *sql.Rows) error {
		var id []byte
		err := rows.Scan(&id, &number)
		copy(store[:], id)
		return err
	}, "SELECT store, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'session_vectors'), 0) FROM session_state")
	return store, number, err
}

// PrunedDay implements [memory.Keeper].
func (d *Sessions) PrunedDay(ctx context.Context) (day int64, err error) {
	err = d.db.view(ctx, func(rows *sql.Rows) error { return rows.Scan(&day) }, "SELECT pruned_day FROM session_state")
	return day, err
}

// SetPrunedDay implements [memory.Keeper].
func (d *Sessions) SetPrunedDay(ctx context.Context, day int64) error {
	return d.db.exec(ctx, "UPDATE session_state SET pruned_day = max(pruned_day, ?)", day)
}

// Matching implements [memory.Remover].
func (d *Sessions) Matching(ctx context.Context, text string, f memory.Filter) ([]int64, error) {
	since, until := int64(math.MinInt64), int64(math.MaxInt64)
	if !f.Since.IsZero() {
		since = f.Since.UnixMilli()
	}
	if !f.Until.IsZero() {
		until = f.Until.UnixMilli()
	}
	return d.ids(ctx, `SELECT id FROM sessions WHERE (?1 = '' OR agent = ?1) AND (?2 = '' OR project = ?2)
		AND at_ms >= ?3 AND at_ms < ?4 AND succeeded >= ?5 AND (?6 = '' OR task_hash <> ?6)
		AND (?7 = '' OR instr(lower(task), lower(?7)) OR instr(lower(output), lower(?7)))`,
		f.Agent, f.Project, since, until, f.SuccessOnly, f.ExceptTask, text)
}

// Expired implements [memory.Remover].
func (d *Sessions) Expired(ctx context.Context, before time.Time, most int) ([]int64, error) {
	return d.ids(ctx, "SELECT id FROM sessions WHERE at_ms < ? ORDER BY at_ms, id LIMIT ?", before.UnixMilli(), most)
}

func (d *Sessions) ids(ctx context.Context, query string, args ...any) ([]int64, error) {
	var list []int64
	err := d.db.view(ctx, func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		list = append(list, id)
		return err
	}, query, args...)
	return list, err
}
