package cli

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	claudeforce "github.com/claude-force/claude-force"
)

type simulateFlags struct {
	addr           string
	latency, delay time.Duration
	batchDelay     time.Duration
	seed           uint64
	limits         claudeforce.SimulatorLimits
	faults, keys   []string
	outputTokens   int
}

func (a *app) simulateCommand() *cobra.Command {
	simulate := &cobra.Command{Use: "simulate", Short: "Stand in for the Claude API", Args: groupArgs, RunE: showHelp}
	simulate.AddCommand(a.simulateServeCommand(), a.simulatePlanCommand())
	return simulate
}

func (a *app) simulateServeCommand() *cobra.Command {
	var f simulateFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve a simulated Claude API",
		Long: `Serve a stand-in for the Claude API: as strict as the real one, with its
rate limits and headers, prompt-cache billing, batches, and faults on request.
Answers are deterministic. Point ANTHROPIC_BASE_URL at it.`,
		Example: `  claude-force simulate serve --latency 50ms --fault status=529,first=3
  ANTHROPIC_BASE_URL=http://127.0.0.1:8421 claude-force run agent code-reviewer --task "…"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.simulateServe(cmd.Context(), f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.addr, "addr", "127.0.0.1:8421", "address to listen on (port 0 takes a free one)")
	fl.DurationVar(&f.latency, "latency", 0, "time from a request to the first byte of its answer")
	fl.DurationVar(&f.delay, "token-delay", 0, "time between two events of a stream")
	fl.DurationVar(&f.batchDelay, "batch-delay", 0, "time for which a batch is in progress")
	fl.Uint64Var(&f.seed, "seed", 1, "seed of the answers")
	fl.IntVar(&f.limits.RPM, "rpm", 0, "requests a minute and limit group (0: no limit)")
	fl.IntVar(&f.limits.ITPM, "itpm", 0, "input tokens a minute and limit group (0: no limit)")
	fl.IntVar(&f.limits.OTPM, "otpm", 0, "output tokens a minute and limit group (0: no limit)")
	fl.IntVar(&f.outputTokens, "output-tokens", 0, "length of the answers in tokens (0: as the prompt suggests)")
	fl.StringArrayVar(&f.faults, "fault", nil, "a fault to inject, such as status=529,first=3 (may be repeated)")
	fl.StringArrayVar(&f.keys, "key", nil, "a credential to accept (default: any; may be repeated)")
	return cmd
}

func (a *app) simulateServe(ctx context.Context, f simulateFlags) error {
	o := claudeforce.SimulatorOptions{
		Latency: f.latency, TokenDelay: f.delay, BatchDelay: f.batchDelay, Seed: f.seed, Limits: f.limits,
		Keys: f.keys, OutputTokens: f.outputTokens, Marked: true,
	}
	for _, text := range f.faults {
		fault, err := claudeforce.ParseFault(text)
		if err != nil {
			return err
		}
		o.Faults = append(o.Faults, fault)
	}
	return a.with(func(e *claudeforce.Engine) error {
		server, err := e.NewSimulator(o)
		if err != nil {
			return err
		}
		return a.serve(ctx, f.addr, server)
	})
}

// serve answers until ctx ends, which is the ordinary end of a server.
func (a *app) serve(ctx context.Context, addr string, h http.Handler) error {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return inputError("cannot listen on "+addr+": "+err.Error(), "choose another address with --addr, such as 127.0.0.1:0")
	}
	url := "http://" + listener.Addr().String()
	if a.json {
		if err := a.printJSON(map[string]string{"url": url}); err != nil {
			return err
		}
	} else {
		a.note("the simulated Claude API listens on %s", url)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(listener) }()
	select {
	case err = <-stopped:
	case <-ctx.Done():
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if err = server.Shutdown(grace); err != nil {
			err = server.Close()
		}
		if served := <-stopped; err == nil {
			err = served
		}
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
