package breakpoint_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claude-force/claude-force/internal/layer/breakpoint"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/llm/llmtest"
)

// sonnet are the rates of Sonnet 5.5, in cents for a million tokens.
var sonnet = breakpoint.Rates{Plain: 200, WriteShort: 250, WriteLong: 400, Read: 10}

func TestPlanIsTheCheapestForTheGaps(t *testing.T) {
	for name, c := range map[string]struct {
		gaps breakpoint.Gaps
		want string
	}{
		"nothing is known":         {breakpoint.Gaps{}, breakpoint.Short},
		"too little is known":      {breakpoint.Gaps{Long: 7}, breakpoint.Short},
		"a burst":                  {breakpoint.Gaps{Short: 100}, breakpoint.Short},
		"every twenty minutes":     {breakpoint.Gaps{Long: 20}, breakpoint.Long},
		"bursts over an hour":      {breakpoint.Gaps{Short: 50, Long: 10, Beyond: 2}, breakpoint.Long},
		"once a day":               {breakpoint.Gaps{Beyond: 9}, breakpoint.None},
		"a burst once a day":       {breakpoint.Gaps{Short: 40, Beyond: 5}, breakpoint.Short},
		"seldom, and seldom twice": {breakpoint.Gaps{Short: 1, Long: 1, Beyond: 20}, breakpoint.None},
	} {
		if got := breakpoint.Plan(c.gaps, sonnet); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// No plan is dearer than another for the gaps it was made of.
func FuzzPlan(f *testing.F) {
	f.Add(uint16(3), uint16(4), uint16(5))
	f.Fuzz(func(t *testing.T, short, long, beyond uint16) {
		g := breakpoint.Gaps{Short: int64(short), Long: int64(long), Beyond: int64(beyond)}
		if g.Short+g.Long+g.Beyond < 8 {
			return
		}
		cost := map[string]int64{
			breakpoint.Short: g.Short*10 + (g.Long+g.Beyond)*250,
			breakpoint.Long:  (g.Short+g.Long)*10 + g.Beyond*400,
			breakpoint.None:  (g.Short + g.Long + g.Beyond) * 200,
		}
		plan := breakpoint.Plan(g, sonnet)
		for other, c := range cost {
			if c < cost[plan] {
				t.Errorf("%+v: %q costs %d and %q %d", g, plan, cost[plan], other, c)
			}
		}
	})
}

type memory struct {
	mu   sync.Mutex
	gaps breakpoint.Gaps
	err  error
	uses int64
	read int
}

func (m *memory) Gaps(context.Context, string, string) (breakpoint.Gaps, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.read++
	return m.gaps, m.err
}

func (m *memory) SaveUses(_, _ string, _ time.Time, count int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.uses += count
	return m.err
}

func rates(string) (breakpoint.Rates, bool) { return sonnet, true }

func TestConformance(t *testing.T) {
	llmtest.TestLayer(t, func() llm.Layer {
		return breakpoint.Layer(breakpoint.Options{Store: &memory{}, Rates: rates})
	})
}

// last keeps the request that came through.
type last struct{ req *llm.Request }

func (l *last) Call(_ context.Context, req *llm.Request, _ func(llm.Event)) (*llm.Response, error) {
	l.req = req
	return &llm.Response{}, nil
}

func request(ttl string) *llm.Request {
	return llm.New(llm.Params{
		Model: "m", System: []llm.Block{{Text: "first"}, {Text: "last", CacheTTL: ttl}},
		Messages: []llm.Message{{Role: "user", Content: []llm.Block{{Text: "task"}}}},
	}, llm.Labels{Agent: "a"})
}

func TestRequestsFollowThePlan(t *testing.T) {
	for name, c := range map[string]struct {
		store *memory
		ttl   string
		want  string
	}{
		"without a breakpoint": {&memory{gaps: breakpoint.Gaps{Long: 20}}, "", ""},
		"short":                {&memory{}, "5m", "5m"},
		"long":                 {&memory{gaps: breakpoint.Gaps{Long: 20}}, "5m", "1h"},
		"none":                 {&memory{gaps: breakpoint.Gaps{Beyond: 20}}, "5m", ""},
		"a store that fails":   {&memory{err: errors.New("no disk"), gaps: breakpoint.Gaps{Long: 20}}, "5m", "5m"},
	} {
		t.Run(name, func(t *testing.T) {
			end := &last{}
			caller := llm.Stack(end, breakpoint.Layer(breakpoint.Options{Store: c.store, Rates: rates}))
			sent := request(c.ttl)
			before := string(sent.Body())
			if _, err := caller.Call(t.Context(), sent, llm.Discard); err != nil {
				t.Fatal(err)
			}
			if got, want := string(end.req.Body()), string(request(c.want).Body()); got != want {
				t.Errorf("sent %s, want %s", got, want)
			}
			if end.req.Agent != "a" || string(sent.Body()) != before {
				t.Error("the caller's request was changed, or its labels were lost")
			}
		})
	}
}

func TestTheStoreIsAskedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		caller := llm.Stack(&last{}, breakpoint.Layer(breakpoint.Options{Store: store, Rates: rates}))
		call := func() {
			if _, err := caller.Call(t.Context(), request("5m"), llm.Discard); err != nil {
				t.Fatal(err)
			}
		}
		for range 1000 {
			call()
		}
		if store.read != 1 || store.uses != 1 {
			t.Errorf("a burst read %d times and wrote %d uses", store.read, store.uses)
		}
		time.Sleep(time.Minute)
		call()
		if store.read != 2 || store.uses != 1001 {
			t.Errorf("a minute later: read %d times, wrote %d uses", store.read, store.uses)
		}
	})
}
