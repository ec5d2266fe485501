package project_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/claude-force/claude-force/internal/project"
)

func TestSkills(t *testing.T) {
	p := open(t, map[string]string{
		".claude/skills/README.md":          "not a skill",
		".claude/skills/a\x1b[31m/SKILL.md": "colourful",
		".claude/skills/.git/SKILL.md":      "hidden",
		".claude/skills/plain/SKILL.md":     "\ufeff# Plain\r\nText\r\n",
		".claude/skills/full/SKILL.md":      "---\nname: Full title\ndescription: D\nallowed-tools: Read Grep\nlicense: MIT\n---\n\nText\n",
		".claude/skills/odd/SKILL.md":       "---\ndescription: Use when: x\nalowed-tools: Read\n---\nText",
		".claude/skills/empty/SKILL.md":     "---\nname: empty\n---\n",
		".claude/skills/nothing/x.md":       "no SKILL.md",
		".claude/skills/folder/SKILL.md/x":  "a folder",
		"team/linked/SKILL.md":              "Linked",
	})
	must(t, os.Symlink("../../team/linked", filepath.Join(p.Dir(), ".claude/skills/linked")))
	must(t, os.Symlink(t.TempDir(), filepath.Join(p.Dir(), ".claude/skills/outside")))
	skills, warnings, err := p.Skills()
	must(t, err)
	var got []string
	for _, s := range skills {
		got = append(got, s.Name+"|"+s.Description+"|"+s.Text)
	}
	want := []string{"full|D|Text", "linked||Linked", "odd|Use when: x|Text", "plain||# Plain\nText"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q, want %q", got, want)
	}
	wantWarnings(t, warnings,
		`.claude/skills: no skill can be called "a\x1b[31m": rename the folder`,
		`.claude/skills/empty/SKILL.md: skill "empty" is left out: there is no text after the front matter…`,
		`.claude/skills/folder/SKILL.md: skill "folder" is left out: this is a folder, where a skill must be a file…`,
		`.claude/skills/nothing/SKILL.md: skill "nothing" is left out: there is no such file…`,
		`.claude/skills/outside/SKILL.md: skill "outside" is left out: a symbolic link leads out of the project…`,
	)
	s, warnings, err := p.Skill("odd")
	if err != nil || s.File != ".claude/skills/odd/SKILL.md" {
		t.Fatal(s, err)
	}
	wantWarnings(t, warnings,
		".claude/skills/odd/SKILL.md:2:1: front matter is no valid YAML…",
		`.claude/skills/odd/SKILL.md:3:1: unknown key "alowed-tools" in front matter: did you mean allowed-tools?`,
	)
	for name, code := range map[string]project.Code{
		"empty": project.BadSkill, "outside": project.Outside, "folder": project.BadSkill,
		"plian": project.UnknownSkill, "nothing": project.UnknownSkill,
		"": project.UnknownSkill, ".": project.UnknownSkill, "..": project.UnknownSkill, "../skills/plain": project.UnknownSkill,
		`..\plain`: project.UnknownSkill, "C:": project.UnknownSkill, "a\x00": project.UnknownSkill,
	} {
		_, _, err := p.Skill(name)
		wantError(t, err, code)
		if name == "plian" {
			wantError(t, err, code, `there is no skill "plian" in `, `did you mean "plain"?`)
		}
	}
}

func TestNoSkills(t *testing.T) {
	skills, warnings, err := open(t, nil).Skills()
	if len(skills) > 0 || len(warnings) > 0 || err != nil {
		t.Error(skills, warnings, err)
	}
}

// TestSkillsOfAgent has an agent whose skills are partly broken, which is no
// reason to do without it.
func TestSkillsOfAgent(t *testing.T) {
	many := strings.Repeat("one, ", 70)
	p := open(t, map[string]string{
		".claude/agents/x.md":         "---\nname: x\nskills:\n  - one\n  - missing\n  - ../one\n  - bad\n  - two\n---\nBody",
		".claude/agents/many.md":      "---\nname: many\nskills: " + many + "\n---\nBody",
		".claude/skills/one/SKILL.md": "---\nname: one\ndescription: D\n---\nOne",
		".claude/skills/two/SKILL.md": "---\nnmae: two\n---\nTwo",
		".claude/skills/bad/SKILL.md": "\xff",
	})
	a, warnings, err := p.Agent("x")
	must(t, err)
	if got := describe(a); !strings.HasSuffix(got, "skills one=One two=Two") {
		t.Error(got)
	}
	wantWarnings(t, warnings,
		`.claude/agents/x.md:3:1: skill "../one" is left out: the name of a skill is that of a folder in .claude/skills`,
		`.claude/skills/bad/SKILL.md: skill "bad" is left out: byte 0 is not UTF-8 text: save the file as UTF-8`,
		`.claude/skills/missing/SKILL.md: skill "missing" is left out: there is no such file: write it, or take the skill off the agent`,
		`.claude/skills/two/SKILL.md:2:1: unknown key "nmae" in front matter: did you mean name?`,
	)
	a, warnings, err = p.Agent("many")
	must(t, err)
	if len(a.Skills) != 64 {
		t.Errorf("%d skills", len(a.Skills))
	}
	wantWarnings(t, warnings, ".claude/agents/many.md:3:1: the agent lists 70 skills; only the first 64 are used")
}
