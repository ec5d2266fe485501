package sim

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a request body, so that a hostile body cannot
// exhaust the stack.
const maxDepth = 200

// reader walks one JSON text without building a tree of it: a request of
// 20 KB is mostly two strings, and what the simulator does not look at is
// only checked and skipped.
//
// The first problem sticks in err; every later call returns the zero value at
// once, so callers check err where it matters and not at each step. The reader
// remembers the path of the value it stands on, because the API's messages
// name it (messages.0.content.1.text).
type reader struct {
	src   string
	pos   int
	depth int
	path  []step
	err   *apiError
}

// step is one element of a path: a member's name, or an index where name is
// empty.
type step struct {
	name  string
	index int
}

// at returns the dotted path of the current value, followed by more.
func (r *reader) at(more ...string) string {
	parts := make([]string, 0, len(r.path)+len(more))
	for _, s := range r.path {
		if s.name == "" {
			parts = append(parts, strconv.Itoa(s.index))
			continue
		}
		parts = append(parts, s.name)
	}
	return strings.Join(append(parts, more...), ".")
}

// fail records that the current value is not what the API takes.
func (r *reader) fail(message string) {
	r.failAt(r.at(), message)
}

// failAt is fail for a path of the caller's own.
func (r *reader) failAt(path, message string) {
	if r.err != nil {
		return
	}
	if path != "" {
		message = path + ": " + message
	}
	r.err = invalid("%s", message)
}

// malformed records that the text is no JSON at all.
func (r *reader) malformed(what string) {
	if r.err == nil {
		r.err = invalid("The request body is not valid JSON: %s: line %d column %d (char %d)",
			what, 1+strings.Count(r.src[:r.pos], "\n"), r.pos-strings.LastIndexByte(r.src[:r.pos], '\n'), r.pos)
	}
}

// peek skips white space and returns the byte that begins the next value, or
// 0 at the end.
func (r *reader) peek() byte {
	if r.err != nil {
		return 0
	}
	for r.pos < len(r.src) {
		switch c := r.src[r.pos]; c {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return c
		}
	}
	return 0
}

// take consumes the byte c, which must come next.
func (r *reader) take(c byte) bool {
	if r.peek() != c {
		r.malformed(fmt.Sprintf("expected %q", c))
		return false
	}
	r.pos++
	return true
}

// isNull consumes a null and reports whether there was one.
func (r *reader) isNull() bool {
	if r.peek() != 'n' {
		return false
	}
	r.literal("null")
	return r.err == nil
}

// object calls member for each member of the object that comes next. A member
// that does not read its value has it skipped.
func (r *reader) object(member func(key string)) {
	if r.peek() != '{' {
		r.wrongKind("Input should be an object")
		return
	}
	r.enter()
	if r.peek() == '}' {
		r.pos++
		r.depth--
		return
	}
	for r.err == nil {
		if r.peek() != '"' {
			r.malformed("expected a property name in double quotes")
			return
		}
		key := r.quoted()
		if !r.take(':') {
			return
		}
		r.path = append(r.path, step{name: key})
		before := r.pos
		member(key)
		if r.pos == before {
			r.skip()
		}
		r.path = r.path[:len(r.path)-1]
		if r.more('}') {
			return
		}
	}
}

// array calls element for each element of the array that comes next.
func (r *reader) array(element func(i int)) {
	if r.peek() != '[' {
		r.wrongKind("Input should be a valid list")
		return
	}
	r.enter()
	if r.peek() == ']' {
		r.pos++
		r.depth--
		return
	}
	for i := 0; r.err == nil; i++ {
		r.path = append(r.path, step{index: i})
		before := r.pos
		element(i)
		if r.pos == before {
			r.skip()
		}
		r.path = r.path[:len(r.path)-1]
		if r.more(']') {
			return
		}
	}
}

// enter steps into an object or array.
func (r *reader) enter() {
	r.pos++
	r.depth++
	if r.depth > maxDepth {
		r.malformed("nested too deeply")
	}
}

// more consumes what follows an element and reports whether it was the closer.
func (r *reader) more(closer byte) (closed bool) {
	switch r.peek() {
	case ',':
		r.pos++
		return false
	case closer:
		r.pos++
		r.depth--
		return true
	default:
		r.malformed(fmt.Sprintf("expected ',' or %q", closer))
		return true
	}
}

// str returns the string that comes next; any other kind of value is refused.
func (r *reader) str() string {
	if r.peek() != '"' {
		r.wrongKind("Input should be a valid string")
		return ""
	}
	return r.quoted()
}

// integer returns the whole number that comes next.
func (r *reader) integer() int {
	text := r.number("Input should be a valid integer")
	if r.err != nil {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		// 4096.0 is whole as well; 4096.5 is not.
		f, ferr := strconv.ParseFloat(text, 64)
		if ferr != nil || f != float64(int64(f)) || f > 1e15 || f < -1e15 {
			r.fail("Input should be a valid integer")
			return 0
		}
		n = int(f)
	}
	return n
}

// float returns the number that comes next.
func (r *reader) float() float64 {
	text := r.number("Input should be a valid number")
	if r.err != nil {
		return 0
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		r.fail("Input should be a valid number")
	}
	return f
}

// boolean returns the truth value that comes next.
func (r *reader) boolean() bool {
	switch r.peek() {
	case 't':
		r.literal("true")
		return r.err == nil
	case 'f':
		r.literal("false")
	default:
		r.wrongKind("Input should be a valid boolean")
	}
	return false
}

