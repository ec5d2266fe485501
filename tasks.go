package claudeforce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/tasks"
)

// Tasks is a file of tasks: one JSON object a line, with the fields id, agent,
// task and, where they shall differ from the defaults, model, max_tokens,
// temperature, effort and timeout.
type Tasks struct {
	// In is the file, Size its length in bytes (0: not known), which lets the
	// progress tell the time left.
	In   io.Reader
	Size int64
	// Out gets a result a line, in order of completion; it is used where
	// OutFile names no file.
	Out     io.Writer
	OutFile string
	// Resume adds to OutFile and leaves out the ids that it holds. RetryFailed
	// takes those that failed out of it first, so that they run again.
	Resume, RetryFailed bool
	// Defaults fill what a line does not say; its Task, Emit and Background
	// are not used.
	Defaults Run
	// MaxCost is the most that all tasks may cost together; a call that could
	// exceed it is not made. 0 is no bound.
	MaxCost Money
	// NoWarmUp lets all tasks of one agent begin at once. Otherwise the first
	// goes ahead until its first byte, so that the rest read the prompt cache.
	NoWarmUp bool
	// Via is the lane; By is for LaneAuto when all must be done, from now (0:
	// whenever).
	Via Lane
	By  time.Duration
	// Notify is told what happens on the way (which lane, which batches), a
	// sentence each time; nil tells nobody.
	Notify func(string)
	// Watch is told the progress about once a second, and at the end; nil
	// tells nobody.
	Watch func(TaskProgress)
}

// TaskProgress are the figures of one moment; its String is one line for
// people.
type TaskProgress = tasks.Snapshot

// TaskReport says what came of a task file.
type TaskReport struct {
	TaskProgress
	// Skipped is how many ids the output held already.
	Skipped int64
	// Unwritten are the ids of runs that were made and whose results could not
	// be written.
	Unwritten []string
	// Warnings are for the user, one sentence each.
	Warnings []string
}

// aheadOfCalls is how many runs may be under way beside the calls in flight:
// those that wait for their turn, or are answered without a call.
const aheadOfCalls = 64

// RunTasks runs every task of a file, many at once and in memory that does not
// grow with the file. A broken line and a failed run are results like others;
// the error then has [CodeSomeFailed]. The report is there whenever the file
// was begun. After an error that no task would escape (a refused key, a spend
// cap, a disk that is full) no further task begins, and what has no result is
// run by a later call with Resume.
func (e *Engine) RunTasks(ctx context.Context, t Tasks) (*TaskReport, error) {
	if _, err := e.caller(); err != nil {
		return nil, llm.AsError(err)
	}
	lane, until, why, err := chooseLane(t.Via, t.By, e.options.Now())
	if err != nil {
		return nil, err
	}
	if lane == LaneBatch && t.Defaults.Cascade {
		return nil, usageError("a cascade needs calls, and these tasks go by Message Batches", "leave --cascade out, or use --via api")
	}
	r := &taskRunner{
		engine: e, tasks: t, most: e.config.Count("concurrency"),
		progress: tasks.NewProgress(e.options.Now, t.Size),
		reader:   tasks.NewReader(t.In), held: &tasks.Held{},
		stopped: make(chan struct{}), ended: make(chan struct{}, 1), unanswered: map[*pending]struct{}{}, holds: map[string]int64{},
	}
	if t.MaxCost > 0 {
		r.purse = llm.NewPurse(int64(t.MaxCost))
	}
	if err := r.openOutput(); err != nil {
		return nil, err
	}
	r.notify(why)
	stopWatch := r.watch()
	if lane == LaneBatch {
		if err := r.runBatches(ctx, until); err != nil {
			r.stop(llm.AsError(err))
		}
	} else {
		r.feed(ctx)
	}
	r.running.Wait()
	stopWatch()
	return r.finish(ctx)
}

