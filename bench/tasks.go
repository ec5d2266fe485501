package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	claudeforce "github.com/claude-force/claude-force"
)

// Distinct is how many different tasks a file of cached ones has.
const Distinct = 1000

// TaskFile is what a file of tasks took in a process of its own.
type TaskFile struct {
	Lines, Cached int64
	Wall          time.Duration
	PeakBytes     int64
}

// WallTime is the wall time in milliseconds.
func (f TaskFile) WallTime() float64 { return float64(f.Wall) / float64(time.Millisecond) }

// TasksAlone runs a file of so many different tasks against the server at url,
// so many in flight, in a process of its own: everything is on, and the
// results go to a file.
func TasksAlone(ctx context.Context, url string, lines, inFlight int) (TaskFile, error) {
	var f TaskFile
	err := ask(ctx, &f, "tasks", url, strconv.Itoa(lines), strconv.Itoa(inFlight))
	return f, err
}

// CachedTasksAlone runs a file of so many tasks which the response cache
// answers, in a process of its own.
func CachedTasksAlone(ctx context.Context, lines int) (TaskFile, error) {
	var f TaskFile
	err := ask(ctx, &f, "tasks", "cached", strconv.Itoa(lines), "auto")
	return f, err
}

// tasksChild is the other side of TasksAlone and CachedTasksAlone.
func tasksChild(ctx context.Context, out io.Writer, url, lines, concurrency string) (err error) {
	n, err := strconv.Atoi(lines)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "claude-force-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	q := NewQuestion(SystemBytes, TaskBytes)
	if err := writeAgents(dir, 1, q.System); err != nil {
		return err
	}
	<-time.After(settle)
	settings := map[string]string{"concurrency": concurrency, "api.base_url": url}
	var transport http.RoundTripper
	distinct := n
	if url == "cached" {
		transport, distinct = Memory(), Distinct
		settings["api.base_url"] = "http://memory.invalid"
	}
	environment := map[string]string{
		"HOME": filepath.Join(dir, "home"), "CLAUDE_FORCE_HOME": filepath.Join(dir, "home"), "ANTHROPIC_API_KEY": "bench",
	}
	engine, err := claudeforce.Open(claudeforce.Options{
		Dir: dir, Settings: settings, Transport: transport,
		Getenv: func(name string) string { return environment[name] },
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	if url == "cached" {
		if _, err := runFile(ctx, engine, q, dir, Distinct, Distinct); err != nil {
			return err
		}
	}
	f, err := runFile(ctx, engine, q, dir, n, distinct)
	if err != nil {
		return err
	}
	if f.PeakBytes, err = peakMemory(); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(f)
}

// runFile writes a file of n tasks, of which so many are different, and runs
// it.
func runFile(ctx context.Context, engine *claudeforce.Engine, q *Question, dir string, n, distinct int) (f TaskFile, err error) {
	name := filepath.Join(dir, "tasks.jsonl")
	if err := writeTasks(name, q.Task(), n, distinct); err != nil {
		return f, err
	}
	in, err := os.Open(name)
	if err != nil {
		return f, err
	}
	defer in.Close()
	began := time.Now()
	report, err := engine.RunTasks(ctx, claudeforce.Tasks{In: in, OutFile: filepath.Join(dir, "results.jsonl")})
	if err != nil {
		return f, err
	}
	if len(report.Warnings) > 0 {
		return f, fmt.Errorf("warnings: %q", report.Warnings)
	}
	return TaskFile{Lines: report.Done, Cached: report.Cached, Wall: time.Since(began)}, nil
}

func writeTasks(name, task string, n, distinct int) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(file)
	for i := range n {
		fmt.Fprintf(w, "{\"id\":\"t%d\",\"agent\":%q,\"task\":%s}\n", i, agentName(1), quote(fmt.Sprintf("%d. %s", i%distinct, task)))
	}
	return errors.Join(w.Flush(), file.Close())
}
