package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	claudeforce "github.com/claude-force/claude-force"
	"github.com/claude-force/claude-force/internal/surface/cli/markdown"
)

func (a *app) memoryCommand() *cobra.Command {
	memory := &cobra.Command{Use: "memory", Short: "Look after past sessions", Args: groupArgs, RunE: showHelp}
	memory.AddCommand(
		a.memorySearchCommand(), a.memoryShowCommand(), a.memoryStatsCommand(), a.memoryPruneCommand(),
		a.memoryForgetCommand(), a.memoryImportCommand(), a.memoryReindexCommand(),
	)
	return memory
}

// sessionFlags narrow what is searched or forgotten.
type sessionFlags struct{ agent, inProject, since, before string }

func (f *sessionFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.agent, "agent", "", "only sessions of this agent")
	fl.StringVar(&f.inProject, "in", "", "only sessions of the project in this folder")
	fl.StringVar(&f.since, "since", "", "only sessions of the last 12h, 7d and so on")
	fl.StringVar(&f.before, "before", "", "only sessions that are older than 12h, 7d and so on")
}

func (f *sessionFlags) filter() (out claudeforce.MemoryFilter, err error) {
	out.Agent, out.Project = f.agent, f.inProject
	for _, bound := range []struct {
		flag, text string
		at         *time.Time
	}{{"since", f.since, &out.Since}, {"before", f.before, &out.Until}} {
		if bound.text == "" {
			continue
		}
		age, err := claudeforce.ParseDuration(bound.text)
		if err != nil {
			return out, inputError(fmt.Sprintf("--%s is %q and %v", bound.flag, bound.text, err), "")
		}
		*bound.at = time.Now().Add(-age)
	}
	return out, nil
}

