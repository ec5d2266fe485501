package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	claudeforce "github.com/claude-force/claude-force"
	"github.com/claude-force/claude-force/internal/surface/cli/markdown"
)

type runFlags struct {
	task, taskFile string
	output         string
	model, effort  string
	maxTokens      int
	temperature    float64
	timeout        time.Duration
	stream         bool
	noTrack        bool
	estimate       bool
	cascade        bool
	auto           bool
	noSemantic     bool
	noMemory       bool
	verbose        bool
	costFlags
	reuseFlags
	tagFlags
}

const cascadeUsage = "let cheaper models try first, check each answer, and call the next dearer one where it fails"

func (a *app) runCommand() *cobra.Command {
	run := &cobra.Command{Use: "run", Short: "Run an agent, or a file of tasks", Args: groupArgs, RunE: showHelp}
	run.AddCommand(a.runAgentCommand(), a.runTasksCommand())
	return run
}

func (a *app) runAgentCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "agent NAME|--auto",
		Short: "Have one agent do one task",
		Long: `Have one agent do one task and print its answer.

The task comes from --task, from --task-file, or from stdin where that is no
terminal. The answer goes to stdout; warnings and the cost go to stderr.`,
		Example: `  claude-force run agent code-reviewer --task-file main.go
  git diff | claude-force run agent code-reviewer --model haiku --stream
  claude-force run agent code-reviewer --demo --task "func f() {}" --json`,
		Args:              func(cmd *cobra.Command, args []string) error { return agentOrAuto(cmd, args, f.auto) },
		ValidArgsFunction: a.completeAgents,
		RunE: func(cmd *cobra.Command, args []string) error {
			name := ""
			if !f.auto {
				name = args[0]
			}
			return a.runAgent(cmd, name, &f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.task, "task", "", "the task")
	fl.StringVar(&f.taskFile, "task-file", "", "a file that holds the task (- is stdin)")
	fl.StringVarP(&f.output, "output", "o", "", "write the answer to a file instead of stdout")
	fl.StringVar(&f.model, "model", "", "model: a line (haiku, sonnet, opus, fable), an id, an alias, or auto for the line that the task deserves")
	fl.IntVar(&f.maxTokens, "max-tokens", 0, "most output tokens (default: the setting max_tokens)")
	fl.Float64Var(&f.temperature, "temperature", 0, "sampling temperature from 0 to 1, for models that take one")
	fl.StringVar(&f.effort, "effort", "", "effort: low, medium, high, xhigh or max")
	fl.DurationVar(&f.timeout, "timeout", 0, "deadline of the run, retries included (default: the setting timeout)")
	fl.BoolVar(&f.stream, "stream", false, "print the answer as it comes")
	fl.BoolVar(&f.noTrack, "no-track", false, "keep this run out of the ledger")
	fl.BoolVar(&f.estimate, "estimate", false, "say what the run will take, and do not make it")
	fl.BoolVar(&f.cascade, "cascade", false, cascadeUsage)
	fl.BoolVar(&f.auto, "auto", false, "have the agent chosen that fits the task")
	fl.BoolVar(&f.noSemantic, "no-semantic", false, "with --auto, "+noSemanticUsage)
	fl.BoolVar(&f.noMemory, "no-memory", false, "leave past work out of the prompt, and keep nothing of this run for later")
	fl.BoolVarP(&f.verbose, "verbose", "v", false, "show also which past work was in the prompt")
	f.costFlags.add(cmd, "run")
	f.reuseFlags.add(cmd)
	f.tagFlags.add(cmd)
	cmd.MarkFlagsMutuallyExclusive("task", "task-file")
	cmd.MarkFlagsMutuallyExclusive("cascade", "estimate")
	return cmd
}

