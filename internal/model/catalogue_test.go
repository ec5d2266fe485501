package model_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/model"
)

func parse(t testing.TB, text string) *model.Catalogue {
	t.Helper()
	c, err := model.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestModelsAreNewestFirst(t *testing.T) {
	c := parse(t, `[{"id":"claude-x-preview","line":"x"},{"id":"claude-y-2","line":"y"},{"id":"claude-x-5-2","line":"x"},
		{"id":"claude-2.1"},{"id":"claude-3-5-x-20240101","line":"x"},{"id":"claude-x-5-10","line":"x"},{"id":"claude-x-5","line":"x"},
		{"id":"claude-3-5-x-20240601","line":"x"},{"id":"claude-y-10","line":"y"},{"id":"claude-2.0"}]`)
	var got []string
	for _, m := range c.Models() {
		got = append(got, strings.TrimPrefix(m.ID, "claude-"))
	}
	want := []string{"x-5-10", "x-5-2", "x-5", "3-5-x-20240601", "3-5-x-20240101", "x-preview", "y-10", "y-2", "2.1", "2.0"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	c.Models()[0] = nil
	if c.Models()[0] == nil {
		t.Error("a caller can change the catalogue's order")
	}
}

func TestOverlayFillsWhatIsNotStated(t *testing.T) {
	old := builtin(t)
	c := old.Overlay(parse(t, `{"version":1,"updated":"2027-01-05","models":[
		{"id":"claude-sonnet-6","line":"sonnet","context":2000000,"rates":[{"input":1}]},
		{"id":"claude-sonnet-7","line":"sonnet","min_cache_tokens":null,"batch":null,"retires":null},
		{"id":"claude-opus-5","max_output":256000,"retires":"2027-06-01","successor":"claude-opus-5-5","fast":null},
		{"id":"claude-opus-4-5","retires":null},
		{"id":"claude-new-1","line":"new"}]}`))
	checkNames(t, c)
	if c.Updated() != "2027-01-05" {
		t.Errorf("updated %s", c.Updated())
	}
	sonnet6, _ := c.Lookup("claude-sonnet-6")
	line, _ := old.Lookup("claude-sonnet-5-5")
	if sonnet6.Context != 2_000_000 || sonnet6.MaxOutput != line.MaxOutput || sonnet6.Tokenizer != line.Tokenizer || sonnet6.Thinking != line.Thinking {
		t.Errorf("a new model of a line: %+v", sonnet6)
	}
	sonnet7, _ := c.Lookup("claude-sonnet-7")
	if sonnet7.MinCacheTokens != line.MinCacheTokens || sonnet7.Batch.Offered() || len(sonnet7.Cards) != 0 || sonnet7.Successor != "" {
		t.Errorf("a new model without facts of its own: %+v", sonnet7)
	}
	opus, _ := c.Lookup("claude-opus-5")
	if opus.MaxOutput != 256_000 || opus.Context != 1_000_000 || len(opus.Cards) != 1 || opus.Fast.Offered() || opus.Successor != "claude-opus-5-5" {
		t.Errorf("a changed model: %+v", opus)
	}
	alias, _ := c.Lookup("claude-opus-4-5")
	if alias.ID != "claude-opus-4-5-20251101" || alias.Retires != "" || len(alias.Cards) != 1 {
		t.Errorf("a model changed by its alias: %+v", alias)
	}
	if m, _ := c.Lookup("claude-new-1"); m.Tokenizer != "" || m.Context != 0 {
		t.Errorf("a model of a new line: %+v", m)
	}
	if m, _ := old.Lookup("claude-opus-5"); m.MaxOutput != 128_000 {
		t.Error("the older catalogue was changed")
	}
	if len(c.Models()) != len(old.Models())+3 {
		t.Errorf("%d models over %d make %d", 5, len(old.Models()), len(c.Models()))
	}
}

func TestOverlayNames(t *testing.T) {
	const old = `[{"id":"a-1","aliases":["a","a-old"],"line":"l"},{"id":"b-1","aliases":["b"]}]`
	for name, test := range map[string]struct {
		newer string
		want  string // id=alias,alias …
	}{
		"nothing new":            {`[]`, "a-1=a,a-old b-1=b"},
		"aliases stay":           {`[{"id":"a-1"}]`, "a-1=a,a-old b-1=b"},
		"an alias is added":      {`[{"id":"a-1","aliases":["c"]}]`, "a-1=c,a,a-old b-1=b"},
		"by an alias":            {`[{"id":"a"}]`, "a-1=a,a-old b-1=b"},
		"an id becomes an alias": {`[{"id":"a-2","aliases":["a-1"]}]`, "a-2=a-1,a,a-old b-1=b"},
		"an alias moves":         {`[{"id":"a-2","aliases":["a"],"line":"l"}]`, "a-2=a a-1=a-old b-1=b"},
		"an alias splits off":    {`[{"id":"a-1"},{"id":"a"}]`, "a-1=a-old b-1=b a="},
		"two by aliases of one":  {`[{"id":"a"},{"id":"a-old"}]`, "a-1=a b-1=b a-old="},
		"two become one":         {`[{"id":"ab","aliases":["a-1","b-1"]}]`, "ab=a-1,b-1,a,a-old"},
	} {
		t.Run(name, func(t *testing.T) {
			c := parse(t, old).Overlay(parse(t, test.newer))
			checkNames(t, c)
			var got []string
			for _, m := range c.Models() {
				got = append(got, m.ID+"="+strings.Join(m.Aliases, ","))
			}
			if text := strings.Join(got, " "); text != test.want {
				t.Errorf("%s, want %s", text, test.want)
			}
		})
	}
	c := parse(t, old)
	if c.Overlay(nil) != c {
		t.Error("a nil overlay changes something")
	}
}

func TestLifecycleAt(t *testing.T) {
	day := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		model model.Model
		want  model.Lifecycle
	}{
		{model.Model{Lifecycle: model.Active}, model.Active},
		{model.Model{}, model.Active},
		{model.Model{Lifecycle: model.Active, Deprecated: "2026-11-30"}, model.Deprecated},
		{model.Model{Lifecycle: model.Active, Deprecated: "2026-12-01"}, model.Active},
		{model.Model{Lifecycle: model.Deprecated, Retires: "2026-12-01"}, model.Deprecated},
		{model.Model{Lifecycle: model.Deprecated, Retires: "2026-11-30"}, model.Retired},
		{model.Model{Lifecycle: model.Active, Retires: "2026-11-29"}, model.Retired},
		{model.Model{Lifecycle: model.Retired, Retires: "2027-01-01"}, model.Retired},
	} {
		if got := test.model.LifecycleAt(day); got != test.want {
			t.Errorf("%+v is %s, want %s", test.model, got, test.want)
		}
	}
}

func TestResolve(t *testing.T) {
	after := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	c := builtin(t)
	for _, test := range []struct {
		name    string
		now     time.Time
		id      string
		warning string // part of the only one, "" for none
	}{
		{"sonnet", today, "claude-sonnet-5-5", ""},
		{"haiku", today, "claude-haiku-5-5", ""},
		{"opus", today, "claude-opus-5-5", ""},
		{"fable", today, "claude-fable-5-2", ""},
		{" Opus ", today, "claude-opus-5-5", ""},
		{"claude-opus-4-6", today, "claude-opus-4-6", ""},
		{"claude-haiku-4-5", today, "claude-haiku-4-5-20251001", ""},
		{"claude-sonnet-4-5", today, "claude-sonnet-4-5-20250929", "claude-sonnet-4-5-20250929 is deprecated and ends on 2026-11-30: change to claude-sonnet-5-5"},
		{"claude-sonnet-4-5", after, "claude-sonnet-5-5", "model claude-sonnet-4-5 (claude-sonnet-4-5-20250929) was retired on 2026-11-30: claude-sonnet-5-5 runs in its place"},
		{"claude-2.1", today, "claude-opus-4-8", "claude-2.1 was retired on 2025-07-21: claude-opus-4-8 runs"},
		{"claude-3-5-sonnet-latest", today, "claude-sonnet-5-5", "claude-3-5-sonnet-latest (claude-3-5-sonnet-20241022) was retired"},
	} {
		r := c.Resolve(test.name, test.now)
		if r.ID != test.id || r.Model == nil || r.Model.ID != test.id {
			t.Errorf("%q is %s, want %s", test.name, r.ID, test.id)
		}
		if text := strings.Join(r.Warnings, "\n"); !strings.Contains(text, test.warning) || test.warning == "" && text != "" || len(r.Warnings) > 1 {
			t.Errorf("%q warns %q, want %q", test.name, text, test.warning)
		}
	}
}

func TestResolveUnknown(t *testing.T) {
	c := builtin(t)
	for name, near := range map[string]string{
		"claude-opus-5-6":   "claude-opus-5-5",
		"claude-sonnet-4.5": "claude-sonnet-4-5",
		"sonet":             "sonnet",
		"Opsu":              "opus",
		"gpt-oss:20b":       "",
		"qwen3-coder":       "",
		"":                  "",
	} {
		r := c.Resolve(name, today)
		if r.ID != name || r.Model != nil || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "cost is unknown") {
			t.Errorf("%q: %+v", name, r)
			continue
		}
		if hinted := strings.Contains(r.Warnings[0], "did you mean "+near+"?"); hinted != (near != "") {
			t.Errorf("%q: %s, want a hint at %q", name, r.Warnings[0], near)
		}
	}
}

