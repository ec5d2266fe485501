package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/claude-force/claude-force/internal/embed/lite"
)

// tensor is an entry of a manifest.
type tensor struct {
	Name  string `json:"name"`
	Dtype string `json:"dtype"`
	Shape []int  `json:"shape"`
}

// layerTensors are the weights of a layer, with the names of the package.
func layerTensors(layer string, width int) []tensor {
	encode := "module_apply_default/Encoder_en/KonaTransformer/Encode/"
	at, folded := encode+layer+"/TransformerLayer/", encode+"TransformerStack/"+layer+"/TransformerLayer/"
	kernel := "module/Encoder_en/KonaTransformer/Encode/" + layer + "/TransformerLayer/MultiheadAttention/"
	norm, concat := "layer_prepostprocess/layer_norm/layer_norm_", "/ConcatPartitions/concat"
	f := func(name string, shape ...int) tensor { return tensor{name, "float32", shape} }
	return []tensor{
		f(at+norm+"scale"+concat, width), f(at+norm+"bias"+concat, width),
		f(at+"FFN/"+norm+"scale"+concat, 512), f(at+"FFN/"+norm+"bias"+concat, 512),
		f(kernel+"qkv_transform_single/kernel/part_0", 1, 1, width, 3*width),
		f(at+"MultiheadAttention/qkv_transform_single/bias"+concat, 3*width),
		f(kernel+"output_transform_single/kernel/part_0", 1, 1, width, 512),
		f(at+"MultiheadAttention/output_transform_single/bias"+concat, 512),
		f(folded+"FFN/conv1/Tensordot/Reshape_1", 512, 1536), f(at+"FFN/conv1/bias"+concat, 1536),
		f(folded+"FFN/conv2/Tensordot/Reshape_1", 1536, 512), f(at+"FFN/conv2/bias"+concat, 512),
	}
}

// writePackage makes a package with random weights.
func writePackage(t *testing.T, without string) string {
	t.Helper()
	encode := "module_apply_default/Encoder_en/KonaTransformer/Encode/"
	tensors := []tensor{
		{"module/Embeddings_en", "float32", []int{8002, 256}},
		{encode + "SparseToDense/default_value", "int32", []int{}},
		{encode + "TransformerStack/Layer_0/AddTimingSignal/TimingSignal/ExpandDims_1", "float32", []int{1, 128}},
		{encode + "Layer_0/TransformerLayer/dense/kernel/ConcatPartitions/concat", "float32", []int{256, 512}},
		{encode + "Layer_0/TransformerLayer/dense/bias/ConcatPartitions/concat", "float32", []int{512}},
		{"module/Encoder_en/hidden_layers/tanh_layer_0/weights", "float32", []int{512, 512}},
		{"module/Encoder_en/hidden_layers/tanh_layer_0/bias", "float32", []int{512}},
	}
	tensors = append(tensors, layerTensors("Layer_0", 256)...)
	tensors = append(tensors, layerTensors("Layer_1", 512)...)
	r := rand.New(rand.NewPCG(5, 6))
	var raw []byte
	kept := []tensor{}
	for _, w := range tensors {
		if without != "" && strings.HasSuffix(w.Name, without) {
			continue
		}
		kept = append(kept, w)
		n := 1
		for _, s := range w.Shape {
			n *= s
		}
		for range n {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(r.Float32()/10-0.05))
		}
	}
	manifest, err := json.Marshal(map[string]any{"weightsManifest": []any{map[string]any{"paths": []string{"a", "b"}, "weights": kept}}})
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	half := len(raw) / 2
	for name, content := range map[string][]byte{
		"model.json": manifest, "a": raw[:half], "b": raw[half:],
		"vocab.json": []byte(`[["x",0],["x",0],["x",0],["x",0],["x",0],["x",0],["\u2581",-5],["a",-2.5],["\u2581a",null],["a",-3]]`),
	} {
		path := filepath.Join(folder, "dist", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// What is written can be loaded, and is the same each time.
func TestConvert(t *testing.T) {
	from := writePackage(t, "")
	var files [2][]byte
	for i := range files {
		to := filepath.Join(t.TempDir(), "weights.bin")
		if err := convert([]string{from, to}); err != nil {
			t.Fatal(err)
		}
		var err error
		if files[i], err = os.ReadFile(to); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(files[0], files[1]) {
		t.Error("two conversions differ")
	}
	e, err := lite.Load(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var squares float64
	for _, v := range e.Embed("a b") {
		squares += float64(v) * float64(v)
	}
	if math.Abs(squares-1) > 1e-5 {
		t.Errorf("a vector of length %g", math.Sqrt(squares))
	}
}

func TestConvertNeedsAllOfIt(t *testing.T) {
	to := filepath.Join(t.TempDir(), "weights.bin")
	for name, args := range map[string][]string{
		"no arguments":  nil,
		"no package":    {t.TempDir(), to},
		"a part lacks":  {writePackage(t, "tanh_layer_0/bias"), to},
		"one too short": {writePackage(t, "conv2/Tensordot/Reshape_1"), to},
	} {
		if err := convert(args); err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := os.Stat(to); err == nil {
			t.Errorf("%s: a file was written", name)
		}
	}
}