// agentArgs takes the agent's name, and the - that may stand for stdin.
func agentArgs(_ *cobra.Command, args []string) error {
	if len(args) == 1 || (len(args) == 2 && args[1] == "-") {
		return nil
	}
	hint := "`claude-force list agents` shows them"
	if len(args) == 0 {
		return &claudeforce.Error{Code: claudeforce.CodeUsage, Message: "no agent was named", Hint: hint}
	}
	return &claudeforce.Error{
		Code: claudeforce.CodeUsage, Message: fmt.Sprintf("%q is one word too many", args[1]),
		Hint: "give the task with --task, --task-file or on stdin",
	}
}

// agentOrAuto takes no name where the agent is chosen.
func agentOrAuto(cmd *cobra.Command, args []string, auto bool) error {
	switch {
	case !auto:
		return agentArgs(cmd, args)
	case len(args) == 0 || len(args) == 1 && args[0] == "-":
		return nil
	}
	return inputError(fmt.Sprintf("--auto chooses the agent, and %q names one", args[0]), "leave one of them away")
}

func (a *app) completeAgents(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	_ = a.with(func(e *claudeforce.Engine) error {
		agents, _, err := e.Agents()
		for _, agent := range agents {
			names = append(names, agent.Name)
		}
		return err
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) runAgent(cmd *cobra.Command, name string, f *runFlags) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	if f.noTrack {
		a.settings["tracking"] = "false"
	}
	task, err := a.readTask(cmd, f)
	if err != nil {
		return err
	}
	out, err := a.openOutput(f.output)
	if err != nil {
		return err
	}
	defer out.abandon()
	f.set(a.settings)
	a.semantic(f.noSemantic)
	r := claudeforce.Run{Reuse: f.reuse(), Agent: name, Auto: f.auto, Task: task, Model: f.model, MaxTokens: f.maxTokens, Effort: f.effort, Timeout: f.timeout, Cascade: f.cascade}
	if f.noMemory {
		r.Memory = claudeforce.MemoryOff
	}
	if r.Tags, err = f.tags(); err != nil {
		return err
	}
	if cmd.Flags().Changed("temperature") {
		r.Temperature = &f.temperature
	}
	if r.MaxCost, err = f.most(); err != nil {
		return err
	}
	return a.with(func(e *claudeforce.Engine) error {
		if f.estimate {
			return a.showEstimate(cmd.Context(), e, r, false)
		}
		return a.execute(cmd.Context(), e, r, f, out)
	})
}

// check refuses values that the engine would take for "not given".
func (f *runFlags) check(cmd *cobra.Command) error {
	bad := func(flag, must string) error {
		return &claudeforce.Error{Code: claudeforce.CodeUsage, Message: "--" + flag + " must be " + must}
	}
	switch {
	case cmd.Flags().Changed("max-tokens") && f.maxTokens < 1:
		return bad("max-tokens", "a whole number from 1")
	case cmd.Flags().Changed("timeout") && f.timeout <= 0:
		return bad("timeout", "a duration such as 90s or 10m")
	case f.noSemantic && !f.auto:
		return inputError("--no-semantic is about choosing an agent", "give it with --auto")
	case cmd.Flags().Changed("model") && strings.TrimSpace(f.model) == "":
		return bad("model", "a line (haiku, sonnet, opus, fable), an id or an alias")
	}
	return nil
}

// execute makes the run, shows it and gives back its error, already shown.
func (a *app) execute(ctx context.Context, e *claudeforce.Engine, r claudeforce.Run, f *runFlags, out *output) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	live := &reader{out: a.Out, leave: cancel, clean: isTerminal(a.Out)}
	if f.stream && !a.json && out.isStdout() {
		r.Emit = live.event
	}
	result, err := e.Run(ctx, r)
	if a.overBudget(err) {
		r.OverBudget = true
		result, err = e.Run(ctx, r)
	}
	if result == nil {
		return err
	}
	a.warn(result.Warnings...)
	if writeErr := a.deliver(result, live, out); writeErr != nil && err == nil {
		err = writeErr
	}
	a.summarise(result)
	if f.verbose {
		a.showRecalled(result)
	}
	if err == nil {
		return nil
	}
	if !a.json {
		fmt.Fprintln(a.Err, "error:", sentence(claudeforce.AsError(err)))
	}
	return &shownError{err}
}

