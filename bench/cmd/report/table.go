package main

import (
	"fmt"
	"io"
	"strings"
)

// value is a figure with its unit and so many decimals.
type value struct {
	n        float64
	unit     string
	decimals int
}

func (v value) String() string {
	return strings.TrimSpace(fmt.Sprintf("%.*f %s", v.decimals, v.n, v.unit))
}

// row is one comparison. The target is a ratio, or the most that ours may be;
// where both are zero there is none.
type row struct {
	what       string
	ours, peer value
	of         string // whose figure the peer's is; empty: there is none
	ratio      float64
	most       float64
}

func (r row) target() (target, met string) {
	var ok bool
	switch {
	case r.ratio > 0:
		target, ok = fmt.Sprintf("≤ %.4g ×", r.ratio), r.ours.n <= r.ratio*r.peer.n
	case r.most > 0:
		target, ok = "≤ "+value{r.most, r.ours.unit, 0}.String(), r.ours.n <= r.most
	default:
		return "–", "–"
	}
	if ok {
		return target, "yes"
	}
	return target, "**no**"
}

// table is the report.
type table struct{ rows []row }

func (t *table) add(r row) { t.rows = append(t.rows, r) }

// print writes the table as Markdown.
func (t *table) print(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| what | claude-force | peer | ratio | target | met |\n|---|---:|---:|---:|---|---|\n")
	for _, r := range t.rows {
		target, met := r.target()
		peer, ratio := "–", "–"
		if r.of != "" {
			peer, ratio = fmt.Sprintf("%s (%s)", r.peer, r.of), fmt.Sprintf("%.2f", r.ours.n/r.peer.n)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", r.what, r.ours, peer, ratio, target, met)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
