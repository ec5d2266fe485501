package limit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claude-force/claude-force/internal/layer/limit"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/sim"
)

// memory is a [limit.Shared] of one process that counts its writes.
type memory struct {
	mu     sync.Mutex
	kept   map[limit.Key][]byte
	writes int
	fail   error // what it fails with, if it does
}

var errDisk = errors.New("the disk is full")

// UpdateLimits implements [limit.Shared].
func (m *memory) UpdateLimits(_ context.Context, key limit.Key, change func([]byte) []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	if m.fail != nil {
		return m.fail
	}
	if m.kept == nil {
		m.kept = map[limit.Key][]byte{}
	}
	m.kept[key] = change(m.kept[key])
	return nil
}

// failing sets what the store fails with.
func (m *memory) failing(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

func (m *memory) wrote() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writes
}

// put keeps the same state for all limit groups of an account.
func (m *memory) put(t *testing.T, data string) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.kept) == 0 {
		t.Fatal("nothing is kept yet")
	}
	for key := range m.kept {
		m.kept[key] = []byte(data)
	}
}

// kept is what a store keeps of its only limit group.
type kept struct {
	Version int
	Buckets []struct{ Limit, Left float64 }
	Holders map[string]struct {
		Lease  []float64
		Flight float64
	}
}

func (m *memory) read(t *testing.T) kept {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	var k kept
	if len(m.kept) != 1 {
		t.Fatalf("%d limit groups are kept, want 1", len(m.kept))
	}
	for _, data := range m.kept {
		if err := json.Unmarshal(data, &k); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

// leased is all that processes hold, in requests and tokens.
func (k kept) leased() float64 {
	sum := 0.0
	for _, h := range k.Holders {
		for _, x := range h.Lease {
			sum += x
		}
	}
	return sum
}

// lasting returns a context that is cancelled after a time. It has no
// deadline, which would let calls give up before.
func lasting(ctx context.Context, d time.Duration) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	time.AfterFunc(d, cancel)
	return ctx
}

// flood keeps so many callers busy until ctx ends.
func flood(ctx context.Context, c llm.Caller, callers int, name string) *sync.WaitGroup {
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				_ = call(ctx, c, task(sonnet, fmt.Sprintf("%s-%d-%d", name, i, n), 40, i%2 == 0), 0)
			}
		})
	}
	return &wg
}

// Processes that share a state use the limits together, and stay within them.
func TestProcessesShareTheLimits(t *testing.T) {
	for name, c := range map[string]struct {
		limits    sim.Limits
		processes int
		used      func(sim.Stats) float64 // of what a minute allows
	}{
		"requests": {sim.Limits{RPM: 600}, 2, func(s sim.Stats) float64 { return float64(s.Answered) / 600 }},
		"output":   {sim.Limits{RPM: 6000, OTPM: 30_000}, 2, func(s sim.Stats) float64 { return float64(s.OutputTokens) / 30_000 }},
		"input":    {sim.Limits{RPM: 6000, ITPM: 30_000}, 3, func(s sim.Stats) float64 { return float64(s.InputTokens) / 30_000 }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const minutes = 6
				server := newAPI(t, sim.Options{Limits: c.limits, Latency: 2 * time.Second})
				store := &memory{}
				ctx := lasting(t.Context(), minutes*time.Minute)
				var all []*sync.WaitGroup
				for p := range c.processes {
					id := fmt.Sprint("p", p)
					all = append(all, flood(ctx, server.stack(t, limit.Options{Shared: store, Holder: id, Attempts: 100}), 60, id))
				}
				<-ctx.Done()
				stats := server.Stats()
				for _, wg := range all {
					wg.Wait()
				}
				used := c.used(stats) / (minutes + 1) // and the full bucket of the beginning
				refused := float64(stats.RateLimited) / float64(stats.Messages)
				writes := float64(store.wrote()) / (minutes * 60) / float64(c.processes)
				t.Logf("%.2f %% used, %.2f %% refused, %.1f writes a second and process", used*100, refused*100, writes)
				if used < 0.97 || refused > 0.01 {
					t.Errorf("%.1f %% of the limit was used and %.2f %% of requests were refused", used*100, refused*100)
				}
				if writes > 4 {
					t.Errorf("%.1f writes a second and process", writes)
				}
			})
		})
	}
}

