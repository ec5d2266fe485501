package cache_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/layer/cache"
	"github.com/claude-force/claude-force/internal/layer/cache/cachetest"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/llm/llmtest"
)

// price is what each call costs in these tests, in nano-dollars.
const price = 42

// clock is a clock that stands until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// rig is one process: a cache over a store that may be shared, and what is
// behind it.
type rig struct {
	*cache.Cache
	llm.Caller
	next  *llmtest.Script
	clock *clock

	mu     sync.Mutex
	warned []error
}

func (r *rig) warnings() []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.warned
}

// newRig makes a process that answers "an answer" unless steps say otherwise.
func newRig(t *testing.T, store cache.Store, change func(*cache.Options), steps ...llmtest.Step) *rig {
	t.Helper()
	if len(steps) == 0 {
		steps = []llmtest.Step{{Text: "an answer"}}
	}
	r := &rig{next: &llmtest.Script{Steps: steps}, clock: newClock()}
	o := cache.Options{
		Store: store, Signer: cache.NewSigner([]byte("secret")), Holder: "first", Now: r.clock.Now,
		Price: func(*llm.Request, *llm.Response) int64 { return price },
		Warn: func(err error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.warned = append(r.warned, err)
		},
	}
	if change != nil {
		change(&o)
	}
	var err error
	if r.Cache, err = cache.New(o); err != nil {
		t.Fatal(err)
	}
	r.Caller = r.Layer()(r.next)
	return r
}

func request(mode llm.ReuseMode, key byte) *llm.Request {
	req := llmtest.Request()
	req.Reuse = llm.Reuse{Mode: mode, Key: cache.Key{key}}
	return req
}

// call makes a call and returns the answer with the text of its stream.
func (r *rig) call(t *testing.T, mode llm.ReuseMode, key byte) (*llm.Response, string, error) {
	t.Helper()
	var streamed strings.Builder
	resp, err := r.Call(t.Context(), request(mode, key), func(e llm.Event) { streamed.WriteString(e.Text) })
	return resp, streamed.String(), err
}

// want makes a call that must succeed from a source.
func (r *rig) want(t *testing.T, mode llm.ReuseMode, key byte, text string, source llm.Source) *llm.Response {
	t.Helper()
	resp, streamed, err := r.call(t, mode, key)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Text != text || streamed != text || resp.Source != source {
		t.Errorf("answer %.40q, streamed as %.40q, from %q; want %.40q from %q", resp.Text, streamed, resp.Source, text, source)
	}
	return resp
}

func TestConformance(t *testing.T) {
	for name, mode := range map[string]llm.ReuseMode{"on": llm.ReuseOn, "off": llm.ReuseOff, "refresh": llm.ReuseRefresh} {
		t.Run(name, func(t *testing.T) {
			llmtest.TestLayer(t, func() llm.Layer {
				c, err := cache.New(cache.Options{
					Store: &cachetest.Memory{}, Signer: cache.NewSigner([]byte("secret")), Holder: "one",
					Price: func(*llm.Request, *llm.Response) int64 { return price },
				})
				if err != nil {
					t.Fatal(err)
				}
				return func(next llm.Caller) llm.Caller {
					inner := c.Layer()(next)
					return llm.CallerFunc(func(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
						reusing := *req
						reusing.Reuse = llm.Reuse{Mode: mode, Key: cache.KeyOf(req, cache.Place{})}
						return inner.Call(ctx, &reusing, emit)
					})
				}
			})
		})
	}
}

