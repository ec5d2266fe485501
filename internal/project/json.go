package project

import (
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"
)

// node is a JSON value that knows where it stands.
type node struct {
	kind    nodeKind
	offset  int    // in bytes
	text    string // of a string, a number or a boolean
	members []member
	items   []*node
}

type nodeKind string

// The kinds of values, as messages name them.
const (
	isNull    nodeKind = "null"
	isText    nodeKind = "text"
	isNumber  nodeKind = "a number"
	isBoolean nodeKind = "true or false"
	isList    nodeKind = "a list"
	isObject  nodeKind = "an object"
)

// member is a key of an object with its value.
type member struct {
	key    string
	offset int
	value  *node
}

// The bounds of claude.json.
const (
	maxDepth  = 100
	maxValues = 500_000
)

// jsonError says what is wrong with JSON, and where.
type jsonError struct {
	offset        int
	problem, hint string
	err           error
}

// parseJSON parses one JSON value.
func parseJSON(text string) (*node, *jsonError) {
	var whole json.RawMessage
	if err := json.Unmarshal([]byte(text), &whole); err != nil {
		return nil, newJSONError(text, err)
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	p := &jsonParser{text: text, decoder: d}
	return p.value(0)
}

// newJSONError finds the place of a syntax error and, for the mistakes that
// people make most, the remedy.
func newJSONError(text string, err error) *jsonError {
	e := &jsonError{offset: len(text), problem: "this is no valid JSON: " + err.Error(), err: err}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) && !strings.HasPrefix(syntax.Error(), "unexpected end") {
		e.offset = max(0, int(syntax.Offset)-1)
	}
	rest := text[min(e.offset, len(text)):]
	before := strings.TrimRight(text[:len(text)-len(rest)], " \t\r\n")
	switch {
	case rest == "":
		e.hint = "the end is missing: close what is open"
	case strings.HasSuffix(before, ",") && (rest[0] == '}' || rest[0] == ']'):
		e.hint = "remove the comma before it"
	case rest[0] == '/' || rest[0] == '#':
		e.hint = "remove the comment, which JSON does not have"
	case rest[0] == '"':
		e.hint = "put a comma before it"
	case rest[0] == '\'':
		e.hint = `use double quotes (")`
	default:
		e.hint = "correct it there, or just before"
	}
	return e
}

// jsonParser builds nodes from text that is known to be valid.
type jsonParser struct {
	text    string
	decoder *json.Decoder
	values  int
}

// token returns the next token and its offset.
func (p *jsonParser) token() (json.Token, int, *jsonError) {
	offset := int(p.decoder.InputOffset())
	offset += len(p.text[offset:]) - len(strings.TrimLeft(p.text[offset:], " \t\r\n:,"))
	t, err := p.decoder.Token()
	if err != nil {
		return nil, 0, newJSONError(p.text, err)
	}
	return t, offset, nil
}

func (p *jsonParser) value(depth int) (*node, *jsonError) {
	t, offset, err := p.token()
	if err != nil {
		return nil, err
	}
	if p.values++; p.values > maxValues {
		return nil, &jsonError{offset: offset, problem: fmt.Sprintf("the file has over %d values", maxValues), hint: "make it smaller"}
	}
	n := &node{offset: offset}
	switch t := t.(type) {
	case json.Delim:
		if depth == maxDepth {
			return nil, &jsonError{offset: offset, problem: fmt.Sprintf("this nests more than %d deep", maxDepth), hint: "make it flatter"}
		}
		if t == '{' {
			n.kind = isObject
			return n, p.object(n, depth)
		}
		n.kind = isList
		return n, p.list(n, depth)
	case string:
		n.kind, n.text = isText, t
	case json.Number:
		n.kind, n.text = isNumber, t.String()
	case bool:
		n.kind, n.text = isBoolean, fmt.Sprint(t)
	default:
		n.kind = isNull
	}
	return n, nil
}

func (p *jsonParser) object(n *node, depth int) *jsonError {
	for p.decoder.More() {
		key, offset, err := p.token()
		if err != nil {
			return err
		}
		value, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		name, _ := key.(string)
		n.members = append(n.members, member{key: name, offset: offset, value: value})
	}
	_, _, err := p.token()
	return err
}

func (p *jsonParser) list(n *node, depth int) *jsonError {
	for p.decoder.More() {
		item, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
	}
	_, _, err := p.token()
	return err
}

// places turns offsets of a text into lines and columns.
type places struct {
	text   string
	starts []int // of the lines
}

func newPlaces(text string) places {
	starts := make([]int, 1, strings.Count(text, "\n")+1)
	for i := range len(text) {
		if text[i] == '\n' {
			starts = append(starts, i+1)
		}
	}
	return places{text: text, starts: starts}
}

// at returns line and column of an offset, both from 1, the column in
// characters.
func (p places) at(offset int) (line, column int) {
	line = sort.Search(len(p.starts), func(i int) bool { return p.starts[i] > offset })
	return line, utf8.RuneCountInString(p.text[p.starts[line-1]:offset]) + 1
}
