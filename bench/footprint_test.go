package bench

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	claudeforce "github.com/claude-force/claude-force"
)

// instant answers every call from memory.
type instant struct{ answer string }

func (i instant) RoundTrip(r *http.Request) (*http.Response, error) {
	_, err := io.Copy(io.Discard, r.Body)
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(i.answer)), ContentLength: int64(len(i.answer)), Request: r,
	}, err
}

// heap is what is in use after everything that is not was given back.
func heap() float64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / 1024
}

// TestFootprint prints what a process holds in memory: to begin with, for each
// 1,000 runs that the ring of latest runs keeps, and for each 100 answers of
// 2 KB that the cache keeps in memory. It fails where a ring of full size or
// the base would not fit a small container.
func TestFootprint(t *testing.T) {
	const answer = `{"type":"message","id":"msg_1","role":"assistant","model":"claude-sonnet-5-5","content":[{"type":"text","text":"` +
		`%s"}],"stop_reason":"end_turn","usage":{"input_tokens":10,"output_tokens":10}}`
	transport := instant{fmt.Sprintf(answer, strings.Repeat("word ", 400))}
	grown := func(cache string, runs int) (base, grown float64) {
		before := heap()
		values := map[string]string{"HOME": t.TempDir(), "ANTHROPIC_API_KEY": "sk-test", "CLAUDE_FORCE_CACHE_ENABLED": cache, "CLAUDE_FORCE_MEMORY": "off"}
		e, err := claudeforce.Open(claudeforce.Options{
			Dir: t.TempDir(), Transport: transport, Getenv: func(name string) string { return values[name] },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		}()
		run := func(from, to int) {
			for i := from; i < to; i++ {
				if _, err := e.Run(t.Context(), claudeforce.Run{Agent: "code-reviewer", Task: fmt.Sprint("task ", i)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		run(0, 100) // what is made once is made
		first := heap()
		run(100, 100+runs)
		return first - before, heap() - first
	}
	base, ring := grown("false", 2000)
	_, both := grown("true", 2000)
	perRing, perCache := ring/2, (both-ring)/20
	t.Logf("| what | KB |\n|---|---:|\n| an engine after its first runs | %.0f |\n| 1,000 entries of the ring (10,000 at most) | %.0f |\n| 100 answers of 2 KB in the cache's memory | %.0f |", base, perRing, perCache)
	if base > 32<<10 || perRing > 2<<10 {
		t.Errorf("the base has %.0f KB and 1,000 entries of the ring %.0f KB", base, perRing)
	}
}
