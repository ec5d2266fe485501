package claudeforce_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	claudeforce "github.com/claude-force/claude-force"
	"github.com/claude-force/claude-force/internal/sim"
)

// inCache runs SQL on the cache's file, as another program would.
func inCache(t *testing.T, home, query string) string {
	t.Helper()
	pool, err := sql.Open("sqlite", "file:"+(&url.URL{Path: filepath.Join(home, "cache", "cache.db")}).EscapedPath())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var out sql.NullString
	if err := pool.QueryRowContext(t.Context(), query).Scan(&out); err != nil && !errors.Is(err, sql.ErrNoRows) {
		t.Fatalf("%s: %v", query, err)
	}
	return out.String
}

// A process is killed while it keeps answers: the next one finds whole ones.
func TestKilledWhileKeeping(t *testing.T) {
	_, url := simulate(t, sim.Options{})
	plan := childPlan{URL: url, Home: t.TempDir()}
	for i := range 400 {
		plan.Tasks = append(plan.Tasks, fmt.Sprintf("[[say answer %d]]", i))
	}
	for _, last := range []int{1, 20, 60} {
		said := 0
		wait := startChild(t, plan, func(cmd *exec.Cmd, _ string) {
			if said++; said == last+1 {
				_ = cmd.Process.Kill()
			}
		})
		if err := wait(); err == nil || !strings.Contains(err.Error(), "signal: killed") && runtime.GOOS != "windows" {
			t.Fatalf("the process was not killed: %v", err)
		}
		e := installed(t, url, plan.Home)
		c, err := e.VerifyCache(t.Context())
		if err != nil || c.Failed != 0 || c.Foreign != 0 || c.Genuine < int64(last) {
			t.Errorf("after %d answers: %+v, %v", last, c, err)
		}
		wantFrom(t, e, map[bool]string{true: "miss", false: "disk"}[last == 1])
		closed(t, e)
	}
}

// mount mounts a small disk; it skips the test where that is not allowed.
func mount(t *testing.T, dir, options string) {
	t.Helper()
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("mounting takes root on Linux")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("mount: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
}

func TestFullDisk(t *testing.T) {
	t.Run("from the beginning", func(t *testing.T) {
		_, url := simulate(t, sim.Options{})
		home := t.TempDir()
		mount(t, filepath.Join(home, "cache"), "size=16k")
		wantWarning(t, installed(t, url, home), "the response cache")
	})
	t.Run("later on", func(t *testing.T) {
		_, url := simulate(t, sim.Options{})
		home := t.TempDir()
		mount(t, filepath.Join(home, "cache"), "size=2m")
		e := installed(t, url, home)
		wantFrom(t, e, "miss")
		filler := filepath.Join(home, "cache", "filler")
		fill(t, filler)
		warned := 0
		for i := range 20 {
			r := answered(t, e, fmt.Sprintf("[[say %d]]%s", i, strings.Repeat(" ", 10_000)), "")
			if r.Output != fmt.Sprint(i) || r.Cache != "miss" {
				t.Errorf("run %d: %q from %q", i, r.Output, r.Cache)
			}
			if strings.Contains(strings.Join(r.Warnings, "\n"), "the disk is full") {
				warned++
			}
		}
		if warned == 0 {
			t.Error("nothing was said")
		}
		wantFrom(t, e, "memory")
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		if r := answered(t, e, "[[say again]]", ""); len(r.Warnings) > 0 {
			t.Errorf("with room again: %q", r.Warnings)
		}
		closed(t, e)
		wantFrom(t, installed(t, url, home), "disk")
	})
}

// fill writes until the disk is full.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for {
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			return
		}
	}
}

