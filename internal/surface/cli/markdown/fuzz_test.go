package markdown_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/claude-force/claude-force/internal/surface/cli/markdown"
)

func FuzzRender(f *testing.F) {
	for _, name := range sources(f) {
		f.Add(read(f, name), 80)
		f.Add(read(f, name), 7)
	}
	for _, source := range hostile {
		f.Add(source, 20)
	}
	f.Fuzz(func(t *testing.T, source string, width int) {
		check(t, source, width)
	})
}

// check fails where the rendering of source breaks a promise.
func check(t *testing.T, source string, width int) {
	t.Helper()
	out := markdown.Render(source, width)
	if markdown.Render(source, width) != out {
		t.Fatal("two renderings differ")
	}
	if !strings.HasSuffix(out, "\n") || len(out) > 1 && strings.HasSuffix(out, "\n\n") {
		t.Fatalf("the output does not end with one newline: %q", out)
	}
	text := unstyled(t, out)
	if at := strings.IndexFunc(text, drivesTerminal); at >= 0 {
		t.Fatalf("control character %q in the output", text[at:at+1])
	}
	plain := markdown.Plain(source)
	if at := strings.IndexFunc(strings.ReplaceAll(plain, "\t", " "), drivesTerminal); at >= 0 {
		t.Fatalf("control character %q in the plain text", plain[at:at+1])
	}
	folded := fold(text)
	for _, word := range words(plain) {
		if !strings.Contains(text, word) && !strings.Contains(folded, fold(word)) {
			t.Fatalf("%q is lost from the output:\n%s", word, text)
		}
	}
}

// drivesTerminal reports whether r is anything that Render must not let
// through.
func drivesTerminal(r rune) bool {
	return r != '\n' && unicode.IsControl(r) ||
		r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// unstyled returns text without its escape sequences, which may only set styles
// and have to be reset on the same line.
func unstyled(t *testing.T, text string) string {
	t.Helper()
	var plain strings.Builder
	styled := false
	for text != "" {
		before, after, found := strings.Cut(text, "\x1b")
		plain.WriteString(before)
		if styled && strings.Contains(before, "\n") {
			t.Fatalf("a style reaches over the end of a line: %q", before)
		}
		if !found {
			break
		}
		sequence, rest, _ := strings.Cut(after, "m")
		if strings.Trim(sequence, "[0123456789;") != "" {
			t.Fatalf("an escape sequence that sets no style: %q", sequence)
		}
		styled = sequence != "[0"
		text = rest
	}
	if styled {
		t.Fatal("a style is never reset")
	}
	return plain.String()
}

// markup is what is shown as something else, or as nothing.
var markup = regexp.MustCompile(`(?i)&#?[a-z0-9]+;|</?\s*br\s*/?>|\[x\]|mailto:`)

// words returns the words of a source. Where lines may end between any two
// characters, each is a word.
func words(source string) []string {
	var words []string
	for _, field := range strings.FieldsFunc(markup.ReplaceAllString(source, " "), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		start := 0
		for i, r := range field {
			if r >= 0x1100 {
				words = append(words, field[start:i], string(r))
				start = i + len(string(r))
			}
		}
		words = append(words, field[start:])
	}
	return words
}

// fold makes the label of a link equal to that of its definition, which may
// differ in case and is what the output shows.
func fold(text string) string { return strings.ToLower(strings.ToUpper(text)) }
