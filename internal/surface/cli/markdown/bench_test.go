package markdown_test

import (
	"strings"
	"testing"

	"github.com/claude-force/claude-force/internal/surface/cli/markdown"
)

func BenchmarkRender(b *testing.B) {
	review := read(b, "testdata/review.md")
	source := strings.Repeat(review+"\n", 20<<10/len(review)+1)
	b.SetBytes(int64(len(source)))
	b.ReportAllocs()
	for b.Loop() {
		markdown.Render(source, 80)
	}
}