func TestResolveSuccessors(t *testing.T) {
	c := parse(t, `[
		{"id":"a-1","line":"a","lifecycle":"retired","successor":"a-2","retires":"2026-01-01"},
		{"id":"a-2","line":"a","lifecycle":"deprecated","successor":"a-3","retires":"2026-02-01"},
		{"id":"a-3","line":"a","lifecycle":"deprecated"},
		{"id":"round-1","lifecycle":"retired","successor":"round-2"},
		{"id":"round-2","lifecycle":"retired","successor":"round-1"},
		{"id":"self","line":"self","lifecycle":"retired","successor":"self"},
		{"id":"lost","lifecycle":"retired","successor":"nobody"}]`)
	for _, test := range []struct {
		name, id string
		warnings []string
	}{
		{"a-1", "a-3", []string{"model a-1 was retired on 2026-01-01: a-3 runs in its place", "model a-3 is deprecated"}},
		{"a", "a-3", []string{"model a-3 is deprecated"}},
		{"round-1", "round-1", []string{"model round-1 was retired and no successor is known: calls to it will probably fail, choose another model"}},
		{"self", "self", []string{"model self was retired and no successor is known: calls to it will probably fail, choose another model"}},
		{"lost", "lost", []string{"model lost was retired and no successor is known: calls to it will probably fail, choose another model"}},
	} {
		r := c.Resolve(test.name, today)
		if r.ID != test.id || r.Model == nil || !slices.Equal(r.Warnings, test.warnings) {
			t.Errorf("%s: %+v, want %s, %q", test.name, r, test.id, test.warnings)
		}
	}
}

func TestSuggest(t *testing.T) {
	agents := []string{"code-reviewer", "bug-investigator", "backend-architect", "python-expert", "qc-automation-expert", "b", "über"}
	for name, want := range map[string]string{
		"code-reviwer":           "code-reviewer",
		"CODE_REVIEWER":          "code-reviewer",
		"bug-investgiator":       "bug-investigator",
		"pyton-expert":           "python-expert",
		"uber":                   "über",
		"a":                      "",
		"reviewer":               "",
		"security":               "",
		"":                       "",
		strings.Repeat("x", 1e6): "",
	} {
		if got := model.Suggest(name, agents); got != want {
			t.Errorf("Suggest(%.20q) = %q, want %q", name, got, want)
		}
	}
	for _, among := range [][]string{{"yodel", "models", "mode"}, {"mode", "models", "yodel"}} {
		if got := model.Suggest("model", among); got != "models" {
			t.Errorf("of equally near names %q has most in common", got)
		}
	}
	if got := model.Suggest("rot", []string{"root", "riot"}); got != "root" {
		t.Errorf("of equally near names %q comes first", got)
	}
	if got := model.Suggest("x", nil); got != "" {
		t.Errorf("among no names %q is near", got)
	}
}
