package model_test

import (
	"encoding/json"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/model"
)

const million = 1_000_000

// today is a day on which every embedded price card is valid.
var today = time.Date(2026, time.November, 24, 12, 0, 0, 0, time.UTC)

func builtin(t testing.TB) *model.Catalogue {
	t.Helper()
	c, err := model.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func lookup(t testing.TB, id string) *model.Model {
	t.Helper()
	m, ok := builtin(t).Lookup(id)
	if !ok {
		t.Fatalf("%s is not in the embedded catalogue", id)
	}
	return m
}

// oneCard returns a model with one card of one band that costs so many
// pico-dollars per token of each kind, in the order of model.Usage.
func oneCard(rates ...model.Rate) *model.Model {
	return &model.Model{ID: "m", Cards: []model.Card{{Bands: []model.Band{{
		Input: rates[0], Output: rates[1], CacheWrite5m: rates[2], CacheWrite1h: rates[3], CacheRead: rates[4],
	}}}}}
}

func TestPrice(t *testing.T) {
	each := model.Usage{Input: million, Output: million, CacheWrite5m: million, CacheWrite1h: million, CacheRead: million}
	half, us, fast := model.Terms{Batch: true}, model.Terms{Geo: "us"}, model.Terms{Fast: true}
	for _, test := range []struct {
		id    string
		usage model.Usage
		terms model.Terms
		want  string // "" where the price is not known
	}{
		{"claude-opus-5-5", model.Usage{Input: million, Output: million}, model.Terms{}, "24.00"},
		{"claude-opus-5-5", each, model.Terms{}, "37.20"},
		{"claude-fable-5-2", each, model.Terms{}, "74.20"},
		{"claude-fable-5", model.Usage{CacheRead: million}, model.Terms{}, "1.00"},
		{"claude-sonnet-5-5", each, model.Terms{}, "18.60"},
		{"claude-sonnet-4-5", each, model.Terms{}, "28.05"},
		{"claude-haiku-4-5", model.Usage{Input: 1234, Output: 567}, model.Terms{}, "0.004069"},

		{"claude-sonnet-5-5", model.Usage{Input: million, Output: million}, half, "6.00"},
		{"claude-sonnet-5-5", model.Usage{Input: million, Output: million}, us, "13.20"},
		{"claude-sonnet-5-5", model.Usage{Input: million}, model.Terms{Geo: "global"}, "2.00"},
		{"claude-sonnet-5-5", model.Usage{Input: million}, model.Terms{Geo: "moon"}, ""},
		{"claude-sonnet-5-5", model.Usage{Input: million}, fast, ""},
		{"claude-sonnet-4-5", model.Usage{Input: million}, us, ""},
		{"claude-opus-5-5", model.Usage{Input: million, Output: million}, fast, "48.00"},
		{"claude-opus-5", model.Usage{Input: million, Output: million}, fast, "60.00"},
		{"claude-opus-4-8", model.Usage{Input: million, Output: million}, fast, "60.00"},
		{"claude-opus-4-7", model.Usage{Input: million}, fast, ""},
		{"claude-opus-5-5", model.Usage{Input: million, Output: million}, model.Terms{Batch: true, Fast: true, Geo: "us"}, "26.40"},
		{"claude-opus-5-5", model.Usage{CacheRead: 1}, model.Terms{Batch: true, Geo: "us"}, "0.00000011"},

		{"claude-haiku-5-5", model.Usage{Input: 100_000, Output: 1_000}, model.Terms{}, "0.0105"},
		{"claude-haiku-5-5", model.Usage{Input: 100_001, Output: 1_000}, model.Terms{}, "0.0525005"},
		{"claude-haiku-5-5", model.Usage{Input: 40_000, CacheRead: 30_000, CacheWrite5m: 20_000, CacheWrite1h: 10_000, Output: million}, model.Terms{}, "0.5088"},
		{"claude-haiku-5-5", model.Usage{Input: 40_000, CacheRead: 30_000, CacheWrite5m: 20_000, CacheWrite1h: 10_001, Output: million}, model.Terms{}, "2.544001"},

		{"claude-2.1", model.Usage{Input: million, Output: million}, model.Terms{}, "32.00"},
		{"claude-2.1", model.Usage{Input: million, CacheRead: 1}, model.Terms{}, ""},
		{"claude-1.3", model.Usage{Input: 1}, model.Terms{}, ""},
		{"claude-opus-5", model.Usage{}, model.Terms{}, "0.00"},
		{"claude-opus-5", model.Usage{Input: -1}, model.Terms{}, ""},
		{"claude-opus-5", model.Usage{Input: 5, Output: math.MinInt64}, model.Terms{}, ""},
		{"claude-opus-5", model.Usage{CacheRead: math.MaxInt64, Input: math.MaxInt64}, model.Terms{}, ""},
	} {
		money, ok := lookup(t, test.id).Price(test.usage, test.terms, today)
		got := money.String()
		if !ok {
			got = ""
		}
		if got != test.want || !ok && money != 0 {
			t.Errorf("%s: Price(%+v, %+v) = %q, want %q", test.id, test.usage, test.terms, got, test.want)
		}
	}
	var none *model.Model
	if money, ok := none.Price(each, model.Terms{}, today); money != 0 || ok {
		t.Errorf("a nil model costs %s, %t", money, ok)
	}
}

func TestPriceRoundsHalfEvenOnce(t *testing.T) {
	for _, test := range []struct {
		input, output int64
		want          model.Money
	}{
		{499, 0, 0},
		{500, 0, 0},   // a tie, to even
		{501, 0, 1},   //
		{1500, 0, 2},  // a tie, to even
		{2500, 0, 2},  // a tie, to even
		{500, 500, 1}, // summed before it is rounded
		{250, 251, 1},
	} {
		m := oneCard(1, 1, 0, 0, 0)
		if got, ok := m.Price(model.Usage{Input: test.input, Output: test.output}, model.Terms{}, today); got != test.want || !ok {
			t.Errorf("%d+%d pico-dollars = %d nano-dollars, %t, want %d", test.input, test.output, got, ok, test.want)
		}
	}
	m := oneCard(1, 1, 0, 0, 0)
	m.Batch, m.GeoUS = 5_000, 11_000
	// 1000 × 0.5 × 1.1 = 550; rounded after the first factor it would be 0.
	if got, ok := m.Price(model.Usage{Input: 1_000}, model.Terms{Batch: true, Geo: "us"}, today); got != 1 || !ok {
		t.Errorf("550 pico-dollars = %d nano-dollars, %t, want 1", got, ok)
	}
}

func TestPriceOutOfBounds(t *testing.T) {
	const huge = model.Rate(math.MaxInt64)
	m := oneCard(huge, huge, huge, huge, huge)
	m.Batch, m.Fast, m.GeoUS = 1_000_000, 1_000_000, 1_000_000
	each := model.Usage{Input: 1e12, Output: 1e12, CacheWrite5m: 1e12, CacheWrite1h: 1e12, CacheRead: 1e12}
	for _, terms := range []model.Terms{{}, {Batch: true}, {Batch: true, Fast: true, Geo: "us"}} {
		if got, ok := m.Price(each, terms, today); ok {
			t.Errorf("an amount beyond Money is %d", got)
		}
	}
	// The largest amount that Money holds, and one nano-dollar more.
	m = oneCard(1_000, 0, 0, 0, 0)
	if got, ok := m.Price(model.Usage{Input: 1e12}, model.Terms{}, today); got != 1e12 || !ok {
		t.Errorf("10^12 nano-dollars = %d, %t", got, ok)
	}
	for _, factor := range []model.Factor{-1, 1_000_001} {
		m.Batch = factor
		if got, ok := m.Price(model.Usage{Input: 1}, model.Terms{Batch: true}, today); ok {
			t.Errorf("a factor of %d gives %d", factor, got)
		}
	}
}

func TestPriceByDate(t *testing.T) {
	band := func(rate model.Rate) []model.Band { return []model.Band{{Input: rate}} }
	m := &model.Model{Cards: []model.Card{
		{From: "2026-01-01", Until: "2026-06-01", Bands: band(2_000)},
		{From: "2026-06-01", Until: "2026-07-01", Bands: band(3_000)},
		{From: "2026-08-01", Bands: []model.Band{{UpToPromptTokens: 10, Input: 5_000}}},
	}}
	east := time.FixedZone("", 10*60*60)
	for _, test := range []struct {
		at   time.Time
		want model.Money // -1 where it is not known
	}{
		{time.Date(2025, 12, 31, 23, 59, 59, 0, time.UTC), -1},
		{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 2},
		{time.Date(2026, 5, 31, 23, 59, 59, 0, time.UTC), 2},
		{time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), 3},
		{time.Date(2026, 6, 1, 9, 0, 0, 0, east), 2}, // still May in UTC
		{time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC), -1},
		{time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), 5},
	} {
		got, ok := m.Price(model.Usage{Input: 1}, model.Terms{}, test.at)
		if !ok {
			got = -1
		}
		if got != test.want {
			t.Errorf("at %v: %d, want %d", test.at, got, test.want)
		}
	}
	if _, ok := m.Price(model.Usage{Input: 11}, model.Terms{}, today); ok {
		t.Error("a prompt beyond the last band has a price")
	}
	if m, ok := builtin(t).Lookup("claude-fable-5-2"); !ok || priced(m, time.Date(2026, 11, 8, 0, 0, 0, 0, time.UTC)) {
		t.Error("claude-fable-5-2 has a price before its first day")
	}
}

