package batch

import (
	"context"
	"fmt"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/model"
)

// Info is one batch as its user sees it. Amounts are nano-dollars in Go and
// exact dollars in JSON; times that are not known are left out of the JSON.
type Info struct {
	// BatchID is the API's id; empty where the batch has not come there.
	BatchID string `json:"batch_id"`
	// Status is one of the states; a batch that is being cancelled is
	// "canceling".
	Status    string    `json:"status"`
	Created   time.Time `json:"created"`
	Submitted time.Time `json:"submitted,omitzero"`
	Ended     time.Time `json:"ended,omitzero"`
	Expires   time.Time `json:"expires,omitzero"`
	// Requests are all; those that follow are what became of them, by the
	// API's count.
	Requests   int `json:"requests"`
	Processing int `json:"processing"`
	Succeeded  int `json:"succeeded"`
	Errored    int `json:"errored"`
	Expired    int `json:"expired_requests"`
	Canceled   int `json:"canceled"`
	// Cost is the sum of what is settled; Unpriced is how many answers are not
	// in it because their price is not known.
	Cost     model.Money `json:"cost_usd"`
	Unpriced int         `json:"unpriced,omitempty"`
	// Reserved is set aside for what is not settled.
	Reserved model.Money `json:"reserved"`
	// Error is why the batch failed, or empty.
	Error string `json:"error,omitempty"`
}

func infoOf(r Record) Info {
	i := Info{
		BatchID: r.ID, Status: string(r.State), Created: r.Created, Submitted: r.Submitted, Ended: r.Ended, Expires: r.Expires,
		Requests: r.Requests, Processing: r.Counts.Processing, Succeeded: r.Counts.Succeeded, Errored: r.Counts.Errored,
		Expired: r.Counts.Expired, Canceled: r.Counts.Canceled,
		Cost: model.Money(r.Cost), Unpriced: r.Unpriced, Reserved: model.Money(r.Reserved),
	}
	switch r.State {
	case Submitted:
		if r.Cancel != "" {
			i.Status = "canceling"
		}
	case Cancelled, Failed:
		i.Reserved = 0 // nothing more is paid
	}
	if r.Err != nil {
		i.Error = r.Err.Error()
	}
	return i
}

// List returns batches of the account, the latest first: at most limit of
// them (0 is all) after the first offset. The API is asked about those that
// have not ended; where it cannot be reached, the error comes with the batches
// as they were last seen.
func (l *Lane) List(ctx context.Context, limit, offset int) ([]Info, error) {
	list, err := l.Store.FindBatches(ctx, Filter{Account: l.Account, Limit: limit, Offset: offset})
	if err != nil {
		return nil, err
	}
	err = l.refresh(ctx, list)
	out := make([]Info, len(list))
	for i, r := range list {
		out[i] = infoOf(r)
	}
	return out, err
}

// refresh asks the API about the batches of a list that it works on.
func (l *Lane) refresh(ctx context.Context, list []Record) error {
	var since time.Time
	for _, r := range list {
		if r.State == Submitted && (since.IsZero() || r.Submitted.Before(since)) {
			since = r.Submitted
		}
	}
	if since.IsZero() {
		return nil
	}
	call, cancel := bounded(ctx, callTime)
	defer cancel()
	seen, err := l.API.Batches(call, since.Add(-clockSkew))
	if err != nil {
		return err
	}
	byID := make(map[string]llm.Batch, len(seen))
	for _, b := range seen {
		byID[b.ID] = b
	}
	for i := range list {
		b, ok := byID[list[i].ID]
		if !ok || list[i].State != Submitted {
			continue
		}
		w := wait{Record: list[i]}
		if err := l.observe(ctx, &w, b); err != nil {
			return err
		}
		list[i] = w.Record
	}
	return nil
}

// Show returns the batch of an API id, or of the only one that begins with
// id. The error is as that of [Lane.List].
func (l *Lane) Show(ctx context.Context, id string) (Info, error) {
	r, err := l.named(ctx, id)
	if err != nil {
		return Info{}, err
	}
	list := []Record{r}
	err = l.refresh(ctx, list)
	return infoOf(list[0]), err
}

// Cancel asks the API to stop a batch. What has finished by then is paid, and
// collected by whoever waits for it, in a later session too.
func (l *Lane) Cancel(ctx context.Context, id string) (Info, error) {
	r, err := l.named(ctx, id)
	if err != nil {
		return Info{}, err
	}
	if r.State != Submitted {
		return infoOf(r), &llm.Error{Code: llm.CodeUsage, Message: fmt.Sprintf("batch %s cannot be cancelled: it is %s", r.ID, r.State)}
	}
	w := wait{Record: r}
	b, err := l.cancel(ctx, &w, CancelledByUser)
	if err == nil {
		err = l.observe(ctx, &w, *b)
	}
	return infoOf(w.Record), err
}

// cancel notes who wants a batch to stop, and tells the API.
func (l *Lane) cancel(ctx context.Context, w *wait, who Cancel) (*llm.Batch, error) {
	for w.Cancel == "" && w.State == Submitted { // again where it was touched
		to := w.Record
		to.Cancel = who
		if err := l.advance(ctx, w, to); err != nil {
			return nil, err
		}
	}
	call, cancel := bounded(ctx, callTime)
	defer cancel()
	return l.API.CancelBatch(call, w.ID)
}

// named finds the one batch of an id or its beginning.
func (l *Lane) named(ctx context.Context, id string) (Record, error) {
	if id == "" {
		return Record{}, &llm.Error{Code: llm.CodeUsage, Message: "no batch was named", Hint: "`claude-force batches list` shows them"}
	}
	list, err := l.Store.FindBatches(ctx, Filter{Account: l.Account, IDPrefix: id, Limit: 2})
	if err != nil {
		return Record{}, err
	}
	if r := withID(list, id); r != nil {
		return *r, nil
	}
	switch len(list) {
	case 0:
		return Record{}, &llm.Error{Code: llm.CodeUsage, Message: fmt.Sprintf("no batch has the id %.100q", id), Hint: "`claude-force batches list` shows them"}
	case 1:
		return list[0], nil
	}
	return Record{}, &llm.Error{Code: llm.CodeUsage, Message: fmt.Sprintf("more than one batch begins with %.100q", id), Hint: "write more of the id"}
}
