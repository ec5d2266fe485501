package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	claudeforce "github.com/claude-force/claude-force"
)

func (a *app) metricsExportCommand() *cobra.Command {
	var w window
	var o claudeforce.Export
	var format string
	cmd := &cobra.Command{
		Use:   "export FILE|-",
		Short: "Write the runs to a file, or to stdout",
		Long: `Write the runs of the ledger to a file, which appears when it is whole, or to
stdout, in the order in which they ended. The cost of a run is the sum of its
exchanges. The format follows the name's ending unless it is given.`,
		Example: `  claude-force metrics export runs.csv --hours 24
  claude-force metrics export - --format jsonl --follow | jq .cost_usd`,
		Args: oneFile("where the runs go", "name a file, or - for stdout"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.MetricsFilter, err = w.filter(cmd); err != nil {
				return err
			}
			if o.Format, err = a.exportFormat(format, args[0]); err != nil {
				return err
			}
			if o.Follow && args[0] != "-" {
				return inputError("--follow needs stdout: a file appears when it is whole", "name - and redirect it")
			}
			return a.export(cmd.Context(), args[0], o)
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "csv, json (one list) or jsonl (an object a line)")
	cmd.Flags().BoolVar(&o.Follow, "follow", false, "go on with the runs to come, of any process, until it is interrupted")
	w.flags(cmd)
	return cmd
}

func oneFile(what, hint string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch len(args) {
		case 1:
			return nil
		case 0:
			return inputError("no file was named: "+what, hint)
		}
		return inputError(fmt.Sprintf("%q is one word too many", args[1]), hint)
	}
}

// exportFormat is the format of the flag, or that of the file's name.
func (a *app) exportFormat(given, name string) (claudeforce.ExportFormat, error) {
	if given == "" {
		given = strings.ToLower(strings.TrimPrefix(filepath.Ext(name), "."))
		if name == "-" && a.json {
			return claudeforce.ExportJSON, nil
		}
		if given != "csv" && given != "json" {
			given = "jsonl"
		}
	}
	switch f := claudeforce.ExportFormat(given); f {
	case claudeforce.ExportCSV, claudeforce.ExportJSON, claudeforce.ExportJSONL:
		return f, nil
	}
	return "", inputError(fmt.Sprintf("--format %q is none of csv, json and jsonl", given), "")
}

func (a *app) export(ctx context.Context, name string, o claudeforce.Export) error {
	return a.with(func(e *claudeforce.Engine) error {
		if name == "-" {
			_, err := e.ExportMetrics(ctx, a.Out, o)
			if o.Follow && err != nil && ctx.Err() != nil {
				return &shownError{err} // it was meant to end so
			}
			return err
		}
		out, err := a.openOutput(name)
		if err != nil {
			return err
		}
		defer out.abandon()
		var n int64
		err = out.stream(func(w io.Writer) (err error) {
			n, err = e.ExportMetrics(ctx, w, o)
			return err
		})
		switch {
		case err != nil:
			return err
		case a.json:
			return a.printJSON(struct {
				File   string                   `json:"file"`
				Format claudeforce.ExportFormat `json:"format"`
				Runs   int64                    `json:"runs"`
			}{name, o.Format, n})
		}
		a.note("%d runs were written to %s", n, name)
		return nil
	})
}

// stream writes a file that appears when it is whole.
func (o *output) stream(write func(io.Writer) error) error {
	to := o.temp
	if to == nil {
		to = o.device
	}
	if err := write(to); err != nil {
		return err
	}
	if err := o.write("", o.name); err != nil {
		return &claudeforce.Error{Code: claudeforce.CodeInternal, Message: o.name + " could not be written: " + err.Error(), Err: err}
	}
	return nil
}

func (a *app) metricsImportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE|-",
		Short: "Add the runs of an executions.jsonl to the ledger",
		Long: `Add the runs of a JSONL file, one object a line, to the ledger: timestamp,
agent_name, model, success, execution_time_ms, input_tokens, output_tokens,
error_type, task_hash and workflow_name. What it says of costs is not used: they
are made from the tokens and the prices of the day. Lines that are there already
add nothing; lines that cannot be read are skipped, and the exit code is 3.`,
		Args: oneFile("where the runs come from", "name a JSONL file, or - for stdin"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := a.openImport(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer in.Close()
			return a.with(func(e *claudeforce.Engine) error { return a.importRuns(cmd.Context(), e, in) })
		},
	}
}

func (a *app) openImport(ctx context.Context, name string) (io.ReadCloser, error) {
	if name == "-" {
		return interruptible(ctx, a.In), nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, inputError("the file cannot be read: "+err.Error(), "name a JSONL file, or - for stdin")
	}
	if info, err := file.Stat(); err == nil && info.IsDir() {
		_ = file.Close()
		return nil, inputError(fmt.Sprintf("%s is a folder", name), "name a JSONL file, or - for stdin")
	}
	return file, nil
}

func (a *app) importRuns(ctx context.Context, e *claudeforce.Engine, in io.Reader) error {
	got, err := e.ImportMetrics(ctx, in)
	failure := claudeforce.AsError(err)
	a.warn(got.Warnings...)
	if failure != nil && failure.Code != claudeforce.CodeSomeFailed {
		return err
	}
	if a.json {
		if jsonErr := a.printJSON(got); jsonErr != nil {
			return errors.Join(err, jsonErr)
		}
	} else {
		a.note("%d runs were imported for $%s, %d were there already", got.Imported, got.Cost, got.Known)
	}
	if failure == nil {
		return nil
	}
	fmt.Fprintln(a.Err, "error:", sentence(failure))
	return &shownError{err}
}