// raw skips the value that comes next and returns its text.
func (r *reader) raw() string {
	r.peek()
	start := r.pos
	r.skip()
	if r.err != nil {
		return ""
	}
	return r.src[start:r.pos]
}

// wrongKind refuses the value that comes next, unless it is no JSON at all.
func (r *reader) wrongKind(message string) {
	start := r.pos
	r.skip()
	r.pos = start
	r.fail(message)
}

// skip checks and consumes the value that comes next.
func (r *reader) skip() {
	switch c := r.peek(); {
	case c == '{':
		r.object(func(string) {})
	case c == '[':
		r.array(func(int) {})
	case c == '"':
		r.endOfString()
	case c == 't':
		r.literal("true")
	case c == 'f':
		r.literal("false")
	case c == 'n':
		r.literal("null")
	case c == '-' || c >= '0' && c <= '9':
		r.number("")
	case r.err == nil:
		r.malformed("expected a value")
	}
}

// literal consumes the word want.
func (r *reader) literal(want string) {
	if !strings.HasPrefix(r.src[r.pos:], want) {
		r.malformed("expected a value")
		return
	}
	r.pos += len(want)
}

// number consumes the number that comes next and returns its text; any other
// kind of value is refused with the message otherwise.
func (r *reader) number(otherwise string) string {
	if c := r.peek(); c != '-' && (c < '0' || c > '9') {
		if r.err == nil {
			r.wrongKind(otherwise)
		}
		return ""
	}
	start := r.pos
	if r.src[r.pos] == '-' {
		r.pos++
	}
	whole := r.digits()
	ok := whole == 1 || whole > 1 && r.src[r.pos-whole] != '0'
	if r.pos < len(r.src) && r.src[r.pos] == '.' {
		r.pos++
		ok = r.digits() > 0 && ok
	}
	if r.pos < len(r.src) && (r.src[r.pos] == 'e' || r.src[r.pos] == 'E') {
		r.pos++
		if r.pos < len(r.src) && (r.src[r.pos] == '+' || r.src[r.pos] == '-') {
			r.pos++
		}
		ok = r.digits() > 0 && ok
	}
	if !ok {
		r.malformed("expected a number")
		return ""
	}
	return r.src[start:r.pos]
}

// digits consumes decimal digits and returns how many.
func (r *reader) digits() int {
	start := r.pos
	for r.pos < len(r.src) && r.src[r.pos] >= '0' && r.src[r.pos] <= '9' {
		r.pos++
	}
	return r.pos - start
}

// endOfString consumes the string that comes next and reports whether it
// holds escapes. It checks them, so that quoted need not.
func (r *reader) endOfString() (escaped bool) {
	for i := r.pos + 1; i < len(r.src); i++ {
		switch c := r.src[i]; {
		case c == '"':
			r.pos = i + 1
			return escaped
		case c == '\\':
			escaped = true
			n := escapeLen(r.src[i:])
			if n == 0 {
				r.pos = i
				r.malformed("invalid escape")
				return false
			}
			i += n - 1
		case c < ' ':
			r.pos = i
			r.malformed("invalid control character in a string")
			return false
		}
	}
	r.malformed("unterminated string")
	return false
}

// escapeLen returns the length of the escape that s begins with, or 0 where
// it is none.
func escapeLen(s string) int {
	if len(s) < 2 {
		return 0
	}
	switch s[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(s) >= 6 {
			if _, err := strconv.ParseUint(s[2:6], 16, 16); err == nil {
				return 6
			}
		}
	}
	return 0
}

// quoted consumes the string that comes next and returns what it says.
// Without escapes that is a part of the source, not a copy.
func (r *reader) quoted() string {
	start := r.pos + 1
	escaped := r.endOfString()
	if r.err != nil {
		return ""
	}
	body := r.src[start : r.pos-1]
	if !escaped {
		return body
	}
	return unescape(body)
}

// unescape decodes a checked string body.
func unescape(body string) string {
	var b strings.Builder
	b.Grow(len(body))
	for {
		i := strings.IndexByte(body, '\\')
		if i < 0 {
			b.WriteString(body)
			return b.String()
		}
		b.WriteString(body[:i])
		body = body[i:]
		switch body[1] {
		case 'b':
			b.WriteByte('\b')
		case 'f':
			b.WriteByte('\f')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case 'u':
			c, n := unescapeRune(body)
			b.WriteRune(c)
			body = body[n:]
			continue
		default:
			b.WriteByte(body[1])
		}
		body = body[2:]
	}
}

// unescapeRune decodes the \u escape (or surrogate pair of escapes) that s
// begins with and returns how many bytes it takes. A lone surrogate becomes
// the replacement character.
func unescapeRune(s string) (rune, int) {
	first, _ := strconv.ParseUint(s[2:6], 16, 16)
	c := rune(first)
	if !utf16.IsSurrogate(c) {
		return c, 6
	}
	if len(s) >= 12 && s[6] == '\\' && s[7] == 'u' {
		second, _ := strconv.ParseUint(s[8:12], 16, 16)
		if pair := utf16.DecodeRune(c, rune(second)); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return utf8.RuneError, 6
}

// appendString appends s as a JSON string. Unlike encoding/json it leaves
// <, > and & alone, as the API does.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}
