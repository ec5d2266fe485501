// Package prompt turns an agent and a task into a request: what stays the
// same from run to run comes first and byte for byte the same, what changes
// comes after it, and what the model does not take is left out and reported.
package prompt

import (
	"fmt"
	"strings"

	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/project"
	"github.com/claude-force/claude-force/internal/tokens"
)

// smallestCache is the shortest prompt-cache prefix of any model, in tokens.
// It stands in where a model's own minimum is not known: a breakpoint that
// comes too early is ignored by the API and costs nothing.
const smallestCache = 512

// Input is what a request is made of.
type Input struct {
	Agent *project.Agent
	Task  string
	// Model is the resolved model; its Model field is nil for an id outside
	// the catalogue, to which everything is sent as it was asked for.
	Model model.Resolution
	// MaxTokens is the most output tokens.
	MaxTokens int
	// Temperature is nil where the caller did not ask for one.
	Temperature *float64
	// Effort is empty where neither caller nor agent asked for one.
	Effort string
}

// Assemble returns the request's parameters and, for the user, a sentence for
// each thing that was asked for and is not sent.
func Assemble(in Input) (llm.Params, []string) {
	p := llm.Params{
		Model:       in.Model.ID,
		MaxTokens:   in.MaxTokens,
		System:      System(in.Agent, in.Model.Model),
		Messages:    []llm.Message{{Role: "user", Content: []llm.Block{{Text: in.Task}}}},
		Temperature: in.Temperature,
		Effort:      in.Effort,
	}
	return p, fit(&p, in.Model.Model)
}

// System returns the stable prefix: the definition, then the contract, then
// the skills in the order in which the agent names them, with a prompt-cache
// breakpoint at its end where m caches a prefix of that length.
func System(a *project.Agent, m *model.Model) []llm.Block {
	blocks := []llm.Block{{Text: a.Definition}}
	if a.Contract != "" {
		blocks = append(blocks, llm.Block{Text: "# Contract\n\n" + a.Contract})
	}
	for _, s := range a.Skills {
		blocks = append(blocks, llm.Block{Text: "# Skill: " + s.Name + "\n\n" + s.Text})
	}
	least, family := smallestCache, ""
	if m != nil {
		family = m.Tokenizer
		if m.MinCacheTokens > 0 {
			least = m.MinCacheTokens
		}
	}
	if reaches(blocks, family, least) {
		blocks[len(blocks)-1].CacheTTL = "5m"
	}
	return blocks
}

// plenty is more bytes than a token of ordinary text has, by far: a prefix of
// plenty·n bytes need not be counted to know that it has n tokens.
const plenty = 8

// reaches reports whether blocks have at least so many tokens.
func reaches(blocks []llm.Block, family string, least int) bool {
	size, n := 0, 0
	for _, b := range blocks {
		size += len(b.Text)
	}
	if size < least || size >= least*plenty {
		return size >= least
	}
	for _, b := range blocks {
		n += tokens.Estimate(family, b.Text)
	}
	return n >= least
}

// fit takes out what the model would refuse.
func fit(p *llm.Params, m *model.Model) []string {
	if m == nil {
		return nil
	}
	var warnings []string
	if p.Temperature != nil && !m.Sampling {
		warnings = append(warnings, fmt.Sprintf("%s takes no temperature: it was not sent", m.ID))
		p.Temperature = nil
	}
	if p.Effort != "" && !m.TakesEffort(p.Effort) {
		takes := "no effort"
		if len(m.Efforts) > 0 {
			takes = "only effort " + strings.Join(m.Efforts, ", ")
		}
		warnings = append(warnings, fmt.Sprintf("%s takes %s: %q was not sent", m.ID, takes, p.Effort))
		p.Effort = ""
	}
	if m.MaxOutput > 0 && p.MaxTokens > m.MaxOutput {
		warnings = append(warnings, fmt.Sprintf("%s answers with at most %d tokens: max_tokens %d was lowered", m.ID, m.MaxOutput, p.MaxTokens))
		p.MaxTokens = m.MaxOutput
	}
	return warnings
}

// Bytes is the size of a prompt's text in bytes. A prompt never has more
// tokens than bytes, so one that fits a context by this figure fits.
func Bytes(p llm.Params) int {
	n := 0
	eachText(p, func(text string) { n += len(text) })
	return n
}

// Tokens estimates the size of a prompt in tokens: most leans high, floor is
// what the true count will hardly be under.
func Tokens(p llm.Params, family string) (floor, most int) {
	eachText(p, func(text string) {
		floor += tokens.Floor(family, text)
		most += tokens.Estimate(family, text)
	})
	return floor, most
}

func eachText(p llm.Params, do func(string)) {
	all := func(blocks []llm.Block) {
		for _, b := range blocks {
			if len(b.JSON) > 0 {
				do(string(b.JSON))
				continue
			}
			do(b.Text)
		}
	}
	all(p.System)
	for _, m := range p.Messages {
		all(m.Content)
	}
}