// Writes go by time, not by calls.
func TestNoWriteForEachCall(t *testing.T) {
	for name, limits := range map[string]sim.Limits{"no headers": {}, "headers": {RPM: 1_000_000}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newAPI(t, sim.Options{Limits: limits, Latency: 20 * time.Millisecond})
				store := &memory{}
				ctx := lasting(t.Context(), time.Minute)
				flood(ctx, server.stack(t, limit.Options{Shared: store, Holder: "a", Concurrency: 20}), 40, "a").Wait()
				calls, writes := server.Stats().Answered, store.wrote()
				if calls < 40_000 || writes > 4*60 {
					t.Errorf("%d calls and %d writes in a minute", calls, writes)
				}
			})
		})
	}
}

// A process that shares its limits makes its calls as fast as one alone where
// the limits are far.
func TestSharingCostsNoTime(t *testing.T) {
	took := map[bool]time.Duration{}
	for _, shared := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			server := newAPI(t, sim.Options{Limits: sim.Limits{RPM: 1_000_000, OTPM: 100_000_000}, Latency: 50 * time.Millisecond})
			o := limit.Options{Concurrency: 10}
			if shared {
				o.Shared, o.Holder = &memory{}, "a"
			}
			began := time.Now()
			crowd(t.Context(), server.stack(t, o), 2000, 0, background)
			took[shared] = time.Since(began)
		})
	}
	if took[true] > took[false]*103/100 {
		t.Errorf("2000 calls took %v, alone %v", took[true], took[false])
	}
}

// What a process holds goes back when it closes, at once.
func TestCloseGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAPI(t, sim.Options{Limits: sim.Limits{RPM: 1000, ITPM: 100_000, OTPM: 100_000}, Latency: time.Second})
		store := &memory{}
		l := limit.New(limit.Options{Shared: store, Holder: "a"})
		crowd(t.Context(), l.Layer()(server.client), 200, 0, background)
		if got := store.read(t).leased(); got == 0 {
			t.Fatal("nothing is held at the end of 200 calls: this test shows nothing")
		}
		began := time.Now()
		l.Close()
		if k := store.read(t); k.leased() != 0 || k.Holders["a"].Flight != 0 || time.Since(began) != 0 {
			t.Errorf("after Close, %v later: %+v", time.Since(began), k.Holders)
		}
	})
}

// What is held and not used goes back while the process lives on.
func TestIdleProcessGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAPI(t, sim.Options{Limits: sim.Limits{RPM: 1000}, Latency: time.Second})
		store := &memory{}
		crowd(t.Context(), server.stack(t, limit.Options{Shared: store, Holder: "a"}), 200, 0, background)
		time.Sleep(2 * time.Second)
		if k := store.read(t); k.leased() != 0 {
			t.Errorf("after two seconds without a call: %+v", k.Holders)
		}
		writes := store.wrote()
		time.Sleep(time.Hour)
		if n := store.wrote() - writes; n != 0 {
			t.Errorf("%d writes in an hour without a call", n)
		}
	})
}

// A process that dies keeps nothing from the others for longer than a lease.
func TestLeaseOfTheDeadReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAPI(t, sim.Options{Limits: sim.Limits{RPM: 60}, Latency: time.Second})
		store := &memory{}
		dead := limit.New(limit.Options{Shared: store, Holder: "dead"})
		stop := &atomicErr{Shared: store}
		dead.Shared = stop
		c := dead.Layer()(server.client)
		if o := call(t.Context(), c, background(0), 0); o.err != nil { // learns the limits
			t.Fatal(o.err)
		}
		crowd(t.Context(), c, 20, 0, background)
		stop.kill()
		held := store.read(t).leased()
		time.Sleep(10 * time.Second)
		other := server.stack(t, limit.Options{Shared: store, Holder: "other"})
		if o := call(t.Context(), other, background(0), 0); o.err != nil || o.took > 2*time.Second {
			t.Errorf("a call of the other: %v after %v", o.err, o.took)
		}
		k := store.read(t)
		sum := 0.0
		for _, x := range k.Holders["dead"].Lease {
			sum += x
		}
		if sum != 0 {
			t.Errorf("the dead one held %v and has still %v", held, sum)
		}
		time.Sleep(2 * time.Minute)
		if o := call(t.Context(), other, background(0), 0); o.err != nil {
			t.Error(o.err)
		}
		if _, there := store.read(t).Holders["dead"]; there {
			t.Error("the dead one is remembered after two minutes")
		}
	})
}

