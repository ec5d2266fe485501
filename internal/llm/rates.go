package llm

import "time"

// Rates are the caller's rate limits as the headers of one answer tell them.
// The zero value says nothing.
type Rates struct {
	// Requests are message calls, Input is input tokens that were not read
	// from the prompt cache, Output is tokens that were really made.
	Requests, Input, Output Rate
}

// Rate is one limit. The API holds a token bucket for it that fills evenly.
type Rate struct {
	// Limit is how much the bucket gains in a minute; 0 means that the server
	// did not say, and then the rest is 0 as well.
	Limit int64
	// Remaining is what the bucket held when the call was admitted or
	// refused; the API rounds tokens to thousands.
	Remaining int64
	// Full is the time from then until the bucket is full, to the second.
	// It is negative where the server did not say.
	Full time.Duration
}

// Known reports whether the server told the limit.
func (r Rate) Known() bool { return r.Limit > 0 }

// Known reports whether the server told any limit.
func (r *Rates) Known() bool {
	return r != nil && (r.Requests.Known() || r.Input.Known() || r.Output.Known())
}
