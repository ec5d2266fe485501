package bench

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/claude-force/claude-force/internal/sim"
)

var tiers = map[int]float64{5: 4, 10: 0.25}

func traffics() []Traffic {
	s := time.Second
	return []Traffic{
		{Name: "requests", Limits: sim.Limits{RPM: 1000, ITPM: 2_000_000, OTPM: 400_000}, Input: 200, Output: 60, Processes: 1, Callers: 200, Minutes: 15, FirstToken: 2 * s, PerEvent: s / 10},
		{Name: "input", Limits: sim.Limits{RPM: 1000, ITPM: 450_000}, Input: 3000, Output: 60, Processes: 1, Callers: 100, Minutes: 15, FirstToken: 2 * s, PerEvent: s / 10},
		{Name: "output", Limits: sim.Limits{RPM: 1000, ITPM: 2_000_000, OTPM: 100_000}, Input: 200, Output: 600, Processes: 1, Callers: 200, Minutes: 15, FirstToken: 2 * s, PerEvent: s / 10},
		{Name: "small", Limits: sim.Limits{RPM: 50, ITPM: 30_000}, Input: 500, Output: 60, Processes: 1, Callers: 50, Minutes: 15, FirstToken: 2 * s, PerEvent: s / 10},
		{Name: "tiers", Limits: sim.Limits{RPM: 1000}, Input: 200, Output: 60, Processes: 1, Callers: 800, Minutes: 15, Tiers: tiers, FirstToken: 2 * s, PerEvent: s / 10},
		{Name: "3 processes", Limits: sim.Limits{RPM: 1000}, Input: 200, Output: 60, Processes: 3, Callers: 100, Minutes: 15, FirstToken: 2 * s, PerEvent: s / 10},
		{Name: "10 processes", Limits: sim.Limits{RPM: 1000}, Input: 200, Output: 60, Processes: 10, Callers: 100, Minutes: 15, FirstToken: 2 * s, PerEvent: s / 10},
		{Name: "3 apart", Limits: sim.Limits{RPM: 1000}, Input: 200, Output: 60, Processes: 3, Callers: 100, Apart: true, Minutes: 15, FirstToken: 2 * s, PerEvent: s / 10},
		{Name: "10 apart", Limits: sim.Limits{RPM: 1000}, Input: 200, Output: 60, Processes: 10, Callers: 100, Apart: true, Minutes: 15, FirstToken: 2 * s, PerEvent: s / 10},
		{Name: "long answers", Limits: sim.Limits{RPM: 1000, OTPM: 400_000}, Input: 200, Output: 300, Processes: 1, Callers: 1200, Minutes: 15, FirstToken: s, PerEvent: 3 * s / 2},
		{Name: "long output-bound", Limits: sim.Limits{RPM: 1000, OTPM: 100_000}, Input: 200, Output: 300, Processes: 1, Callers: 1200, Minutes: 15, FirstToken: s, PerEvent: 3 * s / 2},
		{Name: "5 s bucket", Limits: sim.Limits{RPM: 1000, Burst: 1.0 / 12}, Input: 200, Output: 60, Processes: 1, Callers: 200, Minutes: 15, FirstToken: 2 * s, PerEvent: s / 10},
		{Name: "1 s bucket", Limits: sim.Limits{RPM: 1000, Burst: 1.0 / 60}, Input: 200, Output: 60, Processes: 1, Callers: 200, Minutes: 15, FirstToken: 2 * s, PerEvent: s / 10},
	}
}

func TestLimiter(t *testing.T) {
	for _, tr := range traffics() {
		t.Run(tr.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := &Joint{}
				mk := Limiters(nil)
				if tr.Processes > 1 && !tr.Apart {
					mk = Limiters(j)
				}
				got, err := tr.Run(mk)
				t.Logf("%-20s used %.2f %% refused %.3f %% n=%d writes=%d %v", tr.Name, got.Used*100, got.Refused*100, got.Answered, j.Writes, err)
			})
		})
	}
}