// deliver puts the answer, or with --json the whole result, where it belongs.
func (a *app) deliver(result *claudeforce.Result, live *reader, out *output) error {
	var err error
	if !out.isStdout() && result.Output != "" {
		err = out.commit(withNewline(result.Output), result.Partial)
		if err != nil && !a.json { // what was paid for must not be lost
			fmt.Fprint(a.Out, withNewline(result.Output))
		}
	}
	switch {
	case a.json:
		return errors.Join(err, a.printJSON(result))
	case out.isStdout() && live.wrote:
		live.finish()
	case out.isStdout() && result.Output != "":
		_, err = io.WriteString(a.Out, a.render(withNewline(result.Output)))
	}
	return err
}

// summarise says on stderr what the run was and what it cost.
func (a *app) summarise(r *claudeforce.Result) {
	if a.json {
		return
	}
	cost := "cost unknown"
	if r.Cost != nil {
		cost = "$" + r.Cost.String()
	}
	if r.Saved > 0 {
		cost += " (" + r.Cache + ", saved $" + r.Saved.String() + ")"
	}
	if r.Simulated {
		cost = "would have cost " + cost
		a.note("simulated: no model was called and nothing was spent")
	}
	attempts := ""
	if r.Attempts > 1 {
		attempts = fmt.Sprintf(" · %d attempts", r.Attempts)
	}
	if c := r.Choice; c != nil {
		a.note("chosen: %s, confidence %.2f: %s", c.Agent, c.Confidence, markdown.Plain(c.Reason))
	}
	for _, t := range r.Tries {
		a.note("%s · %s · %s", t.Agent, t.Model, t.Verdict)
	}
	recalled := ""
	switch n := len(r.MemoryUsed); n {
	case 0:
	case 1:
		recalled = " · 1 past session in the prompt"
	default:
		recalled = fmt.Sprintf(" · %d past sessions in the prompt", n)
	}
	u := r.Usage
	in := u.InputTokens + u.CacheCreationInputTokens + u.CacheReadInputTokens
	a.note("%s · %s · %d tokens in, %d out · %s · %s%s%s", r.Agent, r.Model, in, u.OutputTokens, cost, r.Duration.Round(time.Millisecond), attempts, recalled)
}

// showRecalled says which past work was in the prompt.
func (a *app) showRecalled(r *claudeforce.Result) {
	if a.json {
		return
	}
	if len(r.MemoryUsed) == 0 {
		a.note("no past work was in the prompt")
	}
	for _, m := range r.MemoryUsed {
		a.note("past work in the prompt: session %d, %s, %s, similarity %.2f: %s", m.Session, m.Agent, m.At.Format("2006-01-02"), m.Similarity, m.Task)
	}
}

// reader shows a stream as it comes. A text that was shown cannot be taken
// back, so it leaves where the stream begins again.
type reader struct {
	out   io.Writer
	leave context.CancelCauseFunc
	// clean takes out what could drive a terminal.
	clean bool
	wrote bool
	last  byte
}

func (r *reader) event(e claudeforce.Event) {
	switch {
	case e.Kind == claudeforce.EventText && e.Text != "":
		text := e.Text
		if r.clean {
			text = markdown.Plain(text)
		}
		r.wrote, r.last = true, text[len(text)-1]
		if _, err := io.WriteString(r.out, text); err != nil {
			r.leave(&claudeforce.Error{Code: claudeforce.CodeCancelled, Message: "nobody reads the output any more", Err: err})
		}
	case e.Kind == claudeforce.EventRestart && r.wrote:
		r.leave(&claudeforce.Error{
			Code: claudeforce.CodeStreamCut, Message: "the stream broke after text had been shown", Retryable: true,
			Hint: "run it again, or without --stream, where a retry is invisible",
		})
	}
}

func (r *reader) finish() {
	if r.last != '\n' {
		_, _ = io.WriteString(r.out, "\n")
	}
}

func withNewline(s string) string {
	if strings.HasSuffix(s, "\n") {
		return s
	}
	return s + "\n"
}
