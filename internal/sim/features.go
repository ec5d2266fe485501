package sim

import (
	"strings"
	"unicode/utf8"
)

// features is what a generated answer can truthfully say of a task.
type features struct {
	language  string // of the code in the task; "" where there is none
	lines     int    // of the code, or of the whole task
	functions []symbol
	types     []symbol
	notes     []note // what a few mechanical checks found, the weightiest first
	opening   string // the task's first sentence
	words     int
	terms     []string // words that the task uses most
}

// symbol is something the code declares.
type symbol struct {
	name     string
	line     int // from 1
	size     int // lines
	branches int // lines in it that decide something
}

// note is something to remark on a line of code.
type note struct {
	line   int
	weight int
	text   string
}

// Bounds of what is looked at: a task may be megabytes, and its answer is a
// page.
const (
	maxScanned = 20_000  // lines
	maxCode    = 2 << 20 // bytes of code
	maxFences  = 100     // fenced blocks
	maxSymbols = 200
	maxNotes   = 5
)

// examine reads the features of a task.
func examine(task string) features {
	language, code := findCode(task)
	code = strings.TrimRight(code, "\n")
	f := features{language: language, lines: 1 + strings.Count(code, "\n")}
	lines := strings.SplitN(cutAt(code, maxCode), "\n", maxScanned+1)
	lines = lines[:min(len(lines), maxScanned)]
	f.opening, f.words, f.terms = prose(task)
	if language == "" {
		return f
	}
	for i, line := range lines {
		name, isType := declares(language, line)
		switch {
		case name == "":
		case isType && len(f.types) < maxSymbols:
			f.types = append(f.types, symbol{name: name, line: i + 1})
		case !isType && len(f.functions) < maxSymbols:
			size := bodySize(lines[i:])
			f.functions = append(f.functions, symbol{
				name: name, line: i + 1, size: size, branches: branches(lines[i : i+size]),
			})
		}
	}
	f.notes = remarks(language, lines, f.functions)
	return f
}

// findCode returns the code of a task and its language: the largest fenced
// block, or the whole of a task that is code itself.
func findCode(task string) (language, code string) {
	rest := task
	for range maxFences {
		tag, body, next, found := fencedBlock(rest)
		if !found {
			break
		}
		if len(body) > len(code) {
			language, code = languageName(tag), body
		}
		rest = next
	}
	if code == "" {
		code = task
	}
	if language == "" {
		language = guessLanguage(code)
	}
	return language, code
}

// fencedBlock returns the first fenced block of a text and what follows it.
func fencedBlock(text string) (tag, body, rest string, found bool) {
	const fence = "```"
	if !strings.HasPrefix(text, fence) {
		i := strings.Index(text, "\n"+fence)
		if i < 0 {
			return "", "", "", false
		}
		text = text[i+1:]
	}
	tag, body, _ = strings.Cut(text[len(fence):], "\n")
	body, rest, _ = strings.Cut(body, "\n"+fence)
	_, rest, _ = strings.Cut(rest, "\n")
	return strings.TrimSpace(tag), body, rest, true
}

// languageName returns the usual name for the tag of a fenced block, or ""
// where it is not one the simulator can read.
func languageName(tag string) string {
	switch strings.ToLower(tag) {
	case "go", "golang":
		return "Go"
	case "python", "py", "python3":
		return "Python"
	case "javascript", "js", "jsx":
		return "JavaScript"
	case "typescript", "ts", "tsx":
		return "TypeScript"
	case "rust", "rs":
		return "Rust"
	case "java":
		return "Java"
	case "sql":
		return "SQL"
	case "sh", "bash", "shell":
		return "shell"
	case "c", "cpp", "c++", "h":
		return "C"
	}
	return ""
}

// guessLanguage tells a language by how its lines begin; prose is "".
func guessLanguage(text string) string {
	scores := make(map[string]int)
	n := 0
	for line := range strings.Lines(text) {
		if n++; n > 400 {
			break
		}
		line = strings.TrimRight(line, " \t\r\n")
		scores[lineLanguage(line)]++
	}
	delete(scores, "")
	best := ""
	for _, language := range []string{"Go", "Python", "Rust", "TypeScript", "JavaScript", "Java", "C", "SQL"} {
		if scores[language] > scores[best] {
			best = language
		}
	}
	if scores[best] < 2 {
		return ""
	}
	return best
}

