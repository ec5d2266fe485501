package selector

import (
	"strings"
)

// role is what a part of a definition tells about its agent.
type role uint8

const (
	plain   role = iota // what is left: words, but no sentence to compare
	about               // what the agent is
	skill               // what it knows and does
	example             // what to ask it for
	refused             // what it is not for, and whom else it works with
)

// bounds of what is kept of one agent.
const (
	mostLines    = 400
	mostExamples = 24
	longestLine  = 300
)

// line is a line of a definition, without its marks.
type line struct {
	role role
	text string
}

// document is an agent's texts by what they tell.
type document struct {
	label   string   // name and domains
	about   string   // a sentence or two
	use     []string // what to ask it for
	skills  []string // what it knows and does
	rest    []string // other lines, for their words
	refused []string // what it sends elsewhere
}

// documents takes the agents' definitions apart. What many agents say in the same
// words tells nothing about one, and is left out; what an agent sends to another
// one by name is counted for that one.
func documents(agents []Agent) []document {
	lines := make([][]line, len(agents))
	owners := map[string]int{}
	names := make(map[string]int, len(agents))
	for i := range agents {
		names[strings.ToLower(agents[i].Name)] = i
		lines[i] = readLines(cut(agents[i].Body, mostBytes))
		mine := map[string]bool{}
		for _, l := range lines[i] {
			for clause := range strings.SplitSeq(l.text, dash) {
				if !mine[clause] {
					mine[clause] = true
					owners[clause]++
				}
			}
		}
	}
	most := max(2, len(agents)/6)
	docs := make([]document, len(agents))
	for i := range agents {
		for k := range lines[i] {
			lines[i][k].text = withoutShared(lines[i][k].text, owners, most)
		}
		docs[i] = newDocument(&agents[i], lines[i])
	}
	for i := range docs {
		for _, text := range docs[i].refused {
			if what, to := sentTo(text, names); to >= 0 && to != i {
				docs[to].skills = append(docs[to].skills, what)
			}
		}
	}
	return docs
}

// dash parts the clauses of a line.
const dash = " - "

// withoutShared leaves the clauses of a line that at most so many agents have.
func withoutShared(text string, owners map[string]int, most int) string {
	if !strings.Contains(text, dash) {
		if owners[text] > most {
			return ""
		}
		return text
	}
	var kept []string
	for clause := range strings.SplitSeq(text, dash) {
		if owners[clause] <= most {
			kept = append(kept, clause)
		}
	}
	return strings.Join(kept, dash)
}

// newDocument sorts an agent's lines.
func newDocument(a *Agent, lines []line) document {
	d := document{label: a.Name + "\n" + strings.Join(a.Domains, "\n"), about: cut(a.Description, mostBytes)}
	description, quoted := quotedRequests(d.about)
	d.about = description
	d.use = append(d.use, a.Examples...)
	d.use = append(d.use, quoted...)
	if a.WhenToUse != "" {
		d.use = append(d.use, clauses(cut(a.WhenToUse, mostBytes))...)
	} else {
		d.use = append(d.use, useWhen(d.about)...)
	}
	for _, l := range lines {
		switch {
		case l.text == "":
		case l.role == about && a.Description == "" && len(d.about) < longestLine:
			d.about = strings.TrimSpace(d.about + " " + l.text)
		case l.role == example:
			d.use = append(d.use, l.text)
		case l.role == skill:
			d.skills = append(d.skills, l.text)
		case l.role == refused:
			d.refused = append(d.refused, l.text)
		default:
			d.rest = append(d.rest, l.text)
		}
	}
	d.use = d.use[:min(len(d.use), mostExamples)]
	return d
}

// readLines gives the lines of Markdown that say something, each with the role
// of the headings above it. Code is left out.
func readLines(body string) []line {
	var lines []line
	var section, part role
	code := false
	for raw := range strings.Lines(body) {
		raw = strings.TrimSpace(raw)
		if strings.HasPrefix(raw, "```") || strings.HasPrefix(raw, "~~~") {
			code = !code
			continue
		}
		text := strings.TrimSpace(strings.Trim(raw, "#*-+>|=_✅❌•0123456789.) \t"))
		if code || text == "" || len(lines) == mostLines {
			continue
		}
		switch title := strings.HasPrefix(raw, "#"); {
		case title && !strings.HasPrefix(raw, "####"):
			section = roleOf(text, plain)
			part = section
		case title || label(raw):
			part = roleOf(text, section)
		default:
			lines = append(lines, line{part, cut(strings.ReplaceAll(text, "**", ""), longestLine)})
		}
	}
	return lines
}

