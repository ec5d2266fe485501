package claudeforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/memory"
)

// Session is a run of the past, as the memory of the project keeps it.
type Session struct {
	// ID is its number in the memory; RunID its run in the ledger, which is empty
	// where it was imported.
	ID    int64
	RunID string
	Agent string
	// Project is the folder of the project, or empty outside of one.
	Project string
	// Task and Output are cut in the middle where they are very long.
	Task, Output string
	Success      bool
	// ErrorType is the code of a failure, or empty.
	ErrorType string
	Model     string
	// InputTokens and OutputTokens are what the API counted.
	InputTokens, OutputTokens int64
	// Cost is nil where it is not known.
	Cost *Money
	// At is when the run began, in UTC.
	At   time.Time
	Tags map[string]string
	// Similarity is how near the task is to what was looked for: 1 for the same
	// meaning, 0 for none; nil where nothing was looked for.
	Similarity *float64
}

// MarshalJSON writes the object that `memory search --json` lists.
func (s Session) MarshalJSON() ([]byte, error) {
	return marshal(struct {
		ID           int64             `json:"id"`
		RunID        string            `json:"run_id"`
		Agent        string            `json:"agent"`
		Project      string            `json:"project"`
		Similarity   *float64          `json:"similarity,omitempty"`
		Success      bool              `json:"success"`
		ErrorType    string            `json:"error_type,omitempty"`
		Task         string            `json:"task"`
		Output       string            `json:"output"`
		Model        string            `json:"model"`
		InputTokens  int64             `json:"input_tokens"`
		OutputTokens int64             `json:"output_tokens"`
		Cost         *Money            `json:"cost_usd"`
		At           time.Time         `json:"at"`
		Tags         map[string]string `json:"tags,omitempty"`
	}{
		s.ID, s.RunID, s.Agent, s.Project, s.Similarity, s.Success, s.ErrorType, s.Task, s.Output,
		s.Model, s.InputTokens, s.OutputTokens, s.Cost, s.At, s.Tags,
	})
}

func sessionOf(s *memory.Session) Session {
	out := Session{
		ID: s.ID, RunID: s.RunID, Agent: s.Agent, Project: s.Project, Task: s.Task, Output: s.Output, Success: s.Succeeded,
		ErrorType: s.Error, Model: s.Model, InputTokens: s.InputTokens, OutputTokens: s.OutputTokens, At: s.At,
	}
	if cost := Money(s.Cost); !s.Unpriced {
		out.Cost = &cost
	}
	if s.Tags != "" {
		_ = json.Unmarshal([]byte(s.Tags), &out.Tags) // what is no object of strings is not shown
	}
	return out
}

// MemoryFilter narrows what is searched or forgotten. The zero value lets
// everything pass.
type MemoryFilter struct {
	// Agent and Project are exact names; empty means any.
	Agent, Project string
	// Since is the first moment that counts, Until the first that does not.
	Since, Until time.Time
	// SuccessOnly leaves failures out.
	SuccessOnly bool
}

func (f MemoryFilter) inner() memory.Filter {
	return memory.Filter{Agent: f.Agent, Project: f.Project, Since: f.Since, Until: f.Until, SuccessOnly: f.SuccessOnly}
}

// MemorySearch is what a search found.
type MemorySearch struct {
	Sessions []Session
	// ByMeaning says whether the search went by meaning; else it went by words,
	// and Warning says why.
	ByMeaning bool
	Warning   string
}

// past is the memory for who only reads, or nil where nothing was ever kept.
func (e *Engine) past() (*memory.Memory, error) {
	if db, err := e.pastRuns(); err != nil || db == nil {
		return nil, err
	}
	m, err := e.memory.open()
	if err != nil {
		return nil, llm.AsError(err)
	}
	return m, nil
}

