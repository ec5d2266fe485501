package bench

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/claude-force/claude-force/internal/claude"
	"github.com/claude-force/claude-force/internal/layer/limit"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/sim"
)

// Traffic is a load on a simulated API and the limits it meets.
type Traffic struct {
	Name   string
	Limits sim.Limits
	// Input and Output are the mean tokens of a call.
	Input, Output int
	// Processes share one key; each has so many callers.
	Processes, Callers int
	// Apart keeps the processes from sharing what they learn, as on machines
	// of their own.
	Apart   bool
	Minutes int
	// Tiers are factors on the limits, by the minute at which they begin.
	Tiers map[int]float64
	// FirstToken and PerEvent are how long answers take.
	FirstToken, PerEvent time.Duration
}

// Throughput is what came of it.
type Throughput struct {
	// Used is the share of the tightest limit that was used, Refused the
	// share of requests that were answered with 429.
	Used, Refused float64
	Answered      int64
}

// String is both shares in percent.
func (t Throughput) String() string {
	return fmt.Sprintf("%.1f %% / %.2f %%", 100*t.Used, 100*t.Refused)
}

// Run sends the traffic for its time through layers of processes' own, in the
// clock of the caller's bubble.
func (t Traffic) Run(client func(process int) llm.Layer) (Throughput, error) {
	catalogue, err := model.Builtin()
	if err != nil {
		return Throughput{}, err
	}
	server, err := sim.New(sim.Options{
		Catalogue: catalogue, Limits: t.Limits, Latency: t.FirstToken, TokenDelay: t.PerEvent,
	})
	if err != nil {
		return Throughput{}, err
	}
	began := time.Now()
	ctx, cancel := context.WithDeadline(context.Background(), began.Add(time.Duration(t.Minutes)*time.Minute))
	defer cancel()
	var callers sync.WaitGroup
	for p := range t.Processes {
		api, err := claude.New(claude.Options{Transport: server.Transport(), Credential: "key"})
		if err != nil {
			return Throughput{}, err
		}
		stack := llm.Stack(api, client(p))
		for c := range t.Callers {
			callers.Go(func() { t.call(ctx, stack, rand.New(rand.NewPCG(uint64(p), uint64(c)))) })
		}
	}
	allowed := t.allow(server)
	stats := server.Stats()
	cancel()
	callers.Wait()
	used := 0.0
	for i, n := range []int64{stats.Answered, stats.InputTokens + stats.CacheWriteTokens, stats.OutputTokens} {
		if allowed[i] > 0 {
			used = max(used, float64(n)/allowed[i])
		}
	}
	return Throughput{used, float64(stats.RateLimited) / float64(stats.Messages), stats.Answered}, nil
}

// allow lets the minutes pass, changes the tier in between, and returns what
// the limits allowed: what the buckets held at first and what they gained.
func (t Traffic) allow(server *sim.Server) [3]float64 {
	factor := 1.0
	per := [3]float64{float64(t.Limits.RPM), float64(t.Limits.ITPM), float64(t.Limits.OTPM)}
	var allowed [3]float64
	burst := t.Limits.Burst
	if burst == 0 {
		burst = 1
	}
	for i := range per {
		allowed[i] = per[i] * burst
	}
	for m := range t.Minutes {
		if f, ok := t.Tiers[m]; ok {
			factor *= f
			l := t.Limits
			l.RPM, l.ITPM, l.OTPM = int(float64(l.RPM)*factor), int(float64(l.ITPM)*factor), int(float64(l.OTPM)*factor)
			_ = server.SetLimits(l) // multiples of limits that were taken
		}
		time.Sleep(time.Minute)
		for i := range per {
			allowed[i] += per[i] * factor
		}
	}
	return allowed
}

// call makes one call after the other until ctx ends.
func (t Traffic) call(ctx context.Context, stack llm.Caller, r *rand.Rand) {
	const word = "lantern "
	for ctx.Err() == nil {
		n := int(float64(t.Input) * math.Exp(r.NormFloat64()*0.5-0.125))
		words := max(int(float64(t.Output)*math.Exp(r.NormFloat64()*0.5-0.125)/1.3), 1)
		text := fmt.Sprintf("[[words %d]] %d ", words, r.Uint64()) + strings.Repeat(word, max(n-20, 0))
		req := llm.New(llm.Params{
			Model: "claude-sonnet-4-5", MaxTokens: 8192,
			Messages: []llm.Message{{Role: "user", Content: []llm.Block{{Text: text}}}},
		}, llm.Labels{Agent: "bench"})
		_, _ = stack.Call(ctx, req, llm.Discard) // what fails is counted by the server
	}
}

// Semaphore is the usual way: at most n calls at once, and after a 429 the
// call waits as long as it was told, holding its place.
func Semaphore(n int) func(int) llm.Layer {
	return func(int) llm.Layer {
		places := make(chan struct{}, n)
		return func(next llm.Caller) llm.Caller {
			return llm.CallerFunc(func(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
				select {
				case places <- struct{}{}:
				case <-ctx.Done():
					return nil, ctx.Err()
				}
				defer func() { <-places }()
				for {
					resp, err := next.Call(ctx, req, emit)
					e := llm.AsError(err)
					if e == nil || e.Code != llm.CodeRateLimit {
						return resp, err
					}
					if err := llm.Sleep(ctx, e.RetryAfter); err != nil {
						return nil, err
					}
				}
			})
		}
	}
}

// Limiters gives each process a limiter of this program; where shared is not
// nil they meet there.
func Limiters(shared limit.Shared) func(int) llm.Layer {
	return func(p int) llm.Layer {
		return limit.New(limit.Options{Shared: shared, Holder: fmt.Sprint("process ", p), Attempts: 1000}).Layer()
	}
}

// Joint is a shared state in memory.
type Joint struct {
	mu   sync.Mutex
	kept map[limit.Key][]byte
	// Writes is how often it was changed.
	Writes int
}

// UpdateLimits implements [limit.Shared].
func (j *Joint) UpdateLimits(_ context.Context, key limit.Key, change func([]byte) []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.kept == nil {
		j.kept = map[limit.Key][]byte{}
	}
	j.Writes++
	j.kept[key] = change(j.kept[key])
	return nil
}
