package batch_test

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/claude-force/claude-force/internal/batch"
	"github.com/claude-force/claude-force/internal/llm"
)

// errKilled is what a killed process would not live to see.
var errKilled = errors.New("killed")

// fuse ends a session at one of its steps: before it is done, or after, when
// nobody learns of it. Nothing works from then on.
type fuse struct {
	at, steps int
	blown     bool
}

// step counts a point at which a process may be killed.
func (f *fuse) step() error {
	if !f.blown {
		f.steps++
		f.blown = f.steps == f.at
	}
	if f.blown {
		return errKilled
	}
	return nil
}

func guard[T any](f *fuse, do func() (T, error)) (out T, err error) {
	if err := f.step(); err != nil {
		return out, err
	}
	got, err := do()
	if err := f.step(); err != nil {
		return out, err
	}
	return got, err
}

func guardErr(f *fuse, do func() error) error {
	_, err := guard(f, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

// wire makes every step of a session one of the fuse's.
func (f *fuse) wire(o *batch.Options) {
	o.API = fusedAPI{f, o.API}
	o.Store = fusedStore{f, o.Store}
}

// deliver writes the output, before or after which the process may be killed.
func (f *fuse) deliver(next func(batch.Outcome) error) func(batch.Outcome) error {
	return func(o batch.Outcome) error { return guardErr(f, func() error { return next(o) }) }
}

type fusedAPI struct {
	f *fuse
	batch.API
}

func (a fusedAPI) CreateBatch(ctx context.Context, body io.ReadSeeker, size int64) (*llm.Batch, error) {
	return guard(a.f, func() (*llm.Batch, error) { return a.API.CreateBatch(ctx, body, size) })
}

func (a fusedAPI) Batch(ctx context.Context, id string) (*llm.Batch, error) {
	return guard(a.f, func() (*llm.Batch, error) { return a.API.Batch(ctx, id) })
}

func (a fusedAPI) Batches(ctx context.Context, since time.Time) ([]llm.Batch, error) {
	return guard(a.f, func() ([]llm.Batch, error) { return a.API.Batches(ctx, since) })
}

func (a fusedAPI) CancelBatch(ctx context.Context, id string) (*llm.Batch, error) {
	return guard(a.f, func() (*llm.Batch, error) { return a.API.CancelBatch(ctx, id) })
}

func (a fusedAPI) BatchResults(ctx context.Context, id string, each func(llm.BatchResult) error) error {
	return guardErr(a.f, func() error {
		return a.API.BatchResults(ctx, id, func(r llm.BatchResult) error {
			if err := a.f.step(); err != nil {
				return err
			}
			return each(r)
		})
	})
}

type fusedStore struct {
	f *fuse
	batch.Store
}

func (s fusedStore) BeginBatchSession(ctx context.Context, session string, at time.Time) error {
	return guardErr(s.f, func() error { return s.Store.BeginBatchSession(ctx, session, at) })
}

func (s fusedStore) BatchSessions(ctx context.Context) ([]string, error) {
	return guard(s.f, func() ([]string, error) { return s.Store.BatchSessions(ctx) })
}

func (s fusedStore) PruneBatches(ctx context.Context, p batch.Pruning) error {
	return guardErr(s.f, func() error { return s.Store.PruneBatches(ctx, p) })
}

func (s fusedStore) OpenBatch(ctx context.Context, r batch.Record) (int64, error) {
	return guard(s.f, func() (int64, error) { return s.Store.OpenBatch(ctx, r) })
}

func (s fusedStore) JoinBatches(ctx context.Context, j batch.Joining) ([]bool, error) {
	return guard(s.f, func() ([]bool, error) { return s.Store.JoinBatches(ctx, j) })
}

func (s fusedStore) AppendBatches(ctx context.Context, session string, r []batch.StoredRequest, t []batch.StoredTask) error {
	return guardErr(s.f, func() error { return s.Store.AppendBatches(ctx, session, r, t) })
}

func (s fusedStore) DiscardBatch(ctx context.Context, r batch.Record) (bool, error) {
	return guard(s.f, func() (bool, error) { return s.Store.DiscardBatch(ctx, r) })
}

func (s fusedStore) FindBatches(ctx context.Context, f batch.Filter) ([]batch.Record, error) {
	return guard(s.f, func() ([]batch.Record, error) { return s.Store.FindBatches(ctx, f) })
}

func (s fusedStore) AdvanceBatch(ctx context.Context, r batch.Record) (bool, error) {
	return guard(s.f, func() (bool, error) { return s.Store.AdvanceBatch(ctx, r) })
}

func (s fusedStore) BatchRequests(ctx context.Context, key int64, ids []string, limit int) ([]batch.StoredRequest, error) {
	return guard(s.f, func() ([]batch.StoredRequest, error) { return s.Store.BatchRequests(ctx, key, ids, limit) })
}

func (s fusedStore) SettleBatch(ctx context.Context, key int64, settled []batch.Settlement) error {
	return guardErr(s.f, func() error { return s.Store.SettleBatch(ctx, key, settled) })
}

func (s fusedStore) BatchTasks(ctx context.Context, session string, key int64, ids []string, limit int) ([]batch.StoredTask, error) {
	return guard(s.f, func() ([]batch.StoredTask, error) { return s.Store.BatchTasks(ctx, session, key, ids, limit) })
}

func (s fusedStore) DeliverBatch(ctx context.Context, d []batch.Delivery) error {
	return guardErr(s.f, func() error { return s.Store.DeliverBatch(ctx, d) })
}
