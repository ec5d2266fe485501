package oracle

import (
	"reflect"
	"testing"

	"github.com/claude-force/claude-force/internal/sim"
)

// TestCounts compares token counts, and counts with what a call is billed.
func TestCounts(t *testing.T) {
	eachEdition(t, func(t *testing.T, e edition) {
		sdk := e.open(t, access{url: serve(t, simulator(t, sim.Options{}))})
		client := e.ours(t, access{url: serve(t, simulator(t, sim.Options{}))})
		for name, x := range exchanges() {
			if !e.takes(x.params) {
				continue
			}
			want, err := sdk.count(t.Context(), x.params)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			got, err := client.CountTokens(t.Context(), request(x.params))
			if err != nil || got != want || got <= 0 {
				t.Errorf("%s: counted %d, %v; the SDK counts %d", name, got, err, want)
			}
			r, err := sdk.message(t.Context(), x.params)
			if err != nil || r.Usage.Prompt() != int64(want) {
				t.Errorf("%s: billed for another prompt than the %d tokens that were counted: %+v, %v", name, want, r, err)
			}
		}
	})
}

// TestModels compares the lists of models, from one page and from many.
func TestModels(t *testing.T) {
	eachEdition(t, func(t *testing.T, e edition) {
		want, err := e.open(t, access{url: serve(t, simulator(t, sim.Options{}))}).models(t.Context(), 1000)
		if err != nil || len(want) < 10 {
			t.Fatalf("the SDK lists %d models: %v", len(want), err)
		}
		paged, err := e.open(t, access{url: serve(t, simulator(t, sim.Options{}))}).models(t.Context(), 3)
		if err != nil || !reflect.DeepEqual(paged, want) {
			t.Errorf("the SDK's pages make another list: %v, %v", paged, err)
		}
		got, err := e.ours(t, access{url: serve(t, simulator(t, sim.Options{}))}).Models(t.Context())
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("models are %v, %v; the SDK lists %v", got, err, want)
		}
		got, err = e.ours(t, access{url: serve(t, shortPages(simulator(t, sim.Options{})))}).Models(t.Context())
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("models of many pages are %v, %v; the SDK lists %v", got, err, want)
		}
	})
}
