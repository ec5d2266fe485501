package selector_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/claude-force/claude-force/internal/embed"
	"github.com/claude-force/claude-force/internal/selector"
)

// team is a handful of agents in both styles: plain Markdown, and a description
// with examples.
func team() []selector.Agent {
	return []selector.Agent{
		{
			Name: "database-architect", Domains: []string{"database", "sql", "migrations"}, Priority: 1,
			Body: "# Database Architect\n\n## Role\nDesigns schemas and makes queries fast.\n\n" +
				"## When to use\n**Use for:**\n- Slow SQL queries and missing indexes\n- Schema migrations without downtime\n\n" +
				"**Don't use for:**\n- Dashboards and charts (use data-analyst)\n- Recipes and other cooking\n",
		},
		{
			Name: "data-analyst", Domains: []string{"analytics"}, Priority: 2,
			Body: "# Data Analyst\n\n## Role\nFinds out what numbers mean.\n\n## Responsibilities\n- Cohorts, retention, significance tests\n",
		},
		{
			Name: "web-developer",
			Description: "Use this agent when a page or a form has to be built in React. Examples: <example>Context: a shop. " +
				"user: \"Add a wishlist button to the product card\" assistant: \"I'll use the web-developer agent\"</example>",
		},
		{Name: "security-specialist", Domains: []string{"security", "authentication"}, Examples: []string{"Is our password reset safe against guessing?"}},
		{Name: "empty"},
	}
}

// encoder is the real one; it remembers the areas of work, which all tests embed.
var encoder = sync.OnceValue(func() selector.Embedder { return embed.New(embed.Options{CacheEntries: 8192}) })

func recommend(t *testing.T, s *selector.Selector, task string) selector.Result {
	t.Helper()
	r, err := s.Recommend(t.Context(), task, 3)
	if err != nil {
		t.Fatalf("%.60q: %v", task, err)
	}
	for i, item := range r.Items {
		if !(item.Confidence >= 0 && item.Confidence <= 1) || math.IsNaN(item.Lexical+item.Semantic) || item.Reason == "" {
			t.Errorf("%.60q: item %d is %+v", task, i, item)
		}
		if i > 0 && item.Confidence > r.Items[i-1].Confidence {
			t.Errorf("%.60q: items are not sorted", task)
		}
	}
	return r
}

func modes(t *testing.T, test func(t *testing.T, o selector.Options)) {
	t.Run("meaning", func(t *testing.T) { test(t, selector.Options{Embedder: encoder()}) })
	t.Run("words", func(t *testing.T) { test(t, selector.Options{}) })
	t.Run("keywords", func(t *testing.T) { test(t, selector.Options{Keywords: true}) })
}

func TestRecommend(t *testing.T) {
	s := selector.New(team(), selector.Options{Embedder: encoder()})
	for _, c := range []struct{ task, want string }{
		{"this select does a full scan over 80 million rows", "database-architect"},
		{"Migrating the schema, and nobody may notice", "database-architect"},
		{"a chart of weekly sign-ups", "data-analyst"}, // which another agent sends here
		{"put a wishlist button on the card", "web-developer"},
		{"can somebody break into the admin area", "security-specialist"},
		{"is the login safe?", "security-specialist"},
	} {
		r := recommend(t, s, c.task)
		if r.NoneFits || !r.Semantic || r.Warning != "" || r.Items[0].Agent != c.want {
			t.Errorf("%q: got %+v, want %s", c.task, r, c.want)
		}
	}
	for _, task := range []string{"bake a chocolate cake for eight people", "what will the weather be like in Rome", "🚀🔥", "12 345"} {
		if r := recommend(t, s, task); !r.NoneFits || len(r.Items) != 3 {
			t.Errorf("%q: got %+v, want none", task, r)
		}
	}
}

