package memory

import (
	"context"
	"errors"
	"time"
)

// Embedder turns texts into unit vectors of one length. It is safe for
// concurrent use.
type Embedder interface {
	// Space names where the vectors come from. Those of two spaces cannot be
	// compared.
	Space() string
	Embed(ctx context.Context, texts []string) ([][]float32, error)
}

// Store is what a database fills. It is safe for concurrent use, also by
// several processes.
type Store interface {
	Rows
	Vectors
	Remover
	Keeper
	Importer
}

// Rows keeps sessions.
type Rows interface {
	// SaveSession keeps a session, with its vector where v is not nil, and
	// returns its number.
	SaveSession(ctx context.Context, s *Session, v *Vector) (id int64, err error)
	// Sessions returns those of the given numbers that are there, in any order.
	Sessions(ctx context.Context, ids []int64) ([]Session, error)
	// Tasks returns the tasks of those of the given numbers that are there, in
	// any order.
	Tasks(ctx context.Context, ids []int64) ([]Task, error)
	// OfRun returns the numbers of the sessions of a run.
	OfRun(ctx context.Context, runID string) ([]int64, error)
	// Older returns at most so many sessions with numbers below before, the
	// newest first, without their outputs.
	Older(ctx context.Context, before int64, most int) ([]Session, error)
	// Counts returns figures of all sessions.
	Counts(ctx context.Context) (Stats, error)
}

// Vectors keeps what sessions mean. A session has one vector.
type Vectors interface {
	// VectorsAfter returns at most so many vectors of a space with numbers above
	// after, in ascending order. Numbers grow in the order of keeping and are
	// never given twice.
	VectorsAfter(ctx context.Context, space string, after int64, most int) ([]Vector, error)
	// MayFind reports whether a search with the filter could find anything.
	// Where that takes long to know it says yes.
	MayFind(ctx context.Context, f Filter) (bool, error)
	// VectorsOf returns those of the given numbers that are there, in any order.
	VectorsOf(ctx context.Context, space string, numbers []int64) ([]Vector, error)
	// SaveVectors replaces the vectors of sessions. What is for a session that
	// is not there any more is left out.
	SaveVectors(ctx context.Context, list []Vector) error
	// Unembedded returns at most so many tasks, in ascending order of their
	// sessions, that come after one and have no vector; with others those too
	// whose vector is of another space than the given one.
	Unembedded(ctx context.Context, space string, others bool, after int64, most int) ([]Task, error)
}

// Remover deletes so that nothing can be read in the file afterwards.
type Remover interface {
	// DeleteSessions deletes sessions with their vectors, in small
	// transactions, and returns how many there were.
	DeleteSessions(ctx context.Context, ids []int64) (int, error)
	// Matching returns the sessions that pass the filter, whose similarity and
	// limit do not matter, and whose task or output contains a text, whatever
	// the case of its ASCII letters.
	Matching(ctx context.Context, text string, f Filter) (ids []int64, err error)
	// Expired returns at most so many sessions from before a time, the oldest
	// first.
	Expired(ctx context.Context, before time.Time, most int) (ids []int64, err error)
	// GiveBack returns the space of what was deleted to the system, in small
	// steps, and empties the log, where others do not use it.
	GiveBack(ctx context.Context) error
}

// Keeper knows the database itself.
type Keeper interface {
	// Origin identifies the database, and is the highest number that it ever
	// gave a vector.
	Origin(ctx context.Context) (store [16]byte, number int64, err error)
	// PrunedDay is the day of UTC since 1970 on which it was pruned last.
	PrunedDay(ctx context.Context) (int64, error)
	SetPrunedDay(ctx context.Context, day int64) error
}

// Importer reads the sessions of other programs.
type Importer interface {
	// ForeignSessions hands every row of the table "sessions" of a database
	// file to visit, without changing the file. A value is nil, an int64, a
	// float64, a string or a []byte; a column that is missing is nil, and one
	// of more than [MaxForeign] bytes is [TooLarge]. It stops at the first
	// error of visit. A file that has no such table is an [ErrForeign].
	ForeignSessions(ctx context.Context, path string, columns []string, visit func([]any) error) error
	// ImportSessions keeps sessions whose keys were never seen, and says of each
	// whether it was new.
	ImportSessions(ctx context.Context, list []Imported) (kept []bool, err error)
}

// ErrForeign says that a file has no sessions of another program, or none that
// can be read.
var ErrForeign = errors.New("it is no sessions.db, or a damaged one")

// MaxForeign is the most that is read of one value of another program, in bytes.
const MaxForeign = 8 << 20

// TooLarge stands for a value of more than [MaxForeign] bytes.
type TooLarge struct{}

// Imported is a session of another program.
type Imported struct {
	// Key identifies it by its content: it is imported once.
	Key     [32]byte
	Session Session
}

// Task is what a session was asked to do.
type Task struct {
	Session int64
	Text    string
}

// Vector is what the task of a session means, and what a search narrows by.
type Vector struct {
	// Number is given by the store when it is kept; Session is whose it is. Both
	// are 0 before.
	Number, Session int64
	Space           string
	// Codes are the dimensions, a signed byte each; their length means nothing.
	Codes []byte
	// At is in milliseconds since 1970.
	At        int64
	Succeeded bool
	// Agent, Project and Task are hashes of the names and of the task's hash;
	// the store fills them with those of the session.
	Agent, Project, Task uint64
}

// Describe copies what a search narrows by from the session.
func (v *Vector) Describe(s *Session) {
	v.Session, v.At, v.Succeeded = s.ID, s.At.UnixMilli(), s.Succeeded
	v.Agent, v.Project, v.Task = nameHash(s.Agent), nameHash(s.Project), nameHash(s.TaskHash)
}

// Hash is the form in which a name stands beside a vector.
func Hash(name string) uint64 { return nameHash(name) }

// nameHash is FNV-1a: short names, no adversary who would gain anything.
func nameHash(name string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return h
}
