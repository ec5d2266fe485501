package claude

import (
	"net/http"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

func TestRates(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	whole := map[string]string{
		"requests-limit": "50", "requests-remaining": "49", "requests-reset": "2026-11-25T12:00:02Z",
		"input-tokens-limit": "30000", "input-tokens-remaining": "28000", "input-tokens-reset": "2026-11-25T12:00:04Z",
		"output-tokens-limit": "8000", "output-tokens-remaining": "8000", "output-tokens-reset": "2026-11-25T12:00:00Z",
	}
	with := func(changes ...string) http.Header {
		h := http.Header{}
		for name, value := range whole {
			h.Set("anthropic-ratelimit-"+name, value)
		}
		for i := 0; i < len(changes); i += 2 {
			h.Set(changes[i], changes[i+1])
		}
		return h
	}
	requests := llm.Rate{Limit: 50, Remaining: 49, Full: 2 * time.Second}
	for name, c := range map[string]struct {
		header http.Header
		want   llm.Rate // of requests
	}{
		"whole":               {with(), requests},
		"by server's clock":   {with("date", "Wed, 25 Nov 2026 11:59:00 GMT"), llm.Rate{Limit: 50, Remaining: 49, Full: 62*time.Second + 500*time.Millisecond}},
		"a date without skew": {with("date", "Wed, 25 Nov 2026 12:00:00 GMT"), requests},
		"a date of nonsense":  {with("date", "soon"), requests},
		"negative remaining":  {with("anthropic-ratelimit-requests-remaining", "-1"), llm.Rate{}},
		"no remaining":        {with("anthropic-ratelimit-requests-remaining", ""), llm.Rate{}},
		"limit of zero":       {with("anthropic-ratelimit-requests-limit", "0"), llm.Rate{}},
		"limit of nonsense":   {with("anthropic-ratelimit-requests-limit", "many"), llm.Rate{}},
		"huge limit":          {with("anthropic-ratelimit-requests-limit", "9223372036854775807"), llm.Rate{}},
		"reset in the past":   {with("anthropic-ratelimit-requests-reset", "2026-11-25T11:00:00Z"), llm.Rate{Limit: 50, Remaining: 49, Full: -1}},
		"reset in two days":   {with("anthropic-ratelimit-requests-reset", "2026-11-27T12:00:00Z"), llm.Rate{Limit: 50, Remaining: 49, Full: -1}},
		"no reset":            {with("anthropic-ratelimit-requests-reset", ""), llm.Rate{Limit: 50, Remaining: 49, Full: -1}},
	} {
		got := ratesOf(c.header, now, now.Add(500*time.Millisecond))
		if got == nil || got.Requests != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
		if got != nil && got.Input.Limit != 30000 {
			t.Errorf("%s: the other limits suffer: %+v", name, got)
		}
	}
	if got := ratesOf(http.Header{}, now, now); got != nil {
		t.Errorf("no headers give %+v", got)
	}
	one := http.Header{}
	one.Set("anthropic-ratelimit-tokens-limit", "1000")
	one.Set("anthropic-ratelimit-tokens-remaining", "10")
	if got := ratesOf(one, now, now); got == nil || got.Input != (llm.Rate{Limit: 1000, Remaining: 10, Full: -1}) {
		t.Errorf("one limit for all tokens gives %+v", got)
	}
}
