package project

import (
	"fmt"
	"maps"
	"slices"
)

// catalogue says which agents there are and where each is defined. It is
// immutable.
type catalogue struct {
	config *config
	tree   *tree
	names  map[string]*candidate
	// warnings concern no agent that can be used.
	warnings []Warning
}

// candidate is an agent by name, before its files are read.
type candidate struct {
	name string
	file string
	// One of them is set: what defines the agent.
	entry *entry
	sub   *subAgent
	err   *Error // why it cannot be used, if that is known already
	// known is what the file said when .claude/agents was walked; nil if it was
	// not read then, or not kept.
	known *markdown
	// warnings are about the name, not about the agent's files.
	warnings []Warning
}

// newCatalogue joins the two places that agents come from.
func newCatalogue(cfg *config, t *tree) *catalogue {
	c := &catalogue{config: cfg, tree: t, names: make(map[string]*candidate, len(cfg.agents)+len(t.files))}
	c.warnings = append(c.warnings, cfg.warnings...)
	c.warnings = append(c.warnings, t.warnings...)
	claimed := c.addEntries()
	for _, f := range t.files {
		c.addSubAgent(f, claimed[f.file])
	}
	c.addBroken(claimed)
	return c
}

// addEntries adds the agents of claude.json, and returns their files.
func (c *catalogue) addEntries() (claimed map[string]bool) {
	known := make(map[string]*markdown, len(c.tree.files))
	for _, f := range c.tree.files {
		known[f.file] = f.md
	}
	claimed = make(map[string]bool, len(c.config.agents))
	for i := range c.config.agents {
		e := &c.config.agents[i]
		n := &candidate{name: e.name, entry: e, err: e.err}
		if n.err == nil {
			n.file, n.err = e.file.resolve()
		}
		n.known = known[n.file]
		claimed[n.file] = true
		c.names[e.name] = n
	}
	return claimed
}

// addSubAgent adds a file of .claude/agents that could be read; claimed tells
// that claude.json makes an agent of it. Then it is a second one only if it
// gives itself another name.
func (c *catalogue) addSubAgent(f *subAgent, claimed bool) {
	if f.err != nil {
		return
	}
	if claimed && !f.named {
		return
	}
	if !f.framed {
		c.warnings = append(c.warnings, notAnAgent(f))
		return
	}
	first := c.names[f.name]
	if first == nil {
		c.names[f.name] = &candidate{name: f.name, file: f.file, sub: f, known: f.md}
		return
	}
	if first.file == f.file {
		return
	}
	where := first.file
	if first.entry != nil {
		where = configFile
	}
	w := Warning{File: f.file, Message: fmt.Sprintf("this sub-agent is not used, because %s defines %q as well: rename one of them", where, f.name)}
	first.warnings = append(first.warnings, w)
	c.warnings = append(c.warnings, w)
}

// notAnAgent says why a Markdown file is none, in its own words if it began
// like one.
func notAnAgent(f *subAgent) Warning {
	if f.md != nil && len(f.md.warnings) > 0 {
		return f.md.warnings[0]
	}
	return Warning{File: f.file, Message: "this is no agent, because it has no front matter: begin it with ---, name: and description: lines, and ---, or name it in " + configFile}
}

// addBroken lets the files that cannot be read stand for agents of their names,
// so that who asks for one hears why. claude.json's own come later, on use.
func (c *catalogue) addBroken(claimed map[string]bool) {
	for _, f := range c.tree.files {
		if f.err == nil || claimed[f.file] {
			continue
		}
		name := baseName(f.file)
		if c.names[name] == nil {
			c.names[name] = &candidate{name: name, file: f.file, sub: f, err: f.err}
			continue
		}
		c.warnings = append(c.warnings, f.err.warning("the file"))
	}
}

// sorted returns all names, those of broken agents included.
func (c *catalogue) sorted() []string { return slices.Sorted(maps.Keys(c.names)) }

// unread reports whether the candidate is a file that could not be read when
// .claude/agents was walked. It may be an agent by now, even of another name.
func (n *candidate) unread() bool { return n.sub != nil && n.err != nil }

// rank returns how many files of the tree come before the one that gives a name
// its agent: only they can take the name from it.
func (n *candidate) rank() int {
	if n.sub != nil {
		return n.sub.order
	}
	return 0
}
