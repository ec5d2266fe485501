package embed

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
)

// common is the mean of the vectors that the built-in encoder gives to tasks of
// developers, as little-endian float32. Its test makes it.
//
//go:embed weights/common.bin
var common []byte

// Centered takes out of the vectors of the built-in encoder what those of all
// tasks have in common. Any two texts in the tone of an order are alike to the
// encoder, whatever they ask for; without that, what they ask for counts. It is
// safe for concurrent use.
type Centered struct {
	from  *Model
	space string
}

// Center returns an embedder for the comparison of tasks.
func Center(m *Model) *Centered {
	sum := sha256.Sum256(common)
	return &Centered{from: m, space: m.Space() + "/centered-" + hex.EncodeToString(sum[:4])}
}

// Space implements [Embedder].
func (c *Centered) Space() string { return c.space }

// Embed implements [Embedder]. Its errors are those of [Model.Embed].
func (c *Centered) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	vectors, err := c.from.Embed(ctx, texts)
	if err != nil {
		return nil, fmt.Errorf("embed tasks: %w", err)
	}
	for i, text := range texts {
		if text != "" { // its vector is all zeros, and stays so
			center(vectors[i])
		}
	}
	return vectors, nil
}

// center subtracts the mean and makes the length one again.
func center(v []float32) {
	length := 0.0
	for i := range v {
		v[i] -= math.Float32frombits(binary.LittleEndian.Uint32(common[4*i:]))
		length += float64(v[i]) * float64(v[i])
	}
	if length == 0 {
		return
	}
	for i := range v {
		v[i] = float32(float64(v[i]) / math.Sqrt(length))
	}
}
