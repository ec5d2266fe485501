package cli_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite"

	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/sim"
	"github.com/claude-force/claude-force/internal/surface/cli"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"claude-force": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
			defer stop()
			os.Exit(cli.Main(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
		},
	})
}

// TestScripts runs the command line as users do. Beside testscript's own
// commands the scripts have:
//
//	sim [FAULT…]            start a simulated API and point the environment at it;
//	                        key=KEY is accepted, a batch takes batch=DURATION
//	calls N                 the simulator has had N message calls
//	batches N               the simulator has had N batches
//	status N ARG…           claude-force ARG… exits with N
//	interrupt ARG…          claude-force ARG…, interrupted in mid-stream, exits with 130
//	killed N ARG…           claude-force ARG…, killed when the simulator has met N calls
//	ledger FILE QUERY WANT  the query gives WANT, columns joined by "|", rows by ";"
//	file NAME SIZE          make a file of zeros
//	digits NAME SIZE        make a text file of numbers
//	fulldisk DIR            make DIR a disk without free space
//	room DIR SIZE           make DIR a disk of so much space
//	whole FILE [N]          FILE holds whole results only, N of them, each id once
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup:               setup,
		Condition: func(cond string) (bool, error) {
			if cond == "canmount" {
				return canMount(), nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"sim": startSim, "calls": checkCalls, "batches": checkBatches, "status": checkStatus, "interrupt": interrupt, "killed": kill, "gone": checkGone, "binary": makeBinary, "sql": runSQL,
			"ledger": checkLedger, "file": makeFile, "digits": makeDigits, "fulldisk": fullDisk,
			"room": makeRoom, "whole": checkWhole,
		},
	})
}

func setup(env *testscript.Env) error {
	home := filepath.Join(env.WorkDir, "home")
	env.Setenv("HOME", home)
	// A git root keeps the search for a project inside the script's folder.
	if err := os.MkdirAll(filepath.Join(env.WorkDir, ".git"), 0o700); err != nil {
		return err
	}
	return os.MkdirAll(home, 0o700)
}

// servers are the simulators of the scripts, by work folder.
var servers sync.Map

// seeds makes the servers of the scripts different.
var seeds atomic.Uint64

type simServer struct {
	*sim.Server
	began chan struct{} // one for each message call
}

func startSim(ts *testscript.TestScript, _ bool, args []string) {
	catalogue, err := model.Builtin()
	ts.Check(err)
	s := &simServer{began: make(chan struct{}, 1000)}
	// Each server gives ids of its own.
	o := sim.Options{Catalogue: catalogue, Seed: seeds.Add(1), OnRequest: func(r sim.Record) {
		if r.Message || (r.Method == http.MethodPost && r.Path == "/v1/messages/batches") {
			select {
			case s.began <- struct{}{}:
			default: // nobody waits for so many
			}
		}
	}}
	for _, a := range args {
		if key, ok := strings.CutPrefix(a, "key="); ok {
			o.Keys = append(o.Keys, key)
			continue
		}
		if delay, ok := strings.CutPrefix(a, "batch="); ok {
			o.BatchDelay, err = time.ParseDuration(delay)
			ts.Check(err)
			continue
		}
		f, err := sim.ParseFault(a)
		ts.Check(err)
		o.Faults = append(o.Faults, f)
	}
	s.Server, err = sim.New(o)
	ts.Check(err)
	server := httptest.NewServer(s)
	ts.Defer(func() { server.CloseClientConnections(); server.Close() })
	servers.Store(ts.Getenv("WORK"), s)
	ts.Setenv("ANTHROPIC_BASE_URL", server.URL)
	ts.Setenv("ANTHROPIC_API_KEY", "sk-test-key")
}

func server(ts *testscript.TestScript) *simServer {
	s, ok := servers.Load(ts.Getenv("WORK"))
	if !ok {
		ts.Fatalf("no simulator was started")
	}
	return s.(*simServer)
}

func checkCalls(ts *testscript.TestScript, _ bool, args []string) {
	if got := server(ts).Stats().Messages; strconv.FormatInt(got, 10) != args[0] {
		ts.Fatalf("the simulator had %d message calls, want %s", got, args[0])
	}
}

func checkBatches(ts *testscript.TestScript, _ bool, args []string) {
	if got := server(ts).Stats().Batches; strconv.FormatInt(got, 10) != args[0] {
		ts.Fatalf("the simulator had %d batches, want %s", got, args[0])
	}
}

func checkStatus(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec("claude-force", args[1:]...)
	if got := exitStatus(err); strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit status %d, want %s (%v)", got, args[0], err)
	}
}

