package cli

import (
	"context"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	claudeforce "github.com/claude-force/claude-force"
)

func (a *app) metricsTrendsCommand() *cobra.Command {
	by := "day"
	cmd := a.report("trends", "Runs and costs over time", func(ctx context.Context, e *claudeforce.Engine, f claudeforce.MetricsFilter) error {
		points, err := e.Trend(ctx, claudeforce.Period(by), f)
		if err != nil {
			return err
		}
		draw := a.bars(points)
		header := "START\tRUNS\tSUCCESS\tAVG DURATION\tTOKENS\tCOST"
		if draw != nil {
			header += "\t"
		}
		return showList(a, page{all: true}, points, header, func(p claudeforce.TrendPoint) []string {
			start := p.Start.Format("2006-01-02")
			if by == "hour" {
				start = stamp(p.Start)
			}
			row := []string{
				start, strconv.FormatInt(p.Runs, 10), percent(p.SuccessRate), took(p.AvgDuration),
				strconv.FormatInt(p.Tokens.Total, 10), "$" + p.TotalCost.String(),
			}
			if draw != nil {
				row = append(row, draw(p))
			}
			return row
		})
	})
	cmd.Flags().StringVar(&by, "by", by, "length of a step: hour, day or week (from Monday)")
	return cmd
}

const longestBar = 24 // cells

// bars draws the cost of a point beside it, or its runs where nothing was
// spent; nil where there is no terminal to draw on.
func (a *app) bars(points []claudeforce.TrendPoint) func(claudeforce.TrendPoint) string {
	if a.json || !isTerminal(a.Out) {
		return nil
	}
	return barsOf(points, !a.noColor && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
}

func barsOf(points []claudeforce.TrendPoint, colour bool) func(claudeforce.TrendPoint) string {
	var dearest, busiest int64
	for _, p := range points {
		dearest, busiest = max(dearest, int64(p.TotalCost)), max(busiest, p.Runs)
	}
	return func(p claudeforce.TrendPoint) string {
		text := bar(p.Runs, busiest)
		if dearest > 0 {
			text = bar(int64(p.TotalCost), dearest)
		}
		if colour && text != "" {
			return "\x1b[36m" + text + "\x1b[0m"
		}
		return text
	}
}

// bar is a line of blocks, an eighth of a cell fine.
func bar(n, most int64) string {
	if n <= 0 || most <= 0 {
		return ""
	}
	eighths := max(int(float64(n)/float64(most)*longestBar*8), 1)
	text := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		text += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return text
}
