package project

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Code says what kind of thing went wrong, for programs.
type Code string

// The codes of an [Error].
const (
	// UnknownAgent: no agent has the name.
	UnknownAgent Code = "unknown_agent"
	// BadAgent: the agent's definition or contract cannot be used.
	BadAgent Code = "bad_agent"
	// UnknownSkill: no skill has the name.
	UnknownSkill Code = "unknown_skill"
	// BadSkill: the skill's file cannot be used.
	BadSkill Code = "bad_skill"
	// BadProject: the project's folder, claude.json or force.yaml is broken,
	// which concerns every call that needs it.
	BadProject Code = "bad_project"
	// Outside: a path leads out of the project; nothing of it was read.
	Outside Code = "outside_project"
	// Closed: the Project was used after Close.
	Closed Code = "project_closed"
)

// Error is what every function of this package returns as its error; take it
// out with [errors.As] to see the parts.
type Error struct {
	Code Code
	// File is relative to the project, with slashes; "" if no file is at fault.
	File string
	// Line and Column count from 1, Column in characters; 0 if unknown.
	Line, Column int
	// Message says what is wrong, without the place.
	Message string
	// Hint says what to do; "" if the message says it all.
	Hint string
	// Err is the cause, or nil.
	Err error
}

// Error returns place, message and hint as one sentence.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Summary()
	}
	return e.Summary() + ": " + e.Hint
}

// Summary returns place and message, for who shows the hint apart.
func (e *Error) Summary() string { return at(e.File, e.Line, e.Column) + e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Warning is something a user should know of that stops nothing.
type Warning struct {
	// File is relative to the project, with slashes.
	File string
	// Line and Column count from 1, Column in characters; 0 if unknown.
	Line, Column int
	// Message says what is wrong and what to do, without the place.
	Message string
}

// String returns "file:line:column: message", without what is unknown.
func (w Warning) String() string { return at(w.File, w.Line, w.Column) + w.Message }

// at renders a place the way compilers do, ready for a message to follow.
func at(file string, line, column int) string {
	if file == "" {
		return ""
	}
	if hasControl(file) {
		file = strconv.Quote(file)
	}
	if line > 0 {
		file += ":" + strconv.Itoa(line)
		if column > 0 {
			file += ":" + strconv.Itoa(column)
		}
	}
	return file + ": "
}

// warning turns an error into one for who did not ask for the broken thing.
func (e *Error) warning(subject string) Warning {
	message := subject + " is left out: " + e.Message
	if e.Hint != "" {
		message += ": " + e.Hint
	}
	return Warning{File: e.File, Line: e.Line, Column: e.Column, Message: message}
}

// hasControl reports whether s could do to a terminal more than show text.
func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }

func sortWarnings(w []Warning) {
	slices.SortStableFunc(w, func(a, b Warning) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
