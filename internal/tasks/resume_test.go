package tasks_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/tasks"
)

// place is a path in a fresh folder that holds content.
func place(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out.jsonl")
	if err := os.WriteFile(path, []byte(content), 0o640); err != nil {
		t.Fatal(err)
	}
	return path
}

func content(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// alone checks that nothing was left beside path.
func alone(t testing.TB, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v, %v", entries, err)
	}
}

const (
	good    = `{"run_id":"r","id":"a","success":true,"error":null}` + "\n"
	good2   = `{"id":7,"success":true}` + "\n"
	failed  = `{"id":"f","success":false,"error":{"message":"x"}}` + "\n"
	refused = `{"id":"r","error":{"message":"x"}}` + "\n"
	broken  = `{"id":null,"line":12,"success":false,"error":{}}` + "\n"
	foreign = "# a remark\n"
)

func TestResume(t *testing.T) {
	type counts struct{ whole, foreign, torn, dropped int64 }
	for name, c := range map[string]struct {
		file  string
		retry bool
		want  string
		ids   string // joined by spaces
		lines []int64
		counts
	}{
		"empty":             {"", false, "", "", nil, counts{}},
		"whole":             {good + good2, false, good + good2, "a 7", nil, counts{whole: 2}},
		"failed are held":   {good + failed + broken, false, good + failed + broken, "a f", []int64{12}, counts{whole: 3}},
		"torn":              {good + `{"id":"b","succ`, false, good, "a", nil, counts{whole: 1, torn: 1}},
		"only torn":         {`{`, false, "", "", nil, counts{torn: 1}},
		"no newline":        {good + strings.TrimSpace(good2), false, good + good2, "a 7", nil, counts{whole: 2}},
		"foreign":           {foreign + "\n" + `{"x":1}` + "\n" + good + "[]\n{\"id\":\"torn", false, foreign + "\n" + `{"x":1}` + "\n" + good + "[]\n", "a", nil, counts{whole: 1, foreign: 3, torn: 1}},
		"foreign, open":     {good + "remark", false, good + "remark\n", "a", nil, counts{whole: 1, foreign: 1}},
		"torn in between":   {"{\"id\":\n" + good, false, "{\"id\":\n" + good, "a", nil, counts{whole: 1, foreign: 1}},
		"no id":             {`{"id":null,"success":true}` + "\n" + `{"id":"","line":0}` + "\n", false, `{"id":null,"success":true}` + "\n" + `{"id":"","line":0}` + "\n", "", nil, counts{foreign: 2}},
		"retry":             {failed + good + broken + refused + good2 + failed, true, good + good2, "a 7", nil, counts{whole: 2, dropped: 4}},
		"retry, none":       {good + foreign, true, good + foreign, "a", nil, counts{whole: 1, foreign: 1}},
		"retry, all":        {failed + failed, true, "", "", nil, counts{dropped: 2}},
		"retry, torn":       {failed + good + `{"id":"b`, true, good, "a", nil, counts{whole: 1, torn: 1, dropped: 1}},
		"retry, no newline": {failed + strings.TrimSpace(good), true, good, "a", nil, counts{whole: 1, dropped: 1}},
		"retry, open fails": {good + strings.TrimSpace(failed), true, good, "a", nil, counts{whole: 1, dropped: 1}},
		"retry keeps tasks": {`{"id":"a","task":"x"}` + "\n" + foreign + failed + foreign, true, `{"id":"a","task":"x"}` + "\n" + foreign + foreign, "a", nil, counts{whole: 1, foreign: 2, dropped: 1}},
		"retry, both":       {failed + `{"id":"f","success":true}` + "\n", true, `{"id":"f","success":true}` + "\n", "f", nil, counts{whole: 1, dropped: 1}},
		"odd success":       {`{"id":"a","success":"true"}` + "\n", true, "", "", nil, counts{dropped: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			path := place(t, c.file)
			out, held, err := tasks.Resume(path, c.retry)
			if err != nil {
				t.Fatal(err)
			}
			if got := (counts{held.Whole, held.Foreign, held.Torn, held.Dropped}); got != c.counts {
				t.Errorf("counts are %+v, want %+v", got, c.counts)
			}
			ids := strings.Fields(c.ids)
			for _, id := range ids {
				if !held.IDs.Has(id) {
					t.Errorf("%q is not held", id)
				}
			}
			var lines []int64
			for n := range held.Lines {
				lines = append(lines, n)
			}
			if held.IDs.Len() != len(ids) || !reflect.DeepEqual(lines, c.lines) {
				t.Errorf("%d ids and the lines %v are held, want %q and %v", held.IDs.Len(), lines, ids, c.lines)
			}
			if err := errors.Join(out.Write([]byte(`{"id":"new"}`)), out.Close()); err != nil {
				t.Error(err)
			}
			if got, want := content(t, path), c.want+"{\"id\":\"new\"}\n"; got != want {
				t.Errorf("the file holds\n%s\nwant\n%s", got, want)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
			alone(t, path)
		})
	}
}

func TestResumeAtEachByte(t *testing.T) {
	file := good + failed + broken + foreign + good2
	for n := range len(file) {
		path := place(t, file[:n])
		out, held, err := tasks.Resume(path, false)
		if err != nil || out.Close() != nil {
			t.Fatal(err)
		}
		got := content(t, path)
		if whole := file[:strings.LastIndex(file[:n], "\n")+1]; got != whole && got != file[:n]+"\n" || got != "" && !strings.HasSuffix(got, "\n") {
			t.Errorf("cut at %d: the file holds %q", n, got)
		}
		if lines := int64(strings.Count(got, "\n")); held.Whole+held.Foreign != lines {
			t.Errorf("cut at %d: %d lines are told, there are %d", n, held.Whole+held.Foreign, lines)
		}
	}
}

func TestResumeOfNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.jsonl")
	out, held, err := tasks.Resume(path, true)
	if err != nil || held.IDs.Len() != 0 || held.IDs.Has("a") || held.Lines[1] {
		t.Fatalf("held %+v, %v", held, err)
	}
	if err := errors.Join(out.Write([]byte(`{}`)), out.Close()); err != nil || content(t, path) != "{}\n" {
		t.Errorf("the file holds %q, %v", content(t, path), err)
	}
}