func TestReasonsNameWhatDecided(t *testing.T) {
	item := recommend(t, selector.New(team(), selector.Options{Embedder: encoder()}), "our SQL queries are slow").Items[0]
	if item.Agent != "database-architect" || item.Example != "Slow SQL queries and missing indexes" {
		t.Fatalf("got %+v", item)
	}
	if want := []string{"queries", "slow", "sql"}; len(item.Words) != 3 || !strings.Contains(fmt.Sprint(want), item.Words[0]) {
		t.Errorf("words %q, want %q in some order", item.Words, want)
	}
	for _, part := range []string{"“sql”", " and “", "sounds like database work, which it knows", "“Slow SQL queries and missing indexes”"} {
		if !strings.Contains(item.Reason, part) {
			t.Errorf("the reason %q does not say %q", item.Reason, part)
		}
	}
}

// Each agent is first for its name, its description and its examples.
func TestEveryAgentIsReachable(t *testing.T) {
	modes(t, func(t *testing.T, o selector.Options) {
		for _, size := range []int{1, 3, 40, 200} {
			agents := invented(size)
			s := selector.New(agents, o)
			for _, a := range agents {
				for _, task := range []string{a.Name, strings.ReplaceAll(a.Name, "-", " "), a.Description, a.Examples[0]} {
					if r := recommend(t, s, task); r.Items[0].Agent != a.Name || r.NoneFits {
						t.Fatalf("of %d, %q: got %s (none fits: %t), want %s", size, task, r.Items[0].Agent, r.NoneFits, a.Name)
					}
				}
			}
		}
	})
}

// invented makes agents, each with words of its own.
func invented(n int) []selector.Agent {
	random := rand.New(rand.NewPCG(7, 7))
	used := map[string]bool{}
	var word func() string
	word = func() string {
		var b strings.Builder
		for range 3 {
			b.WriteByte("bdfgklmnprstvz"[random.IntN(14)])
			b.WriteByte("aeiou"[random.IntN(5)])
		}
		if used[b.String()] {
			return word()
		}
		used[b.String()] = true
		return b.String()
	}
	agents := make([]selector.Agent, n)
	for i := range agents {
		a := &agents[i]
		a.Name = fmt.Sprintf("%s-%s", word(), word())
		a.Domains = []string{word(), word()}
		a.Description = fmt.Sprintf("Cares for %s, %s and %s.", word(), word(), word())
		a.Examples = []string{fmt.Sprintf("Please check the %s of our %s", word(), word())}
		a.Body = fmt.Sprintf("# %s\n\n## Responsibilities\n- %s and %s\n- %s\n", a.Name, word(), word(), word())
	}
	return agents
}

// Names that say nothing are found by name all the same.
func TestNamesOfOrdinaryWords(t *testing.T) {
	modes(t, func(t *testing.T, o selector.Options) {
		s := selector.New([]selector.Agent{{Name: "helper"}, {Name: "the-agent"}, {Name: "c++"}, {Name: ".net"}, {Name: "日本語"}}, o)
		for _, name := range []string{"helper", "the-agent", "c++", ".net", "日本語"} {
			if got := recommend(t, s, name).Items[0].Agent; got != name {
				t.Errorf("got %q for %q", got, name)
			}
		}
	})
}

func TestStrangeTasks(t *testing.T) {
	binary := make([]byte, 1<<20)
	for i := range binary {
		binary[i] = byte(i * 7)
	}
	modes(t, func(t *testing.T, o selector.Options) {
		agents := append(team(), selector.Agent{Name: "translator", Description: "翻译文件,检查语法"}, selector.Agent{Name: "محرر", Description: "يكتب النصوص ويصححها"})
		s := selector.New(agents, o)
		for _, task := range []string{"", " \n\t", "\xff\xfe"} {
			if _, err := s.Recommend(t.Context(), task, 3); !errors.Is(err, selector.ErrEmptyTask) {
				t.Errorf("%q: got %v", task, err)
			}
		}
		recommend(t, s, strings.Repeat("slow sql query ", 1<<16))
		recommend(t, s, strings.Repeat("x", 1<<20))
		recommend(t, s, string(binary))
		recommend(t, s, "\x00")
		recommend(t, s, "to-do")
		recommend(t, s, "a/b/c/d/e/f/g +++ ### ... --- ''' #")
		for task, want := range map[string]string{"请翻译这个文件": "translator", "صحح النصوص": "محرر", "👩‍💻 fix the slow sql query 🙏": "database-architect"} {
			if got := recommend(t, s, task).Items[0].Agent; got != want {
				t.Errorf("%q: got %s, want %s", task, got, want)
			}
		}
	})
}

