package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// From so many lines or branches on a function is remarked on.
const (
	longFunction = 50
	manyBranches = 5
)

// remarks returns what a few mechanical checks find in code: at most maxNotes,
// no two of the same kind, the weightiest first. Everything it says is true of
// the line it names.
func remarks(language string, lines []string, functions []symbol) []note {
	var notes []note
	seen := make(map[string]bool)
	for i, line := range lines {
		kind, weight, text := remark(language, line)
		if kind == "" || seen[kind] {
			continue
		}
		seen[kind] = true
		notes = append(notes, note{line: i + 1, weight: weight, text: text})
	}
	notes = append(notes, remarkFunctions(functions)...)
	if n, ok := undocumented(language, lines); ok {
		notes = append(notes, n)
	}
	slices.SortStableFunc(notes, func(a, b note) int { return cmp.Compare(b.weight, a.weight) })
	return notes[:min(len(notes), maxNotes)]
}

// remarkFunctions remarks on the longest function and on the one that branches
// most, if they stand out.
func remarkFunctions(functions []symbol) []note {
	var notes []note
	long, ok := longest(functions)
	if ok && long.size > longFunction {
		notes = append(notes, note{line: long.line, weight: 4, text: fmt.Sprintf(
			"`%s` is %d lines long; its steps would read better under names of their own.", long.name, long.size)})
	}
	var knotty symbol
	for _, f := range functions {
		if f.branches > knotty.branches {
			knotty = f
		}
	}
	if knotty.branches >= manyBranches {
		notes = append(notes, note{line: knotty.line, weight: 2, text: fmt.Sprintf(
			"`%s` decides at %d places in %d lines; a table of cases would show that each is meant.", knotty.name, knotty.branches, knotty.size)})
	}
	return notes
}

// remark returns what there is to say of one line: the kind of remark, its
// weight and its text, or an empty kind.
func remark(language, line string) (kind string, weight int, text string) {
	code := strings.TrimSpace(line)
	comment := strings.HasPrefix(code, "//") || strings.HasPrefix(code, "#") || strings.HasPrefix(code, "*")
	switch {
	case strings.Contains(code, "TODO") || strings.Contains(code, "FIXME"):
		return "todo", 3, "carries a note to come back to; settle it or turn it into a tracked issue."
	case utf8.RuneCountInString(line) > 140:
		return "long line", 1, fmt.Sprintf("is %d characters long; break it where the thought breaks.", utf8.RuneCountInString(line))
	case comment:
		return "", 0, ""
	case looksSecret(code):
		return "secret", 9, "assigns what looks like a credential; read it from the environment or a secret store."
	}
	switch language {
	case "Go":
		return remarkGo(code)
	case "Python":
		return remarkPython(code)
	case "JavaScript", "TypeScript":
		return remarkScript(code)
	case "Rust":
		if strings.Contains(code, ".unwrap()") {
			return "unwrap", 6, "unwraps a result; a failure here ends the program instead of reaching the caller."
		}
	case "SQL":
		if strings.HasPrefix(code, "SELECT *") {
			return "star", 4, "selects every column; name the ones that are needed."
		}
	}
	return "", 0, ""
}

func remarkGo(code string) (kind string, weight int, text string) {
	switch {
	case strings.HasPrefix(code, "_ = ") || strings.Contains(code, ", _ = ") || strings.Contains(code, ", _ := "):
		return "dropped", 7, "drops a result with `_`; handle it, or say in a comment why it cannot matter."
	case strings.Contains(code, "panic("):
		return "panic", 6, "panics; an error would leave the decision to the caller."
	case strings.Contains(code, "time.Sleep("):
		return "sleep", 5, "sleeps; waiting on a channel or a context would end early when the caller leaves."
	case strings.HasPrefix(code, "go func"):
		return "goroutine", 5, "starts a goroutine; make sure that something waits for its end."
	case strings.Contains(code, "context.Background()"):
		return "background", 4, "uses `context.Background()`; a context from the caller would carry its deadline."
	case strings.Contains(code, "interface{}"):
		return "any", 2, "writes `interface{}`, which is spelled `any` today."
	}
	return "", 0, ""
}

