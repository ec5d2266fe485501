package library_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/claude-force/claude-force/internal/library"
)

const maxFileSize = 12 << 10

var starterAgents = []string{
	"backend-architect", "bug-investigator", "code-reviewer", "document-writer-expert",
	"prompt-engineer", "python-expert", "qc-automation-expert", "security-specialist",
}

type index struct {
	Agents map[string]struct {
		File     string   `json:"file"`
		Contract string   `json:"contract"`
		Domains  []string `json:"domains"`
		Priority int      `json:"priority"`
	} `json:"agents"`
	Workflows map[string][]string `json:"workflows"`
}

func TestTemplates(t *testing.T) {
	want := map[string][]string{
		"starter": starterAgents,
		"minimal": {"general-analyst"},
	}
	templates := library.Templates()
	if len(templates) != len(want) {
		t.Fatalf("got %d templates, want %d", len(templates), len(want))
	}
	if templates[0].Name != "starter" {
		t.Errorf("the first template is %q, want the starter library", templates[0].Name)
	}
	for _, tpl := range templates {
		if tpl.Description == "" {
			t.Errorf("%s: no description", tpl.Name)
		}
		if got := names(t, tpl.FS, ".claude/agents"); !slices.Equal(got, want[tpl.Name]) {
			t.Errorf("%s: agents %q, want %q", tpl.Name, got, want[tpl.Name])
		}
	}

	templates[0].Name = "changed"
	if library.Templates()[0].Name != "starter" {
		t.Error("a caller's change shows in the next call")
	}
}

func TestFilesAreCleanText(t *testing.T) {
	placeholder := regexp.MustCompile(`(?i)\b(lorem|ipsum|to-?do|tbd|tbc|fixme|xxx)\b`)
	for name, data := range allFiles(t) {
		if len(data) > maxFileSize {
			t.Errorf("%s: %d bytes, at most %d allowed", name, len(data), maxFileSize)
		}
		if !utf8.Valid(data) || bytes.HasPrefix(data, []byte("\uFEFF")) {
			t.Errorf("%s: not UTF-8 without a byte order mark", name)
		}
		if bytes.ContainsAny(data, "\r\t") {
			t.Errorf("%s: holds a carriage return or a tab", name)
		}
		if !bytes.HasSuffix(data, []byte("\n")) || bytes.HasSuffix(data, []byte("\n\n")) {
			t.Errorf("%s: does not end with exactly one newline", name)
		}
		if bytes.Contains(data, []byte(" \n")) {
			t.Errorf("%s: trailing spaces", name)
		}
		if found := placeholder.Find(data); found != nil {
			t.Errorf("%s: placeholder %q", name, found)
		}
	}
}

func TestIndex(t *testing.T) {
	idx := readIndex(t)
	if got := slices.Sorted(maps.Keys(idx.Agents)); !slices.Equal(got, starterAgents) {
		t.Errorf("agents %q, want %q", got, starterAgents)
	}
	if got := names(t, library.Starter(), ".claude/contracts"); !slices.Equal(got, starterAgents) {
		t.Errorf("contracts %q, want %q", got, starterAgents)
	}
	claimed := map[string]string{}
	for name, agent := range idx.Agents {
		if agent.File != "agents/"+name+".md" || agent.Contract != "contracts/"+name+".md" {
			t.Errorf("%s: file %q and contract %q are not named after it", name, agent.File, agent.Contract)
		}
		if agent.Priority < 1 || agent.Priority > 3 {
			t.Errorf("%s: priority %d, want 1 to 3", name, agent.Priority)
		}
		if len(agent.Domains) == 0 {
			t.Errorf("%s: no domains", name)
		}
		for _, domain := range agent.Domains {
			if other, taken := claimed[domain]; taken {
				t.Errorf("domain %q is claimed by %s and %s", domain, other, name)
			}
			claimed[domain] = name
		}
	}
}

func TestWorkflows(t *testing.T) {
	idx := readIndex(t)
	want := []string{"bug-investigator", "python-expert", "code-reviewer"}
	if got := idx.Workflows["bug-fix"]; !slices.Equal(got, want) {
		t.Errorf("bug-fix is %q, want %q", got, want)
	}
	if len(idx.Workflows) != 3 {
		t.Errorf("%d workflows, want 3 as the template's description says", len(idx.Workflows))
	}
	for name, steps := range idx.Workflows {
		if len(steps) < 2 {
			t.Errorf("%s: %d steps do not make a chain", name, len(steps))
		}
		for _, agent := range steps {
			if _, ok := idx.Agents[agent]; !ok {
				t.Errorf("%s: unknown agent %q", name, agent)
			}
		}
	}
}

