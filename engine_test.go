package claudeforce_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	claudeforce "github.com/claude-force/claude-force"
	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/sim"
)

// simulate starts a simulated API on a real socket.
func simulate(t *testing.T, o sim.Options) (*sim.Server, string) {
	t.Helper()
	c, err := model.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	o.Catalogue = c
	s, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server.URL
}

// environment is one in which nothing of the machine's user is seen.
func environment(t *testing.T, url string, more ...string) func(string) string {
	t.Helper()
	values := map[string]string{"HOME": t.TempDir(), "ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "sk-test"}
	for i := 0; i < len(more); i += 2 {
		values[more[i]] = more[i+1]
	}
	return func(name string) string { return values[name] }
}

func open(t *testing.T, o claudeforce.Options) *claudeforce.Engine {
	t.Helper()
	if o.Dir == "" {
		o.Dir = emptyDir(t)
	}
	e, err := claudeforce.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// emptyDir is a folder with no project at or above it.
func emptyDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ".git"), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRunReviewsARealFile(t *testing.T) {
	_, url := simulate(t, sim.Options{Marked: true})
	e := open(t, claudeforce.Options{Getenv: environment(t, url)})
	source, err := os.ReadFile("internal/llm/llm.go")
	if err != nil {
		t.Fatal(err)
	}
	var streamed strings.Builder
	r, err := e.Run(t.Context(), claudeforce.Run{Agent: "code-reviewer", Task: string(source), Emit: func(ev claudeforce.Event) {
		streamed.WriteString(ev.Text)
	}})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Success || r.Output != streamed.String() || !strings.Contains(r.Output, "lines of Go") || r.Model != "claude-sonnet-5-5" {
		t.Errorf("result = %+v", r)
	}
	if r.Usage.CacheCreationInputTokens == 0 || r.Usage.InputTokens == 0 || r.Cost == nil || *r.Cost <= 0 {
		t.Errorf("usage = %+v, cost = %v", r.Usage, r.Cost)
	}
	// Sonnet 5.5 costs 2, 10 and, for the cached prefix, 2.50 a million.
	want := claudeforce.Money(r.Usage.InputTokens*2000 + r.Usage.OutputTokens*10_000 + r.Usage.CacheCreationInputTokens*2500)
	if *r.Cost != want {
		t.Errorf("cost = %s, want %s", r.Cost, want)
	}
}

func TestAnEditIsSeenByTheNextRun(t *testing.T) {
	var mu sync.Mutex
	var system string
	_, url := simulate(t, sim.Options{OnRequest: func(r sim.Record) {
		var body struct{ System []struct{ Text string } }
		_ = json.Unmarshal(r.Body, &body)
		mu.Lock()
		defer mu.Unlock()
		system = body.System[0].Text
	}})
	dir := t.TempDir()
	file := filepath.Join(dir, ".claude", "agents", "a.md")
	write(t, file, "---\nname: a\ndescription: d\n---\nversion 1")
	stamp := time.Now().Add(-time.Hour)
	e := open(t, claudeforce.Options{Dir: dir, Getenv: environment(t, url)})
	for _, version := range []string{"version 1", "version 2", "version 3"} {
		write(t, file, "---\nname: a\ndescription: d\n---\n"+version)
		// Same size, same time: only the bytes tell.
		if err := os.Chtimes(file, stamp, stamp); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Run(t.Context(), claudeforce.Run{Agent: "a", Task: "x"}); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		if system != version {
			t.Errorf("sent %q, the file says %q", system, version)
		}
		mu.Unlock()
	}
}

func TestModelChoice(t *testing.T) {
	_, url := simulate(t, sim.Options{})
	dir := t.TempDir()
	write(t, filepath.Join(dir, ".claude", "agents", "own.md"), "---\nname: own\ndescription: d\nmodel: opus\n---\nx")
	write(t, filepath.Join(dir, ".claude", "agents", "any.md"), "---\nname: any\ndescription: d\nmodel: inherit\n---\nx")
	e := open(t, claudeforce.Options{Dir: dir, Getenv: environment(t, url, "CLAUDE_FORCE_MODEL", "haiku")})
	for _, c := range []struct{ agent, asked, want string }{
		{"any", "", "claude-haiku-5-5"},
		{"own", "", "claude-opus-5-5"},
		{"own", "sonnet", "claude-sonnet-5-5"},
	} {
		r, err := e.Run(t.Context(), claudeforce.Run{Agent: c.agent, Task: "[[say x]]", Model: c.asked})
		if err != nil || r.Model != c.want {
			t.Errorf("%+v: %v, %v", c, r, err)
		}
	}
}

func TestManyRunsAtOnce(t *testing.T) {
	s, url := simulate(t, sim.Options{})
	e := open(t, claudeforce.Options{Getenv: environment(t, url)})
	var wg sync.WaitGroup
	ids := sync.Map{}
	for i := range 200 {
		wg.Go(func() {
			task := fmt.Sprintf("task %d: [[say done]]", i)
			r, err := e.Run(context.Background(), claudeforce.Run{Agent: "code-reviewer", Task: task})
			if err != nil || r.Output != "done" {
				t.Errorf("Run = %+v, %v", r, err)
				return
			}
			if _, taken := ids.LoadOrStore(r.RunID, true); taken {
				t.Errorf("two runs have the id %s", r.RunID)
			}
		})
	}
	wg.Wait()
	if n := s.Stats().Answered; n != 200 {
		t.Errorf("%d calls were answered", n)
	}
}

// The API is asked for an exact count only where the estimate is close to the
// context, and a server that cannot count is no obstacle.
func TestPromptsNearTheContext(t *testing.T) {
	c, err := model.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	words := func(n int) string { return strings.Repeat("several words of prose. ", n/5) }
	for name, tc := range map[string]struct {
		words, count  int // count is the server's answer; 0: it does not count
		counted, sent bool
	}{
		"small":               {1000, 0, false, true},
		"close, and fits":     {210_000, 199_000, true, true},
		"close, and does not": {210_000, 201_000, true, false},
		"close, no count":     {210_000, 0, true, true},
		"far over":            {400_000, 0, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			counted, sent := false, false
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/v1/messages":
					sent = true
					w.WriteHeader(http.StatusBadRequest)
				case tc.count > 0:
					counted = true
					_ = json.NewEncoder(w).Encode(map[string]int{"input_tokens": tc.count})
				default:
					counted = true
					w.WriteHeader(http.StatusNotFound)
				}
			}))
			defer server.Close()
			e := open(t, claudeforce.Options{Getenv: environment(t, server.URL)})
			_, err := e.Run(t.Context(), claudeforce.Run{Agent: "code-reviewer", Task: words(tc.words), Model: "claude-haiku-4-5"})
			if counted != tc.counted || sent != tc.sent {
				m, _ := c.Lookup("claude-haiku-4-5")
				t.Errorf("counted %v, sent %v (context %d): %v", counted, sent, m.Context, err)
			}
			if !tc.sent && claudeforce.AsError(err).Code != claudeforce.CodePromptTooLong {
				t.Errorf("error = %v", err)
			}
		})
	}
}