func TestCollections(t *testing.T) {
	modes(t, func(t *testing.T, o selector.Options) {
		if r := recommend(t, selector.New(nil, o), "fix the login"); !r.NoneFits || len(r.Items) != 0 {
			t.Errorf("of no agents: got %+v", r)
		}
		one := selector.New(team()[:1], o)
		if r := recommend(t, one, "our SQL query is slow"); r.NoneFits || len(r.Items) != 1 {
			t.Errorf("of one agent: got %+v", r)
		}
		if r := recommend(t, one, "bake a chocolate cake"); !r.NoneFits {
			t.Errorf("of one agent: got %+v", r)
		}
		empty := selector.New([]selector.Agent{{}, {Name: "beta"}, {Name: "alpha"}}, o)
		if r := recommend(t, empty, "bake a chocolate cake"); !r.NoneFits || len(r.Items) != 3 {
			t.Errorf("of agents that say nothing: got %+v", r)
		}
	})
}

func TestTies(t *testing.T) {
	modes(t, func(t *testing.T, o selector.Options) {
		s := selector.New([]selector.Agent{
			{Name: "q", Description: "Writes SQL"},
			{Name: "p", Description: "Writes SQL"},
			{Name: "b", Description: "Writes SQL", Priority: 2},
			{Name: "a", Description: "Writes SQL", Priority: 3},
		}, o)
		r, err := s.Recommend(t.Context(), "write some SQL", 0)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, item := range r.Items {
			got = append(got, item.Agent)
		}
		// With vectors, the passage that holds the name makes a difference.
		if o.Embedder == nil && fmt.Sprint(got) != "[b a p q]" {
			t.Errorf("got %v", got)
		}
	})
}

func TestTop(t *testing.T) {
	s := selector.New(invented(100), selector.Options{})
	for top, want := range map[int]int{-1: 64, 0: 64, 1: 1, 64: 64, 1000: 64} {
		r, err := s.Recommend(t.Context(), "anything", top)
		if err != nil || len(r.Items) != want {
			t.Errorf("top %d: got %d items, %v", top, len(r.Items), err)
		}
	}
}

// fake makes vectors from letters: cheap, and the same for the same text.
type fake struct {
	texts atomic.Int64
	fail  atomic.Bool
	width int
}

func (f *fake) Space() string { return "fake" }

func (f *fake) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if f.fail.Load() {
		return nil, errors.New("the encoder is out of order")
	}
	f.texts.Add(int64(len(texts)))
	width := f.width
	if width == 0 {
		width = 512
	}
	vectors := make([][]float32, len(texts))
	for i, text := range texts {
		v := make([]float32, width)
		for word := range strings.FieldsSeq(strings.ToLower(text)) {
			h := fnv.New32a()
			h.Write([]byte(word))
			v[int(h.Sum32())%width]++
		}
		var squares float64
		for _, x := range v {
			squares += float64(x * x)
		}
		for k := range v {
			v[k] /= float32(max(1, math.Sqrt(squares)))
		}
		vectors[i] = v
	}
	return vectors, nil
}

