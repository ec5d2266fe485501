package selector

import (
	"slices"
	"strings"
)

const (
	// mostNameWords is how many words a name has that is looked for in a task.
	mostNameWords = 6
	// named is added to the score of an agent that the task names: who names one
	// means it.
	named = 12
)

// readNames returns the agents by their names, in words.
func readNames(agents []Agent) map[string]int32 {
	names := make(map[string]int32, len(agents))
	for i, a := range slices.Backward(agents) { // of two with one name the first counts
		if words := nameWords(a.Name); len(words) > 0 {
			names[strings.Join(words, " ")] = int32(i)
		}
	}
	return names
}

func nameWords(text string) []string {
	var words []string
	eachWord(text, func(word string, compound bool) {
		if !compound && len(words) <= mostWords {
			words = append(words, word)
		}
	})
	return words
}

// mentioned returns the agents whose names a task has. A name of one word may be
// an ordinary one, and counts only as the whole task.
func (s *Selector) mentioned(task string) []int32 {
	words := nameWords(task)
	if agent, ok := s.names[strings.Join(words, " ")]; ok {
		return []int32{agent}
	}
	var agents []int32
	for i := range words {
		for n := 2; n <= mostNameWords && i+n <= len(words); n++ {
			if agent, ok := s.names[strings.Join(words[i:i+n], " ")]; ok {
				agents = append(agents, agent)
			}
		}
	}
	return agents
}