func (a *app) memorySearchCommand() *cobra.Command {
	var f sessionFlags
	var task string
	var success bool
	limit := 20
	cmd := &cobra.Command{
		Use:   "search [TEXT…]",
		Short: "Find past sessions whose tasks mean something similar",
		Example: `  claude-force memory search the report query is slow
  claude-force memory search --agent database-architect --since 30d --json "tune an index"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			text := strings.TrimSpace(strings.Join(append(args, task), " "))
			switch {
			case text == "":
				return inputError("nothing says what to look for", "give a few words, or a task with --task")
			case limit < 1 || limit > 100:
				return inputError("--limit must be a whole number from 1 to 100", "")
			}
			filter, err := f.filter()
			if err != nil {
				return err
			}
			filter.SuccessOnly = success
			return a.with(func(e *claudeforce.Engine) error { return a.searchMemory(cmd.Context(), e, text, filter, limit) })
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&task, "task", "", "the task to find similar ones of")
	cmd.Flags().BoolVar(&success, "success", false, "only sessions that succeeded")
	cmd.Flags().IntVar(&limit, "limit", limit, "most sessions to show, up to 100")
	return cmd
}

func (a *app) searchMemory(ctx context.Context, e *claudeforce.Engine, text string, f claudeforce.MemoryFilter, limit int) error {
	found, err := e.SearchMemory(ctx, text, f, limit)
	if err != nil {
		return err
	}
	if found.Warning != "" {
		a.warn(found.Warning)
	}
	items := found.Sessions
	if a.json {
		if items == nil {
			items = []claudeforce.Session{}
		}
		return a.printJSON(struct {
			Items     []claudeforce.Session `json:"items"`
			Total     int                   `json:"total"`
			Limit     int                   `json:"limit"`
			Offset    int                   `json:"offset"`
			ByMeaning bool                  `json:"by_meaning"`
		}{items, len(items), limit, 0, found.ByMeaning})
	}
	if len(items) == 0 {
		a.note("no past session was found")
		return nil
	}
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSIMILARITY\tBEGAN\tAGENT\tRESULT\tTASK")
	for _, s := range items {
		fmt.Fprintf(w, "%d\t%.2f\t%s\t%s\t%s\t%s\n",
			s.ID, *s.Similarity, s.At.Format("2006-01-02 15:04"), markdown.Plain(s.Agent), outcome(s), cut(markdown.Plain(s.Task), 70))
	}
	return w.Flush()
}

func outcome(s claudeforce.Session) string {
	if s.Success {
		return "ok"
	}
	return dash(s.ErrorType)
}

func (a *app) memoryShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show a past session with its task and its output",
		Args:  oneWord("no session was named", "`claude-force memory search` shows their numbers"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(func(e *claudeforce.Engine) error {
				s, err := e.Session(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(s)
				}
				cost := "unknown"
				if s.Cost != nil {
					cost = "$" + s.Cost.String()
				}
				err = a.showRows([][2]string{
					{"Session", strconv.FormatInt(s.ID, 10)},
					{"Run", dash(s.RunID)},
					{"Began", s.At.Format("2006-01-02 15:04:05Z")},
					{"Agent", markdown.Plain(s.Agent)},
					{"Result", outcome(s)},
					{"Model", dash(markdown.Plain(s.Model))},
					{"Tokens", fmt.Sprintf("%d in, %d out", s.InputTokens, s.OutputTokens)},
					{"Cost", cost},
				})
				fmt.Fprintf(a.Out, "\nTask:\n%s\nOutput:\n%s", withNewline(markdown.Plain(s.Task)), withNewline(markdown.Plain(s.Output)))
				return err
			})
		},
	}
}

func oneWord(missing, hint string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch len(args) {
		case 1:
			return nil
		case 0:
			return inputError(missing, hint)
		}
		return inputError(fmt.Sprintf("%q is one word too many", args[1]), hint)
	}
}

func (a *app) memoryStatsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "stats",
		Short: "Show how many sessions there are, of which agents, and how they are found",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(func(e *claudeforce.Engine) error {
				s, err := e.MemoryStats(cmd.Context())
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(s)
				}
				return a.showMemoryStats(s)
			})
		},
	}
}

func (a *app) showMemoryStats(s claudeforce.MemoryStats) error {
	day := func(at *time.Time) string {
		if at == nil {
			return "-"
		}
		return at.Format("2006-01-02 15:04Z")
	}
	err := a.showRows([][2]string{
		{"Sessions", fmt.Sprintf("%d (%d succeeded)", s.Sessions, s.Succeeded)},
		{"Found by meaning", fmt.Sprintf("%d (%s)", s.Embedded, s.Space)},
		{"Oldest", day(s.Oldest)},
		{"Newest", day(s.Newest)},
		{"Kept for", fmt.Sprintf("%g days", s.RetentionDays)},
		{"Search files", fmt.Sprintf("%.1f MB", float64(s.IndexBytes)/1e6)},
	})
	if err != nil || len(s.ByAgent) == 0 {
		return err
	}
	names := make([]string, 0, len(s.ByAgent))
	for name := range s.ByAgent {
		names = append(names, name)
	}
	slices.SortFunc(names, func(x, y string) int {
		if n := s.ByAgent[y] - s.ByAgent[x]; n != 0 {
			return int(n)
		}
		return strings.Compare(x, y)
	})
	fmt.Fprintln(a.Out)
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "AGENT\tSESSIONS")
	for _, name := range names {
		fmt.Fprintf(w, "%s\t%d\n", markdown.Plain(name), s.ByAgent[name])
	}
	return w.Flush()
}

func (a *app) memoryPruneCommand() *cobra.Command {
	var days int
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Delete sessions that are older than the setting memory.retention",
		Long: `Delete sessions that are older than the setting memory.retention, or than the
days that are given. It happens by itself once a day, while runs are under way.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("days") && (days < 1 || days > 36500) {
				return inputError("--days must be a whole number from 1 to 36500", "nothing was deleted")
			}
			return a.with(func(e *claudeforce.Engine) error {
				n, err := e.PruneMemory(cmd.Context(), time.Duration(days)*24*time.Hour)
				return a.showForgotten(n, "pruned", err)
			})
		},
	}
	cmd.Flags().IntVar(&days, "days", 0, "delete what is older than so many days (default: the setting memory.retention)")
	return cmd
}

