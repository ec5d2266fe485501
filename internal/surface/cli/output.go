package cli

import (
	"fmt"
	"os"
	"path/filepath"

	claudeforce "github.com/claude-force/claude-force"
)

// output is where -o sends an answer. Its place is taken before the run, so
// that a name that cannot be written costs nothing, and the file appears only
// when it is whole.
type output struct {
	name string
	// temp is the file that takes name's place; nil for stdout and for devices.
	temp *os.File
	// device is an existing name that is no file, such as a pipe.
	device *os.File
}

func (a *app) openOutput(name string) (*output, error) {
	if name == "" || name == "-" {
		return &output{}, nil
	}
	fail := func(err error) error {
		return &claudeforce.Error{Code: claudeforce.CodeUsage, Message: "the output file cannot be written: " + err.Error(), Hint: "name another one with -o", Err: err}
	}
	out := &output{name: name}
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir():
		return nil, fail(fmt.Errorf("%s is a folder", name))
	case err == nil && !info.Mode().IsRegular():
		out.device, err = os.OpenFile(name, os.O_WRONLY, 0)
	default:
		// A link keeps pointing where it did.
		if target, linkErr := filepath.EvalSymlinks(name); linkErr == nil {
			out.name = target
		}
		out.temp, err = os.CreateTemp(filepath.Dir(out.name), ".claude-force-*")
		if err == nil && info != nil {
			err = out.temp.Chmod(info.Mode().Perm())
		}
	}
	if err != nil {
		out.abandon()
		return nil, fail(err)
	}
	return out, nil
}

func (o *output) isStdout() bool { return o.name == "" }

// commit writes text whole. An answer that was cut does not take the place of
// a good file: it goes beside it, with the ending .partial.
func (o *output) commit(text string, partial bool) error {
	name := o.name
	if partial && o.temp != nil {
		name += ".partial"
	}
	err := o.write(text, name)
	if err != nil {
		return &claudeforce.Error{Code: claudeforce.CodeInternal, Message: "the answer could not be written to " + name + ": " + err.Error(), Hint: "it was printed instead", Err: err}
	}
	return nil
}

func (o *output) write(text, name string) error {
	if o.device != nil {
		_, err := o.device.WriteString(text)
		return err
	}
	_, err := o.temp.WriteString(text)
	if err == nil {
		err = o.temp.Sync()
	}
	if closeErr := o.temp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(o.temp.Name(), name)
	}
	if err == nil {
		o.temp = nil
	}
	return err
}

// abandon takes back what commit did not use. It may follow a commit.
func (o *output) abandon() {
	if o.temp != nil {
		_ = o.temp.Close()
		_ = os.Remove(o.temp.Name())
		o.temp = nil
	}
	if o.device != nil {
		_ = o.device.Close()
		o.device = nil
	}
}
