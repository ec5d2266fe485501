// Package project finds and reads a project: its agents, their contracts and
// skills, its workflows and its settings.
//
// A project is a folder that holds .claude/. Agents come from two places, and
// both count at once: the table of .claude/claude.json, which names a Markdown
// file and a contract for each agent, and Claude Code sub-agents, the Markdown
// files with YAML front matter in .claude/agents. Where both define a name,
// claude.json wins; of two sub-agents with one name, the first in the order of
// their paths does.
//
// # What is never done
//
// No path leaves the project: everything is read through an [os.Root], so that
// an absolute path, a .. too many or a symbolic link to the outside is refused
// before a byte is read. Only regular files of bounded size are read, and what
// they hold is never trusted: it must be UTF-8, YAML aliases are not expanded,
// and counts and depths are bounded.
//
// # Freshness
//
// A [Project] keeps what it has parsed and still never returns a stale
// definition. Each call for an agent reads the few files of that agent again
// and compares them byte for byte with what was parsed; if nothing differs, the
// same *[Agent] is returned, so that callers can keep what they derive from it
// by that pointer. Which file holds which sub-agent is an index over
// .claude/agents. It is trusted while the size, times and identity of each
// folder, and of each file that could take a name from the one in use, are as
// they were. A file system's clock is coarse, so an entry that was read shortly
// after its last change is not trusted, but read again.
//
// # Errors and warnings
//
// A broken claude.json is an error for every call. A broken agent is an error
// only for who asks for it and a [Warning] for who asks for all. Both say in
// which file, and what to do.
package project
