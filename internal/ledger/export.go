package ledger

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Format is how records are written.
type Format string

// The formats. JSON is one list, JSONL one object a line.
const (
	CSV   Format = "csv"
	JSON  Format = "json"
	JSONL Format = "jsonl"
)

// Writer writes records one after the other. It is not safe for concurrent
// use.
type Writer interface {
	Write(r *Record) error
	// Flush hands what was written to the writer below.
	Flush() error
	// Close ends the document and flushes. The writer below stays open.
	Close() error
}

// NewWriter returns a writer to w. The error says that the format is unknown.
func NewWriter(w io.Writer, f Format) (Writer, error) {
	out := bufio.NewWriter(w)
	switch f {
	case CSV:
		return &csvWriter{csv.NewWriter(out), out, false}, nil
	case JSON:
		return &jsonWriter{out: out}, nil
	case JSONL:
		return &jsonWriter{out: out, lines: true}, nil
	}
	return nil, fmt.Errorf("the format %q is none of csv, json and jsonl", f)
}

// jsonWriter writes a list, or lines.
type jsonWriter struct {
	out   *bufio.Writer
	lines bool
	begun bool
}

func (w *jsonWriter) Write(r *Record) error {
	lead := ",\n"
	switch {
	case w.lines:
		lead = ""
	case !w.begun:
		lead = "[\n"
	}
	w.begun = true
	var b bytes.Buffer
	b.WriteString(lead)
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return err
	}
	text := b.Bytes()
	if !w.lines {
		text = bytes.TrimSuffix(text, []byte("\n"))
	}
	_, err := w.out.Write(text)
	return err
}

func (w *jsonWriter) Flush() error { return w.out.Flush() }

func (w *jsonWriter) Close() error {
	tail := "\n]\n"
	switch {
	case w.lines:
		tail = ""
	case !w.begun:
		tail = "[]\n"
	}
	if _, err := w.out.WriteString(tail); err != nil {
		return err
	}
	return w.out.Flush()
}

type csvWriter struct {
	rows   *csv.Writer
	out    *bufio.Writer
	headed bool
}

var columns = []string{
	"run_id", "started", "agent", "workflow", "step", "requested_model", "model", "model_reason",
	"status", "success", "error_type", "stop_reason", "duration_ms", "first_token_ms", "waited_ms", "attempts",
	"input_tokens", "output_tokens", "thinking_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens",
	"cost_usd", "saved_usd", "cache", "tier", "task_hash", "branch", "request_id", "tags",
}

func (w *csvWriter) head() error {
	if w.headed {
		return nil
	}
	w.headed = true
	return w.rows.Write(columns)
}

func (w *csvWriter) Write(r *Record) error {
	if err := w.head(); err != nil {
		return err
	}
	cost, tags := "", ""
	if r.Cost != nil {
		cost = r.Cost.String()
	}
	if len(r.Tags) > 0 {
		raw, err := json.Marshal(r.Tags)
		if err != nil {
			return err
		}
		tags = string(raw)
	}
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	cells := []string{
		r.RunID, r.Started.Format(time.RFC3339Nano), r.Agent, r.Workflow, r.Step, r.RequestedModel, r.Model, r.ModelReason,
		r.Status, strconv.FormatBool(r.Success), r.ErrorType, r.StopReason,
		n(r.DurationMS), n(r.FirstTokenMS), n(r.WaitedMS), strconv.Itoa(r.Attempts),
		n(r.InputTokens), n(r.OutputTokens), n(r.ThinkingTokens), n(r.CacheReadTokens), n(r.CacheWrite5mTokens), n(r.CacheWrite1hTokens),
		cost, r.Saved.String(), r.Cache, r.Tier, r.TaskHash, r.Branch, r.RequestID, tags,
	}
	for i, c := range cells {
		cells[i] = harmless(c)
	}
	return w.rows.Write(cells)
}

// harmless keeps a spreadsheet from taking text for a formula.
func harmless(cell string) string {
	if cell != "" && strings.IndexByte("=+-@\t\r\n", cell[0]) >= 0 {
		return "'" + cell
	}
	return cell
}

func (w *csvWriter) Flush() error {
	w.rows.Flush()
	if err := w.rows.Error(); err != nil {
		return err
	}
	return w.out.Flush()
}

func (w *csvWriter) Close() error {
	if err := w.head(); err != nil {
		return err
	}
	return w.Flush()
}

const (
	exportStep = 500
	// Who follows the rows asks again after a while, which grows where nothing
	// comes.
	shortestWait = 20 * time.Millisecond
	longestWait  = time.Second
)

// Export writes the runs of an hour on, or of all time, in the order in which
// they were kept, and returns how many. Where follow is set it goes on with
// those to come, of any process, until ctx ends, and returns its error. It
// does not close w.
func Export(ctx context.Context, rows Rows, w Writer, from Hour, follow bool) (written int64, err error) {
	var last int64
	wait := shortestWait
	for {
		page, err := rows.Records(ctx, last, exportStep)
		if err != nil {
			return written, err
		}
		for i := range page {
			last = page[i].Number
			if from != AllTime && HourOf(page[i].Started) < from {
				continue
			}
			if err := w.Write(&page[i]); err != nil {
				return written, err
			}
			written++
		}
		if len(page) > 0 {
			wait = shortestWait
			continue
		}
		if !follow {
			return written, nil
		}
		if err := w.Flush(); err != nil {
			return written, err
		}
		if err := pause(ctx, wait); err != nil {
			return written, err
		}
		wait = min(2*wait, longestWait)
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
