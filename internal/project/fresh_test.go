package project_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/project"
)

const subText = "---\nname: %s\ndescription: D\n---\n%s"

// clocks are the two ways in which a file system's stamps can be judged: all
// changes are recent, or all lie long enough in the past to be trusted.
var clocks = []struct {
	name string
	now  func() time.Time
}{
	{"recent", time.Now},
	{"settled", func() time.Time { return time.Now().Add(time.Hour) }},
}

// editable opens a project with every kind of file an agent depends on.
func editable(t *testing.T, now func() time.Time) *project.Project {
	p := open(t, map[string]string{
		".claude/claude.json":         `{"agents": {"table": {"file": "agents/table.md", "contract": "table.txt", "priority": 1}}}`,
		".claude/agents/table.md":     "---\ndescription: D\nskills: [one, two]\nname: table\n---\nTable",
		".claude/table.txt":           "Contract",
		".claude/skills/one/SKILL.md": "One",
		".claude/agents/m/sub.md":     "---\nname: sub\nskills: one\n---\nSub",
		".claude/agents/n/other.md":   fmt.Sprintf(subText, "other", "Other"),
	})
	p.SetClock(now)
	return p
}

// rewrite changes a file to a text of the same length, keeps its time of
// modification and waits until the file system's clock has moved on, so that
// nothing but a change time can tell.
func rewrite(t *testing.T, p *project.Project, name, text string) {
	t.Helper()
	file := filepath.Join(p.Dir(), name)
	before, err := os.Stat(file)
	must(t, err)
	if int(before.Size()) != len(text) {
		t.Fatalf("%s: %d bytes, not %d", name, len(text), before.Size())
	}
	for moved := false; !moved; {
		must(t, os.WriteFile(file, []byte(text), 0o600))
		after, err := os.Stat(file)
		must(t, err)
		moved = !after.ModTime().Equal(before.ModTime())
	}
	must(t, os.Chtimes(file, time.Time{}, before.ModTime()))
}

func TestUnchangedIsSame(t *testing.T) {
	for _, c := range clocks {
		t.Run(c.name, func(t *testing.T) {
			p := editable(t, c.now)
			table, sub := agent(t, p, "table"), agent(t, p, "sub")
			list, err := p.Agents()
			must(t, err)
			if list.Agents[2] != table || list.Agents[1] != sub {
				t.Error("the list holds other agents")
			}
			put(t, p.Dir(), ".claude/agents/n/other.md", fmt.Sprintf(subText, "another", "Changed"))
			put(t, p.Dir(), ".claude/agents/a.md", fmt.Sprintf(subText, "new", "New"))
			now := time.Now().Add(time.Minute)
			must(t, os.Chtimes(filepath.Join(p.Dir(), ".claude/agents/table.md"), now, now)) // only touched
			if agent(t, p, "table") != table || agent(t, p, "sub") != sub {
				t.Error("an agent changed though its files did not")
			}
		})
	}
}

