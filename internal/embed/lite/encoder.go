package lite

import (
	"math"
	"sync"
)

// Encoder is a network that is ready for use. It is safe for concurrent use.
type Encoder struct {
	*weights
	tokens *tokenizer
	kernel kernel
	spaces sync.Pool // of *workspace
}

// Load checks weights, whose memory the encoder then uses: it must not change.
// It returns [ErrDamaged] where they are not what their checksum promises.
func Load(file []byte) (*Encoder, error) {
	w, err := parse(file)
	if err != nil {
		return nil, err
	}
	return &Encoder{
		weights: w,
		tokens:  newTokenizer(w.pieces),
		kernel:  kernels()[0].kernel,
	}, nil
}

// Embed returns the vector of a text: [Dimensions] numbers, of length one. Of
// a text without tokens, that is an empty one, it is all zeros.
func (e *Encoder) Embed(text string) []float32 {
	return e.embed(e.tokens.encode(text))
}

func (e *Encoder) embed(ids []uint16) []float32 {
	vector := make([]float32, Dimensions)
	if len(ids) == 0 {
		return vector
	}
	s, _ := e.spaces.Get().(*workspace)
	if s == nil {
		s = &workspace{}
	}
	defer e.spaces.Put(s)
	s.kernel = e.kernel
	s.begin(e.weights, ids)
	for i := range e.layers {
		s.layer(&e.layers[i])
	}
	s.end(&e.head, vector)
	return vector
}

// workspace is what a text needs on its way, kept for the next one.
type workspace struct {
	kernel kernel
	count  int       // tokens
	state  []float32 // a row for each token
	next   []float32
	wide   []float32
	rows   rows
	attention
}

// begin looks up the embeddings and adds the positions.
func (s *workspace) begin(w *weights, ids []uint16) {
	s.count = len(ids)
	s.state = resize(s.state, s.count*Width)
	for i, id := range ids {
		codes := w.embeddings[int(id)*Width:][:Width]
		timing := w.timing[i*Width:][:Width]
		row := s.state[i*Width:][:Width]
		scale := w.scales[id]
		for j, code := range codes {
			product := float32(int8(code)) * scale
			row[j] = product + timing[j]
		}
	}
}

// layer replaces the state by that after a layer: attention, then a
// feed-forward network, each added to what goes in.
func (s *workspace) layer(l *layer) {
	s.wide = resize(s.wide, s.count*3*l.width)
	s.rows.normalize(s.state, s.count, l.width)
	l.qkv.multiply(s.kernel, &s.rows, s.wide, 3*l.width, false)

	if l.bypass.in > 0 {
		s.next = resize(s.next, s.count*Dimensions)
		s.rows.quantize(s.state, s.count, l.width)
		l.bypass.multiply(s.kernel, &s.rows, s.next, Dimensions, false)
		s.state, s.next = s.next, s.state
	}
	s.next = resize(s.next, s.count*l.width)
	s.attend(s.kernel, s.wide, s.next, s.count, l.width)
	s.rows.quantize(s.next, s.count, l.width)
	l.mix.multiply(s.kernel, &s.rows, s.state, Dimensions, true)

	s.wide = resize(s.wide, s.count*Hidden)
	s.rows.normalize(s.state, s.count, Dimensions)
	l.expand.multiply(s.kernel, &s.rows, s.wide, Hidden, false)
	s.rows.rectify(s.wide, s.count, Hidden)
	l.contract.multiply(s.kernel, &s.rows, s.state, Dimensions, true)
}

// end makes one vector of all tokens: their mean, through one more layer.
func (s *workspace) end(head *matrix, vector []float32) {
	var mean [Dimensions]float32
	for i := range s.count {
		for j, v := range s.state[i*Dimensions:][:Dimensions] {
			mean[j] += v
		}
	}
	for j := range mean {
		mean[j] /= float32(s.count)
	}
	s.rows.quantize(mean[:], 1, Dimensions)
	head.multiply(s.kernel, &s.rows, vector, Dimensions, false)
	var squares float64
	for j, v := range vector {
		vector[j] = tanh(v)
		squares += square(vector[j])
	}
	length := math.Sqrt(squares)
	for j, v := range vector {
		vector[j] = float32(float64(v) / length)
	}
}
