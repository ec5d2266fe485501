package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/claude-force/claude-force/internal/embed/lite"
)

// reserved are the first entries of the vocabulary, which no text contains.
const reserved = 6

// read reads a graph of TensorFlow.js and its vocabulary.
func read(folder string) (*lite.Source, error) {
	folder = filepath.Join(folder, "dist")
	t, err := readTensors(folder)
	if err != nil {
		return nil, err
	}
	s := &lite.Source{
		Embeddings: t.take("Embeddings_en"),
		Timing:     t.take("TransformerStack/Layer_0/AddTimingSignal/TimingSignal/ExpandDims_1"),
		Head: lite.SourceMatrix{
			Weights: t.take("hidden_layers/tanh_layer_0/weights"),
			Bias:    t.take("hidden_layers/tanh_layer_0/bias"),
		},
	}
	for i := range s.Layers {
		s.Layers[i] = t.layer(i)
	}
	if err := errors.Join(t.missing...); err != nil {
		return nil, err
	}
	s.Pieces, err = readVocabulary(filepath.Join(folder, "vocab.json"))
	return s, err
}

// tensors are the weights by their names.
type tensors struct {
	byName  map[string][]float32
	missing []error
}

// layer takes what belongs to a transformer layer. Constants that the graph
// folded have another prefix than variables.
func (t *tensors) layer(i int) lite.SourceLayer {
	at := fmt.Sprintf("Layer_%d/TransformerLayer/", i)
	folded := "TransformerStack/" + at
	norm := func(name string) lite.Norm {
		name += "layer_prepostprocess/layer_norm/layer_norm_"
		return lite.Norm{
			Scale: t.take(at + name + "scale/ConcatPartitions/concat"),
			Bias:  t.take(at + name + "bias/ConcatPartitions/concat"),
		}
	}
	matrix := func(weights, bias string) lite.SourceMatrix {
		return lite.SourceMatrix{Weights: t.take(weights), Bias: t.take(at + bias + "/bias/ConcatPartitions/concat")}
	}
	attention := "MultiheadAttention/"
	l := lite.SourceLayer{
		Before:   norm(""),
		Between:  norm("FFN/"),
		QKV:      matrix(at+attention+"qkv_transform_single/kernel/part_0", attention+"qkv_transform_single"),
		Mix:      matrix(at+attention+"output_transform_single/kernel/part_0", attention+"output_transform_single"),
		Expand:   matrix(folded+"FFN/conv1/Tensordot/Reshape_1", "FFN/conv1"),
		Contract: matrix(folded+"FFN/conv2/Tensordot/Reshape_1", "FFN/conv2"),
	}
	if i == 0 {
		l.Bypass = matrix(at+"dense/kernel/ConcatPartitions/concat", "dense")
	}
	return l
}

func (t *tensors) take(name string) []float32 {
	v, ok := t.byName[name]
	if !ok {
		t.missing = append(t.missing, fmt.Errorf("there is no tensor %q", name))
	}
	return v
}

// manifest is the part of model.json that says where the weights are.
type manifest struct {
	WeightsManifest []struct {
		Paths   []string
		Weights []struct {
			Name, Dtype string
			Shape       []int
		}
	}
}

func readTensors(folder string) (*tensors, error) {
	b, err := os.ReadFile(filepath.Join(folder, "model.json"))
	if err != nil {
		return nil, err
	}
	var m manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("model.json: %w", err)
	}
	t := &tensors{byName: map[string][]float32{}}
	for _, group := range m.WeightsManifest {
		var raw []byte
		for _, path := range group.Paths {
			b, err := os.ReadFile(filepath.Join(folder, filepath.Base(path)))
			if err != nil {
				return nil, err
			}
			raw = append(raw, b...)
		}
		for _, w := range group.Weights {
			size := 4 // of an int32 as well
			for _, n := range w.Shape {
				size *= n
			}
			if size < 0 || size > len(raw) {
				return nil, fmt.Errorf("model.json: tensor %q is larger than the files of weights", w.Name)
			}
			if w.Dtype == "float32" {
				t.byName[short(w.Name)] = floats(raw[:size])
			}
			raw = raw[size:]
		}
	}
	return t, nil
}

// short cuts what says nothing off the name of a tensor.
func short(name string) string {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "module_apply_default/"), "module/")
	return strings.TrimPrefix(strings.TrimPrefix(name, "Encoder_en/"), "KonaTransformer/Encode/")
}

func floats(raw []byte) []float32 {
	f := make([]float32, len(raw)/4)
	for i := range f {
		f[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return f
}

// readVocabulary reads pairs of a text and a score. A score may be null, which
// means zero.
func readVocabulary(path string) ([]lite.Piece, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var entries [][2]any
	if err := json.Unmarshal(b, &entries); err != nil {
		return nil, fmt.Errorf("vocab.json: %w", err)
	}
	var pieces []lite.Piece
	for id, entry := range entries {
		if id < reserved {
			continue
		}
		text, ok := entry[0].(string)
		if !ok {
			return nil, fmt.Errorf("vocab.json: entry %d has no text", id)
		}
		score, _ := entry[1].(float64)
		pieces = append(pieces, lite.Piece{Text: text, ID: id, Score: score})
	}
	return pieces, nil
}
