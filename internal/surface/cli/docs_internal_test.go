package cli

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestDocumentedCommandsExist parses every command line of the documentation:
// a flag or command that is renamed there or here must be renamed in both.
func TestDocumentedCommandsExist(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	files, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, filepath.Join(root, "README.md"), filepath.Join(root, "CONTRIBUTING.md"))
	found := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range commandLines(string(data)) {
			found++
			if err := parses(words(line)); err != nil {
				t.Errorf("%s: %q: %v", filepath.Base(file), line, err)
			}
		}
	}
	if found < 5 {
		t.Errorf("only %d command lines were found", found)
	}
}

// commandLines are the calls of the program in fenced blocks, without what
// stands before them and what the shell does after them.
func commandLines(markdown string) []string {
	call := regexp.MustCompile(`(?:^|[\s|(])(?:claude-force|go run \./cmd/claude-force)((?: [^|&;>#()\x60]*)?)`)
	var lines []string
	inside := false
	for line := range strings.Lines(strings.ReplaceAll(markdown, "\\\n", " ")) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			inside = !inside && strings.HasPrefix(strings.TrimSpace(line), "```sh")
			continue
		}
		if !inside || strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for _, m := range call.FindAllStringSubmatch(line, -1) {
			lines = append(lines, strings.TrimSpace(m[1]))
		}
	}
	return lines
}

// words splits a line as a shell would: what is quoted is one word.
func words(line string) (list []string) {
	for _, w := range regexp.MustCompile(`"[^"]*"|'[^']*'|\S+`).FindAllString(line, -1) {
		list = append(list, strings.Trim(w, `"'`))
	}
	return list
}

func parses(args []string) error {
	a := &app{Streams: Streams{Out: io.Discard, Err: io.Discard}, settings: map[string]string{}}
	root := a.rootCommand()
	cmd, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if cmd.HasSubCommands() && cmd != root {
		return groupArgs(cmd, cmd.Flags().Args())
	}
	return nil
}

// TestEveryCommandHasHelp keeps the help of all commands whole.
func TestEveryCommandHasHelp(t *testing.T) {
	a := &app{Streams: Streams{Out: io.Discard, Err: io.Discard}, settings: map[string]string{}}
	var visit func(*cobra.Command)
	visit = func(c *cobra.Command) {
		if c.Short == "" {
			t.Errorf("%s has no short help", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(a.rootCommand())
}
