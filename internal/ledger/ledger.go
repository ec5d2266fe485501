// Package ledger owns the figures that reports are made of: the counts that
// are kept beside the rows of runs and exchanges, summaries, costs and trends
// made from them, the export and import of records, and the latest runs of
// this process.
//
// Every amount is an integer of nano-dollars, and what was spent is the sum of
// the exchanges. Counts are kept for each hour of UTC and for all time, so that
// a report reads few rows whatever the age of the ledger; a day or a week is
// the sum of its hours. Deleting old rows leaves the counts as they are.
package ledger

import (
	"context"
	"time"

	"github.com/claude-force/claude-force/internal/model"
)

// Dimension is what counts are kept by. The numbers are stored: they never
// change.
type Dimension int

// The dimensions.
const (
	// Total has one name, the empty one.
	Total Dimension = iota
	Agent
	// Model is the id that was called.
	Model
	// Workflow has no counts of runs outside workflows.
	Workflow
	// Tag has names of the form key=value; a run with two tags counts for both.
	Tag
)

// Counts are what runs and exchanges add up to. The zero value is nothing
// done.
type Counts struct {
	// Runs is the number of runs; those that neither succeeded nor were
	// cancelled have failed.
	Runs, Succeeded, Cancelled int64
	// Lookups are runs that asked the response cache; Hits are those that were
	// answered without a call of their own.
	Lookups, Hits int64
	// Saved is what the hits would have cost, in nano-dollars.
	Saved int64
	// Duration and Waited are sums over the runs, in microseconds: from start
	// to end, and the part of it spent waiting for the rate limits.
	Duration, Waited int64
	// Exchanges went over the wire; Errors are those that brought no answer.
	Exchanges, Errors int64
	// Cost is the sum of the exchanges in nano-dollars, without the Unpriced
	// ones, whose price is not known.
	Cost, Unpriced int64
	// Tokens of the exchanges; Thinking is a part of Output.
	Input, Output, Thinking, CacheWrite5m, CacheWrite1h, CacheRead int64
}

// Add adds d.
func (c *Counts) Add(d *Counts) {
	c.Runs += d.Runs
	c.Succeeded += d.Succeeded
	c.Cancelled += d.Cancelled
	c.Lookups += d.Lookups
	c.Hits += d.Hits
	c.Saved += d.Saved
	c.Duration += d.Duration
	c.Waited += d.Waited
	c.Exchanges += d.Exchanges
	c.Errors += d.Errors
	c.Cost += d.Cost
	c.Unpriced += d.Unpriced
	c.Input += d.Input
	c.Output += d.Output
	c.Thinking += d.Thinking
	c.CacheWrite5m += d.CacheWrite5m
	c.CacheWrite1h += d.CacheWrite1h
	c.CacheRead += d.CacheRead
}

// Hour is a number of whole hours since 1970 in UTC. AllTime stands for all of
// them.
type Hour int64

// AllTime is the hour under which the counts of all hours are kept.
const AllTime Hour = -1

// HourOf is the hour of a time; times before 1970 belong to the first one.
func HourOf(t time.Time) Hour { return Hour(max(t.Unix(), 0) / 3600) }

// Start is the first moment of the hour.
func (h Hour) Start() time.Time { return time.Unix(int64(h)*3600, 0).UTC() }

// Window is the first hour of the last so many hours before now, and AllTime
// where hours is 0: the hour that has begun, and as many whole ones before it.
func Window(now time.Time, hours int) Hour {
	if hours <= 0 {
		return AllTime
	}
	return max(HourOf(now)-Hour(hours), 0)
}

// Store keeps the counts and the rows. It is safe for concurrent use.
// Everything is read from an hour on, or of all time.
type Store interface {
	// Counts returns the counts of each name of a dimension.
	Counts(ctx context.Context, by Dimension, from Hour) (map[string]Counts, error)
	// Durations returns how many runs took how long.
	Durations(ctx context.Context, from Hour) (Histogram, error)
	// Hours returns the total of each hour that has one. AllTime returns every
	// hour.
	Hours(ctx context.Context, from Hour) (map[Hour]Counts, error)
}

// Rows are the rows of runs. They are safe for concurrent use.
type Rows interface {
	// Records returns the runs that were kept after that with the number
	// after, in the order in which they were kept, at most so many; none where
	// there are no more. A run's tokens and cost are the sum of its exchanges.
	Records(ctx context.Context, after int64, most int) ([]Record, error)
}

// Unsettled knows of reservations whose process died before it settled them.
type Unsettled interface {
	// Unsettled returns their sum in nano-dollars.
	Unsettled(ctx context.Context) (int64, error)
}

func rate(part, of int64) float64 {
	if of == 0 {
		return 0
	}
	return float64(part) / float64(of)
}

func milliseconds(us int64) float64 { return float64(us) / 1000 }

// Money is an amount in nano-dollars.
type Money = model.Money
