package claudeforce_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	claudeforce "github.com/claude-force/claude-force"
	"github.com/claude-force/claude-force/internal/sim"
)

// tasksOf are the tasks of all that is remembered.
func tasksOf(t *testing.T, e *claudeforce.Engine) (tasks []string) {
	t.Helper()
	embedded(t, e)
	found, err := e.SearchMemory(t.Context(), "anything", claudeforce.MemoryFilter{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range found.Sessions {
		tasks = append(tasks, s.Task)
	}
	slices.Sort(tasks)
	return tasks
}

// embedded makes the vectors that would follow in the background.
func embedded(t *testing.T, e *claudeforce.Engine) {
	t.Helper()
	if err := e.ReindexMemory(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

// bodies keeps the requests that a simulator got.
type bodies struct {
	mu   sync.Mutex
	list []string
}

func (b *bodies) add(r sim.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list = append(b.list, string(r.Body))
}

// What one process has learned the next one quotes, and only of the same agent,
// and never the answer to the same task.
func TestPastWorkOfAnotherProcess(t *testing.T) {
	var sent bodies
	_, url := simulate(t, sim.Options{OnRequest: sent.add})
	env := environment(t, url)
	first := open(t, claudeforce.Options{Getenv: env})
	for _, r := range []claudeforce.Run{
		{Agent: "code-reviewer", Task: "Review the SQL query of the monthly report [[say use an index]]"},
		{Agent: "bug-investigator", Task: "Review the SQL query of the monthly report [[say of another agent]]"},
	} {
		if _, err := first.Run(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := open(t, claudeforce.Options{Getenv: env})
	run := claudeforce.Run{Agent: "code-reviewer", Task: "Review the SQL query of the yearly report [[say fine]]"}
	r, err := second.Run(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.MemoryUsed) != 1 || r.MemoryUsed[0].Agent != "code-reviewer" || r.Output != "fine" {
		t.Fatalf("used %+v for %q", r.MemoryUsed, r.Output)
	}
	var doc struct {
		Messages []struct {
			Content []struct{ Text string }
		}
	}
	if err := json.Unmarshal([]byte(sent.list[len(sent.list)-1]), &doc); err != nil {
		t.Fatal(err)
	}
	content := doc.Messages[0].Content
	if len(content) != 2 || !strings.Contains(content[0].Text, "use an index") || strings.Contains(content[0].Text, "of another agent") || content[1].Text != run.Task {
		t.Errorf("sent %q", content)
	}
	run.Reuse = claudeforce.ReuseRefresh
	if r, err = second.Run(t.Context(), run); err != nil || len(r.MemoryUsed) != 1 {
		t.Errorf("the same task again: %+v, %v", r.MemoryUsed, err)
	}
	run.Reuse = ""
	if r, err = second.Run(t.Context(), run); err != nil || r.Attempts != 0 || len(r.MemoryUsed) != 0 {
		t.Errorf("a hit: %+v, %v", r, err)
	}
}

// An answer with past work in its prompt is another one than without.
func TestMemoryIsAPartOfTheKey(t *testing.T) {
	server, url := simulate(t, sim.Options{})
	e := open(t, claudeforce.Options{Getenv: environment(t, url)})
	for i, m := range []claudeforce.Memory{claudeforce.MemoryOn, claudeforce.MemoryOff, "", claudeforce.MemoryOff} {
		r, err := e.Run(t.Context(), claudeforce.Run{Agent: "code-reviewer", Task: "var a int", Memory: m})
		if err != nil || (r.Attempts == 0) != (i > 1) || (r.MemoryUsed == nil) != (m == claudeforce.MemoryOff) {
			t.Errorf("run %d: %+v, %v", i, r, err)
		}
	}
	if n := server.Stats().Messages; n != 2 {
		t.Errorf("%d calls", n)
	}
}

// What a cascade turned down is no example for anybody.
func TestACascadeRemembersWhatPassed(t *testing.T) {
	s := &staff{answers: map[string]string{"haiku": "a bad answer", "sonnet": "a good answer"}}
	e := open(t, claudeforce.Options{Getenv: environment(t, ""), Transport: s})
	if _, err := e.Run(t.Context(), claudeforce.Run{Agent: "code-reviewer", Task: "do it well", Model: "opus", Cascade: true, Tags: map[string]string{"team": "a"}}); err != nil {
		t.Fatal(err)
	}
	embedded(t, e)
	found, err := e.SearchMemory(t.Context(), "do it", claudeforce.MemoryFilter{}, 10)
	if err != nil || len(found.Sessions) != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	if got := found.Sessions[0]; got.Output != "a good answer" || !strings.HasPrefix(got.Model, "claude-sonnet") || got.Tags["team"] != "a" || got.Cost == nil {
		t.Errorf("kept %+v", got)
	}
}

func TestTaskFilesHaveAMemoryWhereItIsAskedFor(t *testing.T) {
	const file = `{"id":"a","agent":"code-reviewer","task":"Review the SQL query of the weekly report [[say a]]"}` + "\n"
	for name, c := range map[string]struct {
		setting string
		memory  claudeforce.Memory
		kept    int
	}{
		"by default":            {"agent", "", 0},
		"asked for":             {"agent", claudeforce.MemoryOn, 1},
		"by the setting":        {"on", "", 1},
		"not, whatever is set":  {"on", claudeforce.MemoryOff, 0},
		"although it is off":    {"off", claudeforce.MemoryOn, 1},
		"off by the setting":    {"off", "", 0},
		"by batches, asked for": {"batch", claudeforce.MemoryOn, 1},
	} {
		t.Run(name, func(t *testing.T) {
			_, url := simulate(t, sim.Options{})
			tasks := claudeforce.Tasks{In: strings.NewReader(file), Out: &bytes.Buffer{}, Defaults: claudeforce.Run{Memory: c.memory}}
			if c.setting == "batch" {
				c.setting, tasks.Via = "agent", claudeforce.LaneBatch
			}
			e := open(t, claudeforce.Options{Getenv: environment(t, url), Settings: map[string]string{"memory": c.setting}})
			if _, err := e.RunTasks(t.Context(), tasks); err != nil {
				t.Fatal(err)
			}
			if got := tasksOf(t, e); len(got) != c.kept {
				t.Errorf("kept %q", got)
			}
		})
	}
}

// What is recalled may be something else each time; a batch that is waited for
// is the same one all the same.
func TestABatchWithPastWorkIsNotBoughtTwice(t *testing.T) {
	submitted := make(chan struct{}, 10)
	var sent bodies
	server, url := simulate(t, sim.Options{BatchDelay: time.Second, OnRequest: func(r sim.Record) {
		if r.Method == http.MethodPost && r.Path == "/v1/messages/batches" {
			sent.add(r)
			submitted <- struct{}{}
		}
	}})
	env := environment(t, url)
	e := open(t, claudeforce.Options{Getenv: env})
	remember := func(task string) {
		t.Helper()
		if _, err := e.Run(t.Context(), claudeforce.Run{Agent: "code-reviewer", Task: task}); err != nil {
			t.Fatal(err)
		}
		embedded(t, e)
	}
	tasks := func(ctx context.Context) (string, error) {
		var out bytes.Buffer
		_, err := e.RunTasks(ctx, claudeforce.Tasks{
			In:  strings.NewReader(`{"id":"a","agent":"code-reviewer","task":"Review the SQL query of the weekly report [[say a]]"}` + "\n"),
			Out: &out, Via: claudeforce.LaneBatch, Defaults: claudeforce.Run{Memory: claudeforce.MemoryOn, Reuse: claudeforce.ReuseNever},
		})
		return out.String(), err
	}
	remember("Review the SQL query of the monthly report [[say first]]")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-submitted
		cancel()
	}()
	if out, err := tasks(ctx); err == nil {
		t.Fatalf("it was not interrupted: %s", out)
	}
	remember("Review the SQL query of the daily report [[say second]]")
	out, err := tasks(t.Context())
	if err != nil || !strings.Contains(out, `"output":"a"`) {
		t.Fatal(out, err)
	}
	if n := server.Stats().Batches; n != 1 || !strings.Contains(sent.list[0], "Relevant past work") || strings.Contains(sent.list[0], "say second") {
		t.Errorf("%d batches, or other past work in the first", n)
	}
	if got := tasksOf(t, e); len(got) != 3 {
		t.Errorf("remembered %q", got)
	}
}

// An embedding service takes the place of the built-in encoder.
func TestAnEmbeddingServiceBySetting(t *testing.T) {
	var mu sync.Mutex
	var keys []string
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var ask struct{ Input []string }
		if err := json.NewDecoder(r.Body).Decode(&ask); err != nil {
			t.Error(err)
		}
		mu.Lock()
		keys = append(keys, r.Header.Get("Authorization"))
		mu.Unlock()
		vectors := [][]float64{}
		for _, text := range ask.Input {
			v := []float64{1, 0.1}
			if strings.Contains(text, "cake") {
				v = []float64{-0.1, 1}
			}
			vectors = append(vectors, v)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"embeddings": vectors})
	}))
	defer service.Close()
	_, url := simulate(t, sim.Options{})
	e := open(t, claudeforce.Options{
		Getenv:   environment(t, url, "CLAUDE_FORCE_EMBED_KEY", "sk-embed"),
		Settings: map[string]string{"embed.api": "ollama", "embed.url": service.URL, "embed.model": "all-minilm"},
	})
	for _, task := range []string{"tune the query", "bake a cake"} {
		if _, err := e.Run(t.Context(), claudeforce.Run{Agent: "code-reviewer", Task: task}); err != nil {
			t.Fatal(err)
		}
	}
	found, err := e.SearchMemory(t.Context(), "index the table", claudeforce.MemoryFilter{}, 1)
	if err != nil || !found.ByMeaning || len(found.Sessions) != 1 || found.Sessions[0].Task != "tune the query" {
		t.Errorf("found %+v, %v", found, err)
	}
	stats, err := e.MemoryStats(t.Context())
	if err != nil || !strings.HasPrefix(stats.Space, "ollama/") || stats.Embedded != 2 {
		t.Errorf("stats %+v, %v", stats, err)
	}
	if len(keys) == 0 || keys[0] != "Bearer sk-embed" {
		t.Errorf("keys %q", keys)
	}
	// Without the service, words have to do.
	service.Close()
	found, err = e.SearchMemory(t.Context(), "tune a query", claudeforce.MemoryFilter{}, 1)
	if err != nil || found.ByMeaning || found.Warning == "" || strings.Contains(found.Warning, "sk-embed") || len(found.Sessions) != 1 {
		t.Errorf("without the service: %+v, %v", found, err)
	}
	r, err := e.Run(t.Context(), claudeforce.Run{Agent: "code-reviewer", Task: "tune the query soon"})
	if err != nil || !strings.Contains(strings.Join(r.Warnings, "\n"), "by words only") {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestAnEmptyMemory(t *testing.T) {
	e := open(t, claudeforce.Options{Getenv: environment(t, "http://127.0.0.1:1")})
	if found, err := e.SearchMemory(t.Context(), "x", claudeforce.MemoryFilter{}, 0); err != nil || len(found.Sessions) != 0 {
		t.Errorf("search: %+v, %v", found, err)
	}
	if stats, err := e.MemoryStats(t.Context()); err != nil || stats.Sessions != 0 || stats.ByAgent == nil {
		t.Errorf("stats: %+v, %v", stats, err)
	}
	if n, err := e.PruneMemory(t.Context(), time.Hour); n != 0 || err != nil {
		t.Errorf("prune: %d, %v", n, err)
	}
	if err := e.ReindexMemory(t.Context(), nil); err != nil {
		t.Errorf("reindex: %v", err)
	}
	if _, err := e.ForgetSessions(t.Context(), []string{"1"}); claudeforce.AsError(err).Code != claudeforce.CodeUsage {
		t.Errorf("forget: %v", err)
	}
}
