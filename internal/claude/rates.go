package claude

import (
	"net/http"
	"strconv"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

// ratesOf reads the anthropic-ratelimit headers of an answer that came now to a
// request of that time, or returns nil where there are none. What makes no
// sense counts as not said.
func ratesOf(h http.Header, sent, now time.Time) *llm.Rates {
	// The figures are of the moment at which the call was admitted, which is
	// nearer to its sending than to its first token.
	since := serverTime(h, sent, now)
	r := llm.Rates{
		Requests: rateOf(h, since, "Anthropic-Ratelimit-Requests-Limit", "Anthropic-Ratelimit-Requests-Remaining", "Anthropic-Ratelimit-Requests-Reset"),
		Input:    rateOf(h, since, "Anthropic-Ratelimit-Input-Tokens-Limit", "Anthropic-Ratelimit-Input-Tokens-Remaining", "Anthropic-Ratelimit-Input-Tokens-Reset"),
		Output:   rateOf(h, since, "Anthropic-Ratelimit-Output-Tokens-Limit", "Anthropic-Ratelimit-Output-Tokens-Remaining", "Anthropic-Ratelimit-Output-Tokens-Reset"),
	}
	if !r.Input.Known() && !r.Output.Known() {
		// A server that knows one limit for both kinds of tokens.
		r.Input = rateOf(h, since, "Anthropic-Ratelimit-Tokens-Limit", "Anthropic-Ratelimit-Tokens-Remaining", "Anthropic-Ratelimit-Tokens-Reset")
	}
	if !r.Known() {
		return nil
	}
	return &r
}

// mostRate is more than any limit: a larger figure is nonsense.
const mostRate = 1 << 40

func rateOf(h http.Header, since time.Time, limit, remaining, reset string) llm.Rate {
	text := header(h, limit)
	if text == "" {
		return llm.Rate{}
	}
	most, err := strconv.ParseInt(text, 10, 64)
	left, leftErr := strconv.ParseInt(header(h, remaining), 10, 64)
	if err != nil || leftErr != nil || most <= 0 || most > mostRate || left < 0 || left > mostRate {
		return llm.Rate{}
	}
	return llm.Rate{Limit: most, Remaining: left, Full: fullIn(since, header(h, reset))}
}

// serverTime is when a request was sent, by the clock of the server where its
// answer has a date.
func serverTime(h http.Header, sent, now time.Time) time.Time {
	if date := header(h, "Date"); date != "" {
		if answered, err := http.ParseTime(date); err == nil {
			if ahead := answered.Sub(now); ahead.Abs() > time.Second { // dates have no fractions
				return sent.Add(ahead)
			}
		}
	}
	return sent
}

// fullIn is the time until a reset.
func fullIn(since time.Time, reset string) time.Duration {
	at, err := time.Parse(time.RFC3339, reset)
	if err != nil {
		return -1
	}
	if in := at.Sub(since); in >= 0 && in < 24*time.Hour {
		return in
	}
	return -1
}

// header returns the first value of a name in canonical form.
func header(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}
