package sim

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Error codes of a rate limit that is not about the minute.
const (
	codeSpendCap  = "enforced_spend_limit_reached"
	codeRampLimit = "ramp_limit_exceeded"
)

// Fault is something that goes wrong on purpose. Exactly one of the fields
// that say what goes wrong is set; [ParseFault] documents each. It concerns
// calls to POST /v1/messages only.
type Fault struct {
	Status        int           // an HTTP status instead of an answer
	Code          string        // with Status: error.details.error_code
	RetryAfter    time.Duration // with Status: the retry-after header, in whole seconds; 0 is 1 s for a 429, else none
	SpendCap      bool          // the 429 of a spend cap, which has no retry-after
	SlowFirstByte time.Duration // waits so much longer before the answer begins
	SlowTokens    time.Duration // waits so long between output events, in place of Options.TokenDelay
	Cut           bool          // the connection breaks after After events
	ErrorEvent    string        // an error event of this type after After events, which ends the stream
	Malformed     bool          // an event that is no JSON after After events
	Hang          bool          // nothing more after After events, until the client leaves

	After int    // events that still pass; of Cut, ErrorEvent, Malformed and Hang
	First int    // only the first so many message calls; 0: all
	Model string // only calls to this model id or alias; "": all
}

// ParseFault reads a fault as users write it: words separated by commas, one
// of which says what goes wrong.
//
//	status=529               an HTTP error; also code=CODE and retry-after=DURATION
//	spend-cap                the 429 of a spend cap
//	slow-first-byte=2s       a late beginning
//	slow-tokens=200ms        a slow stream
//	cut=5                    the connection breaks after 5 events
//	error-event=overloaded_error,after=3
//	malformed,after=2        broken JSON in the stream
//	hang,after=0             silence until the client leaves
//
// Each takes first=K (only the first K message calls) and model=ID. The error
// says which word is wrong.
func ParseFault(s string) (Fault, error) {
	var f Fault
	seen := make(map[string]bool)
	for word := range strings.SplitSeq(s, ",") {
		key, value, hasValue := strings.Cut(strings.TrimSpace(word), "=")
		if seen[key] {
			return Fault{}, fmt.Errorf("fault %.80q: %.40s is given twice", s, key)
		}
		seen[key] = true
		if err := f.set(key, value, hasValue); err != nil {
			return Fault{}, fmt.Errorf("fault %.80q: %w", s, err)
		}
	}
	if f.Cut && seen["after"] {
		return Fault{}, fmt.Errorf("fault %.80q: cut=N says already after how many events", s)
	}
	if err := f.validate(); err != nil {
		return Fault{}, fmt.Errorf("fault %.80q: %w", s, err)
	}
	return f, nil
}

// set takes one word.
func (f *Fault) set(key, value string, hasValue bool) (err error) {
	switch key {
	case "spend-cap", "malformed", "hang":
		if hasValue {
			return fmt.Errorf("%s takes no value", key)
		}
	default:
		if value == "" {
			return fmt.Errorf("%.40q is unknown or needs a value", key)
		}
	}
	switch key {
	case "status":
		f.Status, err = whole(key, value)
	case "spend-cap":
		f.SpendCap = true
	case "slow-first-byte":
		f.SlowFirstByte, err = positive(key, value)
	case "slow-tokens":
		f.SlowTokens, err = positive(key, value)
	case "cut":
		f.Cut = true
		f.After, err = whole(key, value)
	case "error-event":
		f.ErrorEvent = value
	case "malformed":
		f.Malformed = true
	case "hang":
		f.Hang = true
	default:
		return f.setModifier(key, value)
	}
	return err
}

// setModifier takes one word that does not say what goes wrong.
func (f *Fault) setModifier(key, value string) (err error) {
	switch key {
	case "code":
		f.Code = value
	case "retry-after":
		f.RetryAfter, err = positive(key, value)
	case "after":
		f.After, err = whole(key, value)
	case "first":
		f.First, err = whole(key, value)
		if err == nil && f.First == 0 {
			err = fmt.Errorf("first must be at least 1")
		}
	case "model":
		f.Model = value
	default:
		err = fmt.Errorf("%.40q is unknown or needs a value", key)
	}
	return err
}

// positive reads a duration above zero.
func positive(key, value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%s=%.40s is not a duration such as 200ms or 2s", key, value)
	}
	return d, nil
}

// whole reads a number that is not negative.
func whole(key, value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s=%.40s is not a whole number", key, value)
	}
	return n, nil
}

