package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	sessions "github.com/claude-force/claude-force/internal/memory"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

// sessionsEnv is how many sessions the memory is measured with; MEMORY_DIR is a
// folder in which they stay from one run to the next.
const (
	sessionsEnv = "MEMORY_SESSIONS"
	memoryDir   = "MEMORY_DIR"
)

func sessionCount(b *testing.B) int {
	b.Helper()
	n := 20_000
	if text := os.Getenv(sessionsEnv); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	return n
}

// topicEmbedder puts texts whose first words are equal around one point.
type topicEmbedder struct{}

func (topicEmbedder) Space() string { return "bench" }

func (e topicEmbedder) Embed(_ context.Context, texts []string) ([][]float32, error) {
	list := make([][]float32, len(texts))
	for i, text := range texts {
		list[i] = e.vector(text)
	}
	return list, nil
}

func (topicEmbedder) vector(text string) []float32 {
	topic, _, _ := strings.Cut(text, " ")
	around, own := seeded(topic), seeded(text)
	v, norm := make([]float32, 512), 0.0
	for i := range v {
		x := around.Float64() - 0.5 + 0.7*(own.Float64()-0.5)
		v[i], norm = float32(x), norm+x*x
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(norm))
	}
	return v
}

func seeded(text string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	return rand.New(rand.NewPCG(h.Sum64(), 1))
}

// pastSession is one of n of the last 170 days.
func pastSession(i, n int) sessions.Session {
	return sessions.Session{
		RunID: fmt.Sprintf("019ac1d2-%08d-7000-9000-%08d", i, i), Agent: agentName(i % 30),
		Task: fmt.Sprintf("topic%d task %d: %s", i%997, i, strings.Repeat("word ", 20)), Output: strings.Repeat("an answer ", 30),
		Succeeded: i%10 != 0, Model: "claude-sonnet-5-5", InputTokens: 1200, OutputTokens: 300, Cost: 12345,
		At: time.Now().Add(-170 * 24 * time.Hour / time.Duration(n) * time.Duration(max(n-i, 0))),
	}
}

// memoryOf makes a database with so many sessions, or finds it.
func memoryOf(b *testing.B, n int) string {
	b.Helper()
	dir := b.TempDir()
	if stay := os.Getenv(memoryDir); stay != "" {
		dir = filepath.Join(stay, strconv.Itoa(n))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			b.Fatal(err)
		}
	}
	path := filepath.Join(dir, "state.db")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	db, m := openMemory(b, path)
	err := atOnce(64, n, func(i int) error {
		s := pastSession(i, n)
		return m.Remember(b.Context(), s, topicEmbedder{}.vector(s.Task))
	})
	if _, _, similar := m.Similar(b.Context(), "topic1", sessions.Filter{}); similar != nil { // makes the side file
		err = errors.Join(err, similar)
	}
	if err = errors.Join(err, m.Close(b.Context()), db.Close()); err != nil {
		b.Fatal(err)
	}
	return path
}

func openMemory(b *testing.B, path string) (*sqlite.DB, *sessions.Memory) {
	b.Helper()
	db, err := sqlite.Open(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	return db, sessions.New(sessions.Options{
		Store: db.Sessions(), Embedder: topicEmbedder{}, Index: filepath.Join(filepath.Dir(path), "memory"),
		Warn: func(err error) { b.Error(err) },
	})
}

// BenchmarkMemorySearch finds three similar sessions, in a process that has
// searched before and in a fresh one, to which opening the database counts.
func BenchmarkMemorySearch(b *testing.B) {
	n := sessionCount(b)
	path := memoryOf(b, n)
	filter := sessions.Filter{Limit: 3, SuccessOnly: true}
	search := func(m *sessions.Memory, i int) {
		if found, _, err := m.Similar(b.Context(), fmt.Sprintf("topic%d question", i%997), filter); err != nil || len(found) != 3 {
			b.Fatal(len(found), err)
		}
	}
	b.Run(fmt.Sprintf("sessions=%d/warm", n), func(b *testing.B) {
		db, m := openMemory(b, path)
		defer db.Close()
		search(m, 0)
		perSearch(b, func(i int) { search(m, i+1) })
	})
	b.Run(fmt.Sprintf("sessions=%d/fresh", n), func(b *testing.B) {
		perSearch(b, func(i int) {
			db, m := openMemory(b, path)
			search(m, i)
			if err := errors.Join(m.Close(b.Context()), db.Close()); err != nil {
				b.Fatal(err)
			}
		})
	})
}

// perSearch also reports the processor time of both cores, on which other
// programs have less influence.
func perSearch(b *testing.B, do func(i int)) {
	began, err := processorTime()
	if err != nil {
		b.Fatal(err)
	}
	i := 0
	for b.Loop() {
		do(i)
		i++
	}
	ended, err := processorTime()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(ended-began)/float64(i)/float64(time.Millisecond), "cpu-ms/search")
}