func TestReadOnlyCache(t *testing.T) {
	t.Run("a file in place of the folder", func(t *testing.T) {
		_, url := simulate(t, sim.Options{})
		home := t.TempDir()
		write(t, filepath.Join(home, "cache"), "mine")
		wantWarning(t, installed(t, url, home), "the response cache is off")
		if got, err := os.ReadFile(filepath.Join(home, "cache")); string(got) != "mine" || err != nil {
			t.Errorf("the file is %q, %v", got, err)
		}
	})
	t.Run("a disk that became read-only", func(t *testing.T) {
		s, url := simulate(t, sim.Options{})
		home := t.TempDir()
		dir := filepath.Join(home, "cache")
		mount(t, dir, "size=2m")
		e := installed(t, url, home)
		wantFrom(t, e, "miss")
		closed(t, e)
		if out, err := exec.CommandContext(t.Context(), "mount", "-o", "remount,ro", dir).CombinedOutput(); err != nil {
			t.Skipf("mount: %v: %s", err, out)
		}
		wantWarning(t, installed(t, url, home), "read-only")
		if n := s.Stats().Messages; n != 2 {
			t.Errorf("%d calls", n)
		}
	})
}

func TestDamagedCache(t *testing.T) {
	_, url := simulate(t, sim.Options{})
	t.Run("no database", func(t *testing.T) {
		home := t.TempDir()
		text := strings.Repeat("no database ", 1000)
		write(t, filepath.Join(home, "cache", "cache.db"), text)
		wantWarning(t, installed(t, url, home), "damaged")
		wantFrom(t, installed(t, url, home), "disk")
		files, err := filepath.Glob(filepath.Join(home, "cache", "cache.db.damaged-*"))
		if err != nil || len(files) != 1 {
			t.Fatalf("moved aside: %v, %v", files, err)
		}
		if got, err := os.ReadFile(files[0]); string(got) != text || err != nil {
			t.Errorf("what was moved aside is %.40q, %v", got, err)
		}
	})
	t.Run("at random", func(t *testing.T) {
		const tasks = 40
		source := t.TempDir()
		e := installed(t, url, source)
		for i := range tasks {
			answered(t, e, fmt.Sprintf("[[say answer %d]]", i), "")
		}
		closed(t, e)
		intact, err := os.ReadFile(filepath.Join(source, "cache", "cache.db"))
		if err != nil {
			t.Fatal(err)
		}
		key, err := os.ReadFile(filepath.Join(source, "cache", "cache.key"))
		if err != nil {
			t.Fatal(err)
		}
		for seed := range 6 {
			home := t.TempDir()
			r := rand.New(rand.NewPCG(uint64(seed), 1))
			damaged := bytes.Clone(intact)
			for range 1 + seed*200 {
				damaged[100+r.IntN(len(damaged)-100)] ^= byte(1 + r.IntN(255))
			}
			write(t, filepath.Join(home, "cache", "cache.db"), string(damaged))
			write(t, filepath.Join(home, "cache", "cache.key"), string(key))
			for range 2 {
				e := installed(t, url, home)
				for i := range tasks {
					if r := answered(t, e, fmt.Sprintf("[[say answer %d]]", i), ""); r.Output != fmt.Sprintf("answer %d", i) || r.Cache == "off" {
						t.Errorf("seed %d, task %d: %q from %q", seed, i, r.Output, r.Cache)
					}
				}
				closed(t, e)
			}
			e := installed(t, url, home)
			for i := range tasks {
				if r := answered(t, e, fmt.Sprintf("[[say answer %d]]", i), ""); r.Cache != "disk" {
					t.Errorf("seed %d, task %d: still from %q, warnings %q", seed, i, r.Cache, r.Warnings)
				}
			}
		}
	})
}