func TestSourcesOfAnAnswer(t *testing.T) {
	store := &cachetest.Memory{}
	first := newRig(t, store, nil)
	miss := first.want(t, llm.ReuseOn, 1, "an answer", llm.SourceMiss)
	if miss.Usage.Prompt() == 0 || miss.Saved != 0 || miss.Attempts != 1 {
		t.Errorf("a miss is %+v", miss)
	}
	memory := first.want(t, llm.ReuseOn, 1, "an answer", llm.SourceMemory)
	second := newRig(t, store, nil)
	disk := second.want(t, llm.ReuseOn, 1, "an answer", llm.SourceDisk)
	second.want(t, llm.ReuseOn, 1, "an answer", llm.SourceMemory)
	for name, hit := range map[string]*llm.Response{"memory": memory, "disk": disk} {
		if hit.Usage.Prompt() != 0 || hit.Usage.Output != 0 || hit.Cost != (llm.Cost{}) || hit.Attempts != 0 || hit.Saved != price {
			t.Errorf("%s: usage %+v, cost %+v, %d attempts, saved %d; want nothing but the saving", name, hit.Usage, hit.Cost, hit.Attempts, hit.Saved)
		}
		if hit.ID != miss.ID || hit.Model != miss.Model || hit.StopReason != miss.StopReason || hit.RequestID != miss.RequestID || !reflect.DeepEqual(hit.Content, miss.Content) {
			t.Errorf("%s: %+v is not the answer %+v", name, hit, miss)
		}
	}
	second.want(t, llm.ReuseOn, 2, "an answer", llm.SourceMiss)
	if a, b := first.next.Calls(), second.next.Calls(); a != 1 || b != 1 {
		t.Errorf("%d and %d calls", a, b)
	}
	if w := append(first.warnings(), second.warnings()...); len(w) > 0 {
		t.Errorf("warnings: %v", w)
	}
}

func TestModes(t *testing.T) {
	t.Run("off", func(t *testing.T) {
		store := &cachetest.Memory{}
		r := newRig(t, store, nil)
		r.want(t, llm.ReuseOn, 1, "an answer", llm.SourceMiss)
		before := store.Calls()
		r.want(t, llm.ReuseOff, 1, "an answer", "")
		if r.next.Calls() != 2 || store.Calls() != before {
			t.Errorf("%d calls; the store saw %+v, then %+v", r.next.Calls(), before, store.Calls())
		}
	})
	t.Run("only", func(t *testing.T) {
		store := &cachetest.Memory{}
		r := newRig(t, store, nil)
		resp, _, err := r.call(t, llm.ReuseOnly, 1)
		if e := llm.AsError(err); resp != nil || e == nil || e.Code != llm.CodeCacheMiss || e.Hint == "" {
			t.Errorf("a miss = %v, %v", resp, err)
		}
		if r.next.Calls() != 0 || store.Calls().Acquire != 0 {
			t.Errorf("%d calls, %d leases", r.next.Calls(), store.Calls().Acquire)
		}
		r.want(t, llm.ReuseOn, 1, "an answer", llm.SourceMiss)
		r.want(t, llm.ReuseOnly, 1, "an answer", llm.SourceMemory)
		newRig(t, store, nil).want(t, llm.ReuseOnly, 1, "an answer", llm.SourceDisk)
	})
	t.Run("refresh", func(t *testing.T) {
		store := &cachetest.Memory{}
		r := newRig(t, store, nil, llmtest.Step{Text: "old"}, llmtest.Step{Text: "new"})
		r.want(t, llm.ReuseOn, 1, "old", llm.SourceMiss)
		r.want(t, llm.ReuseRefresh, 1, "new", llm.SourceMiss)
		r.want(t, llm.ReuseOn, 1, "new", llm.SourceMemory)
		newRig(t, store, nil).want(t, llm.ReuseOn, 1, "new", llm.SourceDisk)
		if n := store.Calls().Acquire; n != 1 {
			t.Errorf("%d leases, want the first call's only", n)
		}
	})
	t.Run("tools", func(t *testing.T) {
		for _, mode := range []llm.ReuseMode{llm.ReuseOn, llm.ReuseRefresh} {
			store := &cachetest.Memory{}
			r := newRig(t, store, nil)
			req := llm.New(llm.Params{Model: "m", Tools: json.RawMessage(`[{"name":"t"}]`)}, llm.Labels{})
			req.Reuse = llm.Reuse{Mode: mode, Key: cache.Key{1}}
			for range 2 {
				if resp, err := r.Call(t.Context(), req, llm.Discard); err != nil || resp.Source != "" {
					t.Errorf("Call = %+v, %v", resp, err)
				}
			}
			if r.next.Calls() != 2 || store.Calls() != (cachetest.Calls{}) {
				t.Errorf("mode %d: %d calls, the store saw %+v", mode, r.next.Calls(), store.Calls())
			}
		}
	})
	t.Run("only, with tools", func(t *testing.T) {
		r := newRig(t, &cachetest.Memory{}, nil)
		req := llm.New(llm.Params{Model: "m", Tools: json.RawMessage(`[{"name":"t"}]`)}, llm.Labels{})
		req.Reuse = llm.Reuse{Mode: llm.ReuseOnly, Key: cache.Key{1}}
		if _, err := r.Call(t.Context(), req, llm.Discard); llm.AsError(err) == nil || llm.AsError(err).Code != llm.CodeCacheMiss || r.next.Calls() != 0 {
			t.Errorf("Call = %v after %d calls, want a miss without one", err, r.next.Calls())
		}
	})
}

