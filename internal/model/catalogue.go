package model

import (
	_ "embed"
	"fmt"
	"slices"
)

//go:embed catalogue.json
var embedded []byte

// Catalogue is a set of models. It does not change once made and is safe for
// concurrent use.
type Catalogue struct {
	updated string
	entries []entry // in the order they were read
	models  []*Model
	named   map[string]*Model // by id and by alias
}

// entry is a model and which of its fields the source has stated, by their
// position in the table of fields.
type entry struct {
	model  *Model
	stated []bool
}

// Builtin returns the catalogue that is embedded in the program. It is read
// anew by each call, in well under a millisecond. An error means that the
// program was built from a broken catalogue.
func Builtin() (*Catalogue, error) {
	c, err := Parse(embedded)
	if err != nil {
		return nil, fmt.Errorf("embedded catalogue: %w", err)
	}
	return c, nil
}

// newCatalogue indexes the entries. Their names are distinct.
func newCatalogue(updated string, entries []entry) *Catalogue {
	c := &Catalogue{
		updated: updated,
		entries: entries,
		models:  make([]*Model, 0, len(entries)),
		named:   make(map[string]*Model, 2*len(entries)),
	}
	lines := make(map[string]int)
	for _, e := range entries {
		c.models = append(c.models, e.model)
		c.named[e.model.ID] = e.model
		for _, alias := range e.model.Aliases {
			c.named[alias] = e.model
		}
		if _, ok := lines[e.model.Line]; !ok {
			lines[e.model.Line] = len(lines)
		}
	}
	slices.SortStableFunc(c.models, func(a, b *Model) int {
		if a.Line != b.Line {
			return lines[a.Line] - lines[b.Line]
		}
		return compareVersions(b.ID, a.ID)
	})
	return c
}

// Updated returns the day that the catalogue's facts are of, YYYY-MM-DD, or ""
// where its source does not say.
func (c *Catalogue) Updated() string { return c.updated }

// Models returns all models: line by line in the order of the source, and
// within a line the newest first. Aliases have no row of their own.
func (c *Catalogue) Models() []*Model { return slices.Clone(c.models) }

// Lookup returns the model with exactly this id or alias.
func (c *Catalogue) Lookup(id string) (*Model, bool) {
	m, ok := c.named[id]
	return m, ok
}

// Overlay returns a catalogue of the models of both, in which the entries of
// newer win. What a newer entry does not state is taken from the older entry
// of the same id or alias. Where there is none, what holds for a whole line
// (limits and parameters, tokenizer, limit group, factors, but never a price)
// is taken from the newest older model of its line. Names are never lost: the
// older aliases remain unless newer gives them to another model. Neither
// catalogue changes; a nil newer changes nothing.
func (c *Catalogue) Overlay(newer *Catalogue) *Catalogue {
	if newer == nil {
		return c
	}
	fields := modelFields()
	merged := make(map[*Model]entry) // newer entries by the older ones they replace
	var added []entry
	for _, e := range newer.entries {
		old := c.counterpart(e.model, newer)
		if _, taken := merged[old]; old == nil || taken {
			added = append(added, e.completedBy(fields, c.newestOfLine(e.model.Line), true))
			continue
		}
		e = e.completedBy(fields, old, false)
		e.model.rename(namesOf(e.model, old, newer))
		merged[old] = e
	}
	var entries []entry
	for _, e := range c.entries {
		if replacement, ok := merged[e.model]; ok {
			entries = append(entries, replacement)
		} else if _, claimed := newer.named[e.model.ID]; !claimed {
			m := *e.model
			m.rename(namesOf(&Model{ID: m.ID}, e.model, newer))
			entries = append(entries, entry{&m, e.stated})
		}
	}
	return newCatalogue(max(c.updated, newer.updated), append(entries, added...))
}

// counterpart returns the older model that a newer one continues: the one of
// the same id, the one it is an alias of, or one that became its alias.
func (c *Catalogue) counterpart(m *Model, newer *Catalogue) *Model {
	if old, ok := c.named[m.ID]; ok {
		// An alias can have become a model of its own beside the one it named.
		if _, both := newer.named[old.ID]; old.ID == m.ID || !both {
			return old
		}
	}
	for _, alias := range m.Aliases {
		if old, ok := c.named[alias]; ok && old.ID == alias {
			return old
		}
	}
	return nil
}

// completedBy returns a copy of e in which the fields that it does not state
// are those of source, all of them or only those that hold for a whole line.
func (e entry) completedBy(fields []field, source *Model, onlyOfLine bool) entry {
	m := *e.model
	e.model, e.stated = &m, slices.Clone(e.stated)
	if source == nil {
		return e
	}
	for i, f := range fields {
		if !e.stated[i] && (f.ofLine || !onlyOfLine) {
			f.copy(&m, source)
			e.stated[i] = true
		}
	}
	return e
}

// namesOf returns the names of a newer model that replaces old, its id first:
// an alias does not become an id, and old names go on unless newer gives them
// to another model.
func namesOf(m, old *Model, newer *Catalogue) []string {
	names := append([]string{m.ID}, m.Aliases...)
	if slices.Contains(old.Aliases, m.ID) {
		names = append([]string{old.ID}, names...)
	}
	for _, name := range append([]string{old.ID}, old.Aliases...) {
		if _, claimed := newer.named[name]; !claimed {
			names = append(names, name)
		}
	}
	return names
}

// rename sets the model's id and aliases to the distinct ones of names.
func (m *Model) rename(names []string) {
	m.ID, m.Aliases = names[0], nil
	for _, name := range names[1:] {
		if name != m.ID && !slices.Contains(m.Aliases, name) {
			m.Aliases = append(m.Aliases, name)
		}
	}
}

func (c *Catalogue) newestOfLine(line string) *Model {
	for _, m := range c.models {
		if m.Line == line && line != "" {
			return m
		}
	}
	return nil
}
