package ledger_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claude-force/claude-force/internal/layer/record"
	"github.com/claude-force/claude-force/internal/ledger"
	"github.com/claude-force/claude-force/internal/llm"
)

func TestQuantilesAreCloseToTheDurations(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		h := ledger.Histogram{}
		durations := make([]int64, 1+r.IntN(2000))
		for i := range durations {
			durations[i] = r.Int64N(1 << r.IntN(62))
			h[ledger.Bucket(durations[i])]++
		}
		slices.Sort(durations)
		for _, q := range []float64{0, .5, .95, .99, 1} {
			want := durations[int(q*float64(len(durations)-1))]
			got := h.Quantile(q)
			if math.Abs(float64(got-want)) > .016*float64(want) {
				t.Fatalf("quantile %v of %d durations is %d, want %d", q, len(durations), got, want)
			}
		}
	}
	if got := (ledger.Histogram{}).Quantile(.5); got != 0 {
		t.Errorf("nothing has the median %d", got)
	}
	last := -1
	for us := range int64(100_000) {
		if b := ledger.Bucket(us); b != last && b != last+1 {
			t.Fatalf("the bucket of %d is %d after %d", us, b, last)
		} else {
			last = b
		}
	}
	if ledger.Bucket(-5) != 0 || ledger.Bucket(math.MaxInt64) != 57*32+63 {
		t.Errorf("the ends are in %d and %d", ledger.Bucket(-5), ledger.Bucket(math.MaxInt64))
	}
}

func TestFiguresOfNothingAreZero(t *testing.T) {
	if got := new(ledger.Counts).Figures(); got != (ledger.Figures{}) {
		t.Errorf("%+v", got)
	}
	m, err := ledger.Summarise(t.Context(), nil, ledger.AllTime)
	if err != nil || m != (ledger.Summary{}) {
		t.Errorf("%+v, %v", m, err)
	}
	text, err := json.Marshal(m)
	if err != nil || !strings.HasSuffix(string(text), `,"since":null}`) {
		t.Errorf("%s, %v", text, err)
	}
}

func TestAddAddsEveryCount(t *testing.T) {
	var one, sum ledger.Counts
	v := reflect.ValueOf(&one).Elem()
	for i := range v.NumField() {
		v.Field(i).SetInt(int64(i) + 1)
	}
	sum.Add(&one)
	sum.Add(&one)
	for i := range v.NumField() {
		if got := reflect.ValueOf(sum).Field(i).Int(); got != 2*int64(i)+2 {
			t.Errorf("%s = %d", v.Type().Field(i).Name, got)
		}
	}
}

func TestFigures(t *testing.T) {
	c := ledger.Counts{
		Runs: 8, Succeeded: 5, Cancelled: 1, Lookups: 4, Hits: 1, Saved: 7, Duration: 16_000, Waited: 8_000, Exchanges: 9, Errors: 2,
		Cost: 5, Unpriced: 3, Input: 10, Output: 20, Thinking: 5, CacheWrite5m: 30, CacheWrite1h: 40, CacheRead: 20,
	}
	want := ledger.Figures{
		Runs: 8, Succeeded: 5, Failed: 2, Cancelled: 1, SuccessRate: .625, TotalCost: 5, Unpriced: 3, AvgDuration: 2, AvgWait: 1,
		Exchanges: 9, Errors: 2, Hits: 1, HitRate: .25, PromptCacheHitRate: .2, Saved: 7,
		Tokens: ledger.Tokens{Input: 10, Output: 20, Thinking: 5, CacheRead: 20, CacheWrite5m: 30, CacheWrite1h: 40, Total: 120},
	}
	if got := c.Figures(); got != want {
		t.Errorf("%+v\nwant\n%+v", got, want)
	}
}

// hours is a store of hours.
type hours map[ledger.Hour]ledger.Counts

func (h hours) Counts(context.Context, ledger.Dimension, ledger.Hour) (map[string]ledger.Counts, error) {
	return nil, errors.New("not asked")
}

func (h hours) Durations(context.Context, ledger.Hour) (ledger.Histogram, error) {
	return nil, errors.New("not asked")
}

func (h hours) Hours(_ context.Context, from ledger.Hour) (map[ledger.Hour]ledger.Counts, error) {
	out := map[ledger.Hour]ledger.Counts{}
	for hour, c := range h {
		if hour >= from {
			out[hour] = c
		}
	}
	return out, nil
}

