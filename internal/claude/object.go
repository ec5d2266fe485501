package claude

import (
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"
)

// The events of a stream are small objects of which a few fields matter, and
// the rest is kept as it came. Taking them apart by position costs a fifth of
// decoding them by reflection, which is the greater part of a call's own work.

var errNotObject = errors.New("not a JSON object")

// eachField hands every field of a JSON object to visit, in order, values as
// they came. data must be valid JSON (see [json.Valid]).
func eachField(data []byte, visit func(name string, value []byte)) error {
	i := skipSpace(data, 0)
	if i == len(data) || data[i] != '{' {
		return errNotObject
	}
	for i = skipSpace(data, i+1); data[i] != '}'; i = skipSpace(data, i) {
		if data[i] == ',' {
			i = skipSpace(data, i+1)
		}
		end := skipString(data, i)
		name := text(data[i:end])
		i = skipSpace(data, skipSpace(data, end)+1) // the colon
		end = skipValue(data, i)
		visit(name, data[i:end])
		i = end
	}
	return nil
}

func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\t' || data[i] == '\n' || data[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the index behind the string that begins at i.
func skipString(data []byte, i int) int {
	for i++; data[i] != '"'; i++ {
		if data[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// skipValue returns the index behind the value that begins at i.
func skipValue(data []byte, i int) int {
	depth := 0
	for i < len(data) {
		switch data[i] {
		case '"':
			i = skipString(data, i)
		case '{', '[':
			depth++
			i++
		case '}', ']':
			if depth == 0 { // the end of the object around it
				return i
			}
			depth--
			i++
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
			i++
			continue
		default:
			i++
			continue
		}
		if depth == 0 {
			return i
		}
	}
	return i
}

// text is the string that a JSON string spells, or "" for any other value.
func text(value []byte) string {
	if len(value) < 2 || value[0] != '"' {
		return ""
	}
	inner := value[1 : len(value)-1]
	for _, c := range inner {
		if c == '\\' || c >= utf8.RuneSelf {
			var s string
			if json.Unmarshal(value, &s) != nil {
				return ""
			}
			return s
		}
	}
	return string(inner)
}

// number is a JSON number as an integer; null and what is absent are 0.
func number(value []byte) (int64, error) {
	if len(value) == 0 || value[0] == 'n' {
		return 0, nil
	}
	return strconv.ParseInt(string(value), 10, 64)
}

// isNull reports whether a value is absent or null.
func isNull(value []byte) bool { return len(value) == 0 || value[0] == 'n' }
