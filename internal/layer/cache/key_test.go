package cache_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/claude-force/claude-force/internal/layer/cache"
	"github.com/claude-force/claude-force/internal/layer/cache/cachetest"
	"github.com/claude-force/claude-force/internal/llm"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// full is a request in which every parameter is set.
func full() llm.Params {
	temperature := 0.25
	return llm.Params{
		Model: "claude-sonnet-5-5", MaxTokens: 4096,
		System:        []llm.Block{{Text: "You review code.", CacheTTL: "5m"}},
		Messages:      []llm.Message{{Role: "user", Content: []llm.Block{{Text: "Review this."}}}},
		Temperature:   &temperature,
		StopSequences: []string{"END"},
		Effort:        "high",
		OutputFormat:  json.RawMessage(`{"type":"json_schema","schema":{}}`),
		Thinking:      json.RawMessage(`{"type":"adaptive"}`),
		Tools:         json.RawMessage(`[{"name":"t"}]`), ToolChoice: json.RawMessage(`{"type":"auto"}`),
		Speed: "fast", Geo: "us",
		Betas: []string{"one-2026-01-01", "two-2026-02-02"},
	}
}

func place() cache.Place {
	return cache.Place{BaseURL: "https://api.anthropic.com", Version: "2023-06-01", Scope: "/home/of/a/project", Variant: "2", Memory: true}
}

// Keys of answers that users have kept stay what they are from release to
// release.
func TestKeysStay(t *testing.T) {
	small := llm.Params{Model: "claude-haiku-5-5", MaxTokens: 1, Messages: []llm.Message{{Role: "user", Content: []llm.Block{{Text: "hi"}}}}}
	noTools := full()
	noTools.Tools, noTools.ToolChoice = nil, nil
	var got strings.Builder
	for _, c := range []struct {
		name   string
		params llm.Params
		place  cache.Place
	}{
		{"small, nowhere", small, cache.Place{}},
		{"small, at the API", small, cache.Place{BaseURL: "https://api.anthropic.com", Version: "2023-06-01"}},
		{"full", full(), place()},
		{"full, without tools", noTools, place()},
	} {
		key := cache.KeyOf(llm.New(c.params, llm.Labels{}), c.place)
		fmt.Fprintf(&got, "%s: %s\n", c.name, hex.EncodeToString(key[:]))
	}
	file := filepath.Join("testdata", "keys.txt")
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("every user's cache would miss once\ngot  %s\nwant %s", got.String(), want)
	}
}

// change returns a value that differs, for each type that the fields have.
func change(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Int:
		v.SetInt(v.Int() + 1)
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			v.SetBytes([]byte(`{"other":true}`))
			return
		}
		v.Set(v.Slice(0, v.Len()-1))
	default:
		t.Fatalf("a field of the kind %v: say here how it changes", v.Kind())
	}
}

// Everything that shapes an answer is in the key: a field that is added later
// fails this test until it is.
func TestEveryFieldChangesTheKey(t *testing.T) {
	keys := map[cache.Key]string{cache.KeyOf(llm.New(full(), llm.Labels{}), place()): "nothing"}
	add := func(name string, p llm.Params, at cache.Place) {
		t.Helper()
		key := cache.KeyOf(llm.New(p, llm.Labels{}), at)
		if other, taken := keys[key]; taken {
			t.Errorf("a change of %s gives the key of a change of %s", name, other)
		}
		keys[key] = name
	}
	for i, f := range reflect.VisibleFields(reflect.TypeFor[llm.Params]()) {
		p := full()
		change(t, reflect.ValueOf(&p).Elem().Field(i))
		add("Params."+f.Name, p, place())
	}
	for i, f := range reflect.VisibleFields(reflect.TypeFor[cache.Place]()) {
		at := place()
		change(t, reflect.ValueOf(&at).Elem().Field(i))
		add("Place."+f.Name, full(), at)
	}
	p := full()
	p.System[0].CacheTTL = "1h"
	add("a prompt-cache breakpoint", p, place())
	p = full()
	p.Messages[0].Role = "assistant"
	add("a role", p, place())
	p = full()
	p.Messages[0].Content = []llm.Block{{Text: "Review "}, {Text: "this."}}
	add("the cut of a text into blocks", p, place())
	p = full()
	p.Betas = []string{"one-2026-01-01two-2026-02-02"}
	add("the cut of betas", p, place())
}

