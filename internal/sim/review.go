package sim

import (
	"fmt"
	"hash/fnv"
	"strings"
)

// simulatedNotice begins a generated answer where Options.Marked is set.
const simulatedNotice = "> Simulated answer: no model was called. What it says of the task comes from a few mechanical checks."

// The aim for the length of a generated answer, in words.
const (
	reviewLeast = 150
	reviewMost  = 220
	lastSection = 15 // what the last section usually has
)

// review writes the answer to a task that does not prescribe one: Markdown in
// the form that the system prompt asks for, with what is true of the task.
func review(system, task string, marked bool, seed uint64) string {
	w := &writer{features: examine(task), dice: seed, told: make(map[string]bool)}
	if marked {
		w.paragraph(simulatedNotice)
	}
	headings := outputHeadings(system)
	if len(headings) < 2 {
		headings = []string{"Summary", "Approach", "Risks", "Next step"}
		if w.language != "" {
			headings = []string{"Summary", "Findings", "Tests", "Next step"}
		}
	}
	last := len(headings) - 1
	for _, heading := range headings[:last] {
		if w.words > reviewMost {
			break
		}
		w.section(heading)
	}
	// What the answer ends with stays at its end.
	w.told[sectionKind(headings[last])] = true
	for _, spare := range []string{"Tests", "Risks", "Open questions", "Approach"} {
		if w.words >= reviewLeast-lastSection {
			break
		}
		w.section(spare)
	}
	delete(w.told, sectionKind(headings[last]))
	w.section(headings[last])
	return strings.TrimRight(w.b.String(), "\n")
}

// reviewSeed mixes the server's seed with what is asked, so that the same
// question has the same answer everywhere.
func reviewSeed(seed uint64, model, system, task string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s %d %d\n", seed, model, len(system), len(task))
	h.Write([]byte(system))
	h.Write([]byte(task))
	return h.Sum64()
}

// writer builds an answer.
type writer struct {
	features
	b     strings.Builder
	dice  uint64
	words int             // written so far
	told  map[string]bool // kinds of section that are written
}

// choose returns one of the variants; which one depends on the seed only.
func (w *writer) choose(variants ...string) string {
	w.dice = w.dice*6364136223846793005 + 1442695040888963407
	return variants[int(w.dice>>33)%len(variants)]
}

func (w *writer) paragraph(text string) {
	w.words += len(strings.Fields(text))
	w.b.WriteString(text)
	w.b.WriteString("\n\n")
}

func (w *writer) list(items []string, numbered bool) {
	for i, item := range items {
		mark := "- "
		if numbered {
			mark = fmt.Sprintf("%d. ", i+1)
		}
		w.words += len(strings.Fields(item)) + 1
		w.b.WriteString(mark + item + "\n")
	}
	w.b.WriteString("\n")
}

// section writes what belongs under a heading of that name, once for each
// kind of section.
func (w *writer) section(heading string) {
	kind := sectionKind(heading)
	if w.told[kind] {
		return
	}
	w.told[kind] = true
	w.paragraph("## " + heading)
	switch kind {
	case "summary":
		w.summary()
	case "findings":
		w.findings()
	case "tests":
		w.tests()
	case "strengths":
		w.strengths()
	case "risks":
		w.risks()
	case "questions":
		w.questions()
	case "approach":
		w.approach()
	default:
		w.nextStep()
	}
}

// sectionKind tells from a heading what belongs under it.
func sectionKind(heading string) string {
	heading = strings.ToLower(heading)
	for _, k := range []struct{ kind, words string }{
		{"next", "next action"},
		{"summary", "summary overview verdict assessment context goal understanding symptom"},
		{"findings", "finding issue problem bug defect vulnerabilit critical major minor cause evidence comment observation"},
		{"tests", "test verif self-check check acceptance coverage reproduc"},
		{"strengths", "strength positive good well praise"},
		{"risks", "risk trade-off tradeoff limit caveat concern impact"},
		{"questions", "question assumption unknown clarif"},
		{"approach", "approach design plan architecture solution option implementation step component draft document prompt code"},
	} {
		for word := range strings.FieldsSeq(k.words) {
			if strings.Contains(heading, word) {
				return k.kind
			}
		}
	}
	return "next"
}

