package project

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const configFile = ".claude/claude.json"

// config is a claude.json. It is immutable.
type config struct {
	doc       *document
	err       *Error // nil if the rest holds
	agents    []entry
	workflows map[string][]string
	warnings  []Warning // about the file as a whole
	broken    []Warning // about workflows
}

// entry is an agent of claude.json.
type entry struct {
	name         string
	line, column int
	file         written
	contract     written
	domains      []string // nil if not given
	priority     string
	model        string
	minModel     string
	examples     []string // nil if not given
	err          *Error
	warnings     []Warning
}

// written is a path as claude.json or front matter gives it, and where.
type written struct {
	text, key    string
	file         string
	line, column int
}

// resolve returns the file that is meant, relative to the project's folder.
func (w written) resolve() (string, *Error) {
	file, fault := confine(w.text)
	if fault == "" {
		return file, nil
	}
	return "", &Error{
		Code: Outside, File: w.file, Line: w.line, Column: w.column,
		Message: fmt.Sprintf("%s: the path %q %s, so nothing of it was read", w.key, w.text, fault),
		Hint:    "name a file inside the project, relative to .claude, with slashes",
	}
}

// explain returns the document's error, with a better hint if the path is
// written as if it were relative to the project's folder.
func (w written) explain(d *document) *Error {
	inside, ok := strings.CutPrefix(w.text, ".claude/")
	if !ok || !d.missing {
		return d.err
	}
	e := *d.err
	e.Hint = fmt.Sprintf("paths are relative to .claude, so write %q", inside)
	return &e
}

var (
	configKeys = []string{
		"$schema", "version", "name", "description", "agents", "workflows",
		// Written by earlier versions; nothing here depends on them.
		"governance", "skills_integration", "paths", "rules",
	}
	entryKeys = []string{"file", "contract", "domains", "priority", "model", "min_model", "examples"}
)

// configParser collects what claude.json says.
type configParser struct {
	places
	*config
}

// parseConfig reads a claude.json; a missing one is empty.
func parseConfig(d *document) *config {
	c := &config{doc: d, err: d.err}
	if d.missing {
		c.err = nil
	}
	if d.err != nil {
		return c
	}
	p := &configParser{places: newPlaces(d.text), config: c}
	root, err := parseJSON(d.text)
	if err != nil {
		c.err = p.fault(BadProject, err.offset, err.problem, err.hint)
		c.err.Err = err.err
		return c
	}
	if root.kind != isObject {
		c.err = p.wrong(BadProject, root, "claude.json", isObject)
		return c
	}
	for _, m := range p.members(root, "", &c.warnings) {
		switch m.key {
		case "agents":
			p.addAgents(m.value)
		case "workflows":
			p.addWorkflows(m.value)
		default:
			p.warnUnknown(m, "claude.json", configKeys, &c.warnings)
		}
	}
	return c
}

func (p *configParser) fault(code Code, offset int, message, hint string) *Error {
	line, column := p.at(offset)
	return &Error{Code: code, File: configFile, Line: line, Column: column, Message: message, Hint: hint}
}

// wrong says that a value is not what it must be.
func (p *configParser) wrong(code Code, n *node, name string, want nodeKind) *Error {
	return p.fault(code, n.offset, fmt.Sprintf("%s must be %s, not %s", name, want, n.kind), "correct its value")
}

func (p *configParser) warning(offset int, message string) Warning {
	line, column := p.at(offset)
	return Warning{File: configFile, Line: line, Column: column, Message: message}
}

func (p *configParser) warnUnknown(m member, where string, known []string, to *[]Warning) {
	if !slices.Contains(known, m.key) {
		*to = append(*to, p.warning(m.offset, fmt.Sprintf("unknown key %q in %s: %s", m.key, where, suggest(m.key, known))))
	}
}

// members returns an object's members, of a repeated key only the last.
func (p *configParser) members(n *node, where string, to *[]Warning) []member {
	last := make(map[string]int, len(n.members))
	unique := n.members[:0:0]
	for _, m := range n.members {
		if i, twice := last[m.key]; twice {
			*to = append(*to, p.warning(m.offset, fmt.Sprintf("%s is given more than once: the last one counts", join(where, m.key))))
			unique[i] = m
			continue
		}
		last[m.key] = len(unique)
		unique = append(unique, m)
	}
	return unique
}

