package memory_test

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/memory"
)

const originalSchema = `CREATE TABLE sessions (
	session_id TEXT PRIMARY KEY, agent_name TEXT NOT NULL, task TEXT NOT NULL, task_hash TEXT NOT NULL, output TEXT NOT NULL,
	success INTEGER NOT NULL, execution_time_ms REAL NOT NULL, model TEXT NOT NULL, input_tokens INTEGER NOT NULL,
	output_tokens INTEGER NOT NULL, timestamp TEXT NOT NULL, metadata TEXT NOT NULL, UNIQUE(agent_name, task_hash, timestamp))`

// original makes a file as the Python tool would, of rows as SQL values.
func original(t *testing.T, path, schema string, rows ...string) {
	t.Helper()
	pool, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.ExecContext(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if _, err := pool.ExecContext(t.Context(), "INSERT INTO sessions VALUES ("+row+")"); err != nil {
			t.Fatal(err)
		}
	}
}

const goodRow = `'id-%[1]d', 'code-reviewer', 'topic%[1]d review', 'hash%[1]d', 'output %[1]d', 1, 12.5, 'claude-3-5-sonnet', 100, 20, '2026-05-01T10:20:30.123456', '{}'`

func TestImport(t *testing.T) {
	w := newWorld(t, func(o *memory.Options) { o.Local = time.FixedZone("", 2*60*60) })
	path := filepath.Join(t.TempDir(), "sessions ?&#.db")
	original(t, path, originalSchema,
		fmt.Sprintf(goodRow, 1), fmt.Sprintf(goodRow, 2),
		`'failed', 'a', 'topic3 t', 'h', '', 0, 1, '', 0, 0, '2026-05-02 10:20:30+00:00', '{"error":"x"}'`,
	)
	before := readFile(t, path)
	got, err := w.Import(t.Context(), path)
	if err != nil || got.Imported != 3 || got.Known != 0 || len(got.Skipped) != 0 {
		t.Fatalf("Import = %+v, %v", got, err)
	}
	if got, err := w.Import(t.Context(), path); err != nil || got.Imported != 0 || got.Known != 3 {
		t.Errorf("the second Import = %+v, %v", got, err)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := openWorld(t, w.path)
	matches, _, err := other.Similar(t.Context(), "topic1 review", memory.Filter{Limit: 1})
	if err != nil || len(matches) != 1 {
		t.Fatal(matches, err)
	}
	want := memory.Session{
		ID: 1, Agent: "code-reviewer", Task: "topic1 review", Output: "output 1", Succeeded: true, Model: "claude-3-5-sonnet",
		InputTokens: 100, OutputTokens: 20, Unpriced: true, At: time.Date(2026, 5, 1, 8, 20, 30, 123e6, time.UTC), TaskHash: memory.TaskHash("topic1 review"),
	}
	if matches[0].Session != want {
		t.Errorf("session = %+v\nwant %+v", matches[0].Session, want)
	}
	if string(readFile(t, path)) != string(before) {
		t.Error("the file was changed")
	}
	// What was forgotten does not come back.
	if _, err := other.Forget(t.Context(), []int64{1}); err != nil {
		t.Fatal(err)
	}
	if got, err := other.Import(t.Context(), path); err != nil || got.Imported != 0 {
		t.Errorf("Import after Forget = %+v, %v", got, err)
	}
}

func TestImportSkipsOddRows(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "sessions.db")
	var rows []string
	add := func(agent, task, output, success, model, input, timestamp, metadata string) {
		rows = append(rows, strings.Join([]string{fmt.Sprintf("'id%d'", len(rows)), agent, task, output, success, model, input, "1", timestamp, metadata}, ","))
	}
	const at = "'2026-05-01T10:20:30'"
	add("'a'", "'good'", "'o'", "1", "'m'", "1.0", at, "'{}'")
	add("NULL", "'t'", "'o'", "1", "'m'", "1", at, "'{}'")
	add("'a'", "NULL", "'o'", "1", "'m'", "1", at, "'{}'")
	add("'a'", "''", "'o'", "1", "'m'", "1", at, "'{}'")
	add("'a'", "'t'", "x'00ff'", "1", "'m'", "1", at, "'{}'")
	add("'a'", "'t'", "'o'", "'yes'", "'m'", "1", at, "'{}'")
	add("'a'", "'t'", "'o'", "NULL", "'m'", "1", at, "'{}'")
	add("'a'", "'t'", "'o'", "1", "7", "1", at, "'{}'")
	add("'a'", "'t'", "'o'", "1", "'m'", "-1", at, "'{}'")
	add("'a'", "'t'", "'o'", "1", "'m'", "9e99", at, "'{}'")
	add("'a'", "'t'", "'o'", "1", "'m'", "1", "'yesterday'", "'{}'")
	add("'a'", "'t'", "'o'", "1", "'m'", "1", "'0001-01-01T00:00:00'", "'{}'")
	add("'a'", "'t'", "'o'", "1", "'m'", "1", "'2020-01-01T00:00:00'", "'{}'")
	add("'a'", "'t'", "'o'", "1", "'m'", "1", at, "'{broken'")
	add("'a'", "'t'", "CAST(zeroblob(9000000) AS TEXT)", "1", "'m'", "1", at, "'{}'")
	add("'a'", "'invalid ' || CAST(x'ff' AS TEXT)", "'o'", "1", "'m'", "1", at, "'{}'")
	original(t, path, "CREATE TABLE sessions (session_id, agent_name, task, output, success, model, input_tokens, output_tokens, timestamp DATETIME, metadata)", rows...)
	got, err := w.Import(t.Context(), path)
	if err != nil || got.Imported != 2 {
		t.Fatalf("Import = %+v, %v", got, err)
	}
	want := map[string]int{
		`has a field "agent_name" that is missing`: 1, `has a field "task" that is missing`: 1, "has no agent or no task": 1,
		`has a field "output" that is no text`: 1, `has a field "success" that is neither 0 nor 1`: 1, `has a field "success" that is missing`: 1,
		`has a field "model" that is no text`: 1, `has a field "input_tokens" that is no number of tokens`: 2,
		`has a field "timestamp" that is no time`: 2, "is older than sessions are kept": 1, "has metadata that are no JSON": 1,
		`has a field "output" that is too large`: 1,
	}
	if !maps.Equal(got.Skipped, want) {
		t.Errorf("skipped %v", got.Skipped)
	}
}

