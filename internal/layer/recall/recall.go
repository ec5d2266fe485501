// Package recall is the layer that brings similar past work into a prompt, and
// makes an answer past work in its turn.
//
// It belongs below the layers that answer without a call: an answer that is
// kept costs no search, and what was recalled is no part of its key, since each
// run would change the key of the next. What fails here is a warning and never
// fails a run.
package recall

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/memory"
)

const (
	// Quoted is how many sessions join a prompt at most.
	Quoted = 3
	// Similar is the least similarity of a session that does: see
	// docs/memory.md for how it was found.
	Similar = 0.36
	// Worded is the least share of the words of one that was found by words.
	Worded = 0.6
	// Patience is how long a run waits for its turn to look for past work. Where
	// very many begin at once, those that are still waiting then go without.
	Patience = 20 * time.Millisecond
)

// Sessions are past sessions. It is safe for concurrent use.
type Sessions interface {
	// Similar returns the sessions that are similar in meaning and no copies of
	// each other, and the vector of the task, for Remember.
	Similar(ctx context.Context, task string, f memory.Filter) ([]memory.Match, []float32, error)
	// Search does so by words, where there is no meaning to go by.
	Search(ctx context.Context, task string, f memory.Filter) (memory.Found, error)
	Remember(ctx context.Context, s memory.Session, vector []float32) error
}

// Options configure the layer.
type Options struct {
	// Sessions is required.
	Sessions Sessions
	// Project goes into what is remembered.
	Project string
	// MaxTokens is the most that past work takes of a prompt, in tokens.
	MaxTokens int
	// Room returns how many tokens of past work a request has room for, up to
	// MaxTokens; nil means always so many.
	Room func(*llm.Request) int
	// Count estimates the tokens of a text for a model.
	Count func(model, text string) int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Warn is told what is wrong with the memory; nil tells nobody.
	Warn func(error)
}

// Layer returns the layer. Requests whose Memory is off, and those that carry
// tools, pass it by.
func Layer(o Options) llm.Layer {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Warn == nil {
		o.Warn = func(error) {}
	}
	if o.Room == nil {
		o.Room = func(*llm.Request) int { return o.MaxTokens }
	}
	return func(next llm.Caller) llm.Caller {
		return &caller{Options: o, next: next, turns: make(chan struct{}, runtime.GOMAXPROCS(0))}
	}
}

type caller struct {
	Options
	next llm.Caller
	// turns has room for as many searches as there are processors: more at once
	// would make all of them late.
	turns chan struct{}
}

// hurry says that there was no time to look for past work.
const hurry = "so many runs began at once that this one went without past work; begin fewer at once for all to have it"

// recall takes its turn and brings past work into the prompt. It leaves the
// request as it is where the turn does not come in time, and warns of it.
func (c *caller) recall(ctx context.Context, req *llm.Request) (asked *llm.Request, p past) {
	select {
	case c.turns <- struct{}{}:
	default:
		late := time.NewTimer(Patience)
		defer late.Stop()
		select {
		case c.turns <- struct{}{}:
		case <-late.C:
			return req, past{warning: hurry}
		case <-ctx.Done():
			return req, past{}
		}
	}
	defer func() { <-c.turns }()
	asked, p.used, p.vector = Recall(ctx, c.Options, req)
	return asked, p
}

// past is what was found for a run.
type past struct {
	used    []llm.Recalled
	vector  []float32
	warning string // why there is nothing
}

// Call implements [llm.Caller].
func (c *caller) Call(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
	if req.Memory == llm.MemoryOff || req.HasTools() {
		return c.next.Call(ctx, req, emit)
	}
	asked, p := c.recall(ctx, req)
	began := c.Now()
	resp, err := c.next.Call(ctx, asked, emit)
	if req.Memory == llm.MemoryOn {
		Remember(ctx, c.Options, Run{Request: req, Task: req.Task(), Response: resp, Err: err, Began: began, Vector: p.vector})
	}
	if resp == nil || len(p.used) == 0 && p.warning == "" {
		return resp, err
	}
	told := *resp // others may hold it
	told.Recalled = p.used
	if p.warning != "" {
		told.Warnings = append(slices.Clip(told.Warnings), p.warning)
	}
	return &told, err
}

