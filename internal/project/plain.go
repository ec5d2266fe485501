package project

import "strings"

// plainYAML reads front matter that needs no YAML parser, as most does: each
// line a key and a plain value of ASCII letters and the like. Listing thirty
// agents spent a quarter of its time in the parser. ok is false for anything
// else; what is taken reads as YAML does (a fuzz test holds it to that).
func plainYAML(text string, first int) (fields []field, ok bool) {
	text = strings.TrimSuffix(text, "\n")
	fields = make([]field, 0, 8)
	line := first
	for s := range strings.SplitSeq(text, "\n") {
		line++
		key, value, found := strings.Cut(s, ": ")
		value = strings.Trim(value, " ")
		if !found || !plainKey(key) || !plainValue(value) {
			return nil, false
		}
		fields = append(fields, field{key: key, text: value, line: line, column: 1})
	}
	return fields, true
}

func plainKey(s string) bool {
	for i := range len(s) {
		if c := s[i]; !letter(c) && (i == 0 || c != '-' && c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != ""
}

// plainValue reports whether a value is a plain scalar that is taken as it is
// written.
func plainValue(s string) bool {
	if s == "" || !letter(s[0]) || s[len(s)-1] == ':' {
		return false
	}
	switch s {
	case "null", "Null", "NULL":
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return !strings.Contains(s, ": ") && !strings.Contains(s, " #")
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