// TestEdits changes one file and looks at what the next call says.
func TestEdits(t *testing.T) {
	tests := []struct {
		name  string
		edit  func(t *testing.T, p *project.Project)
		agent string
		want  string // what the agent holds then
	}{
		{"definition", func(t *testing.T, p *project.Project) {
			rewrite(t, p, ".claude/agents/table.md", "---\ndescription: D\nskills: [one, two]\nname: table\n---\nCable")
		}, "table", "definition Cable"},
		{"contract", func(t *testing.T, p *project.Project) {
			rewrite(t, p, ".claude/table.txt", "contract")
		}, "table", "contract contract"},
		{"skill", func(t *testing.T, p *project.Project) {
			rewrite(t, p, ".claude/skills/one/SKILL.md", "Two")
		}, "sub", "skills one=Two"},
		{"missing skill appears", func(t *testing.T, p *project.Project) {
			put(t, p.Dir(), ".claude/skills/two/SKILL.md", "Two")
		}, "table", "skills one=One two=Two"},
		{"claude.json", func(t *testing.T, p *project.Project) {
			rewrite(t, p, ".claude/claude.json", `{"agents": {"table": {"file": "agents/table.md", "contract": "table.txt", "priority": 2}}}`)
		}, "table", "priority 2"},
		{"claude.json goes, front matter stays", func(t *testing.T, p *project.Project) {
			must(t, os.Remove(filepath.Join(p.Dir(), ".claude/claude.json")))
		}, "table", "origin sub-agent"},
		{"claude.json takes a name", func(t *testing.T, p *project.Project) {
			put(t, p.Dir(), ".claude/claude.json", `{"agents": {"sub": {"file": "agents/table.md"}}}`)
		}, "sub", "definition Table"},
		{"sub-agent", func(t *testing.T, p *project.Project) {
			rewrite(t, p, ".claude/agents/m/sub.md", "---\nname: sub\nskills: one\n---\nBus")
		}, "sub", "definition Bus"},
		{"a file before it takes the name", func(t *testing.T, p *project.Project) {
			put(t, p.Dir(), ".claude/agents/m/a.md", fmt.Sprintf(subText, "sub", "First"))
		}, "sub", "definition First"},
		{"a folder before it takes the name", func(t *testing.T, p *project.Project) {
			put(t, p.Dir(), ".claude/agents/a/b/z.md", fmt.Sprintf(subText, "sub", "First"))
		}, "sub", "definition First"},
		{"a file after it does not", func(t *testing.T, p *project.Project) {
			put(t, p.Dir(), ".claude/agents/z.md", fmt.Sprintf(subText, "sub", "Last"))
		}, "sub", "definition Sub"},
		{"a file before is edited to the name", func(t *testing.T, p *project.Project) {
			rewrite(t, p, ".claude/agents/m/sub.md", "---\nname: other\nskills: a\n---\nSub")
		}, "other", "definition Sub"},
		{"a file is renamed", func(t *testing.T, p *project.Project) {
			must(t, os.Rename(filepath.Join(p.Dir(), ".claude/agents/m/sub.md"), filepath.Join(p.Dir(), ".claude/agents/z.md")))
		}, "sub", "definition Sub"},
		{"a folder is renamed", func(t *testing.T, p *project.Project) {
			must(t, os.Rename(filepath.Join(p.Dir(), ".claude/agents/m"), filepath.Join(p.Dir(), ".claude/agents/z")))
		}, "sub", "definition Sub"},
		{"it goes, the next one stays", func(t *testing.T, p *project.Project) {
			put(t, p.Dir(), ".claude/agents/z.md", fmt.Sprintf(subText, "sub", "Last"))
			agent(t, p, "sub")
			must(t, os.Remove(filepath.Join(p.Dir(), ".claude/agents/m/sub.md")))
		}, "sub", "definition Last"},
		{"it becomes a link", func(t *testing.T, p *project.Project) {
			file := filepath.Join(p.Dir(), ".claude/agents/m/sub.md")
			must(t, os.Remove(file))
			put(t, p.Dir(), "docs/sub.md", fmt.Sprintf(subText, "sub", "Linked"))
			must(t, os.Symlink("../../../docs/sub.md", file))
			agent(t, p, "sub")
			put(t, p.Dir(), "docs/sub.md", fmt.Sprintf(subText, "sub", "Edited"))
		}, "sub", "definition Edited"},
		{"a link before it is edited to the name", func(t *testing.T, p *project.Project) {
			put(t, p.Dir(), "docs/a.md", fmt.Sprintf(subText, "xxx", "Linked"))
			must(t, os.Symlink("../../docs/a.md", filepath.Join(p.Dir(), ".claude/agents/a.md")))
			agent(t, p, "sub")
			rewrite(t, p, "docs/a.md", fmt.Sprintf(subText, "sub", "Linked"))
		}, "sub", "definition Linked"},
	}
	for _, c := range clocks {
		for _, tt := range tests {
			t.Run(c.name+"/"+tt.name, func(t *testing.T) {
				p := editable(t, c.now)
				_, err := p.Agents()
				must(t, err)
				agent(t, p, "table")
				tt.edit(t, p)
				if got := describe(agent(t, p, tt.agent)); !strings.Contains(got, tt.want) {
					t.Errorf("got %q, want %q in it", got, tt.want)
				}
				list, err := p.Agents()
				must(t, err)
				for _, a := range list.Agents {
					if a.Name == tt.agent && !strings.Contains(describe(a), tt.want) {
						t.Errorf("listed %q, want %q in it", describe(a), tt.want)
					}
				}
			})
		}
	}
}

// describe returns what TestEdits looks at.
func describe(a *project.Agent) string {
	s := fmt.Sprintf("definition %s; contract %s; priority %s; origin %s; skills", a.Definition, a.Contract, a.Priority, a.Origin)
	for _, skill := range a.Skills {
		s += " " + skill.Name + "=" + skill.Text
	}
	return s
}

