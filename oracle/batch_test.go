package oracle

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/claude"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/sim"
)

// clock is the time of a simulator whose batches take an hour.
type clock struct{ passed atomic.Int64 }

func (c *clock) now() time.Time       { return noon().Add(time.Duration(c.passed.Load())) }
func (c *clock) pass(d time.Duration) { c.passed.Add(int64(d)) }
func (c *clock) options() sim.Options { return sim.Options{Now: c.now, BatchDelay: time.Hour} }
func item(id, task string) claude.BatchItem {
	return claude.BatchItem{ID: id, Request: request(llm.Params{Model: sonnet, MaxTokens: 1024, Messages: user(task)})}
}

// mixed is a batch with every outcome but "canceled".
func mixed() []claude.BatchItem {
	called := item("called", `[[tool grep {"pattern":"é"}]]`)
	called.Request = request(llm.Params{Model: haiku, MaxTokens: 1024, Tools: json.RawMessage(tools), Messages: called.Request.Messages})
	refused := item("refused_1", "Hi.")
	refused.Request = request(llm.Params{Model: "claude-nope-1", MaxTokens: 10, Messages: user("Hi.")})
	return []claude.BatchItem{
		item("said", "[[say Grüße]]"), called, item("cut", "[[words 2000]]"), item("declined", "[[refuse]]"),
		item("failed", "[[batch errored]]"), item("late", "[[batch expired]]"), refused, item("written", "func f() {}"),
	}
}

// batcher is what both can do with batches.
type batcher interface {
	create(ctx context.Context, items []claude.BatchItem) (*claude.Batch, error)
	get(ctx context.Context, id string) (*claude.Batch, error)
	list(ctx context.Context) ([]claude.Batch, error)
	cancel(ctx context.Context, id string) (*claude.Batch, error)
	results(ctx context.Context, id string) ([]claude.BatchResult, error)
}

type sdkBatches struct{ official }

func (s sdkBatches) create(ctx context.Context, items []claude.BatchItem) (*claude.Batch, error) {
	return s.createBatch(ctx, items)
}

func (s sdkBatches) get(ctx context.Context, id string) (*claude.Batch, error) {
	return s.batch(ctx, id)
}

func (s sdkBatches) list(ctx context.Context) ([]claude.Batch, error) { return s.batches(ctx, 2) }

func (s sdkBatches) cancel(ctx context.Context, id string) (*claude.Batch, error) {
	return s.cancelBatch(ctx, id)
}

func (s sdkBatches) results(ctx context.Context, id string) ([]claude.BatchResult, error) {
	return s.batchResults(ctx, id)
}

type ourBatches struct{ *claude.Client }

func (c ourBatches) create(ctx context.Context, items []claude.BatchItem) (*claude.Batch, error) {
	return ourBatch(ctx, c.Client, items)
}

