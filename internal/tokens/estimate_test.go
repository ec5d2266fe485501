package tokens_test

import (
	"bufio"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/tokens"
)

// sample is a text whose tokens were counted with a real tokenizer.
type sample struct {
	name, text string
	count      int
}

func samples(t testing.TB) []sample {
	t.Helper()
	file, err := os.Open("testdata/counts.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var all []sample
	for lines := bufio.NewScanner(file); lines.Scan(); {
		name, count, _ := strings.Cut(lines.Text(), "\t")
		if strings.HasPrefix(name, "#") {
			continue
		}
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(count)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, sample{name, string(text), n})
	}
	if len(all) < 10 {
		t.Fatalf("only %d samples", len(all))
	}
	return all
}

// TestEstimateAgainstRealCounts holds prose, code and JSON to the accuracy
// that the package promises, and everything else to a wider one.
func TestEstimateAgainstRealCounts(t *testing.T) {
	wide := map[string]bool{"digests.txt": true, "chinese.txt": true, "japanese.txt": true, "russian.txt": true, "german.txt": true}
	for _, s := range samples(t) {
		low, high := 0.95, 1.15
		if wide[s.name] {
			low, high = 0.90, 1.40
		}
		got := tokens.Estimate(tokens.Claude3, s.text)
		ratio := float64(got) / float64(s.count)
		t.Logf("%-15s %5d real, %5d estimated: %.3f; at least %d", s.name, s.count, got, ratio, tokens.Floor(tokens.Claude3, s.text))
		if ratio < low || ratio > high {
			t.Errorf("%s: %d tokens are estimated as %d, %.3f of it", s.name, s.count, got, ratio)
		}
		if floor := tokens.Floor(tokens.Claude3, s.text); floor > s.count || floor < s.count/5 {
			t.Errorf("%s: the floor of %d tokens is %d", s.name, s.count, floor)
		}
	}
}

func TestFamilies(t *testing.T) {
	for _, s := range samples(t) {
		older, newer := tokens.Estimate(tokens.Claude3, s.text), tokens.Estimate(tokens.Claude47, s.text)
		if ratio := float64(newer) / float64(older); ratio < 1.28 || ratio > 1.32 {
			t.Errorf("%s: the newer family counts %.3f times the older", s.name, ratio)
		}
		for _, unknown := range []string{"", "claude-9"} {
			if got := tokens.Estimate(unknown, s.text); got != newer {
				t.Errorf("%s: family %q counts %d, want the higher %d", s.name, unknown, got, newer)
			}
		}
	}
	catalogue, err := model.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range catalogue.Models() {
		if m.Tokenizer != tokens.Claude3 && m.Tokenizer != tokens.Claude47 {
			t.Errorf("%s has a tokenizer %q that nothing is known of", m.ID, m.Tokenizer)
		}
	}
}

// TestPieces fixes what single pieces cost in the older family.
func TestPieces(t *testing.T) {
	for _, test := range []struct {
		text            string
		floor, estimate int
	}{
		{"", 0, 0},
		{"a", 1, 2}, // one token, and the margin rounded up
		{"Hello, world!", 2, 5},
		{" ", 0, 2},
		{"the cat sat", 3, 4},
		{"theCatSat", 1, 4},
		{"HTTPServer", 1, 3},
		{"a\n\tb", 2, 5},
		{"1234567890", 1, 4},
		{"\x00\x01", 0, 3},
		{"\xff\xfe\xfd", 0, 7},
		{"über", 0, 2},
		{"中文字", 1, 4},
		{"😀", 0, 3},
		{"Ελληνικά", 1, 11},
		{"русский", 1, 5},
		{"שלום", 0, 4},
		{"नमस्ते", 0, 12},
		{"한국어", 1, 4},
		{"カタカナ", 1, 5},
		{"tiếng Việt", 2, 6},
		{"→ ← © ™", 0, 5},
		{"ⴰⵣⵓⵍ", 0, 7},
		{strings.Repeat(" ", 1_000), 0, 32},
		{strings.Repeat("-", 1_000), 0, 64},
		{strings.Repeat("a", 1_000), 60, 469},
		{strings.Repeat("A", 1_000), 60, 472},
		{strings.Repeat("7", 1_000), 30, 441},
		{strings.Repeat("\n", 1_000), 29, 127},
	} {
		floor, estimate := tokens.Floor(tokens.Claude3, test.text), tokens.Estimate(tokens.Claude3, test.text)
		if floor != test.floor || estimate != test.estimate {
			t.Errorf("%.20q: %d to %d tokens, want %d to %d", test.text, floor, estimate, test.floor, test.estimate)
		}
	}
}

// TestLongerASCIINeverCostsLess cuts random ASCII text at every place.
func TestLongerASCIINeverCostsLess(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	const alphabet = "aaabcXYZ 019.,-{}\"  \n\t_(AB"
	for range 300 {
		text := make([]byte, 60)
		for i := range text {
			text[i] = alphabet[random.IntN(len(alphabet))]
		}
		before := 0
		for i := range text {
			n := tokens.Estimate(tokens.Claude47, string(text[:i+1]))
			if n < before {
				t.Fatalf("%q is %d tokens, one byte less is %d", text[:i+1], n, before)
			}
			before = n
		}
	}
}

// slack is how much two texts, in tokens, can differ from one: where they
// meet a word, a run or a character is cut in two, and an accent at the end of
// the first makes the next words of the second dearer.
const slack = 130

func FuzzEstimate(f *testing.F) {
	for _, s := range samples(f) {
		half := len(s.text) / 2
		f.Add(s.text[:half], s.text[half:])
	}
	f.Add("\xe4\xb8", "\xad\xff")
	f.Add("é ", "SomeVeryLongWordsThatGoOnAndOn andonandonandonandonandon")
	f.Add(strings.Repeat("A", 40), strings.Repeat("A", 40)+"a")
	f.Fuzz(func(t *testing.T, a, b string) {
		both := a + b
		for _, family := range []string{"", tokens.Claude3, tokens.Claude47} {
			na, nb, nboth := tokens.Estimate(family, a), tokens.Estimate(family, b), tokens.Estimate(family, both)
			floor := tokens.Floor(family, both)
			if floor < 0 || floor > nboth {
				t.Fatalf("family %q: floor %d, estimate %d of %q", family, floor, nboth, both)
			}
			if nboth > na+nb+slack || nboth < max(na, nb)-slack {
				t.Fatalf("family %q: %d and %d tokens together are %d: %q, %q", family, na, nb, nboth, a, b)
			}
			if most := 4*len(both) + 2; nboth > most || len(both) > 0 && nboth == 0 {
				t.Fatalf("family %q: %d bytes are %d tokens: %q", family, len(both), nboth, both)
			}
		}
	})
}

func TestNoAllocation(t *testing.T) {
	text := samples(t)[0].text
	if n := testing.AllocsPerRun(100, func() { tokens.Estimate("", text); tokens.Floor("", text) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkEstimate(b *testing.B) {
	for _, s := range samples(b) {
		text := strings.Repeat(s.text, 20<<10/len(s.text)+1)[:20<<10]
		b.Run(s.name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				tokens.Estimate(tokens.Claude47, text)
			}
		})
	}
}
