package project

import (
	"fmt"
	"io/fs"
	"strings"
)

// Skill is knowledge that agents can share. It is immutable.
type Skill struct {
	// Name is that of its folder in .claude/skills.
	Name        string
	Description string // "" if none is given
	// File is relative to the project, with slashes.
	File string
	// Text is the Markdown text without front matter and surrounding blank
	// lines; lines end in LF. It is never empty.
	Text     string
	Warnings []Warning
}

const skillsFolder = ".claude/skills"

// skillKeys are the keys of a skill's front matter: those of Claude Code, and
// those that the open format for skills adds.
var skillKeys = []string{
	"name", "description", "when_to_use", "argument-hint", "arguments", "disable-model-invocation",
	"user-invocable", "allowed-tools", "disallowed-tools", "model", "effort", "context", "agent", "hooks",
	"license", "compatibility", "metadata",
}

// skillFile returns the file of a skill; false if a folder cannot have the name.
func skillFile(name string) (string, bool) {
	if name == "." || strings.Contains(name, "/") || strings.ContainsAny(name, `\:`) || hasControl(name) || !fs.ValidPath(name) {
		return "", false
	}
	return skillsFolder + "/" + name + "/SKILL.md", true
}

func newSkill(name string, doc *document) (*Skill, *Error) {
	if doc.err != nil {
		return nil, doc.err
	}
	md := split(doc, skillKeys)
	if md.body == "" {
		return nil, skillKind.fault(doc.file, "there is no text after the front matter", skillKind.empty, nil)
	}
	m := &matter{markdown: md}
	s := &Skill{Name: name, Description: m.text("description"), File: doc.file, Text: md.body}
	s.Warnings = m.all()
	return s, nil
}

// Skill returns one skill and all warnings about it. The error is an *Error
// with UnknownSkill, BadSkill or Outside.
func (p *Project) Skill(name string) (*Skill, []Warning, error) {
	if p.closed.Load() {
		return nil, nil, closedError()
	}
	file, ok := skillFile(name)
	if !ok {
		return nil, nil, p.unknownSkill(name)
	}
	doc := p.src.read(file, skillKind, nil)
	if doc.missing {
		return nil, nil, p.unknownSkill(name)
	}
	skill, err := newSkill(name, doc)
	if err != nil {
		return nil, nil, err
	}
	return skill, skill.Warnings, nil
}

func (p *Project) unknownSkill(name string) error {
	skills, _, err := p.Skills()
	if err != nil {
		return err
	}
	names := make([]string, len(skills))
	for i, s := range skills {
		names[i] = s.Name
	}
	return p.unknown(UnknownSkill, "skill", name, names)
}

// Skills returns the skills of the project, sorted by name. One that cannot be
// used is a warning.
func (p *Project) Skills() ([]*Skill, []Warning, error) {
	if p.closed.Load() {
		return nil, nil, closedError()
	}
	entries, more, err := p.src.list(skillsFolder, maxFiles)
	if err != nil {
		return nil, folderWarning(skillsFolder, err), nil
	}
	var skills []*Skill
	var warnings []Warning
	if more {
		warnings = append(warnings, Warning{File: skillsFolder, Message: fmt.Sprintf("the folder has over %d entries; the rest is not read", maxFiles)})
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || e.Type().IsRegular() {
			continue
		}
		file, ok := skillFile(e.Name())
		if !ok {
			warnings = append(warnings, Warning{File: skillsFolder, Message: fmt.Sprintf("no skill can be called %q: rename the folder", e.Name())})
			continue
		}
		skill, err := newSkill(e.Name(), p.src.read(file, skillKind, nil))
		if err != nil {
			warnings = append(warnings, err.warning(fmt.Sprintf("skill %q", e.Name())))
			continue
		}
		skills = append(skills, skill)
	}
	return skills, warnings, nil
}
