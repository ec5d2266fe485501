package limit_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claude-force/claude-force/internal/layer/limit"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/sim"
)

// A server that asks to wait is about one limit group; others go on.
func TestRetryAfterPausesItsGroup(t *testing.T) {
	for name, limits := range map[string]sim.Limits{"headers": {RPM: 1000}, "no headers": {}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newAPI(t, sim.Options{Limits: limits, Faults: []sim.Fault{{Status: 429, RetryAfter: 40 * time.Second, First: 1, Model: sonnet}}})
				c := server.stack(t, limit.Options{Jitter: half})
				first := make(chan outcome)
				go func() { first <- call(t.Context(), c, task(sonnet, "paused", 1, false), 0) }()
				synctest.Wait()
				if o := call(t.Context(), c, task(haiku, "other", 1, false), 0); o.err != nil || o.took != 0 {
					t.Errorf("a call of another group ended after %v with %v", o.took, o.err)
				}
				time.Sleep(10 * time.Second)
				if o := call(t.Context(), c, task(sonnet, "same", 1, false), 0); o.err != nil || o.took != 30*time.Second {
					t.Errorf("a call of the same group ended after %v with %v, want after the 30s that are left", o.took, o.err)
				}
				if o := <-first; o.err != nil || o.took != 40*time.Second || o.resp.Attempts != 2 {
					t.Errorf("the call that met it ended after %v with %v", o.took, o.err)
				}
			})
		})
	}
}

func TestRetryAfterOfAnHour(t *testing.T) {
	for name, limits := range map[string]sim.Limits{"headers": {RPM: 1000}, "no headers": {}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newAPI(t, sim.Options{Limits: limits, Faults: []sim.Fault{{Status: 429, RetryAfter: time.Hour, First: 1}}})
				c := server.stack(t, limit.Options{Jitter: half})
				if o := call(t.Context(), c, task(sonnet, "first", 1, false), 30*time.Minute); o.err == nil || o.err.Code != llm.CodeRateLimit || o.took != 0 {
					t.Fatalf("ended after %v with %v, want the rate limit at once", o.took, o.err)
				}
				background := func(i int) *llm.Request { return task(sonnet, fmt.Sprint("n", i), 1, i%2 == 0) }
				out := crowd(t.Context(), c, 20, 30*time.Minute, background)
				if n := count(out, llm.CodeRateLimit); n != 20 || out[0].took != 0 {
					t.Errorf("ended after %v: %v, want 20 rate limits at once", out[0].took, tally(out))
				}
				if n := server.Stats().Messages; n != 1 {
					t.Errorf("%d requests were sent, want 1", n)
				}
				patient := crowd(t.Context(), c, 5, 0, background)
				if n := count(patient, ""); n != 5 || patient[0].took != time.Hour {
					t.Errorf("without a deadline: %v after %v, want 5 answers after an hour", tally(patient), patient[0].took)
				}
				if n := server.Stats().Messages; n != 6 {
					t.Errorf("%d requests were sent, want 6", n)
				}
			})
		})
	}
}

// One process can keep another back for a minute at most, whatever it was told.
func TestRetryAfterOfAnHourInAnotherProcess(t *testing.T) {
	for name, limits := range map[string]sim.Limits{"headers": {RPM: 1000}, "no headers": {}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newAPI(t, sim.Options{Limits: limits, Faults: []sim.Fault{{Status: 429, RetryAfter: time.Hour, First: 1}}})
				store := &memory{}
				told := server.stack(t, limit.Options{Shared: store, Holder: "told", Jitter: half})
				other := server.stack(t, limit.Options{Shared: store, Holder: "other", Jitter: half})
				if o := call(t.Context(), told, task(sonnet, "first", 1, false), 30*time.Minute); o.err == nil || o.took != 0 {
					t.Fatalf("ended after %v with %v", o.took, o.err)
				}
				time.Sleep(2 * time.Second) // until it has told
				if o := call(t.Context(), other, task(sonnet, "other", 1, false), 0); o.err != nil || o.took < 5*time.Second || o.took > time.Minute {
					t.Errorf("the other process was kept back for %v: %v", o.took, o.err)
				}
				if o := call(t.Context(), told, task(sonnet, "again", 1, false), 30*time.Minute); o.err == nil || o.took != 0 {
					t.Errorf("the one that was told itself: ended after %v with %v, want the rate limit at once", o.took, o.err)
				}
			})
		})
	}
}

// A spend cap is no matter of waiting.
func TestSpendCapIsMetOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAPI(t, sim.Options{Limits: sim.Limits{RPM: 1000}, Faults: []sim.Fault{{SpendCap: true, First: 2}}})
		c := server.stack(t, limit.Options{})
		for _, background := range []bool{false, true} {
			if o := call(t.Context(), c, task(sonnet, "capped", 1, background), 0); o.err == nil || o.err.Code != llm.CodeSpendLimit || o.err.Retryable || o.took != 0 || o.resp.Attempts != 1 {
				t.Errorf("ended after %v with %v", o.took, o.err)
			}
		}
		if o := call(t.Context(), c, task(sonnet, "later", 1, false), 0); o.err != nil || o.took != 0 {
			t.Errorf("a call after the cap was raised: %v after %v", o.err, o.took)
		}
	})
}

// Growth that was too fast is met with half the calls, after the wait.
func TestRampLimitHalvesTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAPI(t, sim.Options{
			Limits: sim.Limits{RPM: 100_000}, Latency: time.Second,
			Faults: []sim.Fault{{Status: 429, Code: llm.ReasonRamp, RetryAfter: 20 * time.Second, First: 1}},
		})
		c := server.stack(t, limit.Options{Concurrency: 8, Jitter: half})
		out := crowd(t.Context(), c, 40, 0, func(i int) *llm.Request { return task(sonnet, fmt.Sprint("n", i), 1, true) })
		if count(out, "") != 40 {
			t.Fatalf("%v", tally(out))
		}
		waves := map[time.Duration]int{}
		came := server.arrivals()
		for _, a := range came {
			waves[a.at.Sub(came[0].at)]++
		}
		// The wait is over after twenty seconds, and half of eight may go, or one
		// or two more where calls of before have succeeded. From there on the
		// window grows by one a round, up to eight.
		if n := waves[20*time.Second]; n < 4 || n > 6 || waves[21*time.Second] != n+1 || waves[23*time.Second] < 7 {
			t.Errorf("calls came in waves of %v", waves)
		}
	})
}
