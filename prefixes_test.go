package claudeforce_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	claudeforce "github.com/claude-force/claude-force"
)

// watching keeps the last body that was sent.
type watching struct {
	http.RoundTripper
	body string
}

func (w *watching) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	w.body = string(body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	return w.RoundTripper.RoundTrip(r)
}

// How long a prefix is kept follows from how far apart the runs of its agent
// are, and answers that are kept do not care.
func TestPrefixesAreKeptAsLongAsItPays(t *testing.T) {
	for name, c := range map[string]struct {
		every time.Duration
		want  string // in the body of the last run
		ttl   string
	}{
		"every minute":         {time.Minute, `"cache_control":{"type":"ephemeral"}`, "5m"},
		"every twenty minutes": {20 * time.Minute, `"cache_control":{"type":"ephemeral","ttl":"1h"}`, "1h"},
		"every two hours":      {2 * time.Hour, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
			wire := &watching{RoundTripper: &counting{usage: `{"input_tokens":10,"output_tokens":10}`}}
			e := open(t, claudeforce.Options{Getenv: environment(t, ""), Transport: wire, Now: func() time.Time { return now }})
			run := func(task string) *claudeforce.Result {
				t.Helper()
				r, err := e.Run(t.Context(), claudeforce.Run{Agent: "code-reviewer", Task: task})
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			for i := range 10 {
				run(fmt.Sprint("task ", i))
				if i < 8 && !strings.Contains(wire.body, `"cache_control":{"type":"ephemeral"}`) {
					t.Fatalf("run %d, of which too little is known, was planned", i)
				}
				now = now.Add(c.every)
			}
			if c.want == "" && strings.Contains(wire.body, "cache_control") || !strings.Contains(wire.body, c.want) {
				t.Errorf("sent %s", wire.body)
			}
			if r := run("task 0"); r.Cache != "memory" && r.Cache != "disk" {
				t.Errorf("the first task again was a %s: the plan is part of the key", r.Cache)
			}
			estimate, err := e.Estimate(t.Context(), claudeforce.Run{Agent: "code-reviewer", Task: "another"}, false)
			if err != nil {
				t.Fatal(err)
			}
			if estimate.PrefixTTL != c.ttl || (estimate.Prefix > 0) != (c.ttl != "") {
				t.Errorf("estimated with a prefix of %d tokens for %q", estimate.Prefix, estimate.PrefixTTL)
			}
		})
	}
}
