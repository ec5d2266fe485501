package claudeforce_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	claudeforce "github.com/claude-force/claude-force"
	"github.com/claude-force/claude-force/internal/sim"
)

// installed is an engine of an install whose cache is in home/cache.
func installed(t *testing.T, url, home string, more ...string) *claudeforce.Engine {
	t.Helper()
	return open(t, claudeforce.Options{Getenv: environment(t, url, append([]string{"CLAUDE_FORCE_HOME", home}, more...)...)})
}

// answered makes a run that must succeed.
func answered(t *testing.T, e *claudeforce.Engine, task string, reuse claudeforce.Reuse) *claudeforce.Result {
	t.Helper()
	var streamed strings.Builder
	r, err := e.Run(t.Context(), claudeforce.Run{
		Agent: "code-reviewer", Task: task, Reuse: reuse,
		Emit: func(ev claudeforce.Event) { streamed.WriteString(ev.Text) },
	})
	if err != nil {
		t.Fatalf("%s: %v", task, err)
	}
	if streamed.String() != r.Output {
		t.Errorf("%s: %.60q was streamed, the answer is %.60q", task, streamed.String(), r.Output)
	}
	return r
}

// wantFrom makes a run that must be answered "done" from a source, with no
// warning.
func wantFrom(t *testing.T, e *claudeforce.Engine, source string) {
	t.Helper()
	if r := answered(t, e, "[[say done]]", ""); r.Output != "done" || r.Cache != source || len(r.Warnings) > 0 {
		t.Errorf("%q from %q, warnings %q; want it from %q", r.Output, r.Cache, r.Warnings, source)
	}
}

// wantWarning makes a run that must be answered all the same, and say a word.
func wantWarning(t *testing.T, e *claudeforce.Engine, word string) {
	t.Helper()
	r := answered(t, e, "[[say done]]", "")
	if r.Output != "done" || !strings.Contains(strings.Join(r.Warnings, "\n"), word) {
		t.Errorf("%q with warnings %q, want one of %q", r.Output, r.Warnings, word)
	}
}