func TestFailingEmbedder(t *testing.T) {
	e := &fake{}
	e.fail.Store(true)
	s := selector.New(team(), selector.Options{Embedder: e})
	r := recommend(t, s, "our SQL query is slow")
	if r.Semantic || !strings.Contains(r.Warning, "words only") || !strings.Contains(r.Warning, "out of order") || r.Items[0].Agent != "database-architect" {
		t.Errorf("got %+v", r)
	}
	words := recommend(t, selector.New(team(), selector.Options{}), "our SQL query is slow")
	if !reflect.DeepEqual(r.Items, words.Items) {
		t.Errorf("got %+v, with words only %+v", r.Items, words.Items)
	}
	if _, err := s.Evaluate(t.Context(), []selector.Labelled{{Task: "x", Agent: "empty"}}); err == nil || !strings.Contains(err.Error(), "out of order") {
		t.Errorf("got %v", err)
	}
	if _, err := s.Shadows(t.Context()); err == nil {
		t.Error("shadows without vectors")
	}
	e.fail.Store(false)
	if r := recommend(t, s, "our SQL query is slow"); !r.Semantic || r.Warning != "" {
		t.Errorf("got %+v after the embedder was mended", r)
	}
	e.fail.Store(true)
	if r := recommend(t, s, "our SQL query is slow"); r.Semantic || r.Warning == "" {
		t.Errorf("got %+v after the embedder broke again", r)
	}
}

// odd answers with vectors that cannot be right.
type odd func(texts []string) [][]float32

func (f odd) Embed(_ context.Context, texts []string) ([][]float32, error) { return f(texts), nil }

func TestOddEmbedders(t *testing.T) {
	for name, f := range map[string]odd{
		"none":  func([]string) [][]float32 { return nil },
		"few":   func(texts []string) [][]float32 { return make([][]float32, len(texts)-1) },
		"empty": func(texts []string) [][]float32 { return make([][]float32, len(texts)) },
		"lengths": func(texts []string) [][]float32 {
			return rows(len(texts), func(i int) []float32 { return make([]float32, 1+i%2) })
		},
		"task": func(texts []string) [][]float32 {
			return rows(len(texts), func(int) []float32 { return make([]float32, min(2, len(texts))) })
		},
	} {
		if r := recommend(t, selector.New(team(), selector.Options{Embedder: f}), "our SQL query is slow"); r.Warning == "" || r.Semantic {
			t.Errorf("%s: got %+v", name, r)
		}
	}
	nan := float32(math.NaN())
	for name, row := range map[string][]float32{"zeros": {0, 0}, "NaN": {nan, nan}, "infinite": {float32(math.Inf(1)), 1}} {
		s := selector.New(team(), selector.Options{Embedder: odd(func(texts []string) [][]float32 { return rows(len(texts), func(int) []float32 { return row }) })})
		if r := recommend(t, s, "our SQL query is slow"); r.Semantic != (name == "zeros") {
			t.Errorf("%s: got %+v", name, r)
		}
	}
}

func rows(n int, row func(int) []float32) [][]float32 {
	list := make([][]float32, n)
	for i := range list {
		list[i] = row(i)
	}
	return list
}

// kept is a store of vectors in memory.
type kept struct {
	mu sync.Mutex
	m  map[[32]byte][]float32
}

func (k *kept) Vectors(_ context.Context, _ string, keys [][32]byte) ([][]float32, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return rows(len(keys), func(i int) []float32 { return k.m[keys[i]] }), nil
}

func (k *kept) PutVectors(_ context.Context, _ string, keys [][32]byte, vectors [][]float32) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, key := range keys {
		k.m[key] = vectors[i]
	}
	return nil
}

