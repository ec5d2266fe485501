package learned

import (
	"unicode"
	"unicode/utf8"
)

// maxWord is how many bytes of a word are looked at: longer ones are no words.
const maxWord = 48

// Word is one word or number of a text.
type Word struct {
	// Lower is the word in small letters, at most 48 bytes of it. It is only
	// valid until the next word.
	Lower []byte
	// Start and End are where it stands in the text, in bytes.
	Start, End int
	Runes      int
	Number     bool // begins with a digit
	Upper      bool // begins with a capital
	Capitals   bool // two or more capitals and nothing else
}

// Words calls visit with each word of the text, in order. A word is a run of
// letters and digits.
func Words(text string, visit func(*Word)) {
	var buffer [maxWord + utf8.UTFMax]byte
	w := Word{Lower: buffer[:0]}
	inside := false
	for i, r := range text {
		letter := isWordRune(r)
		switch {
		case letter && !inside:
			inside = true
			w = Word{Lower: buffer[:0], Start: i, Number: isDigit(r), Upper: isUpper(r), Capitals: true}
		case !letter && inside:
			inside = false
			w.finish(i, visit)
		}
		if letter {
			w.add(r)
		}
	}
	if inside {
		w.finish(len(text), visit)
	}
}

func (w *Word) add(r rune) {
	w.Runes++
	w.Capitals = w.Capitals && isUpper(r)
	if len(w.Lower) >= maxWord {
		return
	}
	switch {
	case 'A' <= r && r <= 'Z':
		w.Lower = append(w.Lower, byte(r)+'a'-'A')
	case r < utf8.RuneSelf:
		w.Lower = append(w.Lower, byte(r))
	default:
		w.Lower = utf8.AppendRune(w.Lower, unicode.ToLower(r))
	}
}

func (w *Word) finish(end int, visit func(*Word)) {
	w.End = end
	w.Capitals = w.Capitals && w.Runes > 1
	visit(w)
}

func isWordRune(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	}
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

func isDigit(r rune) bool {
	return '0' <= r && r <= '9' || r >= utf8.RuneSelf && unicode.IsDigit(r)
}

func isUpper(r rune) bool {
	return 'A' <= r && r <= 'Z' || r >= utf8.RuneSelf && unicode.IsUpper(r)
}

// Buckets is how many buckets words hash to.
const Buckets = 1 << 15

// bucket is where a word's weight stands: the upper bits of the 32-bit FNV-1a
// hash of its beginning, so that forms of a word share one. Numbers share a
// bucket with those of the same length.
func (w *Word) bucket() uint16 {
	const offset, prime, bits, stem = 2166136261, 16777619, 15, 5
	h := uint32(offset)
	if w.Number {
		h = (h ^ '#') * prime
		return uint16(((h ^ uint32(min(w.Runes, 5))) * prime) >> (32 - bits))
	}
	for _, c := range w.Lower[:min(len(w.Lower), stem)] {
		h = (h ^ uint32(c)) * prime
	}
	return uint16(h >> (32 - bits))
}
