package claudeforce_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	claudeforce "github.com/claude-force/claude-force"
	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/sim"
)

// taskResults are the lines of results by id; a line without one is named by
// its number.
func taskResults(t *testing.T, data []byte) map[string]taskLine {
	t.Helper()
	out := map[string]taskLine{}
	for line := range bytes.Lines(data) {
		var r taskLine
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		name := fmt.Sprint(r.ID)
		if r.ID == nil {
			name = fmt.Sprint("line ", r.Line)
		}
		if _, twice := out[name]; twice {
			t.Errorf("%s has two results", name)
		}
		out[name] = r
	}
	return out
}

type taskLine struct {
	ID      any `json:"id"`
	Line    int64
	Success bool
	Output  string
	Cache   string
	Cost    *json.Number `json:"cost_usd"`
	Error   *struct{ Type claudeforce.Code }
}

// numbered is a task file of n tasks, each with an answer of its own.
func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "{\"id\":\"t%d\",\"agent\":\"code-reviewer\",\"task\":\"[[say answer %d]]\"}\n", i, i)
	}
	return b.String()
}

// simulator makes a simulated API without a socket, for tests in virtual time.
func simulator(t *testing.T, o sim.Options, faults ...string) *sim.Server {
	t.Helper()
	c, err := model.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	o.Catalogue = c
	for _, text := range faults {
		f, err := sim.ParseFault(text)
		if err != nil {
			t.Fatal(err)
		}
		o.Faults = append(o.Faults, f)
	}
	server, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func openAt(t *testing.T, transport http.RoundTripper, settings map[string]string) *claudeforce.Engine {
	t.Helper()
	return open(t, claudeforce.Options{Getenv: environment(t, "http://api.test"), Settings: settings, Transport: transport})
}

// until sends requests to one server until a time, then to another.
type until struct {
	time          time.Time
	before, after http.RoundTripper
}

func (u *until) RoundTrip(r *http.Request) (*http.Response, error) {
	if time.Now().Before(u.time) {
		return u.before.RoundTrip(r)
	}
	return u.after.RoundTrip(r)
}

// refusing is a network without the API.
type refusing struct{}

func (refusing) RoundTrip(*http.Request) (*http.Response, error) { return nil, syscall.ECONNRESET }

// Whatever goes wrong on the way for a while, every task gets its answer, once,
// and nothing is asked for more often than it must be.
func TestTasksSurviveFaults(t *testing.T) {
	const n = 50
	for name, c := range map[string]struct {
		faults  []string
		limits  sim.Limits
		minute  string        // a fault of everything for the first minute; "reset" is the network's
		most    int64         // requests
		longest time.Duration // 0: not more than two minutes
	}{
		"nothing":              {most: n},
		"429 storm":            {faults: []string{"status=429,retry-after=2s,first=15"}, most: n + 15},
		"429 without a word":   {faults: []string{"status=429,first=20"}, most: n + 20},
		"529 a while":          {faults: []string{"status=529,first=20"}, most: n + 20},
		"529 for a minute":     {minute: "status=529", most: n + 40},
		"429 for a minute":     {minute: "status=429,retry-after=5s", most: n + 40},
		"reset connections":    {minute: "reset,first=0", most: n},
		"cut streams":          {faults: []string{"cut=4,first=30"}, most: n + 30},
		"errors in the stream": {faults: []string{"error-event=overloaded_error,after=3,first=20"}, most: n + 20},
		"broken events":        {faults: []string{"malformed,after=2,first=20"}, most: n + 20},
		"a small limit":        {limits: sim.Limits{RPM: 30}, most: n + 1},
		"a ramp limit":         {faults: []string{"status=429,code=ramp_limit_exceeded,first=15"}, most: n + 15},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := simulator(t, sim.Options{Latency: time.Second, Limits: c.limits}, c.faults...)
				transport := server.Transport()
				broken := server
				switch {
				case strings.HasPrefix(c.minute, "reset"):
					// Calls are made four times within seconds: so long, not a minute.
					transport = &until{time.Now().Add(200 * time.Millisecond), refusing{}, transport}
				case c.minute != "":
					broken = simulator(t, sim.Options{Latency: time.Second}, c.minute)
					transport = &until{time.Now().Add(time.Minute), broken.Transport(), transport}
				}
				e := openAt(t, transport, nil)
				began := time.Now()
				var out bytes.Buffer
				report, err := e.RunTasks(t.Context(), claudeforce.Tasks{In: strings.NewReader(numbered(n)), Out: &out, NoWarmUp: true})
				if err != nil {
					t.Fatalf("%v\n%.2000s", err, out.String())
				}
				requests := server.Stats().Messages
				if broken != server {
					requests += broken.Stats().Messages
				}
				if report.Done != n || requests > c.most {
					t.Errorf("%v; %d requests, want at most %d", report, requests, c.most)
				}
				if took := time.Since(began); took > 3*time.Minute {
					t.Errorf("took %v", took)
				}
				results := taskResults(t, out.Bytes())
				for i := range n {
					if r := results[fmt.Sprint("t", i)]; !r.Success || r.Output != fmt.Sprint("answer ", i) {
						t.Errorf("t%d: %+v", i, r)
					}
				}
			})
		})
	}
}

