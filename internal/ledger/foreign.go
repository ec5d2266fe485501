package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/claude-force/claude-force/internal/layer/record"
	"github.com/claude-force/claude-force/internal/llm"
)

// Foreign is a line of another program's record of runs.
type Foreign struct {
	// Line is the SHA-256 of the line: the same line is the same run.
	Line [32]byte
	// Run is what the line says; its cost is not set.
	Run record.Run
}

const (
	// MaxLine is the longest line of an import in bytes.
	MaxLine  = 1 << 20
	maxText  = 256 // bytes of a name
	maxCount = 1e12
)

// ParseForeign reads one JSON object of the form that executions.jsonl has. The
// names of its fields may differ, their types may not; what it says of costs is
// ignored, as the tokens say it exactly. A time without a zone is one of local.
// fault is the end of a sentence that begins with the line.
func ParseForeign(line []byte, local *time.Location) (f Foreign, fault string) {
	line = bytes.TrimSpace(line)
	var fields map[string]json.RawMessage
	switch {
	case !utf8.Valid(line):
		return f, "is not UTF-8 text"
	case json.Unmarshal(line, &fields) != nil || fields == nil:
		return f, "is no JSON object: it may be torn"
	}
	f.Line = sha256.Sum256(line)
	p := parser{fields: fields, local: local}
	f.Run = p.run()
	if f.Run.RunID == "" {
		f.Run.RunID = "import-" + hex.EncodeToString(f.Line[:16])
	}
	return f, p.fault
}

// parser takes fields by their names; the first fault counts.
type parser struct {
	fields map[string]json.RawMessage
	local  *time.Location
	fault  string
}

func (p *parser) run() record.Run {
	r := record.Run{
		Labels: llm.Labels{
			RunID: p.text("run_id"), Agent: p.text("agent_name", "agent"), TaskHash: p.text("task_hash"),
			Workflow: p.text("workflow_name", "workflow"), Step: p.textOrNumber("step", "workflow_step", "workflow_position"),
			Branch: p.text("branch", "git_branch"), Why: "imported", Tags: p.tags("tags"),
		},
		Model: p.text("model", "model_name"), Attempts: 1, Status: record.Succeeded,
		Started: p.time("timestamp", "started", "started_at", "time"),
		Usage: llm.Usage{
			Input: p.count("input_tokens", "prompt_tokens"), Output: p.count("output_tokens", "completion_tokens"),
			Thinking:     p.count("thinking_tokens"),
			CacheRead:    p.count("cache_read_input_tokens", "cache_read_tokens"),
			CacheWrite5m: p.count("cache_creation_input_tokens", "cache_write_5m_tokens"),
			CacheWrite1h: p.count("cache_write_1h_tokens"),
			Tier:         p.text("tier"),
		},
		Error: llm.Code(p.text("error_type", "error_code", "error")),
	}
	r.Requested = p.text("requested_model")
	if r.Requested == "" {
		r.Requested = r.Model
	}
	r.Duration = p.duration()
	if !p.succeeded(r.Error == "") {
		r.Status = record.Failed
		if r.Error == llm.CodeCancelled {
			r.Status = record.Cancelled
		}
	}
	if r.Agent == "" {
		p.wrong("agent_name", "is missing")
	}
	return r
}

func (p *parser) wrong(name, what string) {
	if p.fault == "" {
		p.fault = fmt.Sprintf("has a field %q that %s", name, what)
	}
}

// find returns the first field there is, or nothing where it is null.
func (p *parser) find(names []string) (string, json.RawMessage) {
	for _, name := range names {
		if v, ok := p.fields[name]; ok && string(v) != "null" {
			return name, v
		}
	}
	return names[0], nil
}

func (p *parser) text(names ...string) string {
	name, v := p.find(names)
	var s string
	switch {
	case v == nil:
	case json.Unmarshal(v, &s) != nil:
		p.wrong(name, "is not text")
	case len(s) > maxText:
		p.wrong(name, fmt.Sprintf("is longer than %d bytes", maxText))
	case strings.ContainsFunc(s, isControl):
		p.wrong(name, "has control characters")
	}
	return s
}

func (p *parser) textOrNumber(names ...string) string {
	if _, v := p.find(names); len(v) > 0 && (v[0] == '-' || v[0] >= '0' && v[0] <= '9') && len(v) <= maxText {
		return string(v)
	}
	return p.text(names...)
}

func (p *parser) tags(name string) []llm.Tag {
	var tags map[string]string
	if _, v := p.find([]string{name}); v != nil && json.Unmarshal(v, &tags) != nil {
		p.wrong(name, "is no object of text")
	}
	if err := CheckTags(tags); err != nil {
		p.wrong(name, "cannot be taken: "+err.Error())
	}
	return Tags(tags)
}

// count takes a whole number from 0.
func (p *parser) count(names ...string) int64 {
	name, v := p.find(names)
	if v == nil {
		return 0
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil || n < 0 || n > maxCount {
		p.wrong(name, "is no whole number from 0")
		return 0
	}
	return n
}

func (p *parser) succeeded(otherwise bool) bool {
	name, v := p.find([]string{"success"})
	switch string(v) {
	case "":
		return otherwise
	case "true":
		return true
	case "false":
	default:
		p.wrong(name, "is neither true nor false")
	}
	return false
}

// duration takes milliseconds, or seconds where the name says nothing.
func (p *parser) duration() time.Duration {
	unit := time.Millisecond
	name, v := p.find([]string{"execution_time_ms", "duration_ms"})
	if v == nil {
		unit = time.Second
		name, v = p.find([]string{"duration", "execution_time", "duration_seconds"})
	}
	if v == nil {
		return 0
	}
	n, err := strconv.ParseFloat(string(v), 64)
	const most = 1 << 53 // microseconds: 285 years
	us := math.Round(n * float64(unit/time.Microsecond))
	if err != nil || !(us >= 0 && us < most) {
		p.wrong(name, "is no number from 0")
		return 0
	}
	return time.Duration(us) * time.Microsecond
}

// time takes seconds since 1970, milliseconds where they would be far in the
// future, or a date and time of ISO 8601.
func (p *parser) time(names ...string) time.Time {
	name, v := p.find(names)
	var s string
	var at time.Time
	if json.Unmarshal(v, &s) == nil {
		at = isoTime(s, p.local)
	} else if n, err := strconv.ParseFloat(string(v), 64); err == nil {
		if math.Abs(n) >= 1e11 {
			n /= 1000
		}
		if math.Abs(n) < 1e11 {
			at = time.UnixMicro(int64(math.Round(n * 1e6))).UTC()
		}
	}
	if at.Year() < 1970 || at.Year() > 2200 {
		p.wrong(name, "is neither a date and time of ISO 8601 nor a number of seconds since 1970")
		return time.Time{}
	}
	return at
}

func isoTime(s string, local *time.Location) time.Time {
	for _, layout := range []string{
		time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04:05.999999999-0700",
		"2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04", "2006-01-02",
	} {
		if at, err := time.ParseInLocation(layout, s, local); err == nil {
			return at.UTC()
		}
	}
	return time.Time{}
}
