package sim_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/claude-force/claude-force/internal/sim"
)

const prose = `A token bucket holds as many tokens as a minute allows and is filled evenly while time passes. Every
request takes what it needs; where the bucket does not hold enough, the caller is told how long to wait. The output of a
model is not known before it has been written, so it is taken from the bucket afterwards, which may leave less than
nothing in it. Nobody is punished for asking for a long answer that turns out to be short. The limits belong to an
organization and not to a key, so that a second process with a key of its own shares them with the first.`

// counted returns the tokens of a text by itself.
func counted(t testing.TB, s *sim.Server, model, text string) int {
	t.Helper()
	body := func(text string) string {
		return strings.Replace(askModel(model, text), `,"max_tokens":1024`, "", 1)
	}
	// A lone letter is one token of the older tokenizer.
	return countTokens(t, s, body("a"+text)) - countTokens(t, s, body("a"))
}

// TestCountIsRealistic checks characters per token for what is usually sent.
func TestCountIsRealistic(t *testing.T) {
	code, err := os.ReadFile("batch.go")
	if err != nil {
		t.Fatal(err)
	}
	data := `{"items":[{"id":"run_01","agent":"code-reviewer","status":"succeeded","cost_usd":0.0042,"tags":["ci","nightly"]},
{"id":"run_02","agent":"bug-investigator","status":"failed","cost_usd":0.0107,"tags":[]}],"total":2,"limit":20,"offset":0}`
	s, _ := newServer(t, sim.Options{})
	for _, tt := range []struct {
		name, text  string
		least, most float64
	}{
		{"prose", prose, 3.7, 4.6},
		{"Go", string(code), 2.7, 3.4},
		{"JSON", data, 2.4, 3.1},
		{"Chinese", strings.Repeat("令牌桶限制每分钟的请求数量。", 10), 2.5, 3.1}, // bytes a token
		{"Russian", strings.Repeat("Ограничение запросов в минуту. ", 10), 2.8, 4.6},
		{"German", strings.Repeat("Die Begrenzung gilt für jede Anfrage während einer Minute. ", 10), 3.2, 4.8},
		{"digits", strings.Repeat("31415926535", 20), 2.4, 3.1},
		{"emoji", strings.Repeat("🚀", 10), 1, 2},
	} {
		old := counted(t, s, "claude-haiku-4-5", tt.text)
		if perToken := float64(len(tt.text)) / float64(old); perToken < tt.least || perToken > tt.most {
			t.Errorf("%s: %.2f bytes per token, want %.1f to %.1f", tt.name, perToken, tt.least, tt.most)
		}
		newer := counted(t, s, "claude-sonnet-5-5", tt.text)
		if ratio := float64(newer) / float64(old); ratio < 1.2 || ratio > 1.4 {
			t.Errorf("%s: the newer tokenizer counts %.2f times as much", tt.name, ratio)
		}
	}
}

// TestCountRules checks what the counting endpoint refuses.
func TestCountRules(t *testing.T) {
	s, _ := newServer(t, sim.Options{Limits: sim.Limits{RPM: 1}})
	message := func(content string) string {
		return `{"model":"claude-sonnet-5-5","messages":[{"role":"user","content":` + content + `}]}`
	}
	for body, want := range map[string]string{
		ask("hi"):       "max_tokens: Extra inputs are not permitted",
		message(`"hi"`): "",
		message(`"hi"`)[:len(message(`"hi"`))-1] + `,"tools":[{"type":"web_search_20260318","name":"web_search"}]}`: "tools.0: server tools are not supported",
		message(`[{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}]`):                     "messages.0.content.0: image sources of type 'url'",
		message(`[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA=="}}]`):             "",
		`{"model":"claude-9","messages":[{"role":"user","content":"hi"}]}`:                                          "model: claude-9",
	} {
		w := call{path: "/v1/messages/count_tokens", body: body}.do(t, s)
		var m message2
		if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
			t.Fatal(err)
		}
		if want == "" && (w.Code != 200 || m.InputTokens == 0) || !strings.Contains(m.Error.Message, want) {
			t.Errorf("%s: status %d, %q, want %q", body, w.Code, m.Error.Message, want)
		}
	}
}

type message2 struct {
	InputTokens int `json:"input_tokens"`
	Error       struct{ Message string }
}