// An entry that was changed behind the cache's back is a miss and is kept for
// inspection.
func TestChangedEntry(t *testing.T) {
	s, url := simulate(t, sim.Options{})
	home := t.TempDir()
	e := installed(t, url, home)
	wantFrom(t, e, "miss")
	closed(t, e)
	const done, evil = "x'646f6e65'", "x'6576696c'"
	inCache(t, home, fmt.Sprintf("UPDATE contents SET value = CAST(substr(value, 1, instr(value, %[1]s) - 1) || %[2]s || substr(value, instr(value, %[1]s) + 4) AS BLOB)", done, evil))
	e = installed(t, url, home)
	wantFrom(t, e, "miss")
	c, err := e.CacheStats(t.Context())
	if err != nil || c.Aside != 1 || c.Entries != 1 || s.Stats().Messages != 2 {
		t.Errorf("stats = %+v, %v after %d calls", c, err, s.Stats().Messages)
	}
	closed(t, e)
	if got := inCache(t, home, "SELECT instr(value, "+evil+") > 0 FROM aside"); got != "1" {
		t.Errorf("what was set aside: %s", got)
	}
	if got := inCache(t, home, "SELECT verify_failures FROM counts"); got != "1" {
		t.Errorf("%s failures were counted", got)
	}
}

func TestEntryOfAnotherVersion(t *testing.T) {
	_, url := simulate(t, sim.Options{})
	home := t.TempDir()
	e := installed(t, url, home)
	wantFrom(t, e, "miss")
	closed(t, e)
	inCache(t, home, "UPDATE contents SET value = CAST(x'c8' || substr(value, 2) AS BLOB)")
	e = installed(t, url, home, "CLAUDE_FORCE_CACHE_VERIFY", "never")
	_, err := e.Run(t.Context(), claudeforce.Run{Agent: "code-reviewer", Task: "[[say done]]", Reuse: claudeforce.ReuseOnly})
	if claudeforce.AsError(err).Code != claudeforce.CodeCacheMiss {
		t.Errorf("Run = %v", err)
	}
	if got := inCache(t, home, "SELECT hex(substr(value, 1, 1)) || (SELECT count(*) FROM aside) FROM contents JOIN entries USING (id)"); got != "C80" {
		t.Errorf("the entry is now %s", got)
	}
	wantFrom(t, e, "miss")
}

func TestLinksAreNotFollowed(t *testing.T) {
	for _, name := range []string{"cache.db", "cache.key"} {
		t.Run(name, func(t *testing.T) {
			_, url := simulate(t, sim.Options{})
			home, target := t.TempDir(), filepath.Join(t.TempDir(), "target")
			text := strings.Repeat("x", 32) // the size of a secret
			write(t, target, text)
			if err := os.Mkdir(filepath.Join(home, "cache"), 0o700); err != nil {
				t.Fatal(err)
			}
			link := filepath.Join(home, "cache", name)
			if err := os.Symlink(target, link); err != nil {
				t.Skip(err)
			}
			wantWarning(t, installed(t, url, home), "the response cache is off")
			if got, err := os.ReadFile(target); string(got) != text || err != nil {
				t.Errorf("the target is %q, %v", got, err)
			}
			if got, err := os.Readlink(link); got != target || err != nil {
				t.Errorf("the link is %q, %v", got, err)
			}
		})
	}
	t.Run("to nothing", func(t *testing.T) {
		_, url := simulate(t, sim.Options{})
		home, target := t.TempDir(), filepath.Join(t.TempDir(), "target")
		if err := os.Mkdir(filepath.Join(home, "cache"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(home, "cache", "cache.db")); err != nil {
			t.Skip(err)
		}
		wantWarning(t, installed(t, url, home), "the response cache is off")
		if _, err := os.Lstat(target); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("something was made where the link leads: %v", err)
		}
	})
}

