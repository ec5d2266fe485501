package claudeforce

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/claude-force/claude-force/internal/batch"
	"github.com/claude-force/claude-force/internal/layer/charge"
	"github.com/claude-force/claude-force/internal/llm"
)

// BatchInfo is one Message Batch as its user sees it.
type BatchInfo = batch.Info

// Batches returns the Message Batches that this project has submitted with the
// present credential, the latest first: at most limit of them (0: all) after
// the first offset. Where the API cannot be asked about those that have not
// ended, the error comes with the batches as they were last seen.
func (e *Engine) Batches(ctx context.Context, limit, offset int) ([]BatchInfo, error) {
	lane, err := e.openLane(laneOptions{})
	if err != nil {
		return nil, err
	}
	list, err := lane.List(ctx, limit, offset)
	return list, laneError(err)
}

// Batch returns the batch of an id of the API, or of the only one that begins
// with it.
func (e *Engine) Batch(ctx context.Context, id string) (BatchInfo, error) {
	lane, err := e.openLane(laneOptions{})
	if err != nil {
		return BatchInfo{}, err
	}
	info, err := lane.Show(ctx, id)
	return info, laneError(err)
}

// CancelBatch asks the API to stop a batch. What has finished by then is paid,
// and is collected when its tasks are run again.
func (e *Engine) CancelBatch(ctx context.Context, id string) (BatchInfo, error) {
	lane, err := e.openLane(laneOptions{})
	if err != nil {
		return BatchInfo{}, err
	}
	info, err := lane.Cancel(ctx, id)
	return info, laneError(err)
}

// laneError is the public form of an error of the lane; nil stays nil.
func laneError(err error) error {
	if err == nil {
		return nil
	}
	return llm.AsError(err)
}

type laneOptions struct {
	dir        string // of a lane that submits
	until      time.Time
	onProgress func(batch.Progress)
}

// openLane returns the lane of the Message Batches API. It shares the steps of
// a call: prices, the ledger, the response cache.
func (e *Engine) openLane(o laneOptions) (*batch.Lane, error) {
	client, err := e.client()
	if err != nil {
		return nil, llm.AsError(err)
	}
	prices, err := e.catalogue()
	if err != nil {
		return nil, llm.AsError(err)
	}
	store, err := e.ledger.store()
	if err != nil {
		return nil, configError("batches need a folder for their state", "make it writable, or use --via api", err)
	}
	lane := batch.Options{
		API: client, Store: store, Dir: o.dir, Session: e.options.NewID(), Account: e.account(),
		Track: e.config.Bool("tracking"), Until: o.until, OnProgress: o.onProgress,
		Now: e.options.Now, Jitter: e.options.Jitter,
		Price: func(req *llm.Request, resp *llm.Response, at time.Time) llm.Cost {
			return charge.Price(prices.Catalogue, req, resp, at)
		},
		Worst: func(req *llm.Request) int64 {
			nano, _ := mostFor(prices.Catalogue, req, int64(len(req.Body())), true, e.options.Now())
			return nano
		},
	}
	if kept := e.answers().cache; kept != nil {
		lane.Keep = kept.Keep
	}
	return batch.New(lane), nil
}

// batchDir is where batches are prepared; a demo's is thrown away by discard.
func (e *Engine) batchDir() (dir string, discard func(), err error) {
	if !e.options.Demo {
		return filepath.Join(e.paths.State, "batches"), func() {}, nil
	}
	dir, err = os.MkdirTemp("", "claude-force-demo-")
	if err != nil {
		return "", nil, configError("a demo of batches needs a temporary folder", "set TMPDIR to one that is writable", err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}