// SearchMemory returns the past sessions whose tasks are the most similar to a
// text in meaning, at most limit of them (0: 5, and never more than 100).
func (e *Engine) SearchMemory(ctx context.Context, text string, f MemoryFilter, limit int) (MemorySearch, error) {
	out := MemorySearch{ByMeaning: true}
	m, err := e.past()
	if err != nil || m == nil {
		return out, err
	}
	filter := f.inner()
	filter.Limit = limit
	found, err := m.Search(ctx, text, filter)
	if err != nil {
		return out, memoryError(err)
	}
	if out.ByMeaning = found.ByMeaning; found.Why != nil {
		out.Warning = "the search went by words: " + found.Why.Error()
	}
	for i := range found.Matches {
		s := sessionOf(&found.Matches[i].Session)
		s.Similarity = &found.Matches[i].Similarity
		out.Sessions = append(out.Sessions, s)
	}
	return out, nil
}

// Session returns a past session by its number or its run. The error has
// [CodeUsage] where there is none.
func (e *Engine) Session(ctx context.Context, id string) (Session, error) {
	m, err := e.past()
	if err != nil {
		return Session{}, err
	}
	if m != nil {
		list, err := e.sessions(ctx, m, id)
		if err != nil {
			return Session{}, err
		}
		if len(list) > 0 {
			return sessionOf(&list[0]), nil
		}
	}
	return Session{}, noSession(id)
}

// sessions are those of a number or of a run.
func (e *Engine) sessions(ctx context.Context, m *memory.Memory, id string) ([]memory.Session, error) {
	if number, err := strconv.ParseInt(id, 10, 64); err == nil {
		list, err := m.Sessions(ctx, []int64{number})
		return list, memoryError(err)
	}
	list, err := m.OfRun(ctx, id)
	return list, memoryError(err)
}

func noSession(id string) error {
	return usageError(fmt.Sprintf("the memory has no session %q", id), "`claude-force memory search` shows their numbers")
}

// ForgetSessions deletes past sessions, by their numbers or runs, so that
// nothing of them can be read any more, and returns how many there were. Where
// one of them is not there, nothing is deleted.
func (e *Engine) ForgetSessions(ctx context.Context, ids []string) (int, error) {
	m, err := e.past()
	if err != nil {
		return 0, err
	}
	var numbers []int64
	for _, id := range ids {
		if m == nil {
			return 0, noSession(id)
		}
		list, err := e.sessions(ctx, m, id)
		if err != nil {
			return 0, err
		}
		if len(list) == 0 {
			return 0, noSession(id)
		}
		for _, s := range list {
			numbers = append(numbers, s.ID)
		}
	}
	if len(numbers) == 0 {
		return 0, nil
	}
	n, err := m.Forget(ctx, numbers)
	return n, memoryError(err)
}

// ForgetMatching deletes the past sessions that pass the filter and whose task
// or output contains a text, whatever the case of its ASCII letters. Where
// neither says anything, the error has [CodeUsage] and nothing is deleted.
func (e *Engine) ForgetMatching(ctx context.Context, text string, f MemoryFilter) (int, error) {
	if text == "" && f == (MemoryFilter{SuccessOnly: f.SuccessOnly}) {
		return 0, usageError("nothing says what to forget", "name sessions, or give --matching, --agent, --before or --all")
	}
	m, err := e.past()
	if err != nil || m == nil {
		return 0, err
	}
	n, err := m.ForgetMatching(ctx, text, f.inner())
	return n, memoryError(err)
}

// PruneMemory deletes the past sessions that began longer ago than age (0: the
// setting `memory.retention`), in small steps that let others write between
// them, and returns how many there were.
func (e *Engine) PruneMemory(ctx context.Context, age time.Duration) (int, error) {
	m, err := e.past()
	if err != nil || m == nil {
		return 0, err
	}
	if age <= 0 {
		age = e.config.Duration("memory.retention")
	}
	n, err := m.Prune(ctx, e.options.Now().Add(-age))
	return n, memoryError(err)
}

