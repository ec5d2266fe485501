package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	claudeforce "github.com/claude-force/claude-force"
)

func (a *app) routeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "route",
		Short: "Say which model a task deserves",
		Long: `Say which line of models (haiku, sonnet, opus) a task deserves, by its
difficulty. It is decided on this machine, without a call.`,
		Args: groupArgs,
		RunE: showHelp,
	}
	cmd.AddCommand(a.routeExplainCommand(), a.routeScoreCommand(), a.routeEvalCommand(), a.routeCalibrateCommand())
	return cmd
}

func (a *app) routeExplainCommand() *cobra.Command {
	f := &runFlags{}
	var agent string
	cmd := &cobra.Command{
		Use:   "explain --task TASK",
		Short: "Show a task's difficulty, its line and the reasons",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			task, err := a.readTask(cmd, f)
			if err != nil {
				return err
			}
			return a.with(func(e *claudeforce.Engine) error {
				router, err := e.Router()
				if err != nil {
					return err
				}
				route := router.Explain(agent, task)
				if a.json {
					return a.printJSON(route)
				}
				return a.showRoute(route)
			})
		},
	}
	cmd.Flags().StringVar(&f.task, "task", "", "the task (default: stdin)")
	cmd.Flags().StringVar(&f.taskFile, "task-file", "", "read the task from a file; - is stdin")
	cmd.Flags().StringVar(&agent, "agent", "", "the agent that would do it")
	return cmd
}

func (a *app) showRoute(r claudeforce.Route) error {
	line := r.Line
	if r.Raised != "" {
		line += " (" + r.Raised + ")"
	}
	if err := a.showRows([][2]string{{"Difficulty", fmt.Sprintf("%.2f", r.Difficulty)}, {"Line", line}}); err != nil {
		return err
	}
	fmt.Fprintln(a.Out)
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	for _, reason := range r.Reasons {
		fmt.Fprintf(w, "%+.2f\t%s\n", reason.Effect, reason.What)
	}
	return w.Flush()
}

// scored is a line of `route score`: a result, or where a line is broken.
type scored struct {
	ID         json.RawMessage `json:"id"`
	Difficulty *float64        `json:"difficulty,omitempty"`
	Line       string          `json:"line,omitempty"`
	At         int             `json:"at,omitempty"` // the number of a broken line
	Error      string          `json:"error,omitempty"`
}

func (a *app) routeScoreCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "score FILE|-",
		Short: `Score tasks: JSONL {"id","task"} in, {"id","difficulty","line"} out`,
		Args:  oneJSONL,
		RunE: func(_ *cobra.Command, args []string) error {
			router, err := claudeforce.OpenRouter()
			if err != nil {
				return err
			}
			out := bufio.NewWriter(a.Out)
			encoder := json.NewEncoder(out)
			encoder.SetEscapeHTML(false)
			total, broken := 0, 0
			err = a.eachLine(args[0], func(at int, line []byte, fault error, waiting bool) error {
				total++
				s, ok := scoreLine(router, line, fault)
				if !ok {
					broken++
					s.At = at
				}
				if err := encoder.Encode(s); err != nil {
					return err
				}
				if waiting {
					return out.Flush()
				}
				return nil
			})
			if flushErr := out.Flush(); err == nil {
				err = flushErr
			}
			if err != nil || broken == 0 {
				return err
			}
			return brokenLines(broken, total)
		},
	}
}

func scoreLine(router *claudeforce.Router, line []byte, fault error) (scored, bool) {
	var in struct {
		ID    json.RawMessage `json:"id"`
		Agent string          `json:"agent"`
		Task  *string         `json:"task"`
	}
	if fault == nil {
		fault = json.Unmarshal(line, &in)
	}
	if fault == nil && in.Task == nil {
		fault = errors.New("there is no task")
	}
	if fault != nil {
		return scored{Error: fault.Error()}, false
	}
	r := router.Explain(in.Agent, *in.Task)
	return scored{ID: in.ID, Difficulty: &r.Difficulty, Line: r.Line}, true
}

func brokenLines(broken, total int) error {
	code := claudeforce.CodeSomeFailed
	if broken == total {
		code = claudeforce.CodeUsage
	}
	return &claudeforce.Error{Code: code, Message: fmt.Sprintf("%d of %d lines are broken", broken, total), Hint: `their "at" and "error" say where and why`}
}

func oneJSONL(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return inputError("name one file of JSONL", "- is stdin")
	}
	return nil
}

// eachLine calls visit with each line of a file that is not blank, its number,
// what is wrong with it as a line, and whether the next one is yet to come.
func (a *app) eachLine(name string, visit func(at int, line []byte, fault error, waiting bool) error) error {
	in := a.In
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return inputError("the file cannot be read: "+err.Error(), "name a file of JSONL, or - for stdin")
		}
		defer file.Close()
		in = file
	}
	reader := bufio.NewReaderSize(in, 64<<10)
	for at := 1; ; at++ {
		line, fault, err := readLine(reader)
		if err != nil && !errors.Is(err, io.EOF) {
			return inputError("the file cannot be read: "+err.Error(), "name a file of JSONL, or - for stdin")
		}
		if at == 1 {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		if line = bytes.TrimSpace(line); len(line) > 0 || fault != nil {
			if err := visit(at, line, fault, reader.Buffered() == 0); err != nil {
				return err
			}
		}
		if err != nil {
			return nil
		}
	}
}

