package sim

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"hash/maphash"
	"strings"

	"github.com/claude-force/claude-force/internal/model"
)

// reply is a finished answer, before it is written to the client.
type reply struct {
	blocks         []replyBlock
	stopReason     string
	stopSequence   string // "" unless one was met
	outputTokens   int
	thinkingTokens int // of the output tokens
}

// replyBlock is one content block of a reply.
type replyBlock struct {
	kind      string // text, thinking or tool_use
	text      string // of text and thinking; the input of tool_use
	signature string // of thinking
	id, name  string // of tool_use
}

// tokensPerToolUse is what a tool call costs beside its name and input.
const tokensPerToolUse = 12

// compose decides what the model answers. It depends on the request and the
// seed alone, but for the ids of tool calls.
func (s *Server) compose(q *request, m *model.Model, p *prompt) (*reply, *apiError) {
	t, err := q.scripted()
	if err != nil {
		return nil, err
	}
	limit := *q.maxTokens
	window := false
	if room := m.Context - p.tokens; m.Context > 0 && room < limit {
		limit, window = max(room, 0), true
	}
	c := &composer{reply: &reply{stopReason: "end_turn", blocks: []replyBlock{}}, limit: limit, newer: isNewer(m)}
	s.think(c, q, m, t)
	switch {
	case t != nil && (t.say != nil || t.words > 0 || len(t.tools) > 0 || t.stop != ""):
		s.prescribed(c, q, t)
	case q.forcesTools():
		s.forced(c, q)
	case q.schema != "":
		c.addText(instance(q.schema), q.stops)
	default:
		c.addText(s.written(q, m), q.stops)
	}
	if window && c.reply.stopReason == "max_tokens" {
		c.reply.stopReason = "model_context_window_exceeded"
	}
	return c.reply, nil
}

// composer fills a reply up to its limit of output tokens.
type composer struct {
	*reply
	limit int
	newer bool
	full  bool // nothing more may be added
}

// addText adds a text block, cut where a stop sequence or the limit ends it.
func (c *composer) addText(text string, stops []string) {
	if c.full {
		return
	}
	stop := ""
	end := len(text)
	for _, s := range stops {
		if i := strings.Index(text[:end], s); i >= 0 {
			end, stop = i, s
		}
	}
	kept, whole := firstTokens(text[:end], unscaled(c.limit-c.outputTokens, c.newer))
	if kept != "" {
		c.blocks = append(c.blocks, replyBlock{kind: "text", text: kept})
	}
	switch {
	case !whole:
		c.stopReason, c.full = "max_tokens", true
		c.outputTokens = c.limit
		return
	case stop != "":
		c.stopReason, c.stopSequence, c.full = "stop_sequence", stop, true
	}
	c.outputTokens += scaled(countTokens(kept), c.newer)
}

// addTool adds a tool_use block, if it still fits whole.
func (c *composer) addTool(id string, call toolCall) {
	if c.full {
		return
	}
	tokens := scaled(countTokens(call.name)+countTokens(call.input)+tokensPerToolUse, c.newer)
	if c.outputTokens+tokens > c.limit {
		c.stopReason, c.full = "max_tokens", true
		c.outputTokens = c.limit
		return
	}
	c.blocks = append(c.blocks, replyBlock{kind: "tool_use", text: call.input, id: id, name: call.name})
	c.outputTokens += tokens
	c.stopReason = "tool_use"
}

// prescribed answers what the directives say.
func (s *Server) prescribed(c *composer, q *request, t *turn) {
	switch {
	case t.say != nil:
		c.addText(*t.say, q.stops)
	case t.words > 0:
		c.addText(plainWords(min(t.words, c.limit+1)), q.stops)
	}
	if t.stop != "" {
		if !c.full {
			c.stopReason, c.full = t.stop, true
		}
		return
	}
	for _, call := range t.tools {
		c.addTool(s.newID("toolu_01"), call)
	}
}

// forced answers with a call of the tool that the request forces.
func (s *Server) forced(c *composer, q *request) {
	for _, t := range q.tools {
		if q.toolChoice.kind == "any" && !t.server() || t.name == q.toolChoice.name {
			c.addTool(s.newID("toolu_01"), toolCall{name: t.name, input: instance(t.schema)})
			return
		}
	}
}

// written returns the text of an answer that nothing prescribes.
func (s *Server) written(q *request, m *model.Model) string {
	system := joinText(q.system)
	task, said := q.task()
	var h maphash.Hash
	h.SetSeed(s.counter.seed)
	var frame [16]byte
	binary.LittleEndian.PutUint64(frame[:], uint64(len(system)))
	binary.LittleEndian.PutUint64(frame[8:], uint64(said))
	h.Write(frame[:])
	h.WriteString(m.ID)
	h.WriteString(system)
	h.WriteString(task)
	key := h.Sum64()
	if text, ok := s.answers.get(key); ok {
		return text
	}
	seed := reviewSeed(s.seed+uint64(said), m.ID, system, task)
	text := review(system, task, s.marked, seed)
	if s.outputTokens > 0 {
		text = resize(text, unscaled(s.outputTokens, isNewer(m)))
	}
	s.answers.put(key, text)
	return text
}

