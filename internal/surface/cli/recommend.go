package cli

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	claudeforce "github.com/claude-force/claude-force"
	"github.com/claude-force/claude-force/internal/surface/cli/markdown"
)

const noSemanticUsage = "go by keywords alone, without comparing meaning"

func (a *app) recommendCommand() *cobra.Command {
	var f runFlags
	top := 3
	explain, noSemantic := false, false
	cmd := &cobra.Command{
		Use:   "recommend",
		Short: "Find the agents that fit a task, or learn that none does",
		Long: `Find the agents that fit a task, by its words and its meaning, or learn that
none does. It is decided on this machine. The task comes from --task, from
--task-file, or from stdin where that is no terminal.`,
		Example: `  claude-force recommend --task "our login page takes 8 seconds to load"
  claude-force recommend --task "rotate the TLS certificates" --explain --top 5
  claude-force recommend eval labelled.jsonl`,
		Args: groupArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if top < 1 || top > 64 {
				return inputError("--top must be a whole number from 1 to 64", "")
			}
			task, err := a.readTask(cmd, &f)
			if err != nil {
				return err
			}
			a.semantic(noSemantic)
			return a.with(func(e *claudeforce.Engine) error {
				return a.showRecommendation(cmd.Context(), e, task, top, explain)
			})
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.task, "task", "", "the task")
	fl.StringVar(&f.taskFile, "task-file", "", "a file that holds the task (- is stdin)")
	fl.IntVar(&top, "top", top, "most agents to show, up to 64")
	fl.BoolVar(&explain, "explain", false, "show the words and the example that decided")
	fl.BoolVar(&noSemantic, "no-semantic", false, noSemanticUsage)
	cmd.MarkFlagsMutuallyExclusive("task", "task-file")
	cmd.AddCommand(a.recommendEvalCommand())
	return cmd
}

// semantic sets the setting as the flag says.
func (a *app) semantic(off bool) {
	if off {
		a.settings["recommend.semantic"] = "false"
	}
}

// vectorsMade says how far the vectors of new and changed agents are, where it
// takes a while.
func (a *app) vectorsMade() func(done, total int) {
	said := time.Now()
	return func(done, total int) {
		if now := time.Now(); now.Sub(said) >= time.Second {
			said = now
			a.note("reading the agents: %d of %d texts", done, total)
		}
	}
}

func (a *app) showRecommendation(ctx context.Context, e *claudeforce.Engine, task string, top int, explain bool) error {
	r, err := e.Recommend(ctx, task, top, explain, a.vectorsMade())
	if err != nil {
		return err
	}
	a.warn(r.Warnings...)
	if a.json {
		return a.printJSON(r)
	}
	if len(r.Items) == 0 {
		a.note("there are no agents in %s; `claude-force init` adds the starter library", e.Source())
		return nil
	}
	if r.NoneFits {
		fmt.Fprintln(a.Out, "none fits; the nearest are")
	}
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "AGENT\tCONFIDENCE\tREASON")
	for _, item := range r.Items {
		fmt.Fprintf(w, "%s\t%.2f\t%s\n", item.Agent, item.Confidence, markdown.Plain(item.Reason))
		if item.Why != nil {
			fmt.Fprintf(w, "\t\twords: %s\n", dash(markdown.Plain(strings.Join(item.Why.Words, ", "))))
			fmt.Fprintf(w, "\t\tnearest example: %s\n", dash(cut(markdown.Plain(item.Why.Example), 100)))
			fmt.Fprintf(w, "\t\tscore: %.2f by words, %.2f by meaning\n", item.Why.Lexical, item.Why.Semantic)
		}
	}
	return w.Flush()
}

func (a *app) recommendEvalCommand() *cobra.Command {
	noSemantic := false
	cmd := &cobra.Command{
		Use:   "eval FILE|-",
		Short: "Measure how well agents are found for your own labelled tasks",
		Long: `Measure how well agents are found for your own labelled tasks: a JSON object
{"task","agent"} a line, with the agent none for a task that no agent fits.`,
		Args: oneFile("the labelled tasks", "name a JSONL file, or - for stdin"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := a.openImport(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer in.Close()
			a.semantic(noSemantic)
			return a.with(func(e *claudeforce.Engine) error {
				r, err := e.EvaluateSelection(cmd.Context(), in, a.vectorsMade())
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(r)
				}
				return a.showSelection(r)
			})
		},
	}
	cmd.Flags().BoolVar(&noSemantic, "no-semantic", false, noSemanticUsage)
	return cmd
}

func (a *app) showSelection(r claudeforce.SelectionReport) error {
	percent := func(x float64) string { return fmt.Sprintf("%.1f %%", 100*x) }
	rows := [][2]string{{"Tasks for an agent", fmt.Sprint(r.Tasks)}}
	if r.Tasks > 0 {
		rows = append(rows, [][2]string{
			{"The right agent first", percent(r.Top1)}, {"Among the first three", percent(r.Top3)}, {"Said to be for none", percent(r.Lost)},
		}...)
	}
	rows = append(rows, [2]string{"Tasks for none", fmt.Sprint(r.OutOfScope)})
	if r.OutOfScope > 0 {
		rows = append(rows, [2]string{"Found to be so", percent(r.NoneRight)})
	}
	if err := a.showRows(rows); err != nil || len(r.Misses) == 0 {
		return err
	}
	fmt.Fprintln(a.Out)
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "WANTED\tFOUND\tTASK")
	for _, m := range r.Misses {
		got := strings.Join(m.Got, ", ")
		if m.NoneFits {
			got = "none (" + got + ")"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", m.Want, dash(got), cut(markdown.Plain(m.Task), 80))
	}
	return w.Flush()
}

func (a *app) agentsCommand() *cobra.Command {
	agents := &cobra.Command{Use: "agents", Short: "Check the agents of the project", Args: groupArgs, RunE: showHelp}
	agents.AddCommand(&cobra.Command{
		Use:   "lint",
		Short: "Find agents that are broken, say nothing of themselves, or shadow each other",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(func(e *claudeforce.Engine) error { return a.lintAgents(cmd.Context(), e) })
		},
	})
	return agents
}

// finding is what is odd about agents.
type finding struct {
	Agent   string `json:"agent"`
	Kind    string `json:"kind"` // file, silent or shadow
	Message string `json:"message"`
}

func (a *app) lintAgents(ctx context.Context, e *claudeforce.Engine) error {
	agents, warnings, err := e.Agents()
	if err != nil {
		return err
	}
	found := []finding{}
	for _, w := range warnings {
		found = append(found, finding{"", "file", w})
	}
	for _, x := range agents {
		for _, w := range x.Warnings {
			found = append(found, finding{x.Name, "file", w})
		}
		if x.Description == "" && len(x.Domains) == 0 && len(x.Examples) == 0 {
			found = append(found, finding{x.Name, "silent", "it has no description, no domains and no examples: it is only found by what its definition says"})
		}
	}
	shadows, err := e.AgentShadows(ctx, a.vectorsMade())
	if err != nil {
		return err
	}
	for _, s := range shadows {
		found = append(found, finding{s.A, "shadow", s.Why})
	}
	if a.json {
		return a.printJSON(struct {
			Items []finding `json:"items"`
			Total int       `json:"total"`
		}{found, len(found)})
	}
	if len(found) == 0 {
		a.note("nothing is odd about %d agents", len(agents))
		return nil
	}
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "AGENT\tKIND\tWHAT")
	for _, f := range found {
		fmt.Fprintf(w, "%s\t%s\t%s\n", dash(f.Agent), f.Kind, markdown.Plain(f.Message))
	}
	return w.Flush()
}
