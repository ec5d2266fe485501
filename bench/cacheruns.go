package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	claudeforce "github.com/claude-force/claude-force"
	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/sim"
)

// openCached opens an engine that keeps answers, on a project of one agent in
// dir, which the engines of other processes may share.
func openCached(dir, url string, ledger bool) (*claudeforce.Engine, error) {
	home := filepath.Join(dir, "home")
	environment := map[string]string{"HOME": home, "CLAUDE_FORCE_HOME": home, "ANTHROPIC_API_KEY": "bench"}
	return claudeforce.Open(claudeforce.Options{
		Dir:      dir,
		Settings: map[string]string{"tracking": strconv.FormatBool(ledger), "api.base_url": url, "memory": "off"},
		Getenv:   func(name string) string { return environment[name] },
	})
}

// cachedProject makes a folder with a project for openCached.
func cachedProject(q *Question) (dir string, err error) {
	if dir, err = os.MkdirTemp("", "claude-force-bench-"); err != nil {
		return "", err
	}
	if err := writeAgents(dir, 1, q.System); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	<-time.After(settle)
	return dir, nil
}

// Hits has an engine answer runs from memory, one after the other, beside one
// that makes a call to the server at url for each.
func Hits(ctx context.Context, url string, ledger bool) (*Contest, error) {
	q := NewQuestion(SystemBytes, TaskBytes)
	call, err := OpenEngine(EngineOptions{URL: url, Question: q, Ledger: ledger})
	if err != nil {
		return nil, err
	}
	hit, err := openHits(ctx, url, q, ledger)
	if err != nil {
		return nil, errors.Join(err, call.Close())
	}
	side := func(p *Peer) func(int) (Sample, error) {
		return func(n int) (Sample, error) { return Measure(ctx, p, n, 1) }
	}
	return &Contest{
		Ours: side(hit), Peer: side(call),
		Close: func() error { return errors.Join(hit.Close(), call.Close()) },
	}, nil
}

