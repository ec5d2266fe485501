package tasks_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/tasks"
)

func text(s string) tasks.ID { return tasks.ID{Text: s} }

func number(s string) tasks.ID { return tasks.ID{Text: s, Number: true} }

// readAll returns every line of a file, with copies of what is only lent.
func readAll(t *testing.T, r io.Reader) []tasks.Line {
	t.Helper()
	reader := tasks.NewReader(r)
	var out []tasks.Line
	for {
		line, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		line.Raw = append([]byte(nil), line.Raw...)
		out = append(out, line)
	}
}

func TestTasks(t *testing.T) {
	for name, c := range map[string]struct {
		line string
		want tasks.Task
	}{
		"all fields": {
			`{"id":"a","agent":"code-reviewer","task":"Review.","model":"haiku","max_tokens":50,"temperature":0.5,"effort":"low","timeout":"90s"}`,
			tasks.Task{ID: text("a"), Agent: "code-reviewer", Task: "Review.", Model: "haiku", MaxTokens: 50, Temperature: new(0.5), Effort: "low", Timeout: 90 * time.Second},
		},
		"white space":          {" \t{ \"id\" : \"a\" ,\t\"task\" : \"b\" } ", tasks.Task{ID: text("a"), Task: "b"}},
		"empty object":         {`{}`, tasks.Task{ID: text("line-1")}},
		"number id":            {`{"id":9007199254740993}`, tasks.Task{ID: number("9007199254740993")}},
		"negative id":          {`{"id":-7}`, tasks.Task{ID: number("-7")}},
		"long number id":       {`{"id":` + strings.Repeat("9", 256) + `}`, tasks.Task{ID: number(strings.Repeat("9", 256))}},
		"null id":              {`{"id":null}`, tasks.Task{ID: text("line-1")}},
		"escaped id":           {`{"id":"a\"\\\u00e9\n"}`, tasks.Task{ID: text("a\"\\é\n")}},
		"escaped name":         {`{"\u0069d":"a"}`, tasks.Task{ID: text("a")}},
		"quotes and braces":    {`{"task":"say \"}\" and \\","id":"a"}`, tasks.Task{ID: text("a"), Task: `say "}" and \`}},
		"nulls":                {`{"id":"a","agent":null,"task":null,"model":null,"max_tokens":null,"temperature":null,"effort":null,"timeout":null}`, tasks.Task{ID: text("a")}},
		"the last one counts":  {`{"id":"a","task":"x","id":"b","task":"y"}`, tasks.Task{ID: text("b"), Task: "y"}},
		"tags":                 {`{"id":"a","tags":{"team":"red","n":"1"}}`, tasks.Task{ID: text("a"), Tags: map[string]string{"team": "red", "n": "1"}}},
		"no tags":              {`{"id":"a","tags":null}`, tasks.Task{ID: text("a")}},
		"seconds":              {`{"id":"a","timeout":1.5}`, tasks.Task{ID: text("a"), Timeout: 1500 * time.Millisecond}},
		"zero temperature":     {`{"id":"a","temperature":0}`, tasks.Task{ID: text("a"), Temperature: new(0.0)}},
		"unknown fields":       {`{"id":"a","Agent":"x","meta":{"id":"b","list":[1,{"task":"c"}]},"meta":1}`, tasks.Task{ID: text("a"), Unknown: []string{"Agent", "meta"}}},
		"a long unknown field": {`{"id":"a","` + strings.Repeat("ä", 100) + `":1}`, tasks.Task{ID: text("a"), Unknown: []string{strings.Repeat("ä", 32)}}},
		"many unknown fields":  {`{"id":"a","1":1,"2":1,"3":1,"4":1,"5":1,"6":1,"7":1,"8":1,"9":1}`, tasks.Task{ID: text("a"), Unknown: strings.Split("12345678", "")}},
	} {
		t.Run(name, func(t *testing.T) {
			lines := readAll(t, strings.NewReader(c.line+"\n"))
			if len(lines) != 1 || lines[0].Err != nil {
				t.Fatalf("lines = %+v", lines)
			}
			if got := lines[0]; !reflect.DeepEqual(got.Task, c.want) || string(got.Raw) != c.line || got.Number != 1 || got.End != int64(len(c.line)+1) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestBrokenLines(t *testing.T) {
	for name, c := range map[string]struct {
		line string
		id   tasks.ID
		want string // part of the message
	}{
		"no JSON":               {`hello`, tasks.ID{}, "not valid JSON: invalid character 'h'"},
		"torn":                  {`{"id":"a","task":"b`, text("a"), "not valid JSON: unexpected end"},
		"torn in a number id":   {`{"id":12`, tasks.ID{}, "not valid JSON"},
		"broken behind the id":  {`{"id":12,"task":b}`, number("12"), "not valid JSON"},
		"broken id":             {`{"id":"a` + "\t" + `","task":b}`, tasks.ID{}, "not valid JSON"},
		"broken name":           {`{"\x":1,"id":"a"}`, text("a"), "not valid JSON"},
		"too many brackets":     {`{"x":[1]],"id":"a"}`, tasks.ID{}, "not valid JSON"},
		"trailing object":       {`{"id":"a"}{"id":"b"}`, text("a"), "not valid JSON: invalid character '{' after"},
		"trailing comma":        {`{"id":"a",}`, text("a"), "not valid JSON"},
		"array":                 {`[{"id":"a"}]`, tasks.ID{}, "not a JSON object"},
		"string":                {`"id"`, tasks.ID{}, "not a JSON object"},
		"null":                  {`null`, tasks.ID{}, "not a JSON object"},
		"Latin-1":               {"{\"id\":\"a\",\"task\":\"gr\xfc\xdfe\"}", text("a"), "not UTF-8"},
		"Latin-1 id":            {"{\"id\":\"gr\xfc\xdfe\"}", tasks.ID{}, "not UTF-8"},
		"NUL":                   {"\x00\x00\x00", tasks.ID{}, "not valid JSON"},
		"deep":                  {`{"id":"a","x":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, text("a"), "exceeded max depth"},
		"empty id":              {`{"id":"","task":"b"}`, tasks.ID{}, `an empty "id"`},
		"fraction id":           {`{"id":1.5}`, tasks.ID{}, `neither text nor a whole number`},
		"exponent id":           {`{"id":1e3}`, tasks.ID{}, `neither text nor a whole number`},
		"object id":             {`{"id":{}}`, tasks.ID{}, `neither text nor a whole number`},
		"bool id":               {`{"id":true}`, tasks.ID{}, `neither text nor a whole number`},
		"long id":               {`{"id":"` + strings.Repeat("x", 257) + `"}`, tasks.ID{}, `more than 256 bytes`},
		"task":                  {`{"task":["a"],"id":"a"}`, text("a"), `value of "task" that is not text`},
		"agent":                 {`{"agent":7,"id":"a"}`, text("a"), `value of "agent" that is not text`},
		"no id":                 {`{"agent":7}`, tasks.ID{}, `"agent"`},
		"max_tokens 0":          {`{"id":"a","max_tokens":0}`, text("a"), `"max_tokens" that is not a whole number from 1`},
		"max_tokens 1.5":        {`{"id":"a","max_tokens":1.5}`, text("a"), `"max_tokens"`},
		"max_tokens large":      {`{"id":"a","max_tokens":99999999999999999999}`, text("a"), `"max_tokens"`},
		"max_tokens text":       {`{"id":"a","max_tokens":"5"}`, text("a"), `"max_tokens"`},
		"temperature text":      {`{"id":"a","temperature":"hot"}`, text("a"), `"temperature" that is not a number`},
		"temperature infinite":  {`{"id":"a","temperature":1e999}`, text("a"), `"temperature"`},
		"tags of a list":        {`{"id":"a","tags":["x"]}`, text("a"), `"tags" that are no object of text`},
		"tags of numbers":       {`{"id":"a","tags":{"x":1}}`, text("a"), `"tags" that are no object of text`},
		"tags of null":          {`{"id":"a","tags":{"x":null}}`, text("a"), `"tags" that are no object of text`},
		"timeout text":          {`{"id":"a","timeout":"soon"}`, text("a"), `"timeout" that is neither`},
		"timeout 0":             {`{"id":"a","timeout":0}`, text("a"), `"timeout"`},
		"timeout negative":      {`{"id":"a","timeout":"-5s"}`, text("a"), `"timeout"`},
		"timeout large":         {`{"id":"a","timeout":1e300}`, text("a"), `"timeout"`},
		"timeout true":          {`{"id":"a","timeout":true}`, text("a"), `"timeout"`},
		"two faults, the first": {`{"id":"a","max_tokens":-1,"timeout":0}`, text("a"), `"max_tokens"`},
	} {
		t.Run(name, func(t *testing.T) {
			lines := readAll(t, strings.NewReader("\n"+c.line+"\n{\"id\":\"next\"}"))
			if len(lines) != 2 || lines[1].Err != nil || lines[1].Task.ID != text("next") || lines[1].Number != 3 {
				t.Fatalf("lines = %+v, want two", lines)
			}
			got := lines[0]
			if got.Err == nil || got.Err.Code != llm.CodeUsage || !strings.Contains(got.Err.Message, c.want) || !strings.HasPrefix(got.Err.Message, "line 2 of the task file ") {
				t.Errorf("error = %v, want %q", got.Err, c.want)
			}
			if want := (tasks.Task{ID: c.id}); !reflect.DeepEqual(got.Task, want) {
				t.Errorf("task = %+v, want %+v", got.Task, want)
			}
		})
	}
}

func TestFileShapes(t *testing.T) {
	type place struct{ number, end int64 }
	for name, c := range map[string]struct {
		file string
		want []place
	}{
		"empty":               {"", nil},
		"only blank":          {"\n \t\n\r\n", nil},
		"only a mark":         {"\ufeff", nil},
		"mark, CRLF, no end":  {"\ufeff{}\r\n\r\n{}", []place{{1, 7}, {3, 11}}},
		"blank lines counted": {"\n{}\n\n{}\n\n", []place{{2, 4}, {4, 8}}},
		"CR alone is no end":  {"{}\r{}\n", []place{{1, 6}}},
	} {
		for way, wrap := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "end with data": iotest.DataErrReader,
		} {
			t.Run(name+"/"+way, func(t *testing.T) {
				var got []place
				for _, line := range readAll(t, wrap(strings.NewReader(c.file))) {
					got = append(got, place{line.Number, line.End})
				}
				if !reflect.DeepEqual(got, c.want) {
					t.Errorf("lines at %v, want %v", got, c.want)
				}
			})
		}
	}
}

func TestIDsAsJSON(t *testing.T) {
	for _, c := range []struct {
		id   tasks.ID
		want string
	}{
		{tasks.ID{}, `null`},
		{number("-12"), `-12`},
		{text("-12"), `"-12"`},
		{text("a<\"b\">\n"), `"a<\"b\">\n"`},
	} {
		if got, err := c.id.MarshalJSON(); err != nil || string(got) != c.want {
			t.Errorf("%+v is %s, %v, want %s", c.id, got, err, c.want)
		}
	}
	if got, err := json.Marshal(struct{ ID tasks.ID }{number("7")}); err != nil || string(got) != `{"ID":7}` {
		t.Errorf("in an object: %s, %v", got, err)
	}
}

func TestAFileThatCannotBeRead(t *testing.T) {
	fault := errors.New("disk on fire")
	r := tasks.NewReader(io.MultiReader(strings.NewReader("{}\n{\"id\":"), iotest.ErrReader(fault)))
	if line, err := r.Next(); err != nil || line.Number != 1 {
		t.Fatalf("first line: %+v, %v", line, err)
	}
	for range 2 { // half a line is no line, and the error stays
		if _, err := r.Next(); !errors.Is(err, fault) || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("error = %v", err)
		}
	}
}

// endless is a file of one long line that is made as it is read. What it
// leaves in the buffer is what stood there before, without a newline.
type endless struct{ left int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), e.left))
	e.left -= int64(n)
	return n, nil
}

func TestALineOfThreeGigabytes(t *testing.T) {
	const huge = 3 << 30
	r := tasks.NewReader(io.MultiReader(
		strings.NewReader(`{"id":"big","task":"`), &endless{huge}, strings.NewReader("\"}\n{\"id\":\"next\"}\n"),
	))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	line, err := r.Next()
	if err != nil || line.Err == nil || !strings.Contains(line.Err.Message, "longer than 34 MB") || line.Task.ID != text("big") || line.Raw != nil {
		t.Errorf("the long line: %+v, %v", line, err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 256<<20 {
		t.Errorf("%d MB were allocated for one line", got>>20)
	}
	line, err = r.Next()
	if err != nil || line.Err != nil || line.Task.ID != text("next") || line.Number != 2 || line.End != huge+37 {
		t.Errorf("the next line: %+v, %v", line, err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if after.HeapAlloc > before.HeapAlloc+8<<20 {
		t.Errorf("%d MB are held after the long line", (after.HeapAlloc-before.HeapAlloc)>>20)
	}
	runtime.KeepAlive(r)
}

func TestManyLinesInFlatMemory(t *testing.T) {
	const n = 300_000
	in, out := io.Pipe()
	go func() {
		line := []byte(`{"id":123456,"agent":"code-reviewer","task":"Review the change."}` + "\n")
		many := []byte(strings.Repeat(string(line), 1000))
		for range n / 1000 {
			if _, err := out.Write(many); err != nil {
				return
			}
		}
		out.Close()
	}()
	r := tasks.NewReader(in)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range n {
		if line, err := r.Next(); err != nil || line.Err != nil {
			t.Fatalf("line %d: %v, %v", i+1, err, line.Err)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if after.HeapAlloc > before.HeapAlloc+4<<20 {
		t.Errorf("%d MB more are held at the end", (after.HeapAlloc-before.HeapAlloc)>>20)
	}
	runtime.KeepAlive(r)
}

func TestSeen(t *testing.T) {
	var seen tasks.Seen
	if seen.Has("a") || seen.Len() != 0 {
		t.Error("an empty set holds something")
	}
	const n = 10_000
	for round, fresh := range []bool{true, false} {
		for i := range n {
			if got := seen.Add(fmt.Sprint("task-", i)); got != fresh {
				t.Fatalf("round %d: Add of %d is %v", round, i, got)
			}
		}
	}
	if seen.Len() != n || !seen.Has("task-0") || !seen.Has("task-9999") || seen.Has("task-10000") || seen.Has("") {
		t.Errorf("Len is %d, or Has is wrong", seen.Len())
	}
}

func TestSeenIsSmall(t *testing.T) {
	var before, after runtime.MemStats
	var seen tasks.Seen
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 1_000_000 {
		seen.Add(string(fmt.Appendf(nil, "task-%d", i)))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if got := int64(after.HeapAlloc) - int64(before.HeapAlloc); got > 20<<20 {
		t.Errorf("1,000,000 ids take %d MB", got>>20)
	} else {
		t.Logf("%d bytes an id", got/1_000_000)
	}
	if seen.Len() != 1_000_000 {
		t.Errorf("Len is %d", seen.Len())
	}
}
