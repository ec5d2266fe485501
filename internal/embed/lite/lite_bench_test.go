package lite

import (
	"strings"
	"testing"
)

// thirty is a task of 30 words.
const thirty = "Review the login handler of the web service for SQL injection and missing checks, explain each finding with its file " +
	"and line, and propose a fix that keeps the public interface stable"

func BenchmarkEmbed(b *testing.B) {
	e := load(b)
	for _, text := range []struct{ name, text string }{
		{"30words", thirty},
		{"128tokens", strings.Repeat(thirty+". ", 5)},
	} {
		for _, k := range kernels() {
			b.Run(text.name+"/"+k.name, func(b *testing.B) {
				e.kernel = k.kernel
				for b.Loop() {
					e.Embed(text.text)
				}
				b.ReportMetric(float64(len(e.tokens.encode(text.text))), "tokens")
			})
		}
	}
}

func BenchmarkTokens(b *testing.B) {
	e := load(b)
	for b.Loop() {
		e.tokens.encode(thirty)
	}
}

func BenchmarkLoad(b *testing.B) {
	file := readWeights(b)
	for b.Loop() {
		if _, err := Load(file); err != nil {
			b.Fatal(err)
		}
	}
}
