package memory

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// The most that is kept of a session's texts, in bytes. Of a longer one the
// beginning and the end are kept, with a line between them that says so.
const (
	MaxTask   = 64 << 10
	MaxOutput = 256 << 10
	maxName   = 256
)

// Session is one past run: what was asked, what came of it and what it cost.
type Session struct {
	// ID is given by the store when the session is kept; 0 before.
	ID int64
	// RunID is the run in the ledger; empty for imported sessions.
	RunID string
	Agent string
	// Project names what the session belongs to; empty outside of projects.
	Project string
	Task    string
	Output  string
	// Succeeded says whether the output may serve as an example.
	Succeeded bool
	// Error is the machine code of a failure; empty for a success.
	Error string
	Model string
	// InputTokens and OutputTokens are what the API counted.
	InputTokens, OutputTokens int64
	// Cost is in nano-dollars; it means nothing where Unpriced is set.
	Cost     int64
	Unpriced bool
	// At is when the run began, in UTC, to the millisecond.
	At time.Time
	// TaskHash tells the same task again; see [TaskHash]. Where it is empty,
	// Remember computes it.
	TaskHash string
	// Tags are a JSON object of strings, or empty.
	Tags string
}

// TaskHash returns the first 16 hexadecimal digits of a task's SHA-256.
func TaskHash(task string) string {
	sum := sha256.Sum256([]byte(task))
	return hex.EncodeToString(sum[:8])
}

// bounded returns the session as it is kept: of bounded size and valid UTF-8.
func (s Session) bounded(now time.Time) Session {
	if s.TaskHash == "" {
		s.TaskHash = TaskHash(s.Task)
	}
	if s.At.IsZero() {
		s.At = now
	}
	s.At = time.UnixMilli(s.At.UnixMilli()).UTC()
	s.Task, s.Output = shorten(s.Task, MaxTask), shorten(s.Output, MaxOutput)
	for _, name := range []*string{&s.RunID, &s.Agent, &s.Project, &s.Error, &s.Model, &s.TaskHash} {
		*name = head(valid(*name), maxName)
	}
	if s.Tags = valid(s.Tags); len(s.Tags) > MaxTask {
		s.Tags = ""
	}
	return s
}

// valid replaces what is not UTF-8.
func valid(text string) string { return strings.ToValidUTF8(text, string(utf8.RuneError)) }

// shorten keeps the beginning and the end of a text that is longer than most
// bytes; the result is not longer than that.
func shorten(text string, most int) string {
	if len(text) > 2*most { // only what is kept is worth looking at
		text = text[:most] + text[len(text)-most:]
	}
	if text = valid(text); len(text) <= most {
		return text
	}
	const room = 48 // for the line between
	keep := max(most-room, 0)
	first, last := head(text, keep*3/4), tail(text, keep/4)
	return head(first+fmt.Sprintf("\n[... %d bytes left out ...]\n", len(text)-len(first)-len(last))+last, most)
}

// head returns at most so many bytes from the beginning, of whole characters.
func head(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// tail returns at most so many bytes from the end, of whole characters.
func tail(text string, most int) string {
	from := max(len(text)-most, 0)
	for from < len(text) && !utf8.RuneStart(text[from]) {
		from++
	}
	return text[from:]
}

// Filter narrows a search. Its zero value lets everything pass.
type Filter struct {
	// Agent and Project are exact names; empty means any.
	Agent, Project string
	// Since is the first moment that counts and Until the first that does not;
	// zero means no bound.
	Since, Until time.Time
	// SuccessOnly leaves failures out.
	SuccessOnly bool
	// ExceptTask is the hash of a task whose sessions are never returned.
	ExceptTask string
	// AtLeast is the least similarity of a match, from 0 to 1.
	AtLeast float64
	// Limit is the most matches; 0 means 5, and no more than 100 are given.
	Limit int
}

// maxLimit bounds what one search returns.
const maxLimit = 100

func (f *Filter) limit() int {
	if f.Limit <= 0 {
		return 5
	}
	return min(f.Limit, maxLimit)
}

// passes reports whether a session is one that the filter asks for.
func (f *Filter) passes(s *Session) bool {
	return (f.Agent == "" || s.Agent == f.Agent) &&
		(f.Project == "" || s.Project == f.Project) &&
		(f.Since.IsZero() || !s.At.Before(f.Since)) &&
		(f.Until.IsZero() || s.At.Before(f.Until)) &&
		(!f.SuccessOnly || s.Succeeded) &&
		(f.ExceptTask == "" || s.TaskHash != f.ExceptTask)
}

// Match is a session that a search found.
type Match struct {
	Session
	// Similarity is 1 for the same task and 0 for one that has nothing to do
	// with it: the cosine of the two vectors, negative ones counting as 0, to
	// which the words in common are added with three tenths of its weight. In a
	// search by words it is the share of the task's words that were found, the
	// rare ones counting more.
	Similarity float64
}
