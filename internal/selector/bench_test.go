package selector_test

import (
	"fmt"
	"testing"

	"github.com/claude-force/claude-force/internal/selector"
)

// Sentences as agents and tasks have them.
var (
	subjects = []string{"SQL queries", "login pages", "pipelines", "React components", "unit tests", "invoices", "clusters", "prompts", "sitemaps", "branches"}
	verbs    = []string{"Design", "Review", "Speed up", "Document", "Deploy", "Debug", "Migrate", "Secure", "Refactor", "Monitor"}
	ends     = []string{"for large teams", "without downtime", "in production", "with few words", "before a release", "under load", "in the cloud", "at night", "on phones", "by hand"}
)

func realistic(n int) []selector.Agent {
	agents := make([]selector.Agent, n)
	for i := range agents {
		a := &agents[i]
		a.Name = fmt.Sprintf("specialist-%d", i)
		a.Domains = []string{subjects[i%10], ends[i/10%10]}
		a.Body = fmt.Sprintf("# Specialist %d\n\n## Role\n%s %s %s.\n\n## Responsibilities\n", i, verbs[i/100%10], subjects[i%10], ends[i/10%10])
		for k := range 22 {
			a.Body += fmt.Sprintf("- %s %s %s of kind %d\n", verbs[(i+k)%10], subjects[(i*7+k*3)%10], ends[(i/7+k)%10], i*k)
		}
	}
	return agents
}

const task = "our login page takes 8 seconds to load since the last release, please find out why and make the queries behind it faster"

// What is left beside the encoder, of a warm selector.
func BenchmarkRecommend(b *testing.B) {
	for _, n := range []int{30, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := selector.New(realistic(n), selector.Options{Embedder: &fake{}})
			if _, err := s.Recommend(b.Context(), task, 3); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := s.Recommend(b.Context(), task, 3); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
		})
	}
}

func BenchmarkRecommendWords(b *testing.B) {
	for name, o := range map[string]selector.Options{"words": {}, "keywords": {Keywords: true}} {
		b.Run(name, func(b *testing.B) {
			s := selector.New(realistic(1000), o)
			for b.Loop() {
				if _, err := s.Recommend(b.Context(), task, 3); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
		})
	}
}

// What a command pays before its first question.
func BenchmarkNew(b *testing.B) {
	for _, n := range []int{30, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			agents := realistic(n)
			for b.Loop() {
				selector.New(agents, selector.Options{})
			}
		})
	}
}

// A cold start over agents whose vectors are there already: all but reading
// them.
func BenchmarkFirstRecommend(b *testing.B) {
	agents, e := realistic(30), constant(make([]float32, 512))
	e[0] = 1
	for b.Loop() {
		if _, err := selector.New(agents, selector.Options{Embedder: odd(e.embed)}).Recommend(b.Context(), task, 3); err != nil {
			b.Fatal(err)
		}
	}
}

type constant []float32

func (c constant) embed(texts []string) [][]float32 {
	return rows(len(texts), func(int) []float32 { return c })
}
