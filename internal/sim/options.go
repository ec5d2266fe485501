package sim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/claude-force/claude-force/internal/model"
)

// maxOutputTokens bounds Options.OutputTokens; no model writes more.
const maxOutputTokens = 1_000_000

// Options configure a simulated API. Only the catalogue must be given.
type Options struct {
	// Catalogue is the models that there are, and their rules.
	Catalogue *model.Catalogue
	// Seed decides, with the request, what generated answers say, and the ids
	// that the server gives. Servers of the same seed answer alike.
	Seed uint64
	// Latency is the time from a message call to the first byte of its answer.
	Latency time.Duration
	// TokenDelay is the time between output events of a stream, each of which
	// carries several words; an answer that is not streamed takes as long.
	TokenDelay time.Duration
	// BatchDelay is how long a batch is in progress, by Now.
	BatchDelay time.Duration
	// Limits are the rate limits of each limit group.
	Limits Limits
	// Faults are what goes wrong with message calls.
	Faults []Fault
	// Keys are the accepted credentials; none accepts any that is not empty.
	Keys []string
	// AllowAnonymous accepts calls without a credential as well.
	AllowAnonymous bool
	// OutputTokens is the length of generated answers; 0 leaves it to what
	// there is to say, about 150 to 250 words.
	OutputTokens int
	// Marked makes generated answers begin with a line that says that they are
	// simulated.
	Marked bool
	// Now is the clock; nil is the system's.
	Now func() time.Time
	// Sleep waits for a duration or until the context ends, whose error it
	// then returns; nil waits for real time.
	Sleep func(context.Context, time.Duration) error
	// OnRequest, where it is set, is told of every request before it is
	// answered. It is called from many goroutines at once.
	OnRequest func(Record)
}

// Record is one request as it came in.
type Record struct {
	Method, Path string
	Header       http.Header // a copy, credentials included
	Body         []byte      // a copy
	Message      bool        // a call to POST /v1/messages
}

// withDefaults fills what may be left out.
func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	return o
}

// validate says what makes no sense in the options.
func (o Options) validate() error {
	if o.Catalogue == nil {
		return errors.New("simulator: Options.Catalogue is needed")
	}
	for name, d := range map[string]time.Duration{
		"Latency": o.Latency, "TokenDelay": o.TokenDelay, "BatchDelay": o.BatchDelay,
	} {
		if d < 0 {
			return fmt.Errorf("simulator: %s must not be negative", name)
		}
	}
	if err := o.Limits.validate(); err != nil {
		return err
	}
	if o.OutputTokens < 0 || o.OutputTokens > maxOutputTokens {
		return fmt.Errorf("simulator: OutputTokens must be from 0 to %d", maxOutputTokens)
	}
	for i, f := range o.Faults {
		if err := f.validate(); err != nil {
			return fmt.Errorf("simulator: fault %d: %w", i+1, err)
		}
		if _, ok := o.Catalogue.Lookup(f.Model); f.Model != "" && !ok {
			return fmt.Errorf("simulator: fault %d: the catalogue has no model %.80q", i+1, f.Model)
		}
	}
	if slices.Contains(o.Keys, "") {
		return errors.New("simulator: an accepted key must not be empty")
	}
	return nil
}

// sleep waits for d or until the context ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
