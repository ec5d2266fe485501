package cli

import (
	"os"

	"golang.org/x/term"

	"github.com/claude-force/claude-force/internal/surface/cli/markdown"
)

// render is an answer as it is shown: styled Markdown on a terminal, cleaned
// text on one that takes no style, and the text itself in a file or a pipe.
func (a *app) render(text string) string {
	if !isTerminal(a.Out) {
		return text
	}
	if a.noColor || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return markdown.Plain(text)
	}
	return markdown.Render(text, width(a.Out))
}

// isTerminal reports whether f is a terminal; a file, a pipe and /dev/null are
// none.
func isTerminal(f any) bool {
	file, ok := f.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// width is the terminal's, or 0 where it is not known.
func width(f any) int {
	if file, ok := f.(*os.File); ok {
		if columns, _, err := term.GetSize(int(file.Fd())); err == nil {
			return columns
		}
	}
	return 0
}
