package markdown_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/claude-force/claude-force/internal/surface/cli/markdown"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func sources(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", "*.md"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no sources in testdata: %v", err)
	}
	return names
}

func read(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The golden files are what a terminal gets: cat shows them as they are meant.
func TestGolden(t *testing.T) {
	for _, name := range sources(t) {
		source := read(t, name)
		for _, width := range []int{80, 36} {
			golden := fmt.Sprintf("%s.%d.golden", strings.TrimSuffix(name, ".md"), width)
			t.Run(filepath.Base(golden), func(t *testing.T) {
				check(t, source, width)
				got := markdown.Render(source, width)
				if *update {
					if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if want := read(t, golden); got != want {
					t.Errorf("differs from %s (accept with -update):\n%s", golden, got)
				}
			})
		}
	}
}

func TestRender(t *testing.T) {
	tests := []struct {
		name, source string
		width        int
		want         string // ‹ and › stand for the escape sequences around a style
	}{
		{"empty", "", 80, ""},
		{"only blanks", " \n\t\n", 80, ""},
		{"headings", "# One\n## Two\n", 80, "‹1;4›One‹0›\n\n‹1›Two‹0›"},
		{"styles", "*a* **b** `c` ***d***", 80, "‹3›a‹0› ‹1›b‹0› ‹35›c‹0› ‹1;3›d‹0›"},
		{"wrapped style", "**one two**", 3, "‹1›one‹0›\n‹1›two‹0›"},
		{"words wider than the terminal", "a abcdefgh b", 4, "a\nabcdefgh\nb"},
		{"break after spaces", "a  \nb", 80, "a\nb"},
		{"break after a backslash", "a\\\nb", 80, "a\nb"},
		{"break as a tag", "a<br/>b", 80, "a\nb"},
		{"link", "[a](http://b)", 80, "a ‹2›(http://b)‹0›"},
		{"link with a title", "[a](http://b 'c')", 80, "a ‹2›(http://b \"c\")‹0›"},
		{"link that shows where it leads", "[http://b](http://b)", 80, "http://b"},
		{"link to an address", "[a@b.de](mailto:a@b.de) <c@d.de>", 80, "a@b.de c@d.de"},
		{"link to nowhere", "[a]()", 80, "a"},
		{"link by reference", "[a][b]\n\n[b]: <http://c>\n[d]: e\n", 80, "a ‹2›(http://c)‹0›\n\n‹2›[b]: <http://c>‹0›\n‹2›[d]: e‹0›"},
		{"image", "![](a.png) ![b](c.png)", 80, "‹2›(a.png)‹0› b ‹2›(c.png)‹0›"},
		{"character references", "&amp; &#65;&#x42; &nope; &#0; \\&amp;", 80, "& AB &nope; \ufffd &amp;"},
		{"no character references", "&; &#; &#x; &#12345678; &a&b", 80, "&; &#; &#x; &#12345678; &a&b"},
		{"character references for no character", "&#xd800;&#x110000;", 80, "\ufffd\ufffd"},
		{"character references for control characters", "&#27;[31m&#x9b;&NewLine;a&Tab;&#x202e;", 80, "␛[31m\ufffd a \ufffd"},
		{"rule", "---", 5, "‹2›─────‹0›"},
		{"margins take half", "- - a b\n", 6, "• •\n  a b"},
		{"quote", "> a\n>\n> b", 80, "‹2›│‹0› a\n‹2›│‹0›\n‹2›│‹0› b"},
		{"tight list", "- a b\n- c", 5, "• a b\n• c"},
		{"loose list", "- a\n\n- c", 5, "• a\n\n• c"},
		{"hanging indent", "10. aa bb cc\n", 9, "10. aa bb\n    cc"},
		{"numbers as written", "1. a\n3. b", 80, "1. a\n3. b"},
		{"numbers counted", "7) a\n7) b", 80, "7) a\n8) b"},
		{"tasks", "- [x] a\n- [ ] bbbb cccc\n1. [X] d", 10, "☑ a\n☐ bbbb\n  cccc\n\n1. ☑ d"},
		{"no task", "- [x]\n- [y] a\n\n[ ] b", 80, "• [x]\n• [y] a\n\n[ ] b"},
		{"code keeps its lines", "```go x\na  long line\n\n\tb\n```", 8, "  ‹2›go x‹0›\n  ‹35›a  long line‹0›\n\n  ‹35›    b‹0›"},
		{"indented code", "    a\n", 80, "  ‹35›a‹0›"},
		{"fence without an end", "```a", 80, "  ‹2›a‹0›"},
		{"tabs in code", "```\na\tb\n漢\tc\n```", 80, "  ‹35›a   b‹0›\n  ‹35›漢  c‹0›"},
		{"html", "<!-- a\nb -->\n\nc <i>d</i>", 80, "‹2›<!-- a‹0›\n‹2›b -->‹0›\n\nc ‹2›<i>‹0›d‹2›</i>‹0›"},
		{"wide characters", "漢字漢字", 5, "漢字\n漢字"},
		{"wide punctuation", "漢字漢。字", 6, "漢字\n漢。字"},
		{"wide and narrow", "abc漢字", 4, "abc\n漢字"},
		{"joined emoji", "👨‍👩‍👧👍🏽🇯🇵⚠️", 4, "👨‍👩‍👧👍🏽\n🇯🇵⚠️"},
		{"a joiner before a letter", "👍\u200dabc", 3, "👍\u200d\nabc"},
		{"combining marks", "e\u0301e\u0301 e\u0301", 4, "e\u0301e\u0301 e\u0301"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			check(t, test.source, test.width)
			want := strings.NewReplacer("‹", "\x1b[", "›", "m").Replace(test.want) + "\n"
			if got := markdown.Render(test.source, test.width); got != want {
				t.Errorf("Render(%q, %d)\n got %q\nwant %q", test.source, test.width, got, want)
			}
		})
	}
}

func TestRenderTable(t *testing.T) {
	tests := []struct {
		name, source string
		width        int
		want         string
	}{
		{"alignment", "|a|b|c|\n|:-|:-:|-:|\n|aaa|bbb|ccc|", 80, "a   │  b  │   c\n────┼─────┼────\naaa │ bbb │ ccc"},
		{"wrapped cells", "|a|b|\n|-|-|\n|1|two three|\n|4|5|", 9, "a │ b\n──┼──────\n1 │ two\n  │ three\n──┼──────\n4 │ 5"},
		{"short rows", "a|b\n-|-\n1\n", 80, "a │ b\n──┼──\n1"},
		{"long rows", "a|b\n-|-\n1|2|3", 80, "a │ b\n──┼────\n1 │ 2|3"},
		{"pipes in cells", "|a|\n|-|\n|`b\\|c` \\| d|", 80, "a\n───────\nb|c | d"},
		{"empty cells", "|a|b|\n|-|-|\n|\n||c|\n|d \\|", 80, "a   │ b\n────┼──\n\n    │ c\nd |"},
		{"after a paragraph", "text\n|a|\n|-|\n|b|", 80, "text\n\na\n─\nb"},
		{"rows too wide", "|a|b|\n|-|-|\n|long1|long2|\n|3|4|", 10, "a: long1\nb: long2\n\na: 3\nb: 4"},
		{"long fields", "|a|b|\n|-|-|\n|b c d e|`longlong`|", 8, "a: b c\n  d e\nb:\n  longlong"},
		{"header too wide", "|long1|long2|\n|-|-|", 8, "long1:\nlong2:"},
		{"columns differ", "|a|b|\n|-|\n", 80, "|a|b| |-|"},
		{"no table", "a\n-\n", 80, "a"},
		{"wide cells", "|漢字|b|\n|-|-|\n|a|b|", 80, "漢字 │ b\n─────┼──\na    │ b"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			check(t, test.source, test.width)
			got := unstyled(t, markdown.Render(test.source, test.width))
			if got != test.want+"\n" {
				t.Errorf("Render(%q, %d)\n got:\n%s\nwant:\n%s", test.source, test.width, got, test.want)
			}
		})
	}
}

