package cache_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/layer/cache"
	"github.com/claude-force/claude-force/internal/layer/cache/cachetest"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/llm/llmtest"
)

// kept returns a store with the answer "an answer" under key 1, and its entry.
func kept(t *testing.T) (*cachetest.Memory, cache.Entry) {
	t.Helper()
	store := &cachetest.Memory{}
	newRig(t, store, nil).want(t, llm.ReuseOn, 1, "an answer", llm.SourceMiss)
	e, ok := store.Entry(cache.Key{1}, cache.NewSigner([]byte("secret")).ID())
	if !ok {
		t.Fatal("no entry was kept")
	}
	return store, e
}

// forgeries are the ways in which an entry of key 1 may not be what it says.
var forgeries = map[string]func(*cache.Entry){
	"a changed value":  func(e *cache.Entry) { e.Value[len(e.Value)/2] ^= 1 },
	"a shorter value":  func(e *cache.Entry) { e.Value = e.Value[:len(e.Value)-1] },
	"an empty value":   func(e *cache.Entry) { e.Value = nil },
	"a longer value":   func(e *cache.Entry) { e.Value = append(e.Value, 0) },
	"a changed MAC":    func(e *cache.Entry) { e.MAC[31] ^= 0x80 },
	"no MAC":           func(e *cache.Entry) { e.MAC = [32]byte{} },
	"a younger time":   func(e *cache.Entry) { e.Stored = e.Stored.Add(time.Microsecond) },
	"an older time":    func(e *cache.Entry) { e.Stored = e.Stored.Add(-time.Hour) },
	"a foreign secret": func(e *cache.Entry) { e.MAC = signed("another", e).MAC },
}

// signed returns an entry of the same answer as another secret signs it.
func signed(secret string, like *cache.Entry) cache.Entry {
	store := &cachetest.Memory{}
	c, err := cache.New(cache.Options{
		Store: store, Signer: cache.NewSigner([]byte(secret)), Now: func() time.Time { return like.Stored },
		Price: func(*llm.Request, *llm.Response) int64 { return price },
	})
	if err != nil {
		panic(err)
	}
	_, _ = c.Layer()(&llmtest.Script{Steps: []llmtest.Step{{Text: "an answer"}}}).Call(context.Background(), request(llm.ReuseRefresh, 1), llm.Discard)
	e, _ := store.Entry(cache.Key{1}, c.Signer.ID())
	return e
}

func TestGenuine(t *testing.T) {
	_, e := kept(t)
	signer := cache.NewSigner([]byte("secret"))
	if !signer.Genuine(cache.Key{1}, e) {
		t.Fatal("an entry that the layer has kept is not genuine")
	}
	if signer.Genuine(cache.Key{2}, e) {
		t.Error("an entry is genuine under another key")
	}
	for name, forge := range forgeries {
		forged := e
		forged.Value = append([]byte(nil), e.Value...)
		forge(&forged)
		if signer.Genuine(cache.Key{1}, forged) {
			t.Errorf("%s is genuine", name)
		}
	}
	other := cache.NewSigner([]byte("another"))
	if other.Genuine(cache.Key{1}, e) || other.ID() == signer.ID() {
		t.Error("another secret vouches for the entry")
	}
	claimed := e
	claimed.Signer = other.ID()
	if other.Genuine(cache.Key{1}, claimed) || signer.Genuine(cache.Key{1}, claimed) {
		t.Error("an entry that names another signer is genuine")
	}
	if cache.NewSigner([]byte("secret")).ID() != signer.ID() {
		t.Error("a secret has two names")
	}
	if id := signer.ID(); strings.Contains("secret", string(id[:])) {
		t.Error("the name of a secret tells it")
	}
}

// A forged entry is a miss, counted and set aside; the call that follows keeps
// an answer in its place.
func TestForgedEntriesAreSetAside(t *testing.T) {
	for name, forge := range forgeries {
		t.Run(name, func(t *testing.T) {
			store, e := kept(t)
			forge(&e)
			if err := store.Put(t.Context(), cache.Key{1}, e, ""); err != nil {
				t.Fatal(err)
			}
			r := newRig(t, store, nil, llmtest.Step{Text: "a true answer"})
			r.want(t, llm.ReuseOn, 1, "a true answer", llm.SourceMiss)
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if n := store.Noted().Counts["code-reviewer"].VerifyFailures; n != 1 || store.Aside() != 1 {
				t.Errorf("%d failures counted, %d entries set aside", n, store.Aside())
			}
			newRig(t, store, nil).want(t, llm.ReuseOn, 1, "a true answer", llm.SourceDisk)
		})
	}
}

