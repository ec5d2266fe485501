package cache

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// Signer signs entries with a secret, so that a file that somebody else has
// written is never served. It is safe for concurrent use.
type Signer struct {
	secret []byte
	id     [8]byte
}

// NewSigner returns a signer with a secret, which must not be empty.
func NewSigner(secret []byte) *Signer {
	s := &Signer{secret: secret}
	// The id names the secret without telling it.
	sum := sha256.Sum256(append([]byte("claude-force signer 1\x00"), secret...))
	copy(s.id[:], sum[:])
	return s
}

// ID names the secret: entries of another one are not this signer's.
func (s *Signer) ID() [8]byte { return s.id }

// sign covers key and time too: an entry can neither be moved to another
// request nor be made younger.
func (s *Signer) sign(key Key, stored time.Time, value []byte) (mac [32]byte) {
	h := hmac.New(sha256.New, s.secret)
	var head [8]byte
	binary.LittleEndian.PutUint64(head[:], uint64(stored.UnixMicro()))
	_, _ = h.Write(key[:])
	_, _ = h.Write(head[:])
	_, _ = h.Write(value)
	h.Sum(mac[:0])
	return mac
}

// Genuine reports whether an entry was made by this signer, for this key.
func (s *Signer) Genuine(key Key, e Entry) bool {
	want := s.sign(key, e.Stored, e.Value)
	return e.Signer == s.id && hmac.Equal(want[:], e.MAC[:])
}
