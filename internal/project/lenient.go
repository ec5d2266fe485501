package project

import (
	"slices"
	"strings"
)

// lenient reads front matter that is no YAML the way a person would: a key at
// the line's beginning, its value to the line's end, indented lines and list
// items as more of it.
type lenient struct {
	known  []string
	closed bool
	last   int // the last line with a key that is known
	fields []field
	parts  []string // of the current field
	block  byte     // '|' or '>' if the current field is a block of text
	blank  bool     // the previous line was blank
}

// parseLines reads lines, of which the first has the given index in its file,
// and returns the fields and how many lines belong to them. It stops early
// where the text of the document seems to begin. closed tells that a marker
// follows the lines; without one, only keys that are known are taken for keys.
func parseLines(lines []string, first int, closed bool, known []string) ([]field, int) {
	p := &lenient{known: known, closed: closed, last: -1}
	if closed {
		p.last = p.lastKey(lines)
	}
	indent := ""
	for i, line := range lines {
		content := strings.TrimSpace(line)
		if content == "" {
			p.addBlank()
			continue
		}
		if len(p.fields) == 0 {
			indent = line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		}
		line = strings.TrimPrefix(line, indent)
		if !p.add(line, content, i < p.last, first+i+1, len(indent)+1) {
			p.finish()
			return p.fields, i
		}
		p.blank = false
	}
	p.finish()
	return p.fields, len(lines)
}

func (p *lenient) lastKey(lines []string) int {
	for i, line := range slices.Backward(lines) {
		if key, _, ok := cutKey(line); ok && slices.Contains(p.known, key) {
			return i
		}
	}
	return -1
}

// add takes one line that is not blank; more tells that keys follow. It reports
// whether the line belongs to front matter.
func (p *lenient) add(line, content string, more bool, number, column int) bool {
	begun := len(p.fields) > 0
	if begun && (line[0] == ' ' || line[0] == '\t' || p.takesItem(content)) {
		p.extend(content)
		return true
	}
	sure := p.closed && (!p.blank || more)
	if key, value, ok := cutKey(line); ok && (sure || slices.Contains(p.known, key)) {
		p.finish()
		p.fields = append(p.fields, field{key: key, line: number, column: column})
		p.begin(value)
		return true
	}
	if content[0] == '#' { // a comment, or the first heading of the text
		return more
	}
	if begun && sure {
		p.extend(content)
	}
	return begun && sure
}

// cutKey cuts "key: value". Keys begin with a small letter: "Note: …" at the
// beginning of a line is text that goes on.
func cutKey(line string) (key, value string, ok bool) {
	key, value, ok = strings.Cut(line, ":")
	if !ok || key == "" || key[0] < 'a' || key[0] > 'z' || value != "" && value[0] != ' ' && value[0] != '\t' {
		return "", "", false
	}
	for _, c := range []byte(key) {
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return "", "", false
		}
	}
	return key, strings.TrimSpace(value), true
}

// takesItem reports whether a line is a list item and the current field, which
// has no text so far, can be a list.
func (p *lenient) takesItem(content string) bool {
	return len(p.parts) == 0 && p.block == 0 && (content == "-" || strings.HasPrefix(content, "- "))
}

func (p *lenient) begin(value string) {
	p.parts, p.block = nil, 0
	switch {
	case value == "":
	case len(value) <= 2 && (value[0] == '|' || value[0] == '>'):
		p.block = value[0]
	default:
		p.parts = []string{value}
	}
}

func (p *lenient) current() *field { return &p.fields[len(p.fields)-1] }

// extend adds a line to the current field.
func (p *lenient) extend(content string) {
	f := p.current()
	if p.takesItem(content) {
		if item := unquote(strings.TrimSpace(content[1:])); item != "" {
			f.list = append(f.list, item)
		}
		return
	}
	p.parts = append(p.parts, content)
}

func (p *lenient) addBlank() {
	if p.block == '|' {
		p.parts = append(p.parts, "")
	}
	p.blank = true
}

// finish ends the current field.
func (p *lenient) finish() {
	if len(p.fields) == 0 {
		return
	}
	f, between := p.current(), " "
	if p.block == '|' {
		between = "\n"
	}
	text := strings.TrimSpace(strings.Join(p.parts, between))
	if f.list != nil && text != "" {
		f.list = append(f.list, text)
		return
	}
	f.text = unquote(text)
}