func TestTrend(t *testing.T) {
	now := time.Date(2026, 11, 25, 13, 40, 0, 0, time.UTC) // a Wednesday
	at := func(day, hour int) ledger.Hour {
		return ledger.HourOf(time.Date(2026, 11, day, hour, 5, 0, 0, time.UTC))
	}
	store := hours{at(25, 13): {Runs: 1}, at(25, 0): {Runs: 2}, at(24, 23): {Runs: 4}, at(22, 9): {Runs: 8}, at(1, 1): {Runs: 16}}
	for _, c := range []struct {
		by    ledger.Period
		hours int
		first string
		runs  []int64
	}{
		{ledger.ByHour, 3, "2026-11-25T10:00:00Z", []int64{0, 0, 0, 1}},
		{ledger.ByDay, 24, "2026-11-24T00:00:00Z", []int64{4, 3}},
		{ledger.ByDay, 80, "2026-11-22T00:00:00Z", []int64{8, 0, 4, 3}},
		{ledger.ByWeek, 1, "2026-11-23T00:00:00Z", []int64{7}},
		{ledger.ByWeek, 100, "2026-11-16T00:00:00Z", []int64{8, 7}},
	} {
		points, err := ledger.Trend(t.Context(), store, c.by, ledger.Window(now, c.hours), ledger.HourOf(now))
		var runs []int64
		for _, p := range points {
			runs = append(runs, p.Runs)
		}
		if err != nil || !slices.Equal(runs, c.runs) || points[0].Start.Format(time.RFC3339) != c.first {
			t.Errorf("by %s, %d hours: %v from %v, %v", c.by, c.hours, runs, points[0].Start, err)
		}
	}
	points, err := ledger.Trend(t.Context(), nil, ledger.ByDay, ledger.Window(now, 48), ledger.HourOf(now))
	if err != nil || len(points) != 3 {
		t.Errorf("an empty ledger has %d points, %v", len(points), err)
	}
	// The first weeks of 1970 begin on Thursday the first and Monday the fifth.
	points, err = ledger.Trend(t.Context(), nil, ledger.ByWeek, 0, ledger.HourOf(time.Unix(14*86400, 0)))
	if err != nil || len(points) != 3 || points[1].Start.Day() != 5 || points[2].Start.Day() != 12 {
		t.Errorf("%+v, %v", points, err)
	}
}

// rows is a ledger of records that grows.
type rows struct{ records chan []ledger.Record }

func (r *rows) Records(ctx context.Context, after int64, most int) ([]ledger.Record, error) {
	select {
	case page := <-r.records:
		return page, nil
	default:
		return nil, ctx.Err()
	}
}

func record1(n int64) ledger.Record {
	cost := ledger.Money(1_500_000_000)
	return ledger.Record{Number: n, RunID: fmt.Sprint("r", n), Started: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC), Cost: &cost, Tags: map[string]string{"k": "v"}}
}

func TestExportFollowsUntilItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rows{make(chan []ledger.Record, 4)}
		r.records <- []ledger.Record{record1(1), record1(2)}
		var out bytes.Buffer
		w, err := ledger.NewWriter(&out, ledger.JSONL)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		type end struct {
			n   int64
			err error
		}
		done := make(chan end, 1)
		go func() {
			n, err := ledger.Export(ctx, r, w, ledger.AllTime, true)
			done <- end{n, err}
		}()
		synctest.Wait()
		if n := strings.Count(out.String(), "\n"); n != 2 {
			t.Errorf("%d lines at first", n)
		}
		time.Sleep(time.Hour)
		r.records <- []ledger.Record{record1(3)}
		time.Sleep(time.Second) // the longest wait
		synctest.Wait()
		if n := strings.Count(out.String(), "\n"); n != 3 {
			t.Errorf("%d lines after another run", n)
		}
		cancel()
		if e := <-done; e.n != 3 || !errors.Is(e.err, context.Canceled) {
			t.Errorf("Export = %d, %v", e.n, e.err)
		}
	})
}

