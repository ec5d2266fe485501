package route_test

import (
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/claude-force/claude-force/internal/route"
)

var update = flag.Bool("update", false, "write the golden files anew")

func open(t testing.TB) *route.Router {
	t.Helper()
	r, err := route.New()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// odd are texts that no question looks like.
func odd() map[string]string {
	return map[string]string{
		"empty":        "",
		"space":        " \n\t ",
		"emoji":        "🚀🔥👩‍👩‍👧 🎉?",
		"cjk":          "分散システムの合意アルゴリズムを設計し、その正しさを証明してください。",
		"accents":      "Über die Größe der Straße: répondez s'il vous plaît, où est la bibliothèque ?",
		"binary":       "\x00\xff\xfe\x80ELF\x01\x02\xc3\x28",
		"long word":    strings.Repeat("a", 4000),
		"question":     "A train travels 60 miles in 1.5 hours and then 40 miles in half an hour. What is its average speed?",
		"options":      "Which of the following is NOT a prime number?\nA. 7\nB. 9\nC. 11\nD. 13\nAnswer:",
		"one option":   "Choose\nA. this",
		"many":         "Pick\n" + letters("ABCDEFGHIJKLMNOP"),
		"megabyte":     strings.Repeat("Fix the failing test in package number 7, please. ", 1<<20/50),
		"order":        "make the dropdown blue",
		"hard order":   "design a lock-free MPMC queue and prove linearizability",
		"code":         "Why is this slow?\n```go\nfor i := range n { for j := range n { s += a[i][j] } }\n```",
		"list":         "Build a page:\n- with a form\n- with a table\n1. and a chart\n",
		"halved runes": strings.Repeat("é", 20_000),
	}
}

func letters(all string) string {
	var b strings.Builder
	for _, r := range all {
		fmt.Fprintf(&b, "%c. answer %c\n", r, r)
	}
	return b.String()
}

// TestGolden holds for every platform: sums run in a fixed order.
func TestGolden(t *testing.T) {
	r := open(t)
	var got strings.Builder
	texts := odd()
	for _, name := range []string{"empty", "space", "emoji", "cjk", "accents", "binary", "long word", "question", "options", "one option", "many", "megabyte", "order", "hard order", "code", "list", "halved runes"} {
		fmt.Fprintf(&got, "%-12s %.4f\n", name, r.Assess("", texts[name]).Difficulty)
	}
	const file = "testdata/scores.golden"
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
}

func FuzzAssess(f *testing.F) {
	for _, text := range odd() {
		f.Add("", text[:min(len(text), 5000)])
	}
	f.Add("security-specialist", "x")
	r := open(f)
	f.Fuzz(func(t *testing.T, agent, task string) {
		a := r.Assess(agent, task)
		if !(0 <= a.Difficulty && a.Difficulty <= 1) {
			t.Errorf("the difficulty is %v", a.Difficulty)
		}
		for _, reason := range a.Reasons {
			if math.IsNaN(reason.Effect) || math.Abs(reason.Effect) > 1 || reason.What == "" {
				t.Errorf("reason %+v", reason)
			}
		}
		if b := r.Assess(agent, task); b.Difficulty != a.Difficulty || len(b.Reasons) != len(a.Reasons) {
			t.Errorf("%v, then %v", a, b)
		}
	})
}

func TestHarderWordsAreHarder(t *testing.T) {
	r := open(t)
	for _, pair := range [][2]string{
		{"Write a queue", "Write a lock-free queue"},
		{"Write a lock-free queue", "Write a lock-free queue and prove it linearizable"},
		{"Fix the typo in the scheduler", "Fix the race in the scheduler"},
		{"Why is the page blank?", "Why does the page deadlock?"},
		{"Add a field", "Add a field to the form, to the table, to the export, to the import and to the audit log of each of the twelve services that read it"},
	} {
		easy, hard := r.Assess("", pair[0]).Difficulty, r.Assess("", pair[1]).Difficulty
		if easy >= hard {
			t.Errorf("%q is %.3f, %q only %.3f", pair[0], easy, pair[1], hard)
		}
	}
}

// TestMaterialIsNoOrder: what is pasted between the instruction's ends is not
// what is asked for.
func TestMaterialIsNoOrder(t *testing.T) {
	r := open(t)
	text := "Fix the typo in this text.\n" + strings.Repeat("A filler sentence stands here.\n", 60) +
		"The lock-free deadlock proof of the Raft consensus protocol.\n" + strings.Repeat("A filler sentence stands here.\n", 60)
	if line, _ := route.DefaultPolicy().Choose(r.Assess("", text)); line != route.Haiku {
		t.Errorf("a typo in a long text goes to %s", line)
	}
}

func TestSecurity(t *testing.T) {
	for text, want := range map[string]bool{
		"Review the OAuth flow":                       true,
		"Rotate the secrets of the staging cluster":   true,
		"Prevent SQL injection in the search":         true,
		"Make the token endpoint check access tokens": true,
		"security-specialist":                         true,
		"Encrypt backups":                             true,
		"Write a threat model":                        true,
		"The secretary's calendar":                    false,
		"Make the dropdown blue":                      false,
		"Count the tokens of a prompt":                false,
		"author of the page":                          false,
		"a gift certificate":                          false,
		"":                                            false,
	} {
		if got := route.IsSecurity(text); got != want {
			t.Errorf("IsSecurity(%q) is %v", text, got)
		}
	}
}

func TestChoose(t *testing.T) {
	base := route.DefaultPolicy()
	with := func(change func(*route.Policy)) route.Policy {
		p := base
		change(&p)
		return p
	}
	cheaper := with(func(p *route.Policy) { p.PreferCheaper = true })
	for _, c := range []struct {
		name       string
		policy     route.Policy
		difficulty float64
		security   bool
		want       route.Line
		raised     bool
	}{
		{"easy", base, 0.1, false, route.Haiku, false},
		{"on the threshold", base, 0.3, false, route.Sonnet, false},
		{"hard", base, 0.8, false, route.Opus, false},
		{"cheaper", cheaper, 0.4, false, route.Haiku, false},
		{"cheaper, hard", cheaper, 0.82, false, route.Sonnet, false},
		{"cheaper, hardest", cheaper, 0.95, false, route.Opus, false},
		{"security", base, 0.1, true, route.Sonnet, true},
		{"hard security", base, 0.9, true, route.Opus, false},
		{"security without a least line", with(func(p *route.Policy) { p.SecurityMin = route.Haiku }), 0.1, true, route.Haiku, false},
		{"least line", with(func(p *route.Policy) { p.Min = route.Opus }), 0.1, true, route.Opus, true},
	} {
		line, raised := c.policy.Choose(route.Assessment{Difficulty: c.difficulty, Security: c.security})
		if line != c.want || (raised != "") != c.raised {
			t.Errorf("%s: %s %q, want %s", c.name, line, raised, c.want)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		sonnet, opus float64
		good         bool
	}{{0.3, 0.8, true}, {0, 0, true}, {1, 1, true}, {0.8, 0.3, false}, {-1, 0.5, false}, {0.5, 2, false}, {math.NaN(), 0.5, false}} {
		if err := (route.Policy{SonnetFrom: c.sonnet, OpusFrom: c.opus}).Validate(); (err == nil) != c.good {
			t.Errorf("%v: %v", c, err)
		}
	}
}

func TestCalibrate(t *testing.T) {
	var rising []float64
	for i := range 1000 {
		rising = append(rising, float64(i)/1000)
	}
	ties := []float64{0.5, 0.5, 0.5, 0.5, 0.9}
	for _, c := range []struct {
		name  string
		list  []float64
		share float64
		want  float64
	}{
		{"three of ten", rising, 0.3, 0.3},
		{"none", rising, 0, 0},
		{"all", rising, 1, 1},
		{"ties, nearer to one", ties, 0.4, 0.2},
		{"ties, nearer to all", ties, 0.9, 1},
		{"out of bounds", rising, 7, 1},
	} {
		p := route.Calibrate(c.list, c.share)
		if err := p.Validate(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		n := 0.0
		for _, d := range c.list {
			if line, _ := p.Choose(route.Assessment{Difficulty: d}); line == route.Opus {
				n++
			}
		}
		if got := n / float64(len(c.list)); math.Abs(got-c.want) > 0.002 {
			t.Errorf("%s: %.3f go to opus, want %.3f", c.name, got, c.want)
		}
	}
	if route.Calibrate(nil, 0.3) != route.DefaultPolicy() {
		t.Error("without tasks the policy is not the default one")
	}
}

func TestLines(t *testing.T) {
	for _, l := range route.Lines() {
		if got, ok := route.ParseLine(l.String()); !ok || got != l {
			t.Errorf("%s is read as %s", l, got)
		}
	}
	if _, ok := route.ParseLine("dearest"); ok || route.Line(7).String() != "Line(7)" {
		t.Error("an unknown line has a name")
	}
}

func TestRecovered(t *testing.T) {
	gains := []float64{1, 0, 0, 1, -1, 0}
	for _, c := range []struct {
		name   string
		gains  []float64
		scores []float64
		want   float64
	}{
		{"best first", []float64{1, 0, 0, 0}, []float64{4, 3, 2, 1}, 0.875},
		{"best last", []float64{0, 0, 0, 1}, []float64{4, 3, 2, 1}, 0.125},
		{"all the same", []float64{1, 0, 1, 0}, []float64{1, 1, 1, 1}, 0.5},
		{"lengths", gains, []float64{1}, math.NaN()},
		{"nothing to gain", []float64{1, -1}, []float64{1, 2}, math.NaN()},
		{"empty", nil, nil, math.NaN()},
	} {
		if got := route.Recovered(c.gains, c.scores); got != c.want && !(math.IsNaN(got) && math.IsNaN(c.want)) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if got := route.Recovered([]float64{1, 1}, []float64{math.NaN(), 1}); math.IsNaN(got) {
		t.Error("a score that is no number spoils the figure")
	}
}

func BenchmarkAssess(b *testing.B) {
	r := open(b)
	texts := map[string]string{
		"2KB":     strings.Repeat("Refactor the billing module so that invoices of 30 days are sent twice; keep the API. ", 2048/86),
		"options": odd()["options"],
		"1MB":     odd()["megabyte"],
	}
	for _, name := range []string{"2KB", "options", "1MB"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.Assess("code-reviewer", texts[name])
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := route.New(); err != nil {
			b.Fatal(err)
		}
	}
}
