package sim

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// FuzzReader compares the reader with encoding/json: both take the same texts
// and read the same strings.
func FuzzReader(f *testing.F) {
	for _, text := range []string{
		`{"a":[1,-2.5e+3,true,null,"x\n\u00e9\ud83d\ude00"]}`, `[]`, `""`, `"\ud800"`, `01`, `1.`, `-`, `{"a":}`, `[1,]`,
		"\"\x01\"", `nul`, ` 1 `, `{"a":1,"a":2}`, `"\x"`, `"\u12"`, `1e5`, `[[[[]]]]`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			t.Skip("refused before it is read")
		}
		r := &reader{src: text}
		r.skip()
		ok := r.err == nil && r.peek() == 0 && r.pos == len(text)
		if valid := json.Valid([]byte(text)); valid != ok && !deep(text) {
			t.Fatalf("%q: valid is %v, the reader says %v", text, valid, r.err)
		}
		var want string
		if r = (&reader{src: text}); json.Unmarshal([]byte(text), &want) != nil || r.peek() != '"' {
			return
		}
		got := r.str()
		if quoted, _ := json.Marshal(got); string(quoted) != string(must(json.Marshal(want))) {
			t.Fatalf("%q reads as %q, want %q", text, got, want)
		}
		var back string
		if err := json.Unmarshal(appendString(nil, got), &back); err != nil || back != want {
			t.Fatalf("%q is written as %s: %v", got, appendString(nil, got), err)
		}
	})
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// deep reports whether a text may nest deeper than the reader goes.
func deep(text string) bool {
	n := 0
	for i := range len(text) {
		if text[i] == '[' || text[i] == '{' {
			n++
		}
	}
	return n > maxDepth
}

// TestLRU checks that memory is bounded and that what is used stays.
func TestLRU(t *testing.T) {
	l := newLRU[int, int](3)
	for i := range 10 {
		l.put(i, i)
		l.get(0)
	}
	if _, ok := l.get(0); !ok || l.len() != 3 {
		t.Errorf("%d values, the one in use is there: %v", l.len(), ok)
	}
	if _, ok := l.get(5); ok {
		t.Error("an old value is still there")
	}
}
