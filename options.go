package claudeforce

import (
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/google/uuid"
)

// Options configure an [Engine]. The zero value is ready to use: the project
// around the current folder, settings and credentials from the environment
// and the configuration files.
type Options struct {
	// Project is the project's folder. Empty means the nearest folder upward
	// from Dir that holds .claude/; where there is none, the built-in library
	// of agents is used.
	Project string
	// Dir is where the search begins; empty means the current folder.
	Dir string
	// Settings win over the environment and all files. The names are those
	// that `claude-force config show` prints.
	Settings map[string]string
	// Demo swaps the API for a simulator in this process and all state for a
	// throw-away one: nothing is spent and nothing is kept.
	Demo bool
	// Getenv reads the environment; nil means os.Getenv.
	Getenv func(string) string
	// Logger gets what happens below a run (retries, migrations); nil drops
	// it. It never gets a secret or a prompt.
	Logger *slog.Logger
	// Transport carries requests to the API; nil means one that is made for
	// many calls at once.
	Transport http.RoundTripper
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// NewID makes ids of runs, each its only one; nil means UUIDs of version 7.
	NewID func() string
	// Jitter returns a number in [0,1) for the wait before a retry; nil means
	// a random one.
	Jitter func() float64
}

// withDefaults returns a copy in which nothing is nil that a run needs.
func (o Options) withDefaults() (Options, error) {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Getenv("CLAUDE_FORCE_DEMO") == "1" {
		o.Demo = true
	}
	if o.Dir == "" {
		dir, err := os.Getwd()
		if err != nil {
			return o, configError("cannot tell the current folder", "name the project with --project", err)
		}
		o.Dir = dir
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	return o, nil
}
