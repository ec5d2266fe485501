package selector

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// noAgent is how a labelled task says that none fits.
const noAgent = "none"

// mostLine bounds a line of labelled tasks, in bytes.
const mostLine = 1 << 20

// Labelled is a task with the agent that it should go to.
type Labelled struct {
	Task  string
	Agent string // "" or "none": no agent fits
}

// Report is how well a selector did on labelled tasks.
type Report struct {
	N      int // tasks for an agent
	Top1   int // of N: the right agent came first
	Top3   int // of N: it was among the first three
	Lost   int // of N: the answer was that none fits
	Misses []Miss

	OutOfScope int // tasks for none
	NoneRight  int // of OutOfScope: the answer was that none fits
}

// Miss is a task that went wrong.
type Miss struct {
	Task string
	Want string // "none" if no agent fits
	// Got is the agents that came first, at most three.
	Got      []string
	NoneFits bool // the answer was that none fits
}

// ReadLabelled reads tasks as JSON, one a line: {"task", "agent"}. Blank lines are
// skipped. Its errors name the line.
func ReadLabelled(r io.Reader) ([]Labelled, error) {
	var list []Labelled
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, mostLine)
	n := 0
	for lines.Scan() {
		n++
		text := bytes.TrimSpace(bytes.TrimPrefix(lines.Bytes(), []byte("\ufeff")))
		if len(text) == 0 {
			continue
		}
		var l struct {
			Task  *string `json:"task"`
			Agent string  `json:"agent"`
		}
		if err := json.Unmarshal(text, &l); err != nil {
			return nil, fmt.Errorf("line %d of the labelled tasks is not {\"task\": …, \"agent\": …}: %w", n, err)
		}
		if l.Task == nil || strings.TrimSpace(*l.Task) == "" {
			return nil, fmt.Errorf("line %d of the labelled tasks has no task", n)
		}
		list = append(list, Labelled{Task: *l.Task, Agent: l.Agent})
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("line %d of the labelled tasks is longer than 1 MiB", n+1)
	case err != nil:
		return nil, fmt.Errorf("read labelled tasks: %w", err)
	}
	return list, nil
}

// Evaluate recommends for each task and counts what was right. It returns an
// error for a task that is labelled with an agent which there is not, or where
// meaning could not be compared although there is an embedder: figures of
// something else would mislead.
func (s *Selector) Evaluate(ctx context.Context, tasks []Labelled) (Report, error) {
	known := make(map[string]bool, len(s.agents))
	for _, a := range s.agents {
		known[a.Name] = true
	}
	for i, t := range tasks {
		if !t.none() && !known[t.Agent] {
			return Report{}, fmt.Errorf("labelled task %d, %q, is for the agent %q, which there is not", i+1, cut(t.Task, 60), t.Agent)
		}
	}
	var r Report
	for i, t := range tasks {
		result, err := s.Recommend(ctx, t.Task, 3)
		if err != nil {
			return Report{}, fmt.Errorf("labelled task %d: %w", i+1, err)
		}
		if result.Warning != "" {
			return Report{}, fmt.Errorf("labelled task %d: %s", i+1, result.Warning)
		}
		r.count(t, &result)
	}
	return r, nil
}

func (t *Labelled) none() bool { return t.Agent == "" || t.Agent == noAgent }

// count adds a result.
func (r *Report) count(t Labelled, result *Result) {
	miss := Miss{Task: t.Task, Want: t.Agent, NoneFits: result.NoneFits}
	for _, item := range result.Items {
		miss.Got = append(miss.Got, item.Agent)
	}
	if t.none() {
		r.OutOfScope++
		if result.NoneFits {
			r.NoneRight++
			return
		}
		miss.Want = noAgent
		r.Misses = append(r.Misses, miss)
		return
	}
	r.N++
	for i, name := range miss.Got {
		if name == t.Agent {
			r.Top3++
			if i == 0 {
				r.Top1++
			}
		}
	}
	if result.NoneFits {
		r.Lost++
	}
	if result.NoneFits || miss.Got[0] != t.Agent {
		r.Misses = append(r.Misses, miss)
	}
}
