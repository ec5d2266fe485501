package cache_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claude-force/claude-force/internal/layer/cache"
	"github.com/claude-force/claude-force/internal/layer/cache/cachetest"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/llm/llmtest"
)

// process makes a rig whose clock is the bubble's.
func process(t *testing.T, store cache.Store, holder string, steps ...llmtest.Step) *rig {
	t.Helper()
	return newRig(t, store, func(o *cache.Options) { o.Holder, o.Now = holder, time.Now }, steps...)
}

type result struct {
	resp *llm.Response
	err  error
	took time.Duration
}

// begin makes a call in a goroutine of its own.
func (r *rig) begin(ctx context.Context, mode llm.ReuseMode) <-chan result {
	out := make(chan result, 1)
	go func() {
		began := time.Now()
		resp, err := r.Call(ctx, request(mode, 1), llm.Discard)
		out <- result{resp, err, time.Since(began)}
	}()
	return out
}

func slowly(text string) llmtest.Step { return llmtest.Step{Text: text, Delay: 10 * time.Second} }

// took bounds the time that a waiter may need after what it waits for.
func (r result) within(from, to time.Duration) bool { return r.took >= from && r.took <= to }

// The first call takes longer than a lease lives unextended.
func TestTheSecondProcessWaitsAndPaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &cachetest.Memory{}
		first, second := process(t, store, "first", slowly("an answer")), process(t, store, "second")
		a := first.begin(t.Context(), llm.ReuseOn)
		synctest.Wait()
		b := second.begin(t.Context(), llm.ReuseOn)
		if got := <-a; got.err != nil || got.resp.Source != llm.SourceMiss {
			t.Errorf("first: %+v", got)
		}
		got := <-b
		if got.err != nil || got.resp.Text != "an answer" || got.resp.Source != llm.SourceCoalesced || got.resp.Saved != price || got.resp.Cost.Nano != 0 || got.resp.Attempts != 0 {
			t.Errorf("second: %+v, %v", got.resp, got.err)
		}
		if !got.within(10*time.Second, 10*time.Second+200*time.Millisecond) || second.next.Calls() != 0 {
			t.Errorf("the second waited %v and made %d calls", got.took, second.next.Calls())
		}
		if store.Leases() != 0 {
			t.Errorf("%d leases are left", store.Leases())
		}
		_ = second.Close()
		if c := store.Noted().Counts["code-reviewer"]; c.Joins != 1 || c.Saved != price {
			t.Errorf("counts = %+v", c)
		}
	})
}

// What is not kept reaches those who wait for it all the same, and nobody who
// comes later.
func TestOutcomesReachThoseWhoWait(t *testing.T) {
	for _, reason := range []string{"refusal", "max_tokens", "model_context_window_exceeded"} {
		synctest.Test(t, func(t *testing.T) {
			store := &cachetest.Memory{}
			cut := llmtest.Whole("m", "a beginning")
			cut.StopReason, cut.StopDetails = reason, []byte(`{"why":1}`)
			step := slowly("a beginning")
			step.Response = cut
			first, second, late := process(t, store, "first", step), process(t, store, "second"), process(t, store, "late")
			a := first.begin(t.Context(), llm.ReuseOn)
			synctest.Wait()
			b := second.begin(t.Context(), llm.ReuseOn)
			if got := <-a; got.err != nil || got.resp.StopReason != reason || got.resp.Source != llm.SourceMiss {
				t.Errorf("%s: first: %+v", reason, got)
			}
			got := <-b
			if got.err != nil || got.resp.StopReason != reason || got.resp.Text != "a beginning" || string(got.resp.StopDetails) != `{"why":1}` ||
				got.resp.Source != llm.SourceCoalesced || got.resp.Saved != price || second.next.Calls() != 0 {
				t.Errorf("%s: second: %+v, %v after %d calls", reason, got.resp, got.err, second.next.Calls())
			}
			if store.Entries() != 0 {
				t.Errorf("%s was kept", reason)
			}
			late.want(t, llm.ReuseOn, 1, "an answer", llm.SourceMiss)
		})
	}
}

func TestAnErrorFreesTheLease(t *testing.T) {
	partial := &llm.Response{Text: "a beg", Partial: true}
	for name, step := range map[string]llmtest.Step{
		"error":      {Delay: time.Minute, Err: &llm.Error{Code: llm.CodeOverloaded}},
		"cut stream": {Delay: time.Minute, Text: "a beg", Response: partial, Err: &llm.Error{Code: llm.CodeStreamCut}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &cachetest.Memory{}
				first, second := process(t, store, "first", step), process(t, store, "second")
				a := first.begin(t.Context(), llm.ReuseOn)
				synctest.Wait()
				b := second.begin(t.Context(), llm.ReuseOn)
				if got := <-a; llm.AsError(got.err).Code != step.Err.(*llm.Error).Code { //nolint:errorlint // as it was given
					t.Errorf("first: %+v", got)
				}
				got := <-b
				if got.err != nil || got.resp.Source != llm.SourceMiss || !got.within(time.Minute, time.Minute+200*time.Millisecond) {
					t.Errorf("second: %+v", got)
				}
			})
		})
	}
}

