package sim

import (
	"encoding/binary"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"github.com/claude-force/claude-force/internal/model"
)

// prompt is a request as the model reads it: tools, system prompt and
// messages, measured in the model's own tokens.
type prompt struct {
	tokens int
	cached usage // what of it is read from and written to the prompt cache
	writes []cacheWrite
}

// usage is the tokens of one prompt by the way they are charged.
type usage struct {
	input, read, write5m, write1h int
}

// position is the end of one block of the prompt.
type position struct {
	hash   uint64 // of everything up to here
	tokens int    // up to here, in the older tokenizer
	cache  *cacheControl
}

// cacheWrite is an entry that a call makes once its answer begins.
type cacheWrite struct {
	hash    uint64
	expires time.Time
	ttl     time.Duration
}

// cacheEntry is a prefix in the prompt cache.
type cacheEntry struct {
	expires time.Time
	ttl     time.Duration
}

const (
	// lookback is how many blocks before a breakpoint are looked up.
	lookback = 20
	// unconfirmedMinimum is the shortest cached prefix, in tokens, of models
	// for which the catalogue does not know it: that of their siblings.
	unconfirmedMinimum = 512
)

// measure counts the prompt of a request. With caching the blocks are hashed
// as well and looked up in the prompt cache; a batch does without.
func (s *Server) measure(q *request, m *model.Model, now time.Time, caching bool) *prompt {
	w := &walker{counter: s.counter, hashing: caching && q.hasBreakpoints()}
	w.walk(q, m)
	newer := isNewer(m)
	p := &prompt{tokens: scaled(w.tokens, newer)}
	p.cached.input = p.tokens
	if w.hashing {
		s.lookUp(p, w.positions, m, now)
	}
	return p
}

// hasBreakpoints reports whether the request uses the prompt cache.
func (q *request) hasBreakpoints() bool {
	if q.cacheControl != nil {
		return true
	}
	for _, t := range q.tools {
		if t.cache != nil {
			return true
		}
	}
	for _, b := range q.system {
		if b.cache != nil {
			return true
		}
	}
	for _, m := range q.messages {
		for _, b := range m.blocks {
			if b.cache != nil {
				return true
			}
		}
	}
	return false
}

// walker goes over the blocks of a prompt in the order of its prefixes.
type walker struct {
	counter   *counter
	tokens    int
	hashing   bool
	last      uint64
	positions []position
}

// walk visits the whole prompt.
func (w *walker) walk(q *request, m *model.Model) {
	w.tokens = tokensPerRequest
	w.mix(m.ID, q.speed)
	if len(q.tools) > 0 {
		w.tokens += tokensForTools
		if q.forcesTools() {
			w.tokens += tokensForToolsOnly - tokensForTools
		}
	}
	for _, t := range q.tools {
		w.tokens += w.counter.count(t.raw)
		w.visit(t.cache, "tool", withoutCache(w.hashing, t.raw))
	}
	if len(q.system) > 0 {
		w.tokens += tokensForSystem
	}
	for _, b := range q.system {
		w.block("system", b)
	}
	// These change what the messages mean to the model, so that their part of
	// the prefix does not outlive them.
	if q.thinking != nil {
		w.mix("thinking", q.thinking.raw)
	}
	if q.toolChoice != nil {
		w.mix("tool_choice", q.toolChoice.raw)
	}
	for _, msg := range q.messages {
		w.tokens += tokensPerMessage
		for _, b := range msg.blocks {
			w.block(msg.role, b)
		}
	}
	if q.cacheControl != nil && len(w.positions) > 0 {
		if last := &w.positions[len(w.positions)-1]; last.cache == nil {
			last.cache = q.cacheControl
		}
	}
}

// block visits one content block.
func (w *walker) block(role string, b block) {
	w.tokens += w.counter.block(b)
	if b.kind == "text" {
		w.visit(b.cache, role, b.text)
		return
	}
	w.visit(b.cache, role, withoutCache(w.hashing, b.raw))
}