func TestDefinitions(t *testing.T) {
	sections := []string{"Expertise", "Input", "Method", "Output format", "Self-check"}
	known := []string{"Bash", "Edit", "Glob", "Grep", "Read", "WebFetch", "Write"}
	for _, tpl := range library.Templates() {
		for _, name := range names(t, tpl.FS, ".claude/agents") {
			t.Run(tpl.Name+"/"+name, func(t *testing.T) {
				front, body := split(t, read(t, tpl.FS, ".claude/agents/"+name+".md"))
				if front["name"] != name {
					t.Errorf("name is %q, the file is %s.md", front["name"], name)
				}
				if !strings.Contains(front["description"], "Use when ") {
					t.Errorf("description does not say when to use the agent: %q", front["description"])
				}
				for tool := range strings.SplitSeq(front["tools"], ", ") {
					if !slices.Contains(known, tool) {
						t.Errorf("tool %q is not one of %q", tool, known)
					}
				}
				if got := headings(body); !slices.Equal(got, sections) {
					t.Errorf("sections %q, want %q", got, sections)
				}
				promised := skeleton(t, body)
				if promised[len(promised)-1] != "Not verified" {
					t.Errorf("the skeleton ends with %q, want %q", promised[len(promised)-1], "Not verified")
				}
			})
		}
	}
}

func TestContracts(t *testing.T) {
	sections := []string{"Input", "Output", "Guarantees", "Refuses"}
	for _, name := range starterAgents {
		t.Run(name, func(t *testing.T) {
			_, definition := split(t, read(t, library.Starter(), ".claude/agents/"+name+".md"))
			contract := read(t, library.Starter(), ".claude/contracts/"+name+".md")
			if want := "# Contract: " + name + "\n"; !strings.HasPrefix(contract, want) {
				t.Errorf("does not start with %q", want)
			}
			if got := headings(contract); !slices.Equal(got, sections) {
				t.Errorf("sections %q, want %q", got, sections)
			}
			if got, want := promises(contract), skeleton(t, definition); !slices.Equal(got, want) {
				t.Errorf("contract promises %q, the definition's skeleton has %q", got, want)
			}
			if n := len(strings.Fields(definition)); n < 600 || n > 1100 {
				t.Errorf("the definition has %d words, want 600 to 1,100", n)
			}
			if n := len(strings.Fields(contract)); n < 150 || n > 300 {
				t.Errorf("the contract has %d words, want 150 to 300", n)
			}
		})
	}
}

func TestDescriptionsDiffer(t *testing.T) {
	const most = 3
	words := map[string][]string{}
	for _, name := range starterAgents {
		front, _ := split(t, read(t, library.Starter(), ".claude/agents/"+name+".md"))
		words[name] = contentWords(front["description"])
	}
	for i, a := range starterAgents {
		for _, b := range starterAgents[i+1:] {
			var shared []string
			for _, word := range words[a] {
				if slices.Contains(words[b], word) {
					shared = append(shared, word)
				}
			}
			if len(shared) > most {
				t.Errorf("%s and %s share %q, at most %d words allowed", a, b, shared, most)
			}
		}
	}
}

// A phrase that fits two agents belongs to neither of them. Front matter and the
// list of headings are form, not phrases.
func TestAgentsDoNotRepeatEachOther(t *testing.T) {
	const length = 6
	seen := map[string]string{}
	for _, name := range starterAgents {
		_, definition := split(t, read(t, library.Starter(), ".claude/agents/"+name+".md"))
		input, rest, _ := strings.Cut(read(t, library.Starter(), ".claude/contracts/"+name+".md"), "\n## Output\n")
		_, guarantees, _ := strings.Cut(rest, "\n## ")
		for _, part := range []string{definition, input, guarantees} {
			words := strings.Fields(strings.ToLower(part))
			for i := range len(words) - length + 1 {
				phrase := strings.Join(words[i:i+length], " ")
				if other, ok := seen[phrase]; ok && other != name {
					t.Errorf("%s and %s both say %q", name, other, phrase)
				}
				seen[phrase] = name
			}
		}
	}
}

