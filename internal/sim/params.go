package sim

// tool is one tool's definition.
type tool struct {
	kind   string // "" and "custom" are the client's own
	name   string
	raw    string
	schema string // input_schema, of the client's own
	cache  *cacheControl
}

// server reports whether the tool runs at the API, not at the client.
func (t tool) server() bool { return t.kind != "" && t.kind != "custom" }

// toolChoice is the tool_choice of a request.
type toolChoice struct {
	kind string // auto, any, tool, none
	name string
	raw  string
}

// thinking is the thinking parameter of a request.
type thinking struct {
	kind    string // adaptive, enabled, disabled, between_tools
	budget  *int   // tokens
	display string // summarized, omitted or ""
	raw     string
}

// cacheControl is a breakpoint of the prompt cache.
type cacheControl struct {
	hour bool // ttl 1h instead of 5m
}

// parseTool reads one element of tools.
func parseTool(r *reader) tool {
	var t tool
	r.peek()
	start := r.pos
	unknown := ""
	r.object(func(key string) {
		switch key {
		case "type":
			if !r.isNull() {
				t.kind = r.str()
			}
		case "name":
			t.name = r.str()
		case "input_schema":
			if r.peek() != '{' {
				r.wrongKind("Input should be an object")
				return
			}
			t.schema = r.raw()
		case "cache_control":
			if !r.isNull() {
				t.cache = parseCacheControl(r)
			}
		case "description", "strict", "eager_input_streaming", "defer_loading", "allowed_callers", "input_examples":
			r.skip()
		default:
			unknown = key
		}
	})
	if r.err != nil {
		return t
	}
	t.raw = r.src[start:r.pos]
	switch {
	case t.server():
	case t.name == "":
		r.failAt(r.at("custom", "name"), "Field required")
	case unknown != "":
		r.failAt(r.at("custom", unknown), "Extra inputs are not permitted")
	case !isToolName(t.name):
		r.failAt(r.at("custom", "name"), "String should match pattern '^[a-zA-Z0-9_-]{1,128}$'")
	case t.schema == "":
		r.failAt(r.at("custom", "input_schema"), "Field required")
	}
	return t
}

// isToolName reports whether s may name a tool.
func isToolName(s string) bool {
	return isIdentifier(s, 128)
}

// isIdentifier reports whether s is 1 to limit letters, digits, _ and -.
func isIdentifier(s string, limit int) bool {
	if s == "" || len(s) > limit {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && !isDigit(c) && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// parseToolChoice reads tool_choice.
func parseToolChoice(r *reader) *toolChoice {
	var c toolChoice
	r.peek()
	start := r.pos
	r.object(func(key string) {
		switch key {
		case "type":
			c.kind = r.str()
		case "name":
			c.name = r.str()
		case "disable_parallel_tool_use":
			r.boolean()
		default:
			r.fail("Extra inputs are not permitted")
		}
	})
	if r.err != nil {
		return nil
	}
	c.raw = r.src[start:r.pos]
	switch c.kind {
	case "auto", "any", "none":
	case "tool":
		if c.name == "" {
			r.failAt(r.at("tool", "name"), "Field required")
		}
	default:
		r.failAt(r.at(), "Input tag '"+c.kind+"' found using 'type' does not match any of the expected tags: 'any', 'auto', 'none', 'tool'")
	}
	return &c
}

// parseThinking reads thinking.
func parseThinking(r *reader) *thinking {
	var t thinking
	r.peek()
	start := r.pos
	r.object(func(key string) {
		switch key {
		case "type":
			t.kind = r.str()
		case "budget_tokens":
			n := r.integer()
			t.budget = &n
		case "display":
			if !r.isNull() {
				t.display = r.str()
			}
		default:
			r.fail("Extra inputs are not permitted")
		}
	})
	if r.err != nil {
		return nil
	}
	t.raw = r.src[start:r.pos]
	switch t.kind {
	case "adaptive", "enabled", "disabled", "between_tools":
	default:
		r.fail("Input tag '" + t.kind + "' found using 'type' does not match any of the expected tags: 'adaptive', 'between_tools', 'disabled', 'enabled'")
	}
	if t.display != "" && t.display != "summarized" && t.display != "omitted" {
		r.failAt(r.at(t.kind, "display"), "Input should be 'summarized' or 'omitted'")
	}
	return &t
}

// parseCacheControl reads a cache_control.
func parseCacheControl(r *reader) *cacheControl {
	var c cacheControl
	kind := ""
	r.object(func(key string) {
		switch key {
		case "type":
			kind = r.str()
		case "ttl":
			if r.isNull() {
				return
			}
			switch ttl := r.str(); ttl {
			case "1h":
				c.hour = true
			case "5m":
			default:
				r.fail("Input should be '5m' or '1h'")
			}
		default:
			r.fail("Extra inputs are not permitted")
		}
	})
	if kind != "ephemeral" {
		r.failAt(r.at("type"), "Input should be 'ephemeral'")
	}
	return &c
}
