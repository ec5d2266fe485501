package telemetry

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/claude-force/claude-force/internal/llm"
)

// instruments are the histograms of the semantic conventions, with the buckets
// that these name.
type instruments struct {
	tokens     metric.Int64Histogram
	duration   metric.Float64Histogram
	firstChunk metric.Float64Histogram
}

func newInstruments(m metric.Meter) (instruments, error) {
	tokens, tokensErr := m.Int64Histogram(
		metricTokens, metric.WithUnit("{token}"), metric.WithDescription("Tokens used by an exchange."),
		metric.WithExplicitBucketBoundaries(1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864),
	)
	duration, durationErr := m.Float64Histogram(
		metricDuration, metric.WithUnit("s"), metric.WithDescription("Duration of an exchange or a run."),
		metric.WithExplicitBucketBoundaries(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
	)
	firstChunk, firstChunkErr := m.Float64Histogram(
		metricFirstChunk, metric.WithUnit("s"), metric.WithDescription("Time from sending a request to the first event of its answer."),
		metric.WithExplicitBucketBoundaries(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10),
	)
	return instruments{tokens, duration, firstChunk}, errors.Join(tokensErr, durationErr, firstChunkErr)
}

// operation counts an exchange or a run that ended. answered may be empty.
func (i instruments) operation(ctx context.Context, operation, model, answered string, failure *llm.Error, took time.Duration, server []attribute.KeyValue) {
	attributes := appendTexts(of(operation, model, server), text{responseModel, answered})
	if failure != nil {
		attributes = append(attributes, attribute.String(errorType, string(failure.Code)))
	}
	i.duration.Record(ctx, took.Seconds(), metric.WithAttributes(attributes...))
}

// answer counts the tokens of an exchange and the time to its first event.
func (i instruments) answer(ctx context.Context, model string, resp *llm.Response, server []attribute.KeyValue) {
	attributes := appendTexts(of(operationChat, model, server), text{responseModel, resp.Model})
	if resp.FirstToken > 0 {
		i.firstChunk.Record(ctx, resp.FirstToken.Seconds(), metric.WithAttributes(attributes...))
	}
	if !counted(resp.Usage) {
		return
	}
	kind := func(name string) metric.RecordOption {
		return metric.WithAttributes(attribute.String(tokenType, name))
	}
	shared := metric.WithAttributes(attributes...)
	i.tokens.Record(ctx, resp.Usage.Prompt(), shared, kind("input"))
	i.tokens.Record(ctx, resp.Usage.Output, shared, kind("output"))
}

func of(operation, model string, server []attribute.KeyValue) []attribute.KeyValue {
	return append([]attribute.KeyValue{
		attribute.String(operationName, operation),
		attribute.String(providerName, provider),
		attribute.String(requestModel, model),
	}, server...)
}
