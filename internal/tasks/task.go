package tasks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/claude-force/claude-force/internal/llm"
)

const (
	maxID = 256 // bytes
	// maxUnknown names of fields are kept, each cut at maxName bytes.
	maxUnknown = 8
	maxName    = 64
)

// Task is one line's wish. A field that the line does not name, or names as
// null, has its zero value; of one that is named twice the last counts.
type Task struct {
	// ID is the line's own id, or the text line-N with the line's number. An
	// id has 1 to 256 bytes.
	ID ID
	// Agent, Task and Model are not checked here; they may be empty.
	Agent, Task, Model string
	// MaxTokens is the most output tokens, 1 or more; 0 where it is not named.
	MaxTokens int
	// Temperature is any finite number, or nil.
	Temperature *float64
	Effort      string
	// Timeout is written as text such as "90s" or as a number of seconds. It
	// is more than 0 where it is named.
	Timeout time.Duration
	// Tags are marks of the user's own, an object of text; nil where it is not
	// named. They are not checked here.
	Tags map[string]string
	// Unknown are the names of fields that no task has, at most 8 of them,
	// each cut at 64 bytes. They are the file's text, not to be trusted.
	Unknown []string
}

// ID is a task's id as its line has it: text, or a whole number. The zero
// value is no id.
type ID struct {
	// Text is the text, or the digits of the number: two ids with one Text are
	// the same id.
	Text string
	// Number says that the id is written without quotes.
	Number bool
}

// MarshalJSON writes the id as its line had it; the zero value is null.
func (id ID) MarshalJSON() ([]byte, error) {
	switch {
	case id.Text == "":
		return []byte("null"), nil
	case id.Number:
		return []byte(id.Text), nil
	}
	return llm.AppendString(nil, id.Text), nil
}

// decode reads the task of a line. A fault is the end of a sentence that
// begins with the line; the task then holds the id where it could be read.
func decode(ln line) (t Task, fault string) {
	if fault = faultOf(ln); fault != "" {
		t.findID(ln.text)
		return t, fault
	}
	for name, value := range members(ln.text) {
		if wrong := t.set(name, value); wrong != "" && fault == "" {
			fault = wrong
		}
	}
	if t.ID == (ID{}) && fault == "" {
		t.ID.Text = "line-" + strconv.FormatInt(ln.number, 10)
	}
	return t, fault
}

// faultOf says what is wrong with a line as a JSON object, or nothing.
func faultOf(ln line) string {
	switch {
	case ln.cut:
		return fmt.Sprintf("is longer than %d MB", MaxLine>>20)
	case !utf8.Valid(ln.text):
		return "is not UTF-8 text"
	case !json.Valid(ln.text):
		return fmt.Sprint("is not valid JSON: ", json.Unmarshal(ln.text, new(json.RawMessage)))
	case ln.text[skipSpace(ln.text, 0)] != '{':
		return "is not a JSON object"
	}
	return ""
}

// findID takes the id out of a line that is broken elsewhere.
func (t *Task) findID(text []byte) {
	for name, value := range members(text) {
		if string(name) == "id" && json.Valid(value) && utf8.Valid(value) {
			t.setID(value)
		}
	}
}

// set takes one member of a valid object and says what is wrong with it.
func (t *Task) set(name, value []byte) (fault string) {
	switch string(name) {
	case "id":
		return t.setID(value)
	case "agent":
		return setText(&t.Agent, name, value)
	case "task":
		return setText(&t.Task, name, value)
	case "model":
		return setText(&t.Model, name, value)
	case "effort":
		return setText(&t.Effort, name, value)
	case "max_tokens":
		return t.setMaxTokens(value)
	case "temperature":
		return t.setTemperature(value)
	case "timeout":
		return t.setTimeout(value)
	case "tags":
		return t.setTags(value)
	}
	t.addUnknown(name)
	return ""
}

func isNull(value []byte) bool { return string(value) == "null" }

func (t *Task) setID(value []byte) (fault string) {
	if isNull(value) {
		return ""
	}
	t.ID = ID{}
	text := unquoted(value)
	number := text == nil && isWhole(value)
	switch {
	case number:
		text = value
	case text == nil:
		return `has an "id" that is neither text nor a whole number`
	case len(text) == 0:
		return `has an empty "id"`
	}
	if len(text) > maxID {
		return fmt.Sprintf(`has an "id" of more than %d bytes`, maxID)
	}
	t.ID = ID{Text: string(text), Number: number}
	return ""
}

// isWhole reports whether a JSON value is a number without fraction and
// exponent.
func isWhole(value []byte) bool {
	digits := bytes.TrimPrefix(value, []byte("-"))
	for _, c := range digits {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(digits) > 0
}

func setText(to *string, name, value []byte) (fault string) {
	text := unquoted(value)
	switch {
	case text != nil:
		*to = string(text)
	case !isNull(value):
		return fmt.Sprintf("has a value of %q that is not text", name)
	}
	return ""
}

func (t *Task) setMaxTokens(value []byte) (fault string) {
	if isNull(value) {
		return ""
	}
	n, err := strconv.Atoi(string(value))
	if err != nil || n < 1 {
		return `has a "max_tokens" that is not a whole number from 1`
	}
	t.MaxTokens = n
	return ""
}

func (t *Task) setTemperature(value []byte) (fault string) {
	if isNull(value) {
		return ""
	}
	x, err := strconv.ParseFloat(string(value), 64)
	if err != nil {
		return `has a "temperature" that is not a number`
	}
	t.Temperature = &x
	return ""
}

func (t *Task) setTimeout(value []byte) (fault string) {
	if isNull(value) {
		return ""
	}
	var d time.Duration
	var err error
	if text := unquoted(value); text != nil {
		d, err = time.ParseDuration(string(text))
	} else {
		var seconds float64
		if seconds, err = strconv.ParseFloat(string(value), 64); seconds < math.MaxInt64/float64(time.Second) {
			d = time.Duration(math.Round(seconds * float64(time.Second)))
		}
	}
	if err != nil || d <= 0 {
		return `has a "timeout" that is neither a duration such as "90s" nor a number of seconds, and more than 0`
	}
	t.Timeout = d
	return ""
}

func (t *Task) setTags(value []byte) (fault string) {
	if t.Tags = nil; isNull(value) {
		return ""
	}
	var tags map[string]*string
	if json.Unmarshal(value, &tags) != nil {
		return `has "tags" that are no object of text`
	}
	t.Tags = make(map[string]string, len(tags))
	for key, text := range tags {
		if text == nil {
			return `has "tags" that are no object of text`
		}
		t.Tags[key] = *text
	}
	return ""
}

func (t *Task) addUnknown(name []byte) {
	if len(t.Unknown) == maxUnknown {
		return
	}
	cut := name[:min(len(name), maxName)]
	s := strings.ToValidUTF8(string(cut), "") // a letter that was cut goes
	if !slices.Contains(t.Unknown, s) {
		t.Unknown = append(t.Unknown, s)
	}
}
