// Package batch is the lane of the Message Batches API: half the price, an
// answer within a day. It owns the way of a task from a spool file to its
// result, and keeps every step of it on disk, so that a kill at any moment
// neither loses an answer nor pays for one twice.
//
// A [Lane] is the work of one session, which is one run of a process. Add puts
// a task into the batch that is being filled, or lets it wait for an open
// request of the same id that an earlier session submitted. Run submits, polls,
// downloads, settles and delivers. The states of a batch are:
//
//	preparing ─► prepared ◄─► submitting ─► submitted ─► ended ─► collected
//	    │            │            │             │                cancelled
//	    └─ discarded ┘            └──► failed ◄─┘
//
// The state submitting is on disk before the request leaves. Where its answer
// does not come, the API's list tells whether the batch is there: one of as
// many requests that the store does not know is adopted, and proved by its
// results. Only where the list shows none, twice, is the batch sent again.
//
// Who submits a batch is a session that holds a lock file; the batch of one
// that has died is claimed by a session that waits for it. Who downloads is
// everybody who waits: settling is idempotent, the outcome of a request is
// written once, with the rows of the ledger, in one transaction.
package batch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

// The bounds of one batch. The API takes 256 MB; the slack is for gateways
// that count differently.
const (
	MaxRequests = 100_000
	MaxBytes    = 255 << 20
)

// API is the part of the Messages API that deals with batches. Errors are
// [llm.Error]s.
type API interface {
	// CreateBatch submits a body of size bytes and never repeats it.
	CreateBatch(ctx context.Context, body io.ReadSeeker, size int64) (*llm.Batch, error)
	Batch(ctx context.Context, id string) (*llm.Batch, error)
	// Batches lists the batches since a time, the newest first.
	Batches(ctx context.Context, since time.Time) ([]llm.Batch, error)
	CancelBatch(ctx context.Context, id string) (*llm.Batch, error)
	BatchResults(ctx context.Context, id string, each func(llm.BatchResult) error) error
}

// Options configure a [Lane]. API, Store, Dir, Session and Account must be set
// for Add and Run; List, Show and Cancel need neither Dir nor Session.
type Options struct {
	API   API
	Store Store
	// Dir is the folder of spool and lock files. It is made when it is needed.
	Dir string
	// Session names this run of the process. No other run has the name, which
	// is of letters, digits, '-' and '_'.
	Session string
	// Account tells credentials and addresses of the API apart: batches of
	// another account are not touched.
	Account [32]byte
	// Track says that the rows of the ledger are wanted.
	Track bool
	// Keep stores an answer for later runs, if it is fit for that; nil keeps
	// none. It is called for requests with a key of reuse, before the answer is
	// settled.
	Keep func(context.Context, *llm.Request, *llm.Response)
	// Price returns what an answer cost that was made at a time; nil means
	// that no price is known.
	Price func(*llm.Request, *llm.Response, time.Time) llm.Cost
	// Worst returns the nano-dollars to reserve for a request; nil reserves
	// nothing.
	Worst func(*llm.Request) int64
	// Until is when a batch that has not ended is cancelled; zero is never.
	Until time.Time
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Sleep waits; nil means [llm.Sleep].
	Sleep func(context.Context, time.Duration) error
	// Jitter returns a number in [0,1); nil means a random one.
	Jitter func() float64
	// OnProgress is told of every change while Run waits, from its goroutine;
	// nil tells nobody.
	OnProgress func(Progress)
	// MaxRequests and MaxBytes bound one batch; 0 means the constants.
	MaxRequests int
	MaxBytes    int64
}

// Task is one request of the caller.
type Task struct {
	// Tag comes back with the outcome as it is, in a later session too: the
	// caller's own line.
	Tag     []byte
	Request *llm.Request
	// Identity tells the request from others where its body does not: a part of
	// that may be different each time. Nil stands for the body.
	Identity []byte
}

// Outcome is what became of a task.
type Outcome struct {
	Tag   []byte
	RunID string
	// Request has the labels, the model and the key of reuse, but no body.
	Request *llm.Request
	// BatchID is the API's id, empty where the batch was never submitted.
	BatchID string
	// Response is set where the model answered, which may be a refusal or an
	// answer that was cut: see [llm.Response.Incomplete]. Its Source is
	// SourceMiss with the Cost, or SourceCoalesced with Saved for a task that
	// shared another's request.
	Response *llm.Response
	// Err is set where it did not.
	Err *llm.Error
	// Unfinished says that the task cost nothing and was not refused: its
	// batch was cancelled at Options.Until, or was lost before it reached the
	// API. It can be run another way.
	Unfinished bool
}

// Progress is how far the batches are that a session waits for.
type Progress struct {
	Batches, Ended int
	// Counts are the requests of all of them, as the API counts.
	Counts llm.BatchCounts
	// Tasks are those that the session has added, Delivered those that Run
	// has delivered.
	Tasks, Delivered int
	// Err is a failure that is being waited out, or nil.
	Err *llm.Error
}

// Lane is one session of the batch lane. Add, Run and Close are called from
// one goroutine; List, Show and Cancel are safe for concurrent use.
type Lane struct {
	Options

	lock *sessionLock
	// dead are sessions that had ended when this one began.
	dead []string
	// broken is an error of Add that left a spool file half written.
	broken error

	chunk   chunk
	spool   *spool // of the batch that is being filled, or nil
	spooled int    // files so far
	waits   []*wait
	// tasks and delivered are for progress; failure is the last one met.
	tasks, delivered int
	failure          *llm.Error
}

// New returns a lane. It touches nothing until it is used; Close it.
func New(o Options) *Lane {
	if o.Price == nil {
		o.Price = func(*llm.Request, *llm.Response, time.Time) llm.Cost { return llm.Cost{Unknown: true} }
	}
	if o.Worst == nil {
		o.Worst = func(*llm.Request) int64 { return 0 }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = llm.Sleep
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	if o.OnProgress == nil {
		o.OnProgress = func(Progress) {}
	}
	if o.MaxRequests <= 0 {
		o.MaxRequests = MaxRequests
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = MaxBytes
	}
	return &Lane{Options: o}
}

// Close ends the session. What was submitted goes on at the API, and is
// collected by a later session that adds the same tasks; a batch that was only
// being filled is forgotten. Close may be called again.
func (l *Lane) Close() error {
	if l.spool != nil {
		l.spool.abandon()
		l.spool = nil
	}
	if l.lock == nil {
		return nil
	}
	err := l.lock.release()
	l.lock = nil
	l.broken = errClosed
	return err
}

var errClosed = &llm.Error{Code: llm.CodeInternal, Message: "the batch lane is closed"}

// begin opens the session where it is not open yet.
func (l *Lane) begin(ctx context.Context) error {
	if l.lock != nil || l.broken != nil {
		return l.broken
	}
	if !validSession(l.Session) {
		return &llm.Error{Code: llm.CodeInternal, Message: fmt.Sprintf("%q cannot name a session", l.Session)}
	}
	if err := os.MkdirAll(l.Dir, 0o700); err != nil {
		return diskError("make the folder of batches", err)
	}
	lock, err := lockSession(l.Dir, l.Session)
	if err != nil {
		return diskError("lock the session", err)
	}
	now := l.Now()
	lock.beat(now)
	err = l.Store.BeginBatchSession(ctx, l.Session, now)
	if err == nil {
		err = l.tidy(ctx, now)
	}
	if err != nil {
		return errors.Join(err, lock.release())
	}
	l.lock = lock
	return nil
}