// Where there is no cache, calls are made, but for whoever wants none.
func TestAbsent(t *testing.T) {
	next := &llmtest.Script{Steps: []llmtest.Step{{Text: "an answer"}}}
	caller := cache.Absent(next)
	for _, mode := range []llm.ReuseMode{llm.ReuseOff, llm.ReuseOn, llm.ReuseRefresh} {
		if resp, err := caller.Call(t.Context(), request(mode, 1), llm.Discard); err != nil || resp.Text != "an answer" {
			t.Errorf("mode %d: %v, %v", mode, resp, err)
		}
	}
	if _, err := caller.Call(t.Context(), request(llm.ReuseOnly, 1), llm.Discard); llm.AsError(err).Code != llm.CodeCacheMiss || next.Calls() != 3 {
		t.Errorf("only: %v after %d calls", err, next.Calls())
	}
	llmtest.TestLayer(t, func() llm.Layer { return cache.Absent })
}

func TestForget(t *testing.T) {
	store := &cachetest.Memory{}
	r := newRig(t, store, nil)
	r.want(t, llm.ReuseOn, 1, "an answer", llm.SourceMiss)
	r.Forget()
	r.want(t, llm.ReuseOn, 1, "an answer", llm.SourceDisk)
	if err := store.SetAside(t.Context(), cache.Key{1}, r.Signer.ID()); err != nil {
		t.Fatal(err)
	}
	r.Forget()
	r.want(t, llm.ReuseOn, 1, "an answer", llm.SourceMiss)
}

func TestOnlyWholeAnswersAreKept(t *testing.T) {
	text := func(reason string) *llm.Response {
		r := llmtest.Whole("m", "text")
		r.StopReason = reason
		return r
	}
	partial := text("end_turn")
	partial.Partial = true
	for name, c := range map[string]struct {
		step llmtest.Step
		kept bool
	}{
		"end_turn":                {llmtest.Step{Text: "text", Response: text("end_turn")}, true},
		"stop_sequence":           {llmtest.Step{Text: "text", Response: text("stop_sequence")}, true},
		"refusal":                 {llmtest.Step{Text: "text", Response: text("refusal")}, false},
		"max_tokens":              {llmtest.Step{Text: "text", Response: text("max_tokens")}, false},
		"context window":          {llmtest.Step{Text: "text", Response: text("model_context_window_exceeded")}, false},
		"tool_use":                {llmtest.Step{Text: "text", Response: text("tool_use")}, false},
		"pause_turn":              {llmtest.Step{Text: "text", Response: text("pause_turn")}, false},
		"no reason":               {llmtest.Step{Text: "text", Response: text("")}, false},
		"a reason of a later API": {llmtest.Step{Text: "text", Response: text("new")}, false},
		"partial":                 {llmtest.Step{Text: "text", Response: partial}, false},
		"an error":                {llmtest.Step{Err: &llm.Error{Code: llm.CodeOverloaded}}, false},
		"an error with a whole answer": {
			llmtest.Step{Text: "text", Response: text("end_turn"), Err: &llm.Error{Code: llm.CodeStreamCut}}, false,
		},
	} {
		for mode, reuse := range map[string]llm.ReuseMode{"on": llm.ReuseOn, "refresh": llm.ReuseRefresh} {
			t.Run(name+", "+mode, func(t *testing.T) {
				store := &cachetest.Memory{}
				r := newRig(t, store, nil, c.step, llmtest.Step{Text: "the next"})
				resp, _, err := r.call(t, reuse, 1)
				if (err != nil) != (c.step.Err != nil) || (resp != nil && resp.Source != llm.SourceMiss) {
					t.Errorf("Call = %+v, %v", resp, err)
				}
				entries := 0
				if c.kept {
					entries = 1
				}
				if store.Entries() != entries {
					t.Errorf("%d entries are kept, want %d", store.Entries(), entries)
				}
				if c.kept {
					r.want(t, llm.ReuseOn, 1, "text", llm.SourceMemory)
				} else {
					r.want(t, llm.ReuseOn, 1, "the next", llm.SourceMiss)
				}
			})
		}
	}
}

