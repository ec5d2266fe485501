package claudeforce

import (
	"context"
	"io"
	"time"

	books "github.com/claude-force/claude-force/internal/ledger"
	"github.com/claude-force/claude-force/internal/llm"
)

// What reports of the ledger are made of. Their JSON names are stable.
type (
	// Metrics are the whole ledger in a few figures.
	Metrics = books.Summary
	// MetricsGroup are the figures of one agent or model.
	MetricsGroup = books.Group
	// Costs are what was spent, and on what.
	Costs = books.Costs
	// TrendPoint is one step of a trend.
	TrendPoint = books.Point
	// Period is the length of such a step.
	Period = books.Period
	// RunRecord is one run of the ledger.
	RunRecord = books.Record
	// ExportFormat is how runs are exported.
	ExportFormat = books.Format
)

// The periods of trends, which are those of UTC; weeks begin on Monday.
const (
	ByHour = books.ByHour
	ByDay  = books.ByDay
	ByWeek = books.ByWeek
)

// The formats of exports.
const (
	ExportCSV   = books.CSV
	ExportJSON  = books.JSON
	ExportJSONL = books.JSONL
)

// MetricsFilter narrows what a report covers. The zero value is all time, also
// what [Engine.PruneMetrics] has deleted.
type MetricsFilter struct {
	// Hours is how far back it goes: the present hour of the clock and so many
	// whole ones before it. 0 is all time.
	Hours int
}

// figures are the counts of the ledger, nil where nothing was ever kept, and
// the first hour of a filter.
func (e *Engine) figures(f MetricsFilter) (books.Store, books.Hour, error) {
	if f.Hours < 0 {
		return nil, 0, usageError("the number of hours must be a whole number from 1", "")
	}
	from := books.Window(e.options.Now(), f.Hours)
	db, err := e.ledger.reading()
	if err != nil {
		return nil, 0, ledgerError(err)
	}
	if db == nil {
		return nil, from, nil
	}
	return db, from, nil
}

func ledgerError(err error) error {
	if err == nil {
		return nil
	}
	if e := llm.AsError(err); e.Code == CodeCancelled || e.Code == CodeDeadline {
		return e
	}
	return configError("the ledger cannot be used", "`claude-force doctor` checks the folders", err)
}

// Metrics returns the ledger in a few figures. An empty one has zeros.
func (e *Engine) Metrics(ctx context.Context, f MetricsFilter) (*Metrics, error) {
	store, from, err := e.figures(f)
	if err != nil {
		return nil, err
	}
	m, err := books.Summarise(ctx, store, from)
	return &m, ledgerError(err)
}

// AgentMetrics returns the figures of each agent, the dearest first.
func (e *Engine) AgentMetrics(ctx context.Context, f MetricsFilter) ([]MetricsGroup, error) {
	return e.groups(ctx, books.Agent, f)
}

// ModelMetrics returns the figures of each model that was called, the dearest
// first.
func (e *Engine) ModelMetrics(ctx context.Context, f MetricsFilter) ([]MetricsGroup, error) {
	return e.groups(ctx, books.Model, f)
}

func (e *Engine) groups(ctx context.Context, by books.Dimension, f MetricsFilter) ([]MetricsGroup, error) {
	store, from, err := e.figures(f)
	if err != nil {
		return nil, err
	}
	groups, err := books.Groups(ctx, store, by, from)
	return groups, ledgerError(err)
}

// Costs returns what was spent, and on what.
func (e *Engine) Costs(ctx context.Context, f MetricsFilter) (*Costs, error) {
	store, from, err := e.figures(f)
	if err != nil {
		return nil, err
	}
	var unsettled books.Unsettled
	if store != nil && !e.options.Demo { // whose processes share nothing
		unsettled = reservations{e}
	}
	c, err := books.Spending(ctx, store, unsettled, from)
	return &c, ledgerError(err)
}

// reservations know what processes had reserved that died.
type reservations struct{ engine *Engine }

