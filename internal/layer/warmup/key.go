package warmup

import (
	"encoding/binary"
	"hash/maphash"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

// timeToLive returns how long the request's prefix stays in the prompt cache,
// or 0 where there is nothing to warm up.
func timeToLive(req *llm.Request) time.Duration {
	if !req.WarmUp || len(req.System) == 0 {
		return 0
	}
	last := &req.System[len(req.System)-1]
	switch {
	case last.CacheTTL == "" || len(last.JSON) > 0:
		return 0
	case last.CacheTTL == "1h":
		return time.Hour
	}
	return 5 * time.Minute
}

// key identifies the prefix within this process. It covers whatever may give a
// request a cache entry of its own: with one field too many a prefix is led
// once more, with one too few its calls go out cold, all at once. Two prefixes
// with one key would wait for each other, and nothing worse.
func (c *caller) key(req *llm.Request) uint64 {
	var h maphash.Hash
	h.SetSeed(c.seed)
	texts(&h, req.Model, req.Speed, req.Geo, req.Effort)
	texts(&h, req.Betas...)
	raw(&h, req.Tools)
	raw(&h, req.Thinking)
	raw(&h, req.OutputFormat)
	for i := range req.System {
		texts(&h, req.System[i].Text, req.System[i].CacheTTL)
		raw(&h, req.System[i].JSON)
	}
	return h.Sum64()
}

// texts and raw frame what they add: the parts "ab" and "c" are not "a" and
// "bc".
func texts(h *maphash.Hash, parts ...string) {
	length(h, len(parts))
	for _, s := range parts {
		length(h, len(s))
		_, _ = h.WriteString(s) // never fails
	}
}

func raw(h *maphash.Hash, part []byte) {
	length(h, len(part))
	_, _ = h.Write(part) // never fails
}

func length(h *maphash.Hash, n int) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(n))
	_, _ = h.Write(b[:]) // never fails
}