// ourBatch has the client create a batch, with a body as it writes one.
func ourBatch(ctx context.Context, c *claude.Client, items []claude.BatchItem) (*claude.Batch, error) {
	var body bytes.Buffer
	w := llm.NewBatchWriter(&body)
	for _, item := range items {
		if err := w.Add(item); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return c.CreateBatch(ctx, bytes.NewReader(body.Bytes()), w.Bytes())
}

func (c ourBatches) get(ctx context.Context, id string) (*claude.Batch, error) {
	return c.Batch(ctx, id)
}

func (c ourBatches) list(ctx context.Context) ([]claude.Batch, error) {
	return c.Batches(ctx, time.Time{})
}

func (c ourBatches) cancel(ctx context.Context, id string) (*claude.Batch, error) {
	return c.CancelBatch(ctx, id)
}

func (c ourBatches) results(ctx context.Context, id string) ([]claude.BatchResult, error) {
	var all []claude.BatchResult
	err := c.BatchResults(ctx, id, func(r claude.BatchResult) error {
		all = append(all, r)
		return nil
	})
	return all, err
}

// history is all that was seen of the batches of one run.
type history struct {
	states  []claude.Batch
	lists   [][]claude.Batch
	results [][]claude.BatchResult
}

// TestBatches lets the SDK and the client do the same with batches and
// compares all they see.
func TestBatches(t *testing.T) {
	eachEdition(t, func(t *testing.T, e edition) {
		theirs, mine := new(clock), new(clock)
		want := runBatches(t, theirs, sdkBatches{e.open(t, access{url: serve(t, simulator(t, theirs.options()))})})
		got := runBatches(t, mine, ourBatches{e.ours(t, access{url: serve(t, shortPages(simulator(t, mine.options())))})})
		if !reflect.DeepEqual(got.states, want.states) {
			t.Errorf("states are %+v, the SDK sees %+v", got.states, want.states)
		}
		if !reflect.DeepEqual(got.lists, want.lists) {
			t.Errorf("lists are %+v, the SDK sees %+v", got.lists, want.lists)
		}
		for i := range want.results {
			sameResults(t, got.results[i], want.results[i])
		}
		checkBatches(t, want)
	})
}

func runBatches(t *testing.T, c *clock, b batcher) history {
	t.Helper()
	var h history
	see := func(one *claude.Batch, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		h.states = append(h.states, *one)
		return one.ID
	}
	first := see(b.create(t.Context(), mixed()))
	c.pass(time.Minute)
	second := see(b.create(t.Context(), []claude.BatchItem{item("a", "Hi."), item("b", "Hi."), item("c", "Hi.")}))
	third := see(b.create(t.Context(), []claude.BatchItem{item("only", "[[say One.]]")}))
	c.pass(30 * time.Minute)
	see(b.cancel(t.Context(), second))
	see(b.get(t.Context(), second))
	for range 2 {
		list, err := b.list(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		h.lists = append(h.lists, list)
		c.pass(2 * time.Hour)
	}
	for _, id := range []string{first, second, third} {
		see(b.get(t.Context(), id))
		results, err := b.results(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		h.results = append(h.results, results)
	}
	return h
}

func sameResults(t *testing.T, got, want []claude.BatchResult) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d results, the SDK reads %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if g.ID != w.ID {
			t.Errorf("result %d is of %q, to the SDK of %q", i, g.ID, w.ID)
			continue
		}
		if (g.Response == nil) != (w.Response == nil) {
			t.Errorf("%s: %+v, the SDK reads %+v", g.ID, g, w)
			continue
		}
		if w.Response != nil {
			sameResponse(t, g.ID, g.Response, w.Response)
			continue
		}
		ge, we := llm.AsError(g.Err), llm.AsError(w.Err)
		if ge.Code != we.Code || we.Message != "" && ge.Message != we.Message {
			t.Errorf("%s: %v, the SDK reads %v", g.ID, ge, we)
		}
	}
}

// checkBatches says what the batches must have been, so that equal histories
// are not equally empty.
func checkBatches(t *testing.T, h history) {
	t.Helper()
	var statuses []string
	for _, b := range h.states {
		statuses = append(statuses, b.Status)
	}
	if want := []string{"in_progress", "in_progress", "in_progress", "canceling", "canceling", "ended", "ended", "ended"}; !slices.Equal(statuses, want) {
		t.Errorf("statuses are %v, want %v", statuses, want)
	}
	if len(h.lists[0]) != 3 || h.lists[0][0].ID != h.states[2].ID || h.lists[1][0].Status != "ended" {
		t.Errorf("lists are %+v", h.lists)
	}
	counts := h.states[5].Counts
	if counts.Succeeded != 5 || counts.Errored != 2 || counts.Expired != 1 || counts.Processing != 0 || h.states[6].Counts.Canceled == 0 {
		t.Errorf("counts are %+v and %+v", counts, h.states[6].Counts)
	}
	var order, submitted []string
	for _, r := range h.results[0] {
		order = append(order, r.ID)
		if r.Response != nil && r.Response.Usage.Tier != "batch" {
			t.Errorf("%s: the service tier is %q", r.ID, r.Response.Usage.Tier)
		}
	}
	for _, one := range mixed() {
		submitted = append(submitted, one.ID)
	}
	if slices.Equal(order, submitted) {
		t.Error("the results come in the order of submission, which proves nothing")
	}
}
