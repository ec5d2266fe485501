package embed_test

import (
	"fmt"
	"testing"

	"github.com/claude-force/claude-force/internal/embed"
)

// An agent's definition fills the 128 tokens that count.
func BenchmarkThousandAgents(b *testing.B) {
	texts := make([]string, 1000)
	for i := range texts {
		texts[i] = fmt.Sprintf("Agent %d. ", i)
		for range 12 {
			texts[i] += "Reviews code for mistakes, names the file and the line, and says how to fix each of them. "
		}
	}
	m := embed.New(embed.Options{CacheEntries: -1})
	for b.Loop() {
		if _, err := m.Embed(b.Context(), texts); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFirstText(b *testing.B) {
	for b.Loop() {
		m := embed.New(embed.Options{})
		if _, err := m.Embed(b.Context(), []string{"Review the login handler for SQL injection."}); err != nil {
			b.Fatal(err)
		}
	}
}