// visit ends one block.
func (w *walker) visit(c *cacheControl, role, content string) {
	if !w.hashing {
		return
	}
	w.mix(role, content)
	w.positions = append(w.positions, position{hash: w.last, tokens: w.tokens, cache: c})
}

// mix folds two strings into the hash of the prefix.
func (w *walker) mix(a, b string) {
	if !w.hashing {
		return
	}
	var h maphash.Hash
	h.SetSeed(w.counter.seed)
	var frame [16]byte
	binary.LittleEndian.PutUint64(frame[:], w.last)
	binary.LittleEndian.PutUint64(frame[8:], uint64(len(a)))
	h.Write(frame[:])
	h.WriteString(a)
	h.WriteString(b)
	w.last = h.Sum64()
}

// withoutCache returns the members of a JSON object but for cache_control:
// moving a breakpoint does not change what the model reads. It returns nothing
// unless the prompt is hashed.
func withoutCache(hashing bool, raw string) string {
	if !hashing {
		return ""
	}
	var b strings.Builder
	r := &reader{src: raw}
	b.WriteByte('{')
	r.object(func(key string) {
		value := r.raw()
		if key == "cache_control" {
			return
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.Write(appendString(nil, key))
		b.WriteByte(':')
		b.WriteString(value)
	})
	b.WriteByte('}')
	return b.String()
}

// block returns the tokens of one content block in the older tokenizer.
func (c *counter) block(b block) int {
	switch b.kind {
	case "text", "thinking":
		return c.count(b.text)
	case "image":
		return tokensPerImage
	case "document":
		if b.source == "text" || b.source == "content" {
			return c.count(b.raw)
		}
		return tokensPerDocument
	case "tool_result":
		n := countTokens(b.id)
		for _, inner := range b.inner {
			n += c.block(inner)
		}
		return n
	}
	return c.count(b.raw)
}

// lookUp finds the longest prefix that the cache holds and what is to be
// written behind it.
func (s *Server) lookUp(p *prompt, positions []position, m *model.Model, now time.Time) {
	newer := isNewer(m)
	read, readTokens := -1, 0
search:
	for i, at := range slices.Backward(positions) {
		if at.cache == nil {
			continue
		}
		for k := i; k >= 0 && k > i-lookback; k-- {
			if s.touch(positions[k].hash, now) {
				read, readTokens = k, scaled(positions[k].tokens, newer)
				break search
			}
		}
	}
	minimum := m.MinCacheTokens
	if minimum == 0 {
		minimum = unconfirmedMinimum
	}
	p.cached.read = readTokens
	done := readTokens
	for i := read + 1; i < len(positions); i++ {
		at := positions[i]
		tokens := scaled(at.tokens, newer)
		if at.cache == nil || tokens < minimum {
			continue
		}
		ttl := 5 * time.Minute
		if at.cache.hour {
			ttl = time.Hour
			p.cached.write1h += tokens - done
		} else {
			p.cached.write5m += tokens - done
		}
		done = tokens
		p.writes = append(p.writes, cacheWrite{hash: at.hash, expires: now.Add(ttl), ttl: ttl})
	}
	p.cached.input = p.tokens - done
}

// touch reports whether the cache holds a prefix; using it renews it.
func (s *Server) touch(hash uint64, now time.Time) bool {
	entry, ok := s.prefixes.get(hash)
	if !ok || !now.Before(entry.expires) {
		return false
	}
	entry.expires = now.Add(entry.ttl)
	s.prefixes.put(hash, entry)
	return true
}

// commit makes the entries that a call writes. That happens when its answer
// begins: calls that start together do not read each other's prefix.
func (s *Server) commit(p *prompt) {
	for _, w := range p.writes {
		s.prefixes.put(w.hash, cacheEntry{expires: w.expires, ttl: w.ttl})
	}
}
