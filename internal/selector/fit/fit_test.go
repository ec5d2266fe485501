package main

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A project with two agents teaches something, in Go that can be read.
func TestFit(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	write(".claude/agents/sql.md", "---\nname: sql\ndescription: Makes SQL queries fast\n---\nIndexes and migrations.\n")
	write(".claude/agents/web.md", "---\nname: web\ndescription: Builds pages and forms\n---\nButtons and routes.\n")
	areas := write("areas.txt", "# database: database sql\n+ query\nmy query is slow\nadd an index\n")
	var tasks strings.Builder
	for range 4 {
		tasks.WriteString("{\"task\":\"the slow query needs an index\",\"agent\":\"sql\"}\n{\"task\":\"a form on the page\",\"agent\":\"web\"}\n{\"task\":\"bake a cake\"}\n")
	}
	set := dir + "=" + write("tasks.jsonl", tasks.String())
	out := filepath.Join(dir, "weights.go")
	var printed strings.Builder
	if err := run(context.Background(), []string{"-areas", areas, "-o", out, "-check", set, set}, &printed); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"DO NOT EDIT", "var withMeaning = weights{", "var withWords", "var withKeywords", "floor:"} {
		if !strings.Contains(string(text), part) {
			t.Errorf("no %q in\n%s", part, text)
		}
	}
	if strings.Contains(string(text), "NaN") || !strings.Contains(printed.String(), "tasks left out in turn: top-1 1.000") {
		t.Errorf("got\n%s\n%s", printed.String(), text)
	}
	for _, args := range [][]string{nil, {"nothing"}, {dir + "=none.jsonl"}, {"-areas", "none.txt", set}, {"-check", "x=y"}} {
		if err := run(context.Background(), args, &printed); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

func TestAlike(t *testing.T) {
	for _, c := range []struct {
		request, task string
		want          bool
	}{
		{"add an index to the orders table", "please add indexes to the orders table", true},
		{"add an index", "add it", false},
		{"the page is slow", "a slow train", false},
	} {
		if got := shares(c.request, c.task); got != c.want {
			t.Errorf("%q, %q: got %t", c.request, c.task, got)
		}
	}
}

func TestRegression(t *testing.T) {
	var cases []outcome
	for i := range 40 {
		var o outcome
		o.measures[0], o.measures[1], o.share, o.fits = 1, float64(i)/40, 1, i >= 20
		cases = append(cases, o)
	}
	w := learnScope(cases)
	if p := logistic(product(w[:], cases[0].measures[:])); p > 0.2 || math.IsNaN(p) {
		t.Errorf("the first case has the probability %g", p)
	}
	if p := logistic(product(w[:], cases[39].measures[:])); p < 0.8 {
		t.Errorf("the last case has the probability %g", p)
	}
}
