package cli

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	claudeforce "github.com/claude-force/claude-force"
)

func (a *app) metricsSavingsCommand() *cobra.Command {
	return a.report("savings", "What was not spent, and what saved it", func(ctx context.Context, e *claudeforce.Engine, f claudeforce.MetricsFilter) error {
		s, err := e.Savings(ctx, f)
		if err != nil {
			return err
		}
		return a.showSavings(s)
	})
}

func (a *app) showSavings(s *claudeforce.Savings) error {
	if a.json {
		return a.printJSON(s)
	}
	t := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range []struct {
		what string
		m    claudeforce.Money
	}{
		{"baseline", s.Baseline},
		{"response cache", -s.ResponseCache},
		{"coalescing", -s.Coalescing},
		{"prompt cache", -s.PromptCache},
		{"batches", -s.Batch},
		{"routing", -s.Routing},
		{"spent", s.Spent},
	} {
		sign := ""
		if row.m < 0 {
			sign, row.m = "-", -row.m
		}
		fmt.Fprintf(t, "%s\t%s$%s\t\n", row.what, sign, row.m)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	a.note("%.1f %% of the baseline was not spent", 100*s.Share)
	if s.Unpriced > 0 {
		a.note("%d exchanges have no known price and are left out", s.Unpriced)
	}
	return nil
}

func (a *app) metricsCalibrationCommand() *cobra.Command {
	return &cobra.Command{
		Use: "calibration", Short: "How good the estimates of prompts were", Args: cobra.NoArgs,
		Long: `How good the estimates of prompts were, by model, from a sample of the runs:
estimated tokens over counted ones, and how many were more than 5 % too low or
more than 15 % too high.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(func(e *claudeforce.Engine) error {
				list, err := e.Calibrations(cmd.Context())
				if err != nil {
					return err
				}
				return showList(a, page{all: true}, list, "MODEL\tSAMPLES\tRATIO\tTOO LOW\tTOO HIGH", func(c claudeforce.Calibration) []string {
					return []string{
						c.Model, fmt.Sprint(c.Samples), fmt.Sprintf("%.3f", c.Ratio),
						fmt.Sprintf("%.1f %%", 100*c.Low), fmt.Sprintf("%.1f %%", 100*c.High),
					}
				})
			})
		},
	}
}
