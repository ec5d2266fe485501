package markdown

import "strings"

// Plain returns source as it stands, but for what could drive a terminal:
// control characters become visible signs (ESC is shown as ␛), and so do
// line separators, characters that reorder text and bytes that are not UTF-8
// (as �). Every kind of line end becomes a newline; tabs stay.
//
// Plain is safe for concurrent use.
func Plain(source string) string {
	if strings.Contains(source, "\r") {
		source = strings.ReplaceAll(source, "\r\n", "\n")
		source = strings.ReplaceAll(source, "\r", "\n")
	}
	return strings.Map(visible, source)
}

// visible returns what stands for r on a terminal: r itself where that is
// harmless, else one sign that is one cell wide and no Markdown.
func visible(r rune) rune {
	const pictures = '␀' // the pictures of control characters are in their order
	switch {
	case r >= ' ' && r < 0x7f, r == '\n', r == '\t':
		return r
	case r < ' ':
		return pictures + r
	case r == 0x7f:
		return '␡'
	case r <= 0x9f, // the one-byte forms of escape sequences
		r >= 0x2028 && r <= 0x202e, // separators of lines, embeddings and overrides
		r >= 0x2066 && r <= 0x2069: // isolates
		return '\ufffd'
	}
	return r
}
