package markdown

import (
	"strings"

	"github.com/yuin/goldmark/ast"
	gfm "github.com/yuin/goldmark/extension/ast"
)

// grid is a table as prose; its first row is the header. Rows may be shorter
// than the header, never longer.
type grid struct {
	rows  [][]prose
	align []gfm.Alignment
}

const columnGap = 3 // the cells of a line between two columns

// table renders a table: its columns side by side where the words fit, else as
// a list of its rows.
func (r *renderer) table(table *gfm.Table) {
	g := grid{align: table.Alignments}
	for n := table.FirstChild(); n != nil; n = n.NextSibling() {
		var s style
		if len(g.rows) == 0 {
			s = bold
		}
		g.rows = append(g.rows, r.cells(n, s))
	}
	if widths := g.columns(r.room()); widths != nil {
		r.sideBySide(g, widths)
	} else {
		r.records(g)
	}
}

func (r *renderer) cells(row ast.Node, s style) []prose {
	var cells []prose
	for n := row.FirstChild(); n != nil; n = n.NextSibling() {
		cells = append(cells, r.prose(n, s))
	}
	return cells
}

// columns returns how wide each column is when the table takes at most the
// given cells, or nil if its words do not fit.
func (g grid) columns(cells int) []int {
	wanted := make([]int, len(g.align))
	widths := make([]int, len(g.align))
	for _, row := range g.rows {
		for i, cell := range row {
			wanted[i] = max(wanted[i], widest(wrap(cell.text, maxWidth)))
			widths[i] = max(widths[i], widest(wrap(cell.text, 1)))
		}
	}
	free := cells - columnGap*(len(widths)-1)
	for _, width := range widths {
		free -= width
	}
	if free < 0 {
		return nil
	}
	for ; free > 0; free-- {
		// What is free goes to the narrowest column that wants more.
		narrowest := -1
		for i, width := range widths {
			if width < wanted[i] && (narrowest < 0 || width < widths[narrowest]) {
				narrowest = i
			}
		}
		if narrowest < 0 {
			break
		}
		widths[narrowest]++
	}
	return widths
}

func widest(lines []extent) int {
	cells := 0
	for _, line := range lines {
		cells = max(cells, line.cells)
	}
	return cells
}

// sideBySide renders the columns of a table.
func (r *renderer) sideBySide(g grid, widths []int) {
	lines := make([][][]extent, len(g.rows))
	wrapped := false // then rules show where a row ends
	for i, row := range g.rows {
		for j, cell := range row {
			lines[i] = append(lines[i], wrap(cell.text, widths[j]))
			wrapped = wrapped || i > 0 && len(lines[i][j]) > 1
		}
	}
	rule := make([]string, len(widths))
	for i, width := range widths {
		rule[i] = strings.Repeat("─", width)
	}
	for i, row := range g.rows {
		if i == 1 || i > 1 && wrapped {
			r.startLine()
			r.put(dim, strings.Join(rule, "─┼─"))
			r.end()
		}
		r.row(row, lines[i], widths, g.align)
	}
}

// row renders one row of a table, each cell already split into lines.
func (r *renderer) row(cells []prose, lines [][]extent, widths []int, align []gfm.Alignment) {
	height := 1
	for _, cell := range lines {
		height = max(height, len(cell))
	}
	for i := range height {
		r.startLine()
		for j, cell := range cells {
			if j > 0 {
				r.put(0, " ")
				r.put(dim, "│")
				r.put(0, " ")
			}
			var line extent
			if i < len(lines[j]) {
				line = lines[j][i]
			}
			left, right := padding(widths[j]-line.cells, align[j])
			r.put(0, left)
			cell.write(&r.writer, line)
			r.put(0, right)
		}
		r.end()
	}
}

// padding returns the spaces before and after a text that leaves cells free.
func padding(cells int, align gfm.Alignment) (before, after string) {
	left := 0
	switch align {
	case gfm.AlignRight:
		left = cells
	case gfm.AlignCenter:
		left = cells / 2
	}
	return strings.Repeat(" ", left), strings.Repeat(" ", cells-left)
}

// records renders each row of a table as a list of its cells, after the names
// of their columns.
func (r *renderer) records(g grid) {
	header, rows := g.rows[0], g.rows[1:]
	if len(rows) == 0 {
		rows = [][]prose{nil}
	}
	for i, row := range rows {
		if i > 0 {
			r.leaveGap()
		}
		for j, name := range header {
			var field prose
			if name.text != "" {
				field.extend(name)
				field.add(bold, ": ")
			}
			if j < len(row) {
				field.extend(row[j])
			} else if i > 0 {
				break // every name has been shown
			}
			r.within("", "  ", 2, func() { r.flow(field) })
		}
	}
}
