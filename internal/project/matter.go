package project

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// matter reads the values of front matter and collects warnings about those
// that are not what they must be.
type matter struct {
	*markdown
	found []Warning
}

func (m *matter) warn(f *field, message string) {
	m.found = append(m.found, Warning{File: m.doc.file, Line: f.line, Column: f.column, Message: message})
}

// all returns what was wrong with the front matter, and with its values.
func (m *matter) all() []Warning {
	return concat(m.warnings, m.found)
}

// text returns a key's text; "" if it has none.
func (m *matter) text(key string) string {
	f := m.get(key)
	if f == nil {
		return ""
	}
	if f.list != nil || f.nested {
		m.warn(f, key+" must be text: it is ignored")
		return ""
	}
	return strings.TrimSpace(f.text)
}

// strings returns a key's list, which may be written as "a, b"; nil if the key
// is not given or has no value.
func (m *matter) strings(key string) []string {
	f := m.get(key)
	switch {
	case f == nil:
		return nil
	case f.nested:
		m.warn(f, key+" must be a list of names: it is ignored")
		return nil
	case f.list != nil:
		return f.list
	}
	return splitList(f.text)
}

// number returns a key's whole number of at least 1; 0 if it has none.
func (m *matter) number(key string) int {
	text := m.text(key)
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		m.warn(m.get(key), fmt.Sprintf("%s must be a whole number of at least 1, not %q: it is ignored", key, text))
		return 0
	}
	return n
}

// name returns the name of a sub-agent: the one that is given, else that of its
// file.
func (m *matter) name() string {
	f := m.get("name")
	name := m.text("name")
	fault := nameFault(name)
	if f != nil && fault == "" {
		return name
	}
	base := baseName(m.doc.file)
	if f == nil {
		m.warn(&field{line: 1, column: 1}, fmt.Sprintf("front matter gives no name, so that of the file is used: add name: %s", base))
	} else {
		m.warn(f, fmt.Sprintf("the name %s, so that of the file is used: write name: %s", fault, base))
	}
	return base
}

// baseName returns a file's name without folder and extension, as text that can
// be shown.
func baseName(file string) string {
	base := strings.TrimSuffix(path.Base(file), path.Ext(file))
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) {
			return '_'
		}
		return r
	}, base)
}

// splitList splits "Read, Bash(git add, git commit)" at the commas outside of
// parentheses. Brackets around the whole and quotes around an item are dropped.
func splitList(s string) []string {
	s = strings.TrimSpace(s)
	bracketed := strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]")
	if bracketed {
		s = s[1 : len(s)-1]
	} else if s == "" {
		return nil
	}
	items := []string{}
	add := func(item string) {
		if item = unquote(strings.TrimSpace(item)); item != "" {
			items = append(items, item)
		}
	}
	depth, start := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			depth++
		case ')':
			depth = max(0, depth-1)
		case ',':
			if depth == 0 {
				add(s[start:i])
				start = i + 1
			}
		}
	}
	add(s[start:])
	return items
}

// unquote removes one pair of quotes around s.
func unquote(s string) string {
	if len(s) < 2 || s[0] != s[len(s)-1] {
		return s
	}
	switch s[0] {
	case '"':
		if plain, err := strconv.Unquote(s); err == nil {
			return plain
		}
		return s[1 : len(s)-1]
	case '\'':
		return strings.ReplaceAll(s[1:len(s)-1], "''", "'")
	}
	return s
}
