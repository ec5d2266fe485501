package claudeforce

import (
	"context"
	"fmt"

	"github.com/claude-force/claude-force/internal/layer/budget"
	"github.com/claude-force/claude-force/internal/llm"
)

// downgrade makes the request for the dearest cheaper line whose worst case
// costs less, where a budget that is in the way asks for that.
func (e *Engine) downgrade(ctx context.Context, r Run, req *llm.Request, err error) (lesser *llm.Request, said []string, ok bool) {
	refused := llm.AsError(err)
	if refused == nil || refused.Code != CodeBudget || refused.Reason != string(budget.Downgrade) {
		return nil, nil, false
	}
	c, err := e.catalogue()
	if err != nil {
		return nil, nil, false
	}
	now := e.options.Now()
	floor := e.floorOf(r.Agent)
	most, known := mostFor(c.Catalogue, req, int64(len(req.Body())), false, now)
	for _, line := range []string{"opus", "sonnet", "haiku"} { // the dearest first
		if below(line, floor) {
			continue
		}
		r.Model, r.why = line, whyBudget
		next, warnings, err := e.request(ctx, r)
		if err != nil || !known {
			continue
		}
		worst, priced := mostFor(c.Catalogue, next, int64(len(next.Body())), false, now)
		if !priced || worst >= most || !e.fits(ctx, next, worst) {
			continue
		}
		said = append(warnings, fmt.Sprintf("a budget let %s stand in for %s", next.Model, req.Model))
		return next, said, true
	}
	return nil, nil, false
}

// fits reports whether no cap is in the way of a request's worst case.
func (e *Engine) fits(ctx context.Context, req *llm.Request, worst int64) bool {
	standings, err := e.standings(ctx, req)
	if err != nil {
		return false
	}
	for _, s := range standings {
		if s.Settled+s.Unsettled+worst > s.Cap {
			return false
		}
	}
	return true
}

// standings are the caps that concern a request, of all stores that have any.
func (e *Engine) standings(ctx context.Context, req *llm.Request) ([]budget.Standing, error) {
	var out []budget.Standing
	err := e.eachBudgetStore(func(_ bool, store budgetStore) error {
		list, err := store.Standings(ctx, e.options.Now())
		for _, s := range list {
			if s.Concerns(req.Agent, req.Tags) {
				out = append(out, s)
			}
		}
		return err
	})
	return out, err
}

// warnAt are the shares of a cap, in percent, that are said when they are
// passed.
func warnAt() []int64 { return []int64{90, 75, 50} }

// budgetWarnings says which caps a run has brought nearer to their end.
func (e *Engine) budgetWarnings(ctx context.Context, req *llm.Request, resp *llm.Response) []string {
	if resp == nil || resp.Cost.Nano == 0 || !e.guard().Capped(ctx) {
		return nil
	}
	standings, err := e.standings(ctx, req)
	if err != nil {
		return nil // the next run that needs them says so
	}
	var out []string
	for _, s := range standings {
		for _, percent := range warnAt() {
			if s.Settled*100 >= s.Cap*percent && (s.Settled-resp.Cost.Nano)*100 < s.Cap*percent {
				out = append(out, fmt.Sprintf("%d %% of the budget of $%s %s is spent", s.Settled*100/s.Cap, Money(s.Cap), s.Budget))
				break
			}
		}
	}
	return out
}
