package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	claudeforce "github.com/claude-force/claude-force"
)

func (a *app) metricsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "metrics",
		Short: "What runs came to: figures, costs, trends, export and import",
		Long: `What the runs of this project came to, to the last nano-dollar.

Reports cover all time unless --hours is given, which counts the present hour of
the clock and so many whole ones before it. Times are UTC.`,
		Args: groupArgs, RunE: showHelp,
	}
	cmd.AddCommand(
		a.metricsSummaryCommand(), a.metricsCostsCommand(), a.metricsTrendsCommand(),
		a.metricsGroupsCommand("agents", "agent", "The figures of each agent, the dearest first", (*claudeforce.Engine).AgentMetrics),
		a.metricsGroupsCommand("models", "model", "The figures of each model, the dearest first", (*claudeforce.Engine).ModelMetrics),
		a.metricsSavingsCommand(), a.metricsCalibrationCommand(),
		a.metricsExportCommand(), a.metricsImportCommand(), a.metricsPruneCommand(),
	)
	return cmd
}

// window is how far back a report goes.
type window struct{ hours int }

func (w *window) flags(cmd *cobra.Command) {
	cmd.Flags().IntVar(&w.hours, "hours", 0, "go back so many hours instead of all time")
}

func (w *window) filter(cmd *cobra.Command) (f claudeforce.MetricsFilter, err error) {
	if cmd.Flags().Changed("hours") && w.hours < 1 {
		return f, inputError("--hours must be a whole number from 1", "leave it away for all time")
	}
	return claudeforce.MetricsFilter{Hours: w.hours}, nil
}

// report makes a command that shows one report.
func (a *app) report(use, short string, show func(context.Context, *claudeforce.Engine, claudeforce.MetricsFilter) error) *cobra.Command {
	var w window
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		f, err := w.filter(cmd)
		if err != nil {
			return err
		}
		return a.with(func(e *claudeforce.Engine) error { return show(cmd.Context(), e, f) })
	}}
	w.flags(cmd)
	return cmd
}

func (a *app) metricsSummaryCommand() *cobra.Command {
	return a.report("summary", "All runs in a few figures", func(ctx context.Context, e *claudeforce.Engine, f claudeforce.MetricsFilter) error {
		m, err := e.Metrics(ctx, f)
		switch {
		case err != nil:
			return err
		case a.json:
			return a.printJSON(m)
		}
		t := m.Tokens
		return a.showRows([][2]string{
			{"Runs", fmt.Sprintf("%d (%d succeeded, %d failed, %d cancelled)", m.Runs, m.Succeeded, m.Failed, m.Cancelled)},
			{"Success rate", percent(m.SuccessRate)},
			{"Cost", "$" + m.TotalCost.String() + unpriced(m.Unpriced)},
			{"Duration", fmt.Sprintf("%s on average, p50 %s, p95 %s, p99 %s", took(m.AvgDuration), took(m.P50), took(m.P95), took(m.P99))},
			{"Waiting for limits", took(m.AvgWait) + " on average"},
			{"Exchanges", fmt.Sprintf("%d (%d without an answer)", m.Exchanges, m.Errors)},
			{"Tokens in", fmt.Sprintf("%d, and %d read from and %d written to the prompt cache", t.Input, t.CacheRead, t.CacheWrite5m+t.CacheWrite1h)},
			{"Tokens out", fmt.Sprintf("%d (%d of them thinking)", t.Output, t.Thinking)},
			{"Prompt cache", percent(m.PromptCacheHitRate) + " of the prompt tokens were read from it"},
			{"Response cache", fmt.Sprintf("%d hits, %s of those that asked", m.Hits, percent(m.HitRate))},
			{"Saved by it", "$" + m.Saved.String()},
		})
	})
}

func percent(rate float64) string { return strconv.FormatFloat(100*rate, 'f', 1, 64) + " %" }

func took(ms float64) string {
	d := time.Duration(ms * float64(time.Millisecond))
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}

func unpriced(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (and %d exchanges without a known price)", n)
}

type groups func(*claudeforce.Engine, context.Context, claudeforce.MetricsFilter) ([]claudeforce.MetricsGroup, error)

func (a *app) metricsGroupsCommand(use, one, short string, read groups) *cobra.Command {
	var p page
	cmd := a.report(use, short, func(ctx context.Context, e *claudeforce.Engine, f claudeforce.MetricsFilter) error {
		if err := p.check(); err != nil {
			return err
		}
		list, err := read(e, ctx, f)
		if err != nil {
			return err
		}
		return showList(a, p, list, strings.ToUpper(one)+"\tRUNS\tSUCCESS\tCOST\tAVG DURATION\tTOKENS\tCACHE HITS", func(g claudeforce.MetricsGroup) []string {
			return []string{
				orDash(g.Name), strconv.FormatInt(g.Runs, 10), percent(g.SuccessRate), "$" + g.TotalCost.String(),
				took(g.AvgDuration), strconv.FormatInt(g.Tokens.Total, 10), percent(g.HitRate),
			}
		})
	})
	p.flags(cmd)
	return cmd
}

func (a *app) metricsCostsCommand() *cobra.Command {
	return a.report("costs", "What was spent, by agent, model, workflow and tag", func(ctx context.Context, e *claudeforce.Engine, f claudeforce.MetricsFilter) error {
		c, err := e.Costs(ctx, f)
		switch {
		case err != nil:
			return err
		case a.json:
			return a.printJSON(c)
		}
		rows := [][2]string{{"Total", "$" + c.Total.String() + unpriced(c.Unpriced)}}
		if c.Unsettled > 0 {
			rows = append(rows, [2]string{"Unsettled", "$" + c.Unsettled.String() + " that processes had reserved which died"})
		}
		for _, part := range []struct {
			name  string
			costs map[string]claudeforce.Money
		}{{"agent", c.ByAgent}, {"model", c.ByModel}, {"workflow", c.ByWorkflow}, {"tag", c.ByTag}} {
			for _, name := range dearestFirst(part.costs) {
				rows = append(rows, [2]string{"By " + part.name + " " + orDash(name), "$" + part.costs[name].String()})
			}
		}
		return a.showRows(rows)
	})
}

func dearestFirst(costs map[string]claudeforce.Money) []string {
	return slices.SortedFunc(maps.Keys(costs), func(x, y string) int {
		return cmp.Or(cmp.Compare(costs[y], costs[x]), cmp.Compare(x, y))
	})
}

func (a *app) metricsPruneCommand() *cobra.Command {
	var days int
	cmd := &cobra.Command{
		Use: "prune --days N", Short: "Delete old rows; what they add up to stays", Args: cobra.NoArgs,
		Long: `Delete the rows of runs and exchanges that are older than so many days. What they
add up to stays, so reports of all time do not change; exports get shorter.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if days < 1 || days > 36500 {
				return inputError("--days must be a whole number from 1 to 36500", "nothing was deleted")
			}
			return a.with(func(e *claudeforce.Engine) error {
				p, err := e.PruneMetrics(cmd.Context(), time.Duration(days)*24*time.Hour)
				switch {
				case err != nil:
					return err
				case a.json:
					return a.printJSON(p)
				}
				a.note("%d runs and %d exchanges were deleted", p.Runs, p.Exchanges)
				return nil
			})
		},
	}
	cmd.Flags().IntVar(&days, "days", 0, "age in days")
	return cmd
}
