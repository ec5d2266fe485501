package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// tagFlags are the user's own marks of runs.
type tagFlags struct{ given []string }

func (f *tagFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.given, "tag", nil, "mark the run in the ledger, as key=value; may be repeated")
}

// tags are the marks by their keys; nil for none.
func (f *tagFlags) tags() (map[string]string, error) {
	var tags map[string]string
	for _, text := range f.given {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return nil, inputError(fmt.Sprintf("--tag %q must be of the form key=value", text), "")
		}
		if tags == nil {
			tags = map[string]string{}
		}
		tags[key] = value
	}
	return tags, nil
}