func TestErrorsArePublic(t *testing.T) {
	_, url := simulate(t, sim.Options{Keys: []string{"other"}})
	e := open(t, claudeforce.Options{Getenv: environment(t, url)})
	r, err := e.Run(t.Context(), claudeforce.Run{Agent: "code-reviewer", Task: "x"})
	var public *claudeforce.Error
	if !errors.As(err, &public) || public.Code != claudeforce.CodeAuthentication || public.RequestID == "" || public.Hint == "" {
		t.Fatalf("error = %#v", err)
	}
	if r == nil || r.Success || r.Err != public || r.RequestID != public.RequestID {
		t.Errorf("result = %+v", r)
	}
	for name, run := range map[string]claudeforce.Run{
		"no agent": {Task: "x"}, "no task": {Agent: "code-reviewer"},
		"negative": {Agent: "code-reviewer", Task: "x", MaxTokens: -1},
	} {
		if r, err := e.Run(t.Context(), run); r != nil || claudeforce.AsError(err).Code != claudeforce.CodeUsage {
			t.Errorf("%s: %v, %v", name, r, err)
		}
	}
}

func TestAnIDOutsideTheCatalogueHasNoPrice(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"type":"message","model":"my-model","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","usage":{"input_tokens":5,"output_tokens":5}}`))
	}))
	defer server.Close()
	e := open(t, claudeforce.Options{Getenv: environment(t, server.URL)})
	r, err := e.Run(t.Context(), claudeforce.Run{Agent: "code-reviewer", Task: "x", Model: "my-model"})
	if err != nil || r.Cost != nil || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "my-model") {
		t.Fatalf("Run = %+v, %v", r, err)
	}
	data, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(data), `"cost_usd":null`) {
		t.Errorf("%s, %v", data, err)
	}
}

func TestCloseWithoutUse(t *testing.T) {
	e, err := claudeforce.Open(claudeforce.Options{Dir: emptyDir(t), Getenv: environment(t, "http://127.0.0.1:1")})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
