package memory_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/claude-force/claude-force/internal/memory"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

func TestSimilarMeansSimilarInMeaning(t *testing.T) {
	for name, path := range map[string]string{"file": filepath.Join(t.TempDir(), "state.db"), "memory": sqlite.Memory} {
		t.Run(name, func(t *testing.T) {
			w := openWorld(t, path)
			w.keep(session("sql join two tables"), session("cake bake a chocolate cake"), session("sql index for a query"))
			matches, vector, err := w.Similar(t.Context(), "sql join two tables", memory.Filter{AtLeast: 0.5})
			if err != nil {
				t.Fatal(err)
			}
			if got := tasksOf(matches); !slices.Equal(got, []string{"sql join two tables", "sql index for a query"}) {
				t.Errorf("found %q", got)
			}
			if s := matches[0].Similarity; s < 0.999 || s > 1 {
				t.Errorf("the same task has similarity %v", s)
			}
			if !slices.Equal(vector, w.embed.vector("sql join two tables")) {
				t.Error("the vector is not that of the task")
			}
			want := session("sql join two tables")
			want.ID, want.TaskHash = matches[0].ID, memory.TaskHash(want.Task)
			if got := matches[0].Session; !reflect.DeepEqual(got, want) {
				t.Errorf("session = %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestFilters(t *testing.T) {
	w := newWorld(t)
	base := session("sql one")
	with := func(task string, change func(*memory.Session)) memory.Session {
		s := base
		s.Task = task
		change(&s)
		return s
	}
	w.keep(
		base,
		with("sql failed", func(s *memory.Session) { s.Succeeded, s.Error, s.Unpriced, s.Cost = false, "timeout", true, 0 }),
		with("sql agent", func(s *memory.Session) { s.Agent = "reviewer" }),
		with("sql project", func(s *memory.Session) { s.Project = "p" }),
		with("sql old", func(s *memory.Session) { s.At = today.Add(-30 * 24 * time.Hour) }),
	)
	day := 24 * time.Hour
	for name, test := range map[string]struct {
		filter memory.Filter
		want   []string
	}{
		"all":     {memory.Filter{Limit: 9}, []string{"sql agent", "sql failed", "sql old", "sql one", "sql project"}},
		"success": {memory.Filter{SuccessOnly: true}, []string{"sql agent", "sql old", "sql one", "sql project"}},
		"agent":   {memory.Filter{Agent: "reviewer"}, []string{"sql agent"}},
		"project": {memory.Filter{Project: "p"}, []string{"sql project"}},
		"since":   {memory.Filter{Since: base.At}, []string{"sql agent", "sql failed", "sql one", "sql project"}},
		"after":   {memory.Filter{Since: base.At.Add(time.Millisecond)}, []string{}},
		"until":   {memory.Filter{Until: base.At}, []string{"sql old"}},
		"window":  {memory.Filter{Since: today.Add(-31 * day), Until: today.Add(-29 * day)}, []string{"sql old"}},
		"except":  {memory.Filter{ExceptTask: memory.TaskHash("sql one")}, []string{"sql agent", "sql failed", "sql old", "sql project"}},
		"nobody":  {memory.Filter{Agent: "nobody"}, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.similar("sql question", test.filter)
			slices.Sort(got)
			if !slices.Equal(got, test.want) {
				t.Errorf("found %q, want %q", got, test.want)
			}
			found, err := w.Search(t.Context(), "sql question", test.filter)
			if byMeaning := tasksOf(found.Matches); err != nil || !found.ByMeaning || len(byMeaning) != len(test.want) {
				t.Errorf("Search = %q, %v, %v", byMeaning, found.ByMeaning, err)
			}
		})
	}
}

// Filters are applied during the scan: what they let through is found behind
// any number of nearer sessions.
func TestFiltersLeaveEnough(t *testing.T) {
	w := newWorld(t)
	list := many(1, 2000)
	rare := session("topic9 far away")
	rare.Agent = "rare"
	w.keep(append(list, rare)...)
	if got := w.similar("topic0 question", memory.Filter{Agent: "rare"}); !slices.Equal(got, []string{"topic9 far away"}) {
		t.Errorf("found %q", got)
	}
}

func TestCopiesDoNotFillTheResult(t *testing.T) {
	w := newWorld(t)
	var list []memory.Session
	for i := range 300 {
		s := session("sql the same task")
		s.At = s.At.Add(time.Duration(i) * time.Second)
		list = append(list, s)
	}
	w.keep(append(list, session("sql another"), session("sql a third"))...)
	got := w.similar("sql the same task", memory.Filter{Limit: 3})
	slices.Sort(got)
	if want := []string{"sql a third", "sql another", "sql the same task"}; !slices.Equal(got, want) {
		t.Errorf("found %q", got)
	}
	matches, _, err := w.Similar(t.Context(), "sql the same task", memory.Filter{Limit: 1})
	if err != nil || len(matches) != 1 || !matches[0].At.Equal(list[299].At) {
		t.Errorf("of copies the newest counts: %v, %v", matches, err)
	}
	found, err := w.Search(t.Context(), "sql the same task", memory.Filter{Limit: 3})
	if err != nil || len(found.Matches) != 3 || found.Matches[2].Task != "sql the same task" {
		t.Errorf("Search leaves copies out: %q, %v", tasksOf(found.Matches), err)
	}
}

func TestVectorsFollowInTheBackground(t *testing.T) {
	w := newWorld(t)
	for _, task := range []string{"sql one", "sql two", "cake three"} {
		if err := w.Remember(t.Context(), session(task), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Remember(t.Context(), session("late"), nil); !errors.Is(err, memory.ErrClosed) {
		t.Errorf("Remember after Close = %v", err)
	}
	if _, _, err := w.Similar(t.Context(), "late", memory.Filter{}); !errors.Is(err, memory.ErrClosed) {
		t.Errorf("Similar after Close = %v", err)
	}
	other := openWorld(t, w.path)
	if got := other.similar("sql one", memory.Filter{AtLeast: 0.5}); len(got) != 2 {
		t.Errorf("found %q", got)
	}
	stats, err := other.Stats(t.Context())
	if err != nil || stats.Sessions != 3 || stats.Embedded["topics"] != 3 || stats.Agents["coder"] != 3 || !stats.Oldest.Equal(session("").At) {
		t.Errorf("stats = %+v, %v", stats, err)
	}
	if w.embed.calls != 3 || other.embed.calls != 1 {
		t.Errorf("embedded %d and %d texts", w.embed.calls, other.embed.calls)
	}
}

// An embedder that never answers does not keep Close waiting for ever, and the
// next process takes up its work.
func TestCloseIsBounded(t *testing.T) {
	stuck := &stuckEmbedder{topics: topics{space: "topics"}, called: make(chan struct{}, 1)}
	w := newWorld(t, func(o *memory.Options) { o.Embedder = stuck })
	if err := w.Remember(t.Context(), session("sql one"), nil); err != nil {
		t.Fatal(err)
	}
	<-stuck.called
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close = %v", err)
	}
	other := openWorld(t, w.path)
	if _, err := other.Housekeep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := other.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if stats, err := other.Stats(t.Context()); err != nil || stats.Embedded["topics"] != 1 {
		t.Errorf("stats = %+v, %v", stats, err)
	}
}

type stuckEmbedder struct {
	topics
	called chan struct{}
}

func (e *stuckEmbedder) Embed(ctx context.Context, _ []string) ([][]float32, error) {
	e.called <- struct{}{}
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestOddTasksAreKept(t *testing.T) {
	w := newWorld(t)
	large := "large " + strings.Repeat("0123456789abcdef", 1<<16) // 1 MB
	odd := map[string]string{
		"empty": "", "large": large, "binary": "binary \xff\xfe\x00\x80" + strings.Repeat("\xc3", 100_000),
		"emoji": "emoji 👩‍👩‍👧‍👦🏳️‍🌈", "chinese": "请 审查代码并修复错误", "rtl": "راجع الكود \u202eevil", "nul": "nul a\x00b",
	}
	for _, task := range odd {
		s := session(task)
		s.Agent, s.Output = strings.Repeat("é", 200), task
		if err := w.Remember(t.Context(), s, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := openWorld(t, w.path)
	for name, task := range odd {
		matches, _, err := other.Similar(t.Context(), task, memory.Filter{Limit: 1})
		if err != nil || len(matches) != 1 {
			t.Fatalf("%s: %d matches, %v", name, len(matches), err)
		}
		m := matches[0]
		if m.TaskHash != memory.TaskHash(task) || m.Similarity < 0.99 {
			t.Errorf("%s: found %q with %v", name, m.Task[:min(20, len(m.Task))], m.Similarity)
		}
		if len(m.Task) > memory.MaxTask || len(m.Output) > memory.MaxOutput || !utf8.ValidString(m.Task+m.Output+m.Agent) {
			t.Errorf("%s: %d and %d bytes are kept, valid %v", name, len(m.Task), len(m.Output), utf8.ValidString(m.Task))
		}
		if name == "large" && (!strings.HasPrefix(m.Output, "large 0") || !strings.HasSuffix(m.Output, "ef") || !strings.Contains(m.Output, "bytes left out")) {
			t.Errorf("%s: the cut output is %q ... %q", name, m.Output[:10], m.Output[len(m.Output)-10:])
		}
	}
}

func TestVectorsOfNoUse(t *testing.T) {
	w := newWorld(t)
	for _, v := range [][]float32{{}, make([]float32, dimensions), {nan()}, {1, nan()}, make([]float32, 100_000)} {
		if err := w.Remember(t.Context(), session("sql one"), v); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(w.warned()); got != 5 {
		t.Errorf("%d warnings", got)
	}
	if err := w.Close(t.Context()); err != nil { // the embedder helps out
		t.Fatal(err)
	}
	if stats, err := w.Stats(t.Context()); err != nil || stats.Embedded["topics"] != 5 {
		t.Errorf("stats = %+v, %v", stats, err)
	}
}

func nan() float32 { var zero float32; return zero / zero }

func TestSearchFallsBackToWords(t *testing.T) {
	broken := errors.New("the weights are damaged")
	for name, embedder := range map[string]memory.Embedder{"none": nil, "broken": &topics{space: "topics", err: broken}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(o *memory.Options) { o.Embedder = embedder })
			for _, task := range []string{"review the login form", "review the tables of the invoices", "bake a cake", "修复登录错误"} {
				if err := w.Remember(t.Context(), session(task), nil); err != nil {
					t.Fatal(err)
				}
			}
			for question, want := range map[string]string{"Login form?": "review the login form", "the INVOICES": "review the tables of the invoices", "登录": "修复登录错误"} {
				found, err := w.Search(t.Context(), question, memory.Filter{Limit: 1})
				if err != nil || found.ByMeaning || found.Why == nil || len(found.Matches) != 1 || found.Matches[0].Task != want {
					t.Errorf("Search(%s) = %+v, %v", question, found, err)
				} else if m := found.Matches[0]; m.Output == "" || m.Similarity <= 0 || m.Similarity > 1 {
					t.Errorf("match = %+v", m)
				}
			}
			if found, err := w.Search(t.Context(), "zebra ?!", memory.Filter{}); err != nil || len(found.Matches) != 0 {
				t.Errorf("Search = %+v, %v", found, err)
			}
			if _, _, err := w.Similar(t.Context(), "login", memory.Filter{}); name == "none" && !errors.Is(err, memory.ErrNoEmbedder) || err == nil {
				t.Errorf("Similar = %v", err)
			}
		})
	}
}

func TestReindexForAnotherEmbedder(t *testing.T) {
	w := newWorld(t)
	w.keep(many(3, 40)...)
	if got := w.similar("topic1 question", memory.Filter{}); len(got) != 5 {
		t.Fatalf("found %q", got)
	}
	w.close()
	other := &topics{space: "other", size: 100}
	o := openWorld(t, w.path, func(o *memory.Options) { o.Embedder = other })
	if got := o.similar("topic1 question", memory.Filter{}); len(got) != 0 {
		t.Errorf("vectors of two spaces were compared: %q", got)
	}
	var last [2]int64
	if err := o.Reindex(t.Context(), func(done, total int64) { last = [2]int64{done, total} }); err != nil || last != [2]int64{120, 120} {
		t.Fatalf("Reindex = %v after %d", err, last)
	}
	_ = o.sideFile() // one, that of the other space
	for _, task := range o.similar("topic1 question", memory.Filter{}) {
		if !strings.HasPrefix(task, "topic1 ") {
			t.Errorf("found %q", task)
		}
	}
}

func TestFilesArePrivate(t *testing.T) {
	w := newWorld(t)
	w.keep(many(2, 100)...)
	_ = w.similar("topic1 question", memory.Filter{})
	names, err := filepath.Glob(filepath.Join(filepath.Dir(w.path), "*"))
	if err != nil || len(names) < 3 {
		t.Fatalf("files = %v, %v", names, err)
	}
	for _, name := range names {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", name, info.Mode(), err)
		}
	}
	if bytes.Contains(readFile(t, w.sideFile()), []byte("topic1")) {
		t.Error("the side file holds text")
	}
}

// Of 20,000 sessions around 400 points, the search keeps what an exact scan
// would find.
func TestRecall(t *testing.T) {
	w := newWorld(t)
	list := many(400, 50)
	w.keep(list...)
	codes := make([][]float32, len(list))
	for i, s := range list {
		codes[i] = w.embed.vector(s.Task)
	}
	const questions, nearest = 40, 3
	kept := 0
	for i := range questions {
		// Words that do not count: the exact scan goes by meaning alone.
		question := fmt.Sprintf("topic%d%s", i*3, strings.Repeat(" why", i+1))
		q := w.embed.vector(question)
		order := make([]int, len(list))
		score := make([]float64, len(list))
		for j, v := range codes {
			order[j] = j
			for d := range q {
				score[j] += float64(q[d]) * float64(v[d])
			}
		}
		slices.SortFunc(order, func(a, b int) int {
			if score[a] > score[b] {
				return -1
			}
			return 1
		})
		found, err := w.Search(t.Context(), question, memory.Filter{Limit: nearest})
		if err != nil || len(found.Matches) != nearest {
			t.Fatal(found, err)
		}
		for _, j := range order[:nearest] {
			if slices.Contains(tasksOf(found.Matches), list[j].Task) {
				kept++
			}
		}
	}
	recall := float64(kept) / (questions * nearest)
	t.Logf("recall@3 is %.3f", recall)
	if recall < 0.98 {
		t.Errorf("recall@3 is %.3f, want 0.98", recall)
	}
}

// Of tasks that mean much the same, those go first that speak of the same
// things.
func TestWordsInCommonCount(t *testing.T) {
	w := newWorld(t)
	w.keep(session("topic1 rotate the certificates"), session("topic1 rename the columns of invoices"), session("topic1 write a haiku"))
	found, err := w.Search(t.Context(), "topic1 invoice column names", memory.Filter{Limit: 3})
	if err != nil || len(found.Matches) != 3 {
		t.Fatal(found, err)
	}
	if found.Matches[0].Task != "topic1 rename the columns of invoices" {
		t.Errorf("found %q first", found.Matches[0].Task)
	}
	for i, m := range found.Matches {
		if m.Similarity < 0 || m.Similarity > 1 || i > 0 && m.Similarity > found.Matches[i-1].Similarity {
			t.Errorf("%q has %v", m.Task, m.Similarity)
		}
	}
}

// Who searches again finds the blocks of the side file in memory, also when it
// has grown, until they have not been used for a while.
func TestBlocksStayInMemory(t *testing.T) {
	now := today
	w := newWorld(t, func(o *memory.Options) {
		o.Idle = time.Hour
		o.Now = func() time.Time { return now }
	})
	w.keep(many(3, 1200)...)
	search := func(most int) {
		t.Helper()
		if got := w.similar("topic1 question", memory.Filter{Limit: 5}); len(got) == 0 || len(got) > most {
			t.Fatalf("found %d", len(got))
		}
	}
	search(5)
	if n := w.KeptBlocks(); n != 0 {
		t.Errorf("%d blocks are kept after one search", n)
	}
	search(5)
	if n := w.KeptBlocks(); n != 3 {
		t.Errorf("%d blocks are kept after two", n)
	}
	other := openWorld(t, w.path)
	other.keep(many(2, 600)...)
	other.similar("topic1 question", memory.Filter{}) // writes the file
	search(5)
	search(5)
	if n := w.KeptBlocks(); n != 4 {
		t.Errorf("%d blocks are kept after it has grown", n)
	}
	if found := w.similar("topic1 task 599", memory.Filter{Limit: 1}); len(found) != 1 {
		t.Errorf("found %q", found)
	}
	w.GiveBack()
	if n := w.KeptBlocks(); n != 4 {
		t.Errorf("%d blocks are kept while they are in use", n)
	}
	now = now.Add(2 * time.Hour)
	w.GiveBack()
	if n := w.KeptBlocks(); n != 0 {
		t.Errorf("%d blocks are kept by who is idle", n)
	}
	search(5)
}

// A session whose vector is made anew between two searches is found once.
func TestAVectorMadeAnewIsFoundOnce(t *testing.T) {
	w := newWorld(t)
	w.keep(many(3, 5)...)
	first := w.similar("topic1 task 2", memory.Filter{Limit: 100})
	other := openWorld(t, w.path)
	list, err := other.db.Sessions().VectorsAfter(t.Context(), "topics", 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.db.Sessions().SaveVectors(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		found, err := w.Search(t.Context(), "topic1 task 2", memory.Filter{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		seen := map[int64]bool{}
		for _, m := range found.Matches {
			if seen[m.ID] {
				t.Errorf("session %d is found twice", m.ID)
			}
			seen[m.ID] = true
		}
		if len(found.Matches) != len(list) || len(first) == 0 {
			t.Errorf("%d of %d sessions are found", len(found.Matches), len(list))
		}
	}
}