// taskRunner is one pass over a task file.
type taskRunner struct {
	engine   *Engine
	tasks    Tasks
	most     int // runs at once; 0: as the limits allow
	reader   *tasks.Reader
	out      *tasks.Output
	held     *tasks.Held
	seen     tasks.Seen
	progress *tasks.Progress
	purse    *llm.Purse // nil: no bound
	running  sync.WaitGroup
	// batches, batchesEnded and batchTrouble are the last that was told of them.
	batches, batchesEnded int
	batchTrouble          string
	stopped               chan struct{} // closed by the first error that ends all
	ended                 chan struct{} // a run has ended

	mu     sync.Mutex
	window int
	// unanswered are the runs whose answer has not begun.
	unanswered map[*pending]struct{}
	failure    *Error
	// overBudget is why a task was not put into a batch, holds what the purse
	// holds for those that were.
	overBudget *Error
	holds      map[string]int64
	report     TaskReport
}

// pending is a run whose answer has not begun.
type pending struct{ cancel context.CancelCauseFunc }

func (r *taskRunner) openOutput() (err error) {
	switch t := r.tasks; {
	case t.OutFile == "" && t.Resume:
		return usageError("there is no file to resume", "name it with -o")
	case t.OutFile == "":
		r.out = tasks.To(t.Out)
	case t.Resume:
		r.out, r.held, err = tasks.Resume(t.OutFile, t.RetryFailed)
		if err == nil && r.held.Foreign > 0 {
			r.report.Warnings = append(r.report.Warnings, fmt.Sprintf("%s holds %d lines that are no results: they were kept", t.OutFile, r.held.Foreign))
		}
	default:
		r.out, err = tasks.Create(t.OutFile)
	}
	if err != nil {
		return llm.AsError(err)
	}
	return nil
}

// watch tells the progress until it is stopped.
func (r *taskRunner) watch() (stop func()) {
	if r.tasks.Watch == nil {
		return func() {}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				r.tasks.Watch(r.progress.Snapshot())
			case <-quit:
				r.tasks.Watch(r.progress.Snapshot())
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}

// feed begins a run for each line until the file ends, or something ends all.
func (r *taskRunner) feed(ctx context.Context) {
	for r.room(ctx) {
		line, err := r.reader.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			r.stop(unreadable(err))
			return
		}
		if r.accept(line) {
			r.begin(ctx, line.Task, line.Number)
		}
	}
}

func unreadable(err error) *Error {
	return &Error{Code: CodeUsage, Message: "the task file cannot be read on: " + err.Error(), Hint: "what was read has run; `--resume` goes on", Err: err}
}

// room waits until another run may begin, and reports false where none shall.
func (r *taskRunner) room(ctx context.Context) bool {
	for {
		moved := r.engine.limiter().Moved()
		most := r.most
		if most == 0 {
			most = r.engine.limiter().InFlight() + aheadOfCalls
		}
		r.mu.Lock()
		free := r.window < most
		r.mu.Unlock()
		if ctx.Err() != nil {
			return false
		}
		select {
		case <-r.stopped:
			return false
		default:
		}
		if free {
			return true
		}
		select {
		case <-moved:
		case <-r.ended:
		case <-r.stopped:
		case <-ctx.Done():
		}
	}
}

// accept reports whether a line is a task to be run. A broken one gets its
// result here, and one that has a result is skipped.
func (r *taskRunner) accept(line tasks.Line) bool {
	id, fault := line.Task.ID, line.Err
	if fault == nil && !r.seen.Add(id.Text) {
		fault = &Error{
			Code: CodeUsage, Message: fmt.Sprintf("line %d: the id %q is that of an earlier line", line.Number, id.Text),
			Hint: "give each task an id of its own",
		}
	}
	if held := r.held.IDs.Has(id.Text); (fault == nil && held) || (fault != nil && r.held.Lines[line.Number]) {
		r.report.Skipped++
		r.progress.Skip(line.End)
		return false
	}
	r.progress.Read(line.End)
	r.progress.Started()
	if fault != nil {
		// The id of a broken line is nobody's.
		r.deliver(tasks.ID{}, line.Number, noRun(line.Task, fault))
	}
	return fault == nil
}

