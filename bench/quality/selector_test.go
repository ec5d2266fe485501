package quality

import (
	"math"
	"os"
	"testing"

	"github.com/claude-force/claude-force/internal/embed"
	"github.com/claude-force/claude-force/internal/project"
	"github.com/claude-force/claude-force/internal/selector"
)

// The aims hold for tasks that nothing was learned from.
const (
	leastTop1 = 0.75
	leastTop3 = 0.88
	leastNone = 0.80 // tasks for none, told so
	mostLost  = 0.05 // tasks for an agent, told that none fits
)

func TestSelector(t *testing.T) {
	agents := readAgents(t, "testdata/project")
	encoder := embed.New(embed.Options{})
	for _, kind := range []struct {
		name    string
		options selector.Options
	}{
		{"words and meaning", selector.Options{Embedder: encoder}},
		{"words", selector.Options{}},
		{"keywords", selector.Options{Keywords: true}},
	} {
		s := selector.New(agents, kind.options)
		for _, set := range []string{"tuning", "trial"} {
			t.Run(set+", "+kind.name, func(t *testing.T) {
				r, err := s.Evaluate(t.Context(), readTasks(t, "testdata/"+set+".jsonl"))
				if err != nil {
					t.Fatal(err)
				}
				figures := map[string]float64{
					"top-1": share(r.Top1, r.N), "top-3": share(r.Top3, r.N),
					"none fits": share(r.NoneRight, r.OutOfScope), "kept": share(r.N-r.Lost, r.N),
				}
				t.Logf("%s, %s: top-1 %.3f, top-3 %.3f, lost %.3f of %d; none fits %.3f of %d", set, kind.name,
					figures["top-1"], figures["top-3"], share(r.Lost, r.N), r.N, figures["none fits"], r.OutOfScope)
				onRecord(t, "selector, "+set+", "+kind.name, figures)
				if kind.options.Embedder == nil || set != "trial" {
					return
				}
				if figures["top-1"] < leastTop1 || figures["top-3"] < leastTop3 || figures["none fits"] < leastNone || 1-figures["kept"] > mostLost {
					t.Errorf("below the aims of top-1 %.2f, top-3 %.2f, none fits %.2f, lost %.2f", leastTop1, leastTop3, leastNone, mostLost)
				}
			})
		}
	}
}

func share(part, of int) float64 { return math.Round(1000*float64(part)/float64(max(1, of))) / 1000 }

func readAgents(t *testing.T, dir string) []selector.Agent {
	t.Helper()
	p, err := project.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	list, err := p.Agents()
	if err != nil {
		t.Fatal(err)
	}
	var agents []selector.Agent
	for _, a := range list.Agents {
		agents = append(agents, selector.Agent{
			Name: a.Name, Domains: a.Domains, Description: a.Description, Examples: a.Examples, Body: a.Definition,
		})
	}
	return agents
}

func readTasks(t *testing.T, file string) []selector.Labelled {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tasks, err := selector.ReadLabelled(f)
	if err != nil {
		t.Fatal(err)
	}
	return tasks
}
