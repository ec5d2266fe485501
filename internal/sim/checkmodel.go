package sim

import (
	"slices"
	"strings"

	"github.com/claude-force/claude-force/internal/model"
)

const (
	minBudget       = 1_024   // tokens of thinking
	longBatchOutput = 300_000 // tokens, with betaLongOutput
)

// checkModel judges what depends on the model.
func (q *request) checkModel(m *model.Model, t terms) *apiError {
	checks := []func(*model.Model, terms) *apiError{
		q.checkOutput, q.checkSampling, q.checkPrefill, q.checkEffort, q.checkThinking, q.checkForcedTools, q.checkService,
	}
	for _, check := range checks {
		if err := check(m, t); err != nil {
			return err
		}
	}
	return nil
}

// checkOutput judges the length and the form of the answer.
func (q *request) checkOutput(m *model.Model, t terms) *apiError {
	limit := m.MaxOutput
	if t.endpoint == toBatches && t.has(betaLongOutput) && takesLongOutput(m) {
		limit = longBatchOutput
	}
	if q.maxTokens != nil && limit > 0 && *q.maxTokens > limit {
		return invalid("max_tokens: %d > %d, which is the maximum allowed number of output tokens for %s", *q.maxTokens, limit, m.ID)
	}
	if q.hasFormat && !m.StructuredOutput {
		return invalid("output_config.format: structured outputs are not supported for %s", m.ID)
	}
	return nil
}

// has reports whether the call names a beta feature.
func (t terms) has(beta string) bool {
	for name := range strings.SplitSeq(t.betas, ",") {
		if strings.TrimSpace(name) == beta {
			return true
		}
	}
	return false
}

// checkSampling judges temperature, top_p and top_k. Models that refuse them
// still take the values that change nothing.
func (q *request) checkSampling(m *model.Model, _ terms) *apiError {
	if !m.Sampling {
		switch {
		case q.temperature != nil && *q.temperature != 1:
			return invalid("`temperature` is deprecated for this model.")
		case q.topP != nil && *q.topP < 0.99:
			return invalid("`top_p` is deprecated for this model.")
		case q.topK != nil:
			return invalid("`top_k` is deprecated for this model.")
		}
		return nil
	}
	if m.SamplingOne && q.temperature != nil && q.topP != nil {
		return invalid("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")
	}
	if !q.thinks(m) {
		return nil
	}
	switch {
	case q.temperature != nil && *q.temperature != 1:
		return invalid("`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.")
	case q.topP != nil && *q.topP < 0.95:
		return invalid("`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled or in adaptive mode.")
	case q.topK != nil:
		return invalid("`top_k` must be unset when thinking is enabled or in adaptive mode.")
	}
	return nil
}

// thinks reports whether the model thinks before it answers the request.
func (q *request) thinks(m *model.Model) bool {
	if q.thinking == nil {
		return m.Thinking.Default == model.ThinkingOn || m.Thinking.Default == model.ThinkingAlways
	}
	return q.thinking.kind == "adaptive" || q.thinking.kind == "enabled"
}

// checkPrefill judges a conversation that ends in the assistant's turn.
func (q *request) checkPrefill(m *model.Model, _ terms) *apiError {
	last := q.messages[len(q.messages)-1]
	if last.role != "assistant" {
		return nil
	}
	if !m.Prefill {
		return invalid("This model does not support assistant message prefill. The conversation must end with a user message.")
	}
	if q.thinks(m) && (len(last.blocks) == 0 || !strings.Contains(last.blocks[0].kind, "thinking")) {
		return invalid("messages.%d.content.0.type: Expected `thinking` or `redacted_thinking`, but found `text`. When `thinking` is enabled, a final `assistant` message must start with a thinking block.", len(q.messages)-1)
	}
	return nil
}

// checkEffort judges output_config.effort.
func (q *request) checkEffort(m *model.Model, _ terms) *apiError {
	switch q.effort {
	case "":
		return nil
	case "low", "medium", "high", "xhigh", "max":
	default:
		return invalid("output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'")
	}
	if len(m.Efforts) == 0 {
		return invalid("This model does not support the effort parameter.")
	}
	if !m.TakesEffort(q.effort) {
		levels := slices.Sorted(slices.Values(m.Efforts))
		return invalid("This model does not support effort level '%s'. Supported levels: %s.", q.effort, strings.Join(levels, ", "))
	}
	return nil
}