// An answer is kept although whoever asked has gone.
func TestAnAnswerOutlivesItsCaller(t *testing.T) {
	store := &cachetest.Memory{}
	ctx, cancel := context.WithCancel(t.Context())
	r := newRig(t, store, nil)
	caller := r.Layer()(llm.CallerFunc(func(_ context.Context, req *llm.Request, _ func(llm.Event)) (*llm.Response, error) {
		cancel()
		return llmtest.Whole(req.Model, "in time"), nil
	}))
	if _, err := caller.Call(ctx, request(llm.ReuseOn, 1), llm.Discard); err != nil {
		t.Fatal(err)
	}
	newRig(t, store, nil).want(t, llm.ReuseOn, 1, "in time", llm.SourceDisk)
}

func TestAge(t *testing.T) {
	const ttl = time.Hour
	for name, c := range map[string]struct {
		moved time.Duration
		fresh bool
	}{
		"young":              {ttl - time.Second, true},
		"stale":              {ttl, false},
		"clock set back":     {-ttl + time.Second, true},
		"clock set far back": {-24 * time.Hour, false},
		"in another century": {-100 * 365 * 24 * time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			store := &cachetest.Memory{}
			short := func(o *cache.Options) { o.TTL = ttl }
			r := newRig(t, store, short, llmtest.Step{Text: "old"}, llmtest.Step{Text: "new"})
			other := newRig(t, store, short, llmtest.Step{Text: "other"})
			r.want(t, llm.ReuseOn, 1, "old", llm.SourceMiss)
			r.clock.move(c.moved)
			other.clock.move(c.moved)
			if c.fresh {
				r.want(t, llm.ReuseOn, 1, "old", llm.SourceMemory)
				other.want(t, llm.ReuseOn, 1, "old", llm.SourceDisk)
				return
			}
			r.want(t, llm.ReuseOn, 1, "new", llm.SourceMiss)
			r.want(t, llm.ReuseOn, 1, "new", llm.SourceMemory)
			other.want(t, llm.ReuseOn, 1, "new", llm.SourceDisk)
		})
	}
}

// A day is the age where no other is set, also on a clock that goes back by one.
func TestDefaultAge(t *testing.T) {
	store := &cachetest.Memory{}
	r := newRig(t, store, nil, llmtest.Step{Text: "old"}, llmtest.Step{Text: "new"})
	r.want(t, llm.ReuseOn, 1, "old", llm.SourceMiss)
	r.clock.move(time.Minute)
	r.clock.move(-24 * time.Hour)
	r.want(t, llm.ReuseOn, 1, "old", llm.SourceMemory)
	r.clock.move(2*24*time.Hour - time.Minute)
	r.want(t, llm.ReuseOn, 1, "new", llm.SourceMiss)
}

// A hit's stream has pieces, spells the text and tears no character apart.
func TestReplayLooksStreamed(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "short": "ok", "long": strings.Repeat("several words ", 100),
		"wide": strings.Repeat("日本語🎉é", 100), "broken": strings.Repeat("\x80\xff", 200), "continued": strings.Repeat("\x80", 1000),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, &cachetest.Memory{}, nil, llmtest.Step{Text: text})
			r.want(t, llm.ReuseOn, 1, text, llm.SourceMiss)
			var events []llm.Event
			if _, err := r.Call(t.Context(), request(llm.ReuseOn, 1), func(e llm.Event) { events = append(events, e) }); err != nil {
				t.Fatal(err)
			}
			if len(events) == 0 || events[0].Kind != llm.EventStart {
				t.Fatalf("events = %+v, want a start first", events)
			}
			var spelled strings.Builder
			for _, e := range events[1:] {
				if e.Kind != llm.EventText || e.Text == "" {
					t.Errorf("event %+v", e)
				}
				spelled.WriteString(e.Text)
				if strings.ToValidUTF8(text, "") == text && strings.ToValidUTF8(e.Text, "") != e.Text {
					t.Errorf("%q is no whole text", e.Text)
				}
			}
			if spelled.String() != text {
				t.Errorf("the stream spells %q", spelled.String())
			}
			if name == "long" && len(events) < 10 {
				t.Errorf("%d events for %d bytes", len(events), len(text))
			}
		})
	}
}

