// Command train learns the weights of the router from labelled questions and
// judges them on domains that they were not learned from:
//
//	go run ./internal/route/train -in questions.jsonl -out internal/route/weights.bin
//
// A line of the file is {"domain","task","cheap_right","dear_right"}. The same
// file and seed give the same weights.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/claude-force/claude-force/internal/route/learned"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1) //nolint:forbidigo // this is a main: the process ends here
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("train", flag.ContinueOnError)
	in := flags.String("in", "", "labelled questions, as JSONL")
	to := flags.String("out", "", "where the weights go; nowhere without it")
	seed := flags.Uint64("seed", 1, "seed of every random choice")
	folds := flags.Int("folds", 5, "parts that the domains are split into for judging")
	repeats := flags.Int("repeats", 2, "how often they are split anew")
	designs := flags.Bool("designs", false, "judge the parts of the model alone, too")
	if err := flags.Parse(args); err != nil {
		return err
	}
	rows, err := readRows(*in)
	if err != nil {
		return err
	}
	if *designs {
		for _, d := range alternatives() {
			judge(rows, d, *folds, *repeats, *seed).write(out, d.name, false)
		}
	}
	verdict := judge(rows, chosen(), *folds, *repeats, *seed)
	verdict.write(out, chosen().name, true)
	if *to == "" {
		return nil
	}
	m := fit(rows, chosen(), *seed)
	m.Quantiles = quantiles(verdict.reference)
	data := m.Append(nil)
	if _, err := learned.Parse(string(data)); err != nil {
		return err
	}
	return os.WriteFile(*to, data, 0o600)
}

// row is one labelled question.
type row struct {
	Domain string `json:"domain"`
	Task   string `json:"task"`
	Cheap  bool   `json:"cheap_right"`
	Dear   bool   `json:"dear_right"`

	domain int // the number of Domain
	text   learned.Text
}

// gain is what the dear model does better: 1, 0 or -1.
func (r *row) gain() float64 {
	switch {
	case r.Dear && !r.Cheap:
		return 1
	case r.Cheap && !r.Dear:
		return -1
	}
	return 0
}

func readRows(name string) ([]*row, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var rows []*row
	domains := map[string]int{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		r := &row{}
		if err := json.Unmarshal(lines.Bytes(), r); err != nil {
			return nil, fmt.Errorf("line %d of %s: %w", len(rows)+1, name, err)
		}
		if _, known := domains[r.Domain]; !known {
			domains[r.Domain] = len(domains)
		}
		r.domain = domains[r.Domain]
		r.text = learned.Measure(r.Task)
		rows = append(rows, r)
	}
	if len(rows) == 0 && lines.Err() == nil {
		return nil, errors.New("there are no questions in " + name)
	}
	return rows, lines.Err()
}