func TestPlain(t *testing.T) {
	tests := []struct{ name, source, want string }{
		{"text", "# a\n\tb é 漢 👍🏽", "# a\n\tb é 漢 👍🏽"},
		{"line ends", "a\r\nb\rc\n", "a\nb\nc\n"},
		{"colour", "\x1b[31ma", "␛[31ma"},
		{"hyperlink", "\x1b]8;;http://a\x07b\x1b]8;;\x1b\\", "␛]8;;http://a␇b␛]8;;␛\\"},
		{"backspace, null, delete", "a\b\x00\x7f", "a␈␀␡"},
		{"one-byte sequences", "\u009b31m \u0085", "\ufffd31m \ufffd"},
		{"not UTF-8", "a\x9b\xff", "a\ufffd\ufffd"},
		{"reordered text", "\u202aa\u202e\u2066b\u2069", "\ufffda\ufffd\ufffdb\ufffd"},
		{"separators", "a\u2028b\u2029", "a\ufffdb\ufffd"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := markdown.Plain(test.source); got != test.want {
				t.Errorf("Plain(%q) = %q, want %q", test.source, got, test.want)
			}
		})
	}
}

// hostile are sources that try to drive the terminal.
var hostile = []string{
	"a\x1b[31mb\x1b[2J", "\x1b]8;;http://a\x07b\x1b]8;;\x07", "```\x1b[1A\n\x1b[1A\tx\n```",
	"|\x1b|\n|-|\n|\u009b1m|", "[a\x1b](http://\x1b 'b\x1b')", "&#27;[2J&#x9b;1m&#x202e;", "<a\x1bb>\n\n<!-- \x07 -->",
	"[&#27;]: &#27; '&#27;'\n\n[&#27;]", "# \u202ea\u2066b\r\rc\x00\xff", "~~~ &#27;\t&#7;\n",
}

