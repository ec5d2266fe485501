package selector_test

import (
	"strings"
	"testing"

	"github.com/claude-force/claude-force/internal/selector"
)

func TestReadLabelled(t *testing.T) {
	list, err := selector.ReadLabelled(strings.NewReader("\ufeff{\"task\":\"a\",\"agent\":\"x\"}\r\n\n {\"agent\":\"none\",\"task\":\"b\",\"why\":1}\n{\"task\":\"c\"}"))
	want := []selector.Labelled{{Task: "a", Agent: "x"}, {Task: "b", Agent: "none"}, {Task: "c"}}
	if err != nil || len(list) != 3 || list[0] != want[0] || list[1] != want[1] || list[2] != want[2] {
		t.Errorf("got %+v, %v", list, err)
	}
	for text, want := range map[string]string{
		"{\"task\":\"a\"}\n\n{": "line 3",
		"{\"agent\":\"x\"}":     "line 1 of the labelled tasks has no task",
		"{\"task\":\" \"}":      "line 1",
		"[]":                    "line 1",
		"{\"task\":\"a\"}\n{\"task\":\"a\",\"agent\":3}":  "line 2",
		"{\"task\":\"a\"}\n" + strings.Repeat("x", 2<<20): "line 2 of the labelled tasks is longer",
	} {
		if _, err := selector.ReadLabelled(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want %q", text, err, want)
		}
	}
}

func FuzzReadLabelled(f *testing.F) {
	f.Add("{\"task\":\"a\",\"agent\":\"x\"}\n\n{}")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := selector.ReadLabelled(strings.NewReader(text))
		for _, l := range list {
			if err != nil || strings.TrimSpace(l.Task) == "" {
				t.Errorf("got %+v, %v", l, err)
			}
		}
	})
}

func TestEvaluate(t *testing.T) {
	s := selector.New(team(), selector.Options{})
	r, err := s.Evaluate(t.Context(), []selector.Labelled{
		{Task: "our SQL query is slow", Agent: "database-architect"},
		{Task: "our SQL query is slow", Agent: "web-developer"},
		{Task: "bake a cake", Agent: "data-analyst"},
		{Task: "bake a cake", Agent: "none"},
		{Task: "our SQL query is slow"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.N != 3 || r.Top1 != 1 || r.Lost != 1 || r.OutOfScope != 2 || r.NoneRight != 1 || len(r.Misses) != 3 {
		t.Errorf("got %+v", r)
	}
	if m := r.Misses[2]; m.Want != "none" || m.NoneFits || m.Got[0] != "database-architect" {
		t.Errorf("got %+v", m)
	}
	for _, c := range []struct {
		task selector.Labelled
		want string
	}{
		{selector.Labelled{Task: "a", Agent: "nobody"}, `"nobody", which there is not`},
		{selector.Labelled{Task: " ", Agent: "none"}, "the task is empty"},
	} {
		if _, err := s.Evaluate(t.Context(), []selector.Labelled{{Task: "x"}, c.task}); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "task 2") {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}