// Unsettled implements [books.Unsettled].
func (r reservations) Unsettled(ctx context.Context) (int64, error) {
	db, err := r.engine.ledger.reading()
	if err != nil || db == nil {
		return 0, err
	}
	list, err := db.Unsettled(ctx, r.engine.options.Now())
	var sum int64
	for _, u := range list {
		sum += u.Nano
	}
	return sum, err
}

// Trend returns the figures of each period, the oldest first, those without
// runs included. Without a number of hours it goes back 24 hours, 30 days or 12
// weeks.
func (e *Engine) Trend(ctx context.Context, by Period, f MetricsFilter) ([]TrendPoint, error) {
	switch by {
	case ByHour, ByDay, ByWeek:
	default:
		return nil, usageError("a trend goes by hour, day or week", "")
	}
	if f.Hours == 0 {
		f.Hours = by.Hours()
	}
	store, from, err := e.figures(f)
	if err != nil {
		return nil, err
	}
	points, err := books.Trend(ctx, store, by, from, books.HourOf(e.options.Now()))
	return points, ledgerError(err)
}

// Recent returns the runs of this process that ended after the first seen
// ones, the oldest first, and how many ever ended: what to ask with the next
// time. The latest 10,000 are there. Wait for the next one with
// [Engine.Ended].
func (e *Engine) Recent(seen uint64) (runs []RunRecord, ended uint64) {
	return e.ledger.latest.Since(seen)
}

// Ended is closed when a run of this process ends after this call and is kept
// in the ledger.
func (e *Engine) Ended() <-chan struct{} { return e.ledger.latest.Changed() }

// Export says what is exported, and how.
type Export struct {
	MetricsFilter
	// Format is CSV, JSON (one list) or, where it is empty, JSONL (an object a
	// line).
	Format ExportFormat
	// Follow goes on with runs to come, of any process, until the context
	// ends. It needs JSONL or CSV.
	Follow bool
}

// ExportMetrics writes the runs of the ledger in the order in which they were
// kept, and returns how many. Where it follows, it ends with the context and
// returns its error.
func (e *Engine) ExportMetrics(ctx context.Context, w io.Writer, o Export) (int64, error) {
	if o.Format == "" {
		o.Format = ExportJSONL
	}
	if o.Follow && o.Format == ExportJSON {
		return 0, usageError("a JSON list has an end, so it cannot follow the ledger", "use the format jsonl")
	}
	out, err := books.NewWriter(w, o.Format)
	if err != nil {
		return 0, usageError(err.Error(), "")
	}
	store, from, err := e.figures(o.MetricsFilter)
	if err != nil {
		return 0, err
	}
	var written int64
	switch {
	case store != nil:
		written, err = books.Export(ctx, store.(books.Rows), out, from, o.Follow)
	case o.Follow:
		db, openErr := e.ledger.store()
		if openErr != nil {
			return 0, ledgerError(openErr)
		}
		written, err = books.Export(ctx, db, out, from, true)
	}
	if closeErr := out.Close(); err == nil && closeErr != nil {
		return written, llm.AsError(closeErr)
	}
	return written, exportError(ctx, err)
}

// exportError is nil for nil. Where nobody reads any more, that is the error.
func exportError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ended := llm.ContextError(ctx); ended != nil {
		return ended
	}
	return llm.AsError(err)
}

// Pruned is how many rows were deleted.
type Pruned struct {
	Runs      int64 `json:"runs"`
	Exchanges int64 `json:"exchanges"`
}

// PruneMetrics deletes the runs and exchanges that are older than age, in small
// steps that keep nobody waiting. What they add up to stays: reports of all
// time and trends do not change, exports do. The last run always stays.
func (e *Engine) PruneMetrics(ctx context.Context, age time.Duration) (Pruned, error) {
	if age <= 0 {
		return Pruned{}, usageError("the age of what is deleted must be more than 0", "")
	}
	db, err := e.ledger.reading()
	if err != nil || db == nil {
		return Pruned{}, ledgerError(err)
	}
	runs, exchanges, err := db.Prune(ctx, e.options.Now().Add(-age))
	return Pruned{runs, exchanges}, ledgerError(err)
}