func TestEntriesOfOtherSecretsAndVersionsStay(t *testing.T) {
	store, _ := kept(t)
	other := newRig(t, store, func(o *cache.Options) { o.Signer = cache.NewSigner([]byte("another")) }, llmtest.Step{Text: "of another"})
	other.want(t, llm.ReuseOn, 1, "of another", llm.SourceMiss)
	newRig(t, store, nil).want(t, llm.ReuseOn, 1, "an answer", llm.SourceDisk)
	if store.Entries() != 2 || store.Aside() != 0 {
		t.Errorf("%d entries, %d aside", store.Entries(), store.Aside())
	}

	// Verification is off, or the later version would have to sign it.
	e, _ := store.Entry(cache.Key{1}, cache.NewSigner([]byte("secret")).ID())
	e.Value = append([]byte{200}, e.Value[1:]...)
	if err := store.Put(t.Context(), cache.Key{1}, e, ""); err != nil {
		t.Fatal(err)
	}
	never := func(o *cache.Options) { o.Verify = cache.VerifyNever }
	r := newRig(t, store, never, llmtest.Step{Text: "new"})
	if _, _, err := r.call(t, llm.ReuseOnly, 1); llm.AsError(err).Code != llm.CodeCacheMiss {
		t.Errorf("an entry of another version: %v", err)
	}
	if got, ok := store.Entry(cache.Key{1}, e.Signer); !ok || got.Value[0] != 200 || store.Aside() != 0 || len(r.warnings()) != 0 {
		t.Errorf("it did not stay: %v, %d aside, warnings %v", ok, store.Aside(), r.warnings())
	}
	r.want(t, llm.ReuseOn, 1, "new", llm.SourceMiss)
}

// How often a load from disk is verified shows in which ones notice a forgery.
func TestHowOftenEntriesAreVerified(t *testing.T) {
	for name, c := range map[string]struct {
		verify cache.Verify
		random float64
		first  bool // a forged entry is noticed at the first load
		later  bool // and one that replaces an entry which was verified before
	}{
		"always":                         {cache.VerifyAlways, 0.99, true, true},
		"sampling, one of the nine":      {cache.VerifySampling, 0.1, true, false},
		"sampling, the tenth":            {cache.VerifySampling, 0.0999, true, true},
		"sampling is what nothing means": {"", 0.5, true, false},
		"never":                          {cache.VerifyNever, 0, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			store, genuine := kept(t)
			forged := genuine
			forged.MAC[0] ^= 1
			load := func(r *rig) bool { // reports whether the entry was served
				_, _, err := r.call(t, llm.ReuseOnly, 1)
				return err == nil
			}
			change := func(o *cache.Options) {
				o.Verify, o.Random, o.TTL = c.verify, func() float64 { return c.random }, time.Hour
			}
			put := func(e cache.Entry) {
				t.Helper()
				if err := store.Put(t.Context(), cache.Key{1}, e, ""); err != nil {
					t.Fatal(err)
				}
			}
			put(forged)
			if served := load(newRig(t, store, change)); served == c.first {
				t.Errorf("the first load served a forged entry: %v", served)
			}
			put(genuine)
			r := newRig(t, store, change)
			if !load(r) {
				t.Fatal("a genuine entry was not served")
			}
			// Memory is stale later on, the entry on disk is not.
			later := signed("secret", &cache.Entry{Stored: genuine.Stored.Add(2 * time.Hour)})
			later.MAC[0] ^= 1
			put(later)
			r.clock.move(2 * time.Hour)
			if served := load(r); served == c.later {
				t.Errorf("a later load served a forged entry: %v", served)
			}
		})
	}
}

// Over many loads, one in ten is verified.
func TestSamplingRate(t *testing.T) {
	store := &cachetest.Memory{}
	draws, now := 0, time.Duration(0)
	r := newRig(t, store, func(o *cache.Options) {
		o.TTL = time.Minute
		o.Random = func() float64 { draws++; return float64(draws%100) / 100 }
	})
	noticed := 0
	const loads = 1000
	for range loads + 1 {
		// Each entry is younger than the one in memory, so that disk is asked.
		e := signed("secret", &cache.Entry{Stored: newClock().Now().Add(now)})
		if now > 0 {
			e.MAC[0] ^= 1
		}
		if err := store.Put(t.Context(), cache.Key{1}, e, ""); err != nil {
			t.Fatal(err)
		}
		if _, _, err := r.call(t, llm.ReuseOnly, 1); err != nil {
			noticed++
		}
		now += time.Hour
		r.clock.move(time.Hour)
	}
	if noticed != loads/10 {
		t.Errorf("%d of %d forged entries were noticed, want one in ten", noticed, loads)
	}
}
