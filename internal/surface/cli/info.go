package cli

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	claudeforce "github.com/claude-force/claude-force"
)

func (a *app) infoCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "info NAME",
		Short:             "Show one agent or one model",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeAgents,
		RunE: func(_ *cobra.Command, args []string) error {
			return a.with(func(e *claudeforce.Engine) error { return a.info(e, args[0]) })
		},
	}
}

func (a *app) info(e *claudeforce.Engine, name string) error {
	agent, err := e.Agent(name)
	if err == nil {
		a.warn(agent.Warnings...)
		return a.showAgent(e, agent)
	}
	if claudeforce.AsError(err).Code != claudeforce.CodeUnknownAgent {
		return err
	}
	models, warnings, modelErr := e.Models()
	if modelErr != nil {
		return err
	}
	now := time.Now()
	for _, m := range models { // newest first, so that a line is its newest active model
		isLine := m.Line == name && m.LifecycleAt(now) == claudeforce.ModelActive
		if m.ID == name || isLine || slices.Contains(m.Aliases, name) {
			a.warn(warnings...)
			return a.showModel(newModelRow(m, now))
		}
	}
	return err
}

func (a *app) showAgent(e *claudeforce.Engine, x claudeforce.Agent) error {
	if a.json {
		return a.printJSON(x)
	}
	rows := [][2]string{
		{"Agent", x.Name},
		{"Description", cut(x.Description, 1000)},
		{"Model", dash(x.Model)},
		{"Effort", x.Effort},
		{"Domains", strings.Join(x.Domains, ", ")},
		{"Priority", x.Priority},
		{"Tools", strings.Join(x.Tools, ", ")},
		{"Skills", strings.Join(x.Skills, ", ")},
		{"From", e.Source()},
		{"Definition", x.File},
		{"Contract", x.ContractFile},
		{"Prompt", fmt.Sprintf("about %d tokens before the task", x.PromptTokens)},
	}
	if err := a.showRows(rows); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.Out, "\n%s", a.render(withNewline(x.Definition)))
	return err
}

func (a *app) showModel(m modelRow) error {
	if a.json {
		return a.printJSON(m)
	}
	return a.showRows([][2]string{
		{"Model", m.ID},
		{"Aliases", strings.Join(m.Aliases, ", ")},
		{"Line", m.Line},
		{"Lifecycle", m.Lifecycle + " " + m.note()},
		{"Context", thousands(m.Context) + " tokens"},
		{"Output", thousands(m.MaxOutput) + " tokens at most"},
		{"USD per million tokens", m.price + " (in/out)"},
		{"Efforts", strings.Join(m.Efforts, ", ")},
	})
}

// showRows prints names and values, leaving out those without a value.
func (a *app) showRows(rows [][2]string) error {
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		if strings.TrimSpace(r[1]) != "" {
			fmt.Fprintf(w, "%s\t%s\n", r[0], strings.TrimSpace(r[1]))
		}
	}
	return w.Flush()
}
