// Package markdown shows Markdown on a terminal, with no more than the
// attributes and the sixteen colours that every terminal has.
//
// It reads CommonMark with GitHub's tables and task lists, and makes two
// promises. Nothing is lost: what has no better form is shown as its source.
// And the source, which a model wrote, cannot drive the terminal: its control
// characters are shown as signs.
//
// goldmark parses; this is the only package that imports it. Its extensions are
// left out, for they compile their patterns whenever a program starts, which
// takes longer than all else in goldmark: syntax.go holds what is needed here.
package markdown

import (
	"bytes"
	"strings"

	"github.com/yuin/goldmark/ast"
)

const (
	defaultWidth = 80
	// maxWidth keeps the padding of tables in proportion to their source.
	maxWidth = 400
)

// Render returns the Markdown source as styled text for a terminal of width
// cells: 80 where width is 0 or less, and never more than 400. The text ends
// with exactly one newline. It holds no control characters but newlines and the
// escape sequences of styles, none of which reaches beyond its line.
//
// Prose is wrapped between words. Code, and a word wider than the terminal, are
// left whole. A table whose words do not fit side by side becomes a list of its
// rows. A source that is beyond reading (over 512 KiB, a line over 16 KiB, or
// markers nested without end) is shown as it stands.
//
// Render is safe for concurrent use; equal arguments give equal results.
func Render(source string, width int) string {
	source = Plain(source)
	if beyondReading(source) {
		return strings.TrimRight(strings.ReplaceAll(source, "\t", "    "), "\n") + "\n"
	}
	if width <= 0 {
		width = defaultWidth
	}
	r := renderer{source: []byte(source + "\n"), width: min(width, maxWidth)}
	r.blocks(parse(r.source), true)
	return string(append(bytes.TrimRight(r.out, "\n"), '\n'))
}

// renderer writes one document, block by block.
type renderer struct {
	source []byte
	width  int
	margin
	writer
}

// margin is what stands left of the text.
type margin struct {
	next   string // starts the next line: it may hold the marker of a list item
	rest   string // starts the lines after it
	indent int    // the cells that rest takes
}

// room returns how many cells are left for text.
func (r *renderer) room() int { return max(r.width-r.indent, 1) }

// within renders body with more margin: first on its first line, rest on the
// others, neither wider than cells. Where margins have taken half of the width,
// there is no more of it, so that text at any depth has room; a marker is then
// on a line of its own.
func (r *renderer) within(first, rest string, cells int, body func()) {
	outer, lines := r.margin, r.lines
	if r.indent+cells <= r.width/2 {
		r.margin = margin{next: r.next + first, rest: r.rest + rest, indent: r.indent + cells}
	} else if first != "" && first != rest {
		r.next += first
		r.startLine()
		r.end()
	}
	body()
	r.margin = outer
	if r.lines > lines {
		r.next = r.rest
	}
}

func (r *renderer) startLine() {
	r.begin(r.next)
	r.next = r.rest
}

// leaveGap asks for an empty line before the next line, if one comes.
func (r *renderer) leaveGap() {
	margin := r.rest
	r.gap = &margin
}

// flow writes prose, wrapped.
func (r *renderer) flow(p prose) {
	for _, line := range wrap(p.text, r.room()) {
		r.startLine()
		p.write(&r.writer, line)
		r.end()
	}
}

// verbatim writes the source lines of a block, never wrapped.
func (r *renderer) verbatim(n ast.Node, s style) {
	lines := n.Lines()
	for i := range lines.Len() {
		segment := lines.At(i)
		r.verbatimLine(segment.Value(r.source), s)
	}
}

func (r *renderer) verbatimLine(line []byte, s style) {
	r.startLine()
	r.put(s, expandTabs(strings.TrimSuffix(string(line), "\n")))
	r.end()
}
