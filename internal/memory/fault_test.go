package memory_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/memory"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

// childEnv makes the test binary a process of its own that does one thing.
const childEnv = "MEMORY_CHILD"

func TestMain(m *testing.M) {
	if spec := os.Getenv(childEnv); spec != "" {
		if err := runChild(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// runChild does what "name@folder" says.
func runChild(spec string) (err error) {
	name, dir, _ := strings.Cut(spec, "@")
	path := filepath.Join(dir, "state.db")
	if name == "full" {
		path = sqlite.Memory
	}
	ctx := context.Background()
	db, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	e := &topics{space: "topics"}
	m := memory.New(memory.Options{
		Store: db.Sessions(), Embedder: e, Index: filepath.Join(dir, "memory"), Local: time.UTC,
		Now: func() time.Time { return today }, Warn: func(err error) { fmt.Println("warning:", err) },
	})
	defer func() { err = errors.Join(err, m.Close(ctx), db.Close()) }()
	switch {
	case name == "prune":
		fmt.Println("ready")
		_, err = m.Housekeep(ctx)
	case name == "import":
		var done memory.Import
		done, err = m.Import(ctx, filepath.Join(dir, "sessions.db"))
		fmt.Println("imported", done.Imported)
	case name == "full":
		err = fillDisk(ctx, m, e)
	case strings.HasPrefix(name, "append"):
		for i := range 500 {
			s := session(fmt.Sprintf("topic%d of %s number %d", i%5, name, i))
			if err = m.Remember(ctx, s, e.vector(s.Task)); err != nil {
				return err
			}
			if i%20 == 0 {
				if _, _, err = m.Similar(ctx, s.Task, memory.Filter{}); err != nil {
					return err
				}
			}
		}
	}
	return err
}

func child(t *testing.T, name, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+name+"@"+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

// A side file that is not what it should be is made again, and the search is
// right at once.
func TestDamagedSideFile(t *testing.T) {
	list := many(4, 700) // three blocks
	master := newWorld(t)
	master.keep(list...)
	want := master.similar("topic2 question", memory.Filter{Limit: 9})
	sideName := filepath.Base(master.sideFile())
	whole := readFile(t, master.sideFile())
	master.close()
	foreign := bytes.Clone(whole)
	foreign[20] ^= 1 // the database it belongs to
	for name, content := range map[string][]byte{
		"missing": nil, "empty": {}, "short": whole[:20], "no header": bytes.Repeat([]byte("no index "), 1000),
		"header": flip(whole, 12), "foreign": foreign, "block header": flip(whole, 52+5), "first block": flip(whole, 52+16+40),
		"last block": flip(whole, len(whole)-5), "truncated": whole[:len(whole)-100], "block missing": whole[:52+16+1024*88],
		"zeros": make([]byte, len(whole)),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			copyFile(t, master.path, filepath.Join(dir, "state.db"))
			side := filepath.Join(dir, sideName)
			if content != nil {
				if err := os.WriteFile(side, content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			w := openWorld(t, filepath.Join(dir, "state.db"))
			if got := w.similar("topic2 question", memory.Filter{Limit: 9}); !slices.Equal(got, want) {
				t.Errorf("found %q\nwant  %q", got, want)
			}
			if got := readFile(t, side); !bytes.Equal(got, whole) {
				t.Errorf("the side file was not mended: %d bytes, want %d", len(got), len(whole))
			}
			if warnings := w.warned(); len(warnings) != 0 {
				t.Errorf("warnings: %v", warnings)
			}
		})
	}
}

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 0x10
	return b
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	if err := os.WriteFile(to, readFile(t, from), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Entries that are well formed but not those of the rows are noticed when they
// are compared with them.
func TestSideFileThatDisagreesIsMended(t *testing.T) {
	w := newWorld(t)
	w.keep(many(4, 100)...)
	_ = w.similar("topic1 question", memory.Filter{})
	// The same number gets another vector behind the file's back.
	if _, err := w.Forget(t.Context(), []int64{1}); err != nil {
		t.Fatal(err)
	}
	side := w.sideFile()
	before := readFile(t, side)
	w.close()
	other := openWorld(t, w.path)
	ids := make([]int64, 0, 300)
	for id := range int64(300) {
		ids = append(ids, id+1)
	}
	if _, err := other.db.Sessions().DeleteSessions(t.Context(), ids); err != nil { // as if killed before the file was rebuilt
		t.Fatal(err)
	}
	left, err := other.db.Sessions().Older(t.Context(), 1<<40, 1000)
	if err != nil {
		t.Fatal(err)
	}
	left = slices.DeleteFunc(left, func(s memory.Session) bool { return !strings.HasPrefix(s.Task, "topic1 ") })
	if got := other.similar("topic1 question", memory.Filter{Limit: 100, AtLeast: 0.5}); len(got) != len(left) {
		t.Errorf("found %d, want the %d that are left", len(got), len(left))
	}
	if err := other.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	third := openWorld(t, w.path)
	_ = third.similar("topic1 question", memory.Filter{})
	if after := readFile(t, side); len(after) >= len(before)/3 {
		t.Errorf("the side file has %d of %d bytes", len(after), len(before))
	}
}

// A copy of the database from before is put back: the side file knows more
// than it may.
func TestDatabaseFromACopy(t *testing.T) {
	w := newWorld(t)
	w.keep(many(2, 50)...)
	_ = w.similar("topic1 question", memory.Filter{})
	w.close()
	early := readFile(t, w.path)
	second := openWorld(t, w.path)
	second.keep(many(1, 200)...)
	_ = second.similar("topic0 question", memory.Filter{})
	second.close()
	if err := os.WriteFile(w.path, early, 0o600); err != nil {
		t.Fatal(err)
	}
	third := openWorld(t, w.path)
	if got := third.similar("topic0 question", memory.Filter{Limit: 100}); len(got) != 50+50 && len(got) != 50 {
		t.Errorf("found %d", len(got))
	}
	third.keep(session("topic7 new"))
	if got := third.similar("topic7 new", memory.Filter{AtLeast: 0.9}); !slices.Equal(got, []string{"topic7 new"}) {
		t.Errorf("found %q", got)
	}
}

func TestNewerSideFileIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.keep(many(2, 100)...)
	want := w.similar("topic1 question", memory.Filter{})
	w.close()
	side := w.sideFile()
	newer := readFile(t, side)
	newer[8] = 99
	if err := os.WriteFile(side, newer, 0o600); err != nil {
		t.Fatal(err)
	}
	other := openWorld(t, w.path)
	if got := other.similar("topic1 question", memory.Filter{}); !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
	if !bytes.Equal(readFile(t, side), newer) {
		t.Error("the file of a newer version was changed")
	}
	if warnings := other.warned(); len(warnings) != 1 || !strings.Contains(warnings[0].Error(), "newer version") {
		t.Errorf("warnings = %v", warnings)
	}
}

func TestSideFileThatCannotBeMade(t *testing.T) {
	w := newWorld(t, func(o *memory.Options) { o.Index = filepath.Join(o.Index, "no", "such", "folder") })
	w.keep(many(2, 100)...)
	for range 2 {
		if got := w.similar("topic1 question", memory.Filter{}); len(got) != 5 {
			t.Errorf("found %q", got)
		}
	}
	if warnings := w.warned(); len(warnings) != 1 {
		t.Errorf("warnings = %v", warnings)
	}
}

// Two processes keep, search and write the side file at once; then it holds
// every entry once.
func TestTwoProcessesAppend(t *testing.T) {
	w := newWorld(t)
	one, two := child(t, "append1", filepath.Dir(w.path)), child(t, "append2", filepath.Dir(w.path))
	if err := errors.Join(one.Start(), two.Start()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(one.Wait(), two.Wait()); err != nil {
		t.Fatal(err)
	}
	w.keep(many(1, 64)...)
	want := w.similar("topic3 question", memory.Filter{Limit: 100})
	if len(want) < 100 {
		t.Errorf("found %d", len(want))
	}
	appended := readFile(t, w.sideFile())
	w.close()
	if err := os.Remove(w.sideFile()); err != nil {
		t.Fatal(err)
	}
	other := openWorld(t, w.path)
	if got := other.similar("topic3 question", memory.Filter{Limit: 100}); !slices.Equal(got, want) {
		t.Error("a fresh side file gives other results")
	}
	if !bytes.HasPrefix(readFile(t, other.sideFile()), appended[:52]) || len(appended) != len(readFile(t, other.sideFile())) {
		t.Errorf("the file has %d bytes, a fresh one %d", len(appended), len(readFile(t, other.sideFile())))
	}
}

// What is forgotten is in no file any more: not in the database, its log or the
// side file.
func TestForgottenIsGone(t *testing.T) {
	w := newWorld(t)
	var list []memory.Session
	for i := range 400 {
		s := session(fmt.Sprintf("topic%d task %d", i%3, i))
		s.Output = strings.Repeat(fmt.Sprintf("harmless %d ", i), i%90*(i%7))
		if i%8 == 0 {
			s.Output = strings.Repeat("word ", i*5%7000) + "SeCrEt-" + fmt.Sprint(i) + strings.Repeat(" word", i*3)
		}
		if i%10 == 0 {
			s.Task += " secret-task"
		}
		list = append(list, s)
	}
	w.keep(list...)
	_ = w.similar("topic1 task", memory.Filter{})
	forgotten := 0
	for _, text := range []string{"SECRET-1", "secret-3", "secret-t", "secret-"} { // pages are merged in between
		n, err := w.ForgetMatching(t.Context(), text, memory.Filter{})
		if forgotten += n; err != nil || n == 0 {
			t.Fatalf("forgot %d, %v", n, err)
		}
	}
	if forgotten != 80 {
		t.Errorf("forgot %d", forgotten)
	}
	names, err := filepath.Glob(filepath.Join(filepath.Dir(w.path), "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if i := bytes.Index(bytes.ToLower(readFile(t, name)), []byte("secret-")); i >= 0 {
			t.Errorf("%s holds what was forgotten, at %d", name, i)
		}
	}
	if stats, err := w.Stats(t.Context()); err != nil || stats.Sessions != 320 || stats.Embedded["topics"] != 320 {
		t.Errorf("stats = %+v, %v", stats, err)
	}
	if got := w.similar("topic1 task 40 secret-task", memory.Filter{AtLeast: 0.99}); len(got) != 0 {
		t.Errorf("found %q", got)
	}
	if n, err := w.Forget(t.Context(), []int64{1 << 40}); n != 0 || err != nil {
		t.Errorf("Forget of nothing = %d, %v", n, err)
	}
	if _, err := w.ForgetMatching(t.Context(), "", memory.Filter{}); !errors.Is(err, memory.ErrForgetAll) {
		t.Errorf("ForgetMatching of all = %v", err)
	}
}

func TestHousekeepOnceADay(t *testing.T) {
	now := today
	w := newWorld(t, func(o *memory.Options) { o.Now = func() time.Time { return now } })
	old := session("sql expired expired-text")
	old.At = today.Add(-90*24*time.Hour - time.Second)
	kept := session("sql kept")
	kept.At = today.Add(-90 * 24 * time.Hour)
	w.keep(old, kept)
	for _, want := range []int{1, 0} {
		if n, err := w.Housekeep(t.Context()); err != nil || n != want {
			t.Errorf("Housekeep = %d, %v; want %d", n, err, want)
		}
	}
	now = now.Add(24 * time.Hour)
	other := openWorld(t, w.path, func(o *memory.Options) { o.Now = func() time.Time { return now } })
	if n, err := other.Housekeep(t.Context()); err != nil || n != 1 {
		t.Errorf("Housekeep on the next day = %d, %v", n, err)
	}
	forever := newWorld(t, func(o *memory.Options) { o.Retention = -1 })
	forever.keep(old)
	if n, err := forever.Housekeep(t.Context()); err != nil || n != 0 {
		t.Errorf("Housekeep = %d, %v", n, err)
	}
	if bytes.Contains(readFile(t, w.path), []byte("expired-text")) {
		t.Error("what expired is still in the file")
	}
}

// A prune that is killed is taken up by the next process, and nothing else is
// lost.
func TestKilledPruneIsTakenUp(t *testing.T) {
	w := newWorld(t)
	var list []memory.Session
	for i, s := range many(4, 1500) {
		if i%2 == 0 {
			s.At = today.Add(-100 * 24 * time.Hour)
		}
		s.Output = strings.Repeat("output ", 300)
		list = append(list, s)
	}
	w.keep(list...)
	_ = w.similar("topic1 question", memory.Filter{})
	cmd := child(t, "prune", filepath.Dir(w.path))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // only so that a fault ends
	defer cancel()
	for {
		stats, err := w.Stats(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if stats.Sessions < 6000 {
			break
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	stats, err := w.Stats(t.Context())
	if err != nil || stats.Sessions < 3000 {
		t.Fatalf("stats = %+v, %v", stats, err)
	}
	t.Logf("killed with %d of 3000 to go", stats.Sessions-3000)
	if got := w.similar("topic1 question", memory.Filter{Since: today.Add(-10 * 24 * time.Hour)}); len(got) != 5 {
		t.Errorf("between the two, found %q", got)
	}
	left := int(stats.Sessions - 3000)
	if n, err := w.Housekeep(t.Context()); err != nil || left > 0 && n != left {
		t.Errorf("Housekeep = %d, %v; want %d", n, err, left)
	}
	if stats, err := w.Stats(t.Context()); err != nil || stats.Sessions != 3000 || stats.Embedded["topics"] != 3000 {
		t.Errorf("stats = %+v, %v", stats, err)
	}
	before, err := os.Stat(w.path)
	if err != nil || before.Size() > 18<<20 { // 3000 rows of 2.8 KB and 0.6 KB
		t.Errorf("the file has %d bytes, %v", before.Size(), err)
	}
}

// Nothing is left behind by the work on side files but their locks.
func TestNoDebris(t *testing.T) {
	w := newWorld(t)
	w.keep(many(2, 100)...)
	_ = w.similar("topic1 question", memory.Filter{})
	if _, err := w.Forget(t.Context(), []int64{3}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(w.sideFile() + ".new"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the new file stays behind: %v", err)
	}
}
