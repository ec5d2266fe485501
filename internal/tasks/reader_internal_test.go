package tasks

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

func TestLimitOfALine(t *testing.T) {
	const limit = 300_000 // more than one chunk
	object := func(size int) string { return `{"id":"a","task":"` + strings.Repeat("x", size-20) + `"}` }
	for name, c := range map[string]struct {
		line string
		cut  bool
	}{
		"at the limit":         {object(limit), false},
		"one more":             {object(limit + 1), true},
		"CR at the limit":      {object(limit) + "\r", false},
		"CR CR at the limit":   {object(limit) + "\r\r", true},
		"mark at the limit":    {"\ufeff" + object(limit) + "\r", false},
		"mark and one more":    {"\ufeff" + object(limit+1) + "\r", true},
		"blank up to there":    {object(limit-1) + " ", false},
		"blank and one more":   {object(limit) + " ", true},
		"a chunk":              {object(chunk), false},
		"a chunk, its newline": {object(chunk - 1), false},
	} {
		for _, end := range []string{"", "\n", "\n{}"} {
			if end == "" && strings.HasSuffix(c.line, "\r") {
				continue // CR is part of an ending only before LF
			}
			r := newReader(strings.NewReader(c.line+end), limit)
			line, err := r.Next()
			if err != nil || (line.Err != nil) != c.cut || line.Task.ID.Text != "a" || line.End != int64(len(c.line)+min(len(end), 1)) {
				t.Errorf("%s, then %q: %v, %v, id %q, end %d", name, end, err, line.Err, line.Task.ID.Text, line.End)
			}
			if _, err := r.Next(); (end == "\n{}") != (err == nil) {
				t.Errorf("%s, then %q: behind it %v", name, end, err)
			}
		}
	}
}

// FuzzReader holds the reader against encoding/json, line by line.
func FuzzReader(f *testing.F) {
	const limit = 200
	for _, s := range []string{
		"", "\n", "{}", "\ufeff{}\r\n{}", `{"id":"a","task":"b"}` + "\n" + `{"id":1,"timeout":"5s"}`, `{"id":"\ud800"}`,
		`{"\u0069d":-0,"id":1e2}`, `{"id":"a"`, `{"id":12`, `{"id":"a\\\""}x`, "{\"id\":\"\xff\"}", `{"a":[{"id":"}"},"]"],"id":true}`, "\x00{}",
		strings.Repeat("x", 250) + "\n{}", `{"id":"long","task":"` + strings.Repeat("y", 250), `{"max_tokens":1,"temperature":-1.5e-3}`, `[[[`, `{"a":}}}`, `{"a" "b"`, `{,}`, `{"":0}`,
	} {
		f.Add([]byte(s), byte(0))
	}
	f.Fuzz(func(t *testing.T, data []byte, way byte) {
		var in io.Reader = bytes.NewReader(data)
		switch way % 3 {
		case 1:
			in = iotest.OneByteReader(in)
		case 2:
			in = iotest.DataErrReader(in)
		}
		r := newReader(in, limit)
		var end int64
		for i, raw := range bytes.SplitAfter(data, []byte("\n")) {
			end += int64(len(raw))
			raw = bytes.TrimSuffix(raw, []byte("\n"))
			if end < int64(len(data)) || bytes.HasSuffix(data, []byte("\n")) {
				raw = bytes.TrimSuffix(raw, []byte("\r"))
			}
			if i == 0 {
				raw = bytes.TrimPrefix(raw, []byte("\ufeff"))
			}
			if len(bytes.Trim(raw, " \t\r\n")) == 0 && len(raw) <= limit {
				continue
			}
			line, err := r.Next()
			if err != nil || line.Number != int64(i+1) || line.End != end {
				t.Fatalf("line %d to %d: got %d to %d, %v", i+1, end, line.Number, line.End, err)
			}
			compare(t, raw, line, limit)
		}
		if line, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Fatalf("a line too many: %+v, %v", line, err)
		}
	})
}

// compare checks a line with what encoding/json makes of it.
func compare(t *testing.T, raw []byte, line Line, limit int) {
	if id, err := line.Task.ID.MarshalJSON(); err != nil || !json.Valid(id) {
		t.Fatalf("%q: the id %+v is written as %s, %v", raw, line.Task.ID, id, err)
	}
	if len(raw) > limit {
		if line.Err == nil || line.Raw != nil {
			t.Fatalf("%d bytes are no error", len(raw))
		}
		return
	}
	if !bytes.Equal(raw, line.Raw) {
		t.Fatalf("raw is %q, want %q", line.Raw, raw)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil || fields == nil || !utf8.Valid(raw) {
		if line.Err == nil {
			t.Fatalf("%q is a task: %+v", raw, line.Task)
		}
		return
	}
	if line.Err != nil {
		return // a wrong type or value: the tables tell which
	}
	// Of a name that comes twice, a null does not count here.
	if bytes.Count(raw, []byte(`null`)) == 0 && bytes.IndexByte(raw, '\\') < 0 {
		for name, got := range map[string]string{"agent": line.Task.Agent, "task": line.Task.Task, "model": line.Task.Model, "effort": line.Task.Effort} {
			var want string
			_ = json.Unmarshal(fields[name], &want)
			if got != want {
				t.Fatalf("%q: %s is %q, want %q", raw, name, got, want)
			}
		}
		if id, err := line.Task.ID.MarshalJSON(); fields["id"] != nil && (err != nil || !sameJSON(id, fields["id"])) {
			t.Fatalf("%q: id is %s", raw, id)
		}
	}
	if got, most := len(line.Task.Unknown), len(fields); got > min(most, maxUnknown) {
		t.Fatalf("%q: %d unknown fields of %d", raw, got, most)
	}
}

// sameJSON compares numbers by their digits and strings by their text.
func sameJSON(a, b []byte) bool {
	if a[0] != '"' || b[0] != '"' {
		return bytes.Equal(a, b)
	}
	var x, y string
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && x == y
}