// The first caller gives up: who waits makes the call in its place.
func TestACancelFreesTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &cachetest.Memory{}
		first, second := process(t, store, "first", llmtest.Step{Text: "begun", Hang: true}), process(t, store, "second")
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		a := first.begin(ctx, llm.ReuseOn)
		synctest.Wait()
		b := second.begin(t.Context(), llm.ReuseOn)
		if got := <-a; llm.AsError(got.err).Code != llm.CodeDeadline {
			t.Errorf("first: %+v", got)
		}
		if got := <-b; got.err != nil || got.resp.Source != llm.SourceMiss || !got.within(5*time.Second, 5200*time.Millisecond) {
			t.Errorf("second: %+v", got)
		}
	})
}

func TestADeadHolderIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &cachetest.Memory{}
		if held, _, err := store.Acquire(t.Context(), cache.Key{1}, "dead", false, time.Now()); !held || err != nil {
			t.Fatal(held, err)
		}
		got := <-process(t, store, "second").begin(t.Context(), llm.ReuseOn)
		if got.err != nil || got.resp.Source != llm.SourceMiss || !got.within(cache.LeaseTime, cache.LeaseTime+200*time.Millisecond) {
			t.Errorf("second: %+v, want a call of its own after %v", got, cache.LeaseTime)
		}
		if store.Leases() != 0 {
			t.Errorf("%d leases are left", store.Leases())
		}
	})
}

// A waiter's own end ends its wait, and nothing else.
func TestAWaiterLeaves(t *testing.T) {
	late := &llm.Error{Code: llm.CodeDeadline, Message: "too late"}
	synctest.Test(t, func(t *testing.T) {
		store := &cachetest.Memory{}
		first, second := process(t, store, "first", slowly("an answer")), process(t, store, "second")
		a := first.begin(t.Context(), llm.ReuseOn)
		synctest.Wait()
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, late)
		defer cancel()
		got := <-second.begin(ctx, llm.ReuseOn)
		if !errors.Is(got.err, late) || got.took != time.Second || second.next.Calls() != 0 {
			t.Errorf("second: %+v after %d calls", got, second.next.Calls())
		}
		if got := <-a; got.err != nil || store.Entries() != 1 {
			t.Errorf("first: %+v", got)
		}
	})
}

// Who makes a call of its own neither waits nor lets others wait.
func TestRefreshAndOffTakeNoLease(t *testing.T) {
	for _, mode := range []llm.ReuseMode{llm.ReuseOff, llm.ReuseRefresh} {
		synctest.Test(t, func(t *testing.T) {
			store := &cachetest.Memory{}
			first, second := process(t, store, "first", slowly("an answer")), process(t, store, "second", slowly("its own"))
			a := first.begin(t.Context(), llm.ReuseOn)
			synctest.Wait()
			leases := store.Calls().Acquire
			b := second.begin(t.Context(), mode)
			if got := <-b; got.err != nil || got.resp.Text != "its own" || got.took != 10*time.Second {
				t.Errorf("mode %d, second: %+v", mode, got)
			}
			if got := <-a; got.err != nil || got.resp.Source != llm.SourceMiss {
				t.Errorf("mode %d, first: %+v", mode, got)
			}
			if store.Calls().Acquire != leases {
				t.Errorf("mode %d asked for a lease", mode)
			}
		})
	}
	// And where nobody holds a lease before.
	synctest.Test(t, func(t *testing.T) {
		store := &cachetest.Memory{}
		a := process(t, store, "first", slowly("fresh")).begin(t.Context(), llm.ReuseRefresh)
		synctest.Wait()
		if got := <-process(t, store, "second").begin(t.Context(), llm.ReuseOn); got.err != nil || got.took != 0 || got.resp.Source != llm.SourceMiss {
			t.Errorf("second: %+v, want a call at once", got)
		}
		<-a
	})
}

// Five processes, ten callers each, one call.
func TestOneCallForManyProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &cachetest.Memory{}
		var rigs []*rig
		var all []<-chan result
		for p := range 5 {
			r := process(t, store, fmt.Sprint(p), slowly("an answer"))
			rigs = append(rigs, r)
			for range 10 {
				all = append(all, r.begin(t.Context(), llm.ReuseOn))
			}
		}
		misses := 0
		for _, c := range all {
			got := <-c
			if got.err != nil || got.resp.Text != "an answer" {
				t.Errorf("Call = %+v", got)
				continue
			}
			if got.resp.Source == llm.SourceMiss {
				misses++
			}
		}
		calls := 0
		for _, r := range rigs {
			calls += r.next.Calls()
		}
		if calls != 1 || misses != 1 {
			t.Errorf("%d calls, %d misses", calls, misses)
		}
	})
}

