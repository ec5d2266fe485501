package project_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/claude-force/claude-force/internal/project"
)

// spoil puts something else than a good file at a path.
type spoil func(t *testing.T, file string)

func text(s string) spoil {
	return func(t *testing.T, file string) { must(t, os.WriteFile(file, []byte(s), 0o600)) }
}

func sparse(size int64) spoil {
	return func(t *testing.T, file string) {
		must(t, os.WriteFile(file, nil, 0o600))
		must(t, os.Truncate(file, size))
	}
}

func folder(t *testing.T, file string) { must(t, os.Mkdir(file, 0o700)) }

func link(target string) spoil {
	return func(t *testing.T, file string) { must(t, os.Symlink(target, file)) }
}

// secret is a link to a file outside of the project.
func secret(t *testing.T, file string) {
	outside := filepath.Join(t.TempDir(), "secret.md")
	must(t, os.WriteFile(outside, []byte("---\nname: x\n---\nSECRET"), 0o600))
	must(t, os.Symlink(outside, file))
}

// climbing is the same by a relative path.
func climbing(t *testing.T, file string) {
	outside := filepath.Join(t.TempDir(), "secret.md")
	must(t, os.WriteFile(outside, []byte("---\nname: x\n---\nSECRET"), 0o600))
	rel, err := filepath.Rel(filepath.Dir(file), outside)
	must(t, err)
	must(t, os.Symlink(rel, file))
}

func unreadable(t *testing.T, file string) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	must(t, os.WriteFile(file, []byte("x"), 0))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var badFiles = []struct {
	name  string
	spoil spoil
	code  project.Code // "": the code of the kind of file
	want  string
}{
	{"missing", func(*testing.T, string) {}, "", "there is no such file: write it"},
	{"empty", text(""), "", "the file is empty"},
	{"blank", text("\ufeff \n\t\r\n"), "", "the file is empty"},
	{"20 MB", sparse(20 << 20), "", "the file has 20.0 MB; "},
	{"one byte too many", sparse(1<<20 + 1), "", "the file has 1.1 MB; "},
	{"not UTF-8", text("Grüße, h\xe9"), "", "byte 10 is not UTF-8 text: save the file as UTF-8"},
	{"UTF-16", text("\xff\xfeA\x00"), "", "byte 0 is not UTF-8 text"},
	{"NUL", text("ab\x00c"), "", "byte 2 is NUL"},
	{"folder", folder, "", "this is a folder, where a"},
	{"pipe", pipe, "", "this is not a regular file but a pipe"},
	{"socket", socket, "", "the file cannot be read ("},
	{"not readable", unreadable, "", "permission denied"},
	{"absolute link outside", secret, project.Outside, "a symbolic link leads out of the project, so nothing of the file was read"},
	{"relative link outside", climbing, project.Outside, "a symbolic link leads out of the project"},
	{"link to a device", link("/dev/zero"), project.Outside, "a symbolic link leads out"},
	{"link to nothing", link("nothing.md"), "", "there is no such file"},
	{"link to itself", link("x.md"), "", "the file cannot be read (too many levels of symbolic links)"},
}

// TestBadDefinition has a definition named by claude.json.
func TestBadDefinition(t *testing.T) {
	for _, tt := range badFiles {
		t.Run(tt.name, func(t *testing.T) {
			p := open(t, map[string]string{
				".claude/claude.json":  `{"agents": {"x": {"file": "defs/x.md"}, "good": {"file": "defs/good.md"}}}`,
				".claude/defs/good.md": "Good.",
			})
			tt.spoil(t, filepath.Join(p.Dir(), ".claude", "defs", "x.md"))
			code := tt.code
			if code == "" {
				code = project.BadAgent
			}
			wantBad(t, p, code, ".claude/defs/x.md: "+tt.want)
		})
	}
}

func TestBadContract(t *testing.T) {
	for _, tt := range badFiles {
		t.Run(tt.name, func(t *testing.T) {
			p := open(t, map[string]string{
				".claude/claude.json":    `{"agents": {"x": {"file": "d.md", "contract": "contracts/x.md"}, "good": {"file": "d.md"}}}`,
				".claude/d.md":           "Good.",
				".claude/contracts/y.md": "",
			})
			tt.spoil(t, filepath.Join(p.Dir(), ".claude", "contracts", "x.md"))
			code := tt.code
			if code == "" {
				code = project.BadAgent
			}
			wantBad(t, p, code, ".claude/contracts/x.md: "+tt.want)
		})
	}
}

