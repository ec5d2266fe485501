package oracle

import (
	"encoding/json"

	anthropic "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/packages/param"

	"github.com/claude-force/claude-force/internal/claude"
	"github.com/claude-force/claude-force/internal/llm"
)

// params builds the SDK's parameters.
func (s *sdkV1) params(p llm.Params) anthropic.MessageNewParams {
	out := anthropic.MessageNewParams{
		Model: anthropic.Model(p.Model), MaxTokens: int64(p.MaxTokens), StopSequences: p.StopSequences,
		Messages: s.messages(p.Messages), Speed: anthropic.MessageNewParamsSpeed(p.Speed),
		OutputConfig: s.outputConfig(p), Thinking: s.thinking(p.Thinking), ToolChoice: s.toolChoice(p.ToolChoice),
	}
	for _, b := range p.System {
		out.System = append(out.System, s.text(b))
	}
	for _, tool := range s.tools(p.Tools) {
		out.Tools = append(out.Tools, anthropic.ToolUnionParam{OfTool: &tool})
	}
	if p.Temperature != nil {
		out.Temperature = anthropic.Float(*p.Temperature)
	}
	if p.Geo != "" {
		out.InferenceGeo = anthropic.String(p.Geo)
	}
	return out
}

func (s *sdkV1) countParams(p llm.Params) anthropic.MessageCountTokensParams {
	all := s.params(p)
	out := anthropic.MessageCountTokensParams{
		Model: all.Model, Messages: all.Messages, OutputConfig: all.OutputConfig,
		Thinking: all.Thinking, ToolChoice: all.ToolChoice,
	}
	out.System.OfTextBlockArray = all.System
	for _, tool := range all.Tools {
		out.Tools = append(out.Tools, anthropic.MessageCountTokensToolUnionParam{OfTool: tool.OfTool})
	}
	return out
}

func (s *sdkV1) batchParams(items []claude.BatchItem) anthropic.MessageBatchNewParams {
	var out anthropic.MessageBatchNewParams
	for _, item := range items {
		p := s.params(item.Request.Params)
		out.Requests = append(out.Requests, anthropic.MessageBatchNewParamsRequest{
			CustomID: item.ID,
			Params: anthropic.MessageBatchNewParamsRequestParams{
				Model: p.Model, MaxTokens: p.MaxTokens, Messages: p.Messages, System: p.System,
				Temperature:   p.Temperature, //nolint:staticcheck // deprecated for newer models; older ones take it, and the client sends it
				StopSequences: p.StopSequences, OutputConfig: p.OutputConfig,
				Thinking: p.Thinking, Tools: p.Tools, ToolChoice: p.ToolChoice, InferenceGeo: p.InferenceGeo,
				Speed: string(p.Speed),
			},
		})
	}
	return out
}

func (s *sdkV1) messages(messages []llm.Message) []anthropic.MessageParam {
	var out []anthropic.MessageParam
	for _, m := range messages {
		var blocks []anthropic.ContentBlockParamUnion
		for _, b := range m.Content {
			blocks = append(blocks, s.block(b))
		}
		if m.Role == "assistant" {
			out = append(out, anthropic.NewAssistantMessage(blocks...))
		} else {
			out = append(out, anthropic.NewUserMessage(blocks...))
		}
	}
	return out
}

func (s *sdkV1) text(b llm.Block) anthropic.TextBlockParam {
	out := anthropic.TextBlockParam{Text: b.Text}
	if b.CacheTTL != "" {
		out.CacheControl = s.cache(b.CacheTTL)
	}
	return out
}

// cache names every time to live, the default included.
func (s *sdkV1) cache(ttl string) anthropic.CacheControlEphemeralParam {
	out := anthropic.NewCacheControlEphemeralParam()
	out.TTL = anthropic.CacheControlEphemeralTTL(ttl)
	return out
}

