package lite

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

const weightsFile = "../weights/use-lite-en.bin"

func readWeights(t testing.TB) []byte {
	t.Helper()
	file, err := os.ReadFile(weightsFile)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func load(t testing.TB) *Encoder {
	t.Helper()
	e, err := Load(readWeights(t))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func readJSON(t testing.TB, name string, to any) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err == nil {
		err = json.Unmarshal(b, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func texts(t testing.TB) []string {
	var texts []string
	readJSON(t, "texts.json", &texts)
	return texts
}

// The tokens are those of the authors' own program.
func TestTokensOfTheReference(t *testing.T) {
	e := load(t)
	var want [][]uint16
	readJSON(t, "ids.json", &want)
	for i, text := range texts(t) {
		if got := e.tokens.encode(text); !slices.Equal(got, want[i][:min(len(want[i]), Tokens)]) {
			t.Errorf("%.80q:\n got %d\nwant %d", text, got, want[i])
		}
	}
}

func cosine(a, b []float32) float64 {
	var dot, aa, bb float64
	for i := range a {
		dot += float64(a[i]) * float64(b[i])
		aa += square(a[i])
		bb += square(b[i])
	}
	return dot / math.Sqrt(aa*bb)
}

// The vectors of bytes point where those of the authors' program in floating
// point do, and who is nearest to whom stays.
func TestVectorsOfTheReference(t *testing.T) {
	e := load(t)
	raw, err := os.ReadFile("testdata/vectors.bin")
	if err != nil {
		t.Fatal(err)
	}
	var want, got [][]float32
	for i, text := range texts(t) {
		reference := make([]float32, Dimensions)
		for j, b := range raw[i*Dimensions:][:Dimensions] {
			reference[j] = float32(int8(b))
		}
		want, got = append(want, reference), append(got, e.Embed(text))
	}
	least, sum, nearest := 1.0, 0.0, 0
	for i := range got {
		c := cosine(got[i], want[i])
		sum += c
		if c < least {
			least = c
		}
		if c < 0.98 {
			t.Errorf("%.60q: cosine %.4f", texts(t)[i], c)
		}
		if neighbour(got, i) == neighbour(want, i) {
			nearest++
		}
	}
	mean, kept := sum/float64(len(got)), float64(nearest)/float64(len(got))
	t.Logf("cosine: mean %.5f, least %.5f; nearest neighbours kept: %.3f; order of pairs: %.5f", mean, least, kept, agreement(got, want))
	if mean < 0.997 || kept < 0.93 {
		t.Errorf("mean cosine %.5f, nearest neighbours kept %.3f", mean, kept)
	}
}

func neighbour(vectors [][]float32, of int) int {
	best, at := -2.0, -1
	for i, v := range vectors {
		if c := cosine(v, vectors[of]); i != of && c > best {
			best, at = c, i
		}
	}
	return at
}

// agreement is the correlation of the similarities of all pairs.
func agreement(a, b [][]float32) float64 {
	var x, y []float32
	var mx, my float32
	for i := range a {
		for j := range i {
			x, y = append(x, float32(cosine(a[i], a[j]))), append(y, float32(cosine(b[i], b[j])))
			mx, my = mx+x[len(x)-1], my+y[len(y)-1]
		}
	}
	for i := range x {
		x[i] -= mx / float32(len(x))
		y[i] -= my / float32(len(y))
	}
	return cosine(x, y)
}

// All kernels give the same sums, whatever the bytes are.
func TestKernelsAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, width := range []int{4, 8, 28, 32, 36, 64, 128, 256, 512, 1536} {
		for _, kind := range []string{"any", "extreme"} {
			codes, weights := make([]int8, block*width), make([]byte, panel*width)
			for i := range codes {
				codes[i] = int8(r.IntN(255) - 127)
				if kind == "extreme" {
					codes[i] = int8(127 - 254*r.IntN(2)*(i/7%2))
				}
			}
			for i := range weights {
				weights[i] = byte(r.IntN(256))
				if kind == "extreme" {
					weights[i] = 255
				}
			}
			checkKernels(t, codes, width, weights)
		}
	}
}

// checkKernels compares each kernel with the sums as they are defined.
func checkKernels(t *testing.T, codes []int8, width int, weights []byte) {
	t.Helper()
	var want tile
	for i := range block {
		for j := range panel {
			for k := range width {
				want[i*panel+j] += int32(codes[i*width+k]) * int32(weights[place(width, k, j)])
			}
		}
	}
	for _, k := range kernels() {
		got := tile{}
		for i := range got {
			got[i] = -1 // is overwritten
		}
		if k.kernel(&got, codes, width, weights); got != want {
			t.Errorf("%s, width %d: other sums", k.name, width)
		}
	}
}

func FuzzKernels(f *testing.F) {
	f.Add([]byte{1, 2, 3}, uint8(3))
	f.Add(bytes.Repeat([]byte{255, 128, 0, 127}, 100), uint8(200))
	f.Fuzz(func(t *testing.T, data []byte, groups uint8) {
		width := group * (int(groups) + 1)
		if len(data) == 0 {
			return
		}
		codes, weights := make([]int8, block*width), make([]byte, panel*width)
		for i := range codes {
			codes[i] = max(int8(data[i%len(data)]), -127)
		}
		for i := range weights {
			weights[i] = data[(i*7+3)%len(data)]
		}
		checkKernels(t, codes, width, weights)
	})
}

// Vectors are the same to the last bit with every kernel.
func TestVectorsDoNotDependOnTheKernel(t *testing.T) {
	e := load(t)
	for i, text := range texts(t) {
		if i%4 > 0 && len(text) > 20 {
			continue // the plain kernel is slow
		}
		e.kernel = plain
		want := e.Embed(text)
		for _, k := range kernels() {
			e.kernel = k.kernel
			if got := e.Embed(text); !slices.Equal(got, want) {
				t.Errorf("%s: another vector for %.60q", k.name, text)
			}
		}
	}
}

// They are also the same as when the golden file was made, on whatever machine.
// Where this fails on purpose, the name of the vector space has to change too.
func TestVectorsDoNotDependOnTheMachine(t *testing.T) {
	e := load(t)
	h := sha256.New()
	for _, text := range texts(t) {
		if err := binary.Write(h, binary.LittleEndian, e.Embed(text)); err != nil {
			t.Fatal(err)
		}
	}
	got := fmt.Sprintf("%x\n", h.Sum(nil))
	const golden = "testdata/vectors.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the SHA-256 of all vectors is %swant %s", got, want)
	}
}

func TestEmptyTextsAreZeros(t *testing.T) {
	if got := load(t).Embed(""); !slices.Equal(got, make([]float32, Dimensions)) {
		t.Error("not zeros")
	}
}

// What a workspace was used for before does not matter.
func TestConcurrentUse(t *testing.T) {
	e := load(t)
	list := texts(t)[90:]
	want := map[string][]float32{}
	for _, text := range list {
		want[text] = e.Embed(text)
	}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(worker), 0))
			for range 40 {
				text := list[r.IntN(len(list))]
				if !slices.Equal(e.Embed(text), want[text]) {
					t.Errorf("another vector for %.60q", text)
				}
			}
		})
	}
	wg.Wait()
}

