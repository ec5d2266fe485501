package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	claudeforce "github.com/claude-force/claude-force"
)

type planFlags struct {
	taskFlags // those of `run tasks` that matter here
	plan      claudeforce.PlanOptions
}

func (a *app) simulatePlanCommand() *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan FILE|-",
		Short: "Forecast what a task file takes and costs, without a call",
		Long: `Forecast what ` + "`run tasks`" + ` would do with a JSONL file: how long it takes, what
it costs (also through Message Batches), how often it meets a rate limit and
what the caches save. The file goes through the scheduler of a real run in
virtual time; nothing is sent or written, and no key is needed.

Tokens of prompts are estimated and lean high; the length of the answers is
assumed. What the response cache holds already is not known. Exit code 3 says
that some tasks would fail.`,
		Example: `  claude-force simulate plan tasks.jsonl --tier build
  claude-force simulate plan tasks.jsonl --concurrency 50 --output-tokens 300 --json
  generate | claude-force simulate plan - --rpm 50 --itpm 30000 --otpm 8000`,
		Args: tasksArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return a.simulatePlan(cmd, args[0], &f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.plan.Tier, "tier", "", "usage tier of the API: start, build or scale (default start, or custom where all three limits are given)")
	fl.IntVar(&f.plan.RPM, "rpm", 0, "requests a minute and limit group (default: the tier's)")
	fl.IntVar(&f.plan.ITPM, "itpm", 0, "input tokens a minute and limit group (default: the tier's)")
	fl.IntVar(&f.plan.OTPM, "otpm", 0, "output tokens a minute and limit group (default: the tier's)")
	fl.IntVar(&f.plan.OutputTokens, "output-tokens", 500, "tokens of an answer, at most as many as the task allows")
	fl.DurationVar(&f.plan.FirstToken, "first-token", time.Second, "time from a call to the first token of its answer")
	fl.IntVar(&f.plan.TokensPerSecond, "tokens-per-second", 80, "pace of an answer after its first token")
	fl.StringVar(&f.concurrency, "concurrency", "", "most runs at once: a number, or auto to go as far as the rate limits allow (default: the setting concurrency)")
	fl.StringVar(&f.model, "model", "", "model of tasks that name none: a line (haiku, sonnet, opus, fable), an id or an alias")
	fl.IntVar(&f.maxTokens, "max-tokens", 0, "most output tokens of tasks that name none (default: the setting max_tokens)")
	fl.BoolVar(&f.noCache, "no-cache", false, "let equal tasks each make a call")
	fl.BoolVar(&f.noWarmUp, "no-warmup", false, "let all tasks of an agent begin at once, although the prompt cache is cold")
	return cmd
}

func (f *planFlags) check(cmd *cobra.Command) error {
	for name, value := range map[string]int{
		"rpm": f.plan.RPM, "itpm": f.plan.ITPM, "otpm": f.plan.OTPM,
		"output-tokens": f.plan.OutputTokens, "tokens-per-second": f.plan.TokensPerSecond,
	} {
		if cmd.Flags().Changed(name) && value < 1 {
			return inputError("--"+name+" must be a whole number from 1", "")
		}
	}
	if f.plan.FirstToken <= 0 {
		return inputError("--first-token must be a duration such as 500ms or 2s", "")
	}
	return f.taskFlags.check(cmd)
}

func (a *app) simulatePlan(cmd *cobra.Command, name string, f *planFlags) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	in, _, err := a.openTasks(cmd.Context(), name, "")
	if err != nil {
		return err
	}
	defer in.Close()
	if f.concurrency != "" {
		a.settings["concurrency"] = f.concurrency
	}
	o := f.plan
	o.In, o.NoWarmUp = in, f.noWarmUp
	o.Defaults = claudeforce.Run{Model: f.model, MaxTokens: f.maxTokens, Reuse: f.reuse()}
	return a.with(func(e *claudeforce.Engine) error {
		p, err := e.Plan(cmd.Context(), o)
		if p == nil {
			return err
		}
		return a.showPlan(p, err)
	})
}

// showPlan prints a plan and gives back the error that came with it.
func (a *app) showPlan(p *claudeforce.Plan, err error) error {
	a.warn(p.Warnings...)
	var showErr error
	if a.json {
		showErr = a.printJSON(p)
	} else {
		showErr = a.showRows(planRows(p))
	}
	if err == nil {
		return showErr
	}
	if !a.json {
		fmt.Fprintln(a.Err, "error:", sentence(claudeforce.AsError(err)))
	}
	return &shownError{errors.Join(err, showErr)}
}

func planRows(p *claudeforce.Plan) [][2]string {
	bound := "bound by " + p.BoundBy
	switch p.BoundBy {
	case "latency":
		bound = "the time of the answers themselves"
	case "requests", "input tokens", "output tokens":
		bound = fmt.Sprintf("bound by %s a minute", p.BoundBy)
	}
	u := p.Usage
	return [][2]string{
		{"Tasks", fmt.Sprintf("%d (%d would fail)", p.Tasks, p.Failed)},
		{"Time", fmt.Sprintf("%s, %s", p.Duration.Round(time.Second/10), bound)},
		{"Cost", dollars(p.Cost)},
		{"By Message Batches", dollars(p.BatchCost)},
		{"Calls", fmt.Sprintf("%d, at most %d at once; %d refused (429)", p.Calls, p.MaxInFlight, p.Refused)},
		{"Limits", fmt.Sprintf("%.1f %% of the tightest one used, tier %s", 100*p.Used, p.Tier)},
		{"Response cache", fmt.Sprintf("%d answered without a call", p.ResponseCacheHits)},
		{"Prompt cache", fmt.Sprintf("%d calls read it", p.PromptCacheHits)},
		{"Tokens in", fmt.Sprintf("%d, %d to the prompt cache, %d from it (estimated)", u.InputTokens, u.CacheCreationInputTokens, u.CacheReadInputTokens)},
		{"Tokens out", fmt.Sprintf("%d, %d an answer (assumed)", u.OutputTokens, p.Assumptions.OutputTokens)},
		{"Answers", fmt.Sprintf("first token after %s, then %d tokens a second (assumed)", p.Assumptions.FirstToken, p.Assumptions.TokensPerSecond)},
	}
}

func dollars(m *claudeforce.Money) string {
	if m == nil {
		return "unknown"
	}
	return "$" + m.String()
}