func priced(m *model.Model, at time.Time) bool {
	_, ok := m.Price(model.Usage{Input: 1}, model.Terms{}, at)
	return ok
}

// TestPriceProperties compares random prices with rational arithmetic, and
// checks that more tokens never cost less.
func TestPriceProperties(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	count := func() int64 { return random.Int64N(1 << random.IntN(40)) }
	for range 20_000 {
		rates := make([]model.Rate, 5)
		for i := range rates {
			rates[i] = model.Rate(random.Int64N(1 << random.IntN(32)))
		}
		m := oneCard(rates...)
		m.Batch, m.Fast, m.GeoUS = 5_000, 20_000, model.Factor(1+random.Int64N(30_000))
		terms := model.Terms{Batch: random.IntN(2) == 0, Fast: random.IntN(2) == 0, Geo: []string{"", "us"}[random.IntN(2)]}
		counts := []int64{count(), count(), count(), count(), count()}
		usage := func() model.Usage {
			return model.Usage{Input: counts[0], Output: counts[1], CacheWrite5m: counts[2], CacheWrite1h: counts[3], CacheRead: counts[4]}
		}
		got, ok := m.Price(usage(), terms, today)
		want := exactNano(m, counts, rates, terms)
		if ok != want.IsInt64() || ok && int64(got) != want.Int64() {
			t.Fatalf("Price(%+v, %+v) with rates %v = %d, %t, want %v", usage(), terms, rates, got, ok, want)
		}
		counts[random.IntN(5)]++
		if more, still := m.Price(usage(), terms, today); ok && still && more < got {
			t.Fatalf("one token more costs %s instead of %s", more, got)
		}
	}
}

