// Command fit learns how much each piece of evidence weighs for the selector,
// and writes it down as Go:
//
//	go run ./internal/selector/fit -o internal/selector/weights.go PROJECT=TASKS.jsonl …
//
// PROJECT is a folder that holds .claude, TASKS.jsonl are labelled tasks for its
// agents. It prints what the selector does on tasks that were left out in turn,
// and, with -check PROJECT=TASKS.jsonl, on others; those teach it nothing.
//
// Requests of the areas of work that are nearly one of the tasks are left out
// meanwhile: for tasks to come, the areas will not know them that well.
//
// Collections differ in how much their definitions say and in how many agents
// they have. So the ranking is learned from the definitions as they are and from
// their beginnings, and whether any agent fits from collections of 1, 3, 10 and
// all agents.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/claude-force/claude-force/internal/embed"
	"github.com/claude-force/claude-force/internal/project"
	"github.com/claude-force/claude-force/internal/selector"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fit:", err)
		os.Exit(1) //nolint:forbidigo // this is a main
	}
}

// set is labelled tasks and the agents they are for.
type set struct {
	agents []selector.Agent
	tasks  []selector.Labelled
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("fit", flag.ContinueOnError)
	file := flags.String("o", "", "write the weights into this Go file")
	areasFile := flags.String("areas", "internal/selector/data/areas.txt", "the areas of work")
	var checks []string
	flags.Func("check", "PROJECT=TASKS.jsonl to try the weights of the running program on", func(arg string) error {
		checks = append(checks, arg)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	encoder := &remembering{from: embed.New(embed.Options{CacheEntries: -1}), vectors: map[string][]float32{}}
	for _, arg := range checks {
		if err := check(ctx, arg, encoder, out); err != nil {
			return err
		}
	}
	if flags.NArg() == 0 {
		if len(checks) > 0 {
			return nil
		}
		return errors.New("give at least one PROJECT=TASKS.jsonl")
	}
	var sets []set
	for _, arg := range flags.Args() {
		s, err := load(arg)
		if err != nil {
			return err
		}
		sets = append(sets, s)
	}
	areas, err := withoutAlike(ctx, *areasFile, sets, encoder)
	if err != nil {
		return err
	}
	var all []learned
	for _, k := range kinds(encoder) {
		k.options.Areas = areas
		w, err := learn(ctx, k, sets, out)
		if err != nil {
			return err
		}
		all = append(all, w)
	}
	if *file == "" {
		return nil
	}
	return os.WriteFile(*file, source(all), 0o600)
}

// load reads what PROJECT=TASKS.jsonl names.
func load(arg string) (set, error) {
	dir, file, ok := strings.Cut(arg, "=")
	if !ok {
		return set{}, fmt.Errorf("%q is not PROJECT=TASKS.jsonl", arg)
	}
	p, err := project.Open(dir)
	if err != nil {
		return set{}, err
	}
	defer p.Close()
	list, err := p.Agents()
	if err != nil {
		return set{}, err
	}
	var s set
	for _, a := range list.Agents {
		s.agents = append(s.agents, selector.Agent{
			Name: a.Name, Domains: a.Domains, Description: a.Description, Examples: a.Examples, Body: a.Definition,
		})
	}
	f, err := os.Open(file)
	if err != nil {
		return set{}, err
	}
	defer f.Close()
	s.tasks, err = selector.ReadLabelled(f)
	return s, err
}

// check prints how the weights of this program do.
func check(ctx context.Context, arg string, encoder selector.Embedder, out io.Writer) error {
	s, err := load(arg)
	if err != nil {
		return err
	}
	for _, k := range kinds(encoder) {
		r, err := selector.New(s.agents, k.options).Evaluate(ctx, s.tasks)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s, %s: top-1 %.3f, top-3 %.3f of %d; none fits %.3f of %d, lost %.3f\n",
			arg, k.name, share(r.Top1, r.N), share(r.Top3, r.N), r.N, share(r.NoneRight, r.OutOfScope), r.OutOfScope, share(r.Lost, r.N))
		if k.options.Embedder != nil && os.Getenv("FIT_MISSES") != "" {
			for _, m := range r.Misses {
				fmt.Fprintf(out, "  %-30s %q: none fits %t, %s\n", m.Want, m.Task, m.NoneFits, strings.Join(m.Got, ", "))
			}
		}
	}
	return nil
}

func share(part, of int) float64 { return float64(part) / float64(max(1, of)) }

// remembering embeds each text once.
type remembering struct {
	from    selector.Embedder
	vectors map[string][]float32
}

// Embed implements [selector.Embedder]. It is not safe for concurrent use.
func (r *remembering) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	var ask []string
	for _, text := range texts {
		if r.vectors[text] == nil {
			ask = append(ask, text)
		}
	}
	made, err := r.from.Embed(ctx, ask)
	if err != nil {
		return nil, err
	}
	for i, text := range ask {
		r.vectors[text] = made[i]
	}
	vectors := make([][]float32, len(texts))
	for i, text := range texts {
		vectors[i] = r.vectors[text]
	}
	return vectors, nil
}