// atomicErr stops all writes of a process, as its death does.
type atomicErr struct {
	limit.Shared
	mu   sync.Mutex
	dead bool
}

func (a *atomicErr) kill() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dead = true
}

// UpdateLimits implements [limit.Shared].
func (a *atomicErr) UpdateLimits(ctx context.Context, key limit.Key, change func([]byte) []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.dead {
		return nil
	}
	return a.Shared.UpdateLimits(ctx, key, change)
}

// A store that fails leaves the process alone with what it knows; it is told,
// and tried again later.
func TestStoreThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAPI(t, sim.Options{Limits: sim.Limits{RPM: 600}, Latency: time.Second})
		store := &memory{}
		var mu sync.Mutex
		var warned []string
		c := server.stack(t, limit.Options{Shared: store, Holder: "a", Attempts: 100, Warn: func(err error) {
			mu.Lock()
			defer mu.Unlock()
			if !errors.Is(err, errDisk) {
				t.Errorf("warned of %v", err)
			}
			warned = append(warned, err.Error())
		}})
		warnings := func() int {
			mu.Lock()
			defer mu.Unlock()
			return len(warned)
		}
		ctx, cancel := context.WithCancel(t.Context())
		wg := flood(ctx, c, 100, "a")
		time.Sleep(2 * time.Minute)
		if warnings() != 0 {
			t.Errorf("warned of %v", warned)
		}
		before := server.Stats()
		store.failing(errDisk)
		wrote := store.wrote()
		time.Sleep(2 * time.Minute)
		alone := server.Stats()
		if n := alone.Answered - before.Answered; n < 1150 || n > 1250 {
			t.Errorf("%d answers in two minutes alone, 600 a minute are allowed", n)
		}
		t.Log("alone", alone.RateLimited-before.RateLimited, "before", before.RateLimited)
		if tries := store.wrote() - wrote; tries < 5 || tries > 15 || warnings() != tries {
			t.Errorf("%d tries and %d warnings in two minutes, want one in ten seconds", tries, warnings())
		}
		store.failing(nil)
		told := warnings()
		wrote = store.wrote()
		time.Sleep(2 * time.Minute)
		if store.wrote()-wrote < 60 || warnings() != told {
			t.Errorf("%d writes and %d warnings after the store works again", store.wrote()-wrote, warnings()-told)
		}
		t.Log("after", server.Stats().RateLimited-alone.RateLimited)
		if n := server.Stats().RateLimited; n > 10 {
			t.Errorf("%d refusals", n)
		}
		cancel()
		wg.Wait()
	})
}

// A store that fails from the beginning is no hindrance.
func TestStoreThatNeverWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAPI(t, sim.Options{Limits: sim.Limits{RPM: 600}, Latency: time.Second})
		warnings := make(chan error, 100)
		l := limit.New(limit.Options{Shared: &memory{fail: errDisk}, Holder: "a", Warn: func(err error) { warnings <- err }})
		if o := call(t.Context(), l.Layer()(server.client), background(0), 0); o.err != nil || o.took != time.Second {
			t.Errorf("%v after %v", o.err, o.took)
		}
		l.Close()
		if len(warnings) == 0 {
			t.Error("nobody was warned")
		}
	})
}