func (s *sdkV1) block(b llm.Block) anthropic.ContentBlockParamUnion {
	if len(b.JSON) == 0 {
		text := s.text(b)
		return anthropic.ContentBlockParamUnion{OfText: &text}
	}
	in := decode[blockInput](s.t, b.JSON)
	switch in.Type {
	case "thinking":
		return anthropic.NewThinkingBlock(in.Signature, in.Thinking)
	case "tool_use":
		use := anthropic.ToolUseBlockParam{ID: in.ID, Name: in.Name, Input: in.Input}
		if in.Caller != nil {
			direct := anthropic.NewDirectCallerParam()
			use.Caller.OfDirect = &direct
		}
		return anthropic.ContentBlockParamUnion{OfToolUse: &use}
	case "tool_result":
		result := anthropic.ToolResultBlockParam{ToolUseID: in.ToolUseID}
		if in.IsError {
			result.IsError = anthropic.Bool(true)
		}
		if in.CacheControl != nil {
			result.CacheControl = s.cache(in.CacheControl.TTL)
		}
		for _, part := range in.Content {
			result.Content = append(result.Content, anthropic.ToolResultBlockParamContentUnion{OfText: &anthropic.TextBlockParam{Text: part.Text}})
		}
		return anthropic.ContentBlockParamUnion{OfToolResult: &result}
	}
	s.t.Fatalf("the adapter knows no %q block", in.Type)
	return anthropic.ContentBlockParamUnion{}
}

func (s *sdkV1) outputConfig(p llm.Params) anthropic.OutputConfigParam {
	out := anthropic.OutputConfigParam{Effort: anthropic.OutputConfigEffort(p.Effort)}
	if len(p.OutputFormat) > 0 {
		out.Format = anthropic.JSONOutputFormatParam{Schema: decode[formatInput](s.t, p.OutputFormat).Schema}
	}
	return out
}

func (s *sdkV1) thinking(raw json.RawMessage) anthropic.ThinkingConfigParamUnion {
	if len(raw) == 0 {
		return anthropic.ThinkingConfigParamUnion{}
	}
	switch in := decode[thinkingInput](s.t, raw); in.Type {
	case "enabled":
		return anthropic.ThinkingConfigParamUnion{OfEnabled: &anthropic.ThinkingConfigEnabledParam{
			BudgetTokens: in.Budget, Display: anthropic.ThinkingConfigEnabledDisplay(in.Display),
		}}
	case "adaptive":
		return anthropic.ThinkingConfigParamUnion{OfAdaptive: &anthropic.ThinkingConfigAdaptiveParam{
			Display: anthropic.ThinkingConfigAdaptiveDisplay(in.Display),
		}}
	case "between_tools":
		between := anthropic.NewThinkingConfigBetweenToolsParam()
		return anthropic.ThinkingConfigParamUnion{OfBetweenTools: &between}
	default:
		disabled := anthropic.NewThinkingConfigDisabledParam()
		return anthropic.ThinkingConfigParamUnion{OfDisabled: &disabled}
	}
}

func (s *sdkV1) tools(raw json.RawMessage) []anthropic.ToolParam {
	if len(raw) == 0 {
		return nil
	}
	var out []anthropic.ToolParam
	for _, in := range decode[[]toolInput](s.t, raw) {
		properties, required, rest := in.schema()
		tool := anthropic.ToolParam{
			Name:        in.Name,
			InputSchema: anthropic.ToolInputSchemaParam{Properties: properties, Required: required, ExtraFields: rest},
		}
		if in.Description != "" {
			tool.Description = anthropic.String(in.Description)
		}
		if in.CacheControl != nil {
			tool.CacheControl = s.cache(in.CacheControl.TTL)
		}
		out = append(out, tool)
	}
	return out
}

func (s *sdkV1) toolChoice(raw json.RawMessage) anthropic.ToolChoiceUnionParam {
	if len(raw) == 0 {
		return anthropic.ToolChoiceUnionParam{}
	}
	in := decode[choiceInput](s.t, raw)
	var parallel param.Opt[bool]
	if in.DisableParallel {
		parallel = anthropic.Bool(true)
	}
	switch in.Type {
	case "auto":
		return anthropic.ToolChoiceUnionParam{OfAuto: &anthropic.ToolChoiceAutoParam{DisableParallelToolUse: parallel}}
	case "any":
		return anthropic.ToolChoiceUnionParam{OfAny: &anthropic.ToolChoiceAnyParam{DisableParallelToolUse: parallel}}
	case "tool":
		return anthropic.ToolChoiceUnionParam{OfTool: &anthropic.ToolChoiceToolParam{Name: in.Name, DisableParallelToolUse: parallel}}
	}
	none := anthropic.NewToolChoiceNoneParam()
	return anthropic.ToolChoiceUnionParam{OfNone: &none}
}
