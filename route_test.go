package claudeforce_test

import (
	"testing"

	claudeforce "github.com/claude-force/claude-force"
)

func openRouter(t *testing.T) *claudeforce.Router {
	t.Helper()
	r, err := claudeforce.OpenRouter()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRouterExplains(t *testing.T) {
	r := openRouter(t)
	for _, c := range []struct {
		agent, task, line string
		raised            bool
	}{
		{"", "make the dropdown blue", "haiku", false},
		{"frontend-developer", "Implement pagination for the users endpoint and add tests", "sonnet", false},
		{"", "design a lock-free MPMC queue and prove linearizability", "opus", false},
		{"security-specialist", "fix typo", "sonnet", true},
	} {
		got := r.Explain(c.agent, c.task)
		if got.Line != c.line || (got.Raised != "") != c.raised || len(got.Reasons) == 0 {
			t.Errorf("%q: %+v, want %s", c.task, got, c.line)
		}
	}
}

func TestRouterEvaluates(t *testing.T) {
	r := openRouter(t)
	gap, err := r.Evaluate([]claudeforce.RouteLabel{
		{Task: "rename a variable", CheapRight: true, DearRight: true},
		{Task: "prove that this lock-free stack is linearizable", DearRight: true},
	})
	if err != nil || gap.APGR == nil || *gap.APGR != 0.75 || *gap.CheapRight != 0.5 || *gap.DearRight != 1 || gap.Accuracy != nil {
		t.Errorf("%+v, %v", gap, err)
	}
	lines, err := r.Evaluate([]claudeforce.RouteLabel{{Task: "rename a variable", Line: "haiku"}, {Task: "fix typo in README", Line: "opus"}})
	if err != nil || *lines.Accuracy != 0.5 || lines.Confusion["opus"]["haiku"] != 1 || lines.APGR != nil {
		t.Errorf("%+v, %v", lines, err)
	}
	for name, labels := range map[string][]claudeforce.RouteLabel{
		"none": nil, "mixed": {{Task: "a", Line: "haiku"}, {Task: "b"}}, "no line": {{Task: "a", Line: "dearest"}},
	} {
		if _, err := r.Evaluate(labels); claudeforce.AsError(err).Code != claudeforce.CodeUsage {
			t.Errorf("%s: %v", name, err)
		}
	}
	same, err := r.Evaluate([]claudeforce.RouteLabel{{Task: "a", CheapRight: true, DearRight: true}})
	if err != nil || same.APGR != nil {
		t.Errorf("where nothing is gained: %+v, %v", same, err)
	}
}

func TestRouterCalibrates(t *testing.T) {
	r := openRouter(t)
	tasks := []string{"rename a variable", "Implement pagination for the users endpoint and add tests", "find the race condition in this scheduler", "make the dropdown blue"}
	c, err := r.Calibrate(tasks, 0.25)
	if err != nil || c.Shares["opus"] != 0.25 || c.Tasks != 4 {
		t.Fatalf("%+v, %v", c, err)
	}
	r.Policy.SonnetFrom, r.Policy.OpusFrom = c.Thresholds.Sonnet, c.Thresholds.Opus
	if got := r.Explain("", tasks[2]).Line; got != "opus" {
		t.Errorf("with the thresholds found the hardest task goes to %s", got)
	}
	for _, share := range []float64{-0.1, 1.1} {
		if _, err := r.Calibrate(tasks, share); err == nil {
			t.Errorf("a share of %v is taken", share)
		}
	}
	if _, err := r.Calibrate(nil, 0.3); err == nil {
		t.Error("no tasks are taken")
	}
}
