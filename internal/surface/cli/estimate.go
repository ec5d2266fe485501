package cli

import (
	"context"
	"fmt"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	claudeforce "github.com/claude-force/claude-force"
)

func (a *app) estimateCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "estimate", Short: "What a run will take, without making it", Args: groupArgs, RunE: showHelp}
	var f runFlags
	exact := false
	agent := &cobra.Command{
		Use: "agent NAME", Short: "What a run of an agent will take",
		Long: `What a run of an agent will take: tokens and cost, low, expected and high. The
prompt is estimated on this machine, corrected by earlier runs, or counted by
the API with --exact, which is free; the answer is taken from those that this
agent gave before. High is what a budget would reserve.`,
		Args: agentArgs, ValidArgsFunction: a.completeAgents,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			task, err := a.readTask(cmd, &f)
			if err != nil {
				return err
			}
			r := claudeforce.Run{Agent: args[0], Task: task, Model: f.model, MaxTokens: f.maxTokens, Effort: f.effort}
			return a.with(func(e *claudeforce.Engine) error { return a.showEstimate(cmd.Context(), e, r, exact) })
		},
	}
	fl := agent.Flags()
	fl.StringVar(&f.task, "task", "", "the task")
	fl.StringVar(&f.taskFile, "task-file", "", "a file that holds the task (- is stdin)")
	fl.StringVar(&f.model, "model", "", "model: a line (haiku, sonnet, opus, fable), an id or an alias")
	fl.IntVar(&f.maxTokens, "max-tokens", 0, "most output tokens (default: the setting max_tokens)")
	fl.StringVar(&f.effort, "effort", "", "effort: low, medium, high, xhigh or max")
	fl.BoolVar(&exact, "exact", false, "have the API count the prompt, which is free")
	agent.MarkFlagsMutuallyExclusive("task", "task-file")
	cmd.AddCommand(agent)
	return cmd
}

func (a *app) showEstimate(ctx context.Context, e *claudeforce.Engine, r claudeforce.Run, exact bool) error {
	x, err := e.Estimate(ctx, r, exact)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(x)
	}
	a.warn(x.Warnings...)
	t := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	fmt.Fprintln(t, "\tLOW\tEXPECTED\tHIGH")
	fmt.Fprintf(t, "tokens in\t%s\t%s\t%s\n", n(x.Input.Low), n(x.Input.Expected), n(x.Input.High))
	fmt.Fprintf(t, "tokens out\t%s\t%s\t%s\n", n(x.Output.Low), n(x.Output.Expected), n(x.Output.High))
	if x.Cost != nil {
		fmt.Fprintf(t, "cost\t$%s\t$%s\t$%s\n", x.Cost.Low, x.Cost.Expected, x.Cost.High)
	} else {
		fmt.Fprintf(t, "cost\tunknown: %s has no known price\t\t\n", x.Model)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	a.note("%s · %s · %s", x.Agent, x.Model, basis(x))
	return nil
}

// basis says what an estimate rests on.
func basis(x *claudeforce.Estimate) string {
	in := "prompt estimated"
	switch {
	case x.Exact:
		in = "prompt counted by the API"
	case x.Calibrated > 0:
		in += fmt.Sprintf(" and corrected by %d runs", x.Calibrated)
	}
	if x.History == 0 {
		return in + ", answer assumed: this agent has none behind it with this model"
	}
	return fmt.Sprintf("%s, answer from the last %d of this agent", in, x.History)
}
