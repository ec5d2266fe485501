package sim

import (
	"slices"
	"strconv"
	"strings"
)

// endpoint is what a request was sent to; the endpoints share most of their
// rules.
type endpoint int

const (
	toMessages endpoint = iota
	toCountTokens
	toBatches // one request of a batch
)

// terms are the headers of a call that change its rules.
type terms struct {
	endpoint endpoint
	modern   bool   // anthropic-version 2026-10-21
	betas    string // the anthropic-beta headers, joined by commas
}

// The beta headers that the simulator knows.
const (
	betaFast       = "fast-mode-2026-02-01"
	betaLongOutput = "output-300k-2026-03-24"
)

const (
	maxBreakpoints = 4
	maxMessages    = 100_000
	maxStops       = 8_191
)

// checkForm judges what holds for every model.
func (q *request) checkForm(t terms) *apiError {
	checks := []func(terms) *apiError{
		q.checkFields, q.checkNumbers, q.checkMessages, q.checkToolUse, q.checkTools, q.checkBreakpoints,
	}
	if t.modern {
		checks = append(checks, q.checkModern)
	}
	if t.endpoint == toCountTokens {
		checks = append(checks, q.checkCountable)
	}
	for _, check := range checks {
		if err := check(t); err != nil {
			return err
		}
	}
	return nil
}

// fieldRule says where a top-level field may stand.
func fieldRule(key string, t terms) (ok bool) {
	switch key {
	case "model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control":
		return true
	case "speed":
		return t.endpoint != toBatches
	case "stream":
		return t.endpoint != toCountTokens
	case "temperature", "top_p", "top_k":
		return t.endpoint != toCountTokens && !t.modern
	case "max_tokens", "stop_sequences", "metadata", "service_tier", "inference_geo", "container", "diagnostics":
		return t.endpoint != toCountTokens
	case "context_management", "mcp_servers":
		return t.betas != ""
	}
	return false
}

// checkFields judges which top-level fields there are.
func (q *request) checkFields(t terms) *apiError {
	for _, required := range []string{"model", "max_tokens", "messages"} {
		if required == "max_tokens" && t.endpoint == toCountTokens {
			continue
		}
		if !slices.Contains(q.fields, required) {
			return invalid("%s: Field required", required)
		}
	}
	for _, key := range q.fields {
		if !fieldRule(key, t) {
			return invalid("%s: Extra inputs are not permitted", key)
		}
	}
	if q.model == "" {
		return invalid("model: String should have at least 1 character")
	}
	if q.serviceTier != "" && q.serviceTier != "auto" && q.serviceTier != "standard_only" {
		return invalid("service_tier: Input should be 'auto' or 'standard_only'")
	}
	return nil
}

// checkNumbers judges the plain parameters.
func (q *request) checkNumbers(t terms) *apiError {
	if n := q.maxTokens; n != nil {
		least := 0
		if t.endpoint == toBatches {
			least = 1
		}
		if *n < least {
			return invalid("max_tokens: Input should be greater than or equal to %d", least)
		}
	}
	if t.endpoint == toBatches && q.stream {
		return invalid("stream: Streaming is not supported in message batches")
	}
	for _, p := range []struct {
		name  string
		value *float64
	}{{"temperature", q.temperature}, {"top_p", q.topP}} {
		switch {
		case p.value == nil:
		case *p.value < 0:
			return invalid("%s: Input should be greater than or equal to 0", p.name)
		case *p.value > 1:
			return invalid("%s: Input should be less than or equal to 1", p.name)
		}
	}
	if q.topK != nil && *q.topK < 0 {
		return invalid("top_k: Input should be greater than or equal to 0")
	}
	if len(q.stops) > maxStops {
		return invalid("stop_sequences: List should have at most %d items", maxStops)
	}
	for _, stop := range q.stops {
		if strings.TrimSpace(stop) == "" {
			return invalid("stop_sequences: each stop sequence must contain non-whitespace")
		}
	}
	return nil
}

// checkMessages judges the conversation and the system prompt.
func (q *request) checkMessages(terms) *apiError {
	switch {
	case len(q.messages) == 0:
		return invalid("messages: at least one message is required")
	case len(q.messages) > maxMessages:
		return invalid("messages: at most %d messages are allowed", maxMessages)
	case q.messages[0].role != "user":
		return invalid(`messages: first message must use the "user" role`)
	}
	if err := checkText("system", q.system); err != nil {
		return err
	}
	for i, m := range q.messages {
		if err := checkText("messages", m.blocks); err != nil {
			return err
		}
		last := i == len(q.messages)-1
		if len(m.blocks) == 0 && (!last || m.role != "assistant") {
			return invalid("messages.%d: all messages must have non-empty content except for the optional final assistant message", i)
		}
		if last && m.role == "assistant" && endsInSpace(m.blocks) {
			return invalid("messages: final assistant content cannot end with trailing whitespace")
		}
	}
	return nil
}