func (a *app) memoryForgetCommand() *cobra.Command {
	var f sessionFlags
	var matching string
	var all bool
	cmd := &cobra.Command{
		Use:   "forget [ID…]",
		Short: "Delete sessions so that nothing of them can be read any more",
		Example: `  claude-force memory forget 17 23
  claude-force memory forget --matching "customer 4711"
  claude-force memory forget --agent bug-investigator --before 30d`,
		RunE: func(cmd *cobra.Command, args []string) error {
			filter, err := f.filter()
			if err != nil {
				return err
			}
			narrowed := matching != "" || filter != claudeforce.MemoryFilter{}
			switch {
			case len(args) > 0 && (narrowed || all), narrowed && all:
				return inputError("say in one way what to forget: sessions, a text with filters, or --all", "nothing was deleted")
			case all:
				filter.Until = time.Now().AddDate(1000, 0, 0)
			}
			return a.with(func(e *claudeforce.Engine) error {
				var n int
				var err error
				if len(args) > 0 {
					n, err = e.ForgetSessions(cmd.Context(), args)
				} else {
					n, err = e.ForgetMatching(cmd.Context(), matching, filter)
				}
				return a.showForgotten(n, "forgotten", err)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&matching, "matching", "", "sessions whose task or output contains this text")
	cmd.Flags().BoolVar(&all, "all", false, "every session")
	return cmd
}

// showForgotten says how many sessions were deleted, also where the end of it
// failed.
func (a *app) showForgotten(n int, word string, err error) error {
	switch {
	case err != nil && n > 0:
		a.note("%d sessions were deleted before it failed", n)
		return err
	case err != nil:
		return err
	case a.json:
		return a.printJSON(map[string]int{word: n})
	}
	a.note("%d sessions were deleted", n)
	return nil
}

func (a *app) memoryImportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE",
		Short: "Take over the sessions of a sessions.db of the Python tool",
		Long: `Take over the sessions of a sessions.db of the Python tool, which is only read.
A session is imported once, also where two processes import at once. Rows that
make no sense are left out, and the exit code is 3.`,
		Args: oneFile("where the sessions come from", "name a sessions.db"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(func(e *claudeforce.Engine) error { return a.importMemory(cmd.Context(), e, args[0]) })
		},
	}
}

func (a *app) importMemory(ctx context.Context, e *claudeforce.Engine, name string) error {
	got, err := e.ImportMemory(ctx, name, a.embedding())
	reasons := make([]string, 0, len(got.Skipped))
	for why := range got.Skipped {
		reasons = append(reasons, why)
	}
	slices.Sort(reasons)
	for _, why := range reasons {
		a.warn(fmt.Sprintf("rows left out: %d, each of which %s", got.Skipped[why], why))
	}
	failure := claudeforce.AsError(err)
	if failure != nil && failure.Code != claudeforce.CodeSomeFailed {
		if got.Imported > 0 {
			a.note("%d sessions were imported before it failed", got.Imported)
		}
		return err
	}
	if a.json {
		if err := a.printJSON(got); err != nil {
			return err
		}
	} else {
		a.note("%d sessions were imported, %d were there already", got.Imported, got.Known)
	}
	if failure == nil {
		return nil
	}
	fmt.Fprintln(a.Err, "error:", sentence(failure))
	return &shownError{err}
}

// embedding says how far the vectors of sessions are, now and then.
func (a *app) embedding() func(done, total int64) {
	var said time.Time
	return func(done, total int64) {
		if now := time.Now(); done == total || now.Sub(said) >= 2*time.Second {
			said = now
			a.note("%d of %d sessions can be found by their meaning", done, total)
		}
	}
}

func (a *app) memoryReindexCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reindex",
		Short: "Make the vectors that sessions lack, and the files that searches read",
		Long: `Make the vectors that sessions lack, for instance after a change of the setting
embed.model, and the files that searches read. They heal by themselves where
they are damaged or missing; this does it now.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(func(e *claudeforce.Engine) error {
				if err := e.ReindexMemory(cmd.Context(), a.embedding()); err != nil {
					return err
				}
				s, err := e.MemoryStats(cmd.Context())
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(s)
				}
				a.note("%d of %d sessions can be found by their meaning", s.Embedded, s.Sessions)
				return nil
			})
		},
	}
}
