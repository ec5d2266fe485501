package selector

import (
	"context"
	"fmt"
)

// Measured is a task as the program that learns the weights sees it.
type Measured struct {
	// Agents and how each fits, in one order.
	Agents []string
	Fits   [][Measures]float64
	// Scope are, for each agent, the measures of whether it fits if it is the best.
	Scope [][ScopeMeasures]float64
}

// Measure measures a task for learning. It returns an error where the embedder
// fails. Of a collection of more than 64 agents it returns some.
func (s *Selector) Measure(ctx context.Context, task string) (Measured, error) {
	e, err := s.evidence(ctx, task)
	if err != nil {
		return Measured{}, err
	}
	if e.warning != "" {
		return Measured{}, fmt.Errorf("measure a task: %s", e.warning)
	}
	var m Measured
	for _, f := range s.rank(&e, make([]fit, len(s.agents))) {
		var values [Measures]float64
		for k, v := range f.measures {
			values[k] = float64(v)
		}
		m.Agents = append(m.Agents, s.agents[f.agent].Name)
		m.Fits = append(m.Fits, values)
		m.Scope = append(m.Scope, s.scope(&e, &f))
	}
	return m, nil
}