func readIndex(t *testing.T) index {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(read(t, library.Starter(), ".claude/claude.json")))
	decoder.DisallowUnknownFields()
	var idx index
	if err := decoder.Decode(&idx); err != nil {
		t.Fatalf("claude.json: %v", err)
	}
	return idx
}

func read(t *testing.T, fsys fs.FS, name string) string {
	t.Helper()
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func allFiles(t *testing.T) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	for _, tpl := range library.Templates() {
		err := fs.WalkDir(tpl.FS, ".", func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			found[tpl.Name+"/"+name], err = fs.ReadFile(tpl.FS, name)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// names returns the Markdown files of dir without their extension, sorted.
func names(t *testing.T, fsys fs.FS, dir string) []string {
	t.Helper()
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), ".md")
		if !ok || entry.IsDir() {
			t.Errorf("%s is not a Markdown file", path.Join(dir, entry.Name()))
			continue
		}
		found = append(found, name)
	}
	return found
}

// split separates the front matter of a definition from its body. The library
// uses plain one-line scalars only, so that any YAML reader agrees on them.
func split(t *testing.T, text string) (front map[string]string, body string) {
	t.Helper()
	rest, opened := strings.CutPrefix(text, "---\n")
	head, body, closed := strings.Cut(rest, "\n---\n")
	if !opened || !closed {
		t.Fatal("no front matter")
	}
	front = map[string]string{}
	for line := range strings.SplitSeq(head, "\n") {
		key, value, ok := strings.Cut(line, ": ")
		if !ok || strings.Contains(value, ": ") || strings.Contains(value, " #") || strings.ContainsAny(value[:1], "\"'[{&*!|>%@`") {
			t.Fatalf("front matter %q is not a key and a plain scalar", line)
		}
		if !slices.Contains([]string{"name", "description", "tools", "model"}, key) || front[key] != "" {
			t.Fatalf("front matter key %q is unknown or repeated", key)
		}
		front[key] = value
	}
	return front, body
}

// headings returns the second-level headings of text that stand outside fences.
func headings(text string) []string {
	outside, _ := fences(text)
	return secondLevel(outside)
}

// skeleton returns the second-level headings of the one fence in which a
// definition shows its output.
func skeleton(t *testing.T, body string) []string {
	t.Helper()
	_, format, _ := strings.Cut(body, "\n## Output format\n")
	_, inside := fences(format)
	if len(inside) != 1 {
		t.Fatalf("%d fences show the output, want 1", len(inside))
	}
	found := secondLevel(inside[0])
	if len(found) == 0 {
		t.Fatal("the skeleton has no headings")
	}
	return found
}

// promises returns the headings that the Output section of a contract names.
func promises(contract string) []string {
	_, output, _ := strings.Cut(contract, "\n## Output\n")
	output, _, _ = strings.Cut(output, "\n## ")
	var found []string
	for line := range strings.Lines(output) {
		if rest, ok := strings.CutPrefix(line, "- `## "); ok {
			heading, _, _ := strings.Cut(rest, "`")
			found = append(found, heading)
		}
	}
	return found
}

// fences splits Markdown into the text outside of fenced blocks and the content
// of each block. A block ends at a line of at least as many backticks as opened
// it, so blocks within blocks stay part of the outer one.
func fences(text string) (outside string, inside []string) {
	var out, block strings.Builder
	open := ""
	for line := range strings.Lines(text) {
		trimmed := strings.TrimRight(line, "\n")
		ticks := trimmed[:len(trimmed)-len(strings.TrimLeft(trimmed, "`"))]
		switch {
		case open == "" && len(ticks) >= 3:
			open = ticks
		case open == "":
			out.WriteString(line)
		case trimmed == ticks && len(ticks) >= len(open):
			inside = append(inside, block.String())
			block.Reset()
			open = ""
		default:
			block.WriteString(line)
		}
	}
	return out.String(), inside
}

func secondLevel(text string) []string {
	var found []string
	for line := range strings.Lines(text) {
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			found = append(found, strings.TrimSpace(heading))
		}
	}
	return found
}

// contentWords returns the distinct words of text that carry meaning, in lower case.
func contentWords(text string) []string {
	stop := strings.Fields("a an and are as at be before by for from how in into is it its must nobody of on or " +
		"that the to use when where whether who why with")
	var found []string
	for word := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return (r < 'a' || r > 'z') && r != '.' }) {
		word = strings.Trim(word, ".")
		if word != "" && !slices.Contains(stop, word) && !slices.Contains(found, word) {
			found = append(found, word)
		}
	}
	return found
}
