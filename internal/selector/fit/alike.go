package main

import (
	"context"
	"fmt"
	"os"
	"strings"
)

// alike is the cosine from which on a request is nearly a task, and alikeWords
// the share of the request's words, of four letters and more, that the task has.
const (
	alike      = 0.78
	alikeWords = 0.5
)

// withoutAlike reads the areas of work without the requests that are nearly one of
// the tasks.
func withoutAlike(ctx context.Context, file string, sets []set, encoder *remembering) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the areas of work: %w", err)
	}
	var tasks []string
	for _, s := range sets {
		for _, t := range s.tasks {
			tasks = append(tasks, t.Task)
		}
	}
	vectors, err := encoder.Embed(ctx, tasks)
	if err != nil {
		return "", err
	}
	var kept strings.Builder
	for row := range strings.Lines(string(text)) {
		if strings.HasPrefix(row, "#") || strings.HasPrefix(row, "+") {
			kept.WriteString(row)
			continue
		}
		request, err := encoder.Embed(ctx, []string{strings.TrimSpace(row)})
		if err != nil {
			return "", err
		}
		near := false
		for i := range tasks {
			near = near || cosine(request[0], vectors[i]) > alike || shares(row, tasks[i])
		}
		if !near {
			kept.WriteString(row)
		}
	}
	return kept.String(), nil
}

// shares reports whether a task has most of the words of a request.
func shares(request, task string) bool {
	task = strings.ToLower(task)
	var words, shared int
	for word := range strings.FieldsSeq(strings.ToLower(request)) {
		word = strings.Trim(word, ",.")
		if len(word) < 4 {
			continue
		}
		words++
		if strings.Contains(task, strings.TrimSuffix(word, "s")) {
			shared++
		}
	}
	return shared >= 2 && float64(shared) >= alikeWords*float64(words)
}

func cosine(a, b []float32) (sum float32) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}