// An edited agent is another one at once, and only what is new is embedded.
func TestEditedAgent(t *testing.T) {
	e := &fake{}
	embedder := embed.Keep(e, &kept{m: map[[32]byte][]float32{}})
	agents := invented(50)
	recommend(t, selector.New(agents, selector.Options{Embedder: embedder}), agents[3].Description)
	e.texts.Store(0)
	agents[7].Description = "Bakes sourdough and cakes."
	r := recommend(t, selector.New(agents, selector.Options{Embedder: embedder}), "bake a sourdough cake")
	if r.Items[0].Agent != agents[7].Name {
		t.Errorf("got %+v", r)
	}
	if n := e.texts.Load(); n > 4 {
		t.Errorf("%d texts were embedded for one edited agent and a task", n)
	}
}

func TestContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := selector.New(team(), selector.Options{Embedder: &fake{}})
	if _, err := s.Recommend(ctx, "fix the login", 3); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Shadows(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	// A call that was given up leaves the vectors to the next one.
	if r := recommend(t, s, "fix the login"); !r.Semantic {
		t.Errorf("got %+v", r)
	}
}

func TestProgress(t *testing.T) {
	var last, calls int
	s := selector.New(team(), selector.Options{Embedder: &fake{}, Progress: func(done, total int) {
		if done < last || done > total {
			t.Errorf("%d of %d after %d", done, total, last)
		}
		last, calls = done, calls+1
		if done == total {
			calls += 1000
		}
	}})
	recommend(t, s, "fix the login")
	before := calls
	recommend(t, s, "fix the logout")
	if before < 1002 || calls != before {
		t.Errorf("%d calls, then %d", before, calls)
	}
}

func TestConcurrentUse(t *testing.T) {
	e := &fake{}
	s := selector.New(team(), selector.Options{Embedder: e})
	want := recommend(t, selector.New(team(), selector.Options{Embedder: &fake{}}), "our SQL query is slow")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if r, err := s.Recommend(t.Context(), "our SQL query is slow", 3); err != nil || !reflect.DeepEqual(r, want) {
					t.Errorf("got %+v, %v, want %+v", r, err, want)
				}
			}
		})
	}
	wg.Wait()
}

func TestTenThousandAgents(t *testing.T) {
	agents := invented(10_000)
	s := selector.New(agents, selector.Options{Embedder: &fake{width: 64}})
	for _, i := range []int{0, 4321, 9999} {
		if r := recommend(t, s, agents[i].Name); r.Items[0].Agent != agents[i].Name {
			t.Errorf("got %+v, want %s", r.Items[0], agents[i].Name)
		}
	}
}

func TestShadows(t *testing.T) {
	agents := append(team(), selector.Agent{
		Name: "sql-expert", Domains: []string{"SQL"}, Body: strings.Replace(team()[0].Body, "Database Architect", "SQL Expert", 1),
	})
	modes(t, func(t *testing.T, o selector.Options) {
		list, err := selector.New(agents, o).Shadows(t.Context())
		if err != nil || len(list) != 1 || list[0].A != "database-architect" || list[0].B != "sql-expert" {
			t.Fatalf("got %+v, %v", list, err)
		}
		if s := list[0]; !(s.Similarity > 0.6 && s.Similarity <= 1) || !strings.Contains(s.Why, "domain “sql”") {
			t.Errorf("got %+v", s)
		}
	})
}

// Other areas of work bring other words together.
func TestAreas(t *testing.T) {
	agents := []selector.Agent{{Name: "baker", Domains: []string{"pastry"}}, {Name: "gardener", Domains: []string{"plants"}}}
	for _, e := range []selector.Embedder{nil, &fake{}} {
		o := selector.Options{Embedder: e, Areas: "ignored\n+ ignored\n# baking: pastry dough\n+ oven flour\nthe cake does not rise\n# growing: plants\n# title only\n"}
		if r := recommend(t, selector.New(agents, o), "my oven is too hot for flour"); r.Items[0].Agent != "baker" || !strings.Contains(r.Items[0].Reason, "sounds like baking work") {
			t.Errorf("got %+v", r)
		}
		o.Areas = "no area"
		recommend(t, selector.New(agents, o), strings.Repeat("cook a dinner, a recipe for soup and pasta ", 100))
	}
}
