package batch

import (
	"context"
	"time"

	"github.com/claude-force/claude-force/internal/layer/charge"
	"github.com/claude-force/claude-force/internal/layer/record"
	"github.com/claude-force/claude-force/internal/llm"
)

// State is how far a batch has come.
type State string

// The states of a batch; see the package documentation for the ways between
// them.
const (
	// Preparing is a batch whose spool file grows.
	Preparing State = "preparing"
	// Prepared is a batch whose spool file is whole and on disk.
	Prepared State = "prepared"
	// Submitting is a batch that may or may not have reached the API.
	Submitting State = "submitting"
	// Submitted is a batch that the API works on.
	Submitted State = "submitted"
	// Ended is a batch whose results can be downloaded.
	Ended State = "ended"
	// Collected is a batch whose results are all settled.
	Collected State = "collected"
	// Cancelled is a batch that was cancelled, and what it had done settled.
	Cancelled State = "cancelled"
	// Failed is a batch that the API refused or no longer knows.
	Failed State = "failed"
)

// Cancel is who cancelled a batch.
type Cancel string

// Who cancels batches; the empty Cancel is nobody.
const (
	CancelledByUser     Cancel = "user"
	CancelledByDeadline Cancel = "deadline"
)

// Record is one batch as the store keeps it. Times are zero until they are
// known.
type Record struct {
	Key     int64 // the store's
	Version int64 // counts its changes
	Account [32]byte
	// ID is the API's id, empty until it is known. Adopted says that it was
	// found in the API's list, and that no result has proved it yet.
	ID      string
	Adopted bool
	// Refuted are ids that were adopted and turned out to be others' batches.
	Refuted []string
	State   State
	// Session fills and submits the batch.
	Session string
	Spool   string // the name of its file
	// Requests and Bytes are set once the batch is prepared.
	Requests int
	Bytes    int64
	// Created is when the batch was begun, Sent when it was last submitted,
	// Submitted, Ended and Expires what the API says.
	Created, Sent, Submitted, Ended, Expires time.Time
	Cancel                                   Cancel
	Counts                                   llm.BatchCounts
	Err                                      *llm.Error // why it failed
	// What follows is the store's to count, in nano-dollars: the cost of
	// settled requests, how many of them have no known price, and what is
	// reserved for requests that are not settled.
	Cost     int64
	Unpriced int
	Reserved int64
}

// Outcome words of requests; the empty one is a request that is not settled.
const (
	outcomeSucceeded = "succeeded"
	outcomeErrored   = "errored"
	outcomeExpired   = "expired"
	outcomeCanceled  = "canceled"
)

// StoredRequest is one request of a batch: what is needed to price, record and
// keep its answer.
type StoredRequest struct {
	Batch    int64 // the batch's key
	CustomID string
	llm.Labels
	Model, Speed, Geo string
	// Reuse is the cache's key; its mode is ReuseOn or ReuseOff.
	Reuse llm.Reuse
	// Reserved is in nano-dollars.
	Reserved int64
	// Settled says that the outcome is known.
	Settled bool
}

// StoredTask is one task that waits for a request.
type StoredTask struct {
	Key      int64 // the store's; 0 before it is stored
	Batch    int64
	CustomID string
	// RunID is that of its request, or its own where it shares the request
	// with a task that came first.
	RunID string
	Tag   []byte
}

// Joining asks which tasks can wait for a request that is there already.
type Joining struct {
	Account [32]byte
	Session string
	// Dead are sessions that have ended: a request that only they waited for
	// is taken over.
	Dead []string
	// Since is the age at which results are no longer at the API.
	Since time.Time
	Tasks []StoredTask
}

// Pruning says what is too old: the tasks of dead sessions that began before a
// time, with the delivered requests that nobody else waits for. Batches of the
// account that were submitted before it and never collected become [Failed]
// with Lost, which ends their reservation.
type Pruning struct {
	Account [32]byte
	Dead    []string
	Before  time.Time
	Lost    *llm.Error
}

// Settlement is the outcome of one request and the rows of the ledger that
// belong to it, which are nil where none are kept.
type Settlement struct {
	CustomID string
	Outcome  string
	Cost     llm.Cost
	Exchange *charge.Exchange
	Run      *record.Run
}

// Delivery is a task that its caller has. Run is the row of a run that shared
// another's request, or nil.
type Delivery struct {
	Task StoredTask
	Run  *record.Run
}

// Filter selects batches; what is zero selects all.
type Filter struct {
	Account  [32]byte
	Key      int64
	IDPrefix string // of the API's id
	Spool    string
	// WaitedBy is a session that has tasks in the batch.
	WaitedBy string
	States   []State
	// Limit is the most batches; Offset leaves out as many.
	Limit, Offset int
}

// Store keeps the lane's state. What returns without an error is on disk and
// survives a kill of the process. It is safe for concurrent use, by several
// processes too.
type Store interface {
	Sessions
	Spooler
	Batches
	Results
}

// Sessions knows whose rows there are.
type Sessions interface {
	// BeginBatchSession notes a session and when it began.
	BeginBatchSession(ctx context.Context, session string, at time.Time) error
	// BatchSessions returns the sessions that are noted.
	BatchSessions(ctx context.Context) ([]string, error)
	// PruneBatches removes what is too old to be of use.
	PruneBatches(ctx context.Context, p Pruning) error
}

// Spooler keeps the rows of batches that are being filled.
type Spooler interface {
	// OpenBatch stores a new batch and returns its key.
	OpenBatch(ctx context.Context, r Record) (key int64, err error)
	// JoinBatches lets each task wait for an undelivered request of its
	// custom id, where there is one that did not fail, and reports which do.
	// Requests of batches that another session is preparing do not count.
	JoinBatches(ctx context.Context, j Joining) (joined []bool, err error)
	// AppendBatches stores requests and tasks that wait for them.
	AppendBatches(ctx context.Context, session string, requests []StoredRequest, tasks []StoredTask) error
	// DiscardBatch removes a batch that is still of the version of r, with its
	// requests and its session's tasks, and reports whether it did.
	DiscardBatch(ctx context.Context, r Record) (bool, error)
}

// Batches keeps the states of batches.
type Batches interface {
	// FindBatches returns batches, the latest first.
	FindBatches(ctx context.Context, f Filter) ([]Record, error)
	// AdvanceBatch replaces a batch that is still of the version of r by r,
	// which is then the next version, unless another batch has its id. It
	// reports whether it did. What the store counts is left as it is. A batch
	// in the state Submitting is safe from a power cut too.
	AdvanceBatch(ctx context.Context, r Record) (bool, error)
}

// Results keeps what became of requests.
type Results interface {
	// BatchRequests returns the requests of a batch that have these custom
	// ids, or, where ids is nil, up to limit that are not settled.
	BatchRequests(ctx context.Context, batch int64, ids []string, limit int) ([]StoredRequest, error)
	// SettleBatch stores outcomes with their rows in one transaction. A
	// request that is settled already, or not there, is left out.
	SettleBatch(ctx context.Context, batch int64, settled []Settlement) error
	// BatchTasks returns the tasks of a session: those that wait for the
	// custom ids of a batch, or, where ids is nil, up to limit of the batch's;
	// batch 0 means those whose batch is gone.
	BatchTasks(ctx context.Context, session string, batch int64, ids []string, limit int) ([]StoredTask, error)
	// DeliverBatch removes tasks that their caller has, and settled requests
	// that nobody waits for any more.
	DeliverBatch(ctx context.Context, delivered []Delivery) error
}
