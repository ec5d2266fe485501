package cli

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	claudeforce "github.com/claude-force/claude-force"
)

// costFlags bound what a run may cost.
type costFlags struct{ maxCost, threshold string }

func (f *costFlags) add(cmd *cobra.Command, of string) {
	fl := cmd.Flags()
	fl.StringVar(&f.maxCost, "max-cost", "", "most dollars that the "+of+" may cost; a call that could exceed them is not made")
	fl.StringVar(&f.threshold, "cost-threshold", "", "as --max-cost")
	cmd.MarkFlagsMutuallyExclusive("max-cost", "cost-threshold")
}

// most is the bound; 0 is none.
func (f *costFlags) most() (claudeforce.Money, error) {
	text := f.maxCost + f.threshold
	if text == "" {
		return 0, nil
	}
	return claudeforce.ParseMoney(text)
}

// overBudget asks a person whether a run shall be made although a budget is in
// the way, where the budget says so and there is one to ask.
func (a *app) overBudget(err error) bool {
	e := claudeforce.AsError(err)
	if e == nil || e.Code != claudeforce.CodeBudget || e.Reason != "ask" || !isTerminal(a.In) || a.json || a.quiet {
		return false
	}
	fmt.Fprintf(a.Err, "%s. Make the run all the same? [y/N] ", e.Message)
	answer, _ := bufio.NewReader(a.In).ReadString('\n') // no answer is a no
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(answer)), "y")
}

func (a *app) budgetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "budget", Short: "Caps on spending that stop a call before it is made",
		Long: `Caps on spending. Before each call its worst case is reserved under every cap
that concerns it: a call that could exceed one is not made, and the run ends
with exit code 4. Days and months are UTC's.`,
		Args: groupArgs, RunE: showHelp,
	}
	cmd.AddCommand(a.setBudgetCommand(), a.showBudgetCommand(), a.unsetBudgetCommand(), a.resolveBudgetCommand())
	return cmd
}

func addBudgetFlags(cmd *cobra.Command, b *claudeforce.Budget) {
	fl := cmd.Flags()
	fl.StringVar(&b.Per, "per", "", "what the cap is for: day, month, run or project")
	fl.StringVar(&b.Agent, "agent", "", "count runs of this agent only")
	fl.StringVar(&b.Tag, "tag", "", "count runs with this tag only (key=value)")
	fl.BoolVar(&b.User, "user", false, "a cap on all projects of the user")
}

func (a *app) setBudgetCommand() *cobra.Command {
	var b claudeforce.Budget
	cmd := &cobra.Command{
		Use: "set --per day|month|run|project USD", Short: "Set a cap, or change it",
		Example: `  claude-force budget set --per day 5.00
  claude-force budget set --per month 200 --user
  claude-force budget set --per run 0.50 --agent code-reviewer --on-exceed downgrade`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				return nil
			}
			return inputError("one amount in dollars must be given", "for instance `claude-force budget set --per day 5.00`")
		},
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if b.Cap, err = claudeforce.ParseMoney(args[0]); err != nil {
				return err
			}
			return a.with(func(e *claudeforce.Engine) error {
				if err := e.SetBudget(cmd.Context(), b); err != nil {
					return err
				}
				return a.showBudgets(cmd, e, page{all: true})
			})
		},
	}
	addBudgetFlags(cmd, &b)
	cmd.Flags().StringVar(&b.OnExceed, "on-exceed", "stop", "what is done about a call over the cap: stop, downgrade (a cheaper model) or ask")
	return cmd
}

func (a *app) unsetBudgetCommand() *cobra.Command {
	var b claudeforce.Budget
	cmd := &cobra.Command{
		Use: "unset --per day|month|run|project", Short: "Remove a cap", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(func(e *claudeforce.Engine) error {
				if err := e.UnsetBudget(cmd.Context(), b); err != nil {
					return err
				}
				return a.showBudgets(cmd, e, page{all: true})
			})
		},
	}
	addBudgetFlags(cmd, &b)
	return cmd
}

func (a *app) showBudgetCommand() *cobra.Command {
	var p page
	cmd := &cobra.Command{
		Use: "show", Short: "Show the caps and what is gone of them", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := p.check(); err != nil {
				return err
			}
			return a.with(func(e *claudeforce.Engine) error { return a.showBudgets(cmd, e, p) })
		},
	}
	p.flags(cmd)
	return cmd
}

func (a *app) showBudgets(cmd *cobra.Command, e *claudeforce.Engine, p page) error {
	list, err := e.BudgetStandings(cmd.Context())
	if err != nil {
		return err
	}
	if len(list) == 0 {
		a.note("no budgets: `claude-force budget set --per day 5.00` makes one")
	}
	return showList(a, p, list, "PER\tFOR\tCAP\tSPENT\tRESERVED\tUNSETTLED\tOVER IT", func(b claudeforce.BudgetStanding) []string {
		return []string{
			b.Per, b.For(), "$" + b.Cap.String(), "$" + b.Spent.String(), "$" + b.Reserved.String(), "$" + b.Unsettled.String(), b.OnExceed,
		}
	})
}

func (a *app) resolveBudgetCommand() *cobra.Command {
	all := false
	cmd := &cobra.Command{
		Use: "resolve RUN_ID|--all", Short: "Free what killed processes had reserved",
		Long: `Free what killed processes had reserved. It counts as spent until you know better,
for instance from the provider's own usage page: their calls may have been billed.`,
		Args: func(_ *cobra.Command, args []string) error {
			if (len(args) == 1) != all && len(args) < 2 {
				return nil
			}
			return inputError("either one run or --all must be given", "`claude-force budget show` says what is unsettled")
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			run := ""
			if len(args) == 1 {
				run = args[0]
			}
			return a.with(func(e *claudeforce.Engine) error {
				n, held, err := e.ResolveBudgets(cmd.Context(), run)
				if err != nil {
					return err
				}
				a.note("%d reservations were freed, which held $%s", n, held)
				return a.showBudgets(cmd, e, page{all: true})
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all of them")
	return cmd
}
