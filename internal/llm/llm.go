package llm

import (
	"context"
	"slices"
)

// Caller answers one request to a model. Every layer is a Caller around
// another; the last one talks to the API.
//
// Call hands each event of the stream to emit, in order, from its own
// goroutine, and never after it has returned; emit must not be nil (see
// [Discard]). The Response is complete where the error is nil. With an error
// it may still be there and then says what is known: text that was cut
// (Partial), tokens used, attempts made, what they cost. Errors are *[Error].
// A Caller is safe for concurrent use and does not change the request.
type Caller interface {
	Call(ctx context.Context, req *Request, emit func(Event)) (*Response, error)
}

// CallerFunc is a function that is a [Caller].
type CallerFunc func(ctx context.Context, req *Request, emit func(Event)) (*Response, error)

// Call implements [Caller].
func (f CallerFunc) Call(ctx context.Context, req *Request, emit func(Event)) (*Response, error) {
	return f(ctx, req, emit)
}

// Layer puts one gain around a Caller.
type Layer func(next Caller) Caller

// Stack puts layers around last. The first layer is the outermost: it sees a
// call first and its answer last. Nil layers are left out.
func Stack(last Caller, layers ...Layer) Caller {
	for _, layer := range slices.Backward(layers) {
		if layer != nil {
			last = layer(last)
		}
	}
	return last
}

// Discard is an emit that drops every event.
func Discard(Event) {}

// EventKind says what an [Event] means to a reader.
type EventKind uint8

// The kinds of events.
const (
	// EventOther is a wire event with no text for a reader (a ping, a block's
	// start, one this version does not know): only Name and Data are set.
	EventOther EventKind = iota
	// EventStart opens the stream: the model has begun to answer.
	EventStart
	// EventText is a piece of the answer, in Text.
	EventText
	// EventThinking is a piece of the model's thinking, in Text.
	EventThinking
	// EventRestart says that all text so far is void: the call is made again.
	EventRestart
	// EventRates tells the rate limits, in Rates, as soon as the server has
	// answered. The layer that waits takes it; nobody above sees it.
	EventRates
)

// Event is one step of a stream. It is a value: layers pass it on unchanged.
type Event struct {
	Kind EventKind
	// Text is the text of EventText and EventThinking.
	Text string
	// Name is the wire event's type ("content_block_delta"); empty for events
	// that did not come over the wire.
	Name string
	// Data is the wire event's JSON, byte for byte. It is only valid until
	// emit returns: copy what must last.
	Data []byte
	// Rates is set for EventRates only.
	Rates *Rates
}
