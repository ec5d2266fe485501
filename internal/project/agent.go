package project

import (
	"errors"
	"fmt"
	"slices"
)

// The values of [Agent.Origin].
const (
	FromConfig   = "claude.json"
	FromSubAgent = "sub-agent"
)

// Agent is a named agent with all that its prompt is made of. It is immutable:
// callers share it and must not change it.
type Agent struct {
	Name        string
	Description string // "" if none is given
	// File holds the definition; relative to the project, with slashes.
	File string
	// Origin is what makes it an agent: FromConfig or FromSubAgent.
	Origin string
	// Definition is the Markdown text without front matter, byte order mark and
	// surrounding blank lines; lines end in LF. It is never empty.
	Definition string
	// Contract is the text of the contract, normalised like Definition; "" if
	// the agent has none.
	Contract     string
	ContractFile string // "" if the agent has none
	// Skills are those the agent lists, in its order, without missing ones.
	Skills []Skill
	// Tools are the tools the agent may use: nil if it names none, which means
	// all; empty if it is given an empty list.
	Tools           []string
	DisallowedTools []string
	// Domains are the fields the agent is meant for.
	Domains []string
	// Examples are tasks the agent is meant for, in a user's words.
	Examples []string
	// Priority is a number or a word, as written; "" if none is given.
	Priority string
	// Model is a line, an id or "" for whatever the caller uses ("inherit").
	Model string
	// MinModel is the least line of models that a choice by itself may take for
	// the agent; "" if none is given.
	MinModel string
	// Effort is as written; "" if none is given.
	Effort string
	// MaxTurns is the most turns of a run with tools; 0 if none is given.
	MaxTurns int
	// Warnings concern the agent's own files.
	Warnings []Warning
}

// agentKeys are the keys of a sub-agent's front matter: those of Claude Code,
// and those that claude.json gives its agents.
var agentKeys = []string{
	"name", "description", "tools", "disallowedTools", "model", "permissionMode", "maxTurns", "skills",
	"mcpServers", "hooks", "memory", "background", "omitClaudeMd", "effort", "isolation", "color",
	"initialPrompt", "experimental",
	"contract", "domains", "priority", "min_model", "examples",
}

// maxSkills bounds the skills of one agent.
const maxSkills = 64

// loaded is an agent with what it was built from.
type loaded struct {
	agent  *Agent
	config *config // nil for a sub-agent
	docs   []*document
}

// same reports whether two are the same agent from files that do not differ.
func (l *loaded) same(other *loaded) bool {
	return l.config == other.config && slices.EqualFunc(l.docs, other.docs, (*document).same)
}

// errRenamed says that a sub-agent's file has another name by now.
var errRenamed = errors.New("the agent has another name by now")

// build reads all files of a candidate and makes the agent of them. If trust is
// set, a definition that the candidate knows need not be read again.
func (s *source) build(c *candidate, cfg *config, trust bool) (*loaded, error) {
	if c.err != nil {
		return nil, c.err
	}
	md, err := s.definition(c, trust)
	if err != nil {
		return nil, err
	}
	b := &builder{
		source: s, md: &matter{markdown: md},
		loaded: loaded{agent: &Agent{Name: c.name, File: c.file, Definition: md.body}, docs: []*document{md.doc}},
	}
	b.describe()
	contract := b.contract()
	if c.entry != nil {
		b.config = cfg
		b.override(c.entry)
		if c.entry.contract.text != "" {
			contract = c.entry.contract
		}
	} else if name := b.md.name(); name != c.name {
		return nil, errRenamed
	}
	if err := b.addContract(contract); err != nil {
		return nil, err
	}
	b.addSkills()
	b.agent.Warnings = append(b.agent.Warnings, b.md.all()...)
	sortWarnings(b.agent.Warnings)
	l := b.loaded
	return &l, nil
}

