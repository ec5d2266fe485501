package project

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

const settingsFile = ".claude/force.yaml"

// Setting is one value of a settings file.
type Setting struct {
	// Text is the value as it is written, without quotes: "4096", "0.10", "24h";
	// of a list, the items joined by ", ".
	Text string
	// List is the items of a list; nil for a single value.
	List []string
	// File is as it was given to [ParseSettings]; Line and Column count from 1.
	File         string
	Line, Column int
}

// Where returns "file:line", for messages.
func (s Setting) Where() string { return fmt.Sprintf("%s:%d", s.File, s.Line) }

// Settings holds settings by dotted name: "cache.ttl".
type Settings map[string]Setting

// Settings reads the project's .claude/force.yaml; without that file it returns
// an empty map. The error is an *Error with BadProject, Outside or Closed. Which
// names and values make sense is not looked at.
func (p *Project) Settings() (Settings, error) {
	if p.closed.Load() {
		return nil, closedError()
	}
	doc := p.src.read(settingsFile, settingsKind, nil)
	switch {
	case doc.missing:
		return Settings{}, nil
	case doc.err != nil:
		return nil, doc.err
	}
	return parseSettings(doc)
}

// ParseSettings parses the YAML of a settings file. "cache: {ttl: 24h}" and
// "cache.ttl: 24h" are the same; a key without a value is left out. file is for
// messages. The error is an *Error with BadProject.
func ParseSettings(file string, data []byte) (Settings, error) {
	if int64(len(data)) > settingsKind.most {
		return nil, settingsKind.oversize(file, int64(len(data)))
	}
	doc := newDocument(file, settingsKind, string(data))
	if doc.err != nil {
		return nil, doc.err
	}
	return parseSettings(doc)
}

// The bounds of a settings file.
const (
	maxSettings       = 1000
	maxSettingsLevels = 8
)

// settingsParser collects the settings of one file.
type settingsParser struct {
	file     string
	settings Settings
}

func parseSettings(doc *document) (Settings, error) {
	p := &settingsParser{file: doc.file, settings: Settings{}}
	root, fault := decodeYAML(doc.text, 0)
	if fault != nil {
		return nil, p.fault(&yaml.Node{Line: fault.line}, "this is no valid YAML: "+fault.problem, remedy(fault.problem))
	}
	if root == nil || root.Tag == "!!null" {
		return p.settings, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, p.fault(root, "settings must be key: value lines", "write for example model: sonnet")
	}
	if err := p.addAll("", root, 1); err != nil {
		return nil, err
	}
	return p.settings, nil
}

func (p *settingsParser) fault(n *yaml.Node, message, hint string) *Error {
	return &Error{Code: BadProject, File: p.file, Line: n.Line, Column: n.Column, Message: message, Hint: hint}
}

// addAll adds the settings of a mapping whose keys go on from a prefix.
func (p *settingsParser) addAll(prefix string, n *yaml.Node, level int) *Error {
	if level > maxSettingsLevels {
		return p.fault(n, fmt.Sprintf("settings nest more than %d deep", maxSettingsLevels), "make them flatter")
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode || key.Value == "" || hasControl(key.Value) || key.Tag == "!!merge" {
			return p.fault(key, "the name of a setting must be text", "write name: value")
		}
		if err := p.add(prefix+key.Value, key, value, level); err != nil {
			return err
		}
	}
	return nil
}

func (p *settingsParser) add(name string, key, value *yaml.Node, level int) *Error {
	s := Setting{File: p.file, Line: key.Line, Column: key.Column}
	switch value.Kind {
	case yaml.MappingNode:
		return p.addAll(name+".", value, level+1)
	case yaml.AliasNode:
		return p.fault(value, name+" is a YAML alias, which settings do not have", "write the value itself")
	case yaml.SequenceNode:
		for _, item := range value.Content {
			if item.Kind != yaml.ScalarNode {
				return p.fault(item, "the list "+name+" may only hold single values", "write - value lines")
			}
		}
		s.List, _ = scalars(value)
		s.Text = strings.Join(s.List, ", ")
	default:
		if value.Tag == "!!null" {
			return nil
		}
		s.Text = value.Value
	}
	if first, twice := p.settings[name]; twice {
		return p.fault(key, fmt.Sprintf("%s is given again, after line %d", name, first.Line), "keep one of them")
	}
	if len(p.settings) == maxSettings {
		return p.fault(key, fmt.Sprintf("the file has over %d settings", maxSettings), "delete some")
	}
	p.settings[name] = s
	return nil
}