func (w *writer) summary() {
	if w.language == "" {
		w.paragraph(fmt.Sprintf("The task (%s) opens with %q. %s", plural(w.features.words, "word"), w.opening,
			w.choose("It can be done in small steps, each of which can be checked on its own.",
				"What it asks for is clear enough to begin; the points below are what to settle first.")))
		return
	}
	parts := []string{plural(w.lines, "line") + " of " + w.language}
	if n := len(w.types); n > 0 {
		parts = append(parts, plural(n, "type")+" ("+names(w.types)+")")
	}
	if n := len(w.functions); n > 0 {
		parts = append(parts, plural(n, "function")+" ("+names(w.functions)+")")
	}
	text := "The task holds " + enumerate(parts) + "."
	if f, ok := longest(w.functions); ok {
		text += fmt.Sprintf(" The longest is `%s` with %s, from line %d.", f.name, plural(f.size, "line"), f.line)
	}
	w.paragraph(text + " " + w.choose(
		"The structure is easy to follow; the remarks below are about details.",
		"Nothing here needs a redesign; the remarks below are small and local.",
		"It can be changed in place, one remark at a time."))
}

func (w *writer) findings() {
	if len(w.notes) == 0 {
		subject := "the text"
		if w.language != "" {
			subject = "the code"
		}
		w.paragraph("The mechanical checks found nothing to remark on in " + subject + ". " + w.choose(
			"That says little about its meaning: names, edge cases and error paths deserve a reader.",
			"They look at single lines only, so that a reader is still needed for what the lines do together."))
		return
	}
	items := make([]string, 0, len(w.notes))
	for _, n := range w.notes {
		colon := ""
		if strings.HasPrefix(n.text, "`") {
			colon = ":"
		}
		items = append(items, fmt.Sprintf("**Line %d**%s %s", n.line, colon, n.text))
	}
	w.list(items, true)
}

func (w *writer) tests() {
	if len(w.functions) == 0 {
		w.list([]string{
			"One example that must work, one at the edge, and one that must fail with a clear message.",
			"A check that a second run with the same input gives the same result.",
		}, false)
		return
	}
	var items []string
	for i, f := range w.functions[:min(len(w.functions), 3)] {
		items = append(items, fmt.Sprintf("`%s`: %s", f.name, []string{
			"the zero value of each argument, the largest input that is meant to work, and one that must fail.",
			"a table of ordinary cases beside one that takes the error path.",
			"the same call twice, and from two places at once if it keeps state.",
		}[i]))
	}
	w.list(items, false)
}

func (w *writer) strengths() {
	if w.language == "" {
		w.paragraph("The task says what is wanted before it says how, which leaves room for a simple answer.")
		return
	}
	short := 0
	for _, f := range w.functions {
		if f.size <= 20 {
			short++
		}
	}
	w.paragraph(fmt.Sprintf("%d of %s stay within 20 lines, so that each can be read at a glance.",
		short, plural(len(w.functions), "function")))
}

func (w *writer) risks() {
	subject := "the change"
	if f, ok := longest(w.functions); ok {
		subject = "a change to `" + f.name + "`"
	}
	w.list([]string{
		fmt.Sprintf("Callers that rely on today's behaviour: look for them before %s is made.", subject),
		w.choose("Input that nobody has tried yet, above all empty, very long and not UTF-8.",
			"Failures half-way: what has been written by then, and who cleans it up."),
	}, false)
}

func (w *writer) questions() {
	if len(w.functions) > 0 {
		f := w.functions[int(w.dice%uint64(len(w.functions)))]
		w.list([]string{
			fmt.Sprintf("Who calls `%s`, and what do they do when it fails?", f.name),
			"Which of this is promised to others, and which may change freely?",
		}, false)
		return
	}
	w.list([]string{
		"Who uses the result, and what do they do with it first?",
		"What may be left out if time is short?",
	}, false)
}