// Each secret sees its own entries; both live side by side.
func TestSecretsSideBySide(t *testing.T) {
	s, url := simulate(t, sim.Options{})
	home := t.TempDir()
	wantFrom(t, installed(t, url, home), "miss")
	wantFrom(t, installed(t, url, home, "CLAUDE_FORCE_CACHE_SECRET", "another"), "miss")
	wantFrom(t, installed(t, url, home), "disk")
	wantFrom(t, installed(t, url, home, "CLAUDE_FORCE_CACHE_SECRET", "another"), "disk")
	e := installed(t, url, home)
	if c, err := e.VerifyCache(t.Context()); err != nil || c != (claudeforce.CacheCheck{Genuine: 1, Foreign: 1}) {
		t.Errorf("VerifyCache = %+v, %v", c, err)
	}
	// Another install has a secret of its own.
	if err := os.Remove(filepath.Join(home, "cache", "cache.key")); err != nil {
		t.Fatal(err)
	}
	wantFrom(t, installed(t, url, home), "miss")
	if n := s.Stats().Messages; n != 3 {
		t.Errorf("%d calls", n)
	}
	if c, err := e.CacheStats(t.Context()); err != nil || c.Entries != 3 || c.Aside != 0 {
		t.Errorf("stats = %+v, %v", c, err)
	}
}

func TestASecretThatIsNone(t *testing.T) {
	_, url := simulate(t, sim.Options{})
	home := t.TempDir()
	name := filepath.Join(home, "cache", "cache.key")
	write(t, name, "short")
	wantWarning(t, installed(t, url, home), "is not a secret of this program")
	if got, err := os.ReadFile(name); string(got) != "short" || err != nil {
		t.Errorf("the file is %q, %v", got, err)
	}
}

// What lies in the folder and is not the cache's own stays, and the cache's
// own is private.
func TestForeignFilesStay(t *testing.T) {
	_, url := simulate(t, sim.Options{})
	home := t.TempDir()
	dir := filepath.Join(home, "cache")
	foreign := []string{"notes.txt", "cache.db.bak", "cache.db.damaged-1", "cache.json", ".key-1", "cache.key.old", "sub/cache.db"}
	for _, name := range foreign {
		write(t, filepath.Join(dir, name), "mine")
	}
	e := installed(t, url, home, "CLAUDE_FORCE_CACHE_MAX_SIZE", "5KB")
	for i := range 30 {
		answered(t, e, fmt.Sprintf("[[say answer %d]]", i), "")
	}
	if c, err := e.CacheStats(t.Context()); err != nil || c.Evictions == 0 || c.Bytes > 5000 || c.MaxBytes != 5000 {
		t.Errorf("stats = %+v, %v", c, err)
	}
	if _, err := e.ClearCache(t.Context(), "", 0); err != nil {
		t.Error(err)
	}
	for _, own := range []string{"", "cache.db", "cache.db-wal", "cache.key"} {
		want := fs.FileMode(0o600)
		if own == "" {
			want = 0o700
		}
		if info, err := os.Stat(filepath.Join(dir, own)); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", own, info.Mode(), err)
		}
	}
	closed(t, e)
	for _, name := range foreign {
		if got, err := os.ReadFile(filepath.Join(dir, name)); string(got) != "mine" || err != nil {
			t.Errorf("%s is %q, %v", name, got, err)
		}
	}
}

// An answer that is larger than the whole cache is answered and not kept, and
// takes no other's place.
func TestAnswerLargerThanTheCache(t *testing.T) {
	s, url := simulate(t, sim.Options{})
	home := t.TempDir()
	small := []string{"CLAUDE_FORCE_CACHE_MAX_SIZE", "3KB"}
	e := installed(t, url, home, small...)
	wantFrom(t, e, "miss")
	large := "[[say " + strings.Repeat("too large ", 500) + "]]"
	if r := answered(t, e, large, ""); r.Cache != "miss" || len(r.Warnings) > 0 {
		t.Errorf("from %q, warnings %q", r.Cache, r.Warnings)
	}
	closed(t, e)
	e = installed(t, url, home, small...)
	if r := answered(t, e, large, ""); r.Cache != "miss" {
		t.Errorf("it was kept: from %q", r.Cache)
	}
	wantFrom(t, e, "disk")
	if c, err := e.CacheStats(t.Context()); err != nil || c.Entries != 1 || c.Evictions != 0 || s.Stats().Messages != 3 {
		t.Errorf("stats = %+v, %v", c, err)
	}
}
