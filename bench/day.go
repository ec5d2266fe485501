package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	claudeforce "github.com/claude-force/claude-force"
	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/sim"
)

// Day is a mixed day of work, made from a seed: tasks for three agents, of
// which four in ten repeat earlier ones; half are easy, two in ten are hard.
// Two thirds are wanted at once, the rest over night, by batches.
type Day struct {
	Seed  uint64
	Tasks int
}

// easy, usual and hard are the kinds of tasks; the number makes each its own.
func easy() []string {
	return []string{"fix the typo in line %d of the README", "rename the variable n%d to count", "make button %d blue", "bump the version to 1.%d"}
}

func usual() []string {
	return []string{"add a test for the parser's case %d", "explain what handler %d does with an empty body", "review the error handling of module %d"}
}

func hard() []string {
	return []string{
		"find the race condition in scheduler %d and prove that the fix is free of deadlocks",
		"design the migration of shard %d without downtime, with a rollback at each step, and show that no write is lost",
	}
}

// Savings runs the day on a simulated API with all that saves switched on, and
// returns what the ledger says of it.
func (d Day) Savings(ctx context.Context) (s *claudeforce.Savings, err error) {
	dir, err := os.MkdirTemp("", "claude-force-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := writeDayAgents(dir); err != nil {
		return nil, err
	}
	<-time.After(settle)
	catalogue, err := model.Builtin()
	if err != nil {
		return nil, err
	}
	server, err := sim.New(sim.Options{Catalogue: catalogue, OutputTokens: 250})
	if err != nil {
		return nil, err
	}
	environment := map[string]string{
		"HOME": filepath.Join(dir, "home"), "CLAUDE_FORCE_HOME": filepath.Join(dir, "home"), "ANTHROPIC_API_KEY": "bench",
	}
	engine, err := claudeforce.Open(claudeforce.Options{
		Dir: dir, Transport: server.Transport(), Settings: map[string]string{"model": "auto"},
		Getenv: func(name string) string { return environment[name] },
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	atOnce, overNight := d.files()
	for _, part := range []struct {
		tasks string
		via   claudeforce.Lane
	}{{atOnce, claudeforce.LaneAPI}, {overNight, claudeforce.LaneBatch}} {
		t := claudeforce.Tasks{In: strings.NewReader(part.tasks), OutFile: filepath.Join(dir, "results.jsonl"), Via: part.via}
		if _, err := engine.RunTasks(ctx, t); err != nil {
			return nil, err
		}
	}
	return engine.Savings(ctx, claudeforce.MetricsFilter{})
}

// files are the tasks that are wanted at once, and those over night.
func (d Day) files() (atOnce, overNight string) {
	r := rand.New(rand.NewPCG(d.Seed, d.Seed))
	var parts [2]strings.Builder
	var past []string
	for i := range d.Tasks {
		var task string
		if len(past) > 0 && r.IntN(10) < 4 {
			task = past[r.IntN(len(past))]
		} else {
			kinds := usual()
			switch n := r.IntN(10); {
			case n < 5:
				kinds = easy()
			case n < 7:
				kinds = hard()
			}
			task = fmt.Sprintf("%q,\"task\":%s", agentName(1+r.IntN(3)), quote(fmt.Sprintf(kinds[r.IntN(len(kinds))], i)))
			past = append(past, task)
		}
		night := 0
		if r.IntN(3) == 0 {
			night = 1
		}
		fmt.Fprintf(&parts[night], "{\"id\":\"t%d\",\"agent\":%s}\n", i, task)
	}
	return parts[0].String(), parts[1].String()
}

// writeDayAgents makes dir a project of three agents that name no model.
func writeDayAgents(dir string) error {
	if err := writeAgents(dir, 3, prose(8<<10)); err != nil {
		return err
	}
	for i := 1; i <= 3; i++ {
		name := filepath.Join(dir, ".claude", "agents", agentName(i)+".md")
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(name, []byte(strings.Replace(string(text), "model: "+Model+"\n", "", 1)), 0o600); err != nil {
			return err
		}
	}
	return nil
}