func TestHostile(t *testing.T) {
	for _, source := range hostile {
		for _, width := range []int{80, 3} {
			check(t, source, width)
		}
	}
}

func TestSmallWidths(t *testing.T) {
	for _, name := range sources(t) {
		source := read(t, name)
		for width := -1; width <= 20; width++ {
			check(t, source, width)
		}
		check(t, source, 1<<40)
	}
}

func TestDefaultWidth(t *testing.T) {
	source := read(t, filepath.Join("testdata", "review.md"))
	for _, width := range []int{0, -1} {
		if markdown.Render(source, width) != markdown.Render(source, 80) {
			t.Errorf("width %d is not 80", width)
		}
	}
}

// No line of prose is wider than the terminal, in any margin.
func TestLineWidths(t *testing.T) {
	source := strings.Repeat("> 1. some words that are ~*quite*~ short\n>    - and **more** of `them` in a list\n>\n", 3)
	for width := 20; width < 100; width++ {
		for line := range strings.Lines(unstyled(t, markdown.Render(source, width))) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("%d cells where there are %d: %q", n, width, line)
			}
		}
	}
}

// Sources without measure are rendered in bounded time and space, and nothing
// of them is lost.
func TestLimits(t *testing.T) {
	repeat := func(unit string, size int) string { return strings.Repeat(unit, size/len(unit)) }
	tests := []struct{ name, source string }{
		{"size", repeat("word\n\n", 600<<10) + "last"},
		{"line", repeat("**a", 100<<10) + " last"},
		{"paragraph", repeat("*a _b* [c](d\n", 100<<10) + "last"},
		{"quotes", repeat(">", 200) + " last"},
		{"quotes without end", repeat("> ", 100<<10) + "last"},
		{"lists", repeat("- 1. ", 200) + "last"},
		{"lists without end", repeat("1.\t", 100<<10) + "last"},
		{"emphasis", repeat("*a **b ", 8<<10) + "last" + repeat(" c** d*", 8<<10)},
		{"definitions", repeat("[a]: b\n", 100<<10) + "last"},
		{"columns", repeat("|a", 8<<10) + "\n" + repeat("|-", 8<<10) + "\n" + repeat("|\n", 8<<10) + "|last"},
		{"code in quotes", repeat("> ", 200) + "```\n" + repeat("> ", 200) + "last"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, width := range []int{1, 80} {
				out := unstyled(t, markdown.Render(test.source, width))
				if !strings.Contains(out, "last") {
					t.Errorf("width %d: the last word is lost", width)
				}
				if len(out) > (width+8)*len(test.source)+1<<10 {
					t.Errorf("width %d: %d bytes became %d", width, len(test.source), len(out))
				}
			}
		})
	}
}

func TestConcurrent(t *testing.T) {
	source := read(t, filepath.Join("testdata", "review.md"))
	want := markdown.Render(source, 80)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if markdown.Render(source, 80) != want {
				t.Error("a concurrent rendering differs")
			}
		})
	}
	group.Wait()
}
