package claudeforce

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/claude-force/claude-force/internal/config"
	"github.com/claude-force/claude-force/internal/project"
)

// maxConfig bounds a settings file in bytes.
const maxConfig = 1 << 20

// Setting is one setting with what is in force and where it came from.
type Setting struct {
	Name  string `json:"-"`
	Value string `json:"value"`
	// Source is flag, environment, project, user or default.
	Source string `json:"source"`
	// Where names the variable or the file and line; empty for defaults.
	Where string `json:"where,omitempty"`
	// Planned says that the name is reserved and has no effect yet.
	Planned bool   `json:"planned,omitempty"`
	Doc     string `json:"-"`
}

// Settings returns every setting in the order of the documentation.
func (e *Engine) Settings() []Setting {
	var out []Setting
	for _, v := range e.config.All() {
		out = append(out, Setting{
			Name: v.Name, Value: v.Value, Source: string(v.Origin), Where: v.Where,
			Planned: v.Planned, Doc: v.Doc,
		})
	}
	return out
}

// LogLevel is the setting log.level: debug, info, warn or error.
func (e *Engine) LogLevel() string { return e.config.Text("log.level") }

// Warnings are what opening the engine found: settings that do not exist, a
// catalogue that cannot be read. One sentence each.
func (e *Engine) Warnings() []string { return e.warnings }

func (e *Engine) loadConfig() error {
	e.paths = config.Locate(e.project.Dir(), e.home(), e.options.Getenv)
	own, err := e.userSettings()
	if err != nil {
		return err
	}
	projects, err := e.project.Settings()
	if err != nil {
		return projectError(err)
	}
	sources := config.Sources{
		Flags: map[string]config.Entry{}, Getenv: e.options.Getenv,
		Project: entries(projects), User: entries(own),
	}
	for name, value := range e.options.Settings {
		sources.Flags[name] = config.Entry{Value: value, Where: "flag"}
	}
	if e.config, err = config.Load(sources); err != nil {
		return &Error{Code: CodeConfig, Message: err.Error(), Hint: "correct it; `claude-force config show` prints every setting", Err: err}
	}
	e.warnings = e.config.Warnings
	return nil
}

// userSettings reads the user's own file, which need not exist.
func (e *Engine) userSettings() (project.Settings, error) {
	if e.paths.ConfigFile == "" {
		return nil, nil
	}
	f, err := os.Open(e.paths.ConfigFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, configError("the settings cannot be read", "make the file readable", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil || len(data) > maxConfig {
		return nil, configError(e.paths.ConfigFile+" cannot be read as settings", "a settings file is a text file of at most 1 MB", err)
	}
	s, err := project.ParseSettings(e.paths.ConfigFile, data)
	if err != nil {
		return nil, projectError(err)
	}
	return s, nil
}

// ParseDuration reads a duration as the settings do: 90s, 30m, 24h or 7d.
func ParseDuration(s string) (time.Duration, error) {
	return config.ParseDuration(s)
}

func entries(settings project.Settings) map[string]config.Entry {
	out := make(map[string]config.Entry, len(settings))
	for name, s := range settings {
		out[name] = config.Entry{Value: s.Text, Where: s.Where()}
	}
	return out
}
