package batch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

const (
	// resultsLast is how long the API keeps the results of a batch.
	resultsLast = 29 * 24 * time.Hour
	// rowsLast is how long what nobody came back for is kept here.
	rowsLast = 30 * 24 * time.Hour
)

// validSession reports whether a name is fit for the names of files.
func validSession(name string) bool {
	if name == "" || len(name) > 100 {
		return false
	}
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

func lockPath(dir, session string) string {
	return filepath.Join(dir, "session-"+session+".lock")
}

// tidy cleans up after sessions that have died: what they were filling is
// forgotten, and so are batches whose spool file is gone, so that their tasks
// are added anew.
func (l *Lane) tidy(ctx context.Context, now time.Time) error {
	sessions, err := l.Store.BatchSessions(ctx)
	if err != nil {
		return err
	}
	l.dead = l.dead[:0]
	for _, s := range sessions {
		if s != l.Session && validSession(s) && !alive(l.Dir, s, now) {
			l.dead = append(l.dead, s)
		}
	}
	if err := l.forget(ctx); err != nil {
		return err
	}
	if err := l.completeAll(ctx); err != nil {
		return err
	}
	if err := l.sweep(ctx); err != nil {
		return err
	}
	err = l.Store.PruneBatches(ctx, Pruning{
		Account: l.Account, Dead: l.dead, Before: now.Add(-rowsLast),
		Lost: &llm.Error{Code: llm.CodeNotFound, Message: "nobody collected the batch while the API kept its results"},
	})
	if err != nil {
		return err
	}
	for _, s := range l.dead {
		_ = os.Remove(lockPath(l.Dir, s)) // nothing depends on it any more
	}
	return nil
}

// forget discards the batches of dead sessions that cannot be submitted.
func (l *Lane) forget(ctx context.Context) error {
	list, err := l.Store.FindBatches(ctx, Filter{Account: l.Account, States: []State{Preparing, Prepared}})
	if err != nil {
		return err
	}
	dead := map[string]bool{}
	for _, s := range l.dead {
		dead[s] = true
	}
	for _, r := range list {
		if !dead[r.Session] || r.State == Prepared && spoolIsWhole(l.Dir, r) {
			continue
		}
		gone, err := l.Store.DiscardBatch(ctx, r)
		if err != nil {
			return err
		}
		if gone {
			removeSpool(l.Dir, r.Spool)
		}
	}
	return nil
}

// completeAll sees to batches whose session died after the last request was
// settled: nobody will wait for them again.
func (l *Lane) completeAll(ctx context.Context) error {
	list, err := l.Store.FindBatches(ctx, Filter{Account: l.Account, States: []State{Ended}})
	if err != nil {
		return err
	}
	for _, r := range list {
		open, err := l.Store.BatchRequests(ctx, r.Key, nil, 1)
		if err != nil {
			return err
		}
		if len(open) > 0 {
			continue
		}
		if err := l.complete(ctx, &wait{Record: r}); err != nil {
			return err
		}
	}
	return nil
}

// sweep removes spool files that a killed process left after their batch had
// come to the API.
func (l *Lane) sweep(ctx context.Context) error {
	files, err := filepath.Glob(filepath.Join(l.Dir, spoolPrefix+"*"))
	if err != nil {
		return fmt.Errorf("list the spool files: %w", err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		list, err := l.Store.FindBatches(ctx, Filter{Spool: name, Limit: 1})
		if err != nil {
			return err
		}
		if len(list) == 1 && !list[0].needsSpool() {
			removeSpool(l.Dir, name)
		}
	}
	return nil
}

// needsSpool reports whether the batch may have to be submitted yet: one that
// was adopted is not proved to be the one.
func (r Record) needsSpool() bool {
	switch r.State {
	case Preparing, Prepared, Submitting:
		return true
	}
	return r.Adopted
}

// diskError says in words what the file system refused.
func diskError(what string, err error) error {
	e := &llm.Error{Code: llm.CodeInternal, Message: "cannot " + what + ": " + err.Error(), Err: err}
	if errors.Is(err, fs.ErrPermission) {
		e.Hint = "check the permissions of the folder"
	}
	return e
}
