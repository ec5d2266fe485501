// Package cli is the command line: words, flags and exit codes around the
// engine. What a command prints for people goes to stdout, what it says about
// its own work to stderr; with --json stdout holds one JSON document.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	claudeforce "github.com/claude-force/claude-force"
)

// Streams are what a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// app is one invocation.
type app struct {
	Streams
	json, quiet, demo, noColor bool
	project                    string
	// settings are those that flags set.
	settings map[string]string
}

// Main runs one command and returns its exit code, see [ExitCode]. It ends
// soon after ctx does.
func Main(ctx context.Context, args []string, s Streams) int {
	a := &app{Streams: s, settings: map[string]string{}}
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	// Flags that cannot be parsed must still be answered in the form asked for.
	a.json = slices.Contains(args, "--json")
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	var shown *shownError
	switch {
	case errors.As(err, &shown):
	case errors.Is(err, syscall.EPIPE): // nobody reads any more, as with | head
		return exitFailed
	default:
		a.printError(asUsage(err))
	}
	return ExitCode(err)
}

func (a *app) rootCommand() *cobra.Command {
	version := false
	root := &cobra.Command{
		Use:   "claude-force",
		Short: "Run named Claude agents: one, many at once, or chained",
		Long: `claude-force runs named Claude agents against the Messages API.

Try it without a key:  claude-force run agent code-reviewer --demo --task-file FILE
Start a project:       claude-force init
Check the setup:       claude-force doctor`,
		Args: groupArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if version {
				return a.showVersion()
			}
			return showHelp(cmd, args)
		},
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	f := root.PersistentFlags()
	f.BoolVar(&a.json, "json", false, "print one JSON document on stdout")
	f.BoolVar(&a.quiet, "quiet", false, "print results and errors only")
	f.StringVar(&a.project, "project", "", "project folder (default: the nearest folder upward that holds .claude/)")
	f.BoolVar(&a.demo, "demo", false, "answer from a simulator in this process: no key, no cost, nothing kept")
	f.BoolVar(&a.noColor, "no-color", false, "no colours and no Markdown rendering")
	root.Flags().BoolVar(&version, "version", false, "print the version")
	root.AddCommand(
		a.runCommand(), a.recommendCommand(), a.listCommand(), a.infoCommand(), a.agentsCommand(), a.initCommand(), a.modelsCommand(),
		a.cacheCommand(), a.batchesCommand(), a.budgetCommand(), a.estimateCommand(), a.metricsCommand(), a.memoryCommand(), a.routeCommand(), a.simulateCommand(), a.configCommand(), a.doctorCommand(), a.versionCommand(),
	)
	return root
}

// groupArgs refuses a word that is no command of the group, and suggests one.
func groupArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "`" + cmd.CommandPath() + " --help` lists the commands"
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean `" + cmd.CommandPath() + " " + near[0] + "`?"
	}
	return inputError(fmt.Sprintf("%q is no command of %s", args[0], cmd.CommandPath()), hint)
}

func showHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// open opens the engine with what the flags say and prints its warnings.
func (a *app) open() (*claudeforce.Engine, error) {
	level := &slog.LevelVar{}
	level.Set(slog.LevelWarn)
	e, err := claudeforce.Open(claudeforce.Options{
		Project: a.project, Demo: a.demo, Settings: a.settings,
		Logger: slog.New(slog.NewTextHandler(a.Err, &slog.HandlerOptions{Level: level})),
	})
	if err != nil {
		return nil, err
	}
	_ = level.UnmarshalText([]byte(e.LogLevel())) // one of the setting's choices
	a.warn(e.Warnings()...)
	return e, nil
}

// with opens the engine for one use.
func (a *app) with(use func(*claudeforce.Engine) error) error {
	e, err := a.open()
	if err != nil {
		return err
	}
	err = use(e)
	if closeErr := e.Close(); err == nil {
		err = closeErr
	}
	return err
}

func (a *app) warn(warnings ...string) {
	if a.quiet {
		return
	}
	for _, w := range warnings {
		fmt.Fprintln(a.Err, "warning:", w)
	}
}

// note says something about the work itself; --quiet drops it.
func (a *app) note(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintf(a.Err, format+"\n", args...)
	}
}

// printError prints the one sentence, or the one JSON document.
func (a *app) printError(err error) {
	e := claudeforce.AsError(err)
	if a.json {
		if data, jsonErr := claudeforce.ErrorJSON(e); jsonErr == nil {
			fmt.Fprintf(a.Out, "%s\n", data)
			return
		}
	}
	fmt.Fprintln(a.Err, "error:", sentence(e))
}

func sentence(e *claudeforce.Error) string {
	s := e.Message
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	if e.RequestID != "" {
		s += " (request " + e.RequestID + ")"
	}
	return s
}

// asUsage takes an error of the flag parser for wrong usage.
func asUsage(err error) error {
	var e *claudeforce.Error
	if errors.As(err, &e) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	// A suggestion comes on lines of its own: the first holds the fault.
	text := strings.Join(strings.Fields(err.Error()), " ")
	return &claudeforce.Error{Code: claudeforce.CodeUsage, Message: text, Hint: "--help shows how", Err: err}
}
