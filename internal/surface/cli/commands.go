package cli

import (
	"fmt"
	"runtime"
	"text/tabwriter"

	"github.com/spf13/cobra"

	claudeforce "github.com/claude-force/claude-force"
)

func (a *app) initCommand() *cobra.Command {
	var template string
	var force bool
	cmd := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Make a project that runs at once",
		Long: `Make a project: write a template's agents and contracts below DIR/.claude.

Nothing that is there is overwritten without --force.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			files, err := claudeforce.Init(dir, template, force)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(map[string]any{"dir": dir, "template": template, "files": files})
			}
			a.note("wrote %d files to %s; try: claude-force run agent NAME --demo --task \"…\" (list agents shows the names)", len(files), dir)
			return nil
		},
	}
	cmd.Flags().StringVar(&template, "template", claudeforce.DefaultTemplate, "template to begin with (list templates)")
	cmd.Flags().BoolVar(&force, "force", false, "replace files that are there already")
	return cmd
}

func (a *app) configCommand() *cobra.Command {
	config := &cobra.Command{Use: "config", Short: "Show the settings", Args: groupArgs, RunE: showHelp}
	config.AddCommand(&cobra.Command{
		Use:   "show",
		Short: "Print every setting with its value and where it came from",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.with(func(e *claudeforce.Engine) error { return a.showSettings(e.Settings()) })
		},
	})
	return config
}

func (a *app) showSettings(settings []claudeforce.Setting) error {
	if a.json {
		byName := map[string]claudeforce.Setting{}
		for _, s := range settings {
			byName[s.Name] = s
		}
		return a.printJSON(map[string]any{"settings": byName})
	}
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tVALUE\tFROM\tMEANING")
	for _, s := range settings {
		from := s.Source
		if s.Where != "" && s.Where != s.Source {
			from += " (" + s.Where + ")"
		}
		doc := s.Doc
		if s.Planned {
			doc += " (planned: no effect yet)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", s.Name, dash(s.Value), from, doc)
	}
	return w.Flush()
}

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check the key, the project, the folders and the clock",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(func(e *claudeforce.Engine) error { return a.showChecks(e.Doctor(cmd.Context())) })
		},
	}
}

// showChecks prints the checks; its error, already shown, is that of the first
// which failed.
func (a *app) showChecks(checks []claudeforce.Check) error {
	var failure error
	for _, c := range checks {
		if c.Err != nil && failure == nil {
			failure = &shownError{c.Err}
		}
	}
	if a.json {
		if err := a.printJSON(map[string]any{"ok": failure == nil, "checks": checks}); err != nil {
			return err
		}
		return failure
	}
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	for _, c := range checks {
		detail := c.Detail
		if c.Hint != "" {
			detail += "; " + c.Hint
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", c.Status, c.Name, detail)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return failure
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return a.showVersion() },
	}
}

func (a *app) showVersion() error {
	if a.json {
		return a.printJSON(map[string]string{"version": claudeforce.Version(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH})
	}
	_, err := fmt.Fprintf(a.Out, "claude-force %s (%s, %s/%s)\n", claudeforce.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