// checkThinking judges the thinking parameter.
func (q *request) checkThinking(m *model.Model, t terms) *apiError {
	if q.thinking == nil {
		return nil
	}
	kind := q.thinking.kind
	if kind == "between_tools" && m.Thinking.BetweenTools == "" {
		return invalid(`"thinking.type.between_tools" is not supported for this model.`)
	}
	if !m.AcceptsThinking(kind, q.effort) {
		switch {
		case kind == "adaptive":
			return invalid("adaptive thinking is not supported on this model")
		case m.AcceptsThinking(kind, "high"):
			return invalid("output_config.effort '%s' is not supported when thinking is disabled on this model. Use effort 'high' or below, or enable thinking.", q.effort)
		}
		return invalid(`"thinking.type.%s" is not supported for this model. Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.`, kind)
	}
	if kind == "enabled" {
		return q.checkBudget(t)
	}
	if q.thinking.budget != nil {
		return invalid("thinking.%s.budget_tokens: Extra inputs are not permitted", kind)
	}
	return nil
}

// checkBudget judges thinking.budget_tokens.
func (q *request) checkBudget(t terms) *apiError {
	budget := q.thinking.budget
	switch {
	case budget == nil:
		return invalid("thinking.enabled.budget_tokens: Field required")
	case *budget < minBudget:
		return invalid("thinking.enabled.budget_tokens: Input should be greater than or equal to %d", minBudget)
	case t.endpoint != toCountTokens && *budget >= *q.maxTokens:
		return invalid("`max_tokens` must be greater than `thinking.budget_tokens`.")
	}
	return nil
}

// checkForcedTools judges a tool_choice that leaves no choice.
func (q *request) checkForcedTools(m *model.Model, _ terms) *apiError {
	if !q.forcesTools() {
		return nil
	}
	if !m.ForcedTools {
		return invalid(`tool_choice: type "tool" and "any" are not supported for this model.`)
	}
	if q.thinking != nil && q.thinking.kind == "enabled" {
		return invalid("Thinking may not be enabled when tool_choice forces tool use.")
	}
	return nil
}

// forcesTools reports whether the request asks for a tool call whatever the
// task.
func (q *request) forcesTools() bool {
	return q.toolChoice != nil && (q.toolChoice.kind == "any" || q.toolChoice.kind == "tool")
}

// checkService judges inference_geo and speed.
func (q *request) checkService(m *model.Model, t terms) *apiError {
	switch q.geo {
	case "", "global":
	case "us":
		if !m.GeoUS.Offered() {
			return invalid("inference_geo: %s does not support inference_geo 'us'", m.ID)
		}
	default:
		return invalid("inference_geo: Input should be 'global' or 'us'")
	}
	switch q.speed {
	case "", "standard":
		return nil
	case "fast":
	default:
		return invalid("speed: Input should be 'standard' or 'fast'")
	}
	if !m.Fast.Offered() {
		return invalid("speed: %s does not support speed 'fast'", m.ID)
	}
	if !t.has(betaFast) {
		return invalid("speed: 'fast' requires the `%s` value in the `anthropic-beta` header", betaFast)
	}
	return nil
}

// takesLongOutput reports whether a batch may ask the model for more output
// than other calls: the models that a geography can be chosen for, but for
// Fable and Mythos.
func takesLongOutput(m *model.Model) bool {
	return m.GeoUS.Offered() && (m.Line == "opus" || m.Line == "sonnet" || m.Line == "haiku")
}

// isNewer reports whether the model counts tokens by the newer tokenizer.
func isNewer(m *model.Model) bool {
	return m.Tokenizer != "" && m.Tokenizer != "claude-3"
}

// tooLong is the error for a prompt that does not fit the model.
func tooLong(tokens, limit int) *apiError {
	return invalid("prompt is too long: %d tokens > %d maximum", tokens, limit)
}