func closed(t *testing.T, e *claudeforce.Engine) {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// A hit costs nothing and needs nobody: it comes after the server has gone.
func TestCacheHits(t *testing.T) {
	s, url := simulate(t, sim.Options{})
	home := t.TempDir()
	first := installed(t, url, home)
	task := "[[say " + strings.Repeat("a long answer ", 100) + "]]"
	miss := answered(t, first, task, "")
	if miss.Cache != "miss" || miss.Cost == nil || *miss.Cost == 0 || miss.Saved != 0 {
		t.Fatalf("miss = %+v", miss)
	}
	second := installed(t, url, home)
	for _, hit := range []*claudeforce.Result{
		answered(t, first, task, ""), answered(t, second, task, ""), answered(t, second, task, claudeforce.ReuseOnly),
	} {
		if hit.Output != miss.Output || hit.Usage != (claudeforce.Usage{}) || hit.Cost == nil || *hit.Cost != 0 ||
			hit.Saved != *miss.Cost || hit.Attempts != 0 || !hit.Success || hit.StopReason != miss.StopReason || len(hit.Warnings) > 0 {
			t.Errorf("hit = %+v of %+v", hit, miss)
		}
	}
	if stats := s.Stats(); stats.Requests != 1 {
		t.Errorf("the server saw %+v", stats)
	}
	closed(t, first)
	closed(t, second)
	gone := installed(t, "http://127.0.0.1:1", home)
	if _, err := gone.Run(t.Context(), claudeforce.Run{Agent: "code-reviewer", Task: task, Reuse: claudeforce.ReuseOnly}); claudeforce.AsError(err).Code != claudeforce.CodeCacheMiss {
		t.Errorf("another server's answer was taken: %v", err)
	}
	c, err := gone.CacheStats(t.Context())
	if err != nil || c.MemoryHits != 2 || c.DiskHits != 1 || c.Misses != 2 || c.Entries != 1 || c.Saved != 3**miss.Cost {
		t.Errorf("stats = %+v, %v", c, err)
	}
}

// With --cache-only no call is made, whatever keeps the cache from answering.
func TestCacheOnlyNeverCalls(t *testing.T) {
	s, url := simulate(t, sim.Options{})
	occupied := t.TempDir()
	write(t, filepath.Join(occupied, "cache"), "a file in place of the folder")
	for name, e := range map[string]*claudeforce.Engine{
		"empty":    installed(t, url, t.TempDir()),
		"off":      installed(t, url, t.TempDir(), "CLAUDE_FORCE_CACHE_ENABLED", "false"),
		"excluded": installed(t, url, t.TempDir(), "CLAUDE_FORCE_CACHE_EXCLUDE_AGENTS", "code-reviewer"),
		"broken":   installed(t, url, occupied),
	} {
		_, err := e.Run(t.Context(), claudeforce.Run{Agent: "code-reviewer", Task: "[[say done]]", Reuse: claudeforce.ReuseOnly})
		if f := claudeforce.AsError(err); f == nil || f.Code != claudeforce.CodeCacheMiss {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := s.Stats().Messages; n != 0 {
		t.Errorf("%d calls were made", n)
	}
}

func TestClearedAnswersAreGone(t *testing.T) {
	s, url := simulate(t, sim.Options{})
	e := installed(t, url, t.TempDir())
	wantFrom(t, e, "miss")
	wantFrom(t, e, "memory")
	if n, err := e.ClearCache(t.Context(), "", 0); n != 1 || err != nil {
		t.Fatalf("ClearCache = %d, %v", n, err)
	}
	wantFrom(t, e, "miss")
	if n := s.Stats().Messages; n != 2 {
		t.Errorf("%d calls", n)
	}
}

func TestDemoKeepsNothing(t *testing.T) {
	home := t.TempDir()
	e := open(t, claudeforce.Options{Demo: true, Getenv: environment(t, "", "CLAUDE_FORCE_HOME", home)})
	wantFrom(t, e, "miss")
	wantFrom(t, e, "memory")
	if c, err := e.CacheStats(t.Context()); err != nil || c.Entries != 1 {
		t.Errorf("stats = %+v, %v", c, err)
	}
	if c, err := e.VerifyCache(t.Context()); err != nil || c.Genuine != 1 {
		t.Errorf("verify = %+v, %v", c, err)
	}
	if files, err := os.ReadDir(home); err != nil || len(files) > 0 {
		t.Errorf("a demo left %v, %v", files, err)
	}
}

// Only whole answers are kept: what failed is asked for again.
func TestFailedAnswersAreNotKept(t *testing.T) {
	for name, c := range map[string]struct {
		fault, task string
		maxTokens   int
	}{
		"an error":     {fault: "status=500", task: "[[say done]]"},
		"a cut stream": {fault: "cut=5", task: "[[words 100]]"},
		"a refusal":    {task: "[[refuse]]"},
		"max_tokens":   {task: "[[words 100]]", maxTokens: 10},
		"the context":  {task: "[[window]]"},
	} {
		t.Run(name, func(t *testing.T) {
			var o sim.Options
			if c.fault != "" {
				f, err := sim.ParseFault(c.fault)
				if err != nil {
					t.Fatal(err)
				}
				o.Faults = append(o.Faults, f)
			}
			s, url := simulate(t, o)
			e := installed(t, url, t.TempDir(), "CLAUDE_FORCE_RETRIES", "1")
			for range 2 {
				r, err := e.Run(t.Context(), claudeforce.Run{Agent: "code-reviewer", Task: c.task, MaxTokens: c.maxTokens})
				if err == nil || r == nil || r.Success || r.Saved != 0 || r.Cache == "memory" || r.Cache == "disk" {
					t.Errorf("Run = %+v, %v", r, err)
				}
			}
			if st, err := e.CacheStats(t.Context()); err != nil || st.Entries != 0 || s.Stats().Messages != 2 {
				t.Errorf("stats = %+v, %v after %d calls", st, err, s.Stats().Messages)
			}
		})
	}
}

// Age counts by the engine's clock, also where that is set back by a day.
func TestAgeOfAnswers(t *testing.T) {
	_, url := simulate(t, sim.Options{})
	home := t.TempDir()
	at := func(d time.Duration) *claudeforce.Engine {
		t.Helper()
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(d)
		return open(t, claudeforce.Options{
			Getenv: environment(t, url, "CLAUDE_FORCE_HOME", home, "CLAUDE_FORCE_CACHE_TTL", "7d"),
			Now:    func() time.Time { return now },
		})
	}
	const day = 24 * time.Hour
	wantFrom(t, at(0), "miss")
	wantFrom(t, at(6*day), "disk")
	wantFrom(t, at(-day), "disk")
	wantFrom(t, at(7*day), "miss")
	wantFrom(t, at(-day), "miss") // now eight days off
}

// Answers are shared by all projects of a user, or by none.
func TestScopeOfAnswers(t *testing.T) {
	_, url := simulate(t, sim.Options{})
	home := t.TempDir()
	in := func(dir, scope string) *claudeforce.Engine {
		t.Helper()
		return open(t, claudeforce.Options{Dir: dir, Getenv: environment(t, url, "CLAUDE_FORCE_HOME", home, "CLAUDE_FORCE_CACHE_SCOPE", scope)})
	}
	var dirs []string
	for range 2 {
		dir := t.TempDir()
		write(t, filepath.Join(dir, ".claude", "agents", "code-reviewer.md"), "---\nname: code-reviewer\ndescription: d\n---\nYou review code.")
		dirs = append(dirs, dir)
	}
	wantFrom(t, in(dirs[0], "user"), "miss")
	wantFrom(t, in(dirs[1], "user"), "disk")
	wantFrom(t, in(dirs[0], "project"), "miss")
	wantFrom(t, in(dirs[1], "project"), "miss")
	wantFrom(t, in(dirs[0], "project"), "disk")
	excluded := open(t, claudeforce.Options{Dir: dirs[0], Getenv: environment(t, url, "CLAUDE_FORCE_HOME", home, "CLAUDE_FORCE_CACHE_EXCLUDE_AGENTS", "x, code-reviewer")})
	wantFrom(t, excluded, "off")
}

// runChildEnv makes the test binary a process of its own; see TestRunChild.
const runChildEnv = "CLAUDE_FORCE_TEST_CHILD"

// childPlan is what a process does: so many runs of each task at once, one
// task after the other.
type childPlan struct {
	URL, Home string
	AtOnce    int
	Tasks     []string
	Env       []string
}

// TestRunChild is no test: where the environment says so, it does what a plan
// asks for. It says "ready", and the source of every answer.
func TestRunChild(t *testing.T) {
	text := os.Getenv(runChildEnv)
	if text == "" {
		t.Skip("for processes that other tests start")
	}
	var plan childPlan
	if err := json.Unmarshal([]byte(text), &plan); err != nil {
		t.Fatal(err)
	}
	e := installed(t, plan.URL, plan.Home, plan.Env...)
	fmt.Println("ready")
	for _, task := range plan.Tasks {
		var wg sync.WaitGroup
		for range max(plan.AtOnce, 1) {
			wg.Go(func() {
				r, err := e.Run(context.Background(), claudeforce.Run{Agent: "code-reviewer", Task: task})
				if err != nil || len(r.Warnings) > 0 {
					t.Errorf("Run = %+v, %v", r, err)
					return
				}
				fmt.Println("from", r.Cache)
			})
		}
		wg.Wait()
	}
}

// startChild starts a process and hands each line that it says to said, which
// may kill it. The function it returns waits for its end.
func startChild(t *testing.T, plan childPlan, said func(cmd *exec.Cmd, line string)) (wait func() error) {
	t.Helper()
	text, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRunChild$", "-test.v")
	cmd.Env = append(os.Environ(), runChildEnv+"="+string(text))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		var rest strings.Builder
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if line := lines.Text(); line == "ready" || strings.HasPrefix(line, "from ") {
				said(cmd, line)
				continue
			}
			rest.WriteString(lines.Text() + "\n")
		}
		err := cmd.Wait()
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, rest.String())
		}
		done <- err
	}()
	return func() error { return <-done }
}