// noRun is the result of a task that could not begin.
func noRun(t tasks.Task, why *Error) *Result {
	return &Result{Agent: t.Agent, Cost: new(Money), Cache: "off", Err: why}
}

// unknownFields warns of what a line says to nobody.
func unknownFields(t tasks.Task) []string {
	if len(t.Unknown) == 0 {
		return nil
	}
	return []string{"the line has fields that no task has: " + strings.Join(t.Unknown, ", ")}
}

// begin begins a run of its own.
func (r *taskRunner) begin(ctx context.Context, task tasks.Task, line int64) {
	r.mu.Lock()
	r.window++
	r.mu.Unlock()
	r.running.Go(func() { r.run(ctx, task, line) })
}

// run makes one run and writes its result.
func (r *taskRunner) run(ctx context.Context, task tasks.Task, line int64) {
	defer r.leave()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	wish := r.wish(task)
	wish.Emit = r.track(cancel)
	result, err := r.engine.Run(ctx, wish)
	wish.Emit(Event{Kind: EventStart}) // of whatever it was
	failure := llm.AsError(err)
	if result == nil {
		result = noRun(task, failure)
	}
	result.Warnings = append(result.Warnings, unknownFields(task)...)
	switch {
	case failure != nil && ctx.Err() != nil:
		return // no result: a later pass runs it
	case failure != nil && endsAll(failure.Code):
		r.stop(failure)
		return
	}
	r.deliver(task.ID, line, result)
}

// leave counts a run out of the window.
func (r *taskRunner) leave() {
	r.mu.Lock()
	r.window--
	r.mu.Unlock()
	select {
	case r.ended <- struct{}{}:
	default:
	}
}

// track keeps a run among those that may be called off for nothing, until its
// answer begins.
func (r *taskRunner) track(cancel context.CancelCauseFunc) (emit func(Event)) {
	p := &pending{cancel}
	r.mu.Lock()
	r.unanswered[p] = struct{}{}
	r.mu.Unlock()
	begun := false
	return func(e Event) {
		if begun || e.Kind != EventStart {
			return
		}
		begun = true
		r.mu.Lock()
		delete(r.unanswered, p)
		r.mu.Unlock()
	}
}

// wish is the run that a line asks for.
func (r *taskRunner) wish(t tasks.Task) Run {
	w := r.tasks.Defaults
	w.purse = r.purse
	if w.Memory == "" {
		w.Memory = r.engine.memory.ofTasks()
	}
	w.Task, w.Emit, w.Background, w.warmUp = t.Task, nil, true, !r.tasks.NoWarmUp
	w.Auto, w.Agent, w.Model, w.Effort = true, firstOf(t.Agent, w.Agent), firstOf(t.Model, w.Model), firstOf(t.Effort, w.Effort)
	if t.MaxTokens > 0 {
		w.MaxTokens = t.MaxTokens
	}
	if len(t.Tags) > 0 { // those of the line win
		tags := maps.Clone(t.Tags)
		for key, value := range w.Tags {
			if _, own := tags[key]; !own {
				tags[key] = value
			}
		}
		w.Tags = tags
	}
	if t.Temperature != nil {
		w.Temperature = t.Temperature
	}
	if t.Timeout > 0 {
		w.Timeout = t.Timeout
	}
	return w
}

// endsAll reports whether an error would befall every other task as well.
func endsAll(code Code) bool {
	switch code {
	case CodeAuthentication, CodeBilling, CodeSpendLimit, CodeConfig, CodeBudget:
		return true
	}
	return false
}