// What is kept and makes no sense is replaced, and holds nobody up.
func TestKeptStateThatMakesNoSense(t *testing.T) {
	buckets := func(b string) string {
		return `{"version":1,"at":"2000-01-01T00:00:00Z","buckets":[` + b + `,` + b + `,` + b + `]}`
	}
	for name, data := range map[string]string{
		"nothing":          "",
		"no JSON":          "\x00\xff{{{",
		"null":             "null",
		"another shape":    `{"version":1,"buckets":{"requests":5}}`,
		"a newer version":  `{"version":99,"at":"2000-01-01T00:00:00Z","buckets":[{"limit":1,"left":-1e9},{"limit":1,"left":-1e9},{"limit":1,"left":-1e9}],"paused_at":"2000-01-01T00:00:00Z","paused_for":3600000000000}`,
		"an older version": `{"version":0,"buckets":[{"limit":1,"left":-1e9}]}`,
		"deep in debt":     buckets(`{"limit":1000,"roof":1000,"left":-1e15,"base":1,"seen":"2000-01-01T00:00:00Z"}`),
		"others take all":  buckets(`{"limit":1000,"roof":1000,"left":500,"others":50,"base":1,"seen":"2000-01-01T00:00:00Z"}`),
		"infinite":         buckets(`{"limit":1e308,"floor":1e308,"roof":1e308,"left":1e308,"given":1e308,"fixed":-1e308,"credit":1e308,"missing":1e308}`),
		"negative":         buckets(`{"limit":-1e308,"floor":-1e308,"roof":-1e308,"left":-1e308,"base":-1e308,"credit":-1e308,"others":-1e308}`),
		"paused for ever":  `{"version":1,"at":"2000-01-01T00:00:00Z","paused_at":"2000-01-01T00:00:00Z","paused_for":9000000000000000000}`,
		"a holder of all": `{"version":1,"at":"2000-01-01T00:00:00Z","buckets":[{"limit":1000,"roof":1000,"left":1000,"base":1},{},{}],
			"holders":{"x":{"lease":[1e9,0,0],"heard":"2000-01-01T00:00:00Z","flight":1e300,"claim":[1e300,1e300,1e300],"waits":"1970-01-01T00:00:00Z"}},"took":-9000000000000000000}`,
		"one from the future": `{"version":1,"at":"2100-01-01T00:00:00Z","buckets":[{"limit":1000,"roof":1000,"left":0,"base":1,"seen":"2100-01-01T00:00:00Z","since":"2100-01-01T00:00:00Z","steered":"2100-01-01T00:00:00Z"},{},{}],
			"holders":{"x":{"lease":[900,0,0],"heard":"2100-01-01T00:00:00Z","claim":[900,0,0],"waits":"2000-01-01T00:00:00Z"}},"paused_at":"2100-01-01T00:00:00Z","paused_for":60000000000}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newAPI(t, sim.Options{Limits: sim.Limits{RPM: 1000, ITPM: 1_000_000, OTPM: 1_000_000}, Latency: time.Second})
				store := &memory{}
				first := limit.New(limit.Options{Shared: store, Holder: "first"})
				if o := call(t.Context(), first.Layer()(server.client), background(0), 0); o.err != nil {
					t.Fatal(o.err)
				}
				first.Close()
				store.put(t, data)
				began := time.Now()
				out := crowd(t.Context(), server.stack(t, limit.Options{Shared: store, Holder: "a", Attempts: 10}), 100, 10*time.Minute, background)
				if took := time.Since(began); count(out, "") != 100 || took > 3*time.Minute {
					t.Errorf("%v after %v", tally(out), took)
				}
				if n := server.Stats().RateLimited; n > 2 {
					t.Errorf("%d refusals", n)
				}
				if k := store.read(t); k.Version != 1 || k.Buckets[0].Limit != 1000 {
					t.Errorf("kept afterwards: %+v", k)
				}
			})
		})
	}
}

// Two processes that need most of a bucket at the same moment go one after the
// other.
func TestTwoLargeCallsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAPI(t, sim.Options{Limits: sim.Limits{RPM: 1000, ITPM: 30_000}, Latency: time.Second})
		store := &memory{}
		large := func(i int) *llm.Request {
			return llm.New(llm.Params{Model: sonnet, MaxTokens: 100, Messages: []llm.Message{{Role: "user", Content: []llm.Block{{
				Text: fmt.Sprint("[[words 5]] name=", i, " ") + strings.Repeat("lantern ", 8_000),
			}}}}}, llm.Labels{Agent: "large"})
		}
		first := server.stack(t, limit.Options{Shared: store, Holder: "a"})
		second := server.stack(t, limit.Options{Shared: store, Holder: "b"})
		if o := call(t.Context(), first, large(0), 0); o.err != nil { // learns the limits and the size
			t.Fatal(o.err)
		}
		if o := call(t.Context(), second, large(1), 10*time.Minute); o.err != nil {
			t.Fatal(o.err)
		}
		time.Sleep(5 * time.Second) // both have said what they know
		began := time.Now()
		var wg sync.WaitGroup
		for i, c := range []llm.Caller{first, second} {
			wg.Go(func() {
				if o := call(t.Context(), c, large(2+i), 30*time.Minute); o.err != nil {
					t.Errorf("%v after %v", o.err, o.took)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took > 3*time.Minute {
			t.Errorf("took %v, a minute each is enough", took)
		}
		if n := server.Stats().RateLimited; n > 2 {
			t.Errorf("%d refusals", n)
		}
	})
}
