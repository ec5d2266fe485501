package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/memory"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

func pastSession(task string) memory.Session {
	return memory.Session{
		RunID: "r", Agent: "coder", Project: "p", Task: task, Output: "output\x00of " + task, Succeeded: true, Error: "", Model: "m",
		InputTokens: 1, OutputTokens: 2, Cost: 3, At: time.UnixMilli(1_700_000_000_123).UTC(), TaskHash: memory.TaskHash(task), Tags: `{"a":"b"}`,
	}
}

func vectorOf(values ...byte) *memory.Vector { return &memory.Vector{Space: "s", Codes: values} }

func saveSession(t *testing.T, d *sqlite.Sessions, s memory.Session, v *memory.Vector) int64 {
	t.Helper()
	id, err := d.SaveSession(t.Context(), &s, v)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestSessionsComeBackAsTheyWere(t *testing.T) {
	for name, path := range map[string]string{"file": filepath.Join(t.TempDir(), "state.db"), "memory": sqlite.Memory} {
		t.Run(name, func(t *testing.T) {
			d := open(t, path).Sessions()
			one, two := pastSession("one"), pastSession("two")
			two.Succeeded, two.Error, two.Unpriced, two.Cost = false, "timeout", true, 0
			one.ID, two.ID = saveSession(t, d, one, nil), saveSession(t, d, two, vectorOf(1, 255))
			got, err := d.Sessions(t.Context(), []int64{two.ID, 99, one.ID})
			if err != nil || len(got) != 2 {
				t.Fatal(got, err)
			}
			slices.SortFunc(got, func(a, b memory.Session) int { return int(a.ID - b.ID) })
			if got[0] != one || got[1] != two {
				t.Errorf("sessions = %+v\nwant %+v and %+v", got, one, two)
			}
			older, err := d.Older(t.Context(), two.ID+1, 1)
			two.Output = ""
			if err != nil || len(older) != 1 || older[0] != two {
				t.Errorf("Older = %+v, %v", older, err)
			}
			list, err := d.VectorsAfter(t.Context(), "s", 0, 10)
			if err != nil || len(list) != 1 {
				t.Fatal(list, err)
			}
			want := memory.Vector{Space: "s"}
			want.Describe(&two)
			v := list[0]
			if v.Session != two.ID || v.At != want.At || v.Succeeded || v.Agent != want.Agent || v.Project != want.Project || v.Task != want.Task || !slices.Equal(v.Codes, []byte{1, 255}) {
				t.Errorf("vector = %+v, want as %+v", v, want)
			}
		})
	}
}

func TestVectorsArriveLater(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "state.db")).Sessions()
	var ids []int64
	for i := range 5 {
		ids = append(ids, saveSession(t, d, pastSession(fmt.Sprint(i)), nil))
	}
	waiting, err := d.Unembedded(t.Context(), "s", false, ids[0], 2)
	if err != nil || len(waiting) != 2 || waiting[0] != (memory.Task{Session: ids[1], Text: "1"}) {
		t.Fatal(waiting, err)
	}
	if _, err := d.DeleteSessions(t.Context(), ids[4:]); err != nil {
		t.Fatal(err)
	}
	save := func(space string, sessions ...int64) {
		t.Helper()
		var list []memory.Vector
		for _, id := range sessions {
			list = append(list, memory.Vector{Session: id, Space: space, Codes: []byte{1}})
		}
		if err := d.SaveVectors(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	}
	save("s", ids[2], ids[1], ids[4]) // the last is gone
	save("s", ids[2])                 // by two processes
	save("other", ids[1])
	waiting, err = d.Unembedded(t.Context(), "s", false, 0, 10)
	if err != nil || len(waiting) != 2 || waiting[1].Session != ids[3] {
		t.Errorf("waiting = %v, %v", waiting, err)
	}
	others, err := d.Unembedded(t.Context(), "s", true, 0, 10)
	if err != nil || len(others) != 3 || others[1].Session != ids[1] {
		t.Errorf("without one of the space = %v, %v", others, err)
	}
	stats, err := d.Counts(t.Context())
	if err != nil || stats.Sessions != 4 || stats.Embedded["s"] != 1 || stats.Embedded["other"] != 1 {
		t.Errorf("counts = %+v, %v", stats, err)
	}
	list, err := d.VectorsAfter(t.Context(), "s", 0, 10)
	if err != nil || len(list) != 1 || list[0].Number != 3 {
		t.Errorf("vectors = %+v, %v", list, err)
	}
	if of, err := d.VectorsOf(t.Context(), "s", []int64{list[0].Number, 4, 99}); err != nil || len(of) != 1 {
		t.Errorf("a vector of another space: %+v, %v", of, err)
	}
	if _, highest, err := d.Origin(t.Context()); err != nil || highest != 4 {
		t.Errorf("highest number = %d, %v", highest, err)
	}
}

func TestNumbersOfSessionsAreNotGivenAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := open(t, path)
	first := saveSession(t, db.Sessions(), pastSession("one"), vectorOf(1))
	before, _, err := db.Sessions().Origin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n, err := db.Sessions().DeleteSessions(t.Context(), []int64{first, first, 7}); n != 1 || err != nil {
		t.Errorf("deleted %d, %v", n, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	d := open(t, path).Sessions()
	if second := saveSession(t, d, pastSession("two"), vectorOf(1)); second <= first {
		t.Errorf("number %d came after %d", second, first)
	}
	after, highest, err := d.Origin(t.Context())
	if err != nil || highest != 2 || after != before || after == [16]byte{} {
		t.Errorf("origin = %x and %x, %d, %v", before, after, highest, err)
	}
}

func TestMatchingSessions(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "state.db")).Sessions()
	one, two := pastSession("Fix the LOGIN form"), pastSession("100% of what?")
	two.Agent, two.Output, two.At = "other", "a login, too", two.At.Add(time.Hour)
	ids := []int64{saveSession(t, d, one, nil), saveSession(t, d, two, nil)}
	for name, test := range map[string]struct {
		text   string
		filter memory.Filter
		want   []int64
	}{
		"both":     {"login", memory.Filter{}, ids},
		"no wild":  {"100%", memory.Filter{}, ids[1:]},
		"after 0":  {"OF FIX", memory.Filter{}, ids[:1]},
		"agent":    {"login", memory.Filter{Agent: "other"}, ids[1:]},
		"until":    {"", memory.Filter{Until: two.At}, ids[:1]},
		"since":    {"", memory.Filter{Since: two.At}, ids[1:]},
		"nothing":  {"login_", memory.Filter{}, nil},
		"failures": {"", memory.Filter{Project: "other"}, nil},
	} {
		if got, err := d.Matching(t.Context(), test.text, test.filter); err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, test.want)
		}
	}
}

// Deletes of large sessions go in small transactions, and the file shrinks.
func TestDeletedSpaceComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := open(t, path)
	d := db.Sessions()
	s := pastSession("large")
	s.Output = strings.Repeat("x", memory.MaxOutput)
	var wg sync.WaitGroup
	for range 60 {
		wg.Go(func() {
			if _, err := d.SaveSession(t.Context(), &s, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	ids, err := d.Expired(t.Context(), s.At.Add(1), 100)
	if err != nil || len(ids) != 0 {
		t.Errorf("at its time a session has expired: %v, %v", ids, err)
	}
	ids, err = d.Expired(t.Context(), s.At.Add(time.Millisecond), 50)
	if err != nil || len(ids) != 50 {
		t.Fatal(ids, err)
	}
	if n, err := d.DeleteSessions(t.Context(), ids); err != nil || n != 50 {
		t.Fatal(n, err)
	}
	if err := d.GiveBack(t.Context()); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 12*memory.MaxOutput {
		t.Errorf("10 sessions take %d bytes, %v", info.Size(), err)
	}
	if info, err := os.Stat(path + "-wal"); err != nil || info.Size() != 0 {
		t.Errorf("the log has %d bytes, %v", info.Size(), err)
	}
}

func TestPrunedDayNeverGoesBack(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "state.db")).Sessions()
	for _, day := range []int64{20_000, 19_999} {
		if err := d.SetPrunedDay(t.Context(), day); err != nil {
			t.Fatal(err)
		}
	}
	if day, err := d.PrunedDay(t.Context()); err != nil || day != 20_000 {
		t.Errorf("day = %d, %v", day, err)
	}
}