// Nothing of the answer is lost on the way through the store.
func TestAnswersComeBackWhole(t *testing.T) {
	whole := &llm.Response{
		ID: "msg_1", Model: "claude-opus-5-5", Text: "ab", RequestID: "req_1",
		Content:    []llm.Block{{Text: "a"}, {JSON: json.RawMessage(`{"type":"thinking"}`)}, {Text: "b"}},
		StopReason: "stop_sequence", StopSequence: "END", StopDetails: json.RawMessage(`{"x":1}`),
		Extra: map[string]json.RawMessage{"new": json.RawMessage(`[1]`), "": json.RawMessage(`null`)},
		Usage: llm.Usage{Input: 5}, Attempts: 3, Cost: llm.Cost{Nano: 9}, Warnings: []string{"only of the call"}, FirstToken: time.Second,
	}
	for name, change := range map[string]func(*llm.Response){
		"full":               func(*llm.Response) {},
		"one block":          func(r *llm.Response) { r.Content = []llm.Block{{Text: "ab"}} },
		"one block, no text": func(r *llm.Response) { r.Text, r.Content = "", []llm.Block{{JSON: json.RawMessage(`{}`)}} },
		"no blocks":          func(r *llm.Response) { r.Text, r.Content = "", nil },
		"bare":               func(r *llm.Response) { *r = llm.Response{StopReason: "end_turn"} },
	} {
		t.Run(name, func(t *testing.T) {
			answer := *whole
			change(&answer)
			store := &cachetest.Memory{}
			step := llmtest.Step{Text: answer.Text, Response: &answer}
			newRig(t, store, nil, step).want(t, llm.ReuseOn, 1, answer.Text, llm.SourceMiss)
			got := newRig(t, store, nil).want(t, llm.ReuseOn, 1, answer.Text, llm.SourceDisk)
			want := answer
			want.Usage, want.Attempts, want.Cost, want.Warnings, want.FirstToken = llm.Usage{}, 0, llm.Cost{}, nil, 0
			want.Source, want.Saved = llm.SourceDisk, price
			if !reflect.DeepEqual(got, &want) {
				t.Errorf("got  %+v\nwant %+v", got, &want)
			}
		})
	}
}

// Whatever fails in the store, a run is answered, and is told of it.
func TestAFailingStoreFailsNoRun(t *testing.T) {
	broken := errors.New("the disk is on fire")
	store := &cachetest.Memory{}
	r := newRig(t, store, nil)
	store.Fail(broken)
	for _, mode := range []llm.ReuseMode{llm.ReuseOn, llm.ReuseRefresh} {
		r.want(t, mode, 1, "an answer", llm.SourceMiss)
		if w := r.warnings(); len(w) == 0 || !errors.Is(w[0], broken) {
			t.Errorf("mode %d: warnings = %v", mode, w)
		}
	}
	// The memory tier goes on.
	r.want(t, llm.ReuseOn, 1, "an answer", llm.SourceMemory)
	if _, _, err := r.call(t, llm.ReuseOnly, 2); llm.AsError(err).Code != llm.CodeCacheMiss {
		t.Errorf("only: %v", err)
	}
	if err := r.Close(); !errors.Is(err, broken) {
		t.Errorf("Close = %v", err)
	}

	// Counts outlast the trouble.
	store.Fail(nil)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := store.Noted().Counts["code-reviewer"], (cache.Counts{MemoryHits: 1, Misses: 3, Saved: price}); got != want {
		t.Errorf("counts = %+v, want %+v", got, want)
	}
}

// Memory and disk hold copies: whoever changes an answer changes only his own.
func TestAnEntryIsACopy(t *testing.T) {
	store := &cachetest.Memory{}
	r := newRig(t, store, nil)
	req := request(llm.ReuseOn, 1)
	body := bytes.Clone(req.Body())
	for range 3 {
		resp, err := r.Call(t.Context(), req, llm.Discard)
		if err != nil || resp.Text != "an answer" || len(resp.Warnings) != 0 || resp.Attempts > 1 {
			t.Fatalf("Call = %+v, %v", resp, err)
		}
		resp.Text, resp.Attempts = "changed", 7
		resp.Warnings = append(resp.Warnings, "of this run")
	}
	if !bytes.Equal(body, req.Body()) {
		t.Error("the request was changed")
	}
}
