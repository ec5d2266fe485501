package claudeforce

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/claude-force/claude-force/internal/layer/charge"
	"github.com/claude-force/claude-force/internal/layer/record"
	books "github.com/claude-force/claude-force/internal/ledger"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

// Imported is what came of an import.
type Imported struct {
	// Imported lines are new; Known ones were there already; Skipped ones could
	// not be read.
	Imported int64 `json:"imported"`
	Known    int64 `json:"known"`
	Skipped  int64 `json:"skipped"`
	// Unpriced is how many of the new ones name a model without a known price
	// at their date.
	Unpriced int64 `json:"unpriced"`
	// Cost is that of the new ones, made from their tokens.
	Cost Money `json:"cost_usd"`
	// Warnings are for the user, one sentence each.
	Warnings []string `json:"warnings"`
}

const (
	importStep     = 500
	mostComplaints = 20
)

// ImportMetrics adds the runs of an executions.jsonl, one JSON object a line, to
// the ledger: the costs it states are not used, they follow from the tokens and
// the prices of the day. A line that is there already adds nothing. Lines that
// cannot be read are skipped, and the error then has [CodeSomeFailed].
func (e *Engine) ImportMetrics(ctx context.Context, r io.Reader) (Imported, error) {
	i := importer{engine: e, out: Imported{Warnings: []string{}}}
	prices, err := e.catalogue()
	if err != nil {
		return i.out, llm.AsError(err)
	}
	i.prices = prices.Catalogue
	if i.db, err = e.ledger.store(); err != nil {
		return i.out, ledgerError(err)
	}
	if err := i.read(ctx, bufio.NewReaderSize(r, 64<<10)); err != nil {
		return i.out, err
	}
	out := &i.out
	if more := out.Skipped - mostComplaints; more > 0 {
		out.Warnings = append(out.Warnings, fmt.Sprintf("%d more lines were skipped", more))
	}
	if out.Unpriced > 0 {
		out.Warnings = append(out.Warnings, fmt.Sprintf("%d runs name a model without a known price at their date: their cost is not in the sums", out.Unpriced))
	}
	if out.Skipped > 0 {
		return *out, &Error{
			Code: CodeSomeFailed, Message: fmt.Sprintf("%d lines were skipped and %d imported", out.Skipped, out.Imported),
			Hint: "mend the lines and import the file again: what is there is not added twice",
		}
	}
	return *out, nil
}

type importer struct {
	engine *Engine
	prices *model.Catalogue
	db     *sqlite.DB
	ready  []sqlite.Imported
	out    Imported
}

func (i *importer) read(ctx context.Context, r *bufio.Reader) error {
	for number := int64(1); ; number++ {
		line, cut, err := readLine(r)
		if err != nil && !errors.Is(err, io.EOF) {
			return &Error{Code: CodeUsage, Message: "the file cannot be read: " + err.Error(), Err: err}
		}
		if err := llm.ContextError(ctx); err != nil {
			return err
		}
		if number == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		switch {
		case cut:
			i.complain(number, fmt.Sprintf("is longer than %d MB", books.MaxLine>>20))
		case len(bytes.TrimSpace(line)) > 0:
			i.take(number, line)
		}
		if err != nil || len(i.ready) == importStep {
			if err := i.keep(ctx); err != nil {
				return err
			}
		}
		if err != nil {
			return nil
		}
	}
}

// readLine reads one line of bounded length; cut says that it was longer.
func readLine(r *bufio.Reader) (line []byte, cut bool, err error) {
	for {
		piece, err := r.ReadSlice('\n')
		if len(line)+len(piece) <= books.MaxLine {
			line = append(line, piece...)
		} else {
			cut = true
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, cut, err
		}
	}
}

func (i *importer) complain(number int64, fault string) {
	if i.out.Skipped++; i.out.Skipped <= mostComplaints {
		i.out.Warnings = append(i.out.Warnings, fmt.Sprintf("line %d %s: it was skipped", number, fault))
	}
}

func (i *importer) take(number int64, line []byte) {
	f, fault := books.ParseForeign(line, time.Local)
	if fault != "" {
		i.complain(number, fault)
		return
	}
	run := &f.Run
	req := &llm.Request{Params: llm.Params{Model: run.Model}}
	run.Cost = charge.Price(i.prices, req, &llm.Response{Usage: run.Usage}, run.Started)
	i.ready = append(i.ready, sqlite.Imported{Line: f.Line, Run: *run, Exchange: exchangeOf(run)})
}

// exchangeOf is the one exchange of a run that is known by its sum alone.
func exchangeOf(r *record.Run) charge.Exchange {
	return charge.Exchange{
		RunID: r.RunID, Agent: r.Agent, Workflow: r.Workflow, Step: r.Step, Tags: r.Tags,
		Model: r.Model, Started: r.Started, Duration: r.Duration, Usage: r.Usage, Cost: r.Cost, Error: r.Error,
	}
}

func (i *importer) keep(ctx context.Context) error {
	if len(i.ready) == 0 {
		return nil
	}
	kept, err := i.db.Import(ctx, i.ready)
	if err != nil {
		return ledgerError(err)
	}
	for k, isNew := range kept {
		if !isNew {
			i.out.Known++
			continue
		}
		i.out.Imported++
		if cost := i.ready[k].Run.Cost; cost.Unknown {
			i.out.Unpriced++
		} else {
			i.out.Cost += Money(cost.Nano)
		}
	}
	i.ready = i.ready[:0]
	return nil
}
