package markdown

import (
	"strconv"
	"strings"

	"github.com/yuin/goldmark/ast"
	gfm "github.com/yuin/goldmark/extension/ast"
)

// blocks renders the blocks in parent; loose ones have an empty line between
// them.
func (r *renderer) blocks(parent ast.Node, loose bool) {
	lines := r.lines
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		if loose && r.lines > lines && !(isDefinition(n) && isDefinition(n.PreviousSibling())) {
			r.leaveGap()
		}
		r.block(n)
	}
}

func isDefinition(n ast.Node) bool {
	_, ok := n.(*ast.LinkReferenceDefinition)
	return ok
}

func (r *renderer) block(n ast.Node) {
	switch n := n.(type) {
	case *ast.Paragraph, *ast.TextBlock:
		r.flow(r.prose(n, 0))
	case *ast.Heading:
		r.flow(r.prose(n, headingStyle(n.Level)))
	case *ast.CodeBlock:
		r.code(n, prose{})
	case *ast.FencedCodeBlock:
		var info prose
		if n.Info != nil {
			info.add(dim, unescape(n.Info.Segment.Value(r.source)))
		}
		r.code(n, info)
	case *ast.Blockquote:
		bar := dim.sequence() + "│" + reset + " "
		r.within(bar, bar, 2, func() { r.blocks(n, true) })
	case *ast.List:
		r.list(n)
	case *ast.ThematicBreak:
		r.startLine()
		r.put(dim, strings.Repeat("─", min(r.room(), defaultWidth)))
		r.end()
	case *gfm.Table:
		r.table(n)
	case *ast.HTMLBlock:
		r.verbatim(n, dim)
		if n.HasClosure() {
			r.verbatimLine(n.ClosureLine.Value(r.source), dim)
		}
	default: // definitions of links among them
		r.verbatim(n, dim)
		r.blocks(n, true)
	}
}

func headingStyle(level int) style {
	if level == 1 {
		return bold | underline
	}
	return bold
}

// code renders a code block below what its fence says about it.
func (r *renderer) code(n ast.Node, info prose) {
	r.within("  ", "  ", 2, func() {
		r.flow(info)
		r.verbatim(n, tint)
	})
}

func (r *renderer) list(list *ast.List) {
	waiting := markers(list)
	lines := r.lines
	for item := list.FirstChild(); item != nil; item = item.NextSibling() {
		if !list.IsTight && r.lines > lines {
			r.leaveGap()
		}
		r.item(item, waiting[0], !list.IsTight)
		waiting = waiting[1:]
	}
}

func (r *renderer) item(item ast.Node, marker string, loose bool) {
	cells := width(marker)
	r.within(marker, strings.Repeat(" ", cells), cells, func() {
		r.blocks(item, loose)
		if r.next != r.rest { // the item is empty: its marker still waits
			r.startLine()
			r.end()
		}
	})
}

// markers returns what stands before each item of a list.
func markers(list *ast.List) []string {
	var markers []string
	if list.IsOrdered() {
		markers = numbers(list)
	}
	i := 0
	for item := list.FirstChild(); item != nil; item = item.NextSibling() {
		box := checkBox(item)
		switch {
		case list.IsOrdered():
			markers[i] += box
		case box != "":
			markers = append(markers, box)
		default:
			markers = append(markers, "• ")
		}
		i++
	}
	return markers
}

// numbers returns the markers of an ordered list, aligned to the right. The
// numbers are those of the source, for the text may refer to them; but where
// all are equal, which asks for it, they are counted up.
func numbers(list *ast.List) []string {
	var all []string
	equal := true
	for item := list.FirstChild(); item != nil; item = item.NextSibling() {
		value, _ := item.AttributeString(numberAttribute)
		number, _ := value.(string)
		all = append(all, number)
		equal = equal && all[0] == number
	}
	longest := 0
	for i, number := range all {
		if equal && i > 0 {
			number = strconv.Itoa(list.Start + i)
		}
		all[i] = number + string(list.Marker) + " "
		longest = max(longest, len(all[i]))
	}
	for i, number := range all {
		all[i] = strings.Repeat(" ", longest-len(number)) + number
	}
	return all
}

// checkBox returns the box of a task in a list, and "" for other items.
func checkBox(item ast.Node) string {
	if !item.HasChildren() {
		return ""
	}
	switch box, ok := item.FirstChild().FirstChild().(*gfm.TaskCheckBox); {
	case !ok:
		return ""
	case box.IsChecked:
		return "☑ "
	default:
		return "☐ "
	}
}
