package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"time"
)

// childVariable tells a process of this program what it is for.
const childVariable = "CLAUDE_FORCE_BENCH_CHILD"

// Child does the work of a child process where this process is one: then it
// returns true and the exit code. Every program that uses this package calls
// it first.
func Child() (code int, is bool) {
	task := strings.Fields(os.Getenv(childVariable))
	if len(task) == 0 {
		return 0, false
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := runChild(ctx, task[0], task[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench", task[0]+":", err)
		return 1, true
	}
	return 0, true
}

func runChild(ctx context.Context, name string, args []string) error {
	switch {
	case name == "server" && len(args) == 1:
		delay, err := time.ParseDuration(args[0])
		if err != nil {
			return err
		}
		return serve(os.Stdout, os.Stdin, delay)
	case name == "flood" && len(args) == 4:
		return floodChild(ctx, os.Stdout, args[0], args[1], args[2], args[3])
	case name == "tasks" && len(args) == 3:
		return tasksChild(ctx, os.Stdout, args[0], args[1], args[2])
	}
	return fmt.Errorf("%q is not something that a child does", name)
}

// child returns a command that runs this very program for a task.
func child(ctx context.Context, task ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), childVariable+"="+strings.Join(task, " "))
	cmd.Stderr = os.Stderr
	return cmd, nil
}

// ask runs a child and reads the one JSON document that it prints.
func ask(ctx context.Context, into any, task ...string) error {
	cmd, err := child(ctx, task...)
	if err != nil {
		return err
	}
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("run %s: %w", strings.Join(task, " "), err)
	}
	return json.Unmarshal(out, into)
}

// Server is a running server process.
type Server struct {
	// URL is where it listens.
	URL string

	cmd   *exec.Cmd
	stdin io.Closer
}

// StartServer starts a server that waits for delay before each answer.
func StartServer(ctx context.Context, delay time.Duration) (*Server, error) {
	cmd, err := child(ctx, "server", delay.String())
	if err != nil {
		return nil, err
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &Server{cmd: cmd, stdin: stdin}
	var addr string
	if _, err := fmt.Fscanln(stdout, &addr); err != nil {
		return nil, errors.Join(fmt.Errorf("start the server: %w", err), s.Close())
	}
	s.URL = "http://" + addr
	return s, nil
}

// Close ends the server and waits for its end.
func (s *Server) Close() error {
	return errors.Join(s.stdin.Close(), s.cmd.Wait())
}
