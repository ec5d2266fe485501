package batch

import (
	"errors"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

func TestLikelier(t *testing.T) {
	sent := time.Date(2026, 11, 12, 12, 0, 0, 0, time.UTC)
	// The most likely times of creation first.
	order := []time.Duration{0, time.Second, time.Hour, -time.Second, -time.Minute}
	for i, a := range order {
		for k, b := range order {
			if i != k && likelier(sent.Add(a), sent.Add(b), sent) != (i < k) {
				t.Errorf("%v against %v", a, b)
			}
		}
	}
}

func TestJudge(t *testing.T) {
	status := func(status int, retryable bool) error { return &llm.Error{Status: status, Retryable: retryable} }
	for name, one := range map[string]struct {
		batch *llm.Batch
		err   error
		want  verdict
	}{
		"accepted":      {&llm.Batch{ID: "msgbatch_1"}, nil, accepted},
		"without an id": {&llm.Batch{}, nil, unknown},
		"nothing":       {nil, nil, unknown},
		"400":           {nil, status(400, false), refused},
		"401":           {nil, status(401, false), refused},
		"413":           {nil, status(413, false), refused},
		"408":           {nil, status(408, true), unknown},
		"409":           {nil, status(409, true), unknown},
		"429":           {nil, status(429, true), postponed},
		"spend cap":     {nil, status(429, false), refused},
		"529":           {nil, status(529, true), postponed},
		"500":           {nil, status(500, true), unknown},
		"redirect":      {nil, status(302, false), unknown},
		"bad answer":    {nil, status(200, false), unknown},
		"no connection": {nil, status(0, true), unknown},
		"any other":     {nil, errors.New("odd"), unknown},
	} {
		if got := judge(one.batch, one.err); got != one.want {
			t.Errorf("%s: %d, want %d", name, got, one.want)
		}
	}
}