// validate says what makes no sense in a fault.
func (f Fault) validate() error {
	midStream := f.Cut || f.ErrorEvent != "" || f.Malformed || f.Hang
	kinds := 0
	for _, set := range []bool{
		f.Status != 0, f.SpendCap, f.SlowFirstByte != 0, f.SlowTokens != 0,
		f.Cut, f.ErrorEvent != "", f.Malformed, f.Hang,
	} {
		if set {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return fmt.Errorf("say one thing that goes wrong, not %d: status=, spend-cap, slow-first-byte=, slow-tokens=, cut=, error-event=, malformed or hang", kinds)
	case f.Status != 0 && (f.Status < 400 || f.Status > 599):
		return fmt.Errorf("status %d is not an error (400 to 599)", f.Status)
	case f.SlowFirstByte < 0 || f.SlowTokens < 0 || f.RetryAfter < 0:
		return fmt.Errorf("durations must not be negative")
	case f.After < 0 || f.First < 0:
		return fmt.Errorf("after and first must not be negative")
	case f.Status == 0 && (f.Code != "" || f.RetryAfter != 0):
		return fmt.Errorf("code and retry-after go with status only")
	case f.After > 0 && !midStream:
		return fmt.Errorf("after goes with error-event, malformed and hang only")
	case f.ErrorEvent != "" && statusOf(f.ErrorEvent) == 0:
		return fmt.Errorf("%.40q is no error type of the API (overloaded_error, api_error, rate_limit_error, …)", f.ErrorEvent)
	}
	return nil
}

// apiError returns the answer of a fault that is an HTTP error, or nil.
func (f *Fault) apiError() *apiError {
	if f.SpendCap {
		return &apiError{
			status: 429, kind: "rate_limit_error", code: codeSpendCap,
			message: "You have reached your API usage limits: your organization has crossed its monthly API usage threshold.",
		}
	}
	if f.Status == 0 {
		return nil
	}
	kind, message := kindOf(f.Status)
	e := &apiError{status: f.Status, kind: kind, message: message, code: f.Code, retryAfter: f.RetryAfter}
	if f.Status == 429 && e.retryAfter == 0 && e.code != codeSpendCap {
		e.retryAfter = time.Second
	}
	if e.code == codeRampLimit {
		e.message = "Your organization's usage has grown too fast. Please wait a moment and increase your traffic gradually."
	}
	return e
}

// armed is a fault of the server and how many calls it has met.
type armed struct {
	Fault
	modelID string // what Fault.Model stands for; "": all models
	calls   atomic.Int64
}

// arm returns the faults of the options, which are valid.
func (o Options) arm() []*armed {
	faults := make([]*armed, 0, len(o.Faults))
	for _, f := range o.Faults {
		a := &armed{Fault: f}
		if m, ok := o.Catalogue.Lookup(f.Model); ok {
			a.modelID = m.ID
		}
		faults = append(faults, a)
	}
	return faults
}

// plan is what goes wrong with one call.
type plan struct {
	err           *apiError
	slowFirstByte time.Duration
	slowTokens    time.Duration
	stream        *Fault // Cut, ErrorEvent, Malformed or Hang
}

// plan returns what goes wrong with a call to the model. Of two faults that
// end an answer the first one wins; what slows it adds up.
func (s *Server) plan(modelID string, own []Fault) plan {
	var p plan
	for _, a := range s.faults {
		if a.modelID != "" && a.modelID != modelID {
			continue
		}
		if n := a.calls.Add(1); a.First == 0 || n <= int64(a.First) {
			p.add(&a.Fault)
		}
	}
	for i := range own {
		p.add(&own[i])
	}
	return p
}

// add joins one fault to the plan.
func (p *plan) add(f *Fault) {
	p.slowFirstByte += f.SlowFirstByte
	p.slowTokens += f.SlowTokens
	if p.err != nil || p.stream != nil {
		return
	}
	p.err = f.apiError()
	if f.Cut || f.ErrorEvent != "" || f.Malformed || f.Hang {
		p.stream = f
	}
}

// parseOwnFaults reads the x-simulate-fault headers of one call; several
// faults in one header are separated by semicolons.
func parseOwnFaults(headers []string) ([]Fault, *apiError) {
	var faults []Fault
	for _, header := range headers {
		for text := range strings.SplitSeq(header, ";") {
			f, err := ParseFault(text)
			if err != nil {
				return nil, invalid("%s: %v", faultHeader, err)
			}
			if f.First != 0 || f.Model != "" {
				return nil, invalid("%s: first and model have no meaning for one call", faultHeader)
			}
			faults = append(faults, f)
		}
	}
	return faults, nil
}

// faultHeader is the request header that makes one call fail.
const faultHeader = "x-simulate-fault"
