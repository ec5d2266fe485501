package library_test

import (
	"slices"
	"testing"

	"github.com/claude-force/claude-force/internal/library"
	"github.com/claude-force/claude-force/internal/project"
)

func TestTemplatesLoadAsProjects(t *testing.T) {
	want := map[string]struct {
		agents    []string
		origin    string
		contracts bool
	}{
		"starter": {agents: starterAgents, origin: project.FromConfig, contracts: true},
		"minimal": {agents: []string{"general-analyst"}, origin: project.FromSubAgent},
	}
	for _, tpl := range library.Templates() {
		t.Run(tpl.Name, func(t *testing.T) {
			list, err := project.New(tpl.FS, tpl.Name).Agents()
			if err != nil {
				t.Fatal(err)
			}
			for _, warning := range list.Warnings {
				t.Errorf("warning: %s", warning)
			}
			var found []string
			for _, agent := range list.Agents {
				found = append(found, agent.Name)
				checkLoaded(t, agent, want[tpl.Name].origin, want[tpl.Name].contracts)
			}
			if !slices.Equal(found, want[tpl.Name].agents) {
				t.Errorf("agents %q, want %q", found, want[tpl.Name].agents)
			}
		})
	}
}

func checkLoaded(t *testing.T, agent *project.Agent, origin string, contract bool) {
	t.Helper()
	for _, warning := range agent.Warnings {
		t.Errorf("%s: warning: %s", agent.Name, warning)
	}
	if agent.Origin != origin {
		t.Errorf("%s: origin %q, want %q", agent.Name, agent.Origin, origin)
	}
	if agent.Description == "" || len(agent.Tools) == 0 {
		t.Errorf("%s: description %q, tools %q: both must be set", agent.Name, agent.Description, agent.Tools)
	}
	if got := agent.Contract != ""; got != contract {
		t.Errorf("%s: has a contract: %v, want %v", agent.Name, got, contract)
	}
	if got := len(agent.Domains) > 0 && agent.Priority != ""; got != contract {
		t.Errorf("%s: has domains and a priority: %v, want %v", agent.Name, got, contract)
	}
}
