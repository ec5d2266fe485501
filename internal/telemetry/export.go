package telemetry

import (
	"context"
	"fmt"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// outlet encodes for a sink. What cannot be delivered is dropped and told to
// failed: the SDK would print an error to the process's standard error.
type outlet struct {
	sink   sink
	json   bool
	failed func(error)
}

func (o outlet) send(ctx context.Context, what string, body []byte) {
	if err := o.sink.deliver(ctx, body); err != nil {
		o.failed(fmt.Errorf("%s were dropped: %w", what, err))
	}
}

// spanExporter implements the SDK's exporter of spans.
type spanExporter struct{ outlet }

func (e spanExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if len(spans) > 0 {
		e.send(ctx, "traces", encodeSpans(spans, e.json))
	}
	return nil
}

func (spanExporter) Shutdown(context.Context) error { return nil }

// metricExporter implements the SDK's exporter of metrics.
type metricExporter struct {
	outlet
	temporality sdkmetric.TemporalitySelector
}

func (e metricExporter) Temporality(k sdkmetric.InstrumentKind) metricdata.Temporality {
	return e.temporality(k)
}

func (metricExporter) Aggregation(k sdkmetric.InstrumentKind) sdkmetric.Aggregation {
	return sdkmetric.DefaultAggregationSelector(k)
}

func (e metricExporter) Export(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	for _, scope := range rm.ScopeMetrics {
		if len(scope.Metrics) > 0 {
			e.send(ctx, "metrics", encodeMetrics(rm.Resource, scope, e.json))
		}
	}
	return nil
}

func (metricExporter) ForceFlush(context.Context) error { return nil }

func (metricExporter) Shutdown(context.Context) error { return nil }
