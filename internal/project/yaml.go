package project

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// yamlError says what is wrong with YAML, and in which line of the file.
type yamlError struct {
	line    int
	problem string
}

// decodeYAML parses text of one YAML document whose first line has the given
// index in its file. It returns nil for no document. Nodes keep aliases as they
// are, so that nothing multiplies.
func decodeYAML(text string, first int) (root *yaml.Node, fault *yamlError) {
	defer func() {
		// A parser that panics on foreign text must not take the program with it.
		if r := recover(); r != nil {
			root, fault = nil, &yamlError{line: first + 1, problem: fmt.Sprint(r)}
		}
	}()
	var doc yaml.Node
	d := yaml.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, newYAMLError(err, first)
	}
	var next yaml.Node
	if err := d.Decode(&next); err == nil {
		return nil, &yamlError{line: first + next.Line, problem: "a second document begins"}
	} else if !errors.Is(err, io.EOF) {
		return nil, newYAMLError(err, first)
	}
	return doc.Content[0], nil
}

// newYAMLError takes the line out of "yaml: line 3: problem". The parser leaves
// it out for the first line.
func newYAMLError(err error, first int) *yamlError {
	problem := strings.TrimPrefix(err.Error(), "yaml: ")
	e := &yamlError{line: first + 1, problem: problem}
	if rest, ok := strings.CutPrefix(problem, "line "); ok {
		if number, rest, ok := strings.Cut(rest, ": "); ok {
			if n, err := strconv.Atoi(number); err == nil {
				e.line, e.problem = first+n, rest
			}
		}
	}
	return e
}

// maxMatter bounds front matter that is read as YAML, in bytes.
const maxMatter = 64 * kib

// parseYAML reads front matter. Its first line has the given index in the file.
func parseYAML(text string, first int) ([]field, *yamlError) {
	if len(text) > maxMatter {
		return nil, &yamlError{line: first, problem: "it has over " + megabytes(maxMatter)}
	}
	if fields, ok := plainYAML(text, first); ok {
		return fields, nil
	}
	root, fault := decodeYAML(text, first)
	if root == nil || fault != nil {
		return nil, fault
	}
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return nil, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, &yamlError{line: first + root.Line, problem: "it is not made of key: value lines"}
	}
	fields := make([]field, 0, len(root.Content)/2)
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], resolve(root.Content[i+1])
		f := field{key: key.Value, line: first + key.Line, column: key.Column}
		switch {
		case key.Kind != yaml.ScalarNode:
			return nil, &yamlError{line: f.line, problem: "a key is not text"}
		case value.Kind == yaml.ScalarNode:
			f.text = scalar(value)
		case value.Kind == yaml.SequenceNode:
			f.list, f.nested = scalars(value)
		default:
			f.nested = true
		}
		fields = append(fields, f)
	}
	return fields, nil
}

// resolve follows one alias. An anchor cannot stand for an alias, so one is all.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// scalar returns the text of a scalar as it is written; "" for null.
func scalar(n *yaml.Node) string {
	if n.Tag == "!!null" {
		return ""
	}
	return n.Value
}

// scalars returns the items of a sequence that are not empty, and whether it
// holds more than scalars.
func scalars(n *yaml.Node) (list []string, nested bool) {
	list = []string{}
	for _, item := range n.Content {
		item = resolve(item)
		if item.Kind != yaml.ScalarNode {
			return list, true
		}
		if text := strings.TrimSpace(scalar(item)); text != "" {
			list = append(list, text)
		}
	}
	return list, false
}
