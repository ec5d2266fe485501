package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/claude-force/claude-force/internal/model"
)

// maxAgents is how many agents a Project keeps parsed.
const maxAgents = 256

// Project reads one project. It is safe for concurrent use. Files may change
// while it is in use; see the package's comment for what that means.
type Project struct {
	dir    string
	label  string
	src    source
	closed atomic.Bool

	config    atomic.Pointer[config]
	catalogue atomic.Pointer[catalogue]
	renewing  sync.Mutex // held while the catalogue is made anew

	mu    sync.Mutex // guards cache
	cache *agentCache
}

// Open opens the project in a folder, which must hold .claude. The caller closes
// it. The error is an *Error with BadProject or Outside.
func Open(dir string) (*Project, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, badFolder(dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, badFolder(dir, err)
	}
	info, err := root.Stat(".claude")
	if err == nil && info.IsDir() {
		return newProject(dir, dir, source{fsys: root.FS(), root: root, now: time.Now}), nil
	}
	root.Close()
	e := &Error{
		Code: BadProject, File: dir, Err: err,
		Message: "this folder is no project, because it holds no folder .claude",
		Hint:    "give another folder, or make it one with claude-force init",
	}
	if err != nil && escapes(err) {
		e.Code, e.Message = Outside, "the project's .claude is a symbolic link that leads out of it, so nothing was read"
		e.Hint = "copy the folder into the project, or open the project that it belongs to"
	}
	return nil, e
}

// New returns a project that is read from a tree with .claude at its root, such
// as an embedded one. The tree must not change any more: what was read is not
// read again. label names the project in messages.
func New(fsys fs.FS, label string) *Project {
	return newProject("", label, source{fsys: fsys, now: time.Now})
}

func newProject(dir, label string, src source) *Project {
	return &Project{dir: dir, label: label, src: src, cache: newAgentCache(maxAgents)}
}

// Close releases the project's folder. It may be called more than once; what was
// returned before stays good.
func (p *Project) Close() error {
	if p.closed.Swap(true) || p.src.root == nil {
		return nil
	}
	return p.src.root.Close()
}

// Dir returns the project's folder as an absolute path; "" for one of [New].
func (p *Project) Dir() string { return p.dir }

// List is the agents of a project.
type List struct {
	Agents []*Agent // sorted by name
	// Warnings concern no agent of the list: those left out because they are
	// broken, and files that are not used. Each agent has its own besides.
	Warnings []Warning
}

// attempts bounds how often files are read again that change while they are
// read.
const attempts = 3

// Agents returns all agents that can be used. A broken agent is a warning; the
// error is an *Error with BadProject or Closed. Of a project with more than 256
// agents, those beyond are parsed anew on each call.
func (p *Project) Agents() (List, error) {
	for range attempts {
		cat, read, err := p.allNames()
		if err != nil {
			return List{}, err
		}
		list, err := p.list(cat, read)
		if !errors.Is(err, errRenamed) {
			return list, err
		}
		if _, err := p.renew(true); err != nil {
			return List{}, err
		}
	}
	return List{}, &Error{Code: BadProject, File: agentsFolder, Message: "the files change all the time", Hint: "try again"}
}

func (p *Project) list(cat *catalogue, read bool) (List, error) {
	list := List{Warnings: slices.Clone(cat.warnings)}
	for _, name := range cat.sorted() {
		l, err := p.load(cat.names[name], cat.config, want{trust: read})
		var broken *Error
		switch {
		case errors.As(err, &broken) && broken.Code != Closed:
			list.Warnings = append(list.Warnings, broken.warning(fmt.Sprintf("agent %q", name)))
		case err != nil:
			return List{}, err
		default:
			list.Agents = append(list.Agents, l.agent)
		}
	}
	sortWarnings(list.Warnings)
	return list, nil
}

// Agent returns the agent of a name as its files say it now, and all warnings
// about it. While they do not change, it is the same *Agent every time. The
// error is an *Error: UnknownAgent with a hint, or what is wrong with this agent
// (BadAgent, Outside), the project (BadProject) or the caller (Closed).
func (p *Project) Agent(name string) (*Agent, []Warning, error) {
	for range attempts {
		cat, err := p.current(name)
		if err != nil {
			return nil, nil, err
		}
		c := cat.names[name]
		if c == nil {
			return nil, nil, p.unknown(UnknownAgent, "agent", name, cat.sorted())
		}
		l, err := p.load(c, cat.config, want{keep: true})
		if err == nil {
			return l.agent, concat(l.agent.Warnings, c.warnings), nil
		}
		if !errors.Is(err, errRenamed) {
			return nil, nil, err
		}
		if _, err := p.renew(true); err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, &Error{Code: BadAgent, Message: fmt.Sprintf("the file of agent %q changes all the time", name), Hint: "try again"}
}

// concat joins two lists, without a copy if the second is empty. Callers may
// append to the result.
func concat(a, b []Warning) []Warning { return append(slices.Clip(a), b...) }

// unknown says that nothing has a name, and how to find what has one.
func (p *Project) unknown(code Code, what, name string, names []string) *Error {
	if p.closed.Load() {
		return closedError()
	}
	if len(name) > maxName {
		name = name[:maxName] + "…"
	}
	e := &Error{Code: code, Message: fmt.Sprintf("there is no %s %q in %s", what, name, p.label)}
	if near := model.Suggest(name, names); near != "" {
		e.Hint = fmt.Sprintf("did you mean %q?", near)
	} else {
		e.Hint = fmt.Sprintf("claude-force list %ss shows all", what)
	}
	return e
}

// Workflows returns the workflows of claude.json: the agents of each by its name,
// in the order of work. Whether the agents exist is not looked at. A broken
// workflow is a warning; the error is an *Error with BadProject or Closed. The
// map belongs to the caller.
func (p *Project) Workflows() (map[string][]string, []Warning, error) {
	if p.closed.Load() {
		return nil, nil, closedError()
	}
	cfg := p.readConfig()
	if cfg.err != nil {
		return nil, nil, cfg.err
	}
	flows := make(map[string][]string, len(cfg.workflows))
	for name, agents := range cfg.workflows {
		flows[name] = slices.Clone(agents)
	}
	return flows, slices.Clone(cfg.broken), nil
}