// lineLanguage returns the language that a line gives away, or "".
func lineLanguage(line string) string {
	trimmed := strings.TrimLeft(line, " \t")
	has := func(prefixes ...string) bool {
		for _, p := range prefixes {
			if strings.HasPrefix(trimmed, p) {
				return true
			}
		}
		return false
	}
	switch {
	case has("func ") && strings.HasSuffix(line, "{"), has("package ") && !strings.HasSuffix(line, ";"), line == "import (", strings.Contains(line, " := "):
		return "Go"
	case has("def ", "async def ", "class ", "elif ", "except") && strings.HasSuffix(line, ":"), has("from ") && strings.Contains(line, " import "):
		return "Python"
	case has("fn ", "pub fn ", "impl ", "let mut ", "use std::"):
		return "Rust"
	case has("export interface ", "interface ", "export type ") && strings.HasSuffix(line, "{"), has("private readonly "):
		return "TypeScript"
	case has("const ", "export ", "function ", "async function ") && (strings.HasSuffix(line, ";") || strings.HasSuffix(line, "{")):
		return "JavaScript"
	case has("public class ", "import java", "public static ", "private final "):
		return "Java"
	case has("#include "):
		return "C"
	case has("SELECT ", "CREATE TABLE ", "INSERT INTO ", "ALTER TABLE "):
		return "SQL"
	}
	return ""
}

// declares returns the name that a line of code declares as a function or a
// type, or "".
func declares(language, line string) (name string, isType bool) {
	words := strings.TrimLeft(line, " \t")
	for {
		first, rest, found := strings.Cut(words, " ")
		if !found {
			return "", false
		}
		switch first {
		case "pub", "export", "default", "async", "static", "public", "private", "protected", "final", "abstract":
			words = rest
			continue
		case "func", "def", "fn", "function":
			return identifier(afterReceiver(language, rest)), false
		case "class", "struct", "enum", "trait", "interface":
			return identifier(rest), true
		case "type":
			return identifier(rest), language == "Go" || language == "Rust" || language == "TypeScript"
		}
		return "", false
	}
}

// afterReceiver skips the receiver of a Go method.
func afterReceiver(language, s string) string {
	if language != "Go" || !strings.HasPrefix(s, "(") {
		return s
	}
	_, after, _ := strings.Cut(s, ") ")
	return after
}

// identifier returns the name that s begins with, or "".
func identifier(s string) string {
	end := 0
	for end < len(s) && end < 60 {
		r, size := utf8.DecodeRuneInString(s[end:])
		if r != '_' && (r >= utf8.RuneSelf || !isLetter(byte(r)) && (end == 0 || !isDigit(byte(r)))) {
			break
		}
		end += size
	}
	return s[:end]
}

// bodySize returns how many lines belong to the declaration that lines begin
// with: up to the line that stands as far to the left again.
func bodySize(lines []string) int {
	indent, last := indentation(lines[0]), 0
	for i := 1; i < len(lines); i++ {
		trimmed := strings.TrimSpace(lines[i])
		switch {
		case trimmed == "":
		case indentation(lines[i]) > indent:
			last = i
		case strings.HasPrefix(trimmed, "}"):
			return i + 1
		default:
			return last + 1
		}
	}
	return last + 1
}

// branches returns how many lines of a body decide something.
func branches(body []string) int {
	n := 0
	for _, line := range body {
		first, _, _ := strings.Cut(strings.TrimLeft(line, " \t}"), " ")
		switch strings.TrimRight(first, "(:") {
		case "if", "else", "elif", "for", "while", "case", "match", "catch", "except", "default":
			n++
		}
	}
	return n
}

// indentation returns how much white space a line begins with.
func indentation(line string) int {
	return len(line) - len(strings.TrimLeft(line, " \t"))
}
