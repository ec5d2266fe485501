package project_test

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"testing"
	"testing/fstest"

	"github.com/claude-force/claude-force/internal/project"
)

//go:embed all:testdata/original
var embedded embed.FS

// TestEmbedded reads the same tree embedded and on disk.
func TestEmbedded(t *testing.T) {
	sub, err := fs.Sub(embedded, "testdata/original")
	must(t, err)
	p := project.New(sub, "the built-in library")
	if p.Dir() != "" {
		t.Errorf("got folder %q", p.Dir())
	}
	got, err := p.Agents()
	must(t, err)
	want, err := openDir(t, "testdata/original").Agents()
	must(t, err)
	if len(got.Agents) != 3 || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if agent(t, p, "api-designer") != got.Agents[0] {
		t.Error("the same agent is two")
	}
	_, _, err = p.Agent("api-desinger")
	wantError(t, err, project.UnknownAgent, `there is no agent "api-desinger" in the built-in library: did you mean "api-designer"?`)
	flows, _, err := p.Workflows()
	if err != nil || len(flows) != 2 {
		t.Error(flows, err)
	}
	settings, err := p.Settings()
	if err != nil || len(settings) > 0 {
		t.Error(settings, err)
	}
	must(t, p.Close())
	_, _, err = p.Agent("api-designer")
	wantError(t, err, project.Closed)
}

func TestInMemory(t *testing.T) {
	p := project.New(fstest.MapFS{
		".claude/agents/a/x.md":       {Data: []byte("---\nname: x\nskills: s\n---\nBody")},
		".claude/agents/f.md":         {Mode: fs.ModeNamedPipe | 0o600},
		".claude/agents/b.md":         {Data: []byte("\xff")},
		".claude/skills/s/SKILL.md":   {Data: []byte("Skill")},
		".claude/force.yaml":          {Data: []byte("model: opus")},
		".claude/agents/big.md":       {Data: make([]byte, 1<<20+1)},
		".claude/agents/d.md/deep.md": {Data: []byte("---\nname: deep\n---\nBody")},
	}, "memory")
	list, err := p.Agents()
	must(t, err)
	if got := names(t, p); got != "deep x" {
		t.Error(got)
	}
	wantWarnings(t, list.Warnings,
		`.claude/agents/b.md: agent "b" is left out: byte 0 is not UTF-8 text: save the file as UTF-8`,
		`.claude/agents/big.md: agent "big" is left out: the file has 1.1 MB; an agent definition may have at most 1 MB: move reference material into a skill or the task`,
		`.claude/agents/f.md: agent "f" is left out: this is not a regular file but a pipe, a socket or a device: put an agent definition in a file`,
	)
	if got := describe(agent(t, p, "x")); got != "definition Body; contract ; priority ; origin sub-agent; skills s=Skill" {
		t.Error(got)
	}
	settings, err := p.Settings()
	if err != nil || settings["model"].Text != "opus" {
		t.Error(settings, err)
	}
}

// TestTooManyFiles has more files than are looked at.
func TestTooManyFiles(t *testing.T) {
	tree := fstest.MapFS{".claude/agents/a.md": {Data: []byte("---\nname: a\n---\nBody")}, ".claude/agents/z.md": {Data: []byte("---\nname: z\n---\nBody")}}
	for i := range 50_000 {
		tree[fmt.Sprintf(".claude/agents/f%d.txt", i)] = &fstest.MapFile{}
	}
	p := project.New(tree, "memory")
	list, err := p.Agents()
	must(t, err)
	if got := names(t, p); got != "a" {
		t.Error(got)
	}
	wantWarnings(t, list.Warnings, ".claude/agents: there are over 50000 files in .claude/agents, and those beyond are not read: delete some")
}

func TestEmptyTree(t *testing.T) {
	for _, fsys := range []fs.FS{fstest.MapFS{}, os.DirFS(t.TempDir())} {
		p := project.New(fsys, "nothing")
		list, err := p.Agents()
		if err != nil || len(list.Agents)+len(list.Warnings) > 0 {
			t.Error(list, err)
		}
	}
}
