package memory

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
)

// foreignColumns are those of the Python tool's sessions.db, in the order in
// which foreign reads them.
var foreignColumns = []string{
	"session_id", "agent_name", "task", "output", "success", "model", "input_tokens", "output_tokens", "timestamp", "metadata",
}

// Import is what an import did.
type Import struct {
	// Imported sessions are new, Known ones were imported before.
	Imported, Known int
	// Skipped is how many rows were left out, by their reasons.
	Skipped map[string]int
}

// Import keeps the sessions of the Python tool's sessions.db, each once, also
// where two processes import at once or a session was forgotten since. Rows that
// make no sense, and those older than the retention, are left out and counted.
// The file is only read. Where reading ends with an error, what was read until
// then is kept.
func (m *Memory) Import(ctx context.Context, path string) (Import, error) {
	out := Import{Skipped: map[string]int{}}
	now := m.now()
	var list []Imported
	keep := func() error {
		kept, err := m.store.ImportSessions(ctx, list)
		list = list[:0]
		for _, isNew := range kept {
			if isNew {
				out.Imported++
			} else {
				out.Known++
			}
		}
		return err
	}
	err := m.store.ForeignSessions(ctx, path, foreignColumns, func(row []any) error {
		one, fault := parseForeign(row, m.local)
		if fault == "" && m.keep > 0 && one.Session.At.Before(now.Add(-m.keep)) {
			fault = "is older than sessions are kept"
		}
		if fault != "" {
			out.Skipped[fault]++
			return nil
		}
		one.Session = one.Session.bounded(now)
		if list = append(list, one); len(list) < 100 {
			return nil
		}
		return keep()
	})
	if len(list) > 0 {
		if last := keep(); err == nil {
			err = last
		}
	}
	if out.Imported > 0 {
		m.embedLater()
	}
	if err != nil {
		return out, fmt.Errorf("import past sessions: %w", err)
	}
	return out, nil
}

// foreign reads the values of a row; the first fault counts.
type foreign struct {
	row   []any
	fault string
}

// parseForeign reads a row. fault is the end of a sentence about it.
func parseForeign(row []any, local *time.Location) (one Imported, fault string) {
	f := &foreign{row: row}
	id, agent, task, output := f.text(0), f.text(1), f.text(2), f.text(3)
	s := Session{
		Agent: agent, Task: task, Output: output, Succeeded: f.truth(4), Model: f.text(5),
		InputTokens: f.count(6), OutputTokens: f.count(7), Unpriced: true,
	}
	stamp := f.text(8)
	s.At = f.time(stamp, local)
	if metadata := f.text(9); f.fault == "" && metadata != "" && !json.Valid([]byte(metadata)) {
		f.fault = "has metadata that are no JSON"
	}
	if f.fault == "" && (strings.TrimSpace(agent) == "" || strings.TrimSpace(task) == "") {
		f.fault = "has no agent or no task"
	}
	return Imported{foreignKey(id, agent, task, output, stamp), s}, f.fault
}

// foreignKey identifies a row by its content.
func foreignKey(parts ...string) [32]byte {
	h := sha256.New()
	for _, p := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		h.Write([]byte(p))
	}
	return [32]byte(h.Sum(nil))
}

func (f *foreign) wrong(i int, what string) {
	if f.fault == "" {
		f.fault = fmt.Sprintf("has a field %q that %s", foreignColumns[i], what)
	}
}

func (f *foreign) text(i int) string {
	switch v := f.row[i].(type) {
	case string:
		return v
	case []byte:
		f.wrong(i, "is no text")
	case TooLarge:
		f.wrong(i, "is too large")
	case nil:
		f.wrong(i, "is missing")
	default:
		f.wrong(i, "is no text")
	}
	return ""
}

func (f *foreign) truth(i int) bool {
	switch v := f.row[i].(type) {
	case int64:
		return v != 0
	case nil:
		f.wrong(i, "is missing")
	default:
		f.wrong(i, "is neither 0 nor 1")
	}
	return false
}

// maxTokens is above what any run can have used.
const maxTokens = 1e12

func (f *foreign) count(i int) int64 {
	n := math.NaN()
	switch v := f.row[i].(type) {
	case int64:
		n = float64(v)
	case float64:
		n = v
	case nil:
		f.wrong(i, "is missing")
		return 0
	}
	if !(n >= 0 && n <= maxTokens) || n != math.Trunc(n) {
		f.wrong(i, "is no number of tokens")
		return 0
	}
	return int64(n)
}

// time reads a time of ISO 8601; one without a zone is of local.
func (f *foreign) time(stamp string, local *time.Location) time.Time {
	stamp = strings.Replace(stamp, " ", "T", 1)
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		at, err = time.ParseInLocation("2006-01-02T15:04:05.999999999", stamp, local)
	}
	if err != nil || at.Year() < 1970 || at.Year() > 9999 {
		f.wrong(8, "is no time")
		return time.Time{}
	}
	return at.UTC()
}
