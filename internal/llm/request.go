package llm

import (
	"encoding/json"
	"slices"
	"strconv"
)

// Params are all that shapes an answer. They are rendered once, by [New], to
// the bytes that go over the wire.
type Params struct {
	// Model is the id to call, already resolved.
	Model string
	// MaxTokens is the most output tokens the answer may have; 0 is not sent.
	MaxTokens int
	// System is the stable prefix: what does not change from run to run.
	System []Block
	// Messages is the conversation; the last one is the task.
	Messages []Message
	// Temperature is sent where it is not nil.
	Temperature *float64
	// StopSequences end the answer where the model writes one of them.
	StopSequences []string
	// Effort is output_config.effort; empty leaves it to the model.
	Effort string
	// OutputFormat is output_config.format as JSON; empty is free text.
	OutputFormat json.RawMessage
	// Thinking is the thinking parameter as JSON; empty leaves the default.
	Thinking json.RawMessage
	// Tools and ToolChoice are the API's parameters as JSON; requests that
	// carry tools are neither cached nor coalesced.
	Tools, ToolChoice json.RawMessage
	// Speed is "fast" or empty; Geo is inference_geo ("us") or empty. Both
	// change the price.
	Speed, Geo string
	// Betas go into the anthropic-beta header.
	Betas []string
}

// Message is one turn of a conversation.
type Message struct {
	Role    string // "user" or "assistant"
	Content []Block
}

// Block is one content block: text, or any other kind as JSON.
type Block struct {
	// Text is the text of a text block.
	Text string
	// CacheTTL sets a prompt-cache breakpoint behind the block: "5m", "1h",
	// or empty for none.
	CacheTTL string
	// JSON, where set, is the whole block, sent as it is; Text and CacheTTL
	// are then ignored.
	JSON json.RawMessage
}

// Labels say who asks and why. They go into the ledger and shape no answer.
type Labels struct {
	RunID, Agent string
	// Requested is the model as the caller named it: a line, an id, an alias.
	Requested string
	// TaskHash identifies a task without keeping it: the first 16 hex digits
	// of its SHA-256.
	TaskHash string
	// Why says why this model was chosen: "flag", "agent", "default" and the
	// like.
	Why string
	// Workflow and Step name what the run is a part of; empty where it is not.
	Workflow, Step string
	// Branch is the git branch of the folder the run was made in, or empty.
	Branch string
	// Tags are the user's own marks, each key once, in the order of their keys.
	Tags []Tag
}

// Tag is a mark that a user puts on runs.
type Tag struct{ Key, Value string }

// ReuseMode says whether an earlier answer may stand in for a new one.
type ReuseMode uint8

// The modes of reuse.
const (
	// ReuseOff neither takes nor keeps an answer, and joins nobody.
	ReuseOff ReuseMode = iota
	// ReuseOn takes an answer that is kept, or joins a call in flight, and
	// keeps the answer of a new call.
	ReuseOn
	// ReuseOnly takes an answer that is kept, and makes no call.
	ReuseOnly
	// ReuseRefresh makes a call of its own and keeps its answer.
	ReuseRefresh
)

// Reuse is a mode and the key under which answers are shared: two requests
// with one key have one answer.
type Reuse struct {
	Mode ReuseMode
	Key  [32]byte
}

// MemoryMode says what past work has to do with a request.
type MemoryMode uint8

// The modes of memory.
const (
	// MemoryOff leaves past work out, and keeps nothing of the answer for later.
	MemoryOff MemoryMode = iota
	// MemoryOn lets similar past work join the prompt, and makes the answer past
	// work in its turn.
	MemoryOn
	// MemoryRead lets similar past work join the prompt; whether the answer is
	// kept is decided elsewhere.
	MemoryRead
)

// Request is a question to a model, rendered and immutable. It is safe for
// concurrent use.
type Request struct {
	Params
	Labels
	// What follows is set by whoever made the request, before its first use.

	// Reuse says whether an earlier answer may stand in.
	Reuse Reuse
	// Memory says what past work has to do with it.
	Memory MemoryMode
	// Background lets requests without it go first where limits are short.
	Background bool
	// WarmUp lets the first of several requests with the same prefix go ahead,
	// so that the others read the prompt cache.
	WarmUp bool
	// Purse is what the call may cost, together with others; nil is no bound.
	Purse *Purse
	// OverBudget makes the call although a budget is in the way.
	OverBudget bool
	body       []byte
}

// New renders params once. The caller must not change what params point to
// afterwards.
func New(params Params, labels Labels) *Request {
	return &Request{Params: params, Labels: labels, body: render(&params)}
}

// Body returns the request's JSON without "stream": the same bytes for the
// same Params, in every process and release. It must not be modified.
func (r *Request) Body() []byte { return r.body }

// HasTools reports whether the model may answer with tool calls.
func (r *Request) HasTools() bool { return len(r.Tools) > 0 }

// System and user text are the bulk: the first buffer fits them with some
// room for escapes.
func size(p *Params) int {
	n := 512 + len(p.Tools) + len(p.OutputFormat)
	for _, b := range p.System {
		n += len(b.Text) + len(b.Text)/16 + len(b.JSON) + 80
	}
	for _, m := range p.Messages {
		for _, b := range m.Content {
			n += len(b.Text) + len(b.Text)/16 + len(b.JSON) + 80
		}
	}
	return n
}

