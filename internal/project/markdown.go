package project

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/claude-force/claude-force/internal/model"
)

// markdown is a Markdown file split into its front matter and the rest. It is
// immutable.
type markdown struct {
	doc *document
	// framed tells that there is front matter, even if it is empty.
	framed   bool
	fields   []field
	body     string // without blank lines around it
	warnings []Warning
}

// field is one key of front matter.
type field struct {
	key          string
	line, column int
	text         string   // of a scalar
	list         []string // of a sequence; not nil then
	nested       bool     // a mapping, or a sequence of more than scalars
}

// split parses a document; known are the keys that its front matter may have.
// It never fails: what is wrong with front matter becomes a warning.
func split(d *document, known []string) *markdown {
	m := &markdown{doc: d, body: d.text}
	lines := strings.Split(d.text, "\n")
	open := 0
	for open < len(lines) && strings.TrimSpace(lines[open]) == "" {
		open++
	}
	if open < len(lines) && isMarker(lines[open]) {
		m.parse(lines, open, known)
		m.warnUnknown(known)
	}
	m.body = trimBlank(m.body)
	return m
}

func isMarker(line string) bool { return strings.TrimRight(line, " \t") == "---" }

// trimBlank removes blank lines in front and all white space at the end.
func trimBlank(s string) string {
	s = strings.TrimRightFunc(s, unicode.IsSpace)
	for {
		line, rest, more := strings.Cut(s, "\n")
		if !more || strings.TrimSpace(line) != "" {
			return s
		}
		s = rest
	}
}

// parse reads the front matter that the marker at lines[open] begins: as YAML
// if it is that, else line by line.
func (m *markdown) parse(lines []string, open int, known []string) {
	first := open + 1
	end := first
	for end < len(lines) && !isMarker(lines[end]) {
		end++
	}
	closed := end < len(lines)
	matter := strings.Join(lines[first:end], "\n")
	line, why, hint := first, "not closed by a line ---", "close it"
	if closed {
		fields, fault := parseYAML(matter, first)
		if fault == nil {
			m.framed, m.fields, m.body = true, fields, strings.Join(lines[end+1:], "\n")
			if open > 0 {
				m.warn(first, 1, "front matter does not begin on the first line, so other programs may not see it: remove the blank lines above")
			}
			return
		}
		line, why, hint = fault.line, "no valid YAML ("+fault.problem+")", remedy(fault.problem)
	}
	fields, used := parseLines(lines[first:end], first, closed, known)
	if len(fields) == 0 {
		m.warn(first, 1, "what this line --- begins is "+why+" and has no key: value lines, so it was read as text")
		return
	}
	m.framed, m.fields = true, fields
	rest := first + used
	if rest == end && closed {
		rest++
	}
	m.body = strings.Join(lines[rest:], "\n")
	m.warn(line, 1, "front matter is "+why+", so it was read line by line: "+hint)
}

// remedy tells what most often helps against a fault in YAML.
func remedy(fault string) string {
	switch {
	case strings.Contains(fault, "mapping values"):
		return "put the value in quotes"
	case strings.Contains(fault, "tab character"):
		return "use spaces instead of tabs"
	case strings.Contains(fault, "cannot start any token"):
		return "put the value in quotes, and use spaces instead of tabs"
	}
	return "correct it"
}

func (m *markdown) warn(line, column int, message string) {
	m.warnings = append(m.warnings, Warning{File: m.doc.file, Line: line, Column: column, Message: message})
}

func (m *markdown) warnUnknown(known []string) {
	seen := make(map[string]bool, len(m.fields))
	for _, f := range m.fields {
		if seen[f.key] {
			m.warn(f.line, f.column, fmt.Sprintf("%q is given more than once: the last one counts", f.key))
		} else if !slices.Contains(known, f.key) {
			m.warn(f.line, f.column, fmt.Sprintf("unknown key %q in front matter: %s", f.key, suggest(f.key, known)))
		}
		seen[f.key] = true
	}
}

// suggest returns what to do about a name that is not known.
func suggest(name string, known []string) string {
	if near := model.Suggest(name, known); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return "it is ignored"
}

// get returns the last field with a key, or nil.
func (m *markdown) get(key string) *field {
	for i := len(m.fields) - 1; i >= 0; i-- {
		if m.fields[i].key == key {
			return &m.fields[i]
		}
	}
	return nil
}
