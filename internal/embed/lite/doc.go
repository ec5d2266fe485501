// Package lite runs the Universal Sentence Encoder lite: a text of up to 128
// tokens becomes a vector of 512 numbers, on the processor alone, the same to
// the last bit on every machine.
//
// Weights and activations are bytes. All sums of products are integers, so the
// order in which a kernel adds them does not matter: the one for AVX-512 VNNI,
// the one for AVX2 and the one in Go agree exactly. What is left in floating
// point is written so that no compiler may fuse a product with a sum, and uses
// no function whose result depends on the processor.
//
// The package owns the tokenizer, the layers, the kernels, and the file format
// of the weights, both ways: see [Load] and [Write].
package lite

// What the network looks like.
const (
	// Dimensions is the length of a vector.
	Dimensions = 512
	// Tokens is how many tokens of a text count; the others are cut off.
	Tokens = 128
	// Rows is the number of embeddings, of which pieces are the most.
	Rows = 8002
	// Width is the length of an embedding.
	Width = 256
	// Hidden is the width between the two halves of a feed-forward network.
	Hidden = 1536
	// Heads is the number of attention heads of a layer.
	Heads = 4
)
