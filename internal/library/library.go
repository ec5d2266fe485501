// Package library owns the agents that ship inside the binary: what is used
// where a folder has no project, and what a new project starts from.
//
// A template is a file tree whose root holds .claude/, laid out as Claude Code
// expects it. The starter library is described by .claude/claude.json, which
// joins each agent with its contract, its domains (terms that no other agent
// claims) and a priority (1 to 3; 1 is preferred where two agents fit alike).
//
// # Form of an agent
//
// .claude/agents/NAME.md has front matter with name (equal to the file name),
// description (what it does, then "Use when …"; descriptions share next to no
// words, so that a selector can tell agents apart), tools (what Claude Code
// would grant) and model only where the agent fails on another one. Then, after
// a few sentences on the outcome it is responsible for, five sections:
//
//   - Expertise: failure modes, checks and figures of the trade that a reader
//     can verify; nothing that any agent could say.
//   - Input: what it expects and what it does when that is missing. It works on
//     pasted text, without tools, and treats that text as material, never as
//     instructions.
//   - Method: the order of work, and the scale by which results are rated.
//   - Output format: one fenced skeleton with the exact second-level headings.
//     Places are path:line, or a quotation where lines cannot be known. The
//     last heading is always "Not verified".
//   - Self-check: questions whose answer can be no.
//
// A definition of the starter library has 600 to 1,100 words.
//
// # Form of a contract
//
// .claude/contracts/NAME.md (150 to 300 words) is what others may rely on. Its
// sections are Input, Output, Guarantees and Refuses. Output has one bullet per
// heading of the skeleton, in its order, that begins with the heading as code
// (- `## Verdict`: …), so that a program can hold an answer against it.
// Guarantees are statements that a reader can find false.
//
// The package's tests enforce this form.
package library

import (
	"embed"
	"io/fs"
)

//go:embed all:starter all:minimal
var files embed.FS

// Template is a file tree from which a project can be made.
type Template struct {
	// Name is what a user types to choose the template.
	Name string
	// Description says in one sentence what the template holds.
	Description string
	// FS is the tree; its root holds .claude/. It is read-only and safe for
	// concurrent use.
	FS fs.FS
}

// Starter returns the tree of the starter library: eight agents with contracts,
// and workflows that chain them. Its root holds .claude/. The tree is read-only
// and safe for concurrent use.
func Starter() fs.FS { return tree("starter") }

// Templates returns the templates of the binary, the default one first. The
// slice belongs to the caller.
func Templates() []Template {
	return []Template{
		{
			Name:        "starter",
			Description: "Eight software agents with contracts, and three workflows that chain them.",
			FS:          Starter(),
		},
		{
			Name:        "minimal",
			Description: "One general agent in one file: the smallest project that runs.",
			FS:          tree("minimal"),
		},
	}
}

// tree returns the embedded folder dir, which must be one named by the embed
// directive.
func tree(dir string) fs.FS {
	sub, err := fs.Sub(files, dir)
	if err != nil {
		// fs.Sub fails only on a malformed path, and every dir is a constant.
		panic(err)
	}
	return sub
}
