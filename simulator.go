package claudeforce

import (
	"github.com/claude-force/claude-force/internal/sim"
)

// Simulator is a stand-in for the Claude API: an http.Handler that is as
// strict as the real one, bills like it, and fails on request.
type Simulator = sim.Server

// SimulatorOptions configure a [Simulator].
type SimulatorOptions = sim.Options

// SimulatorLimits are the rate limits that a [Simulator] enforces.
type SimulatorLimits = sim.Limits

// SimulatorFault is a failure that a [Simulator] injects.
type SimulatorFault = sim.Fault

// ParseFault reads a fault such as "status=529,first=3".
func ParseFault(s string) (SimulatorFault, error) {
	f, err := sim.ParseFault(s)
	if err != nil {
		return f, &Error{Code: CodeUsage, Message: err.Error(), Hint: "docs/simulator.md lists the faults", Err: err}
	}
	return f, nil
}

// NewSimulator returns a simulator with this engine's catalogue, unless the
// options bring one.
func (e *Engine) NewSimulator(o SimulatorOptions) (*Simulator, error) {
	if o.Catalogue == nil {
		c, err := e.catalogue()
		if err != nil {
			return nil, err
		}
		o.Catalogue = c.Catalogue
	}
	s, err := sim.New(o)
	if err != nil {
		return nil, &Error{Code: CodeUsage, Message: err.Error(), Err: err}
	}
	return s, nil
}
