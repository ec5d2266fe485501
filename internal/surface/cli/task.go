package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	claudeforce "github.com/claude-force/claude-force"
)

// maxTask is one byte more than a request may have: what is longer is refused
// without being read to its end.
const maxTask = claudeforce.MaxTask + 1

func inputError(message, hint string) error {
	return &claudeforce.Error{Code: claudeforce.CodeUsage, Message: message, Hint: hint}
}

// readTask takes the task from the flag, the file, or a stdin that is no
// terminal.
func (a *app) readTask(cmd *cobra.Command, f *runFlags) (string, error) {
	switch {
	case cmd.Flags().Changed("task"):
		return f.task, nil
	case cmd.Flags().Changed("task-file") && f.taskFile != "-":
		return readTaskFile(f.taskFile)
	case isTerminal(a.In):
		return "", inputError("there is no task", "give one with --task, --task-file or on stdin")
	}
	data, err := io.ReadAll(io.LimitReader(a.In, maxTask))
	if err != nil {
		return "", inputError("stdin cannot be read: "+err.Error(), "give the task with --task-file")
	}
	return string(data), nil
}

func readTaskFile(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", inputError("the task file cannot be read: "+err.Error(), "check --task-file")
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return "", inputError(fmt.Sprintf("the task file %s is a folder", name), "name a file with --task-file")
	}
	data, err := io.ReadAll(io.LimitReader(file, maxTask))
	if err != nil {
		return "", inputError("the task file cannot be read: "+err.Error(), "check --task-file")
	}
	return string(data), nil
}
