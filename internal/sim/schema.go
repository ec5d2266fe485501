package sim

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// A schema may refer to itself, so that an instance of it has to be bounded.
const (
	maxSchemaDepth  = 12
	maxSchemaValues = 2_000
)

// instance returns a JSON value that fits a JSON schema, as far as the schema
// can be followed: what an answer looks like that was forced into it. The same
// schema always gives the same value.
func instance(schema string) string {
	var root any
	if json.Unmarshal([]byte(schema), &root) != nil {
		return "{}"
	}
	b := &builder{root: root}
	text, err := json.Marshal(b.value(root, 0))
	if err != nil {
		return "{}"
	}
	return string(text)
}

// builder builds an instance of a schema.
type builder struct {
	root   any
	values int // built so far
}

func (b *builder) value(schema any, depth int) any {
	s, ok := schema.(map[string]any)
	if b.values++; !ok || depth > maxSchemaDepth || b.values > maxSchemaValues {
		return nil
	}
	if ref, ok := s["$ref"].(string); ok {
		return b.value(b.resolve(ref), depth+1)
	}
	if v, ok := s["const"]; ok {
		return v
	}
	if list, ok := s["enum"].([]any); ok && len(list) > 0 {
		return list[0]
	}
	for _, key := range []string{"anyOf", "oneOf", "allOf"} {
		if list, ok := s[key].([]any); ok && len(list) > 0 {
			return b.value(list[0], depth+1)
		}
	}
	switch schemaType(s) {
	case "object":
		return b.object(s, depth)
	case "array":
		return b.array(s, depth)
	case "string":
		return text(s)
	case "integer", "number":
		return number(s)
	case "boolean":
		return false
	}
	return nil
}

// schemaType returns the type that an instance is to have.
func schemaType(s map[string]any) string {
	switch t := s["type"].(type) {
	case string:
		return t
	case []any:
		for _, one := range t {
			if name, ok := one.(string); ok && name != "null" {
				return name
			}
		}
	}
	if s["properties"] != nil {
		return "object"
	}
	return ""
}

// resolve follows a reference within the schema.
func (b *builder) resolve(ref string) any {
	at := b.root
	for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#"), "/") {
		if part == "" {
			continue
		}
		members, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = members[part]
	}
	return at
}

// object fills the required properties, or all where none are required.
func (b *builder) object(s map[string]any, depth int) any {
	properties, _ := s["properties"].(map[string]any)
	required, _ := s["required"].([]any)
	result := make(map[string]any, len(properties))
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if len(required) == 0 || slices.Contains(required, any(name)) {
			result[name] = b.value(properties[name], depth+1)
		}
	}
	return result
}

// array holds as few items as are allowed, but one where that is possible.
func (b *builder) array(s map[string]any, depth int) any {
	n := 1
	if least, ok := s["minItems"].(float64); ok && least > 1 && least <= 100 {
		n = int(least)
	}
	items := []any{}
	if most, ok := s["maxItems"].(float64); s["items"] == nil || ok && most < 1 {
		return items
	}
	for range n {
		items = append(items, b.value(s["items"], depth+1))
	}
	return items
}

// text is a string of a schema.
func text(s map[string]any) string {
	switch s["format"] {
	case "date":
		return "2026-01-31"
	case "date-time":
		return "2026-01-31T12:00:00Z"
	case "email":
		return "user@example.com"
	case "uri":
		return "https://example.com/"
	case "uuid":
		return "00000000-0000-4000-8000-000000000000"
	}
	value := "simulated"
	if least, ok := s["minLength"].(float64); ok && int(least) > len(value) && least <= 10_000 {
		value += strings.Repeat(".", int(least)-len(value))
	}
	if most, ok := s["maxLength"].(float64); ok && most >= 0 && int(most) < len(value) {
		value = value[:int(most)]
	}
	return value
}

// number is a number of a schema.
func number(s map[string]any) float64 {
	if least, ok := s["minimum"].(float64); ok {
		return least
	}
	if above, ok := s["exclusiveMinimum"].(float64); ok {
		return above + 1
	}
	if most, ok := s["maximum"].(float64); ok && most < 0 {
		return most
	}
	return 0
}
