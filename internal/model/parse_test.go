package model_test

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/claude-force/claude-force/internal/model"
)

func starting(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/models.json")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestBuiltinKnowsEveryModel compares the embedded catalogue with the plain
// list of models and prices it was made from.
func TestBuiltinKnowsEveryModel(t *testing.T) {
	var list []struct {
		ID        string
		Line      string
		Lifecycle model.Lifecycle
		Context   int
		MaxOutput int `json:"max_output"`
		Rates     []model.Band
		Batch     json.Number `json:"batch_multiplier"`
		Sampling  bool
		Effort    []string
		Successor string
		Retires   string
		MinCache  int `json:"min_cache_tokens"`
	}
	if err := json.Unmarshal(starting(t), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) < 40 {
		t.Fatalf("only %d models are listed", len(list))
	}
	for _, want := range list {
		m := lookup(t, want.ID)
		card, _ := m.CardAt(today)
		if len(card.Bands)+len(want.Rates) > 0 && !reflect.DeepEqual(card.Bands, want.Rates) {
			t.Errorf("%s costs %+v, want %+v", want.ID, card.Bands, want.Rates)
		}
		type facts struct {
			line                       string
			lifecycle                  model.Lifecycle
			context, output, minCache  int
			batch, successor, retires_ string
			sampling                   bool
		}
		got := facts{m.Line, m.Lifecycle, m.Context, m.MaxOutput, m.MinCacheTokens, m.Batch.String(), m.Successor, m.Retires, m.Sampling}
		if want := (facts{want.Line, want.Lifecycle, want.Context, want.MaxOutput, want.MinCache, want.Batch.String(), want.Successor, want.Retires, want.Sampling}); got != want {
			t.Errorf("%s is %+v, want %+v", m.ID, got, want)
		}
		if !slices.Equal(m.Efforts, want.Effort) {
			t.Errorf("%s takes efforts %q, want %q", want.ID, m.Efforts, want.Effort)
		}
	}
}

// TestBuiltinIsWhole checks what the list above does not tell.
func TestBuiltinIsWhole(t *testing.T) {
	c := builtin(t)
	if c.Updated() == "" {
		t.Error("the embedded catalogue has no date")
	}
	for _, m := range c.Models() {
		if m.Tokenizer == "" || m.LimitGroup == "" {
			t.Errorf("%s has no tokenizer family or no limit group", m.ID)
		}
		if m.DefaultEffort != "" && !m.TakesEffort(m.DefaultEffort) {
			t.Errorf("%s does not take its default effort", m.ID)
		}
		if _, ok := c.Lookup(m.Successor); m.Successor != "" && !ok {
			t.Errorf("the successor of %s is not in the catalogue", m.ID)
		}
		if m.Lifecycle == model.Retired && (m.Retires == "" || m.Successor == "") {
			t.Errorf("%s is retired without a day or a successor", m.ID)
		}
		if m.Lifecycle == model.Active && (m.Context == 0 || m.MaxOutput == 0 || m.Thinking.Default == "") {
			t.Errorf("%s is not described in full", m.ID)
		}
	}
	groups := make(map[string][]string)
	for _, m := range c.Models() {
		if m.Lifecycle != model.Retired {
			groups[m.LimitGroup] = append(groups[m.LimitGroup], m.ID)
		}
	}
	for group, want := range map[string]int{"opus-4.5-4.8": 4, "sonnet-4": 2} {
		if got := groups[group]; len(got) != want {
			t.Errorf("limit group %s is %q", group, got)
		}
	}
}

func TestParameters(t *testing.T) {
	for _, test := range []struct {
		id                     string
		sampling, prefill      bool
		forced, structured, us bool
		tokenizer, effort      string
	}{
		{"claude-fable-5-2", false, false, false, true, true, "claude-4.7", "high"},
		{"claude-fable-5", false, false, true, true, true, "claude-4.7", "high"},
		{"claude-opus-5-5", false, false, false, true, true, "claude-4.7", "medium"},
		{"claude-opus-5", false, false, true, true, true, "claude-4.7", "high"},
		{"claude-opus-4-7", false, false, true, true, true, "claude-4.7", "high"},
		{"claude-opus-4-6", true, false, true, true, true, "claude-3", "high"},
		{"claude-sonnet-5-5", false, false, false, true, true, "claude-4.7", "high"},
		{"claude-haiku-5-5", false, false, true, true, true, "claude-4.7", "medium"},
		{"claude-sonnet-4-5", true, true, true, true, false, "claude-3", ""},
		{"claude-opus-4-1", true, true, true, false, false, "claude-3", ""},
	} {
		m := lookup(t, test.id)
		got := test
		got.sampling, got.prefill, got.forced, got.structured = m.Sampling, m.Prefill, m.ForcedTools, m.StructuredOutput
		got.us, got.tokenizer, got.effort = m.GeoUS.Offered(), m.Tokenizer, m.DefaultEffort
		if got != test {
			t.Errorf("%+v, want %+v", got, test)
		}
	}
}

func TestAcceptsThinking(t *testing.T) {
	for _, test := range []struct {
		id, kind, effort string
		want             bool
	}{
		{"claude-fable-5", "disabled", "", false},
		{"claude-fable-5", "adaptive", "max", true},
		{"claude-opus-5-5", "disabled", "low", false},
		{"claude-opus-5", "disabled", "", true},
		{"claude-opus-5", "disabled", "xhigh", false},
		{"claude-opus-4-8", "disabled", "max", true},
		{"claude-opus-4-8", "enabled", "", false},
		{"claude-sonnet-5-5", "disabled", "", false},
		{"claude-sonnet-5-5", "between_tools", "high", true},
		{"claude-sonnet-5-5", "between_tools", "max", false},
		{"claude-sonnet-5", "disabled", "max", true},
		{"claude-haiku-5-5", "disabled", "", true},
		{"claude-haiku-5-5", "disabled", "max", false},
		{"claude-opus-4-6", "enabled", "", true},
		{"claude-haiku-4-5", "enabled", "", true},
		{"claude-haiku-4-5", "adaptive", "", false},
		{"claude-haiku-4-5", "dreaming", "", true}, // not known: the API decides
	} {
		if got := lookup(t, test.id).AcceptsThinking(test.kind, test.effort); got != test.want {
			t.Errorf("%s accepts thinking %s at effort %q: %t", test.id, test.kind, test.effort, got)
		}
	}
}

func TestParseBareArrayFoldsAliases(t *testing.T) {
	c, err := model.Parse(starting(t))
	if err != nil {
		t.Fatal(err)
	}
	if c.Updated() != "" {
		t.Errorf("a bare array is of %s", c.Updated())
	}
	for alias, id := range map[string]string{
		"claude-opus-4-5":          "claude-opus-4-5-20251101",
		"claude-opus-4-0":          "claude-opus-4-20250514",
		"claude-3-5-sonnet-latest": "claude-3-5-sonnet-20241022",
		"claude-3-opus-latest":     "claude-3-opus-20240229",
	} {
		if m, ok := c.Lookup(alias); !ok || m.ID != id {
			t.Errorf("%s is not an alias of %s", alias, id)
		}
	}
	if got, want := names(c), names(builtin(t)); !reflect.DeepEqual(got, want) {
		t.Errorf("the bare array has the models %v, the embedded catalogue %v", got, want)
	}
}

func names(c *model.Catalogue) (all [][]string) {
	for _, m := range c.Models() {
		all = append(all, append([]string{m.ID}, m.Aliases...))
	}
	return all
}

func TestParseKeepsRowsThatDiffer(t *testing.T) {
	c, err := model.Parse([]byte(`[{"id":"claude-x-1-20260101","max_output":5},{"id":"claude-x-1","max_output":6}]`))
	if err != nil || len(c.Models()) != 2 {
		t.Errorf("%v, %v", c, err)
	}
}

// TestWrittenModelsReadBack checks that a model's JSON is an entry of the
// product's own form.
func TestWrittenModelsReadBack(t *testing.T) {
	want := builtin(t)
	data, err := json.Marshal(map[string]any{"version": 1, "updated": want.Updated(), "models": want.Models()})
	if err != nil {
		t.Fatal(err)
	}
	got, err := model.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := marshal(t, got.Models()), marshal(t, want.Models()); a != b {
		t.Errorf("written and read back:\n%s\nwant\n%s", a, b)
	}
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestParseErrors(t *testing.T) {
	entry := func(fields string) string { return `{"version":1,"models":[{"id":"m1"},{"id":"m2",` + fields + `}]}` }
	cards := func(text string) string { return entry(`"cards":` + text) }
	many := strings.TrimSuffix(strings.Repeat(`"a",`, 65), ",")
	for name, test := range map[string]struct{ data, want string }{
		"empty":            {"", "line 1, column 1"},
		"syntax":           {"{\n \"version\": 1,\n x", "line 3, column 2"},
		"no version":       {`{"models":[]}`, `no "version"`},
		"version":          {`{"version":2,"models":[]}`, "only version 1 is understood"},
		"no models":        {`{"version":1}`, `no "models"`},
		"updated":          {`{"version":1,"updated":"May","models":[]}`, `field "updated": "May" is not a day`},
		"not an object":    {`[1]`, "a model cannot be a JSON number"},
		"models":           {`{"version":1,"models":{}}`, `"models" cannot be a JSON object`},
		"scalar":           {`3`, "a model cannot be a JSON number"},
		"null model":       {`[null]`, `model 1 of the catalogue: field "id": missing`},
		"id missing":       {`[{"id":"a"},{}]`, `model 2 of the catalogue: field "id": missing`},
		"id empty":         {`[{"id":""}]`, "empty"},
		"id space":         {`[{"id":"a b"}]`, "holds a space"},
		"id control":       {`[{"id":"a\u001b[0m"}]`, "cannot be printed"},
		"id long":          {`[{"id":"` + strings.Repeat("x", 101) + `"}]`, "longer than 100 bytes"},
		"id twice":         {`[{"id":"a"},{"id":"a"}]`, `model a: "a" is already`},
		"alias twice":      {entry(`"aliases":["m1"]`), `model m2: "m1" is already an id or alias of m1`},
		"own alias":        {entry(`"aliases":["m2"]`), `model m2: "m2" is already`},
		"aliases":          {entry(`"aliases":"x"`), `model m2: field "aliases": not a list`},
		"alias":            {entry(`"aliases":["x",4]`), `model m2: field "aliases": item 2: not a string`},
		"many aliases":     {entry(`"aliases":[` + many + `]`), "more than 64 items"},
		"line":             {entry(`"line":4`), `model m2: field "line": not a string`},
		"lifecycle":        {entry(`"lifecycle":"asleep"`), `model m2: field "lifecycle": "asleep" is none of`},
		"context":          {entry(`"context":-1`), `model m2: field "context": not a whole number`},
		"context half":     {entry(`"context":1.5`), `field "context"`},
		"context huge":     {entry(`"max_output":1e12`), `field "max_output"`},
		"sampling":         {entry(`"sampling":"yes"`), `field "sampling": neither true nor false`},
		"efforts":          {entry(`"efforts":{}`), `field "efforts"`},
		"effort":           {entry(`"effort":{}`), `field "effort"`},
		"thinking":         {entry(`"thinking":[]`), `field "thinking"`},
		"thinking default": {entry(`"thinking":{"default":"maybe"}`), `"maybe" is not known`},
		"thinking rule":    {entry(`"thinking":{"adaptive":"maybe"}`), `"maybe" is not known`},
		"retires":          {entry(`"retires":"2026-13-01"`), `field "retires": "2026-13-01" is not a day`},
		"batch":            {entry(`"batch":"half"`), `model m2: field "batch": factor`},
		"batch multiplier": {entry(`"batch_multiplier":0`), `field "batch_multiplier": factor`},
		"cards":            {cards(`7`), `model m2: field "cards"`},
		"rates":            {entry(`"rates":[{"input":-1}]`), `model m2: field "rates": rate -1: negative`},
		"rate fine":        {cards(`[{"bands":[{"input":0.0000001}]}]`), "more decimal places"},
		"rate large":       {cards(`[{"bands":[{"input":1e9}]}]`), "too large"},
		"rate text":        {cards(`[{"bands":[{"input":"5"}]}]`), "not a decimal number"},
		"card day":         {cards(`[{"from":"x","bands":[]}]`), `card 1: "x" is not a day`},
		"card backwards":   {cards(`[{"from":"2026-02-01","until":"2026-01-01","bands":[]}]`), "ends before it begins"},
		"cards overlap":    {cards(`[{"until":"2026-02-01","bands":[]},{"from":"2026-01-31","bands":[]}]`), "card 2 begins before"},
		"cards both open":  {cards(`[{"bands":[]},{"from":"2026-01-31","bands":[]}]`), "card 2 begins before"},
		"bands order":      {cards(`[{"bands":[{"up_to_prompt_tokens":5},{"up_to_prompt_tokens":5}]}]`), "shortest prompts"},
		"bands open first": {cards(`[{"bands":[{},{"up_to_prompt_tokens":5}]}]`), "shortest prompts"},
		"band negative":    {cards(`[{"bands":[{"up_to_prompt_tokens":-5}]}]`), "shortest prompts"},
		"band bound":       {cards(`[{"bands":[{"up_to_prompt_tokens":"5"}]}]`), "cannot be a JSON string"},
		"many models":      {"[" + strings.TrimSuffix(strings.Repeat("{},", 1001), ",") + "]", "at most 1000 models"},
		"big":              {strings.Repeat(" ", 1<<20+1), "at most 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := model.Parse([]byte(test.data))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q in it", err, test.want)
			}
		})
	}
}

