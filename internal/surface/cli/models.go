package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	claudeforce "github.com/claude-force/claude-force"
)

// maxCatalogue bounds a catalogue's file in bytes.
const maxCatalogue = 8 << 20

// modelRow is a model as `list models` shows it: the rates in force today.
type modelRow struct {
	ID        string   `json:"id"`
	Line      string   `json:"line"`
	Lifecycle string   `json:"lifecycle"`
	Aliases   []string `json:"aliases"`
	Context   int      `json:"context"`
	MaxOutput int      `json:"max_output"`
	MinCache  int      `json:"min_cache_tokens,omitempty"`
	Rates     any      `json:"rates"`
	Efforts   []string `json:"efforts"`
	Retires   string   `json:"retires,omitempty"`
	Successor string   `json:"successor,omitempty"`
	price     string
}

func newModelRow(m *claudeforce.Model, now time.Time) modelRow {
	r := modelRow{
		ID: m.ID, Line: m.Line, Lifecycle: string(m.LifecycleAt(now)), Aliases: m.Aliases,
		Context: m.Context, MaxOutput: m.MaxOutput, MinCache: m.MinCacheTokens,
		Efforts: m.Efforts, Retires: m.Retires, Successor: m.Successor, price: "-", Rates: []any{},
	}
	if r.Aliases == nil {
		r.Aliases = []string{}
	}
	if r.Efforts == nil {
		r.Efforts = []string{}
	}
	card, ok := m.CardAt(now)
	if !ok || len(card.Bands) == 0 {
		return r
	}
	r.Rates = card.Bands
	var prices []string
	for _, b := range card.Bands {
		p := b.Input.String() + "/" + b.Output.String()
		if b.UpToPromptTokens > 0 {
			p += fmt.Sprintf(" to %s", thousands(int(b.UpToPromptTokens)))
		}
		prices = append(prices, p)
	}
	r.price = strings.Join(prices, ", then ")
	return r
}

func (a *app) listModels(p page) error {
	return a.with(func(e *claudeforce.Engine) error {
		models, warnings, err := e.Models()
		if err != nil {
			return err
		}
		a.warn(warnings...)
		now := time.Now()
		rows := make([]modelRow, 0, len(models))
		for _, m := range models {
			rows = append(rows, newModelRow(m, now))
		}
		return showList(a, p, rows, "ID\tLINE\tLIFECYCLE\tCONTEXT\tOUTPUT\tUSD PER MILLION TOKENS IN/OUT\tNOTE", func(r modelRow) []string {
			return []string{r.ID, dash(r.Line), r.Lifecycle, thousands(r.Context), thousands(r.MaxOutput), r.price, r.note()}
		})
	})
}

func (r modelRow) note() string {
	var parts []string
	if r.Retires != "" {
		verb := "ends "
		if r.Lifecycle == "retired" {
			verb = "ended "
		}
		parts = append(parts, verb+r.Retires)
	}
	if r.Successor != "" {
		parts = append(parts, "then "+r.Successor)
	}
	return strings.Join(parts, ", ")
}

func (a *app) modelsCommand() *cobra.Command {
	models := &cobra.Command{Use: "models", Short: "Manage the catalogue of models", Args: groupArgs, RunE: showHelp}
	models.AddCommand(&cobra.Command{
		Use:   "update FILE",
		Short: "Take a newer catalogue of models and prices (- is stdin)",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			data, err := a.readCatalogue(args[0])
			if err != nil {
				return err
			}
			return a.with(func(e *claudeforce.Engine) error {
				n, file, err := e.UpdateModels(data)
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(map[string]any{"models": n, "file": file})
				}
				a.note("the catalogue now has %d models; it is kept in %s", n, file)
				return nil
			})
		},
	})
	return models
}

func (a *app) readCatalogue(name string) ([]byte, error) {
	in := a.In
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, inputError("the catalogue cannot be read: "+err.Error(), "name a file, or - for stdin")
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxCatalogue+1))
	if err != nil {
		return nil, inputError("the catalogue cannot be read: "+err.Error(), "name a file, or - for stdin")
	}
	if len(data) > maxCatalogue {
		return nil, inputError("this is no catalogue: it has more than 8 MB", "nothing was changed")
	}
	return data, nil
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func thousands(n int) string {
	switch {
	case n == 0:
		return "-"
	case n%1_000_000 == 0:
		return fmt.Sprintf("%dM", n/1_000_000)
	case n%1000 == 0:
		return fmt.Sprintf("%dK", n/1000)
	}
	return fmt.Sprint(n)
}
