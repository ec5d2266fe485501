package model

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Resolution is the model that a name stands for.
type Resolution struct {
	Requested string   // the name as it was given
	ID        string   // what to send to the API
	Model     *Model   // nil where the id is not in the catalogue
	Warnings  []string // sentences for the user
}

// Resolve returns the model that a name stands for at the given time.
//
//   - A line ("sonnet") is its newest active model, by the version numbers in
//     the ids.
//   - An id or alias is its model. A retired one is replaced by its successor,
//     with a warning that names both; a deprecated one is warned of.
//   - Any other name is taken for an id that the catalogue does not know: it is
//     sent as written, and a warning says that its cost is unknown.
func (c *Catalogue) Resolve(name string, now time.Time) Resolution {
	name = strings.TrimSpace(name)
	r := Resolution{Requested: name, ID: name}
	m, known := c.named[name]
	if !known {
		if m = c.newestUsable(strings.ToLower(name), now); m == nil {
			r.warn("%s", c.unknown(name, now))
			return r
		}
	}
	if m.LifecycleAt(now) == Retired {
		m = r.replace(c, m, now)
	}
	if m.LifecycleAt(now) == Deprecated {
		r.warn("%s", deprecation(m))
	}
	r.ID, r.Model = m.ID, m
	return r
}

func (r *Resolution) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}

// newestUsable returns the newest active model of a line, else the newest
// deprecated one, else the newest; nil where there is no such line.
func (c *Catalogue) newestUsable(line string, now time.Time) *Model {
	for _, stage := range []Lifecycle{Active, Deprecated, Retired} {
		for _, m := range c.models { // newest first
			if m.Line == line && line != "" && m.LifecycleAt(now) == stage {
				return m
			}
		}
	}
	return nil
}

// replace follows the successors of a retired model to one that is not, and
// warns of the change. Where that leads nowhere the model stays.
func (r *Resolution) replace(c *Catalogue, retired *Model, now time.Time) *Model {
	name := retired.ID
	if r.Requested != name && slices.Contains(retired.Aliases, r.Requested) {
		name = fmt.Sprintf("%s (%s)", r.Requested, retired.ID)
	}
	when := ""
	if retired.Retires != "" && retired.Retires <= dayOf(now) {
		when = " on " + retired.Retires
	}
	next := retired
	for range len(c.models) { // a circle of successors ends here
		after, ok := c.named[next.Successor]
		if !ok {
			break
		}
		if next = after; next.LifecycleAt(now) != Retired {
			r.warn("model %s was retired%s: %s runs in its place", name, when, next.ID)
			return next
		}
	}
	r.warn("model %s was retired%s and no successor is known: calls to it will probably fail, choose another model", name, when)
	return retired
}

// deprecation says that a model will end, when, and what to use then.
func deprecation(m *Model) string {
	var b strings.Builder
	fmt.Fprintf(&b, "model %s is deprecated", m.ID)
	if m.Retires != "" {
		fmt.Fprintf(&b, " and ends on %s", m.Retires)
	}
	if m.Successor != "" {
		fmt.Fprintf(&b, ": change to %s", m.Successor)
	}
	return b.String()
}

// unknown says that a name is not in the catalogue.
func (c *Catalogue) unknown(name string, now time.Time) string {
	text := fmt.Sprintf("model %q is not in the catalogue: it is sent as written and its cost is unknown", name)
	if near := Suggest(name, c.usableNames(now)); near != "" {
		text += fmt.Sprintf(" (did you mean %s?)", near)
	}
	return text
}

// usableNames returns the lines, ids and aliases that can be called.
func (c *Catalogue) usableNames(now time.Time) []string {
	var names []string
	for _, m := range c.models {
		if m.LifecycleAt(now) == Retired {
			continue
		}
		names = append(append(names, m.ID), m.Aliases...)
		if m.Line != "" && !slices.Contains(names, m.Line) {
			names = append(names, m.Line)
		}
	}
	return names
}