// resize makes a text as long as tokens of the older tokenizer, by repetition
// where it is too short.
func resize(text string, tokens int) string {
	once := countTokens(text) + 1 // with the line between
	kept, _ := firstTokens(strings.Repeat(text+"\n\n", tokens/once+1), tokens)
	return kept
}

// plainWords returns n words, the same for the same n. They are short: each is
// one token of the older tokenizer.
func plainWords(n int) string {
	const vocabulary = "the answer names what was found why it counts and how to check that it holds"
	words := strings.Fields(vocabulary)
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(words[i%len(words)])
	}
	return b.String()
}

// think adds a thinking block where the request asks for one or the turn says
// so. A model that would think by itself is taken not to need it.
func (s *Server) think(c *composer, q *request, m *model.Model, t *turn) {
	asked := q.thinking != nil && (q.thinking.kind == "adaptive" || q.thinking.kind == "enabled")
	if !asked && (t == nil || t.think == "" || !q.thinks(m)) {
		return
	}
	thought := "The task is short and names what it wants. I will look at what it holds and answer in the form asked for."
	if t != nil && t.think != "" {
		thought = t.think
	}
	limit := c.limit
	if asked && q.thinking.budget != nil {
		limit = min(limit, *q.thinking.budget)
	}
	thought, whole := firstTokens(thought, unscaled(limit, c.newer))
	c.thinkingTokens = scaled(countTokens(thought), c.newer)
	c.outputTokens += c.thinkingTokens
	if !whole && limit == c.limit {
		c.stopReason, c.full = "max_tokens", true
	}
	if !q.showsThinking(c.newer) {
		thought = ""
	}
	c.blocks = append(c.blocks, replyBlock{kind: "thinking", text: thought, signature: s.sign(q.conversation(), m, thought)})
}

// showsThinking reports whether the client gets to read the thinking. Newer
// models leave it out unless they are asked.
func (q *request) showsThinking(newer bool) bool {
	if q.thinking == nil || q.thinking.display == "" {
		return !newer
	}
	return q.thinking.display == "summarized"
}

// binds reports whether the thinking of the model is bound to the conversation
// that it was part of: Fable and Mythos from 5.1 on, and the 5.5 models. All
// but Haiku 5.5 are those that cannot be forced to use a tool.
func binds(m *model.Model) bool {
	return isNewer(m) && !m.ForcedTools || m.LimitGroup == "haiku-5.5"
}

// chain folds one message into the hash of a conversation.
func chain(conversation uint64, m message) uint64 {
	h := fnv.New64a()
	write := func(part string) {
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	h.Write(binary.LittleEndian.AppendUint64(nil, conversation))
	write(m.role)
	for _, b := range m.blocks {
		write(b.kind)
		write(b.text)
		write(withoutCache(true, b.raw))
	}
	return h.Sum64()
}

// signaturePrefix begins the signatures that the simulator gives.
const signaturePrefix = "sim_"

// sign returns the signature of a thinking block that answers a conversation.
func (s *Server) sign(conversation uint64, m *model.Model, thought string) string {
	h := fnv.New128a()
	h.Write(binary.LittleEndian.AppendUint64(nil, s.seed))
	h.Write(binary.LittleEndian.AppendUint64(nil, conversation))
	h.Write([]byte(m.ID + "\n" + thought))
	return signaturePrefix + base64.RawStdEncoding.EncodeToString(h.Sum(nil))
}

// conversation returns the hash of a request's messages.
func (q *request) conversation() uint64 {
	var hash uint64
	for _, m := range q.messages {
		hash = chain(hash, m)
	}
	return hash
}

// hasThinking reports whether the client sends thinking back.
func (q *request) hasThinking() bool {
	for _, m := range q.messages {
		for _, b := range m.blocks {
			if b.kind == "thinking" {
				return true
			}
		}
	}
	return false
}

// checkSignatures judges the thinking blocks that a client sends back. Models
// that bind their thinking take it only as they gave it, after the very
// conversation it was part of; the others look no further than its origin.
func (s *Server) checkSignatures(q *request, m *model.Model) *apiError {
	if !q.hasThinking() {
		return nil
	}
	bound := binds(m)
	var conversation uint64
	for i, msg := range q.messages {
		for k, b := range msg.blocks {
			switch {
			case b.kind != "thinking":
			case !strings.HasPrefix(b.signature, signaturePrefix):
				return invalid("%s: Invalid `signature` in `thinking` block", where(i, k))
			case bound && b.signature != s.sign(conversation, m, b.text):
				return invalid("%s: Invalid `signature` in `thinking` block. The block is bound to a different conversation.", where(i, k))
			}
		}
		if bound {
			conversation = chain(conversation, msg)
		}
	}
	return nil
}
