package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"

	claudeforce "github.com/claude-force/claude-force"
)

type taskFlags struct {
	output              string
	concurrency, model  string
	maxTokens           int
	timeout             time.Duration
	resume, retryFailed bool
	noWarmUp, noTrack   bool
	cascade             bool
	via, by, memory     string
	costFlags
	reuseFlags
	tagFlags
}

func (a *app) runTasksCommand() *cobra.Command {
	var f taskFlags
	cmd := &cobra.Command{
		Use:   "tasks FILE|-",
		Short: "Run every task of a JSONL file, many at once",
		Long: `Run every task of a JSONL file, many at once, and print a result a line in
order of completion.

A line is an object with id, agent and task, and where it differs from the
flags model, max_tokens, temperature, effort, timeout and tags. A broken line gives a
result too, and the rest runs. Progress goes to stderr. Exit code 3 says that
some failed.`,
		Example: `  claude-force run tasks tasks.jsonl -o results.jsonl
  claude-force run tasks tasks.jsonl -o results.jsonl --resume
  claude-force run tasks tasks.jsonl -o results.jsonl --via auto --by 6h
  generate | claude-force run tasks - --concurrency 50 > results.jsonl`,
		Args: tasksArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return a.runTasks(cmd, args[0], &f) },
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.output, "output", "o", "", "write the results to a file instead of stdout")
	fl.StringVar(&f.concurrency, "concurrency", "", "most runs at once: a number, or auto to go as far as the rate limits allow (default: the setting concurrency)")
	fl.StringVar(&f.model, "model", "", "model of tasks that name none: a line (haiku, sonnet, opus, fable), an id or an alias")
	fl.IntVar(&f.maxTokens, "max-tokens", 0, "most output tokens of tasks that name none (default: the setting max_tokens)")
	fl.DurationVar(&f.timeout, "timeout", 0, "deadline of a run, waits included, of tasks that name none (default: the setting timeout)")
	fl.BoolVar(&f.resume, "resume", false, "add to the file of -o and leave out the ids that it holds")
	fl.BoolVar(&f.retryFailed, "retry-failed", false, "with --resume, run those again that failed")
	fl.BoolVar(&f.noWarmUp, "no-warmup", false, "let all tasks of an agent begin at once, although the prompt cache is cold")
	fl.BoolVar(&f.noTrack, "no-track", false, "keep these runs out of the ledger")
	fl.StringVar(&f.via, "via", "api", "lane to the API: api (a call for each task), batch (Message Batches at half the price, within a day) or auto")
	fl.StringVar(&f.by, "by", "", "with --via auto, when all must be done, as 6h: batches are used where there is time")
	fl.BoolVar(&f.cascade, "cascade", false, cascadeUsage)
	fl.StringVar(&f.memory, "memory", "", "on or off: whether similar past work joins the prompts and the answers are kept for later (default: off, unless the setting memory is on)")
	f.costFlags.add(cmd, "whole file")
	f.reuseFlags.add(cmd)
	f.tagFlags.add(cmd)
	return cmd
}

func tasksArgs(_ *cobra.Command, args []string) error {
	switch len(args) {
	case 1:
		return nil
	case 0:
		return inputError("no task file was named", "name a JSONL file, or - for stdin")
	}
	return inputError(fmt.Sprintf("%q is one word too many", args[1]), "name one JSONL file, or - for stdin")
}

func (f *taskFlags) check(cmd *cobra.Command) error {
	switch {
	case f.resume && (f.output == "" || f.output == "-"):
		return inputError("--resume needs a file that holds results", "name it with -o")
	case f.retryFailed && !f.resume:
		return inputError("--retry-failed needs --resume", "add it")
	case f.memory != "" && f.memory != "on" && f.memory != "off":
		return inputError(fmt.Sprintf("--memory is %q and must be on or off", f.memory), "")
	case f.concurrency != "" && f.concurrency != "auto":
		if n, err := strconv.Atoi(f.concurrency); err != nil || n < 1 {
			return inputError(fmt.Sprintf("--concurrency is %q and must be auto or a whole number from 1", f.concurrency), "")
		}
	}
	limits := runFlags{maxTokens: f.maxTokens, timeout: f.timeout, model: f.model}
	return limits.check(cmd)
}

// deadline is what --by says; 0 is nothing.
func (f *taskFlags) deadline() (time.Duration, error) {
	if f.by == "" {
		return 0, nil
	}
	d, err := claudeforce.ParseDuration(f.by)
	if err != nil {
		return 0, inputError(fmt.Sprintf("--by is %q and %v", f.by, err), "")
	}
	return d, nil
}