// Who asks and why shapes no answer.
func TestLabelsAreNotInTheKey(t *testing.T) {
	a := llm.New(full(), llm.Labels{RunID: "1", Agent: "a", Requested: "sonnet", TaskHash: "x"})
	b := llm.New(full(), llm.Labels{RunID: "2", Agent: "b", Requested: "claude-sonnet-5-5", TaskHash: "y"})
	b.Reuse.Mode = llm.ReuseRefresh
	if cache.KeyOf(a, place()) != cache.KeyOf(b, place()) {
		t.Error("labels change the key")
	}
}

// Past work joins the prompt in a layer below, another one each time: were its
// text in the key, nothing would ever hit. Only whether it may join is.
func TestMemoryTextIsNotInTheKey(t *testing.T) {
	work := 0
	store := &cachetest.Memory{}
	source := func() llm.Source {
		r := newRig(t, store, nil)
		recall := llm.CallerFunc(func(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
			work++
			p := req.Params
			p.Messages = append([]llm.Message{{Role: "user", Content: []llm.Block{{Text: fmt.Sprint("Past work ", work)}}}}, p.Messages...)
			return r.next.Call(ctx, llm.New(p, req.Labels), emit)
		})
		p := full()
		p.Tools = nil
		req := llm.New(p, llm.Labels{})
		req.Reuse = llm.Reuse{Mode: llm.ReuseOn, Key: cache.KeyOf(req, cache.Place{Memory: true})}
		resp, err := r.Layer()(recall).Call(t.Context(), req, llm.Discard)
		if err != nil {
			t.Fatal(err)
		}
		return resp.Source
	}
	if first, second := source(), source(); first != llm.SourceMiss || second != llm.SourceDisk || work != 1 {
		t.Errorf("sources %q and %q after %d calls", first, second, work)
	}
	if memory, _ := reflect.TypeFor[cache.Place]().FieldByName("Memory"); memory.Type.Kind() != reflect.Bool {
		t.Errorf("Place.Memory is a %v, want a bool", memory.Type)
	}
}

// Two different sets of fields never share a key, however their texts are cut.
func FuzzKeyFraming(f *testing.F) {
	f.Add("a", "b", "", "", "", "x", false, "ab", "", "", "", "", "x", false)
	f.Add("", "on", "", "", "", "x", true, "", "", "on", "", "", "x", false)
	f.Add("", "", "", "", "x", "x", false, "", "", "", "x", "", "x", false)
	f.Add("\x01\x00\x00\x00\x00\x00\x00\x00a", "", "", "", "", "x", false, "", "a", "", "", "", "x", false)
	f.Add("", "", "", "", "a,b", "x", false, "", "", "", "", "a\x00b", "x", false)
	f.Add("", "", "", "", "a", "{", false, "", "", "", "", "a{", "", false)
	f.Fuzz(func(t *testing.T, url1, version1, scope1, variant1, betas1, task1 string, memory1 bool, url2, version2, scope2, variant2, betas2, task2 string, memory2 bool) {
		a := cache.Place{BaseURL: url1, Version: version1, Scope: scope1, Variant: variant1, Memory: memory1}
		b := cache.Place{BaseURL: url2, Version: version2, Scope: scope2, Variant: variant2, Memory: memory2}
		p, q := ask(betas1, task1), ask(betas2, task2)
		same := a == b && slices.Equal(p.Betas, q.Betas) && bytes.Equal(p.Body(), q.Body())
		if got := cache.KeyOf(p, a) == cache.KeyOf(q, b); got != same {
			t.Errorf("%+v, %s with %q and %+v, %s with %q: one key %v, want %v", a, p.Body(), p.Betas, b, q.Body(), q.Betas, got, same)
		}
	})
}

func ask(betas, task string) *llm.Request {
	p := full()
	p.Betas = strings.Split(betas, ",")
	p.Messages = []llm.Message{{Role: "user", Content: []llm.Block{{Text: task}}}}
	return llm.New(p, llm.Labels{})
}