// MemoryStats are figures of the memory.
type MemoryStats struct {
	Sessions  int64 `json:"sessions"`
	Succeeded int64 `json:"succeeded"`
	// Embedded is how many can be found by meaning with the encoder in use,
	// whose name is Space.
	Embedded int64  `json:"embedded"`
	Space    string `json:"space"`
	// ByAgent is how many sessions each agent has.
	ByAgent map[string]int64 `json:"by_agent"`
	// Oldest and Newest are when the first and the last run began, or nil.
	Oldest *time.Time `json:"oldest"`
	Newest *time.Time `json:"newest"`
	// IndexBytes is the size of the files that searches read.
	IndexBytes int64 `json:"index_bytes"`
	// RetentionDays is the age at which sessions are forgotten.
	RetentionDays float64 `json:"retention_days"`
}

// MemoryStats returns the figures of the memory: zeros where there is none.
func (e *Engine) MemoryStats(ctx context.Context) (MemoryStats, error) {
	out := MemoryStats{ByAgent: map[string]int64{}, RetentionDays: e.config.Duration("memory.retention").Hours() / 24}
	embedder, err := e.memory.ofSessions()
	if err != nil {
		return out, llm.AsError(err)
	}
	out.Space = embedder.Space()
	m, err := e.past()
	if err != nil || m == nil {
		return out, err
	}
	s, err := m.Stats(ctx)
	if err != nil {
		return out, memoryError(err)
	}
	out.Sessions, out.Succeeded, out.Embedded, out.IndexBytes = s.Sessions, s.Succeeded, s.Embedded[out.Space], s.IndexBytes
	if s.Agents != nil {
		out.ByAgent = s.Agents
	}
	if s.Sessions > 0 {
		out.Oldest, out.Newest = &s.Oldest, &s.Newest
	}
	return out, nil
}

// MemoryImport says what an import did.
type MemoryImport struct {
	// Imported sessions are new; Known ones were imported before.
	Imported int `json:"imported"`
	Known    int `json:"known"`
	// Skipped is how many rows were left out, by the reason.
	Skipped map[string]int `json:"skipped"`
}

// ImportMemory takes over the sessions of a sessions.db of the Python tool,
// each once, and makes their vectors; progress, which may be nil, hears of how
// many. Rows that make no sense are left out: the error then has
// [CodeSomeFailed].
func (e *Engine) ImportMemory(ctx context.Context, path string, progress func(done, total int64)) (MemoryImport, error) {
	out := MemoryImport{Skipped: map[string]int{}}
	m, err := e.memory.open()
	if err != nil {
		return out, llm.AsError(err)
	}
	got, err := m.Import(ctx, path)
	out.Imported, out.Known = got.Imported, got.Known
	left := 0
	for why, n := range got.Skipped {
		out.Skipped[why] = n
		left += n
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, memory.ErrForeign):
		return out, &Error{Code: CodeUsage, Message: err.Error(), Hint: "name a sessions.db of the Python tool", Err: err}
	case err != nil:
		return out, memoryError(err)
	}
	if got.Imported > 0 {
		if err := m.Reindex(ctx, progress); err != nil {
			return out, memoryError(err)
		}
	}
	if left > 0 {
		return out, &Error{
			Code: CodeSomeFailed, Message: fmt.Sprintf("%d rows were left out and %d sessions imported", left, got.Imported),
			Hint: "the rest is kept; a later import adds nothing twice",
		}
	}
	return out, nil
}

// ReindexMemory makes the vectors that past sessions lack, for instance after a
// change of the setting `embed.model`, and the files that searches read.
func (e *Engine) ReindexMemory(ctx context.Context, progress func(done, total int64)) error {
	m, err := e.past()
	if err != nil || m == nil {
		return err
	}
	return memoryError(m.Reindex(ctx, progress))
}

// memoryError is the public form of an error of the memory; nil stays nil.
func memoryError(err error) error {
	if err == nil {
		return nil
	}
	return llm.AsError(err)
}