func exitStatus(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}

// interrupt sends the signal when the simulator has the call, which a fault
// makes hang.
func interrupt(ts *testscript.TestScript, _ bool, args []string) {
	if got := endAt(ts, 1, os.Interrupt, args); got != 130 {
		ts.Fatalf("exit status %d, want 130", got)
	}
}

// kill ends the process when the simulator has met so many calls.
func kill(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := endAt(ts, n, os.Kill, args[1:]); got != -1 {
		ts.Fatalf("exit status %d of a process that was killed", got)
	}
}

// endAt starts the command, signals it at a number of calls and returns its
// exit status.
func endAt(ts *testscript.TestScript, calls int, signal os.Signal, args []string) int {
	path := ""
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if file := filepath.Join(dir, "claude-force"); path == "" {
			if _, err := os.Stat(file); err == nil {
				path = file
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"HOME", "PATH", "WORK", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", "CLAUDE_FORCE_HOME"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	cmd.Stdout, cmd.Stderr = ts.Stdout(), ts.Stderr()
	ts.Check(cmd.Start())
	for range calls {
		<-server(ts).began
	}
	ts.Check(cmd.Process.Signal(signal))
	return exitStatus(cmd.Wait())
}

// checkGone looks for a text in every file below a folder.
func checkGone(ts *testscript.TestScript, _ bool, args []string) {
	err := filepath.WalkDir(ts.MkAbs(args[0]), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(args[1])) {
			ts.Fatalf("%s still has %q", path, args[1])
		}
		return err
	})
	ts.Check(err)
}

func checkLedger(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	defer db.Close()
	rows, err := db.QueryContext(context.Background(), args[1])
	ts.Check(err)
	defer rows.Close()
	columns, err := rows.Columns()
	ts.Check(err)
	var lines []string
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(sql.NullString)
		}
		ts.Check(rows.Scan(values...))
		var texts []string
		for _, v := range values {
			texts = append(texts, v.(*sql.NullString).String)
		}
		lines = append(lines, strings.Join(texts, "|"))
	}
	ts.Check(rows.Err())
	if got := strings.Join(lines, ";"); got != args[2] {
		ts.Fatalf("%s gives %q, want %q", args[1], got, args[2])
	}
}

func makeFile(ts *testscript.TestScript, _ bool, args []string) {
	size, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(f.Truncate(size))
	ts.Check(f.Close())
}

// runSQL executes statements on a database file, which it makes where there is
// none.
func runSQL(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	defer db.Close()
	for _, statement := range args[1:] {
		_, err = db.ExecContext(context.Background(), statement)
		ts.Check(err)
	}
}

// makeBinary makes a file of bytes that are no text.
func makeBinary(ts *testscript.TestScript, _ bool, args []string) {
	size, err := strconv.Atoi(args[1])
	ts.Check(err)
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i*7 + i/13)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o600))
}

func makeDigits(ts *testscript.TestScript, _ bool, args []string) {
	size, err := strconv.Atoi(args[1])
	ts.Check(err)
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "%d\n", i*7919)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(b.String()), 0o600))
}

// canMount reports whether a small file system of its own can be had, which
// takes root on Linux.
func canMount() bool { return runtime.GOOS == "linux" && os.Getuid() == 0 }

func fullDisk(ts *testscript.TestScript, _ bool, args []string) {
	makeRoom(ts, false, []string{args[0], "16k"})
}

func makeRoom(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	if out, err := exec.CommandContext(context.Background(), "mount", "-t", "tmpfs", "-o", "size="+args[1], "tmpfs", dir).CombinedOutput(); err != nil {
		ts.Fatalf("mount: %v: %s", err, out)
	}
	ts.Defer(func() { _ = exec.CommandContext(context.Background(), "umount", "-l", dir).Run() })
}

func checkWhole(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	if text != "" && !strings.HasSuffix(text, "\n") {
		ts.Fatalf("%s ends in the middle of a line", args[0])
	}
	ids := map[string]bool{}
	n := 0
	for line := range strings.Lines(text) {
		var r struct{ ID, Line any }
		ts.Check(json.Unmarshal([]byte(line), &r))
		id := fmt.Sprint(r.ID, r.Line)
		if ids[id] {
			ts.Fatalf("%s has two results of %s", args[0], id)
		}
		ids[id] = true
		n++
	}
	if len(args) > 1 && strconv.Itoa(n) != args[1] {
		ts.Fatalf("%s has %d results, want %s", args[0], n, args[1])
	}
}
