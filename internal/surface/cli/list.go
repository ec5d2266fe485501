package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/spf13/cobra"

	claudeforce "github.com/claude-force/claude-force"
)

// page is which part of a list is shown.
type page struct {
	limit, offset int
	all           bool
}

func (p *page) flags(cmd *cobra.Command) {
	cmd.Flags().IntVar(&p.limit, "limit", 20, "most items to show")
	cmd.Flags().IntVar(&p.offset, "offset", 0, "items to leave out at the beginning")
	cmd.Flags().BoolVar(&p.all, "all", false, "show all items")
}

func (p *page) check() error {
	if p.limit < 1 || p.offset < 0 {
		return inputError("--limit must be a whole number from 1 and --offset one from 0", "--all shows everything")
	}
	return nil
}

// showList prints one page of items, as JSON or as rows of text.
func showList[T any](a *app, p page, items []T, header string, row func(T) []string) error {
	total := len(items)
	if p.all {
		p.limit, p.offset = total, 0
	}
	items = items[min(p.offset, total):min(p.offset+p.limit, total)]
	if a.json {
		if items == nil {
			items = []T{}
		}
		return a.printJSON(struct {
			Items  []T `json:"items"`
			Total  int `json:"total"`
			Limit  int `json:"limit"`
			Offset int `json:"offset"`
		}{items, total, p.limit, p.offset})
	}
	// A table is written cell by cell: without a buffer, a system call each.
	out := bufio.NewWriter(a.Out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, header)
	for _, item := range items {
		fmt.Fprintln(w, strings.Join(row(item), "\t"))
	}
	if err := errors.Join(w.Flush(), out.Flush()); err != nil {
		return err
	}
	if len(items) < total {
		a.note("%d of %d shown; --all shows the rest", len(items), total)
	}
	return nil
}

func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.Out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func (a *app) listCommand() *cobra.Command {
	list := &cobra.Command{Use: "list", Short: "List agents, models, skills or templates", Args: groupArgs, RunE: showHelp}
	list.AddCommand(
		a.listOf("agents", "The agents of the project, or of the built-in library", a.listAgents),
		a.listOf("models", "The models with their prices, context and lifecycle", a.listModels),
		a.listOf("skills", "The skills of the project", a.listSkills),
		a.listOf("templates", "The templates of init", func(p page) error {
			return showList(a, p, claudeforce.Templates(), "NAME\tDESCRIPTION", func(t claudeforce.Template) []string {
				return []string{t.Name, t.Description}
			})
		}),
	)
	return list
}

func (a *app) listOf(what, short string, show func(page) error) *cobra.Command {
	var p page
	cmd := &cobra.Command{Use: what, Short: short, Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		if err := p.check(); err != nil {
			return err
		}
		return show(p)
	}}
	p.flags(cmd)
	return cmd
}

func (a *app) listAgents(p page) error {
	return a.with(func(e *claudeforce.Engine) error {
		agents, warnings, err := e.Agents()
		if err != nil {
			return err
		}
		a.warn(warnings...)
		if len(agents) == 0 {
			a.note("no agents in %s; `claude-force init` adds the starter library", e.Source())
		}
		return showList(a, p, agents, "NAME\tMODEL\tDESCRIPTION", func(x claudeforce.Agent) []string {
			own := x.Model
			if own == "" {
				own = "-"
			}
			return []string{x.Name, own, cut(x.Description, 90)}
		})
	})
}

func (a *app) listSkills(p page) error {
	return a.with(func(e *claudeforce.Engine) error {
		skills, warnings, err := e.Skills()
		if err != nil {
			return err
		}
		a.warn(warnings...)
		return showList(a, p, skills, "NAME\tDESCRIPTION", func(s claudeforce.Skill) []string {
			return []string{s.Name, cut(s.Description, 90)}
		})
	})
}

// cut makes a text fit one line of a table.
func cut(s string, most int) string {
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}
