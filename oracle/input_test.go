package oracle

import (
	"bytes"
	"encoding/json"
	"testing"
)

// The parameters that llm.Params carries as JSON, decoded for the adapters,
// which build the SDK's own types from them.

type cacheInput struct {
	Type string `json:"type"`
	TTL  string `json:"ttl"`
}

type toolInput struct {
	Name         string         `json:"name"`
	Description  string         `json:"description"`
	InputSchema  map[string]any `json:"input_schema"`
	CacheControl *cacheInput    `json:"cache_control"`
}

// schema splits an object schema the way the SDKs do.
func (in toolInput) schema() (properties any, required []string, rest map[string]any) {
	rest = map[string]any{}
	for name, value := range in.InputSchema {
		switch name {
		case "type":
		case "properties":
			properties = value
		case "required":
			for _, one := range value.([]any) {
				required = append(required, one.(string))
			}
		default:
			rest[name] = value
		}
	}
	return properties, required, rest
}

type choiceInput struct {
	Type            string `json:"type"`
	Name            string `json:"name"`
	DisableParallel bool   `json:"disable_parallel_tool_use"`
}

type thinkingInput struct {
	Type    string `json:"type"`
	Budget  int64  `json:"budget_tokens"`
	Display string `json:"display"`
}

type formatInput struct {
	Type   string         `json:"type"`
	Schema map[string]any `json:"schema"`
}

// blockInput is a content block that is not a text block.
type blockInput struct {
	Type      string          `json:"type"`
	Thinking  string          `json:"thinking"`
	Signature string          `json:"signature"`
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Input     json.RawMessage `json:"input"`
	Caller    *struct {
		Type string `json:"type"`
	} `json:"caller"`
	ToolUseID    string      `json:"tool_use_id"`
	IsError      bool        `json:"is_error"`
	Content      []textInput `json:"content"`
	CacheControl *cacheInput `json:"cache_control"`
}

type textInput struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// decode reads JSON of which nothing may be left over: a field that an adapter
// does not know would be missing in what the SDK sends.
func decode[T any](t testing.TB, raw json.RawMessage) T {
	t.Helper()
	var v T
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("the adapters cannot read %s: %v", raw, err)
	}
	return v
}
