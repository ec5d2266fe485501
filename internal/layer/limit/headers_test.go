package limit_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claude-force/claude-force/internal/claude"
	"github.com/claude-force/claude-force/internal/layer/limit"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/sim"
)

// Where there are no headers, calls at once grow from ten by one a round.
func TestAutoWithoutHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAPI(t, sim.Options{Latency: time.Second})
		crowd(t.Context(), server.stack(t, limit.Options{}), 100, 0, background)
		came := server.arrivals()
		waves := map[time.Duration]int{}
		for _, a := range came {
			waves[a.at.Sub(came[0].at)/time.Second]++
		}
		for second, want := range []int{10, 11, 12, 13, 14} {
			if d := waves[time.Duration(second)] - want; d < -1 || d > 1 {
				t.Errorf("calls came in waves of %v, want 10, 11, 12, …", waves)
				break
			}
		}
	})
}

// With headers that leave room, they double.
func TestAutoWithHeaders(t *testing.T) {
	for name, o := range map[string]limit.Options{"alone": {}, "shared": {Shared: &memory{}, Holder: "a"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newAPI(t, sim.Options{Latency: time.Second, Limits: sim.Limits{RPM: 100_000, ITPM: 100_000_000, OTPM: 10_000_000}})
				crowd(t.Context(), server.stack(t, o), 310, 0, background)
				if most := server.Stats().MaxInFlight; most < 80 {
					t.Errorf("at most %d calls at once of 310, want 10, 20, 40, 80, 160", most)
				}
				came := server.arrivals()
				if took := came[len(came)-1].at.Sub(came[0].at); took > 8*time.Second {
					t.Errorf("the last call went after %v", took)
				}
				first := 0
				for _, a := range came {
					if a.at.Sub(came[0].at) < time.Second {
						first++
					}
				}
				if first != 10 {
					t.Errorf("%d calls at first, want 10", first)
				}
			})
		})
	}
}

// A number of calls at once is a hard ceiling, and where it begins.
func TestConcurrencyIsACeiling(t *testing.T) {
	for _, limits := range []sim.Limits{{}, {RPM: 100_000}} {
		for _, n := range []int{1, 3, 25} {
			t.Run(fmt.Sprint(limits.RPM, " a minute, ", n, " at once"), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := newAPI(t, sim.Options{Latency: time.Second, Limits: limits})
					c := server.stack(t, limit.Options{Concurrency: n})
					// Limits that are not known yet hold nobody back.
					out := crowd(t.Context(), c, 4*n, 0, background)
					if count(out, "") != 4*n {
						t.Fatalf("%v", tally(out))
					}
					if most := server.Stats().MaxInFlight; most != int64(n) {
						t.Errorf("%d calls at once, want %d", most, n)
					}
					came := server.arrivals()
					for i, a := range came {
						if want := time.Duration(i/n) * time.Second; a.at.Sub(came[0].at) != want {
							t.Fatalf("call %d went after %v, want %v", i, a.at.Sub(came[0].at), want)
						}
					}
				})
			})
		}
	}
}

// nonsense is a transport that answers well, with headers of its own.
type nonsense struct {
	http.RoundTripper
	mu     sync.Mutex
	header func() http.Header
}

// RoundTrip implements [http.RoundTripper].
func (n *nonsense) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := n.RoundTripper.RoundTrip(r)
	if err == nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		maps.Copy(res.Header, n.header())
	}
	return res, err
}

func rateHeader(limit, remaining string, reset time.Duration) http.Header {
	h := http.Header{}
	for _, kind := range []string{"Requests", "Input-Tokens", "Output-Tokens"} {
		h.Set("Anthropic-Ratelimit-"+kind+"-Limit", limit)
		h.Set("Anthropic-Ratelimit-"+kind+"-Remaining", remaining)
		h.Set("Anthropic-Ratelimit-"+kind+"-Reset", time.Now().Add(reset).UTC().Format(time.RFC3339))
	}
	return h
}