// Recall returns the request with similar past work in its prompt, what that
// is, and the vector of the task, which is nil where it could not be made. The
// task's own earlier answers are never among it, nor is what failed.
func Recall(ctx context.Context, o Options, req *llm.Request) (asked *llm.Request, used []llm.Recalled, vector []float32) {
	room := min(o.Room(req), o.MaxTokens)
	f := memory.Filter{Agent: req.Agent, SuccessOnly: true, ExceptTask: req.TaskHash, AtLeast: Similar, Limit: Quoted}
	matches, vector, err := o.Sessions.Similar(ctx, req.Task(), f)
	if err != nil && ctx.Err() == nil {
		o.Warn(fmt.Errorf("past work was looked for by words only: %w", err))
		f.AtLeast = Worded
		found, wordErr := o.Sessions.Search(ctx, req.Task(), f)
		if wordErr != nil {
			return req, nil, vector
		}
		matches = found.Matches
	}
	if len(matches) == 0 || room <= 0 {
		return req, nil, vector
	}
	text, quoted := memory.Context(matches, room, func(s string) int { return o.Count(req.Model, s) })
	if len(quoted) == 0 {
		return req, nil, vector
	}
	for _, m := range quoted {
		used = append(used, llm.Recalled{
			Session: m.ID, RunID: m.RunID, Agent: m.Agent, Task: Title(m.Task), At: m.At, Similarity: m.Similarity,
		})
	}
	return req.WithReference(text), used, vector
}

// titleLength is how many characters of a task name it.
const titleLength = 100

// Title is the beginning of a task, on one line.
func Title(task string) string {
	if len(task) > 8*titleLength { // no more is looked at
		task = strings.ToValidUTF8(task[:8*titleLength], "")
	}
	task = strings.Join(strings.FieldsFunc(task, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if runes := []rune(task); len(runes) > titleLength {
		return string(runes[:titleLength-1]) + "…"
	}
	return task
}

// Run is a run that was made: what was asked and what came of it.
type Run struct {
	Request  *llm.Request // its labels
	Task     string       // without past work
	Response *llm.Response
	Err      error
	Began    time.Time
	// Vector is that of the task as [Recall] returned it, or nil.
	Vector []float32
}

// Remember keeps a run for later, where a model was asked: also one that
// failed, which never joins a prompt.
func Remember(ctx context.Context, o Options, r Run) {
	if r.Response == nil || r.Response.Attempts == 0 {
		return
	}
	failure := llm.AsError(r.Err)
	if failure == nil {
		failure = r.Response.Incomplete()
	}
	s := memory.Session{
		RunID: r.Request.RunID, Agent: r.Request.Agent, Project: o.Project,
		Task: r.Task, TaskHash: r.Request.TaskHash, Output: r.Response.Text,
		Succeeded: failure == nil, Model: r.Request.Model,
		InputTokens: r.Response.Usage.Prompt(), OutputTokens: r.Response.Usage.Output,
		Cost: r.Response.Cost.Nano, Unpriced: r.Response.Cost.Unknown, At: r.Began, Tags: tags(r.Request.Tags),
	}
	if failure != nil {
		s.Error = string(failure.Code)
	}
	// The answer is there and paid for: who leaves now still has it remembered.
	if err := o.Sessions.Remember(context.WithoutCancel(ctx), s, r.Vector); err != nil {
		o.Warn(err)
	}
}

func tags(list []llm.Tag) string {
	if len(list) == 0 {
		return ""
	}
	m := make(map[string]string, len(list))
	for _, t := range list {
		m[t.Key] = t.Value
	}
	text, _ := json.Marshal(m) // a map of strings always marshals
	return string(text)
}