func (a *app) runTasks(cmd *cobra.Command, name string, f *taskFlags) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	by, err := f.deadline()
	if err != nil {
		return err
	}
	most, err := f.most()
	if err != nil {
		return err
	}
	in, size, err := a.openTasks(cmd.Context(), name, f.output)
	if err != nil {
		return err
	}
	defer in.Close()
	tags, err := f.tags()
	if err != nil {
		return err
	}
	f.set(a.settings)
	if f.noTrack {
		a.settings["tracking"] = "false"
	}
	if f.concurrency != "" {
		a.settings["concurrency"] = f.concurrency
	}
	t := claudeforce.Tasks{
		In: in, Size: size, Out: a.Out, Resume: f.resume, RetryFailed: f.retryFailed, NoWarmUp: f.noWarmUp,
		Via: claudeforce.Lane(f.via), By: by, MaxCost: most,
		Defaults: claudeforce.Run{Model: f.model, MaxTokens: f.maxTokens, Timeout: f.timeout, Reuse: f.reuse(), Tags: tags, Cascade: f.cascade, Memory: claudeforce.Memory(f.memory)},
	}
	if f.output != "-" {
		t.OutFile = f.output
	}
	return a.with(func(e *claudeforce.Engine) error { return a.executeTasks(cmd.Context(), e, t) })
}

// openTasks opens the task file and tells its size, 0 where it has none.
func (a *app) openTasks(ctx context.Context, name, output string) (io.ReadCloser, int64, error) {
	if name == "-" {
		if isTerminal(a.In) {
			return nil, 0, inputError("there are no tasks on stdin, which is a terminal", "name a JSONL file")
		}
		return interruptible(ctx, a.In), 0, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, 0, inputError("the task file cannot be read: "+err.Error(), "name a JSONL file, or - for stdin")
	}
	info, err := file.Stat()
	switch {
	case err == nil && info.IsDir():
		err = inputError(fmt.Sprintf("the task file %s is a folder", name), "name a JSONL file, or - for stdin")
	case err == nil && sameFile(info, output):
		err = inputError("the results would overwrite the task file", "name another file with -o")
	}
	if err != nil {
		_ = file.Close()
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return file, 0, nil
	}
	return file, info.Size(), nil
}

func sameFile(a os.FileInfo, name string) bool {
	b, err := os.Stat(name)
	return err == nil && os.SameFile(a, b)
}

// interruptible reads from r until ctx ends, also where r has nothing to say.
// Its goroutine ends with r or at the first piece after ctx.
func interruptible(ctx context.Context, r io.Reader) io.ReadCloser {
	out, in := io.Pipe()
	stop := context.AfterFunc(ctx, func() { in.CloseWithError(context.Cause(ctx)) })
	go func() {
		_, err := io.Copy(in, r)
		stop()
		in.CloseWithError(err)
	}()
	return out
}

// executeTasks runs the file and says on stderr how it goes.
func (a *app) executeTasks(ctx context.Context, e *claudeforce.Engine, t claudeforce.Tasks) error {
	line := &statusLine{out: a.Err, live: isTerminal(a.Err) && !a.quiet}
	t.Watch = line.show
	t.Notify = func(text string) { line.end(); a.note("%s", text) }
	report, err := e.RunTasks(ctx, t)
	line.end()
	if report == nil {
		return err
	}
	a.warn(report.Warnings...)
	if report.Skipped > 0 {
		a.note("%d skipped: the results are there", report.Skipped)
	}
	a.note("%s", report.String())
	if a.json && t.OutFile != "" {
		if jsonErr := a.printJSON(report); jsonErr != nil {
			err = errors.Join(err, jsonErr)
		}
	}
	if err == nil {
		return nil
	}
	fmt.Fprintln(a.Err, "error:", sentence(claudeforce.AsError(err)))
	return &shownError{err}
}

// statusLine is one line on a terminal that is drawn again and again.
type statusLine struct {
	out   io.Writer
	live  bool
	mu    sync.Mutex
	drawn bool
}

func (l *statusLine) show(p claudeforce.TaskProgress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.live {
		l.drawn = true
		fmt.Fprintf(l.out, "\r%s\x1b[K", p)
	}
}

// end clears the line for what comes after it.
func (l *statusLine) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.drawn {
		fmt.Fprint(l.out, "\r\x1b[K")
		l.drawn = false
	}
}