// faulty is a store in which single methods misbehave.
type faulty struct {
	*cachetest.Memory
	acquired func()
	put      error

	mu      sync.Mutex
	extends int
}

func (f *faulty) Acquire(ctx context.Context, key cache.Key, holder string, waiting bool, now time.Time) (bool, []byte, error) {
	held, outcome, err := f.Memory.Acquire(ctx, key, holder, waiting, now)
	if f.acquired != nil {
		f.acquired()
	}
	return held, outcome, err
}

func (f *faulty) Put(ctx context.Context, key cache.Key, e cache.Entry, holder string) error {
	if f.put != nil {
		return f.put
	}
	return f.Memory.Put(ctx, key, e, holder)
}

func (f *faulty) Extend(context.Context, string, time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.extends++
	return errors.New("cannot extend")
}

// A caller who leaves just when the lease is granted does not keep it.
func TestALeaseIsNotLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		store := &faulty{Memory: &cachetest.Memory{}, acquired: cancel}
		got := <-process(t, store, "first", llmtest.Step{Text: "begun", Hang: true}).begin(ctx, llm.ReuseOn)
		if llm.AsError(got.err).Code != llm.CodeCancelled || store.Leases() != 0 {
			t.Errorf("Call = %+v, %d leases are left", got, store.Leases())
		}
	})
}

// An answer that cannot be kept ends the lease as well.
func TestALeaseEndsWithoutAnEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faulty{Memory: &cachetest.Memory{}, put: errors.New("the disk is full")}
		first, second := process(t, store, "first", slowly("an answer")), process(t, store, "second")
		a := first.begin(t.Context(), llm.ReuseOn)
		synctest.Wait()
		b := second.begin(t.Context(), llm.ReuseOn)
		if got := <-a; got.err != nil || got.resp.Text != "an answer" || len(first.warnings()) == 0 {
			t.Errorf("first: %+v, warnings %v", got, first.warnings())
		}
		<-b
		if store.Leases() != 0 {
			t.Errorf("%d leases are left", store.Leases())
		}
	})
}

// An outcome that a process cannot read, for it has another secret, does not
// keep it waiting.
func TestAForeignOutcomeIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &cachetest.Memory{}
		refused := llmtest.Whole("m", "")
		refused.StopReason = "refusal"
		first := process(t, store, "first", llmtest.Step{Delay: 10 * time.Second, Response: refused})
		second := newRig(t, store, func(o *cache.Options) {
			o.Holder, o.Now, o.Signer = "second", time.Now, cache.NewSigner([]byte("another"))
		})
		a := first.begin(t.Context(), llm.ReuseOn)
		synctest.Wait()
		b := second.begin(t.Context(), llm.ReuseOn)
		<-a
		if got := <-b; got.err != nil || got.resp.Source != llm.SourceMiss || !got.within(10*time.Second, 10*time.Second+200*time.Millisecond) {
			t.Errorf("second: %+v", got)
		}
	})
}

// A lease that cannot be extended is lost to another process; both answer.
func TestALeaseThatCannotBeExtended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faulty{Memory: &cachetest.Memory{}}
		first, second := process(t, store, "first", slowly("an answer")), process(t, store, "second", slowly("another"))
		a := first.begin(t.Context(), llm.ReuseOn)
		synctest.Wait()
		b := second.begin(t.Context(), llm.ReuseOn)
		if got := <-a; got.err != nil || got.resp.Source != llm.SourceMiss || len(first.warnings()) == 0 {
			t.Errorf("first: %+v, warnings %v", got, first.warnings())
		}
		if got := <-b; got.err != nil || got.resp.Text != "another" || second.next.Calls() != 1 {
			t.Errorf("second: %+v after %d calls", got, second.next.Calls())
		}
	})
}

// The lease is asked for, and then disk is asked again: an answer that came in
// between is taken.
func TestAnAnswerThatCameMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := &cachetest.Memory{}
		other := process(t, memory, "other", llmtest.Step{Text: "meanwhile"})
		once := sync.OnceFunc(func() { <-other.begin(t.Context(), llm.ReuseRefresh) })
		store := &faulty{Memory: memory, acquired: once}
		r := process(t, store, "first")
		if got := <-r.begin(t.Context(), llm.ReuseOn); got.err != nil || got.resp.Text != "meanwhile" || got.resp.Source != llm.SourceDisk || r.next.Calls() != 0 {
			t.Errorf("Call = %+v after %d calls", got, r.next.Calls())
		}
		if memory.Leases() != 0 {
			t.Errorf("%d leases are left", memory.Leases())
		}
	})
}
