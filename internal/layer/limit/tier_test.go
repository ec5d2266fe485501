package limit_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claude-force/claude-force/internal/layer/limit"
	"github.com/claude-force/claude-force/internal/sim"
)

// tiers is traffic that never ends, over an account whose limits change: each
// minute has the factor of its place. It returns the share of each minute's
// limit that was used, and the refusals in it.
func tiers(t *testing.T, l sim.Limits, factors []float64, o limit.Options) (used []float64, refused []int64) {
	t.Helper()
	server := newAPI(t, sim.Options{Limits: l, Latency: 2 * time.Second})
	ctx, cancel := context.WithCancel(t.Context())
	wg := flood(ctx, server.stack(t, o), 400, "a")
	var last sim.Stats
	for _, f := range factors {
		now := l
		now.RPM, now.ITPM, now.OTPM = int(float64(l.RPM)*f), int(float64(l.ITPM)*f), int(float64(l.OTPM)*f)
		if err := server.SetLimits(now); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		s := server.Stats()
		used = append(used, float64(s.Answered-last.Answered)/(float64(l.RPM)*f))
		refused = append(refused, s.RateLimited-last.RateLimited)
		last = s
	}
	cancel()
	wg.Wait()
	return used, refused
}

// A change of tier in either direction is followed within one window.
func TestTierChange(t *testing.T) {
	for _, shared := range []bool{false, true} {
		t.Run(fmt.Sprint("shared ", shared), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := limit.Options{Attempts: 1000}
				if shared {
					o.Shared, o.Holder = &memory{}, "a"
				}
				used, refused := tiers(t, sim.Limits{RPM: 500}, []float64{1, 1, 1, 4, 4, 4, 1, 1, 1}, o)
				t.Logf("used %.2f, refused %d", used, refused)
				for minute, least := range map[int]float64{2: 0.94, 4: 0.94, 5: 0.94, 7: 0.94, 8: 0.94} {
					if used[minute] < least || used[minute] > 1.06 {
						t.Errorf("minute %d: %.2f of the limit was used", minute, used[minute])
					}
				}
				var sum int64
				for _, n := range refused {
					sum += n
				}
				if sum > 80 { // one in a hundred
					t.Errorf("refusals a minute: %d", refused)
				}
			})
		})
	}
}

// Limits that are small, or buckets that hold little: what is refused stays
// rare, and most of what may be had is had.
func TestSmallBuckets(t *testing.T) {
	for name, c := range map[string]struct {
		limits  sim.Limits
		least   float64 // share of the limit that is used
		refused float64 // share of requests
	}{
		"five a minute":                 {sim.Limits{RPM: 5}, 0.8, 0.15},
		"fifty a minute":                {sim.Limits{RPM: 50}, 0.95, 0.01},
		"sixty a minute, two at once":   {sim.Limits{RPM: 60, Burst: 1.0 / 30}, 0.8, 0.06},
		"fifty a minute, one at a time": {sim.Limits{RPM: 50, Burst: 1.0 / 60}, 0.1, 0.1},
		"little output":                 {sim.Limits{RPM: 1000, OTPM: 2000}, 0.85, 0.06},
	} {
		for _, shared := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", shared ", shared), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					const minutes = 10
					server := newAPI(t, sim.Options{Limits: c.limits, Latency: time.Second})
					o := limit.Options{Attempts: 1000}
					if shared {
						o.Shared, o.Holder = &memory{}, "a"
					}
					flood(lasting(t.Context(), minutes*time.Minute), server.stack(t, o), 20, "a").Wait()
					s := server.Stats()
					burst := c.limits.Burst
					if burst == 0 {
						burst = 1
					}
					used := float64(s.Answered) / max(float64(c.limits.RPM)*(minutes+burst), 1)
					if c.limits.OTPM > 0 {
						used = float64(s.OutputTokens) / (float64(c.limits.OTPM) * (minutes + burst))
					}
					refused := float64(s.RateLimited) / float64(s.Messages)
					t.Logf("%.1f %% used, %.1f %% of %d refused", used*100, refused*100, s.Messages)
					if used < c.least || refused > c.refused {
						t.Errorf("%.1f %% of the limit was used, and %.1f %% of %d requests were refused", used*100, refused*100, s.Messages)
					}
				})
			})
		}
	}
}
