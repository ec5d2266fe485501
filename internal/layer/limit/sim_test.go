package limit_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/claude"
	"github.com/claude-force/claude-force/internal/layer/limit"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/sim"
)

// The models of the tests are of two limit groups.
const (
	sonnet = "claude-sonnet-4-5"
	haiku  = "claude-haiku-4-5"
)

// api is a simulated API and what has come to it.
type api struct {
	*sim.Server
	client *claude.Client

	mu   sync.Mutex
	came []arrival
}

// arrival is one call as it came to the server.
type arrival struct {
	name string // the last word of its task
	at   time.Time
}

func newAPI(t testing.TB, o sim.Options) *api {
	t.Helper()
	catalogue, err := model.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	a := &api{}
	o.Catalogue = catalogue
	o.OnRequest = func(r sim.Record) {
		_, task, _ := strings.Cut(string(r.Body), "name=")
		name, _, _ := strings.Cut(task, " ")
		a.mu.Lock()
		defer a.mu.Unlock()
		a.came = append(a.came, arrival{name, time.Now()})
	}
	if a.Server, err = sim.New(o); err != nil {
		t.Fatal(err)
	}
	if a.client, err = claude.New(claude.Options{Transport: a.Transport(), Credential: "key"}); err != nil {
		t.Fatal(err)
	}
	return a
}

// arrivals are the calls so far, in order.
func (a *api) arrivals() []arrival {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]arrival(nil), a.came...)
}

func (a *api) order() string {
	var names []string
	for _, c := range a.arrivals() {
		names = append(names, c.name)
	}
	return strings.Join(names, " ")
}

// newLimiter returns a limiter that hands back what it holds when the test ends.
func newLimiter(t testing.TB, o limit.Options) *limit.Limiter {
	t.Helper()
	l := limit.New(o)
	t.Cleanup(l.Close)
	return l
}

// stack is a limiter of its own before the API.
func (a *api) stack(t testing.TB, o limit.Options) llm.Caller {
	t.Helper()
	return newLimiter(t, o).Layer()(a.client)
}

// task is a request whose answer has a number of words. Each differs from all
// others, or the simulator would take it from its prompt cache.
func task(modelID, name string, words int, background bool) *llm.Request {
	text := fmt.Sprintf("[[words %d]] name=%s ", words, name)
	r := llm.New(llm.Params{
		Model: modelID, MaxTokens: 8192,
		Messages: []llm.Message{{Role: "user", Content: []llm.Block{{Text: text}}}},
	}, llm.Labels{RunID: name, Agent: "test"})
	r.Background = background
	return r
}

// outcome is how a call ended.
type outcome struct {
	resp *llm.Response
	err  *llm.Error
	took time.Duration
}

// call makes a call with a deadline; 0 is none.
func call(ctx context.Context, c llm.Caller, req *llm.Request, within time.Duration) outcome {
	began := time.Now()
	if within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, within)
		defer cancel()
	}
	resp, err := c.Call(ctx, req, llm.Discard)
	return outcome{resp, llm.AsError(err), time.Since(began)}
}

// crowd makes n calls at once and returns how each ended.
func crowd(ctx context.Context, c llm.Caller, n int, within time.Duration, req func(i int) *llm.Request) []outcome {
	out := make([]outcome, n)
	var wg sync.WaitGroup
	for i := range n {
		r := req(i)
		wg.Go(func() { out[i] = call(ctx, c, r, within) })
	}
	wg.Wait()
	return out
}

// count is how many calls ended with a code; "" counts successes.
func count(out []outcome, code llm.Code) int {
	n := 0
	for _, o := range out {
		if (o.err == nil && code == "") || (o.err != nil && o.err.Code == code) {
			n++
		}
	}
	return n
}

// tally says how calls ended, for messages.
func tally(out []outcome) map[llm.Code]int {
	m := map[llm.Code]int{}
	for _, o := range out {
		if o.err == nil {
			m["ok"]++
		} else {
			m[o.err.Code]++
		}
	}
	return m
}
