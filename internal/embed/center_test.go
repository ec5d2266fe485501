package embed_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/claude-force/claude-force/internal/embed"
)

var update = flag.Bool("update", false, "make the mean vector of tasks anew")

// The mean is that of the labelled tasks that selection is tuned with.
func TestTheMeanIsThatOfTasks(t *testing.T) {
	f, err := os.Open(filepath.Join("..", "..", "bench", "quality", "testdata", "tuning.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var tasks []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var line struct{ Task string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		tasks = append(tasks, line.Task)
	}
	vectors, err := embed.New(embed.Options{}).Embed(t.Context(), tasks)
	if err != nil || len(tasks) < 100 {
		t.Fatal(len(tasks), err)
	}
	mean := make([]float64, embed.Dimensions)
	for _, v := range vectors {
		for i := range v {
			mean[i] += float64(v[i]) / float64(len(vectors))
		}
	}
	file := filepath.Join("weights", "common.bin")
	if *update {
		var b []byte
		for _, x := range mean {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(x)))
		}
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(file)
	if err != nil || len(data) != 4*embed.Dimensions {
		t.Fatal(len(data), err)
	}
	kept := make([]float32, embed.Dimensions)
	if err := binary.Read(bytes.NewReader(data), binary.LittleEndian, kept); err != nil {
		t.Fatal(err)
	}
	for i := range mean {
		if math.Abs(float64(kept[i])-mean[i]) > 1e-4 { // kernels differ by less
			t.Fatalf("number %d is %v and should be %v: run the test with -update", i, kept[i], mean[i])
		}
	}
}

func TestCenteredVectors(t *testing.T) {
	m := embed.New(embed.Options{})
	c := embed.Center(m)
	if c.Space() == m.Space() {
		t.Error("the two spaces have one name")
	}
	texts := []string{"Speed up the slow SQL query of the report", "Bake a chocolate cake", ""}
	plain, err := m.Embed(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	centered, err := c.Embed(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	dot := func(a, b []float32) (sum float64) {
		for i := range a {
			sum += float64(a[i]) * float64(b[i])
		}
		return sum
	}
	if n := dot(centered[0], centered[0]); math.Abs(n-1) > 1e-5 {
		t.Errorf("the length is %v", n)
	}
	if dot(centered[0], centered[1]) >= dot(plain[0], plain[1]) {
		t.Error("unlike tasks are no farther apart")
	}
	if dot(centered[2], centered[2]) != 0 {
		t.Error("an empty text has a vector")
	}
	again, _ := m.Embed(t.Context(), texts)
	if dot(again[0], plain[0]) < 0.9999 {
		t.Error("the encoder's own vectors were changed")
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Embed(t.Context(), texts); err == nil {
		t.Error("a closed encoder embeds")
	}
}
