package cli

import (
	"bytes"
	"strings"
	"testing"

	claudeforce "github.com/claude-force/claude-force"
)

func point(cost claudeforce.Money, runs int64) claudeforce.TrendPoint {
	var p claudeforce.TrendPoint
	p.TotalCost, p.Runs = cost, runs
	return p
}

func TestBars(t *testing.T) {
	for name, c := range map[string]struct {
		points []claudeforce.TrendPoint
		colour bool
		want   string
	}{
		"the dearest is the longest": {[]claudeforce.TrendPoint{point(9_000_000_000, 1), point(1, 99)}, false, strings.Repeat("█", 24)},
		"an eighth of a cell fine":   {[]claudeforce.TrendPoint{point(100, 0), point(2400, 0)}, false, "█"},
		"a half":                     {[]claudeforce.TrendPoint{point(50, 0), point(2400, 0)}, false, "▌"},
		"the least is seen":          {[]claudeforce.TrendPoint{point(1, 0), point(9_000_000_000, 0)}, false, "▏"},
		"nothing":                    {[]claudeforce.TrendPoint{point(0, 5), point(7, 0)}, true, ""},
		"runs where nothing cost":    {[]claudeforce.TrendPoint{point(0, 1), point(0, 24)}, false, "█"},
		"in colour":                  {[]claudeforce.TrendPoint{point(1, 0)}, true, "\x1b[36m" + strings.Repeat("█", 24) + "\x1b[0m"},
		"no points at all":           {nil, false, ""},
	} {
		p := point(0, 0)
		if len(c.points) > 0 {
			p = c.points[0]
		}
		if got := barsOf(c.points, c.colour)(p); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Where there is no terminal nothing is drawn.
func TestTrendsArePlainInAFile(t *testing.T) {
	a := &app{Streams: Streams{Out: &bytes.Buffer{}}}
	if a.bars([]claudeforce.TrendPoint{point(1, 1)}) != nil {
		t.Error("a chart in a file")
	}
}

func TestCostsAreDearestFirst(t *testing.T) {
	got := dearestFirst(map[string]claudeforce.Money{"b": 1, "a": 1, "c": 5_000_000_000, "d": 0})
	if strings.Join(got, "") != "cabd" {
		t.Errorf("%q", got)
	}
}