func TestFormats(t *testing.T) {
	odd := record1(2)
	odd.Agent, odd.Workflow, odd.Branch, odd.Step, odd.RequestID = "=1+1", "+w", "-b", "@s", "\tr"
	odd.Cost, odd.Tags = nil, nil
	for _, f := range []ledger.Format{ledger.CSV, ledger.JSON, ledger.JSONL} {
		for n := range 3 {
			var out bytes.Buffer
			w, err := ledger.NewWriter(&out, f)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range []ledger.Record{record1(1), odd}[:n] {
				if err := w.Write(&r); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			checkFormat(t, f, out.String(), n)
		}
	}
	if _, err := ledger.NewWriter(nil, "xml"); err == nil {
		t.Error("xml is a format")
	}
}

func checkFormat(t *testing.T, f ledger.Format, text string, n int) {
	t.Helper()
	switch f {
	case ledger.CSV:
		cells, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil || len(cells) != n+1 {
			t.Fatalf("%q, %v", text, err)
		}
		for _, row := range cells {
			for _, c := range row {
				if c != "" && strings.ContainsAny(c[:1], "=+-@\t") {
					t.Errorf("%q would be a formula", c)
				}
			}
		}
		if n > 0 && cells[1][slices.Index(cells[0], "cost_usd")] != "1.50" {
			t.Errorf("%q", cells[1])
		}
	case ledger.JSON:
		var list []ledger.Record
		if err := json.Unmarshal([]byte(text), &list); err != nil || len(list) != n || list == nil {
			t.Errorf("%q, %v", text, err)
		}
	case ledger.JSONL:
		if strings.Count(text, "\n") != n || (n > 0 && !strings.Contains(text, `"cost_usd":1.5,`)) {
			t.Errorf("%q", text)
		}
	}
}

func TestRing(t *testing.T) {
	r := ledger.NewRing(3)
	changed := r.Changed()
	if got, n := r.Since(0); len(got) != 0 || n != 0 {
		t.Errorf("%v, %d", got, n)
	}
	for i := range int64(5) {
		r.Add(record1(i))
	}
	select {
	case <-changed:
	default:
		t.Error("nobody was told")
	}
	for _, c := range []struct {
		seen  uint64
		first int64
		n     int
	}{{0, 2, 3}, {3, 3, 2}, {4, 4, 1}, {5, 0, 0}, {99, 0, 0}} {
		got, added := r.Since(c.seen)
		if len(got) != c.n || added != 5 || (c.n > 0 && got[0].Number != c.first) {
			t.Errorf("since %d: %+v, %d", c.seen, got, added)
		}
	}
}

func TestTags(t *testing.T) {
	many := map[string]string{}
	for i := range 17 {
		many[fmt.Sprint("k", i)] = ""
	}
	for name, tags := range map[string]map[string]string{
		"too many": many, "no key": {"": "v"}, "a space": {"a b": "v"}, "a letter beyond ASCII": {"ü": "v"}, "an equals sign": {"a=b": "v"},
		"a long key": {strings.Repeat("k", 65): ""}, "a long value": {"k": strings.Repeat("v", 257)}, "a new line": {"k": "a\nb"}, "no text": {"k": "\xff"},
	} {
		if err := ledger.CheckTags(tags); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if err := ledger.CheckTags(map[string]string{"team/a.b-c_1": "x=y ü", "empty": ""}); err != nil {
		t.Error(err)
	}
	if got := ledger.Tags(map[string]string{"b": "2", "a": "1"}); !slices.Equal(got, []llm.Tag{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}}) {
		t.Errorf("%v", got)
	}
}

func TestParseForeign(t *testing.T) {
	zone := time.FixedZone("", 2*3600)
	noon := time.Date(2025, 11, 20, 12, 0, 0, 0, time.UTC)
	for line, want := range map[string]record.Run{
		`{"timestamp":"2025-11-20T14:00:00","agent_name":"a","model":"m","success":true,"execution_time_ms":1500.5,"input_tokens":7,"output_tokens":3,"estimated_cost":99}`: {
			Labels: llm.Labels{Agent: "a", Requested: "m"}, Model: "m", Status: record.Succeeded, Duration: 1_500_500 * time.Microsecond,
			Usage: llm.Usage{Input: 7, Output: 3},
		},
		`{"time":"2025-11-20T12:00:00Z","agent":"a","success":false,"duration":2,"error_type":"ValueError","workflow":"w","workflow_position":3,"tags":{"b":"2","a":"1"},"cache_read_input_tokens":5}`: {
			Labels: llm.Labels{Agent: "a", Workflow: "w", Step: "3", Tags: []llm.Tag{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}}},
			Status: record.Failed, Error: "ValueError", Duration: 2 * time.Second, Usage: llm.Usage{CacheRead: 5},
		},
		`{"timestamp":1763640000,"agent":"a","task_hash":"h","error_type":null}`: {
			Labels: llm.Labels{Agent: "a", TaskHash: "h"}, Status: record.Succeeded,
		},
		`{"timestamp":1763640000000,"agent":"a","error":"cancelled"}`: {Labels: llm.Labels{Agent: "a"}, Status: record.Cancelled, Error: llm.CodeCancelled},
		`{"timestamp":"2025-11-20T14:00:00.000+0200","agent":"a"}`:    {Labels: llm.Labels{Agent: "a"}, Status: record.Succeeded},
		` {"run_id":"mine","started":"2025-11-20 14:00:00","agent":"a"} `: {
			Labels: llm.Labels{RunID: "mine", Agent: "a"}, Status: record.Succeeded,
		},
	} {
		f, fault := ledger.ParseForeign([]byte(line), zone)
		want.Started, want.Attempts, want.Why = noon, 1, "imported"
		if want.RunID == "" {
			want.RunID = f.Run.RunID
		}
		if fault != "" || !reflect.DeepEqual(f.Run, want) || f.Run.RunID == "" || f.Line == [32]byte{} {
			t.Errorf("%s\n%+v %s\nwant %+v", line, f.Run, fault, want)
		}
	}
}

