package limit_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claude-force/claude-force/internal/claude"
	"github.com/claude-force/claude-force/internal/layer/limit"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/sim"
)

// weather answers message calls with a status for some time, then lets them
// through to the server.
type weather struct {
	http.RoundTripper
	status  int
	until   time.Time
	header  http.Header
	refused atomic.Int64
}

// RoundTrip implements [http.RoundTripper].
func (w *weather) RoundTrip(r *http.Request) (*http.Response, error) {
	if !time.Now().Before(w.until) {
		return w.RoundTripper.RoundTrip(r)
	}
	w.refused.Add(1)
	time.Sleep(50 * time.Millisecond)
	_ = r.Body.Close()
	return &http.Response{StatusCode: w.status, Header: w.header.Clone(), Body: http.NoBody, Request: r}, nil
}

// badFor is an API that answers with a status for so long.
func (a *api) badFor(t *testing.T, d time.Duration, status int, header http.Header) (*claude.Client, *weather) {
	t.Helper()
	w := &weather{RoundTripper: a.Transport(), status: status, until: time.Now().Add(d), header: header}
	c, err := claude.New(claude.Options{Transport: w, Credential: "key"})
	if err != nil {
		t.Fatal(err)
	}
	return c, w
}

func background(i int) *llm.Request { return task(sonnet, fmt.Sprint("n", i), 30, true) }

// rateHeaders are of an account with plenty left.
func rateHeaders(retryAfter string) http.Header {
	h := http.Header{
		"Anthropic-Ratelimit-Requests-Limit":     {"1000"},
		"Anthropic-Ratelimit-Requests-Remaining": {"900"},
	}
	if retryAfter != "" {
		h.Set("Retry-After", retryAfter)
	}
	return h
}

// Calls in the background outlast bad weather of up to a minute, with a
// bounded number of requests.
func TestBackgroundOutlastsAMinute(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		header http.Header
		most   int64 // requests in vain
	}{
		"529":                                     {529, nil, 40},
		"529 and retry-after":                     {529, http.Header{"Retry-After": {"2"}}, 60},
		"529 and retry-after of nothing":          {529, http.Header{"Retry-After": {"0"}}, 100},
		"429 without headers":                     {429, nil, 40},
		"429 and retry-after":                     {429, http.Header{"Retry-After": {"2"}}, 60},
		"429 and retry-after, with headers":       {429, rateHeaders("2"), 400},
		"429 with headers but no retry-after":     {429, rateHeaders(""), 400},
		"429 and retry-after of nothing, headers": {429, rateHeaders("0"), 400},
	} {
		for _, calls := range []int{1, 50} {
			t.Run(fmt.Sprintf("%s/%d calls", name, calls), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := newAPI(t, sim.Options{Latency: time.Second})
					client, w := server.badFor(t, time.Minute, c.status, c.header)
					l := newLimiter(t, limit.Options{Jitter: half})
					began := time.Now()
					out := crowd(t.Context(), l.Layer()(client), calls, 30*time.Minute, background)
					if count(out, "") != calls {
						t.Errorf("%v after %v and %d requests in vain", tally(out), time.Since(began), w.refused.Load())
					}
					for _, o := range out {
						if o.err == nil && (o.resp.Text == "" || !o.resp.Whole()) {
							t.Errorf("an answer was lost: %+v", o.resp)
						}
					}
					if n := w.refused.Load(); n > c.most {
						t.Errorf("%d requests in vain, want at most %d", n, c.most)
					}
					if took := time.Since(began); took > 3*time.Minute {
						t.Errorf("took %v", took)
					}
				})
			})
		}
	}
}

// A storm of the simulator's own: the first so many calls are refused.
func TestStorm(t *testing.T) {
	for name, c := range map[string]struct {
		limits sim.Limits
		fault  sim.Fault
		most   int64
	}{
		"429, no limits":  {sim.Limits{}, sim.Fault{Status: 429, First: 15}, 15},
		"429 with limits": {sim.Limits{RPM: 1000}, sim.Fault{Status: 429, First: 300}, 300},
		"529":             {sim.Limits{RPM: 1000}, sim.Fault{Status: 529, First: 12}, 12},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newAPI(t, sim.Options{Limits: c.limits, Latency: time.Second, Faults: []sim.Fault{c.fault}})
				out := crowd(t.Context(), server.stack(t, limit.Options{Jitter: half}), 50, 30*time.Minute, background)
				if count(out, "") != 50 {
					t.Errorf("%v", tally(out))
				}
				if n := server.Stats().Messages; n != 50+c.most {
					t.Errorf("%d requests, want the answers and the storm's %d", n, c.most)
				}
			})
		})
	}
}

// What never ends is given up: in the background after about two minutes,
// else after four attempts.
func TestPermanentOverload(t *testing.T) {
	for _, calls := range []int{1, 40} {
		for _, background := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d calls, background %v", calls, background), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := newAPI(t, sim.Options{})
					client, w := server.badFor(t, 24*time.Hour, 529, nil)
					l := newLimiter(t, limit.Options{Jitter: half})
					began := time.Now()
					out := crowd(t.Context(), l.Layer()(client), calls, 30*time.Minute, func(i int) *llm.Request {
						return task(sonnet, fmt.Sprint("n", i), 1, background)
					})
					took := time.Since(began)
					t.Logf("%v after %v and %d requests", tally(out), took, w.refused.Load())
					if count(out, llm.CodeOverloaded) != calls {
						t.Errorf("%v", tally(out))
					}
					// Many in the background take their turns, until their deadlines.
					if longest := 2 * time.Minute; took > longest && (!background || calls == 1) {
						t.Errorf("given up after %v", took)
					}
					if !background && calls == 1 && out[0].resp.Attempts != 4 {
						t.Errorf("%d attempts, want 4", out[0].resp.Attempts)
					}
					// The next one finds out whether it is over.
					w.until = time.Now()
					if o := call(t.Context(), l.Layer()(client), task(sonnet, "later", 1, background), 30*time.Minute); o.err != nil || o.took > 20*time.Second {
						t.Errorf("the call after it: %v after %v", o.err, o.took)
					}
				})
			})
		}
	}
}

// The window falls to one call at once while the API has no room, and grows
// again by one a round.
func TestWindowFallsAndGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAPI(t, sim.Options{Latency: time.Second})
		client, w := server.badFor(t, 30*time.Second, 529, nil)
		l := newLimiter(t, limit.Options{Jitter: half})
		out := crowd(t.Context(), l.Layer()(client), 60, 0, background)
		if count(out, "") != 60 {
			t.Fatalf("%v after %d refusals", tally(out), w.refused.Load())
		}
		waves := map[int]int{} // by the second
		came := server.arrivals()
		for _, a := range came {
			waves[int(a.at.Sub(came[0].at)/time.Second)]++
		}
		for second, want := range []int{1, 2, 3, 4, 5, 6} {
			if waves[second] != want {
				t.Errorf("calls came in waves of %v, want 1, 2, 3, …", waves)
				break
			}
		}
	})
}
