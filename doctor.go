package claudeforce

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/claude-force/claude-force/internal/claude"
	"github.com/claude-force/claude-force/internal/llm"
)

// CheckStatus is how a check of the doctor came out.
type CheckStatus string

// The outcomes of a check. A warning does not keep a run from working.
const (
	CheckOK      CheckStatus = "ok"
	CheckWarning CheckStatus = "warning"
	CheckFailed  CheckStatus = "failed"
	CheckSkipped CheckStatus = "skipped"
)

// Check is one thing that a run needs.
type Check struct {
	Name   string      `json:"name"`
	Status CheckStatus `json:"status"`
	// Detail says what was found, Hint what to do where that is not well.
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
	// Err is the error that a run would meet, or nil.
	Err *Error `json:"-"`
}

// doctorTimeout bounds the one request that Doctor makes.
const doctorTimeout = 20 * time.Second

// maxSkew is how far this machine's clock may be from the server's. Prices
// and retirements go by the day, caches by minutes.
const maxSkew = 5 * time.Minute

// Doctor checks what a run needs: a key that the API accepts (asked by a free
// request), a project that can be read, folders that can be written, and the
// clock. It writes nothing but a file that it removes again.
func (e *Engine) Doctor(ctx context.Context) []Check {
	key, client := e.checkKey()
	api, served := e.checkAPI(ctx, client)
	checks := []Check{key, api, e.checkProject(), e.checkSettings(), e.checkCatalogue(), e.checkState(), e.checkClock(served)}
	return checks
}

func failed(name string, err error) Check {
	e := llm.AsError(err)
	return Check{Name: name, Status: CheckFailed, Detail: e.Message, Hint: e.Hint, Err: e}
}

func (e *Engine) checkKey() (Check, *claude.Client) {
	client, err := e.client()
	if err != nil {
		return failed("key", err), nil
	}
	c := Check{Name: "key", Status: CheckOK}
	switch {
	case e.options.Demo:
		c.Detail = "the demo needs none"
	case e.options.Getenv("ANTHROPIC_API_KEY") != "":
		c.Detail = "ANTHROPIC_API_KEY is set"
	case e.options.Getenv("ANTHROPIC_AUTH_TOKEN") != "":
		c.Detail = "ANTHROPIC_AUTH_TOKEN is set"
	default:
		c.Detail = "none is set, and " + e.config.Text("api.base_url") + " may not need one"
	}
	return c, client
}

// checkAPI lists the models, which is free and needs a key that is accepted.
func (e *Engine) checkAPI(ctx context.Context, client *claude.Client) (Check, time.Time) {
	const name = "api"
	if client == nil {
		return Check{Name: name, Status: CheckSkipped, Detail: "not asked, for there is no key"}, time.Time{}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, doctorTimeout, &Error{Code: CodeTimeout, Message: "no answer within " + doctorTimeout.String(), Hint: "check the network and ANTHROPIC_BASE_URL"})
	defer cancel()
	where := e.config.Text("api.base_url")
	if e.options.Demo {
		where = "the simulator"
	}
	n, served, err := client.Ping(ctx)
	if err == nil {
		return Check{Name: name, Status: CheckOK, Detail: fmt.Sprintf("%s accepts the key and lists %d models", where, n)}, served
	}
	c := failed(name, err)
	if c.Err.Code == CodeNotFound {
		c.Status, c.Err = CheckWarning, nil
		c.Detail, c.Hint = where+" answers but lists no models, so the key could not be tested", "a run will tell"
	}
	return c, served
}

func (e *Engine) checkProject() Check {
	const name = "project"
	list, err := e.project.Agents()
	if err != nil {
		return failed(name, projectError(err))
	}
	c := Check{Name: name, Status: CheckOK, Detail: fmt.Sprintf("%s: %d agents", e.Source(), len(list.Agents))}
	if n := len(list.Warnings); n > 0 {
		c.Status, c.Hint = CheckWarning, "`claude-force list agents` shows them"
		c.Detail += ", " + plural(n, "warning")
	}
	return c
}

func (e *Engine) checkSettings() Check {
	if n := len(e.warnings); n > 0 {
		return Check{Name: "settings", Status: CheckWarning, Detail: e.warnings[0] + others(n-1), Hint: "`claude-force config show` prints every setting"}
	}
	return Check{Name: "settings", Status: CheckOK, Detail: "all are known"}
}

func (e *Engine) checkCatalogue() Check {
	c, err := e.catalogue()
	if err != nil {
		return failed("models", err)
	}
	if len(c.warnings) > 0 {
		return Check{Name: "models", Status: CheckWarning, Detail: c.warnings[0], Hint: "`claude-force models update FILE` takes a newer catalogue"}
	}
	return Check{Name: "models", Status: CheckOK, Detail: fmt.Sprintf("catalogue of %s with %d models", c.Updated(), len(c.Models()))}
}

// checkState tries to write where the ledger is, without opening it.
func (e *Engine) checkState() Check {
	const name = "state"
	if e.options.Demo {
		return Check{Name: name, Status: CheckOK, Detail: "the demo keeps nothing"}
	}
	err := makeState(e.paths)
	if err == nil {
		var f *os.File
		if f, err = os.CreateTemp(e.paths.State, ".doctor-*"); err == nil {
			_, err = f.WriteString("ok")
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}
	if err != nil {
		c := failed(name, configError("runs cannot be recorded", "free space on the disk, or make the folder writable", err))
		return c
	}
	return Check{Name: name, Status: CheckOK, Detail: filepath.Join(e.paths.State, "state.db") + " can be written"}
}

// checkClock compares the clock with the server's, or, without one, with the
// day on which the built-in catalogue was made.
func (e *Engine) checkClock(served time.Time) Check {
	const name = "clock"
	now := e.options.Now().UTC()
	c := Check{Name: name, Status: CheckOK, Detail: now.Format(time.RFC3339)}
	if !served.IsZero() {
		skew := now.Sub(served).Round(time.Second)
		if skew.Abs() > maxSkew {
			c.Status, c.Hint = CheckWarning, "set this machine's clock: prices and deadlines go by it"
			c.Detail = fmt.Sprintf("%s, %s away from the server's", c.Detail, skew.Abs())
		}
		return c
	}
	if cat, err := e.catalogue(); err == nil && now.Format("2006-01-02") < cat.Updated() {
		c.Status, c.Hint = CheckWarning, "set this machine's clock: prices and deadlines go by it"
		c.Detail += ", before the catalogue was made"
	}
	return c
}

func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}

func others(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (and %d more)", n)
}