func TestParseIgnoresWhatItDoesNotKnow(t *testing.T) {
	c, err := model.Parse([]byte("\ufeff" + `{"version":1,"updated":null,"note":{},"models":[
		{"id":"a","colour":["red"],"line":null,"context":null,"cards":null,"efforts":null,"sampling":null,
		 "thinking":{"default":"on","loud":"refused"},
		 "aliases":null,"fast":null},
		{"id":"b","cards":[{"bands":[{"input":1,"output":null,"scent":4}]}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := c.Lookup("b")
	if _, ok := b.Price(model.Usage{Input: 1}, model.Terms{}, today); !ok {
		t.Error("a known rate is not used")
	}
	for _, u := range []model.Usage{{Output: 1}, {CacheRead: 1}} {
		if _, ok := b.Price(u, model.Terms{}, today); ok {
			t.Errorf("%+v has a price without a rate", u)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(starting(f))
	f.Add([]byte(`{"version":1,"updated":"2026-01-01","models":[{"id":"a","aliases":["b"],"cards":[{"bands":[{"input":1}]}]}]}`))
	f.Add([]byte(`[{"id":"a-20260101"},{"id":"a"},{"id":"a-latest","effort":["x"],"batch_multiplier":0.5}]`))
	old := builtin(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := model.Parse(data)
		if err != nil {
			return
		}
		overlaid := old.Overlay(c)
		for _, catalogue := range []*model.Catalogue{c, overlaid, c.Overlay(old)} {
			checkNames(t, catalogue)
		}
		for _, m := range c.Models() {
			for _, name := range append([]string{m.ID}, m.Aliases...) {
				if _, ok := overlaid.Lookup(name); !ok {
					t.Fatalf("%q is lost by an overlay", name)
				}
			}
			overlaid.Resolve(m.ID, today)
			m.Price(model.Usage{Input: 10, Output: 10}, model.Terms{Batch: true}, today)
		}
	})
}

// checkNames checks that each name belongs to one model and finds it.
func checkNames(t *testing.T, c *model.Catalogue) {
	t.Helper()
	seen := make(map[string]bool)
	for _, m := range c.Models() {
		for _, name := range append([]string{m.ID}, m.Aliases...) {
			if found, ok := c.Lookup(name); !ok || found != m || seen[name] {
				t.Fatalf("name %q of %s is lost or not its own", name, m.ID)
			}
			seen[name] = true
		}
	}
}

func BenchmarkBuiltin(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := model.Builtin(); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleCatalogue_Resolve() {
	catalogue, err := model.Builtin()
	if err != nil {
		panic(err)
	}
	r := catalogue.Resolve("sonnet", today)
	price, _ := r.Model.Price(model.Usage{Input: 1_000, Output: 500}, model.Terms{}, today)
	fmt.Println(r.ID, price)
	// Output: claude-sonnet-5-5 0.007
}