// Headers that make no sense hold nobody back for long, and nobody for ever
// once they make sense again.
func TestHeadersThatMakeNoSense(t *testing.T) {
	for name, header := range map[string]func() http.Header{
		"negative":                   func() http.Header { return rateHeader("1000", "-5", time.Second) },
		"negative limit":             func() http.Header { return rateHeader("-1000", "5", time.Second) },
		"a limit of nothing":         func() http.Header { return rateHeader("0", "0", time.Second) },
		"no numbers":                 func() http.Header { return rateHeader("many", "NaN", time.Second) },
		"reset in the past":          func() http.Header { return rateHeader("100000", "90000", -time.Hour) },
		"reset in a year":            func() http.Header { return rateHeader("100000", "90000", 365*24*time.Hour) },
		"more left than the limit":   func() http.Header { return rateHeader("100000", "1000000", 0) },
		"figures of no account":      func() http.Header { return rateHeader("999999999999999999999", "999999999999999999999", 0) },
		"the largest that are taken": func() http.Header { return rateHeader("1099511627776", "1099511627776", 0) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newAPI(t, sim.Options{Latency: time.Second})
				odd := &nonsense{RoundTripper: server.Transport(), header: header}
				client, err := claude.New(claude.Options{Transport: odd, Credential: "key"})
				if err != nil {
					t.Fatal(err)
				}
				c := newLimiter(t, limit.Options{}).Layer()(client)
				began := time.Now()
				out := crowd(t.Context(), c, 50, 5*time.Minute, background)
				if took := time.Since(began); count(out, "") != 50 || took > 10*time.Second {
					t.Errorf("%v after %v", tally(out), took)
				}
			})
		})
	}
}

// One answer with figures that hardly allow a thing must not stand for ever:
// only another call can bring better ones.
func TestWrongHeadersAreOvercome(t *testing.T) {
	for name, wrong := range map[string]func() http.Header{
		"nothing left":            func() http.Header { return rateHeader("1000", "0", time.Minute) },
		"the least of limits":     func() http.Header { return rateHeader("1", "0", time.Minute) },
		"a large one, and little": func() http.Header { return rateHeader("1", "1099511627776", time.Minute) },
	} {
		for _, shared := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", shared ", shared), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := newAPI(t, sim.Options{Latency: time.Second, Limits: sim.Limits{RPM: 1000, ITPM: 1_000_000, OTPM: 1_000_000}})
					odd := &nonsense{RoundTripper: server.Transport(), header: wrong}
					client, err := claude.New(claude.Options{Transport: odd, Credential: "key"})
					if err != nil {
						t.Fatal(err)
					}
					o := limit.Options{}
					if shared {
						o = limit.Options{Shared: &memory{}, Holder: "a"}
					}
					c := newLimiter(t, o).Layer()(client)
					if o := call(t.Context(), c, background(0), time.Minute); o.err != nil {
						t.Fatal(o.err)
					}
					odd.mu.Lock()
					odd.header = func() http.Header { return nil }
					odd.mu.Unlock()
					began := time.Now()
					out := crowd(t.Context(), c, 50, 30*time.Minute, func(i int) *llm.Request { return task(sonnet, fmt.Sprint("n", i), 30, true) })
					if took := time.Since(began); count(out, "") != 50 || took > 5*time.Minute {
						t.Errorf("%v after %v", tally(out), took)
					}
				})
			})
		}
	}
}

// An answer that claims to have taken more tokens than there are must not
// stop what comes after it.
func TestUsageThatMakesNoSense(t *testing.T) {
	for name, usage := range map[string]llm.Usage{
		"huge":     {Input: 1 << 60, Output: 1 << 60},
		"negative": {Input: -1 << 60, Output: -1 << 60},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newAPI(t, sim.Options{Limits: sim.Limits{RPM: 1000, ITPM: 1_000_000, OTPM: 1_000_000}})
				lies := true
				next := llm.CallerFunc(func(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
					resp, err := server.client.Call(ctx, req, emit)
					if lies && err == nil {
						resp.Usage = usage
					}
					return resp, err
				})
				c := newLimiter(t, limit.Options{Shared: &memory{}, Holder: "a"}).Layer()(next)
				for range 2 {
					if o := call(t.Context(), c, background(0), 10*time.Minute); o.err != nil {
						t.Fatal(o.err)
					}
				}
				lies = false
				out := crowd(t.Context(), c, 20, 10*time.Minute, background)
				if count(out, "") != 20 {
					t.Errorf("%v", tally(out))
				}
			})
		})
	}
}
