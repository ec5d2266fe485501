package embed

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
)

// Store keeps vectors between processes. It is safe for concurrent use.
type Store interface {
	// Vectors returns the vectors of keys in a space, in their order, with nil
	// for those it does not have. It may return them as [Dequantize] of
	// [Quantize].
	Vectors(ctx context.Context, space string, keys [][32]byte) ([][]float32, error)
	// PutVectors stores vectors, all or none, over what was there.
	PutVectors(ctx context.Context, space string, keys [][32]byte, vectors [][]float32) error
}

// batch is how many texts are embedded before the result is stored.
const batch = 32

// Kept embeds only texts whose vectors are not in a store yet. Its vectors are
// rounded as those in the store are, whether they come from there or not: it
// makes no difference which process was first. It is safe for concurrent use.
type Kept struct {
	from     Embedder
	store    Store
	progress func(done, total int)
}

// Keep returns an embedder that looks into a store first. A key there is the
// SHA-256 of the text. A store that fails costs time and nothing else.
func Keep(e Embedder, s Store) *Kept { return &Kept{from: e, store: s} }

// WithProgress returns an embedder that reports, while texts are embedded, how
// many of those that were not in the store are done. It is called from the
// goroutine that called Embed, at first with zero done; and not at all where all
// were in the store.
func (k *Kept) WithProgress(report func(done, total int)) *Kept {
	with := *k
	with.progress = report
	return &with
}

// Space implements [Embedder].
func (k *Kept) Space() string { return k.from.Space() }

// Embed implements [Embedder]. Its errors are those of the embedder behind it;
// what was embedded before one is in the store.
func (k *Kept) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	keys := make([]key, len(texts))
	for i, text := range texts {
		keys[i] = sha256.Sum256([]byte(text))
	}
	space := k.from.Space()
	vectors, err := k.store.Vectors(ctx, space, keys)
	if err != nil || len(vectors) != len(texts) {
		vectors = make([][]float32, len(texts))
	}
	missing, places := k.missing(vectors, keys)
	for start := 0; start < len(missing); start += batch {
		k.report(start, len(missing))
		part := missing[start:min(start+batch, len(missing))]
		if err := k.fill(ctx, space, texts, part, keys, vectors, places); err != nil {
			return nil, err
		}
	}
	if len(missing) > 0 {
		k.report(len(missing), len(missing))
	}
	return vectors, nil
}

// missing returns the first place of each key without a usable vector, and all
// places of such keys.
func (k *Kept) missing(vectors [][]float32, keys []key) (first []int, places map[key][]int) {
	places = map[key][]int{}
	for i, v := range vectors {
		if usable(v) {
			continue
		}
		if places[keys[i]] == nil {
			first = append(first, i)
		}
		places[keys[i]] = append(places[keys[i]], i)
	}
	return first, places
}

// fill embeds the texts at some places, stores the vectors and copies them to
// all the places where their texts are.
func (k *Kept) fill(ctx context.Context, space string, texts []string, at []int, keys []key, vectors [][]float32, places map[key][]int) error {
	ask := make([]string, len(at))
	for i, place := range at {
		ask[i] = texts[place]
	}
	made, err := k.from.Embed(ctx, ask)
	if err != nil {
		return err
	}
	if len(made) != len(at) {
		return fmt.Errorf("embed texts: got %d vectors for %d texts", len(made), len(at))
	}
	put := make([]key, len(at))
	for i, place := range at {
		made[i] = Dequantize(Quantize(made[i]))
		put[i] = keys[place]
		for _, j := range places[put[i]] {
			vectors[j] = append([]float32(nil), made[i]...)
		}
	}
	_ = k.store.PutVectors(ctx, space, put, made) // next time it is made again
	return nil
}

func (k *Kept) report(done, total int) {
	if k.progress != nil {
		k.progress(done, total)
	}
}

// usable reports whether a vector is as long as all are, or all zeros. Another
// one was damaged in the store.
func usable(v []float32) bool {
	if len(v) == 0 {
		return false
	}
	var squares float64
	for _, x := range v {
		squares += float64(x) * float64(x)
	}
	return squares == 0 || math.Abs(squares-1) < 1e-3
}