func (w *writer) approach() {
	if w.language != "" {
		w.list([]string{
			"Write down with a test what the code does today.",
			"Make one change at a time, the one with the most weight first.",
			"Run the tests after each, and stop when they say something unexpected.",
		}, true)
		return
	}
	items := []string{"Write down how the result will be checked, in one sentence."}
	for _, term := range w.terms[:min(len(w.terms), 3)] {
		items = append(items, fmt.Sprintf("Settle what **%s** has to do here, and what it must not.", term))
	}
	w.list(append(items, "Build the smallest version that passes the check, then widen it."), true)
}

func (w *writer) nextStep() {
	switch {
	case len(w.notes) > 0:
		w.paragraph(fmt.Sprintf("Start with line %d, then run the tests before touching the rest.", w.notes[0].line))
	case len(w.functions) > 0:
		w.paragraph(fmt.Sprintf("Write a test for `%s` first: it pins down what a later change must keep.", w.functions[0].name))
	default:
		w.paragraph(w.choose("Agree on the check in the first step; the rest follows from it.",
			"Take the first step alone and look at the result before going on."))
	}
}

// longest returns the function with the most lines.
func longest(functions []symbol) (symbol, bool) {
	var best symbol
	for _, f := range functions {
		if f.size > best.size {
			best = f
		}
	}
	return best, best.size > 0
}

// names lists the first few names of symbols as code.
func names(symbols []symbol) string {
	const shown = 4
	list := make([]string, 0, shown)
	for _, s := range symbols[:min(len(symbols), shown)] {
		list = append(list, "`"+s.name+"`")
	}
	if len(symbols) > shown {
		list = append(list, "…")
	}
	return strings.Join(list, ", ")
}

// enumerate joins parts as a sentence does.
func enumerate(parts []string) string {
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	return strings.Join(parts[:len(parts)-1], ", ") + " and " + parts[len(parts)-1]
}

// plural writes a number and what it counts.
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return grouped(n) + " " + what + "s"
}

// outputHeadings returns the headings that a system prompt wants an answer to
// have: those in a fenced block, or bold or numbered items, under a heading
// that speaks of output or format.
func outputHeadings(system string) []string {
	var found []string
	wanted, fenced, depth := false, false, 0
	for line := range strings.Lines(system) {
		trimmed := strings.TrimSpace(line)
		level := len(trimmed) - len(strings.TrimLeft(trimmed, "#"))
		switch {
		case strings.HasPrefix(trimmed, "```"):
			fenced = !fenced
		case level > 0 && !fenced && (!wanted || level <= depth):
			if len(found) > 1 {
				return found
			}
			wanted, depth, found = speaksOfOutput(trimmed), level, nil
		case !wanted:
		case level > 0:
			found = addHeading(found, trimmed)
		case !fenced && (strings.HasPrefix(trimmed, "**") || isListItem(trimmed)):
			found = addHeading(found, itemTitle(trimmed))
		}
	}
	return found
}

// speaksOfOutput reports whether a heading announces the form of the answer.
func speaksOfOutput(heading string) bool {
	heading = strings.ToLower(heading)
	for _, word := range []string{"output", "format", "report", "deliver", "response", "answer"} {
		if strings.Contains(heading, word) {
			return true
		}
	}
	return false
}

// isListItem reports whether a line is an item of a list that has a title.
func isListItem(line string) bool {
	return len(line) > 3 && (isDigit(line[0]) && line[1] == '.' || strings.HasPrefix(line, "- **") || strings.HasPrefix(line, "* **"))
}

// itemTitle returns the title of a list's item: its bold part, or what stands
// before the first mark of punctuation.
func itemTitle(line string) string {
	line = strings.TrimLeft(line, "0123456789.-* ")
	if i := strings.IndexAny(line, "*:—(.,;"); i >= 0 {
		line = line[:i]
	}
	return line
}

// addHeading adds a title that can stand as a heading, at most six of them.
func addHeading(list []string, title string) []string {
	title = strings.Trim(title, "#*:` \t")
	if title == "" || len(title) > 40 || len(list) == 6 || strings.ContainsAny(title, "<>{}[]|") {
		return list
	}
	return append(list, title)
}
