package project_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/project"
)

// subAgents returns the files of a number of sub-agents of 4 KB.
func subAgents(n int) map[string]string {
	files := make(map[string]string, n)
	for i := range n {
		name := fmt.Sprintf("agent-%05d", i)
		files[".claude/agents/"+name+".md"] = "---\nname: " + name + "\ndescription: Does one thing well. Use when it is needed.\n" +
			"tools: Read, Grep\n---\n\n# " + name + "\n" + strings.Repeat("Be exact, and say what you did not verify.\n", 95)
	}
	return files
}

// tables returns the files of a number of agents of claude.json.
func tables(n int) map[string]string {
	files := make(map[string]string, n+1)
	var entries []string
	for i := range n {
		name := fmt.Sprintf("agent-%05d", i)
		files[".claude/agents/"+name+".md"] = "# " + name + "\n" + strings.Repeat("Be exact, and say what you did not verify.\n", 95)
		files[".claude/contracts/"+name+".md"] = "Answers with a verdict.\n"
		entries = append(entries, fmt.Sprintf(`%q: {"file": "agents/%s.md", "contract": "contracts/%[2]s.md", "domains": ["x"], "priority": 1}`, name, name))
	}
	files[".claude/claude.json"] = `{"agents": {` + strings.Join(entries, ",\n") + `}}`
	return files
}

func benchmarkAgent(b *testing.B, files map[string]string, name string) {
	p := open(b, files)
	p.SetClock(func() time.Time { return time.Now().Add(time.Hour) }) // all files are old
	if _, _, err := p.Agent(name); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := p.Agent(name); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAgent(b *testing.B) {
	b.Run("sub-agent/first of 30", func(b *testing.B) { benchmarkAgent(b, subAgents(30), "agent-00000") })
	b.Run("sub-agent/middle of 30", func(b *testing.B) { benchmarkAgent(b, subAgents(30), "agent-00015") })
	b.Run("sub-agent/last of 30", func(b *testing.B) { benchmarkAgent(b, subAgents(30), "agent-00029") })
	b.Run("claude.json/last of 30", func(b *testing.B) { benchmarkAgent(b, tables(30), "agent-00029") })
	b.Run("sub-agent/last of 10000", func(b *testing.B) { benchmarkAgent(b, subAgents(10_000), "agent-09999") })
}

func BenchmarkAgentEmbedded(b *testing.B) {
	p := memory(subAgents(30))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := p.Agent("agent-00015"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAgents is what listing the agents of a project costs at start-up.
func BenchmarkAgents(b *testing.B) {
	for _, kind := range []struct {
		name  string
		files map[string]string
	}{{"sub-agents", subAgents(30)}, {"claude.json", tables(30)}} {
		b.Run(kind.name+"/30", func(b *testing.B) {
			dir := write(b, kind.files)
			b.ReportAllocs()
			for b.Loop() {
				p, err := project.Open(dir)
				if err != nil {
					b.Fatal(err)
				}
				if list, err := p.Agents(); err != nil || len(list.Agents) != 30 {
					b.Fatal(len(list.Agents), err)
				}
				p.Close()
			}
		})
	}
}