func remarkPython(code string) (kind string, weight int, text string) {
	switch {
	case code == "except:" || strings.HasPrefix(code, "except Exception:"):
		return "except", 7, "catches every exception; name the ones that can be handled here."
	case strings.Contains(code, "eval(") || strings.Contains(code, "exec("):
		return "eval", 8, "evaluates text as code; a parser for the expected form would be safer."
	case strings.HasPrefix(code, "def ") && (strings.Contains(code, "=[]") || strings.Contains(code, "={}")):
		return "default", 7, "has a mutable default argument, which all calls share."
	case strings.Contains(code, "shell=True"):
		return "shell", 8, "runs a command through the shell; pass a list of arguments instead."
	case strings.HasPrefix(code, "print("):
		return "print", 2, "prints; the `logging` module would let the caller decide."
	}
	return "", 0, ""
}

func remarkScript(code string) (kind string, weight int, text string) {
	switch {
	case strings.Contains(code, "eval("):
		return "eval", 8, "evaluates text as code; a parser for the expected form would be safer."
	case strings.Contains(code, ".innerHTML"):
		return "html", 8, "writes HTML from a string; `textContent` cannot carry a script."
	case strings.Contains(code, " == ") || strings.Contains(code, " != "):
		return "equals", 4, "compares with conversion; `===` says what is meant."
	case strings.HasPrefix(code, "var "):
		return "var", 3, "declares with `var`; `const` or `let` stays within its block."
	case strings.Contains(code, "console.log("):
		return "log", 2, "logs to the console; remove it or use the project's logger."
	}
	return "", 0, ""
}

// looksSecret reports whether a line assigns a literal to a name that sounds
// like a credential.
func looksSecret(code string) bool {
	name, value, found := strings.Cut(strings.ToLower(code), "=")
	if !found || len(name) > 60 {
		return false
	}
	value = strings.TrimLeft(value, "= ")
	if len(value) < 10 || value[0] != '"' && value[0] != '\'' {
		return false
	}
	for _, word := range []string{"password", "passwd", "secret", "api_key", "apikey", "access_token"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// undocumented returns a remark on the first exported Go declaration without a
// comment.
func undocumented(language string, lines []string) (note, bool) {
	if language != "Go" {
		return note{}, false
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, "func ") && !strings.HasPrefix(line, "type ") {
			continue
		}
		name, _ := declares(language, line)
		if name == "" || !isUpper(name[0]) || i > 0 && strings.HasPrefix(lines[i-1], "//") {
			continue
		}
		return note{line: i + 1, weight: 3, text: fmt.Sprintf(
			"exports `%s` without a comment that says what a caller may rely on.", name)}, true
	}
	return note{}, false
}

// prose returns a task's first sentence, its number of words, and the words
// that it uses most, in the order of their weight.
func prose(task string) (opening string, words int, terms []string) {
	const scanned = 64 << 10
	task = cutAt(task, scanned)
	counts := make(map[string]int)
	var order []string
	for word := range strings.FieldsSeq(task) {
		words++
		word = strings.ToLower(strings.Trim(word, ".,;:!?()[]{}\"'`*#<>"))
		if len(word) < 5 || len(word) > 30 || isCommon(word) || !isIdentifier(word, 30) {
			continue
		}
		if counts[word]++; counts[word] == 1 {
			order = append(order, word)
		}
	}
	slices.SortStableFunc(order, func(a, b string) int { return cmp.Compare(counts[b], counts[a]) })
	return firstSentence(task), words, order[:min(len(order), 4)]
}

// firstSentence returns the first sentence or line of a text, at most 140
// bytes of it, without Markdown's marks.
func firstSentence(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	line = strings.TrimSpace(strings.Trim(line, "#*`> "))
	if sentence, _, found := strings.Cut(line, ". "); found {
		line = sentence
	}
	if len(line) > 140 {
		line = cutAt(line, 140)
		if i := strings.LastIndexByte(line, ' '); i > 0 {
			line = line[:i]
		}
		return line + " …"
	}
	return strings.TrimRight(line, ".")
}

// cutAt returns at most limit bytes of s, whole characters only.
func cutAt(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// isCommon reports whether a word says nothing of a task's subject.
func isCommon(word string) bool {
	switch word {
	case "about", "after", "again", "against", "all", "along", "already", "also", "always", "among", "another",
		"because", "before", "being", "below", "between", "could", "does", "doing", "during", "each", "either",
		"every", "first", "following", "given", "gives", "going", "have", "having", "however", "instead", "into",
		"itself", "makes", "might", "needs", "never", "often", "other", "others", "please", "rather", "same", "several",
		"shall", "should", "since", "still", "their", "theirs", "there", "these", "thing", "things", "those", "through",
		"under", "until", "using", "want", "wants", "well", "what", "where", "whether", "which", "while", "whose",
		"within", "without", "would", "write", "yours":
		return true
	}
	return false
}