// definition reads a candidate's own file.
func (s *source) definition(c *candidate, trust bool) (*markdown, *Error) {
	var old *document
	if c.known != nil {
		old = c.known.doc
	}
	doc := old
	if old == nil || !trust {
		doc = s.read(c.file, definitionKind, old)
	}
	if doc.err != nil {
		if c.entry != nil {
			return nil, c.entry.file.explain(doc)
		}
		return nil, doc.err
	}
	md := c.known
	if doc != old {
		md = split(doc, agentKeys)
	}
	if md.body == "" {
		return nil, definitionKind.fault(c.file, "there is no text after the front matter", definitionKind.empty, nil)
	}
	return md, nil
}

// builder is an agent in the making.
type builder struct {
	*source
	md *matter
	loaded
}

// describe takes over what front matter says.
func (b *builder) describe() {
	a, md := b.agent, b.md
	a.Origin = FromSubAgent
	a.Description = md.text("description")
	a.Tools = md.strings("tools")
	a.DisallowedTools = md.strings("disallowedTools")
	a.Domains = md.strings("domains")
	a.Examples = md.strings("examples")
	a.Priority = md.text("priority")
	a.Model = md.text("model")
	a.MinModel = b.minModel()
	a.Effort = md.text("effort")
	a.MaxTurns = md.number("maxTurns")
	if a.Model == "inherit" {
		a.Model = ""
	}
}

// override lets claude.json's own values win.
func (b *builder) override(e *entry) {
	a := b.agent
	a.Origin = FromConfig
	if e.domains != nil {
		a.Domains = e.domains
	}
	if e.examples != nil {
		a.Examples = e.examples
	}
	if e.priority != "" {
		a.Priority = e.priority
	}
	if e.model != "" {
		a.Model = e.model
	}
	if e.minModel != "" {
		a.MinModel = e.minModel
	}
	if a.Model == "inherit" {
		a.Model = ""
	}
	a.Warnings = append(a.Warnings, e.warnings...)
}

// minModel returns the least line that front matter names.
func (b *builder) minModel() string {
	name := b.md.text("min_model")
	if name == "" || isLine(name) {
		return name
	}
	b.md.warn(b.md.get("min_model"), fmt.Sprintf("min_model %q is left out: it is %s", name, lineNames))
	return ""
}

// lineNames says which lines of models a choice by itself is made from.
const lineNames = "haiku, sonnet or opus"

func isLine(name string) bool { return name == "haiku" || name == "sonnet" || name == "opus" }

// contract returns the contract that front matter names.
func (b *builder) contract() written {
	w := written{text: b.md.text("contract"), key: "contract"}
	if f := b.md.get("contract"); f != nil {
		w.file, w.line, w.column = b.md.doc.file, f.line, f.column
	}
	return w
}

func (b *builder) addContract(w written) *Error {
	if w.text == "" {
		return nil
	}
	file, err := w.resolve()
	if err != nil {
		return err
	}
	doc := b.read(file, contractKind, nil)
	if doc.err != nil {
		return w.explain(doc)
	}
	b.docs = append(b.docs, doc)
	b.agent.ContractFile, b.agent.Contract = file, trimBlank(doc.text)
	return nil
}

func (b *builder) addSkills() {
	names := b.md.strings("skills")
	f := b.md.get("skills")
	if len(names) > maxSkills {
		b.md.warn(f, fmt.Sprintf("the agent lists %d skills; only the first %d are used", len(names), maxSkills))
		names = names[:maxSkills]
	}
	for _, name := range names {
		file, ok := skillFile(name)
		if !ok {
			b.md.warn(f, fmt.Sprintf("skill %q is left out: the name of a skill is that of a folder in .claude/skills", name))
			continue
		}
		doc := b.read(file, skillKind, nil)
		b.docs = append(b.docs, doc)
		skill, err := newSkill(name, doc)
		if err != nil {
			b.agent.Warnings = append(b.agent.Warnings, err.warning(fmt.Sprintf("skill %q", name)))
			continue
		}
		b.agent.Skills = append(b.agent.Skills, *skill)
		b.agent.Warnings = append(b.agent.Warnings, skill.Warnings...)
	}
}
