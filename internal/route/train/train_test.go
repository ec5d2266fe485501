package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/claude-force/claude-force/internal/route/learned"
)

// questions are of six domains; long ones gain from the dear model.
func questions() string {
	var b strings.Builder
	for i := range 600 {
		hard := i%3 == 0
		task := fmt.Sprintf("What is the name of thing %d?", i)
		if hard {
			task = fmt.Sprintf("Suppose that %d trains leave each hour, and that every train is twice as long as the one before. How many cars are left after %d days?", i, i/2)
		}
		fmt.Fprintf(&b, "{\"domain\":\"d%d\",\"task\":%q,\"cheap_right\":%v,\"dear_right\":true}\n", i%6, task, !hard || i%5 == 0)
	}
	return b.String()
}

func TestRun(t *testing.T) {
	in := filepath.Join(t.TempDir(), "questions.jsonl")
	if err := os.WriteFile(in, []byte(questions()), 0o600); err != nil {
		t.Fatal(err)
	}
	var files [][]byte
	for range 2 {
		out := filepath.Join(t.TempDir(), "weights.bin")
		var report bytes.Buffer
		if err := run([]string{"-in", in, "-out", out, "-folds", "3", "-repeats", "1"}, &report); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(report.String(), "chosen") {
			t.Errorf("the report is %q", report.String())
		}
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, data)
	}
	if !bytes.Equal(files[0], files[1]) {
		t.Error("the same questions and seed give other weights")
	}
	m, err := learned.Parse(string(files[0]))
	if err != nil {
		t.Fatal(err)
	}
	short, long := learned.Measure("What is the name of thing 9?"), learned.Measure("Suppose that 9 trains leave each hour. How many cars are left after 4 days?")
	if m.Score(&short).Score >= m.Score(&long).Score {
		t.Error("what gains more does not score higher")
	}
}

func TestRunRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"empty": "", "broken": "{\"domain\":\n"} {
		in := filepath.Join(dir, name)
		if err := os.WriteFile(in, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := run([]string{"-in", in}, &bytes.Buffer{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := run([]string{"-in", filepath.Join(dir, "missing")}, &bytes.Buffer{}); err == nil {
		t.Error("missing: no error")
	}
}