func TestImportOfOtherFiles(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	columns := filepath.Join(dir, "columns.db")
	original(t, columns, "CREATE TABLE sessions (session_id, task)", "'a', 'b'")
	if got, err := w.Import(t.Context(), columns); err != nil || got.Skipped[`has a field "agent_name" that is missing`] != 1 {
		t.Errorf("missing columns: %+v, %v", got, err)
	}
	other := filepath.Join(dir, "other.db")
	original(t, other, "CREATE TABLE other (a)")
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{other: "no sessions.db", text: "no sessions.db", filepath.Join(dir, "none"): "no such file"} {
		if _, err := w.Import(t.Context(), path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Import(%s) = %v, want %q", path, err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error("a file was made")
	}
}

// Two processes import the same file at once: each session is there once.
func TestTwoProcessesImport(t *testing.T) {
	w := newWorld(t)
	dir := filepath.Dir(w.path)
	var rows []string
	for i := range 1000 {
		rows = append(rows, fmt.Sprintf(goodRow, i))
	}
	original(t, filepath.Join(dir, "sessions.db"), originalSchema, rows...)
	one, two := child(t, "import", dir), child(t, "import", dir)
	out1, err1 := one.StdoutPipe()
	out2, err2 := two.StdoutPipe()
	if err := errors.Join(err1, err2, one.Start(), two.Start()); err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, out := range []io.Reader{out1, out2} {
		var n int
		if _, err := fmt.Fscanf(out, "imported %d", &n); err != nil {
			t.Error(err)
		}
		sum += n
	}
	if err := errors.Join(one.Wait(), two.Wait()); err != nil {
		t.Fatal(err)
	}
	stats, err := w.Stats(t.Context())
	if err != nil || sum != 1000 || stats.Sessions != 1000 || stats.Embedded["topics"] != 1000 {
		t.Errorf("imported %d, stats = %+v, %v", sum, stats, err)
	}
}