func TestDamagedWeights(t *testing.T) {
	file := readWeights(t)
	r := rand.New(rand.NewPCG(3, 4))
	damage := map[string]func([]byte) []byte{
		"empty":       func([]byte) []byte { return nil },
		"short":       func(b []byte) []byte { return b[:len(b)-1] },
		"header only": func(b []byte) []byte { return b[:headerSize] },
		"long":        func(b []byte) []byte { return append(b, 0) },
		"magic":       func(b []byte) []byte { b[0]++; return b },
		"version":     func(b []byte) []byte { b[len(magic)-1]++; return b },
		"checksum":    func(b []byte) []byte { b[len(magic)]++; return b },
		"a bit":       func(b []byte) []byte { b[r.IntN(len(b))] ^= 1 << r.IntN(8); return b },
	}
	for name, do := range damage {
		if _, err := Load(do(bytes.Clone(file))); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A file with a valid checksum that this program has not written is refused
// too.
func FuzzParse(f *testing.F) {
	var w writer
	w.pieces([]piece{{"a", 6, -1}, {"b", 7, -2}})
	f.Add(w.Bytes())
	f.Add([]byte{255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, body []byte) {
		r := &reader{rest: body}
		if pieces, err := r.pieces(); err == nil && !r.short {
			newTokenizer(pieces).encode("a text, ab and caf\u00e9")
		}
		(&weights{}).visit(r)
		if !r.short && len(r.rest) > 0 && len(body) < 1000 {
			t.Error("a short file was enough")
		}
	})
}

func FuzzTokens(f *testing.F) {
	for _, text := range texts(f) {
		f.Add(text)
	}
	f.Add("\xff\xfe broken \xe2\x96")
	e := load(f)
	f.Fuzz(func(t *testing.T, text string) {
		ids := e.tokens.encode(text)
		if len(ids) > Tokens || len(ids) == 0 && text != "" {
			t.Fatalf("%d tokens", len(ids))
		}
		for i, id := range ids {
			if id >= Rows || i > 0 && id == unknown && ids[i-1] == unknown {
				t.Fatalf("tokens %d", ids)
			}
		}
		// What comes far behind does not change the beginning.
		if len(ids) == Tokens && len(text) < longest {
			if more := e.tokens.encode(text + " and more"); !slices.Equal(more, ids) {
				t.Fatalf("%d became %d", ids, more)
			}
		}
	})
}

// A megabyte takes no longer than its beginning.
func TestLongTexts(t *testing.T) {
	e := load(t)
	for _, part := range []string{"word ", "x", "🙂", "日本", "مرحبا ", "\xff", "ﷺ", " ", "://"} {
		text := strings.Repeat(part, 1<<20/len(part))
		if got, want := e.tokens.encode(text), e.tokens.encode(text[:longest]); !slices.Equal(got, want) {
			t.Errorf("%q: %d tokens, and %d of the beginning", part, len(got), len(want))
		}
	}
}

// exp and tanh are near the true functions.
func TestFunctions(t *testing.T) {
	for x := float32(-84); x <= 0; x += 0.01 {
		if got, want := float64(exp(x)), math.Exp(float64(x)); math.Abs(got-want) > 4e-7*want {
			t.Errorf("exp(%g) = %g, want %g", x, got, want)
		}
	}
	for x := float32(-10); x <= 10; x += 0.01 {
		if got, want := float64(tanh(x)), math.Tanh(float64(x)); math.Abs(got-want) > 3e-7 {
			t.Errorf("tanh(%g) = %g, want %g", x, got, want)
		}
	}
	for _, x := range []float32{-86, float32(math.Inf(-1)), float32(math.NaN())} {
		if got := exp(x); got != 0 {
			t.Errorf("exp(%g) = %g", x, got)
		}
	}
}

func ExampleChecksum() {
	_, err := Checksum([]byte("something else"))
	fmt.Println(err)
	// Output: the weights of the text encoder are damaged: they do not begin as weights do
}