// join names a member by its path: agents.code-reviewer.file.
func join(path, key string) string {
	if quoted := strconv.Quote(key); len(quoted) != len(key)+2 || key == "" || strings.ContainsAny(key, ". ") {
		key = quoted
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func (p *configParser) addAgents(n *node) {
	if n.kind == isNull {
		return
	}
	if n.kind != isObject {
		p.err = p.wrong(BadProject, n, "agents", isObject)
		return
	}
	for _, m := range p.members(n, "agents", &p.warnings) {
		p.agents = append(p.agents, p.entry(m))
	}
}

func (p *configParser) entry(m member) entry {
	e := entry{name: m.key}
	e.line, e.column = p.at(m.offset)
	where := join("agents", m.key)
	if fault := nameFault(m.key); fault != "" {
		e.err = p.fault(BadAgent, m.offset, fmt.Sprintf("the name of an agent %s", fault), "give it another name")
		return e
	}
	if m.value.kind != isObject {
		e.err = p.wrong(BadAgent, m.value, where, isObject)
		return e
	}
	for _, member := range p.members(m.value, where, &e.warnings) {
		name, n := join(where, member.key), member.value
		switch member.key {
		case "file":
			e.file = p.path(&e, name, n)
		case "contract":
			e.contract = p.path(&e, name, n)
		case "model":
			e.model = p.string(&e, name, n)
		case "min_model":
			if e.minModel = p.string(&e, name, n); e.minModel != "" && !isLine(e.minModel) {
				e.err = p.fault(BadAgent, n.offset, fmt.Sprintf("%s must be %s", name, lineNames), "correct its value")
			}
		case "domains":
			e.domains = p.list(&e, name, n)
		case "examples":
			e.examples = p.list(&e, name, n)
		case "priority":
			if e.priority = n.text; n.kind != isNumber && n.kind != isText && n.kind != isNull {
				e.err = p.wrong(BadAgent, n, name, "a number or text")
			}
		default:
			p.warnUnknown(member, where, entryKeys, &e.warnings)
		}
	}
	if e.err == nil && e.file.text == "" {
		e.err = p.fault(BadAgent, m.offset, where+` has no "file"`, `add "file" with the path of its definition, relative to .claude/`)
	}
	return e
}

func (p *configParser) string(e *entry, name string, n *node) string {
	if n.kind != isText && n.kind != isNull {
		e.err = p.wrong(BadAgent, n, name, isText)
	}
	return n.text
}

func (p *configParser) path(e *entry, name string, n *node) written {
	w := written{key: name, text: p.string(e, name, n), file: configFile}
	w.line, w.column = p.at(n.offset)
	return w
}

func (p *configParser) list(e *entry, name string, n *node) []string {
	list, wrong := texts(n)
	if wrong != nil {
		e.err = p.wrong(BadAgent, wrong, name, "a list of texts")
	}
	return list
}

// texts returns the texts of a list, or the node that is not what it must be.
func texts(n *node) (list []string, wrong *node) {
	if n.kind == isNull {
		return nil, nil
	}
	if n.kind != isList {
		return nil, n
	}
	list = []string{}
	for _, item := range n.items {
		if item.kind != isText {
			return nil, item
		}
		list = append(list, item.text)
	}
	return list, nil
}

func (p *configParser) addWorkflows(n *node) {
	if n.kind == isNull {
		return
	}
	if n.kind != isObject {
		p.err = p.wrong(BadProject, n, "workflows", isObject)
		return
	}
	p.workflows = make(map[string][]string, len(n.members))
	for _, m := range p.members(n, "workflows", &p.broken) {
		list, wrong := texts(m.value)
		name := join("workflows", m.key)
		switch {
		case wrong != nil:
			e := p.wrong(BadProject, wrong, name, "a list of agents")
			p.broken = append(p.broken, e.warning(fmt.Sprintf("workflow %q", m.key)))
		case len(list) == 0:
			p.broken = append(p.broken, p.warning(m.offset, name+" has no agents, so it is left out: list the agents in the order of work"))
		default:
			p.workflows[m.key] = list
		}
	}
}

// maxName bounds the name of an agent, in bytes.
const maxName = 128

// nameFault says why a name cannot be an agent's; "" if it can.
func nameFault(name string) string {
	switch {
	case strings.TrimSpace(name) == "":
		return "is empty"
	case len(name) > maxName:
		return fmt.Sprintf("has over %d bytes", maxName)
	case strings.TrimSpace(name) != name:
		return "begins or ends with a space"
	case hasControl(name):
		return "holds a control character"
	}
	return ""
}
