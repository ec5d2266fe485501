package cli

import (
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	claudeforce "github.com/claude-force/claude-force"
)

func (a *app) batchesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "batches",
		Short: "Message Batches of this project",
		Long: `Message Batches of this project: tasks that "run tasks --via batch" has sent.

Answers are collected by running the same tasks again; nothing is paid twice.`,
		Args: groupArgs, RunE: showHelp,
	}
	cmd.AddCommand(a.listBatchesCommand(), a.showBatchCommand(), a.cancelBatchCommand())
	return cmd
}

func (a *app) listBatchesCommand() *cobra.Command {
	var p page
	cmd := &cobra.Command{
		Use: "list", Short: "List the batches, the latest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := p.check(); err != nil {
				return err
			}
			return a.with(func(e *claudeforce.Engine) error {
				all, err := e.Batches(cmd.Context(), 0, 0)
				switch {
				case len(all) == 0 && err != nil:
					return err
				case err != nil: // what was known is better than nothing
					a.warn(sentence(claudeforce.AsError(err)))
				case len(all) == 0:
					a.note("no batches: `claude-force run tasks FILE --via batch` makes one")
				}
				return showList(a, p, all, "BATCH\tSTATUS\tCREATED\tREQUESTS\tSUCCEEDED\tFAILED\tCOST", func(b claudeforce.BatchInfo) []string {
					return []string{
						orDash(b.BatchID), b.Status, stamp(b.Created), strconv.Itoa(b.Requests),
						strconv.Itoa(b.Succeeded), strconv.Itoa(b.Errored + b.Expired + b.Canceled), "$" + b.Cost.String(),
					}
				})
			})
		},
	}
	p.flags(cmd)
	return cmd
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") + "Z" }

func batchArgs(_ *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	return inputError("one batch must be named, by its id or the beginning of it", "`claude-force batches list` shows them")
}

func (a *app) showBatchCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one batch", Args: batchArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(func(e *claudeforce.Engine) error {
				b, err := e.Batch(cmd.Context(), args[0])
				if b.Status == "" {
					return err
				}
				if err != nil {
					a.warn(sentence(claudeforce.AsError(err)))
				}
				return a.printBatch(b)
			})
		},
	}
}

func (a *app) cancelBatchCommand() *cobra.Command {
	return &cobra.Command{
		Use: "cancel ID", Short: "Stop a batch; what has finished is kept", Args: batchArgs,
		Long: `Ask the API to stop a batch. What has finished by then is paid, and collected by
running the same tasks again; the rest costs nothing.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(func(e *claudeforce.Engine) error {
				b, err := e.CancelBatch(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return a.printBatch(b)
			})
		},
	}
}

func (a *app) printBatch(b claudeforce.BatchInfo) error {
	if a.json {
		return a.printJSON(b)
	}
	t := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	rows := [][2]string{
		{"batch", orDash(b.BatchID)},
		{"status", b.Status},
		{"created", stamp(b.Created)},
		{"requests", strconv.Itoa(b.Requests)},
		{"processing", strconv.Itoa(b.Processing)},
		{"succeeded", strconv.Itoa(b.Succeeded)},
		{"errored", strconv.Itoa(b.Errored)},
		{"expired", strconv.Itoa(b.Expired)},
		{"canceled", strconv.Itoa(b.Canceled)},
		{"cost", "$" + b.Cost.String()},
		{"reserved", "$" + b.Reserved.String()},
	}
	if !b.Expires.IsZero() {
		rows = append(rows, [2]string{"expires", stamp(b.Expires)})
	}
	if b.Error != "" {
		rows = append(rows, [2]string{"error", b.Error})
	}
	for _, r := range rows {
		fmt.Fprintf(t, "%s\t%s\n", r[0], r[1])
	}
	return t.Flush()
}
