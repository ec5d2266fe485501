package embed_test

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/claude-force/claude-force/internal/embed"
)

func TestQuantize(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		name string
		v    []float32
		want []int8
	}{
		{"nothing", nil, []int8{}},
		{"zeros", []float32{0, 0}, []int8{0, 0}},
		{"one", []float32{0, -1, 0}, []int8{0, -127, 0}},
		{"several", []float32{1, 0.5, -0.25}, []int8{127, 64, -32}},
		{"no numbers", []float32{nan, inf, 2}, []int8{0, 0, 127}},
		{"tiny", []float32{1e-45, 0}, []int8{127, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _ := embed.Quantize(c.v)
			if !slices.Equal(got, c.want) {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func length(v []float32) float64 {
	var squares float64
	for _, x := range v {
		squares += float64(x) * float64(x)
	}
	return math.Sqrt(squares)
}

// Rounding keeps the length, and what was rounded once stays as it is.
func FuzzQuantize(f *testing.F) {
	f.Add([]byte{0, 0, 128, 63, 0, 0, 0, 63, 1, 2, 3, 60})
	f.Add([]byte{0, 'z', 0x98, 0x47, 1, 1, 1, 0x40}) // whose scale is rounded far
	f.Fuzz(func(t *testing.T, data []byte) {
		var v []float32
		for ; len(data) >= 4; data = data[4:] {
			// Between 2^-32 and 2^32, as no vector goes near the ends of what
			// there is.
			x := math.Float32frombits(binary.LittleEndian.Uint32(data)&^0x7f800000 | uint32(127-32+int(data[3])%64)<<23)
			v = append(v, x)
		}
		codes, scale := embed.Quantize(v)
		once := embed.Dequantize(codes, scale)
		if a, b := length(once), length(v); math.Abs(a-b) > 1e-5*b {
			t.Errorf("length %g became %g", b, a)
		}
		again, scale2 := embed.Quantize(once)
		if !slices.Equal(again, codes) || scale2 != scale {
			t.Errorf("%d·%g became %d·%g", codes, scale, again, scale2)
		}
	})
}
