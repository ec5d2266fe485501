package telemetry_test

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/claude-force/claude-force/internal/llm/llmtest"
	"github.com/claude-force/claude-force/internal/telemetry"
)

// metrics is what JSON spells of metrics.
type metrics struct {
	ResourceMetrics []struct {
		ScopeMetrics []struct {
			Metrics []struct {
				Name, Unit string
				Histogram  struct {
					AggregationTemporality int
					DataPoints             []struct {
						StartTimeUnixNano, TimeUnixNano, Count string
						Sum, Min, Max                          float64
						BucketCounts                           []string
						ExplicitBounds                         []float64
						Attributes                             attributes
					}
				}
			}
		}
	}
}

func TestMetricsOfARun(t *testing.T) {
	for preference, temporality := range map[string]int{"": 2, "delta": 1} {
		tel, c := start(t, jsonTo.with(env{"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": preference}), telemetry.Options{BaseURL: "https://api.test"})
		call(t, t.Context(), tel, llmtest.Step{Response: answer()})
		shutdown(t, tel)
		var got metrics
		if err := json.Unmarshal(c.got("/v1/metrics")[0].body, &got); err != nil {
			t.Fatal(err)
		}
		sums := map[string]float64{}
		for _, m := range got.ResourceMetrics[0].ScopeMetrics[0].Metrics {
			if m.Histogram.AggregationTemporality != temporality {
				t.Errorf("%s has temporality %d, want %d", m.Name, m.Histogram.AggregationTemporality, temporality)
			}
			for _, p := range m.Histogram.DataPoints {
				if len(p.BucketCounts) != len(p.ExplicitBounds)+1 || p.Count != "1" || p.TimeUnixNano < p.StartTimeUnixNano {
					t.Errorf("%s: %+v", m.Name, p)
				}
				sums[m.Name+" "+p.Attributes.value("gen_ai.operation.name")+" "+p.Attributes.value("gen_ai.token.type")] = p.Sum
				want(t, p.Attributes, map[string]string{"gen_ai.provider.name": "anthropic", "gen_ai.request.model": "claude-sonnet-5-5"})
			}
		}
		if len(sums) != 5 || sums["gen_ai.client.token.usage chat input"] != 1111 || sums["gen_ai.client.token.usage chat output"] != 20 ||
			sums["gen_ai.client.operation.time_to_first_chunk chat "] != 0.25 {
			t.Errorf("sums = %v", sums)
		}
	}
}

// proto is a message of Protocol Buffers: the values of each field, numbers as
// eight bytes.
type proto map[int][][]byte

// parse decodes a message, strictly.
func parse(t *testing.T, b []byte) proto {
	t.Helper()
	fields := proto{}
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		b = b[max(n, 0):]
		size := 0
		var value []byte
		switch tag & 7 {
		case 0:
			v, n := binary.Uvarint(b)
			size, value = n, binary.LittleEndian.AppendUint64(nil, v)
		case 1:
			size = 8
		case 2:
			l, n := binary.Uvarint(b)
			b = b[max(n, 0):]
			size = int(l)
		case 5:
			size = 4
		}
		if n <= 0 || size < 0 || size > len(b) || (size == 0 && tag&7 != 2) {
			t.Fatalf("no field at %x", b)
		}
		if value == nil {
			value = b[:size]
		}
		fields[int(tag>>3)] = append(fields[int(tag>>3)], value)
		b = b[size:]
	}
	return fields
}

// at goes down a path of fields, the first value of each.
func at(t *testing.T, b []byte, path ...int) proto {
	t.Helper()
	for _, number := range path {
		found := parse(t, b)[number]
		if len(found) == 0 {
			t.Fatalf("no field %d of %v", number, path)
		}
		b = found[0]
	}
	return parse(t, b)
}

