package markdown

import (
	"bytes"
	"strings"

	"github.com/yuin/goldmark/ast"
	gfm "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// The time that parsing takes grows with the square of what a malicious source
// puts into one paragraph, and that of rendering with the depth of its blocks.
// These limits, in bytes, are far from what people write.
const (
	maxSource    = 512 << 10
	maxLine      = 16 << 10
	maxParagraph = 16 << 10
	// maxLead bounds the blanks and markers of quotes and lists that a line
	// starts with. No block is nested deeper than that.
	maxLead = 256
)

// beyondReading reports whether source is over a limit.
func beyondReading(source string) bool {
	if len(source) > maxSource {
		return true
	}
	for line := range strings.Lines(source) {
		lead := len(line) - len(strings.TrimLeft(line, " \t>-+*.)0123456789"))
		if len(line) > maxLine || lead > maxLead {
			return true
		}
	}
	return false
}

// parse returns the blocks of a source that is not beyond reading. The parser
// is made anew each time, which takes microseconds, so that nothing is global.
func parse(source []byte) ast.Node {
	p := parser.NewParser(
		parser.WithBlockParsers(parser.DefaultBlockParsers()...),
		parser.WithBlockParsers(util.Prioritized(itemParser{parser.NewListItemParser()}, 350)), // before the default one
		parser.WithInlineParsers(parser.DefaultInlineParsers()...),
		parser.WithInlineParsers(util.Prioritized(taskParser{}, 50)), // before links
		parser.WithParagraphTransformers(
			util.Prioritized(tableTransformer{}, 10),
			util.Prioritized(lengthLimit{}, 20),
		),
		parser.WithParagraphTransformers(parser.DefaultParagraphTransformers()...),
	)
	return p.Parse(text.NewReader(source))
}

// itemParser keeps the number that an item of an ordered list has in the source,
// as an attribute.
type itemParser struct{ parser.BlockParser }

const numberAttribute = "number"

// Open implements [parser.BlockParser].
func (p itemParser) Open(parent ast.Node, reader text.Reader, pc parser.Context) (ast.Node, parser.State) {
	line, _ := reader.PeekLine()
	item, state := p.BlockParser.Open(parent, reader, pc)
	if item != nil {
		line = bytes.TrimLeft(line, " ")
		digits := len(line) - len(bytes.TrimLeft(line, "0123456789"))
		item.SetAttributeString(numberAttribute, string(line[:digits]))
	}
	return item, state
}

// taskParser finds the boxes of tasks in lists: "[ ] " and "[x] ".
type taskParser struct{}

// Trigger implements [parser.InlineParser].
func (taskParser) Trigger() []byte { return []byte{'['} }

// Parse implements [parser.InlineParser].
func (taskParser) Parse(parent ast.Node, block text.Reader, _ parser.Context) ast.Node {
	item, ok := parent.Parent().(*ast.ListItem)
	if !ok || item.FirstChild() != parent || parent.HasChildren() {
		return nil
	}
	line, _ := block.PeekLine()
	if len(line) < 4 || !bytes.ContainsRune([]byte(" xX"), rune(line[1])) || line[2] != ']' || line[3] != ' ' {
		return nil
	}
	block.Advance(4)
	return gfm.NewTaskCheckBox(line[1] != ' ')
}

// lengthLimit makes code of paragraphs that are too long to parse.
type lengthLimit struct{}

// Transform implements [parser.ParagraphTransformer].
func (lengthLimit) Transform(p *ast.Paragraph, _ text.Reader, _ parser.Context) {
	lines := p.Lines()
	size := 0
	for i := range lines.Len() {
		line := lines.At(i)
		size += line.Len()
	}
	if size <= maxParagraph {
		return
	}
	code := ast.NewCodeBlock()
	code.SetLines(lines)
	p.Parent().ReplaceChild(p.Parent(), p, code)
}

// tableTransformer finds the tables in paragraphs.
type tableTransformer struct{}

// Transform implements [parser.ParagraphTransformer].
func (tableTransformer) Transform(p *ast.Paragraph, reader text.Reader, _ parser.Context) {
	source, lines := reader.Source(), p.Lines()
	for i := 1; i < lines.Len(); i++ {
		delimiters := lines.At(i)
		columns := alignments(delimiters.Value(source))
		if columns == nil {
			continue
		}
		header := row(lines.At(i-1), source, len(columns)+1)
		if header.ChildCount() != len(columns) {
			continue
		}
		table := gfm.NewTable()
		table.Alignments = columns
		table.AppendChild(table, gfm.NewTableHeader(header))
		for j := i + 1; j < lines.Len(); j++ {
			table.AppendChild(table, row(lines.At(j), source, len(columns)))
		}
		p.Parent().InsertAfter(p.Parent(), p, table)
		cutParagraph(p, i-1, source)
		return
	}
}

// cutParagraph leaves the first n lines of a paragraph, or nothing of it.
func cutParagraph(p *ast.Paragraph, n int, source []byte) {
	if n == 0 {
		p.Parent().RemoveChild(p.Parent(), p)
		return
	}
	lines := p.Lines()
	lines.SetSliced(0, n)
	last := lines.At(n - 1)
	lines.Set(n-1, last.TrimRightSpace(source))
}

// alignments returns what the delimiter row of a table says of each column, and
// nil for any other line.
func alignments(line []byte) []gfm.Alignment {
	line = bytes.TrimSpace(line)
	if !bytes.ContainsAny(line, "|:") {
		return nil // a heading underlined
	}
	var all []gfm.Alignment
	line = bytes.TrimSuffix(bytes.TrimPrefix(line, []byte("|")), []byte("|"))
	for cell := range bytes.SplitSeq(line, []byte("|")) {
		cell = bytes.TrimSpace(cell)
		rest, left := bytes.CutPrefix(cell, []byte(":"))
		rest, right := bytes.CutSuffix(rest, []byte(":"))
		if len(rest) == 0 || len(bytes.Trim(rest, "-")) > 0 {
			return nil
		}
		switch {
		case left && right:
			all = append(all, gfm.AlignCenter)
		case right:
			all = append(all, gfm.AlignRight)
		default:
			all = append(all, gfm.AlignLeft)
		}
	}
	return all
}

// row returns a line of a table as cells, limit at most. What the line holds
// beyond them stays in the last one, with its pipes.
func row(line text.Segment, source []byte, limit int) *gfm.TableRow {
	line = line.TrimLeftSpace(source)
	line = line.TrimRightSpace(source)
	if bytes.HasPrefix(line.Value(source), []byte("|")) {
		line.Start++
	}
	if text := line.Value(source); bytes.HasSuffix(text, []byte("|")) && !bytes.HasSuffix(text, []byte(`\|`)) {
		line.Stop--
	}
	row := gfm.NewTableRow(nil)
	for {
		cell := line
		if row.ChildCount() < limit-1 {
			cell.Stop = line.Start + pipeIndex(line.Value(source))
		}
		row.AppendChild(row, tableCell(cell, source))
		if cell.Stop == line.Stop {
			return row
		}
		line.Start = cell.Stop + 1
	}
}

func tableCell(content text.Segment, source []byte) *gfm.TableCell {
	cell := gfm.NewTableCell()
	content = content.TrimLeftSpace(source)
	content = content.TrimRightSpace(source)
	if !content.IsEmpty() {
		cell.Lines().Append(content)
	}
	return cell
}

// pipeIndex returns where the first pipe without a backslash is in text, and
// its length where there is none.
func pipeIndex(text []byte) int {
	for i, c := range text {
		if c == '|' && (i == 0 || text[i-1] != '\\') {
			return i
		}
	}
	return len(text)
}