// openHits returns an engine as a peer whose every run is answered from
// memory.
func openHits(ctx context.Context, url string, q *Question, ledger bool) (*Peer, error) {
	dir, err := cachedProject(q)
	if err != nil {
		return nil, err
	}
	engine, err := openCached(dir, url, ledger)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	run := claudeforce.Run{Agent: agentName(1), Task: q.Task()}
	p := &Peer{
		Name: "hit",
		Call: func(ctx context.Context) (string, error) {
			result, err := engine.Run(ctx, run)
			if err != nil {
				return "", err
			}
			if len(result.Warnings) > 0 || result.Cache != "memory" {
				return "", fmt.Errorf("the answer came from %q; warnings: %q", result.Cache, result.Warnings)
			}
			return result.Output, nil
		},
		Close: func() error { return errors.Join(engine.Close(), os.RemoveAll(dir)) },
	}
	if _, err := engine.Run(ctx, run); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Repeat runs one task so many times, one after the other. It returns what an
// engine that is opened afterwards says of the cache, and how many calls the
// API counts.
func Repeat(ctx context.Context, runs int, reuse claudeforce.Reuse) (stats claudeforce.CacheStats, calls int64, err error) {
	url, server, stop, err := simulator(0)
	if err != nil {
		return stats, 0, err
	}
	defer stop()
	h, remove, err := newHerd(url, runs, reuse)
	if err != nil {
		return stats, 0, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if _, err := h.run(ctx, 1); err != nil {
		return stats, 0, err
	}
	engine, err := openCached(h.Dir, url, true)
	if err != nil {
		return stats, 0, err
	}
	stats, err = engine.CacheStats(ctx)
	return stats, server.Stats().Messages, errors.Join(err, engine.Close())
}

// simulator starts a simulated API in this process.
func simulator(latency time.Duration) (url string, s *sim.Server, stop func(), err error) {
	catalogue, err := model.Builtin()
	if err != nil {
		return "", nil, nil, err
	}
	if s, err = sim.New(sim.Options{Catalogue: catalogue, Latency: latency}); err != nil {
		return "", nil, nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, nil, err
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(l) // ends with Close
	}()
	return "http://" + l.Addr().String(), s, func() { _ = server.Close(); <-ended }, nil
}

// herd is what one process does of runs that are all the same.
type herd struct {
	Dir, URL, Task string
	Runs           int
	Reuse          claudeforce.Reuse
}

func newHerd(url string, runs int, reuse claudeforce.Reuse) (h herd, remove func() error, err error) {
	q := NewQuestion(SystemBytes, TaskBytes)
	dir, err := cachedProject(q)
	return herd{dir, url, q.Task(), runs, reuse}, func() error { return os.RemoveAll(dir) }, err
}

// run opens an engine and makes the runs, several at once. All answers must be
// the same one, which is returned.
func (h herd) run(ctx context.Context, inFlight int) (answer string, err error) {
	engine, err := openCached(h.Dir, h.URL, true)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	answers := make([]string, h.Runs)
	err = atOnce(inFlight, h.Runs, func(i int) error {
		result, err := engine.Run(ctx, claudeforce.Run{Agent: agentName(1), Task: h.Task, Reuse: h.Reuse})
		if err != nil {
			return err
		}
		if len(result.Warnings) > 0 {
			return fmt.Errorf("warnings: %q", result.Warnings)
		}
		answers[i] = result.Output
		return nil
	})
	if err != nil {
		return "", err
	}
	for _, a := range answers {
		if a == "" || a != answers[0] {
			return "", fmt.Errorf("identical runs were answered %q and %q", answers[0], a)
		}
	}
	return answers[0], nil
}

// herdVariable gives a process its part of a herd, as JSON.
const herdVariable = "CLAUDE_FORCE_BENCH_HERD"

// Herd makes identical runs at the same time, so many in each of the
// processes, and returns how many calls the API counts. One process is this
// one; several are this program, started again with the arguments again, with
// which it must call [HerdPart].
func Herd(ctx context.Context, processes, runs int, reuse claudeforce.Reuse, again ...string) (calls int64, err error) {
	// While the first call waits, all others come.
	url, server, stop, err := simulator(300 * time.Millisecond)
	if err != nil {
		return 0, err
	}
	defer stop()
	h, remove, err := newHerd(url, runs, reuse)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if processes == 1 {
		_, err = h.run(ctx, runs)
	} else {
		err = h.inProcesses(ctx, processes, again)
	}
	return server.Stats().Messages, err
}

// inProcesses starts the processes, lets them go when all are ready, and
// compares their answers.
func (h herd) inProcesses(ctx context.Context, processes int, args []string) (err error) {
	members := make([]*member, 0, processes)
	defer func() {
		for _, m := range members {
			err = errors.Join(err, m.end())
		}
	}()
	for range processes {
		m, err := h.start(ctx, args)
		if err != nil {
			return err
		}
		members = append(members, m)
	}
	for _, m := range members {
		if err := m.stdin.Close(); err != nil {
			return err
		}
	}
	var first string
	for i, m := range members {
		answer, err := m.line("answer ")
		if err != nil {
			return err
		}
		if i == 0 {
			first = answer
		} else if answer != first {
			return fmt.Errorf("two processes were answered %s and %s", first, answer)
		}
	}
	return nil
}

// member is a process of a herd.
type member struct {
	cmd   *exec.Cmd
	stdin io.Closer
	out   *bufio.Scanner
}

// start starts a process and waits until it is ready.
func (h herd) start(ctx context.Context, args []string) (*member, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	task, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append(os.Environ(), herdVariable+"="+string(task))
	var m member
	if m.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	m.cmd, m.out = cmd, bufio.NewScanner(out)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if _, err := m.line("ready"); err != nil {
		return nil, errors.Join(err, m.stdin.Close(), m.end())
	}
	return &m, nil
}

// line reads until a line begins with prefix and returns its rest.
func (m *member) line(prefix string) (string, error) {
	for m.out.Scan() {
		if rest, ok := strings.CutPrefix(m.out.Text(), prefix); ok {
			return rest, nil
		}
	}
	return "", errors.Join(fmt.Errorf("a process of a herd ended without saying %q", prefix), m.out.Err())
}

// end waits for the process's end.
func (m *member) end() error {
	_ = m.stdin.Close() // it may be closed
	for m.out.Scan() {  // what is not read would keep it waiting
		continue
	}
	return m.cmd.Wait()
}

// HerdPart does a process's part of a [Herd] where this process has one: then
// it returns true. It begins when stdin ends.
func HerdPart(ctx context.Context) (is bool, err error) {
	task := os.Getenv(herdVariable)
	if task == "" {
		return false, nil
	}
	var h herd
	if err := json.Unmarshal([]byte(task), &h); err != nil {
		return true, err
	}
	fmt.Println("ready")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return true, err
	}
	answer, err := h.run(ctx, h.Runs)
	if err != nil {
		return true, err
	}
	_, err = fmt.Println("answer", strconv.Quote(answer))
	return true, err
}
