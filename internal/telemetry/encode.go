package telemetry

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// The envelope that spans and metrics share, as the OpenTelemetry protocol
// 1.x numbers and names it. Resource, scope and schema have the same numbers
// on both ways.
type envelope struct{ resources, scopes, items field }

var (
	spanEnvelope   = envelope{field{1, "resourceSpans"}, field{2, "scopeSpans"}, field{2, "spans"}}
	metricEnvelope = envelope{field{1, "resourceMetrics"}, field{2, "scopeMetrics"}, field{2, "metrics"}}
)

// write writes a request with n items, which all come from one scope of one
// resource.
func (e envelope) write(asJSON bool, r *resource.Resource, s instrumentation.Scope, n int, item func(int, message)) []byte {
	m := newMessage(asJSON)
	m.list(e.resources, 1, func(_ int, m message) {
		m.object(field{1, "resource"}, func(m message) { encodeAttributes(m, field{1, "attributes"}, r.Attributes()) })
		m.list(e.scopes, 1, func(_ int, m message) {
			m.object(field{1, "scope"}, func(m message) {
				m.text(field{1, "name"}, s.Name)
				m.text(field{2, "version"}, s.Version)
			})
			m.list(e.items, n, item)
			m.text(field{3, "schemaUrl"}, s.SchemaURL)
		})
	})
	return m.bytes()
}

// encodeSpans writes a request to export spans, of which there is at least
// one.
func encodeSpans(spans []sdktrace.ReadOnlySpan, asJSON bool) []byte {
	first := spans[0]
	return spanEnvelope.write(asJSON, first.Resource(), first.InstrumentationScope(), len(spans), func(i int, m message) { encodeSpan(m, spans[i]) })
}

func encodeSpan(m message, s sdktrace.ReadOnlySpan) {
	sc := s.SpanContext()
	traceID, spanID := sc.TraceID(), sc.SpanID()
	m.id(field{1, "traceId"}, traceID[:])
	m.id(field{2, "spanId"}, spanID[:])
	if state := sc.TraceState().String(); state != "" {
		m.text(field{3, "traceState"}, state)
	}
	if parent := s.Parent(); parent.HasSpanID() {
		id := parent.SpanID()
		m.id(field{4, "parentSpanId"}, id[:])
	}
	m.fixed32(field{16, "flags"}, spanFlags(sc, s.Parent()))
	m.text(field{5, "name"}, s.Name())
	m.enum(field{6, "kind"}, spanKind(s.SpanKind()))
	m.fixed64(field{7, "startTimeUnixNano"}, unixNano(s.StartTime()))
	m.fixed64(field{8, "endTimeUnixNano"}, unixNano(s.EndTime()))
	encodeAttributes(m, field{9, "attributes"}, s.Attributes())
	m.enum(field{10, "droppedAttributesCount"}, uint32(max(s.DroppedAttributes(), 0)))
	m.object(field{15, "status"}, func(m message) { encodeStatus(m, s.Status()) })
}

// spanFlags are the flags of W3C's trace context, and two bits that say
// whether the parent is in another process.
func spanFlags(sc, parent trace.SpanContext) uint32 {
	const known, remote = 0x100, 0x200
	flags := uint32(sc.TraceFlags()) | known
	if parent.IsRemote() {
		flags |= remote
	}
	return flags
}

func spanKind(k trace.SpanKind) uint32 {
	const internal, client = 1, 3
	if k == trace.SpanKindClient {
		return client
	}
	return internal
}

func encodeStatus(m message, s sdktrace.Status) {
	const wireError = 2
	if s.Code != codes.Error {
		return
	}
	if s.Description != "" {
		m.text(field{2, "message"}, s.Description)
	}
	m.enum(field{3, "code"}, wireError)
}

func encodeAttributes(m message, f field, attributes []attribute.KeyValue) {
	m.list(f, len(attributes), func(i int, m message) {
		m.text(field{1, "key"}, string(attributes[i].Key))
		m.object(field{2, "value"}, func(m message) { encodeValue(m, attributes[i].Value) })
	})
}

// encodeValue writes the kinds of values that this program sets, and any other
// as text.
func encodeValue(m message, v attribute.Value) {
	text := field{1, "stringValue"}
	switch v.Type() {
	case attribute.BOOL:
		m.boolean(field{2, "boolValue"}, v.AsBool())
	case attribute.INT64:
		m.integer(field{3, "intValue"}, v.AsInt64())
	case attribute.FLOAT64:
		m.double(field{4, "doubleValue"}, v.AsFloat64())
	case attribute.STRINGSLICE:
		values := v.AsStringSlice()
		m.object(field{5, "arrayValue"}, func(m message) {
			m.list(field{1, "values"}, len(values), func(i int, m message) { m.text(text, values[i]) })
		})
	default:
		m.text(text, v.String())
	}
}

// unixNano is 0 for times before 1970, which no clock shows.
func unixNano(t time.Time) uint64 { return uint64(max(t.UnixNano(), 0)) }

// encodeMetrics writes a request to export the metrics of one scope.
func encodeMetrics(r *resource.Resource, s metricdata.ScopeMetrics, asJSON bool) []byte {
	return metricEnvelope.write(asJSON, r, s.Scope, len(s.Metrics), func(i int, m message) { encodeMetric(m, s.Metrics[i]) })
}

func encodeMetric(m message, metric metricdata.Metrics) {
	m.text(field{1, "name"}, metric.Name)
	m.text(field{2, "description"}, metric.Description)
	m.text(field{3, "unit"}, metric.Unit)
	histogram := field{9, "histogram"}
	switch data := metric.Data.(type) { // this program has histograms only
	case metricdata.Histogram[int64]:
		m.object(histogram, func(m message) { encodeHistogram(m, data) })
	case metricdata.Histogram[float64]:
		m.object(histogram, func(m message) { encodeHistogram(m, data) })
	}
}

func encodeHistogram[N int64 | float64](m message, h metricdata.Histogram[N]) {
	const delta, cumulative = 1, 2
	m.list(field{1, "dataPoints"}, len(h.DataPoints), func(i int, m message) { encodePoint(m, h.DataPoints[i]) })
	temporality := uint32(cumulative)
	if h.Temporality == metricdata.DeltaTemporality {
		temporality = delta
	}
	m.enum(field{2, "aggregationTemporality"}, temporality)
}

func encodePoint[N int64 | float64](m message, p metricdata.HistogramDataPoint[N]) {
	m.fixed64(field{2, "startTimeUnixNano"}, unixNano(p.StartTime))
	m.fixed64(field{3, "timeUnixNano"}, unixNano(p.Time))
	m.fixed64(field{4, "count"}, p.Count)
	m.double(field{5, "sum"}, float64(p.Sum))
	m.fixed64s(field{6, "bucketCounts"}, p.BucketCounts)
	m.doubles(field{7, "explicitBounds"}, p.Bounds)
	encodeAttributes(m, field{9, "attributes"}, p.Attributes.ToSlice())
	if low, ok := p.Min.Value(); ok {
		m.double(field{11, "min"}, float64(low))
	}
	if high, ok := p.Max.Value(); ok {
		m.double(field{12, "max"}, float64(high))
	}
}