// readLine reads a line. Of one that is longer than a task in JSON can be it
// keeps nothing, and says so.
func readLine(r *bufio.Reader) (line []byte, fault, err error) {
	const longest = 2 * maxTask
	for {
		var piece []byte
		piece, err = r.ReadSlice('\n')
		if len(line)+len(piece) > longest {
			fault, piece, line = errors.New("the line is too long"), nil, nil
		}
		if fault == nil {
			line = append(line, piece...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, fault, err
		}
	}
}

func (a *app) routeEvalCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "eval FILE|-",
		Short: "Judge the router on your own labels",
		Long: `Judge the router on your own labels, as JSONL. Lines are either
{"task","cheap_right","dear_right"}, which gives the average performance gap
recovered (.5 is a random order), or {"task","line"}, which gives the share that
goes to the line it deserves.`,
		Args: oneJSONL,
		RunE: func(_ *cobra.Command, args []string) error {
			labels, err := a.readLabels(args[0])
			if err != nil {
				return err
			}
			router, err := claudeforce.OpenRouter()
			if err != nil {
				return err
			}
			v, err := router.Evaluate(labels)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(v)
			}
			return a.showEvaluation(v)
		},
	}
}

func (a *app) readLabels(name string) ([]claudeforce.RouteLabel, error) {
	var labels []claudeforce.RouteLabel
	err := a.eachLine(name, func(at int, line []byte, fault error, _ bool) error {
		var in struct {
			Task  *string `json:"task"`
			Cheap *bool   `json:"cheap_right"`
			Dear  *bool   `json:"dear_right"`
			Line  string  `json:"line"`
		}
		if fault == nil {
			fault = json.Unmarshal(line, &in)
		}
		both := in.Cheap != nil && in.Dear != nil
		if fault == nil && (in.Task == nil || both == (in.Line != "")) {
			fault = errors.New(`it is neither {"task","cheap_right","dear_right"} nor {"task","line"}`)
		}
		if fault != nil {
			return inputError(fmt.Sprintf("line %d is broken: %v", at, fault), "correct it")
		}
		label := claudeforce.RouteLabel{Task: *in.Task, Line: in.Line}
		if both {
			label.CheapRight, label.DearRight = *in.Cheap, *in.Dear
		}
		labels = append(labels, label)
		return nil
	})
	return labels, err
}

func (a *app) showEvaluation(v claudeforce.RouteEvaluation) error {
	rows := [][2]string{{"Tasks", fmt.Sprint(v.Tasks)}}
	for _, row := range []struct {
		name  string
		value *float64
	}{
		{"Gap recovered (APGR)", v.APGR}, {"Cheap model right", v.CheapRight}, {"Dear model right", v.DearRight}, {"To the line deserved", v.Accuracy},
	} {
		if row.value != nil {
			rows = append(rows, [2]string{row.name, fmt.Sprintf("%.3f", *row.value)})
		}
	}
	if v.CheapRight != nil && v.APGR == nil {
		rows = append(rows, [2]string{"Gap recovered (APGR)", "none: the dear model gains nothing here"})
	}
	if err := a.showRows(rows); err != nil || v.Confusion == nil {
		return err
	}
	fmt.Fprintln(a.Out)
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "DESERVES\tHAIKU\tSONNET\tOPUS")
	for _, line := range []string{"haiku", "sonnet", "opus"} {
		c := v.Confusion[line]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\n", line, c["haiku"], c["sonnet"], c["opus"])
	}
	return w.Flush()
}

func (a *app) routeCalibrateCommand() *cobra.Command {
	var share float64
	cmd := &cobra.Command{
		Use:   "calibrate --dear-share SHARE [FILE|-]",
		Short: "Find thresholds for your own tasks",
		Long: `Find thresholds with which a share of your own tasks goes to opus. The tasks
are those of the ledger's latest runs, or JSONL {"task"}, such as a task file.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.calibrate(cmd.Context(), args, share)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(c)
			}
			fmt.Fprintf(a.Out, "router:\n  thresholds:\n    sonnet: %g\n    opus: %g\n", c.Thresholds.Sonnet, c.Thresholds.Opus)
			a.note("of %d tasks %.0f %% go to haiku, %.0f %% to sonnet and %.0f %% to opus; put these lines into .claude/force.yaml",
				c.Tasks, 100*c.Shares["haiku"], 100*c.Shares["sonnet"], 100*c.Shares["opus"])
			return nil
		},
	}
	cmd.Flags().Float64Var(&share, "dear-share", 0.3, "share of the tasks that shall go to opus, 0 to 1")
	return cmd
}

// calibrate takes the tasks of a file or of stdin; where there are none, those
// of the ledger.
func (a *app) calibrate(ctx context.Context, args []string, share float64) (c claudeforce.RouteCalibration, err error) {
	var tasks []string
	if len(args) > 0 {
		tasks, err = a.readTasksOnly(args[0])
	} else if !isTerminal(a.In) {
		tasks, err = a.readTasksOnly("-")
	}
	if err != nil {
		return c, err
	}
	if len(args) == 0 && len(tasks) == 0 {
		err = a.with(func(e *claudeforce.Engine) error {
			c, err = e.CalibrateRouter(ctx, share)
			return err
		})
		return c, err
	}
	router, err := claudeforce.OpenRouter()
	if err != nil {
		return c, err
	}
	return router.Calibrate(tasks, share)
}

func (a *app) readTasksOnly(name string) ([]string, error) {
	var tasks []string
	err := a.eachLine(name, func(at int, line []byte, fault error, _ bool) error {
		var in struct {
			Task *string `json:"task"`
		}
		if fault == nil {
			fault = json.Unmarshal(line, &in)
		}
		if fault == nil && in.Task == nil {
			fault = errors.New("there is no task")
		}
		if fault != nil {
			return inputError(fmt.Sprintf("line %d is broken: %v", at, fault), "correct it")
		}
		tasks = append(tasks, *in.Task)
		return nil
	})
	return tasks, err
}
