package claudeforce

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/claude-force/claude-force/internal/model"
)

// Model is what the catalogue knows of one model.
type Model = model.Model

// ModelActive is the lifecycle of a model that may be chosen freely.
const ModelActive = model.Active

// catalogue is the prices and limits in force, with what was odd about them.
type catalogue struct {
	*model.Catalogue
	warnings []string
}

// loadCatalogue lays the catalogue of `models update`, where there is one,
// over the built-in one. A file that is broken or older is left aside.
func (e *Engine) loadCatalogue() (catalogue, error) {
	builtin, err := model.Builtin()
	if err != nil {
		return catalogue{}, &Error{Code: CodeInternal, Message: err.Error(), Err: err}
	}
	c := catalogue{Catalogue: builtin}
	if e.paths.ModelsFile == "" {
		return c, nil
	}
	data, err := os.ReadFile(e.paths.ModelsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err == nil {
		var own *model.Catalogue
		if own, err = model.Parse(data); err == nil {
			if own.Updated() < builtin.Updated() {
				c.warnings = append(c.warnings, fmt.Sprintf("%s is of %s, older than the built-in catalogue of %s, which is used", e.paths.ModelsFile, own.Updated(), builtin.Updated()))
				return c, nil
			}
			c.Catalogue = builtin.Overlay(own)
			return c, nil
		}
	}
	c.warnings = append(c.warnings, fmt.Sprintf("the built-in catalogue is used, for %s cannot be: %v", e.paths.ModelsFile, err))
	return c, nil
}

// Models returns the models of the catalogue, line by line, newest first, and
// warnings for the user.
func (e *Engine) Models() ([]*Model, []string, error) {
	c, err := e.catalogue()
	if err != nil {
		return nil, nil, err
	}
	return c.Models(), c.warnings, nil
}

// UpdateModels takes a newer catalogue, in the product's own form or as a bare
// list of models, and keeps it for later runs. It returns how many models the
// catalogue then has and where it is kept. A catalogue that cannot be read, or
// is older than the built-in one, changes nothing.
func (e *Engine) UpdateModels(data []byte) (n int, file string, err error) {
	file = e.paths.ModelsFile
	if file == "" {
		return 0, "", configError("there is no folder for the catalogue", "set HOME, XDG_CONFIG_HOME or CLAUDE_FORCE_HOME", nil)
	}
	newer, err := model.Parse(data)
	if err != nil {
		return 0, "", &Error{Code: CodeUsage, Message: "this is no catalogue: " + err.Error(), Hint: "nothing was changed", Err: err}
	}
	builtin, err := model.Builtin()
	if err != nil {
		return 0, "", &Error{Code: CodeInternal, Message: err.Error(), Err: err}
	}
	switch {
	case newer.Updated() == "":
		if data, err = dated(data, e.options.Now().UTC().Format("2006-01-02")); err != nil {
			return 0, "", &Error{Code: CodeUsage, Message: "this is no catalogue: " + err.Error(), Hint: "nothing was changed", Err: err}
		}
	case newer.Updated() < builtin.Updated():
		return 0, "", usageError(fmt.Sprintf("this catalogue is of %s, older than the built-in one of %s", newer.Updated(), builtin.Updated()), "nothing was changed")
	}
	if err := replaceFile(file, data); err != nil {
		return 0, "", configError("the catalogue cannot be kept", "make the folder writable", err)
	}
	return len(builtin.Overlay(newer).Models()), file, nil
}

// dated gives a catalogue without a date the day on which it was taken.
func dated(data []byte, day string) ([]byte, error) {
	var models json.RawMessage
	var document struct {
		Models json.RawMessage `json:"models"`
	}
	if err := json.Unmarshal(data, &models); err != nil {
		return nil, err
	}
	if json.Unmarshal(data, &document) == nil {
		models = document.Models
	}
	return json.MarshalIndent(struct {
		Version int             `json:"version"`
		Updated string          `json:"updated"`
		Models  json.RawMessage `json:"models"`
	}{1, day, models}, "", "  ")
}

// replaceFile writes a whole new file and puts it in the old one's place, so
// that no reader ever sees half of it.
func replaceFile(name string, data []byte) error {
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".new-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