// TestLongLines has lines longer than any result: they are nobody's, and stay
// as they are when the file is written anew.
func TestLongLines(t *testing.T) {
	long := `{"id":"long","success":false,"output":"` + strings.Repeat("x", tasks.MaxLine) + `"}` + "\n"
	path := place(t, failed+long+failed+good+strings.TrimSpace(long))
	out, held, err := tasks.Resume(path, true)
	if err != nil {
		t.Fatal(err)
	}
	if held.Foreign != 2 || held.Dropped != 2 || held.Whole != 1 || held.Torn != 0 {
		t.Errorf("held %+v", held)
	}
	if err := out.Close(); err != nil || content(t, path) != long+good+long {
		t.Errorf("the file was changed: %v", err)
	}
}

func TestPlacesThatTakeNoResults(t *testing.T) {
	folder := t.TempDir()
	inside := filepath.Join(place(t, ""), "out.jsonl")
	for name, open := range map[string]func() (*tasks.Output, error){
		"create: folder":  func() (*tasks.Output, error) { return tasks.Create(folder) },
		"create: no path": func() (*tasks.Output, error) { return tasks.Create(filepath.Join(folder, "no", "out.jsonl")) },
		"create: file":    func() (*tasks.Output, error) { return tasks.Create(inside) },
		"resume: folder":  func() (*tasks.Output, error) { return first(tasks.Resume(folder, false)) },
		"resume: no path": func() (*tasks.Output, error) { return first(tasks.Resume(filepath.Join(folder, "no", "out"), false)) },
		"resume: device":  func() (*tasks.Output, error) { return first(tasks.Resume(os.DevNull, false)) },
		"resume: file":    func() (*tasks.Output, error) { return first(tasks.Resume(inside, false)) },
	} {
		out, err := open()
		var e *llm.Error
		if out != nil || !errors.As(err, &e) || e.Code != llm.CodeUsage || !strings.HasPrefix(e.Message, "the output file cannot be written: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if out, err := tasks.Create(os.DevNull); err != nil || out.Write([]byte(`{}`)) != nil || out.Close() != nil {
		t.Errorf("a device takes no results: %v", err)
	}
}

func first(out *tasks.Output, _ *tasks.Held, err error) (*tasks.Output, error) { return out, err }

func TestALinkKeepsPointing(t *testing.T) {
	path := place(t, failed+good)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Skip(err)
	}
	out, _, err := tasks.Resume(link, true)
	if err != nil || out.Close() != nil {
		t.Fatal(err)
	}
	if target, err := os.Readlink(link); err != nil || target != path || content(t, path) != good {
		t.Errorf("the link points to %s, %v, and its file holds %q", target, err, content(t, path))
	}
	alone(t, path)
}

func TestCreateAndWriteAtOnce(t *testing.T) {
	path := place(t, "what was there")
	out, err := tasks.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			line := fmt.Appendf(nil, `{"id":%d,"output":"%s"}`, i, strings.Repeat("x", 100*i))
			for range 20 {
				if err := out.Write(line); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(content(t, path), "\n"), "\n")
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			t.Fatalf("a broken line: %q", line)
		}
	}
	if len(lines) != 1000 {
		t.Errorf("%d lines, want 1000", len(lines))
	}
}

// FuzzResume starts from any bytes: what follows is a file of whole lines that
// loses nothing more when it is resumed again.
func FuzzResume(f *testing.F) {
	for _, s := range []string{"", "\n", good, failed, broken, good + failed + `{"id":"b`, `{"id":1,"success":false}`, "x", "{", "{}", "\ufeff{", "\x00", "\r\n{\r", foreign + refused, `{"id":"a","success":true}` + "\n\n"} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	path := filepath.Join(f.TempDir(), "out.jsonl")
	f.Fuzz(func(t *testing.T, data []byte, retry bool) {
		resume := func() (string, *tasks.Held) {
			out, held, err := tasks.Resume(path, retry)
			if err != nil {
				t.Fatal(err)
			}
			if err := out.Close(); err != nil {
				t.Fatal(err)
			}
			return content(t, path), held
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		once, held := resume()
		if once != "" && !strings.HasSuffix(once, "\n") {
			t.Fatalf("%q becomes %q", data, once)
		}
		if held.Torn+held.Dropped == 0 && once != string(data) && once != string(data)+"\n" {
			t.Fatalf("%q lost something: %q", data, once)
		}
		if n := int64(bytes.Count(data, []byte("\n"))) + 1; held.Whole+held.Foreign+held.Torn+held.Dropped > n {
			t.Fatalf("%d lines tell %+v", n, held)
		}
		twice, again := resume()
		if twice != once || again.Torn+again.Dropped != 0 || again.Whole != held.Whole || again.Foreign != held.Foreign || again.IDs.Len() != held.IDs.Len() || !reflect.DeepEqual(again.Lines, held.Lines) {
			t.Fatalf("%q becomes %q with %+v, then %q with %+v", data, once, held, twice, again)
		}
	})
}