// TestBadSubAgent has a file in .claude/agents, whose name is all that is known.
func TestBadSubAgent(t *testing.T) {
	for _, tt := range badFiles {
		if tt.name == "missing" || tt.name == "folder" {
			continue // no file, no agent
		}
		t.Run(tt.name, func(t *testing.T) {
			p := open(t, map[string]string{".claude/agents/good.md": "---\nname: good\n---\nGood."})
			tt.spoil(t, filepath.Join(p.Dir(), ".claude", "agents", "x.md"))
			code := tt.code
			if code == "" {
				code = project.BadAgent
			}
			wantBad(t, p, code, ".claude/agents/x.md: "+tt.want)
			put(t, p.Dir(), ".claude/agents/y.md", "---\nname: x\n---\nOnly a good file has a name.")
			if a := agent(t, p, "x"); a.File != ".claude/agents/y.md" {
				t.Errorf("got %+v", a)
			}
		})
	}
}

// wantBad fails unless agent x is an error for who asks for it and a warning
// for who asks for all, with agent good untouched.
func wantBad(t *testing.T, p *project.Project, code project.Code, want string) {
	t.Helper()
	_, _, err := p.Agent("x")
	wantError(t, err, code, want)
	agent(t, p, "good")
	list, err := p.Agents()
	if err != nil || len(list.Agents) != 1 || len(list.Warnings) != 1 {
		t.Fatalf("got %d agents, warnings %v, %v", len(list.Agents), list.Warnings, err)
	}
	w := list.Warnings[0]
	if got := w.String(); !strings.HasPrefix(got, strings.Replace(want, ": ", `: agent "x" is left out: `, 1)) {
		t.Errorf("got warning %q, want %q", got, want)
	}
	if strings.Contains(err2text(err)+w.String(), "SECRET") {
		t.Error("the message holds what the file holds")
	}
}

func err2text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestNoTextAfterFrontMatter(t *testing.T) {
	p := open(t, map[string]string{
		".claude/agents/x.md":    "---\nname: x\n---\n\n \n",
		".claude/agents/good.md": "---\nname: good\n---\nGood.",
	})
	wantBad(t, p, project.BadAgent, ".claude/agents/x.md: there is no text after the front matter: write what the agent is to do")
}