// render fixes the order of fields for good: the bytes are part of cache keys.
func render(p *Params) []byte {
	b := make([]byte, 0, size(p))
	b = append(b, `{"model":`...)
	b = AppendString(b, p.Model)
	if p.MaxTokens > 0 { // a token count has none
		b = append(b, `,"max_tokens":`...)
		b = strconv.AppendInt(b, int64(p.MaxTokens), 10)
	}
	if len(p.System) > 0 {
		b = append(b, `,"system":`...)
		b = appendBlocks(b, p.System)
	}
	b = append(b, `,"messages":[`...)
	for i, m := range p.Messages {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"role":`...)
		b = AppendString(b, m.Role)
		b = append(b, `,"content":`...)
		b = appendBlocks(b, m.Content)
		b = append(b, '}')
	}
	b = append(b, ']')
	if p.Temperature != nil {
		b = append(b, `,"temperature":`...)
		b = strconv.AppendFloat(b, *p.Temperature, 'f', -1, 64)
	}
	if len(p.StopSequences) > 0 {
		b = append(b, `,"stop_sequences":[`...)
		for i, s := range p.StopSequences {
			if i > 0 {
				b = append(b, ',')
			}
			b = AppendString(b, s)
		}
		b = append(b, ']')
	}
	b = appendOutputConfig(b, p)
	b = appendRaw(b, "thinking", p.Thinking)
	b = appendRaw(b, "tools", p.Tools)
	b = appendRaw(b, "tool_choice", p.ToolChoice)
	b = appendText(b, "speed", p.Speed)
	b = appendText(b, "inference_geo", p.Geo)
	return slices.Clip(append(b, '}'))
}

func appendOutputConfig(b []byte, p *Params) []byte {
	if p.Effort == "" && len(p.OutputFormat) == 0 {
		return b
	}
	b = append(b, `,"output_config":{`...)
	if p.Effort != "" {
		b = append(b, `"effort":`...)
		b = AppendString(b, p.Effort)
	}
	if len(p.OutputFormat) > 0 {
		if p.Effort != "" {
			b = append(b, ',')
		}
		b = append(b, `"format":`...)
		b = append(b, p.OutputFormat...)
	}
	return append(b, '}')
}

func appendRaw(b []byte, name string, v json.RawMessage) []byte {
	if len(v) == 0 {
		return b
	}
	b = append(b, `,"`...)
	b = append(b, name...)
	b = append(b, `":`...)
	return append(b, v...)
}

func appendText(b []byte, name, v string) []byte {
	if v == "" {
		return b
	}
	b = append(b, `,"`...)
	b = append(b, name...)
	b = append(b, `":`...)
	return AppendString(b, v)
}

func appendBlocks(b []byte, blocks []Block) []byte {
	b = append(b, '[')
	for i, x := range blocks {
		if i > 0 {
			b = append(b, ',')
		}
		if len(x.JSON) > 0 {
			b = append(b, x.JSON...)
			continue
		}
		b = append(b, `{"type":"text","text":`...)
		b = AppendString(b, x.Text)
		switch x.CacheTTL {
		case "":
		case "5m":
			b = append(b, `,"cache_control":{"type":"ephemeral"}`...)
		default:
			b = append(b, `,"cache_control":{"type":"ephemeral","ttl":`...)
			b = AppendString(b, x.CacheTTL)
			b = append(b, '}')
		}
		b = append(b, '}')
	}
	return append(b, ']')
}

// PrefixTTL is how long the prompt cache keeps the system prompt: "5m", "1h",
// or empty where it does not end with a breakpoint.
func (r *Request) PrefixTTL() string {
	if len(r.System) == 0 {
		return ""
	}
	return r.System[len(r.System)-1].CacheTTL
}

// WithPrefixTTL returns the request with another lifetime of its system prompt,
// or, for an empty one, without the breakpoint. A request without a system
// prompt is returned as it is.
func (r *Request) WithPrefixTTL(ttl string) *Request {
	if len(r.System) == 0 {
		return r
	}
	out := *r
	out.System = slices.Clone(r.System)
	out.System[len(out.System)-1].CacheTTL = ttl
	out.body = render(&out.Params)
	return &out
}

// Task is the text of the last message: what the model is asked to do.
func (r *Request) Task() string {
	if len(r.Messages) == 0 {
		return ""
	}
	content := r.Messages[len(r.Messages)-1].Content
	if len(content) == 0 {
		return ""
	}
	return content[len(content)-1].Text
}

// WithReference returns the request with a text before its task, behind
// everything that the prompt cache keeps. A request without messages is
// returned as it is.
func (r *Request) WithReference(text string) *Request {
	if len(r.Messages) == 0 {
		return r
	}
	out := *r
	out.Messages = slices.Clone(r.Messages)
	last := &out.Messages[len(out.Messages)-1]
	last.Content = append([]Block{{Text: text}}, last.Content...)
	out.body = render(&out.Params)
	return &out
}