// A wait that is longer than the runs may take is not begun: no task is sent
// twice, and each says why.
func TestTasksMeetAnHourOfRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := simulator(t, sim.Options{Latency: time.Second}, "status=429,retry-after=1h")
		e := openAt(t, server.Transport(), nil)
		began := time.Now()
		var out bytes.Buffer
		report, err := e.RunTasks(t.Context(), claudeforce.Tasks{In: strings.NewReader(numbered(50)), Out: &out})
		if claudeforce.AsError(err).Code != claudeforce.CodeSomeFailed || report.Failed != 50 {
			t.Errorf("%v, %v", report, err)
		}
		if n := server.Stats().Messages; n > 10 || time.Since(began) > time.Minute {
			t.Errorf("%d requests in %v, want those that were under way at once", n, time.Since(began))
		}
		for id, r := range taskResults(t, out.Bytes()) {
			if r.Error == nil || r.Error.Type != claudeforce.CodeRateLimit {
				t.Errorf("%s: %+v", id, r)
			}
		}
	})
}

// The first of many tasks of an agent goes ahead until its first byte, and the
// rest read the prompt cache; --no-warmup lets all begin at once.
func TestTasksWarmThePromptCache(t *testing.T) {
	for _, none := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			server := simulator(t, sim.Options{Latency: time.Second})
			e := openAt(t, server.Transport(), nil)
			_, err := e.RunTasks(t.Context(), claudeforce.Tasks{In: strings.NewReader(numbered(10)), Out: io.Discard, NoWarmUp: none})
			if err != nil {
				t.Fatal(err)
			}
			s := server.Stats()
			prefix := s.CacheWriteTokens
			if none {
				prefix /= 10
			}
			if s.CacheReadTokens+s.CacheWriteTokens != 10*prefix || (s.CacheReadTokens == 0) != none {
				t.Errorf("warm-up off %v: %d tokens written, %d read", none, s.CacheWriteTokens, s.CacheReadTokens)
			}
		})
	}
}

// What all tasks would meet ends the file, and nothing of it is final.
func TestTasksEndAtASpendCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := simulator(t, sim.Options{}, "spend-cap", "slow-first-byte=1s")
		e := openAt(t, server.Transport(), nil)
		var out bytes.Buffer
		_, err := e.RunTasks(t.Context(), claudeforce.Tasks{In: strings.NewReader(numbered(1000)), Out: &out})
		if claudeforce.AsError(err).Code != claudeforce.CodeSpendLimit || out.Len() > 0 || server.Stats().Messages > 10 {
			t.Errorf("%v after %d requests; results: %s", err, server.Stats().Messages, out.String())
		}
	})
}

// Runs that somebody waits for go before those of a file.
func TestRunsGoBeforeTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := simulator(t, sim.Options{Latency: time.Second, Limits: sim.Limits{RPM: 20}})
		e := openAt(t, server.Transport(), nil)
		done := make(chan error, 1)
		go func() {
			_, err := e.RunTasks(t.Context(), claudeforce.Tasks{In: strings.NewReader(numbered(100)), Out: io.Discard})
			done <- err
		}()
		<-time.After(time.Minute) // the bucket is empty, and many wait
		began := time.Now()
		if _, err := e.Run(t.Context(), claudeforce.Run{Agent: "code-reviewer", Task: "[[say now]]"}); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 8*time.Second { // two places of a queue of twenty a minute
			t.Errorf("the run waited %v behind the tasks", took)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// --concurrency is a hard ceiling, and auto begins with ten.
func TestTasksAtOnce(t *testing.T) {
	for setting, want := range map[string][2]int64{"3": {3, 3}, "auto": {10, 64}} {
		synctest.Test(t, func(t *testing.T) {
			server := simulator(t, sim.Options{Latency: time.Second})
			e := openAt(t, server.Transport(), map[string]string{"concurrency": setting})
			if _, err := e.RunTasks(t.Context(), claudeforce.Tasks{In: strings.NewReader(numbered(60)), Out: io.Discard, NoWarmUp: true}); err != nil {
				t.Fatal(err)
			}
			if most := server.Stats().MaxInFlight; most < want[0] || most > want[1] {
				t.Errorf("%s: %d calls at once, want from %d to %d", setting, most, want[0], want[1])
			}
		})
	}
}

// A cancel ends the stream and what it costs: the simulator stops making
// tokens when nobody reads.
func TestCancelEndsTheBill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := simulator(t, sim.Options{TokenDelay: time.Second})
		e := openAt(t, server.Transport(), nil)
		ctx, cancel := context.WithCancel(t.Context())
		r, err := e.Run(ctx, claudeforce.Run{Agent: "code-reviewer", Task: "[[words 1000]]", Emit: func(ev claudeforce.Event) {
			if ev.Kind == claudeforce.EventText {
				cancel()
			}
		}})
		if claudeforce.AsError(err).Code != claudeforce.CodeCancelled || !r.Partial {
			t.Errorf("%+v, %v", r, err)
		}
		<-time.After(10 * time.Second)
		synctest.Wait()
		if s := server.Stats(); s.InFlight != 0 || s.OutputTokens > 50 {
			t.Errorf("%d tokens were made of an answer that nobody wants; %d in flight", s.OutputTokens, s.InFlight)
		}
	})
}

// The defaults allow an answer of 64,000 tokens at the pace of a large model.
func TestDeadlinesAllowALongAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// 64,000 tokens are about 4,900 events of ten words; 45 tokens a second.
		server := simulator(t, sim.Options{Latency: 20 * time.Second, TokenDelay: 290 * time.Millisecond})
		e := openAt(t, server.Transport(), nil)
		r, err := e.Run(t.Context(), claudeforce.Run{Agent: "code-reviewer", Task: "[[words 49000]]", MaxTokens: 64000})
		if err != nil || r.Usage.OutputTokens < 60_000 {
			t.Errorf("%v: %d tokens in %v", err, r.Usage.OutputTokens, r.Duration)
		}
	})
}
