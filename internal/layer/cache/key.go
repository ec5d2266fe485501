package cache

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/claude-force/claude-force/internal/llm"
)

// Place is what shapes an answer beside the request's body: who is asked, and
// who shares the answer.
type Place struct {
	// BaseURL and Version are the API's address and anthropic-version.
	BaseURL, Version string
	// Scope is the project's folder, or empty for all projects of the user.
	Scope string
	// Variant tells apart callers who want another sample of the same
	// request; empty is the first.
	Variant string
	// Memory says whether past work may join the prompt. Its text is not part
	// of the key: each run would change the key of the next.
	Memory bool
}

// keyVersion begins every key. Changing it, or anything below, makes every
// user's cache miss once.
const keyVersion = "claude-force answer 1"

// KeyOf returns the key of a request at a place: SHA-256 over the fields, each
// behind its length, so that no two sets of fields spell the same bytes.
func KeyOf(req *llm.Request, p Place) Key {
	memory := "off"
	if p.Memory {
		memory = "on"
	}
	fields := [...]string{keyVersion, p.BaseURL, p.Version, p.Scope, p.Variant, memory}
	buf := make([]byte, 0, 512)
	for _, f := range fields {
		buf = appendField(buf, f)
	}
	buf = binary.LittleEndian.AppendUint64(buf, uint64(len(req.Betas)))
	for _, b := range req.Betas {
		buf = appendField(buf, b)
	}
	// The body comes last, so its end is the end.
	h := sha256.New()
	_, _ = h.Write(buf)
	_, _ = h.Write(req.Body())
	var key Key
	h.Sum(key[:0])
	return key
}

func appendField(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}