// checkText judges the text blocks of one content.
func checkText(path string, blocks []block) *apiError {
	for _, b := range blocks {
		switch {
		case b.kind != "text":
		case b.text == "":
			return invalid("%s: text content blocks must be non-empty", path)
		case strings.TrimSpace(b.text) == "":
			return invalid("%s: text content blocks must contain non-whitespace text", path)
		}
	}
	return nil
}

// endsInSpace reports whether a content ends in white space.
func endsInSpace(blocks []block) bool {
	if len(blocks) == 0 {
		return false
	}
	last := blocks[len(blocks)-1]
	return last.kind == "text" && last.text != strings.TrimRight(last.text, " \t\r\n")
}

// checkToolUse judges that every tool_use is answered by a tool_result in the
// next message, and that no tool_result answers nothing.
func (q *request) checkToolUse(terms) *apiError {
	var asked []string // the tool_use ids of the message before
	for i, m := range q.messages {
		open := make(map[string]bool, len(asked))
		for _, id := range asked {
			open[id] = true
		}
		for k, b := range m.blocks {
			if b.kind != "tool_result" {
				continue
			}
			if _, ok := open[b.id]; !ok {
				return invalid("%s: unexpected `tool_use_id` found in `tool_result` blocks: %s. Each `tool_result` block must have a corresponding `tool_use` block in the previous message.", where(i, k), b.id)
			}
			open[b.id] = false
		}
		if err := unanswered(i-1, asked, open); err != nil {
			return err
		}
		asked = nil
		for _, b := range m.blocks {
			if b.kind == "tool_use" {
				asked = append(asked, b.id)
			}
		}
	}
	return unanswered(len(q.messages)-1, asked, nil)
}

// unanswered returns the error for the tool_use ids of a message that are
// still open, if there are any. Without a set all of them are.
func unanswered(message int, asked []string, open map[string]bool) *apiError {
	var missing []string
	for _, id := range asked {
		if open == nil || open[id] {
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return invalid("messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %s. Each `tool_use` block must have a corresponding `tool_result` block in the next message.", message, strings.Join(missing, ", "))
}

// checkTools judges the tools and the choice among them.
func (q *request) checkTools(terms) *apiError {
	names := make(map[string]bool, len(q.tools))
	for _, t := range q.tools {
		if t.name != "" && names[t.name] {
			return invalid("tools: Tool names must be unique.")
		}
		names[t.name] = true
	}
	choice := q.toolChoice
	if choice == nil {
		return nil
	}
	if len(q.tools) == 0 {
		return invalid("tool_choice may only be specified while providing tools.")
	}
	if choice.kind == "tool" && !names[choice.name] {
		return invalid("Tool '%s' not found in provided tools", choice.name)
	}
	return nil
}

// checkBreakpoints judges the breakpoints of the prompt cache.
func (q *request) checkBreakpoints(terms) *apiError {
	found, short := 0, false
	judge := func(path string, c *cacheControl) *apiError {
		if c == nil {
			return nil
		}
		found++
		if c.hour && short {
			return invalid("%scache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. Note that blocks are processed in the following order: `tools`, `system`, `messages`.", path)
		}
		short = short || !c.hour
		return nil
	}
	for i, t := range q.tools {
		if err := judge("tools."+strconv.Itoa(i)+".", t.cache); err != nil {
			return err
		}
	}
	for i, b := range q.system {
		if err := judge("system."+strconv.Itoa(i)+".", b.cache); err != nil {
			return err
		}
	}
	for i, m := range q.messages {
		for k, b := range m.blocks {
			if err := judge(where(i, k)+".", b.cache); err != nil {
				return err
			}
		}
	}
	if err := judge("", q.cacheControl); err != nil {
		return err
	}
	if found > maxBreakpoints {
		return invalid("A maximum of %d blocks with cache_control may be provided. Found %d.", maxBreakpoints, found)
	}
	return nil
}

// checkModern judges what version 2026-10-21 of the API no longer takes.
func (q *request) checkModern(terms) *apiError {
	for i, m := range q.messages {
		for k, b := range m.blocks {
			if m.role == "assistant" && b.kind == "document" {
				return invalid("%s: document blocks are not permitted in assistant turns", where(i, k))
			}
			if m.role == "user" && b.kind == "text" && b.citations {
				return invalid("%s.text.citations: Extra inputs are not permitted", where(i, k))
			}
		}
	}
	return nil
}

// checkCountable judges what the counting endpoint cannot count.
func (q *request) checkCountable(terms) *apiError {
	for i, t := range q.tools {
		if t.server() {
			return invalid("tools.%d: server tools are not supported by the token counting endpoint", i)
		}
	}
	if slices.Contains(q.fields, "mcp_servers") {
		return invalid("mcp_servers: the MCP connector is not supported by the token counting endpoint")
	}
	for i, m := range q.messages {
		for k, b := range m.blocks {
			if b.kind == "image" && (b.source == "url" || b.source == "file") {
				return invalid("%s: image sources of type '%s' are not supported by the token counting endpoint", where(i, k), b.source)
			}
		}
	}
	return nil
}