// TestPaths has paths in claude.json; good ones lead to a file "Text".
func TestPaths(t *testing.T) {
	for path, good := range map[string]bool{
		"agents/x.md": true, "./agents/../agents//x.md": true, "../docs/x.md": true, "links/x.md": true, "linked/x.md": true,
		"../x.md": true, "../../x.md": false, "agents/../../../x.md": false, "/etc/hostname": false, "..": false, "../..": false, ".": false,
		`..\..\x.md`: false, `C:\x.md`: false, "C:/x.md": false, "C:x.md": false, `\\host\x.md`: false, "//host/x.md": false, "agents": false,
		"agents/x.md/": true, "out/x.md": false, "~/x.md": false, "file:x.md": false, "nul\x00.md": false, "a\x1bb.md": false,
	} {
		t.Run(path, func(t *testing.T) {
			base := t.TempDir()
			put(t, base, "x.md", "SECRET")
			put(t, base, "p/x.md", "Text")
			put(t, base, "p/docs/x.md", "Text")
			put(t, base, "p/.claude/agents/x.md", "Text")
			put(t, base, "p/.claude/links/y", "")
			must(t, os.Symlink("../../docs/x.md", filepath.Join(base, "p/.claude/links/x.md")))
			must(t, os.Symlink("../docs", filepath.Join(base, "p/.claude/linked")))
			must(t, os.Symlink("../..", filepath.Join(base, "p/.claude/out")))
			quoted := strings.NewReplacer(`\`, `\\`, "\x00", `\u0000`, "\x1b", `\u001b`).Replace(path)
			put(t, base, "p/.claude/claude.json", `{"agents": {"x": {"file": "`+quoted+`"}}}`)
			a, _, err := openDir(t, filepath.Join(base, "p")).Agent("x")
			if good {
				if err != nil || a.Definition != "Text" {
					t.Errorf("got %v, %v", a, err)
				}
				return
			}
			if err == nil {
				t.Fatalf("got %+v", a)
			}
			code := project.BadAgent
			if strings.Contains(err.Error(), "out of the project") || strings.Contains(err.Error(), "absolute") || strings.Contains(err.Error(), "backslash") || strings.Contains(err.Error(), "control") {
				code = project.Outside
			}
			wantError(t, err, code)
		})
	}
}

func TestContractOfSubAgent(t *testing.T) {
	p := open(t, map[string]string{
		".claude/agents/a.md":    "---\nname: a\ncontract: contracts/a.md\n---\nBody",
		".claude/agents/b.md":    "---\nname: b\ncontract: ../../b.md\n---\nBody",
		".claude/agents/c.md":    "---\nname: c\ncontract: .claude/contracts/a.md\n---\nBody",
		".claude/contracts/a.md": "\ufeff\r\nOne\r\ntwo\r\n\r\n",
	})
	if a := agent(t, p, "a"); a.Contract != "One\ntwo" || a.ContractFile != ".claude/contracts/a.md" {
		t.Errorf("got %+v", a)
	}
	_, _, err := p.Agent("b")
	wantError(t, err, project.Outside, `.claude/agents/b.md:3:1: contract: the path "../../b.md" leads out of the project`)
	_, _, err = p.Agent("c")
	wantError(t, err, project.BadAgent, `so write "contracts/a.md"`)
}

func TestAgentsFolder(t *testing.T) {
	t.Run("link outside", func(t *testing.T) {
		p := open(t, nil)
		must(t, os.Symlink(t.TempDir(), filepath.Join(p.Dir(), ".claude/agents")))
		list, err := p.Agents()
		must(t, err)
		wantWarnings(t, list.Warnings, ".claude/agents: a symbolic link leads out of the project, so nothing of it is used…")
	})
	t.Run("link inside", func(t *testing.T) {
		p := open(t, map[string]string{"team/a.md": "---\nname: a\n---\nBody"})
		must(t, os.Symlink("../team", filepath.Join(p.Dir(), ".claude/agents")))
		agent(t, p, "a")
		put(t, p.Dir(), "team/a.md", "---\nname: b\n---\nBody")
		agent(t, p, "b")
	})
	t.Run("file", func(t *testing.T) {
		p := open(t, map[string]string{".claude/agents": "x"})
		list, err := p.Agents()
		must(t, err)
		if len(list.Warnings) != 1 {
			t.Error(list.Warnings)
		}
	})
	t.Run("pipe", func(t *testing.T) {
		p := open(t, nil)
		pipe(t, filepath.Join(p.Dir(), ".claude/agents"))
		list, err := p.Agents()
		must(t, err)
		if len(list.Warnings) != 1 {
			t.Error(list.Warnings)
		}
	})
	t.Run("links to folders", func(t *testing.T) {
		p := open(t, map[string]string{".claude/agents/a/a.md": "---\nname: a\n---\nBody"})
		must(t, os.Symlink("..", filepath.Join(p.Dir(), ".claude/agents/a/up")))
		must(t, os.Symlink("nothing", filepath.Join(p.Dir(), ".claude/agents/a/dangling")))
		list, err := p.Agents()
		must(t, err)
		wantWarnings(t, list.Warnings, ".claude/agents/a/up: a symbolic link to a folder is not followed: put the folder itself here")
	})
	t.Run("deep", func(t *testing.T) {
		p := open(t, map[string]string{
			".claude/agents/" + strings.Repeat("d/", 15) + "a.md": "---\nname: a\n---\nBody",
			".claude/agents/" + strings.Repeat("d/", 16) + "b.md": "---\nname: b\n---\nBody",
		})
		list, err := p.Agents()
		must(t, err)
		if got := names(t, p); got != "a" {
			t.Error(got)
		}
		wantWarnings(t, list.Warnings, ".claude/agents/"+strings.Repeat("d/", 15)+"d: the folder lies more than 16 deep and is not read: move its agents up")
	})
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "file", "")
	put(t, dir, "odd/.claude", "a file")
	must(t, os.Mkdir(filepath.Join(dir, "linked"), 0o700))
	must(t, os.Symlink(t.TempDir(), filepath.Join(dir, "linked", ".claude")))
	for name, code := range map[string]project.Code{
		"missing": project.BadProject, "file": project.BadProject, ".": project.BadProject,
		"odd": project.BadProject, "linked": project.Outside,
	} {
		p, err := project.Open(filepath.Join(dir, name))
		if p != nil {
			t.Errorf("%s: opened", name)
		}
		wantError(t, err, code, filepath.Join(dir, name))
	}
}

func TestClose(t *testing.T) {
	p := open(t, subAgents(2))
	a := agent(t, p, "agent-00000")
	must(t, p.Close())
	must(t, p.Close())
	_, _, err := p.Agent(a.Name)
	wantError(t, err, project.Closed)
	_, err = p.Agents()
	wantError(t, err, project.Closed)
	_, _, err = p.Skill("x")
	wantError(t, err, project.Closed)
	_, _, err = p.Skills()
	wantError(t, err, project.Closed)
	_, _, err = p.Workflows()
	wantError(t, err, project.Closed)
	_, err = p.Settings()
	wantError(t, err, project.Closed)
	if p.Dir() == "" || !strings.HasPrefix(a.Definition, "# agent-00000") {
		t.Error("what was returned before is lost")
	}
}
