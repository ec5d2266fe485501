package claudeforce

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/claude-force/claude-force/internal/library"
	"github.com/claude-force/claude-force/internal/model"
)

// Template is a project to begin with.
type Template struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

// DefaultTemplate is the template of `init`: the starter library.
const DefaultTemplate = "starter"

// Templates returns the templates that [Init] knows, the default first.
func Templates() []Template {
	var out []Template
	for _, t := range library.Templates() {
		out = append(out, Template{t.Name, t.Description})
	}
	return out
}

// Init writes a template's files below dir, which is made where it is
// missing, and returns their names. Files that are there already with other
// contents are an error and nothing is written, unless force is set: then
// they are replaced.
func Init(dir, template string, force bool) ([]string, error) {
	files, err := templateFiles(template)
	if err != nil {
		return nil, err
	}
	if home, homeErr := os.UserHomeDir(); homeErr == nil && sameFolder(dir, home) {
		return nil, usageError("the home folder cannot be a project: its .claude holds Claude Code's own settings", "name another folder: `claude-force init DIR`")
	}
	names, err := fileNames(files)
	if err != nil {
		return nil, &Error{Code: CodeInternal, Message: err.Error(), Err: err}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, usageError("cannot make the folder: "+err.Error(), "name another one: `claude-force init DIR`")
	}
	// No link in the folder may lead a write out of it.
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, usageError("cannot open the folder: "+err.Error(), "name another one: `claude-force init DIR`")
	}
	defer root.Close()
	if !force {
		if err := refuseExisting(root, files, names); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		if err := writeTemplateFile(root, files, name); err != nil {
			return nil, &Error{Code: CodeUsage, Message: "cannot write the project: " + err.Error(), Hint: "free the place and run it again with --force", Err: err}
		}
	}
	return names, nil
}

func templateFiles(name string) (fs.FS, error) {
	if name == "" {
		name = DefaultTemplate
	}
	var names []string
	for _, t := range library.Templates() {
		if t.Name == name {
			return t.FS, nil
		}
		names = append(names, t.Name)
	}
	hint := "the templates are " + strings.Join(names, ", ")
	if near := model.Suggest(name, names); near != "" {
		hint = "did you mean " + near + "?"
	}
	return nil, usageError(fmt.Sprintf("there is no template %q", name), hint)
}

func fileNames(files fs.FS) ([]string, error) {
	var names []string
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	return names, err
}

func refuseExisting(root *os.Root, files fs.FS, names []string) error {
	var taken []string
	for _, name := range names {
		old, err := root.ReadFile(filepath.FromSlash(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		fresh, _ := fs.ReadFile(files, name)
		if err != nil || !bytes.Equal(old, fresh) {
			taken = append(taken, name)
		}
	}
	if len(taken) == 0 {
		return nil
	}
	shown := taken[:min(len(taken), 3)]
	more := ""
	if n := len(taken) - len(shown); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return usageError(strings.Join(shown, ", ")+more+" would be overwritten, so nothing was written", "use --force to replace them, or choose another folder")
}

func writeTemplateFile(root *os.Root, files fs.FS, name string) error {
	data, err := fs.ReadFile(files, name)
	if err != nil {
		return err
	}
	local := filepath.FromSlash(name)
	if err := root.MkdirAll(filepath.Dir(local), 0o700); err != nil {
		return err
	}
	return root.WriteFile(local, data, 0o600)
}

func sameFolder(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}
