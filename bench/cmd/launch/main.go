// Command launch starts two programs in turns and prints what the system
// counted for each start. It is small on purpose: the kernel's record of a
// process's peak of memory begins with what its parent had.
//
// Usage: launch RUNS BARE OURS [ARGUMENT…]
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
)

type start struct {
	CPUMicroseconds, PeakKilobytes int64
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "launch:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("usage: launch RUNS BARE OURS [ARGUMENT…]")
	}
	runs, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	var result struct {
		Ours, Bare []start
		Output     string
	}
	for range runs {
		s, _, err := once(ctx, args[1])
		if err != nil {
			return err
		}
		result.Bare = append(result.Bare, s)
		if s, result.Output, err = once(ctx, args[2], args[3:]...); err != nil {
			return err
		}
		result.Ours = append(result.Ours, s)
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

// once runs a program from its start to its end.
func once(ctx context.Context, name string, args ...string) (start, string, error) {
	var out, complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return start{}, "", fmt.Errorf("run %s: %w: %s", name, err, complaint.String())
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return start{}, "", fmt.Errorf("this system does not say what a process has used")
	}
	return start{(usage.Utime.Nano() + usage.Stime.Nano()) / 1e3, usage.Maxrss}, out.String(), nil
}
