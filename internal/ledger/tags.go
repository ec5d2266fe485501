package ledger

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/claude-force/claude-force/internal/llm"
)

const (
	maxTags     = 16
	maxTagKey   = 64
	maxTagValue = 256
)

// CheckTags says what is wrong with tags, as a sentence, or nothing: reports
// have one line for each, so they are few and short.
func CheckTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return fmt.Errorf("a run has at most %d tags", maxTags)
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		value := tags[key]
		switch {
		case key == "" || len(key) > maxTagKey || strings.ContainsFunc(key, notInKey):
			return fmt.Errorf("the tag %.70q must have a key of 1 to %d letters, digits, dots, dashes, slashes and underscores", key, maxTagKey)
		case len(value) > maxTagValue:
			return fmt.Errorf("the tag %q has more than %d bytes", key, maxTagValue)
		case !utf8.ValidString(value) || strings.ContainsFunc(value, isControl):
			return fmt.Errorf("the tag %q has a value that is not plain text", key)
		}
	}
	return nil
}

func notInKey(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	}
	return !strings.ContainsRune("._-/", r)
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// Tags are tags in the order of their keys, as labels have them; nil for none.
func Tags(tags map[string]string) []llm.Tag {
	if len(tags) == 0 {
		return nil
	}
	out := make([]llm.Tag, 0, len(tags))
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, llm.Tag{Key: key, Value: tags[key]})
	}
	return out
}
