package sim

import (
	"strconv"

	"github.com/claude-force/claude-force/internal/model"
)

// answer is a reply with all that its wire form says.
type answer struct {
	*reply
	id      string
	model   string
	prompt  *prompt
	service service
}

// service is under which terms an answer was made.
type service struct {
	tier, geo, speed string
}

// serviceOf returns the terms of a request.
func serviceOf(q *request, m *model.Model, tier string) service {
	s := service{tier: tier, geo: "not_available", speed: "standard"}
	if m.GeoUS.Offered() {
		s.geo = "global"
	}
	if q.geo != "" {
		s.geo = q.geo
	}
	if q.speed != "" {
		s.speed = q.speed
	}
	return s
}

// appendInt appends a member: a comma, the quoted key and a number.
func appendInt(b []byte, key string, n int) []byte {
	b = append(b, ',', '"')
	b = append(b, key...)
	b = append(b, '"', ':')
	return strconv.AppendInt(b, int64(n), 10)
}

// appendMember appends a comma, the quoted key and a string; "" is null.
func appendMember(b []byte, key, value string) []byte {
	b = append(b, ',', '"')
	b = append(b, key...)
	b = append(b, '"', ':')
	if value == "" {
		return append(b, "null"...)
	}
	return appendString(b, value)
}

// appendPromptUsage appends the members of usage that the prompt decides.
func (a *answer) appendPromptUsage(b []byte) []byte {
	c := a.prompt.cached
	b = append(b, `"input_tokens":`...)
	b = strconv.AppendInt(b, int64(c.input), 10)
	b = appendInt(b, "cache_creation_input_tokens", c.write5m+c.write1h)
	return appendInt(b, "cache_read_input_tokens", c.read)
}

// appendUsage appends the usage object of a message.
func (a *answer) appendUsage(b []byte, output, thinking int) []byte {
	c := a.prompt.cached
	b = append(b, '{')
	b = a.appendPromptUsage(b)
	b = append(b, `,"cache_creation":{"ephemeral_5m_input_tokens":`...)
	b = strconv.AppendInt(b, int64(c.write5m), 10)
	b = appendInt(b, "ephemeral_1h_input_tokens", c.write1h)
	b = append(b, '}')
	b = appendInt(b, "output_tokens", output)
	b = appendThinkingTokens(b, thinking)
	b = append(b, `,"server_tool_use":null`...)
	b = appendMember(b, "service_tier", a.service.tier)
	b = appendMember(b, "inference_geo", a.service.geo)
	b = appendMember(b, "speed", a.service.speed)
	return append(b, '}')
}

func appendThinkingTokens(b []byte, n int) []byte {
	b = append(b, `,"output_tokens_details":{"thinking_tokens":`...)
	b = strconv.AppendInt(b, int64(n), 10)
	return append(b, '}')
}

// appendHead appends the members of a message that come before its content.
func (a *answer) appendHead(b []byte) []byte {
	b = append(b, `{"id":`...)
	b = appendString(b, a.id)
	b = append(b, `,"type":"message","role":"assistant"`...)
	b = appendMember(b, "model", a.model)
	return append(b, `,"container":null,"diagnostics":null,"content":[`...)
}

// appendStop appends the members that say why the answer ended.
func (a *answer) appendStop(b []byte) []byte {
	b = appendMember(b, "stop_reason", a.stopReason)
	b = appendMember(b, "stop_sequence", a.stopSequence)
	if a.stopReason != "refusal" {
		return append(b, `,"stop_details":null`...)
	}
	return append(b, `,"stop_details":{"type":"refusal","category":"general_harms",`+
		`"explanation":"The simulated model was told to refuse this task."}`...)
}

// appendMessage appends the whole answer as one JSON object.
func (a *answer) appendMessage(b []byte) []byte {
	b = a.appendHead(b)
	for i, block := range a.blocks {
		if i > 0 {
			b = append(b, ',')
		}
		b = block.appendWhole(b)
	}
	b = append(b, ']')
	b = a.appendStop(b)
	b = append(b, `,"usage":`...)
	b = a.appendUsage(b, a.outputTokens, a.thinkingTokens)
	return append(b, '}')
}

// appendWhole appends a content block with all that it holds.
func (block *replyBlock) appendWhole(b []byte) []byte {
	switch block.kind {
	case "thinking":
		b = append(b, `{"type":"thinking","thinking":`...)
		b = appendString(b, block.text)
		b = append(b, `,"signature":`...)
		b = appendString(b, block.signature)
	case "tool_use":
		b = block.appendToolHead(b)
		b = append(b, block.text...)
	default:
		b = append(b, `{"type":"text","text":`...)
		b = appendString(b, block.text)
		b = append(b, `,"citations":null`...)
	}
	return append(b, '}')
}

// appendToolHead appends a tool_use block up to the value of its input.
func (block *replyBlock) appendToolHead(b []byte) []byte {
	b = append(b, `{"type":"tool_use","id":`...)
	b = appendString(b, block.id)
	b = appendMember(b, "name", block.name)
	return append(b, `,"caller":{"type":"direct"},"input":`...)
}

// appendEmpty appends a content block as its stream begins it.
func (block *replyBlock) appendEmpty(b []byte) []byte {
	switch block.kind {
	case "thinking":
		return append(b, `{"type":"thinking","thinking":"","signature":""}`...)
	case "tool_use":
		return append(block.appendToolHead(b), `{}}`...)
	}
	return append(b, `{"type":"text","text":"","citations":null}`...)
}