// BenchmarkMemoryRemember keeps a session 200 times an operation, with and
// without its vector, beside a bare insert of the same row with the driver.
func BenchmarkMemoryRemember(b *testing.B) {
	for _, vector := range []bool{false, true} {
		b.Run("vector="+strconv.FormatBool(vector), func(b *testing.B) {
			dir := b.TempDir()
			db, m := openMemory(b, filepath.Join(dir, "state.db"))
			defer db.Close()
			bare, insert := bareSessions(b, filepath.Join(dir, "bare.db"))
			defer bare.Close()
			var v []float32
			if vector {
				v = topicEmbedder{}.vector("topic1 task")
			}
			quiet := sessions.New(sessions.Options{Store: db.Sessions()}) // no vectors in the background
			if vector {
				quiet = m
			}
			var ours, theirs Samples
			for i := 0; b.Loop(); i += 200 {
				o, err := repeated(200, func(j int) error { return quiet.Remember(b.Context(), pastSession(i+j, 1), v) })
				t, bad := repeated(200, func(j int) error { return insert(pastSession(i+j, 1)) })
				if err = errors.Join(err, bad); err != nil {
					b.Fatal(err)
				}
				ours, theirs = append(ours, o), append(theirs, t)
			}
			wall := ours.Median(Sample.WallTime) / 200 * 1000
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(wall, "wall-µs/session")
			b.ReportMetric(wall/(theirs.Median(Sample.WallTime)/200*1000), "x-insert")
		})
	}
}

// bareSessions inserts with the driver and one prepared statement.
func bareSessions(b *testing.B, path string) (*sql.DB, func(sessions.Session) error) {
	b.Helper()
	pool, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(wal)&_pragma=synchronous(normal)")
	if err != nil {
		b.Fatal(err)
	}
	pool.SetMaxOpenConns(1)
	_, err = pool.Exec(`CREATE TABLE sessions (id INTEGER PRIMARY KEY, at_ms, succeeded, agent, run_id, model, input, output, cost, task, text);
		CREATE INDEX by_time ON sessions (at_ms)`)
	if err != nil {
		b.Fatal(err)
	}
	stmt, err := pool.Prepare("INSERT INTO sessions (at_ms, succeeded, agent, run_id, model, input, output, cost, task, text) VALUES (?,?,?,?,?,?,?,?,?,?)")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = stmt.Close() })
	return pool, func(s sessions.Session) error {
		_, err := stmt.Exec(s.At.UnixMilli(), s.Succeeded, s.Agent, s.RunID, s.Model, s.InputTokens, s.OutputTokens, s.Cost, s.Task, s.Output)
		return err
	}
}

// BenchmarkMemoryPrune prunes about half of the sessions once, while another
// connection asks for the lock all the time; longest-ms is the longest that it
// was refused without a break.
func BenchmarkMemoryPrune(b *testing.B) {
	n := sessionCount(b)
	path := filepath.Join(b.TempDir(), "state.db")
	for _, name := range sideFiles(b, memoryOf(b, n)) {
		copyInto(b, name, filepath.Dir(path))
	}
	before := size(b, path)
	db, m := openMemory(b, path)
	done, longest := make(chan struct{}), make(chan time.Duration, 1)
	go func() { longest <- longestLock(b, path, done) }()
	var pruned int
	began := time.Now()
	for range 1 { // there is nothing left for a second time
		var err error
		if pruned, err = m.Prune(b.Context(), time.Now().Add(-85*24*time.Hour)); err != nil {
			b.Fatal(err)
		}
	}
	took := time.Since(began)
	close(done)
	most := <-longest
	if err := errors.Join(m.Close(b.Context()), db.Close()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(pruned)/float64(n)*100, "pruned-%")
	b.ReportMetric(float64(most)/float64(time.Millisecond), "longest-ms")
	b.ReportMetric(float64(took)/float64(time.Second), "wall-s")
	b.ReportMetric(float64(size(b, path))/float64(before)*100, "size-%")
}

// longestLock asks for the write lock until done is closed, and returns the
// longest time between two refusals that no grant came between. What it missed
// itself, on a busy machine, does not count.
func longestLock(b *testing.B, path string, done <-chan struct{}) (longest time.Duration) {
	pool, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(0)")
	if err != nil {
		b.Error(err)
		return 0
	}
	defer pool.Close()
	pool.SetMaxOpenConns(1)
	var refused time.Time // the first one since the last grant
	for {
		select {
		case <-done:
			return longest
		case <-time.After(200 * time.Microsecond):
		}
		_, err := pool.Exec("BEGIN IMMEDIATE")
		switch {
		case err == nil:
			refused = time.Time{}
			if _, err := pool.Exec("ROLLBACK"); err != nil {
				b.Error(err)
			}
		case refused.IsZero():
			refused = time.Now()
		default:
			longest = max(longest, time.Since(refused))
		}
	}
}

func sideFiles(b *testing.B, path string) []string {
	b.Helper()
	names, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil {
		b.Fatal(err)
	}
	return names
}

func copyInto(b *testing.B, from, dir string) {
	b.Helper()
	source, err := os.Open(from)
	if err != nil {
		b.Fatal(err)
	}
	defer source.Close()
	to, err := os.OpenFile(filepath.Join(dir, filepath.Base(from)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	// What the system has not written yet would be written while locks are held.
	if _, err = io.Copy(to, source); err == nil {
		err = to.Sync()
	}
	if err = errors.Join(err, to.Close()); err != nil {
		b.Fatal(err)
	}
}

func size(b *testing.B, path string) int64 {
	b.Helper()
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	return info.Size()
}

// BenchmarkRecall makes 100 runs at once with past work in their prompts, beside
// the same without.
func BenchmarkRecall(b *testing.B) {
	server, err := StartServer(b.Context(), Delay)
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	rounds := 0
	for b.Loop() {
		rounds++
	}
	with, without, err := Recalling(b.Context(), server.URL, rounds)
	if err != nil {
		b.Fatal(err)
	}
	wall := with.Median(Sample.WallTime)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(wall, "wall-ms")
	b.ReportMetric(wall/without.Median(Sample.WallTime), "x-without")
}