// stop keeps further tasks from beginning and calls off those whose answer has
// not begun; the first reason counts.
func (r *taskRunner) stop(why *Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure != nil {
		return
	}
	r.failure = why
	close(r.stopped)
	if why.Code == CodeBudget {
		return // what was sent is paid for; the rest is refused by itself
	}
	for p := range r.unanswered {
		p.cancel(why)
	}
}

// deliver writes a result and counts it.
func (r *taskRunner) deliver(id tasks.ID, line int64, result *Result) {
	cost := llm.Cost{Unknown: result.Cost == nil}
	if result.Cost != nil {
		cost.Nano = int64(*result.Cost)
	}
	cached := result.Cache != "miss" && result.Cache != "off"
	r.progress.Done(result.Err == nil, result.Usage.OutputTokens, cost, cached)
	text, err := taskResult(id, line, result)
	if err == nil {
		err = r.out.Write(text)
	}
	if err == nil {
		return
	}
	r.stop(llm.AsError(err))
	r.mu.Lock()
	defer r.mu.Unlock()
	name := id.Text
	if name == "" {
		name = fmt.Sprintf("line %d", line)
	}
	r.report.Unwritten = append(r.report.Unwritten, name)
}

// taskResult is the run's object with its id; a line without one is named by
// its number.
func taskResult(id tasks.ID, line int64, result *Result) ([]byte, error) {
	object, err := result.MarshalJSON()
	if err != nil {
		return nil, err
	}
	name, err := id.MarshalJSON()
	if err != nil {
		return nil, err
	}
	out := append([]byte(`{"id":`), name...)
	if id == (tasks.ID{}) {
		out = fmt.Appendf(out, `,"line":%d`, line)
	}
	out = append(out, ',')
	return append(out, object[1:]...), nil
}

// finish closes the output and says what came of it all.
func (r *taskRunner) finish(ctx context.Context) (*TaskReport, error) {
	if err := r.out.Close(); err != nil {
		r.stop(llm.AsError(err))
	}
	r.report.TaskProgress = r.progress.Snapshot()
	r.report.Warnings = append(r.report.Warnings, r.engine.trouble.drain()...)
	switch {
	case len(r.report.Unwritten) > 0:
		return &r.report, r.unwritten()
	case r.failure != nil:
		return &r.report, r.failure
	case ctx.Err() != nil:
		return &r.report, llm.ContextError(ctx)
	case r.overBudget != nil:
		return &r.report, r.overBudget
	case r.report.Failed > 0:
		return &r.report, &Error{
			Code:    CodeSomeFailed,
			Message: fmt.Sprintf("%d of %d tasks failed", r.report.Failed, r.report.Done),
			Hint:    "each result says why; `--resume --retry-failed` with -o runs them again",
		}
	}
	return &r.report, nil
}

// unwritten is the error of results that found no place: what they cost is
// spent, and where the cache holds them they are free the next time.
func (r *taskRunner) unwritten() *Error {
	why := *r.failure
	why.Message += fmt.Sprintf("; made and not written: %s", strings.Join(r.report.Unwritten, ", "))
	why.Hint = "make room and run it again with --resume: what the cache holds of them costs nothing"
	return &why
}

// MarshalJSON writes the summary that `run tasks -o FILE --json` prints. Its
// names are stable.
func (r *TaskReport) MarshalJSON() ([]byte, error) {
	var spent *Money
	if !r.Spent.Unknown {
		nano := Money(r.Spent.Nano)
		spent = &nano
	}
	return marshal(struct {
		Done       int64    `json:"done"`
		Failed     int64    `json:"failed"`
		Cached     int64    `json:"cached"`
		Skipped    int64    `json:"skipped"`
		Cost       *Money   `json:"cost_usd"`
		DurationMS int64    `json:"duration_ms"`
		Unwritten  []string `json:"unwritten"`
		Warnings   []string `json:"warnings"`
	}{
		r.Done, r.Failed, r.Cached, r.Skipped, spent, r.Elapsed.Milliseconds(),
		append([]string{}, r.Unwritten...), append([]string{}, r.Warnings...),
	})
}
