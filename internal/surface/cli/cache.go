package cli

import (
	"fmt"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	claudeforce "github.com/claude-force/claude-force"
)

func (a *app) cacheCommand() *cobra.Command {
	cache := &cobra.Command{Use: "cache", Short: "Look after the response cache", Args: groupArgs, RunE: showHelp}
	cache.AddCommand(a.cacheStatsCommand(), a.cacheClearCommand(), a.cacheVerifyCommand())
	return cache
}

func (a *app) cacheStatsCommand() *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Show hits, misses, size and savings over all processes",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if by != "" && by != "agent" {
				return inputError("--by takes agent", "leave it away for the totals")
			}
			return a.with(func(e *claudeforce.Engine) error {
				stats, err := e.CacheStats(cmd.Context())
				if err != nil {
					return err
				}
				if by == "" {
					stats.ByAgent = nil
				}
				if a.json {
					return a.printJSON(stats)
				}
				return a.showCacheStats(stats)
			})
		},
	}
	cmd.Flags().StringVar(&by, "by", "", "break the counts down: agent")
	return cmd
}

func (a *app) showCacheStats(s claudeforce.CacheStats) error {
	err := a.showRows([][2]string{
		{"Hits", fmt.Sprintf("%d (memory %d, disk %d, joined %d)", s.Hits, s.MemoryHits, s.DiskHits, s.Joins)},
		{"Misses", strconv.FormatInt(s.Misses, 10)},
		{"Hit rate", fmt.Sprintf("%.1f %%", 100*s.HitRate)},
		{"Saved", "$" + s.Saved.String()},
		{"Entries", strconv.FormatInt(s.Entries, 10)},
		{"Size", fmt.Sprintf("%.1f of %.1f MB", float64(s.Bytes)/1e6, float64(s.MaxBytes)/1e6)},
		{"Evictions", strconv.FormatInt(s.Evictions, 10)},
		{"Failed verification", fmt.Sprintf("%d (%d set aside)", s.VerifyFailures, s.Aside)},
	})
	if err != nil || s.ByAgent == nil {
		return err
	}
	names := make([]string, 0, len(s.ByAgent))
	for name := range s.ByAgent {
		names = append(names, name)
	}
	slices.Sort(names)
	fmt.Fprintln(a.Out)
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "AGENT\tHITS\tMISSES\tHIT RATE\tSAVED")
	for _, name := range names {
		c := s.ByAgent[name]
		fmt.Fprintf(w, "%s\t%d\t%d\t%.1f %%\t$%s\n", name, c.Hits, c.Misses, 100*c.HitRate, c.Saved)
	}
	return w.Flush()
}

func (a *app) cacheClearCommand() *cobra.Command {
	var agent, older string
	cmd := &cobra.Command{
		Use:   "clear",
		Short: "Delete kept answers",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var age time.Duration
			if older != "" {
				var err error
				if age, err = claudeforce.ParseDuration(older); err != nil {
					return inputError("--older-than "+err.Error(), "nothing was deleted")
				}
			}
			return a.with(func(e *claudeforce.Engine) error {
				n, err := e.ClearCache(cmd.Context(), agent, age)
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(map[string]int64{"cleared": n})
				}
				a.note("%d answers were deleted", n)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&agent, "agent", "", "only answers of this agent")
	cmd.Flags().StringVar(&older, "older-than", "", "only answers of this age, such as 12h or 7d")
	return cmd
}

func (a *app) cacheVerifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Verify the signature of every kept answer",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(func(e *claudeforce.Engine) error {
				check, err := e.VerifyCache(cmd.Context())
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(check)
				}
				return a.showRows([][2]string{
					{"Genuine", strconv.FormatInt(check.Genuine, 10)},
					{"Of another secret", strconv.FormatInt(check.Foreign, 10)},
					{"Failed, set aside", strconv.FormatInt(check.Failed, 10)},
				})
			})
		},
	}
}
