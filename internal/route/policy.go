package route

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Line is a line of models, from the cheapest to the dearest that the router
// chooses from. Its zero value is Haiku.
type Line int

// The lines.
const (
	Haiku Line = iota
	Sonnet
	Opus
)

var lineNames = [...]string{Haiku: "haiku", Sonnet: "sonnet", Opus: "opus"}

// Lines returns all lines, the cheapest first.
func Lines() []Line { return []Line{Haiku, Sonnet, Opus} }

// String returns the line's name in the catalogue of models.
func (l Line) String() string {
	if l < Haiku || l > Opus {
		return fmt.Sprintf("Line(%d)", int(l))
	}
	return lineNames[l]
}

// MarshalText returns the line's name.
func (l Line) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// ParseLine returns the line of a name, and false for any other text.
func ParseLine(name string) (Line, bool) {
	i := slices.Index(lineNames[:], name)
	return Line(max(i, 0)), i >= 0
}

// Policy says which difficulty deserves which line. Use [DefaultPolicy] and
// change what shall differ: the zero value sends everything to opus.
type Policy struct {
	// SonnetFrom and OpusFrom are the least difficulties of their lines.
	SonnetFrom float64 `json:"sonnet"`
	OpusFrom   float64 `json:"opus"`
	// PreferCheaper moves both a third of the way up to 1.
	PreferCheaper bool `json:"prefer_cheaper"`
	// Min is the least line for every task.
	Min Line `json:"min_model"`
	// SecurityMin is the least line for work on security.
	SecurityMin Line `json:"security_min_model"`
}

// DefaultPolicy is in force where nothing else is set.
func DefaultPolicy() Policy {
	return Policy{SonnetFrom: 0.3, OpusFrom: 0.8, SecurityMin: Sonnet}
}

// Validate returns an error where the thresholds are not in order within 0
// and 1.
func (p Policy) Validate() error {
	if !(0 <= p.SonnetFrom && p.SonnetFrom <= p.OpusFrom && p.OpusFrom <= 1) {
		return errors.New("the thresholds of the router must rise from 0 to 1: sonnet, then opus")
	}
	return nil
}

// Choose returns the line of a task, and what raised it above what its
// difficulty deserves; empty where nothing did.
func (p Policy) Choose(a Assessment) (line Line, raised string) {
	sonnet, opus := p.SonnetFrom, p.OpusFrom
	if p.PreferCheaper {
		sonnet, opus = sonnet+(1-sonnet)/3, opus+(1-opus)/3
	}
	switch {
	case a.Difficulty >= opus:
		line = Opus
	case a.Difficulty >= sonnet:
		line = Sonnet
	}
	if a.Security && line < p.SecurityMin {
		line, raised = p.SecurityMin, fmt.Sprintf("work on security is never below %s", p.SecurityMin)
	}
	if line < p.Min {
		line, raised = p.Min, fmt.Sprintf("min_model is %s", p.Min)
	}
	return line, raised
}

// Calibrate returns the default policy with thresholds of its own: of tasks
// with the given difficulties about dearShare go to opus, and the rest is split
// between haiku and sonnet as the default thresholds split the scale. Tasks of
// one difficulty stay together, so the share is the nearest that can be had.
// Without difficulties the policy is the default one.
func Calibrate(difficulties []float64, dearShare float64) Policy {
	p := DefaultPolicy()
	if len(difficulties) == 0 {
		return p
	}
	sorted := slices.Clone(difficulties)
	slices.SortFunc(sorted, func(a, b float64) int { return cmp.Compare(b, a) })
	dearShare = max(0, min(1, dearShare))
	p.OpusFrom = threshold(sorted, dearShare)
	standard := DefaultPolicy()
	cheap := standard.SonnetFrom / standard.OpusFrom * (1 - dearShare)
	p.SonnetFrom = min(p.OpusFrom, threshold(sorted, 1-cheap))
	return p
}

// threshold returns a difficulty that about the given share of a falling list
// reaches, halfway between two that differ.
func threshold(falling []float64, share float64) float64 {
	n := int(math.Round(share * float64(len(falling))))
	up, down := n, n // the nearest places where two neighbours differ
	for up > 0 && up < len(falling) && falling[up-1] == falling[up] {
		up--
	}
	for down > 0 && down < len(falling) && falling[down-1] == falling[down] {
		down++
	}
	if n-up > down-n {
		n = down
	} else {
		n = up
	}
	switch n {
	case 0:
		return 1
	case len(falling):
		return 0
	}
	return round((falling[n-1] + falling[n]) / 2)
}
