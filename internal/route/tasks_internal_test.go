package route

import (
	"bufio"
	"encoding/json"
	"os"
	"testing"
)

type labelled struct {
	Task string `json:"task"`
	Line string `json:"line"`
}

func readLabelled(t *testing.T, name string) []labelled {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var list []labelled
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var l labelled
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		list = append(list, l)
	}
	return list
}

func TestDeveloperTasks(t *testing.T) {
	r, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for name, least := range map[string]float64{"tuned": 0.9, "held": 0.75} {
		t.Run(name, func(t *testing.T) {
			list := readLabelled(t, "testdata/"+name+".jsonl")
			right, far := 0, 0
			for _, l := range list {
				a := r.Assess("", l.Task)
				got, _ := DefaultPolicy().Choose(a)
				want, ok := ParseLine(l.Line)
				if !ok {
					t.Fatalf("%q is no line", l.Line)
				}
				switch got - want {
				case 0:
					right++
				case 2, -2:
					far++
					t.Errorf("%q goes to %s and deserves %s", l.Task, got, want)
				default:
					t.Logf("%.3f %s for %s: %s %v", a.Difficulty, got, want, l.Task, a.Reasons)
				}
			}
			share := float64(right) / float64(len(list))
			t.Logf("%d of %d (%.2f) go where they should, %d two lines off", right, len(list), share, far)
			if share < least {
				t.Errorf("%.2f go where they should, want %.2f", share, least)
			}
		})
	}
}