func TestForeignFaults(t *testing.T) {
	for line, want := range map[string]string{
		`{"timestamp":"2025`:                    "is no JSON object: it may be torn",
		`[]`:                                    "is no JSON object",
		`null`:                                  "is no JSON object",
		"{\"agent\":\"\xff\"}":                  "is not UTF-8 text",
		`{"timestamp":1}`:                       `"agent_name" that is missing`,
		`{"agent":"a"}`:                         `"timestamp" that is neither`,
		`{"agent":"a","timestamp":"yesterday"}`: `"timestamp" that is neither`,
		`{"agent":"a","timestamp":1e300}`:       `"timestamp" that is neither`,
		`{"agent":5,"timestamp":1}`:             `"agent" that is not text`,
		`{"agent":"a\nb","timestamp":1}`:        `"agent" that has control characters`,
		`{"agent":"a","timestamp":1,"input_tokens":1.5}`:                                   `"input_tokens" that is no whole number`,
		`{"agent":"a","timestamp":1,"input_tokens":-1}`:                                    `"input_tokens" that is no whole number`,
		`{"agent":"a","timestamp":1,"output_tokens":"7"}`:                                  `"output_tokens" that is no whole number`,
		`{"agent":"a","timestamp":1,"success":1}`:                                          `"success" that is neither`,
		`{"agent":"a","timestamp":1,"execution_time_ms":-3}`:                               `"execution_time_ms" that is no number`,
		`{"agent":"a","timestamp":1,"duration":1e300}`:                                     `"duration" that is no number`,
		`{"agent":"a","timestamp":1,"tags":["x"]}`:                                         `"tags" that is no object of text`,
		`{"agent":"a","timestamp":1,"tags":{"a b":"x"}}`:                                   `"tags" that cannot be taken`,
		`{"agent":"a","timestamp":1,"model":"` + strings.Repeat("m", 300) + `"}`:           "longer than 256 bytes",
		`{"agent":"a","timestamp":1,"workflow_position":` + strings.Repeat("1", 300) + "}": "is not text",
	} {
		if _, fault := ledger.ParseForeign([]byte(line), time.UTC); !strings.Contains(fault, want) {
			t.Errorf("%.80s: %q, want %q", line, fault, want)
		}
	}
}

func FuzzParseForeign(f *testing.F) {
	f.Add([]byte(`{"timestamp":"2025-11-20T14:00:00","agent_name":"a","model":"m","success":true,"execution_time_ms":1500.5,"input_tokens":7}`))
	f.Add([]byte(`{"timestamp":1763640000.5,"agent":"a","tags":{"k":"v"},"workflow_position":2,"duration":1e9}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		a, fault := ledger.ParseForeign(line, time.UTC)
		b, again := ledger.ParseForeign(line, time.UTC)
		if fault != again || !reflect.DeepEqual(a, b) {
			t.Fatal("the same line is not the same run")
		}
		if fault != "" {
			return
		}
		r := a.Run
		if r.Agent == "" || r.Duration < 0 || r.Usage.Input < 0 || r.Usage.Output < 0 || r.Started.Year() < 1970 || r.RunID == "" {
			t.Errorf("%+v", r)
		}
	})
}
