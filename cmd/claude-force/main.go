// Command claude-force runs named Claude agents; see `claude-force --help`.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/claude-force/claude-force/internal/surface/cli"
)

func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	// A reader that goes away ends the run in order, not the process at once.
	signal.Ignore(syscall.SIGPIPE)
	go func() {
		<-signals
		cancel(context.Canceled)
		<-signals
		os.Exit(130)
	}()
	code := cli.Main(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	os.Exit(code)
}
