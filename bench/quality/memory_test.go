package quality

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/embed"
	"github.com/claude-force/claude-force/internal/layer/recall"
	sessions "github.com/claude-force/claude-force/internal/memory"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

// grouped is a task and the group of those that ask for the same.
type grouped struct{ Task, Group string }

func readGroups(t *testing.T) (list []grouped) {
	t.Helper()
	f, err := os.Open("testdata/memory.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var g grouped
		if err := json.Unmarshal(lines.Bytes(), &g); err != nil {
			t.Fatal(err)
		}
		list = append(list, g)
	}
	return list
}

// TestMemory looks for each task among the others as a run would.
func TestMemory(t *testing.T) {
	tasks := readGroups(t)
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	m := sessions.New(sessions.Options{
		Store: db.Sessions(), Embedder: embed.Center(embed.New(embed.Options{})), Index: filepath.Join(dir, "sessions"),
		Warn: func(err error) { t.Error(err) },
	})
	group := map[string]string{}
	for i, g := range tasks {
		group[g.Task] = g.Group
		s := sessions.Session{Agent: "a", Task: g.Task, Output: "done", Succeeded: true, At: time.Unix(1e9+int64(i), 0)}
		if err := m.Remember(t.Context(), s, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Reindex(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	var first, among, quoted, right int
	for _, g := range tasks {
		f := sessions.Filter{ExceptTask: sessions.TaskHash(g.Task), Limit: recall.Quoted}
		found, err := m.Search(t.Context(), g.Task, f)
		if err != nil || len(found.Matches) != recall.Quoted {
			t.Fatal(found, err)
		}
		for i, match := range found.Matches {
			same := group[match.Task] == g.Group
			if same && i == 0 {
				first++
			}
			if same {
				among++
				break
			}
		}
		if best := found.Matches[0]; best.Similarity >= recall.Similar {
			quoted++
			if group[best.Task] == g.Group {
				right++
			}
		}
	}
	n := len(tasks)
	figures := map[string]float64{"nearest": share(first, n), "among three": share(among, n), "quoted rightly": share(right, quoted)}
	t.Logf("memory: the nearest is of the group %.3f, one of three %.3f; of %d of %d that would be quoted %.3f rightly",
		figures["nearest"], figures["among three"], quoted, n, figures["quoted rightly"])
	onRecord(t, "memory", figures)
}