// protoValue is an attribute's value in the words of JSON.
func protoValue(t *testing.T, m proto) string {
	t.Helper()
	for number, v := range m {
		n := func() uint64 { return binary.LittleEndian.Uint64(v[0]) }
		var spelt any
		switch number {
		case 1:
			return string(v[0])
		case 3:
			spelt = n()
		case 4:
			spelt = math.Float64frombits(n())
		case 5:
			spelt = map[string]any{"values": []any{map[string]string{"stringValue": string(at(t, v[0], 1)[1][0])}}}
		}
		b, _ := json.Marshal(spelt)
		return string(b)
	}
	return ""
}

// TestEncodingsAgree decodes both encodings of one run and compares all that
// does not depend on the clock or on chance.
func TestEncodingsAgree(t *testing.T) {
	vars := env{"OTEL_EXPORTER_OTLP_ENDPOINT": "$C", "TRACEPARENT": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "TRACESTATE": "a=b"}
	run := func(protocol string) *fakeCollector {
		tel, c := start(t, vars.with(env{"OTEL_EXPORTER_OTLP_PROTOCOL": protocol}), telemetry.Options{BaseURL: "https://api.test"})
		call(t, t.Context(), tel, llmtest.Step{Response: answer()})
		shutdown(t, tel)
		return c
	}
	binary, text := run("http/protobuf"), run("http/json")
	sent := binary.got("/v1/traces")[0]
	if got := sent.header.Get("Content-Type"); got != "application/x-protobuf" {
		t.Errorf("Content-Type = %q", got)
	}
	expected := spans(t, bodies(text.got("/v1/traces"))...)
	scope := at(t, sent.body, 1, 2)
	if string(at(t, sent.body, 1, 2, 1)[1][0]) == "" || len(scope[2]) != 2 || len(scope[3]) != 1 {
		t.Errorf("scope = %v", scope)
	}
	for _, b := range scope[2] {
		s := parse(t, b)
		name := string(s[5][0])
		wanted := expected[name][0]
		if hex.EncodeToString(s[1][0]) != wanted.TraceID || string(s[3][0]) != wanted.TraceState || len(s[2][0]) != 8 || len(s[4][0]) != 8 ||
			int(s[6][0][0]) != wanted.Kind || len(s[7][0]) != 8 || len(s[8][0]) != 8 || int(binaryUint32(s[16][0])) != wanted.Flags {
			t.Errorf("%s = %v, want %+v", name, s, wanted)
		}
		if len(s[9]) != len(wanted.Attributes) {
			t.Errorf("%s has %d attributes, want %d", name, len(s[9]), len(wanted.Attributes))
		}
		for _, a := range s[9] {
			key := string(parse(t, a)[1][0])
			if got := protoValue(t, at(t, a, 2)); got != wanted.Attributes.value(key) {
				t.Errorf("%s: %s = %q, want %q", name, key, got, wanted.Attributes.value(key))
			}
		}
	}
	var wanted metrics
	if err := json.Unmarshal(text.got("/v1/metrics")[0].body, &wanted); err != nil {
		t.Fatal(err)
	}
	names := map[string]int{}
	for _, m := range wanted.ResourceMetrics[0].ScopeMetrics[0].Metrics {
		names[m.Name] = len(m.Histogram.DataPoints)
	}
	for _, b := range at(t, binary.got("/v1/metrics")[0].body, 1, 2)[2] {
		m := parse(t, b)
		h := parse(t, m[9][0])
		for _, p := range h[1] {
			point := parse(t, p)
			if len(point[6][0]) != len(point[7][0])+8 || len(point[4][0]) != 8 || len(point[9]) < 3 {
				t.Errorf("%s: %v", m[1][0], point)
			}
		}
		if names[string(m[1][0])] != len(h[1]) {
			t.Errorf("%s has %d points", m[1][0], len(h[1]))
		}
		delete(names, string(m[1][0]))
	}
	if len(names) > 0 {
		t.Errorf("not told: %v", slices.Collect(maps.Keys(names)))
	}
}

func binaryUint32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
