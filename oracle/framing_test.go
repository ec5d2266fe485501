package oracle

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/sim"
)

// framings are ways to write the same server-sent events. The SDK skips events
// without a name, which the client takes by the type in their data, so every
// event keeps its name here.
func framings() map[string]func(string) string {
	replace := func(pairs ...string) func(string) string { return strings.NewReplacer(pairs...).Replace }
	return map[string]func(string) string{
		"as it is":     replace(),
		"CRLF":         replace("\n", "\r\n"),
		"no spaces":    replace("\nevent: ", "\nevent:", "\ndata: ", "\ndata:"),
		"comments":     replace("\n\n", "\n\n: keep-alive\n\n:\n", "\ndata", "\n: data\ndata"),
		"other fields": replace("\nevent: ", "\nid: 7\nretry: 10\nevent: ", "\ndata", "\nfuture\ndata"),
		"split data":   replace(`,"index"`, ",\ndata: \"index\"", `,"delta":{`, ",\ndata:\"delta\":\ndata: {"),
		"data first":   dataFirst,
	}
}

func dataFirst(body string) string {
	var b strings.Builder
	for event := range strings.SplitSeq(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		name, data, _ := strings.Cut(event, "\n")
		b.WriteString(data + "\n" + name + "\n\n")
	}
	return b.String()
}

// reframed answers what next does, in other words. It sends it byte by byte
// where trickling is set, so that characters and lines arrive in parts.
func reframed(framing func(string) string, trickling bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		whole := httptest.NewRecorder()
		next.ServeHTTP(whole, r)
		maps.Copy(w.Header(), whole.Header())
		w.WriteHeader(whole.Code)
		body := []byte(framing(whole.Body.String()))
		step := len(body)
		if trickling {
			step = 1
		}
		for len(body) > 0 {
			if _, err := w.Write(body[:step]); err != nil || http.NewResponseController(w).Flush() != nil {
				return
			}
			body = body[step:]
		}
	})
}

func TestFraming(t *testing.T) {
	p := llm.Params{
		Model: sonnet, MaxTokens: 1024, Tools: []byte(tools),
		Messages: user(`[[think Hm, 世界?]] [[say Grüße 🎉 "quoted" \ and` + "\n" + `next]] [[tool grep {"pattern":"é,\"index\""}]]`),
	}
	eachEdition(t, func(t *testing.T, e edition) {
		for name, framing := range framings() {
			for _, trickling := range []bool{false, true} {
				api := func() access {
					return access{url: serve(t, reframed(framing, trickling, simulator(t, sim.Options{})))}
				}
				want, err := e.open(t, api()).stream(t.Context(), p)
				if err != nil || kinds(want) != "thinking text tool_use" {
					t.Errorf("%s: the SDK reads %+v, %v", name, want, err)
					continue
				}
				got, err := e.ours(t, api()).Call(t.Context(), request(p), llm.Discard)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				sameResponse(t, name, got, want)
			}
		}
	})
}
