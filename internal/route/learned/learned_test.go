package learned_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/claude-force/claude-force/internal/route/learned"
)

func TestSplitOptions(t *testing.T) {
	for _, c := range []struct {
		text, question string
		options        []string
	}{
		{"2 + 2?\nA. 3\nB. 4\nAnswer:", "2 + 2?", []string{"3", "4"}},
		{"2 + 2?\nA) 3\nB) 4\nC) 5", "2 + 2?", []string{"3", "4", "5"}},
		{"Choose\nA. this", "Choose\nA. this", nil},
		{"", "", nil},
		{"q\nA. \nB. ", "q\nA. \nB.", nil},
	} {
		question, options := learned.SplitOptions(c.text)
		if question != c.question || !slices.Equal(options, c.options) {
			t.Errorf("%q: %q %q", c.text, question, options)
		}
	}
}

func TestWords(t *testing.T) {
	var got []string
	learned.Words("It's 3.14 ÉTÉ, HTTP2 "+strings.Repeat("x", 100), func(w *learned.Word) {
		got = append(got, string(w.Lower[:min(len(w.Lower), 5)]))
	})
	if want := []string{"it", "s", "3", "14", "été", "http2", "xxxxx"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestMeasuresHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for m := range learned.Measures {
		name := learned.MeasureName(m)
		if name == "" || seen[name] {
			t.Errorf("measure %d is called %q", m, name)
		}
		seen[name] = true
	}
}

func model() *learned.Model {
	m := &learned.Model{Trees: make([]learned.Tree, 3), IDF: strings.Repeat("\x10", learned.Buckets), Weights: strings.Repeat("\x01", learned.Buckets)}
	for i := range m.Quantiles {
		m.Quantiles[i] = float32(i)
	}
	m.WordScale = 0.5
	m.Trees[1].Value[14] = 2
	return m
}

func TestModelFile(t *testing.T) {
	data := string(model().Append(nil))
	m, err := learned.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if again := string(m.Append(nil)); again != data {
		t.Error("a model that was read is written otherwise")
	}
	nan := model()
	nan.Trees[0].Value[3] /= nan.Trees[0].Value[3]
	falling := model()
	falling.Quantiles[5] = 0
	measure := model()
	measure.Trees[2].Measure[0] = 250
	for name, broken := range map[string]string{
		"empty": "", "header": "x" + data[1:], "short": data[:len(data)-1], "long": data + "x", "head only": data[:20],
		"no number": string(nan.Append(nil)), "quantiles": string(falling.Append(nil)), "measure": string(measure.Append(nil)),
	} {
		if _, err := learned.Parse(broken); err == nil {
			t.Errorf("%s: a broken file is read", name)
		}
	}
}

func TestPercentileRises(t *testing.T) {
	m := model()
	last := 0.0
	for score := -500.0; score < 600; score += 0.25 {
		p := m.Percentile(score)
		if p <= last || p >= 1 {
			t.Fatalf("%v is at %v, after %v", score, p, last)
		}
		last = p
	}
}

func FuzzParse(f *testing.F) {
	f.Add(string(model().Append(nil)))
	f.Add("CFRM1\n")
	text := learned.Measure("How many?\nA. 1\nB. 2")
	f.Fuzz(func(t *testing.T, data string) {
		if m, err := learned.Parse(data); err == nil {
			m.Percentile(m.Score(&text).Score)
		}
	})
}