func TestGone(t *testing.T) {
	for _, c := range clocks {
		t.Run(c.name, func(t *testing.T) {
			p := editable(t, c.now)
			agent(t, p, "sub")
			must(t, os.Remove(filepath.Join(p.Dir(), ".claude/agents/m/sub.md")))
			_, _, err := p.Agent("sub")
			wantError(t, err, project.UnknownAgent)
			if got := names(t, p); got != "other table" {
				t.Error(got)
			}
			put(t, p.Dir(), ".claude/agents/m/sub.md", fmt.Sprintf(subText, "sub", "Back"))
			agent(t, p, "sub")
			rewrite(t, p, ".claude/agents/m/sub.md", fmt.Sprintf(subText, "bus", "Back"))
			_, _, err = p.Agent("sub")
			wantError(t, err, project.UnknownAgent)
			agent(t, p, "bus")
			must(t, os.Remove(filepath.Join(p.Dir(), ".claude/table.txt")))
			_, _, err = p.Agent("table")
			wantError(t, err, project.BadAgent, ".claude/table.txt: there is no such file")
			must(t, os.RemoveAll(filepath.Join(p.Dir(), ".claude/agents")))
			_, _, err = p.Agent("bus")
			wantError(t, err, project.UnknownAgent)
		})
	}
}

// TestMended has agents that become good.
func TestMended(t *testing.T) {
	for _, c := range clocks {
		t.Run(c.name, func(t *testing.T) {
			p := open(t, map[string]string{".claude/claude.json": "{,", ".claude/agents/x.md": "\xff"})
			p.SetClock(c.now)
			_, _, err := p.Agent("x")
			wantError(t, err, project.BadProject)
			put(t, p.Dir(), ".claude/claude.json", "{}")
			_, _, err = p.Agent("x")
			wantError(t, err, project.BadAgent, "byte 0")
			put(t, p.Dir(), ".claude/agents/x.md", fmt.Sprintf(subText, "x", "Good"))
			agent(t, p, "x")
			put(t, p.Dir(), ".claude/agents/y.md", "---\nname: y\n---\n")
			_, _, err = p.Agent("y")
			wantError(t, err, project.BadAgent)
			put(t, p.Dir(), ".claude/agents/y.md", fmt.Sprintf(subText, "y", "Good"))
			agent(t, p, "y")
		})
	}
}

// TestManyAgents has far more agents than are kept parsed.
func TestManyAgents(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 10,000 files")
	}
	const n = 10_000
	p := open(t, subAgents(n))
	list, err := p.Agents()
	if err != nil || len(list.Agents) != n || len(list.Warnings) > 0 {
		t.Fatal(len(list.Agents), list.Warnings, err)
	}
	for i := range 3 {
		agent(t, p, fmt.Sprintf("agent-%05d", i*4999))
	}
	_, _, err = p.Agent("agent-0000x")
	wantError(t, err, project.UnknownAgent, `did you mean "agent-00000"?`)
}

// TestLeastRecentlyUsed goes through more agents than are kept.
func TestLeastRecentlyUsed(t *testing.T) {
	p := open(t, subAgents(300))
	first, second := agent(t, p, "agent-00000"), agent(t, p, "agent-00001")
	for i := 2; i < 258; i++ {
		agent(t, p, fmt.Sprintf("agent-%05d", i))
		if agent(t, p, first.Name) != first {
			t.Fatal("the agent in use was dropped")
		}
	}
	if again := agent(t, p, second.Name); again == second || again.Definition != second.Definition {
		t.Error("the agent not in use was kept")
	}
}

// TestConcurrentUse edits files while others read them. Each text is written at
// once by a rename, so that whoever sees a mixture sees a fault.
func TestConcurrentUse(t *testing.T) {
	p := editable(t, time.Now)
	var written atomic.Int64 // the last edition that is surely on disk
	edit := func(n int64) {
		text := fmt.Sprintf(subText, "sub", strings.Repeat(fmt.Sprintln("edition", n), 100))
		temporary := filepath.Join(p.Dir(), "sub.tmp")
		must(t, os.WriteFile(temporary, []byte(text), 0o600))
		must(t, os.Rename(temporary, filepath.Join(p.Dir(), ".claude/agents/m/sub.md")))
		written.Store(n)
	}
	edit(1)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				least := written.Load()
				a, _, err := p.Agent("sub")
				if err != nil {
					t.Error(err)
					return
				}
				var n int64
				_, err = fmt.Sscanf(a.Definition, "edition %d", &n)
				if err != nil || n < least || strings.Count(a.Definition, fmt.Sprintln("edition", n)) != 99 {
					t.Errorf("got edition %d after %d: %q", n, least, a.Definition[:20])
				}
				if _, err := p.Agents(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for n := range int64(200) {
		edit(n + 2)
	}
	close(done)
	readers.Wait()
}

func TestConcurrentFirstUse(t *testing.T) {
	p := open(t, subAgents(30))
	got := make([]*project.Agent, 16)
	var callers sync.WaitGroup
	for i := range got {
		callers.Go(func() {
			a, _, err := p.Agent("agent-00007")
			if err != nil {
				t.Error(err)
			}
			got[i] = a
		})
	}
	callers.Wait()
	for _, a := range got {
		if a != got[0] {
			t.Error("callers got different agents")
		}
	}
}
