package claudeforce

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/claude-force/claude-force/internal/config"
	"github.com/claude-force/claude-force/internal/layer/charge"
	"github.com/claude-force/claude-force/internal/layer/record"
	books "github.com/claude-force/claude-force/internal/ledger"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

// ledger is the state of the project.
type ledger struct {
	lazy[*sqlite.DB]
	// latest are the runs of this process.
	latest *books.Ring
	// exists reports whether there is anything to read.
	exists func() bool
}

func newLedger(paths config.Paths, throwAway bool) *ledger {
	l := &ledger{latest: books.NewRing(books.RingSize)}
	l.exists = func() bool {
		if throwAway || paths.State == "" {
			return false
		}
		_, err := os.Stat(filepath.Join(paths.State, "state.db"))
		return !errors.Is(err, fs.ErrNotExist)
	}
	l.opens(func() (*sqlite.DB, error) {
		if throwAway {
			return sqlite.Open(context.Background(), sqlite.Memory)
		}
		if err := makeState(paths); err != nil {
			return nil, err
		}
		return sqlite.Open(context.Background(), filepath.Join(paths.State, "state.db"))
	})
	return l
}

// SaveRun implements [record.Store].
func (l *ledger) SaveRun(ctx context.Context, r record.Run) error {
	db, err := l.store()
	if err != nil {
		return err
	}
	if err := db.SaveRun(ctx, r); err != nil {
		return err
	}
	l.latest.Add(books.RecordOf(&r))
	return nil
}

// reading is the store for who only reads, or nil where nothing was ever kept:
// a report makes no file.
func (l *ledger) reading() (*sqlite.DB, error) {
	if !l.used.Load() && !l.exists() {
		return nil, nil
	}
	return l.store()
}

// SaveExchange implements [charge.Store].
func (l *ledger) SaveExchange(ctx context.Context, x charge.Exchange) error {
	db, err := l.store()
	if err != nil {
		return err
	}
	return db.SaveExchange(ctx, x)
}

// bill is where exchanges go: into the ledger, where that is wanted, and under
// the budgets that concern them, in any case.
type bill struct {
	ledger *ledger
	shared *shared // nil in a demo
	keep   bool
}

// SaveExchange implements [charge.Store].
func (b bill) SaveExchange(ctx context.Context, x charge.Exchange) error {
	if b.keep {
		if err := b.ledger.SaveExchange(ctx, x); err != nil {
			return err
		}
	}
	if x.Reservation == "" {
		return nil
	}
	if !b.keep {
		db, err := b.ledger.store()
		if err != nil {
			return err
		}
		if err := db.Spend(ctx, x.Reservation, x.RunID, x.Agent, x.Tags, x.Started, x.Cost); err != nil {
			return err
		}
	}
	if b.shared == nil {
		return nil
	}
	db, err := b.shared.store()
	if err != nil {
		return err
	}
	return db.Spend(ctx, x.Reservation, x.RunID, x.Agent, x.Tags, x.Started, x.Cost)
}

// makeState makes the folder of the state. Inside a project it is never
// committed and never a link that leads elsewhere.
func makeState(p config.Paths) error {
	if p.State == "" {
		return fmt.Errorf("there is no folder for the state: set HOME, XDG_STATE_HOME or CLAUDE_FORCE_HOME")
	}
	if err := os.MkdirAll(p.State, 0o700); err != nil {
		return fmt.Errorf("make the state folder: %w", err)
	}
	if !p.InProject {
		return nil
	}
	if info, err := os.Lstat(p.State); err != nil || info.Mode()&fs.ModeSymlink != 0 {
		return fmt.Errorf("the state folder %s is a symbolic link, which is not followed", p.State)
	}
	ignore := filepath.Join(p.State, ".gitignore")
	if _, err := os.Lstat(ignore); err == nil {
		return nil
	}
	if err := os.WriteFile(ignore, []byte("*\n"), 0o600); err != nil {
		return fmt.Errorf("keep the state out of git: %w", err)
	}
	return nil
}