func TestFiftyRunsMakeOneCall(t *testing.T) {
	t.Run("in one process", func(t *testing.T) {
		begun := make(chan struct{})
		s, url := simulate(t, sim.Options{OnRequest: func(sim.Record) { <-begun }})
		e := installed(t, url, t.TempDir())
		sources := make([]string, 50)
		var wg sync.WaitGroup
		for i := range sources {
			wg.Go(func() {
				r, err := e.Run(context.Background(), claudeforce.Run{Agent: "code-reviewer", Task: "[[say one]]"})
				if err != nil || r.Output != "one" {
					t.Errorf("Run = %+v, %v", r, err)
					return
				}
				sources[i] = r.Cache
			})
		}
		close(begun)
		wg.Wait()
		checkOneMiss(t, sources, s)
	})
	t.Run("in five processes", func(t *testing.T) {
		// The answer comes when all processes are about to ask.
		begun := make(chan struct{})
		s, url := simulate(t, sim.Options{OnRequest: func(sim.Record) { <-begun }})
		plan := childPlan{URL: url, Home: t.TempDir(), AtOnce: 10, Tasks: []string{"[[say five]]"}}
		var mu sync.Mutex
		ready := 0
		var sources []string
		var waits []func() error
		for range 5 {
			waits = append(waits, startChild(t, plan, func(_ *exec.Cmd, line string) {
				mu.Lock()
				defer mu.Unlock()
				if line == "ready" {
					if ready++; ready == 5 {
						close(begun)
					}
					return
				}
				sources = append(sources, strings.TrimPrefix(line, "from "))
			}))
		}
		for _, wait := range waits {
			if err := wait(); err != nil {
				t.Error(err)
			}
		}
		checkOneMiss(t, sources, s)
	})
}

func checkOneMiss(t *testing.T, sources []string, s *sim.Server) {
	t.Helper()
	count := map[string]int{}
	for _, s := range sources {
		count[s]++
	}
	if len(sources) != 50 || count["miss"] != 1 || count["off"] != 0 {
		t.Errorf("answers came from %v", count)
	}
	if n := s.Stats().Messages; n != 1 {
		t.Errorf("%d calls", n)
	}
}
