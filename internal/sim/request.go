package sim

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// request is the body of a message call, read but not yet judged.
type request struct {
	model        string
	maxTokens    *int
	stream       bool
	system       []block
	messages     []message
	tools        []tool
	toolChoice   *toolChoice
	thinking     *thinking
	temperature  *float64
	topP         *float64
	topK         *int
	stops        []string
	effort       string
	hasFormat    bool
	schema       string // the JSON schema of output_config.format
	cacheControl *cacheControl
	geo          string
	speed        string
	serviceTier  string
	fields       []string // top-level fields, in their order
}

// message is one turn of the conversation.
type message struct {
	role   string
	blocks []block
}

// block is one content block, of the system prompt or of a message.
type block struct {
	kind      string // its type
	text      string // of text and thinking blocks
	raw       string // the JSON of every other kind; of text blocks it is not needed
	id        string // id of tool_use, tool_use_id of tool_result
	signature string // of a thinking block
	inner     []block
	source    string // source.type of images and documents
	citations bool   // it has a citations field that says something
	cache     *cacheControl
}

// parseRequest reads the body of a message call. The error is about its form
// only: whether the model takes what it asks for is for check to say.
func parseRequest(body string) (*request, *apiError) {
	if !utf8.ValidString(body) {
		return nil, notUTF8()
	}
	r := &reader{src: body}
	req := &request{}
	r.object(func(key string) { req.field(r, key) })
	if r.err == nil && r.peek() != 0 {
		r.malformed("unexpected data after the object")
	}
	if r.err != nil {
		return nil, r.err
	}
	return req, nil
}

func notUTF8() *apiError {
	return invalid("The request body is not valid JSON: it is not UTF-8")
}

// field reads one top-level member.
func (q *request) field(r *reader, key string) {
	q.fields = append(q.fields, key)
	switch key {
	case "messages":
		r.array(func(int) { q.messages = append(q.messages, parseMessage(r)) })
		return
	case "model":
		q.model = r.str()
		return
	case "max_tokens":
		n := r.integer()
		q.maxTokens = &n
		return
	}
	// Everything else is optional, and null says that it is not there.
	if r.isNull() {
		q.fields = q.fields[:len(q.fields)-1]
		return
	}
	q.option(r, key)
}

// option reads one optional top-level member.
func (q *request) option(r *reader, key string) {
	switch key {
	case "system":
		q.system = parseContent(r)
	case "stream":
		q.stream = r.boolean()
	case "tools":
		r.array(func(int) { q.tools = append(q.tools, parseTool(r)) })
	case "tool_choice":
		q.toolChoice = parseToolChoice(r)
	case "thinking":
		q.thinking = parseThinking(r)
	case "temperature":
		f := r.float()
		q.temperature = &f
	case "top_p":
		f := r.float()
		q.topP = &f
	case "top_k":
		n := r.integer()
		q.topK = &n
	case "stop_sequences":
		r.array(func(int) { q.stops = append(q.stops, r.str()) })
	case "output_config":
		q.outputConfig(r)
	case "cache_control":
		q.cacheControl = parseCacheControl(r)
	case "inference_geo":
		q.geo = r.str()
	case "speed":
		q.speed = r.str()
	case "service_tier":
		q.serviceTier = r.str()
	case "metadata":
		r.object(func(key string) {
			if key != "user_id" {
				r.fail("Extra inputs are not permitted")
			} else if !r.isNull() {
				r.str()
			}
		})
	}
}

// outputConfig reads output_config.
func (q *request) outputConfig(r *reader) {
	r.object(func(key string) {
		switch {
		case r.isNull():
		case key == "effort":
			q.effort = r.str()
		case key == "format":
			q.hasFormat = true
			q.format(r)
		default:
			r.fail("Extra inputs are not permitted")
		}
	})
}

// format reads output_config.format.
func (q *request) format(r *reader) {
	kind := ""
	r.object(func(key string) {
		switch key {
		case "type":
			kind = r.str()
		case "schema":
			if r.peek() != '{' {
				r.wrongKind("Input should be an object")
				return
			}
			q.schema = r.raw()
		case "name", "strict":
			r.skip()
		default:
			r.fail("Extra inputs are not permitted")
		}
	})
	if kind != "json_schema" {
		r.failAt(r.at("type"), "Input should be 'json_schema'")
	} else if q.schema == "" {
		r.failAt(r.at("schema"), "Field required")
	}
}