// exactNano computes nano-dollars in rational numbers, rounded half-even.
func exactNano(m *model.Model, counts []int64, rates []model.Rate, terms model.Terms) *big.Int {
	pico := new(big.Rat)
	for i, n := range counts {
		part := new(big.Rat).Mul(big.NewRat(n, 1), big.NewRat(int64(rates[i]), 1))
		pico.Add(pico, part)
	}
	if terms.Batch {
		pico.Mul(pico, big.NewRat(int64(m.Batch), 10_000))
	}
	if terms.Fast {
		pico.Mul(pico, big.NewRat(int64(m.Fast), 10_000))
	}
	if terms.Geo == "us" {
		pico.Mul(pico, big.NewRat(int64(m.GeoUS), 10_000))
	}
	nano := pico.Mul(pico, big.NewRat(1, 1_000))
	whole, rest := new(big.Int).QuoRem(nano.Num(), nano.Denom(), new(big.Int))
	switch rest.Lsh(rest, 1).Cmp(nano.Denom()) {
	case 1:
		whole.Add(whole, big.NewInt(1))
	case 0:
		whole.Add(whole, big.NewInt(int64(whole.Bit(0))))
	}
	return whole
}

func TestRateAndFactorText(t *testing.T) {
	for text, want := range map[string]string{"12.5": "12.50", "0.0125": "0.0125", "0": "0.00", "null": "unknown", "0.000001": "0.000001"} {
		var r model.Rate
		if err := json.Unmarshal([]byte(text), &r); err != nil || r.String() != want {
			t.Errorf("rate %s is %q, %v, want %q", text, r, err, want)
		}
		if back, err := json.Marshal(r); err != nil || string(back) != text {
			t.Errorf("rate %s is written as %s, %v", text, back, err)
		}
	}
	for _, text := range []string{"-1", "0.0000001", "1000000.1", `"1"`, "1e50"} {
		var r model.Rate
		if err := json.Unmarshal([]byte(text), &r); err == nil {
			t.Errorf("rate %s is accepted as %s", text, r)
		}
	}
	for text, ok := range map[string]bool{"0.5": true, "1.1": true, "2": true, "100": true, "0": false, "-1": false, "100.1": false, "0.00001": false, "": false, "x": false} {
		f, err := model.ParseFactor(text)
		if (err == nil) != ok || ok && f.String() != text {
			t.Errorf("factor %q is %q, %v", text, f, err)
		}
	}
}

func BenchmarkPrice(b *testing.B) {
	m := lookup(b, "claude-opus-5-5")
	b.ReportAllocs()
	for b.Loop() {
		m.Price(model.Usage{Input: 1_234, Output: 567, CacheRead: 89_012}, model.Terms{Batch: true}, today)
	}
}