// label reports whether a line is a heading of its own kind: bold, or ending in
// a colon and short.
func label(raw string) bool {
	bullet := strings.HasPrefix(raw, "- ") || strings.HasPrefix(raw, "* ")
	raw = strings.TrimSpace(strings.TrimLeft(raw, "✅❌ "))
	return strings.HasPrefix(raw, "**") && (strings.HasSuffix(raw, "**") || strings.HasSuffix(raw, ":") && !bullet) ||
		!bullet && strings.HasSuffix(raw, ":") && len(raw) < 60
}

// titles are the words of headings by what comes below them; the first that
// matches counts.
var titles = [...]struct {
	role  role
	words string
}{
	{refused, "don't use|do not use|don’t use|not use|not for|avoid|out of scope|hand off|hands off|handoff|collaborat|receives work|works with|limitation"},
	{plain, "example invocation|output|format|checklist|protocol|guardrail|input|reads|writes|note|tools"},
	{example, "use for|use this agent|when to|use when|use case|example|invoke|trigger"},
	{about, "role|purpose|overview|mission|identity|about"},
	{skill, "expertise|capabilit|responsib|skill|focus|specialit|special areas|deliverable|knowledge|competenc|you do|approach|technolog"},
}

// roleOf returns the role of what comes below a heading.
func roleOf(title string, otherwise role) role {
	title = strings.ToLower(title)
	for _, t := range titles {
		for word := range strings.SplitSeq(t.words, "|") {
			if strings.Contains(title, word) {
				return t.role
			}
		}
	}
	return otherwise
}

// sentTo splits a refusal like "Code review (use code-reviewer)" into what is
// refused and the place of the agent named; -1 where none is.
func sentTo(text string, names map[string]int) (what string, to int) {
	for _, open := range []string{"(", "→", "->", " use ", " delegate "} {
		before, after, ok := strings.Cut(text, open)
		if !ok {
			continue
		}
		for word := range strings.FieldsFuncSeq(strings.ToLower(after), func(r rune) bool { return strings.ContainsRune(" ()`@,;.\"", r) }) {
			if i, ok := names[word]; ok {
				return strings.TrimSpace(before), i
			}
		}
	}
	return text, -1
}

// quotedRequests takes what users say in the examples of a description out of
// it, as sub-agents write them: user: "…". The rest of an example is a
// conversation with someone else.
func quotedRequests(description string) (rest string, requests []string) {
	rest = description
	if i := strings.Index(rest, "<example>"); i >= 0 {
		rest = rest[:i]
	} else if i := strings.Index(rest, "Examples:"); i > 0 && strings.Contains(rest[i:], "user:") {
		rest = rest[:i]
	}
	for piece := range strings.SplitSeq(description[len(rest):], "user:") {
		piece = strings.TrimLeft(piece, " *\"'“\\")
		if end := strings.IndexAny(piece, "\"”\n\\"); end > 0 && len(piece) > 1 {
			piece = piece[:end]
		}
		if n := len(piece); n > 8 && n < longestLine && !strings.HasPrefix(piece, "<example>") && !strings.HasPrefix(piece, "Examples:") {
			requests = append(requests, piece)
		}
	}
	return strings.TrimSpace(rest), requests
}

// useWhen returns the part of a description that says when to use its agent, in
// clauses; nil if it has none.
func useWhen(description string) []string {
	lower := strings.ToLower(description)
	if len(lower) != len(description) { // characters whose cases differ in length
		lower = description
	}
	for _, words := range []string{"use this agent when", "use when", "use proactively", "use for", "use it when", "use this agent"} {
		if i := strings.Index(lower, words); i >= 0 {
			return clauses(strings.TrimLeft(description[i+len(words):], " :-"))
		}
	}
	return nil
}

// clauses splits a text into its sentences and list items.
func clauses(text string) []string {
	var parts []string
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == ';' || r == '•' }) {
		for sentence := range strings.SplitSeq(part, ". ") {
			if sentence = strings.Trim(sentence, " -*.\t"); len(sentence) > 3 {
				parts = append(parts, cut(sentence, longestLine))
			}
		}
		if len(parts) >= mostExamples {
			break
		}
	}
	return parts
}
