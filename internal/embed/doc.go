// Package embed turns texts into vectors that are near each other where the
// texts mean something similar. It owns the encoder that is built in, and
// works offline ([New]), those of services over HTTP ([NewHTTP]), and the
// keeping of vectors, so that a text is embedded once ([Keep]).
//
// Vectors have unit length: their dot product is the cosine of the angle
// between them.
package embed

import (
	"context"
	"errors"
)

// Embedder makes vectors of texts. It is safe for concurrent use.
type Embedder interface {
	// Space names the vector space: the model and the version of its weights.
	// Vectors of different spaces cannot be compared.
	Space() string
	// Embed returns a vector for each text, in their order, all of one length
	// in numbers, and of unit length. The vector of an empty text is all zeros.
	// Who gets the vectors may change them.
	Embed(ctx context.Context, texts []string) ([][]float32, error)
}

// ErrDamaged says that the weights of the encoder are not what their checksum
// promises. Every later call says so too; words have to do.
var ErrDamaged = errors.New("the weights of the text encoder are damaged: install claude-force anew; until then texts are compared by their words")

// ErrClosed is returned after Close.
var ErrClosed = errors.New("the text encoder is closed")
