package sim

import "sync/atomic"

// Stats is what a server has done so far.
type Stats struct {
	Requests    int64 // of every kind
	Messages    int64 // calls to POST /v1/messages whose body was read, failed ones included
	Answered    int64 // message calls that were answered, broken streams included
	Errors      int64 // answers that were an error
	RateLimited int64 // message calls over a limit
	CountTokens int64 // calls to count_tokens
	Batches     int64 // batches created
	InFlight    int64 // message calls at this moment
	MaxInFlight int64 // the most message calls at one moment

	InputTokens      int64 // of answered messages, neither read nor written in the prompt cache
	CacheReadTokens  int64
	CacheWriteTokens int64
	OutputTokens     int64 // sent
}

// counters are the running Stats.
type counters struct {
	requests, messages, answered, errors                         atomic.Int64
	rateLimited, countTokens, batches                            atomic.Int64
	inFlight, maxInFlight                                        atomic.Int64
	inputTokens, cacheReadTokens, cacheWriteTokens, outputTokens atomic.Int64
}

// Stats returns what the server has done so far.
func (s *Server) Stats() Stats {
	c := &s.stats
	return Stats{
		Requests: c.requests.Load(), Messages: c.messages.Load(), Answered: c.answered.Load(), Errors: c.errors.Load(),
		RateLimited: c.rateLimited.Load(), CountTokens: c.countTokens.Load(), Batches: c.batches.Load(),
		InFlight: c.inFlight.Load(), MaxInFlight: c.maxInFlight.Load(),
		InputTokens: c.inputTokens.Load(), CacheReadTokens: c.cacheReadTokens.Load(),
		CacheWriteTokens: c.cacheWriteTokens.Load(), OutputTokens: c.outputTokens.Load(),
	}
}

// enter counts a message call that begins; the caller must count its end.
func (c *counters) enter() {
	c.messages.Add(1)
	now := c.inFlight.Add(1)
	for {
		most := c.maxInFlight.Load()
		if now <= most || c.maxInFlight.CompareAndSwap(most, now) {
			return
		}
	}
}

// prompt counts the tokens of an answered message.
func (c *counters) prompt(u usage) {
	c.answered.Add(1)
	c.inputTokens.Add(int64(u.input))
	c.cacheReadTokens.Add(int64(u.read))
	c.cacheWriteTokens.Add(int64(u.write5m + u.write1h))
}