// parseMessage reads one element of messages.
func parseMessage(r *reader) message {
	var m message
	hasRole, hasContent := false, false
	r.object(func(key string) {
		switch key {
		case "role":
			hasRole = true
			m.role = r.str()
		case "content":
			hasContent = true
			m.blocks = parseContent(r)
		default:
			r.fail("Extra inputs are not permitted")
		}
	})
	switch {
	case !hasRole:
		r.failAt(r.at("role"), "Field required")
	case !hasContent:
		r.failAt(r.at("content"), "Field required")
	case m.role != "user" && m.role != "assistant" && m.role != "system":
		r.failAt(r.at("role"), "Input should be 'user' or 'assistant'")
	}
	return m
}

// parseContent reads what is either a string or a list of blocks.
func parseContent(r *reader) []block {
	if r.peek() == '"' {
		return []block{{kind: "text", text: r.quoted()}}
	}
	if r.peek() != '[' {
		r.wrongKind("Input should be a valid list")
		return nil
	}
	blocks := []block{}
	r.array(func(int) { blocks = append(blocks, parseBlock(r)) })
	return blocks
}

// blockFields are the fields that each kind of block takes beside type and
// cache_control, a space around each. Kinds that are not listed are the
// business of tools which run at the API; they are counted, not looked into.
func blockFields(kind string) (fields string, known bool) {
	switch kind {
	case "text":
		return " text citations ", true
	case "image":
		return " source ", true
	case "document":
		return " source title context citations ", true
	case "thinking":
		return " thinking signature ", true
	case "tool_use":
		return " id name input caller toolset_name ", true
	case "tool_result":
		return " tool_use_id content is_error ", true
	}
	return "", false
}

// parseBlock reads one content block. The type may come last, so that fields
// are judged once all are read.
func parseBlock(r *reader) block {
	var b block
	var fields []string
	r.peek()
	start := r.pos
	r.object(func(key string) {
		if key != "type" && key != "cache_control" {
			fields = append(fields, key)
		}
		if !r.isNull() {
			b.field(r, key)
		}
	})
	if r.err != nil {
		return b
	}
	if b.kind != "text" {
		b.raw = r.src[start:r.pos]
	}
	b.judge(r, fields)
	return b
}

// field reads one member of a content block.
func (b *block) field(r *reader, key string) {
	switch key {
	case "type":
		b.kind = r.str()
	case "text", "thinking":
		b.text = r.str()
	case "signature":
		b.signature = r.str()
	case "id", "tool_use_id":
		b.id = r.str()
	case "cache_control":
		b.cache = parseCacheControl(r)
	case "citations":
		b.citations = r.peek() != '[' || strings.Trim(r.raw(), "[] \t\r\n") != ""
	case "content":
		if c := r.peek(); c == '"' || c == '[' {
			b.inner = parseContent(r)
		}
	case "source":
		if r.peek() == '{' {
			r.object(func(key string) {
				if key == "type" {
					b.source = r.str()
				}
			})
		}
	}
}

// judge checks that a block has the fields of its kind.
func (b *block) judge(r *reader, fields []string) {
	if b.kind == "" {
		r.failAt(r.at("type"), "Field required")
		return
	}
	takes, known := blockFields(b.kind)
	if !known {
		return
	}
	for _, field := range fields {
		if !strings.Contains(takes, " "+field+" ") {
			r.failAt(r.at(b.kind, field), "Extra inputs are not permitted")
			return
		}
	}
	if b.cache != nil && b.kind == "thinking" {
		r.failAt(r.at(b.kind, "cache_control"), "Extra inputs are not permitted")
		return
	}
	for _, field := range requiredFields(b.kind) {
		if !slices.Contains(fields, field) {
			r.failAt(r.at(b.kind, field), "Field required")
			return
		}
	}
}

// requiredFields are the fields that a block of the kind cannot do without.
func requiredFields(kind string) []string {
	switch kind {
	case "text":
		return []string{"text"}
	case "image", "document":
		return []string{"source"}
	case "thinking":
		return []string{"thinking", "signature"}
	case "tool_use":
		return []string{"id", "name", "input"}
	case "tool_result":
		return []string{"tool_use_id"}
	}
	return nil
}

// where returns the path of a block of a message.
func where(message, block int) string {
	return "messages." + strconv.Itoa(message) + ".content." + strconv.Itoa(block)
}
