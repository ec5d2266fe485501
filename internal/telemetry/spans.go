package telemetry

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/claude-force/claude-force/internal/llm"
)

// attempts counts the exchanges of a run.
type attempts struct{ made atomic.Int64 }

type attemptsKey struct{}

// nextAttempt is which exchange of its run this one is, from 1; it is 0
// outside a run.
func nextAttempt(ctx context.Context) int64 {
	if a, ok := ctx.Value(attemptsKey{}).(*attempts); ok {
		return a.made.Add(1)
	}
	return 0
}

// start begins a span. Its parent is the one of ctx, else that of TRACEPARENT.
func (t *Telemetry) start(ctx context.Context, operation, of string, kind trace.SpanKind, at time.Time, attributes []attribute.KeyValue) (context.Context, trace.Span) {
	if t.parent.IsValid() && !trace.SpanContextFromContext(ctx).IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, t.parent)
	}
	name := operation
	if of != "" {
		name += " " + of
	}
	return t.tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithTimestamp(at), trace.WithAttributes(attributes...))
}

// fail marks a span. The message of an error may repeat parts of a prompt, so
// it is only told where prompts are.
func (t *Telemetry) fail(span trace.Span, e *llm.Error) {
	description := ""
	if t.content {
		description = cut(e.Message, maxText)
	}
	span.SetStatus(codes.Error, description)
	span.SetAttributes(attribute.String(errorType, string(e.Code)))
}

type runCaller struct {
	*Telemetry
	next llm.Caller
}

// Call implements [llm.Caller].
func (c *runCaller) Call(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
	began := c.now()
	ctx, span := c.start(ctx, operationAgent, req.Agent, trace.SpanKindInternal, began, runAttributes(req))
	resp, err := c.next.Call(context.WithValue(ctx, attemptsKey{}, &attempts{}), req, emit)
	ended := c.now()
	failure := outcome(resp, err)
	if span.IsRecording() {
		if resp != nil {
			span.SetAttributes(answeredRun(resp)...)
		}
		if failure != nil {
			c.fail(span, failure)
		}
	}
	span.End(trace.WithTimestamp(ended))
	c.instruments.operation(ctx, operationAgent, req.Model, "", failure, ended.Sub(began), nil)
	return resp, err
}

// outcome is why a run is no success, or nil.
func outcome(resp *llm.Response, err error) *llm.Error {
	switch {
	case err != nil:
		return llm.AsError(err)
	case resp == nil:
		return nil
	}
	return resp.Incomplete()
}

func runAttributes(req *llm.Request) []attribute.KeyValue {
	attributes := []attribute.KeyValue{
		attribute.String(operationName, operationAgent),
		attribute.String(providerName, provider),
		attribute.String(requestModel, req.Model),
	}
	return appendTexts(
		attributes,
		text{agentName, req.Agent}, text{conversationID, req.RunID}, text{workflowName, req.Workflow}, text{ownStep, req.Step},
		text{ownRequested, req.Requested}, text{ownModelCause, req.Why},
	)
}

// answeredRun is what the layers below know of a run at its end. It has no
// tokens: they are on the exchanges.
func answeredRun(resp *llm.Response) []attribute.KeyValue {
	attributes := []attribute.KeyValue{attribute.Int(ownAttempts, resp.Attempts)}
	if !resp.Cost.Unknown {
		attributes = append(attributes, attribute.Int64(ownCost, resp.Cost.Nano))
	}
	if resp.Saved > 0 {
		attributes = append(attributes, attribute.Int64(ownSaved, resp.Saved))
	}
	if resp.Waited > 0 {
		attributes = append(attributes, attribute.Float64(ownWaited, resp.Waited.Seconds()))
	}
	if resp.StopReason != "" {
		attributes = append(attributes, attribute.StringSlice(responseFinishReasons, []string{resp.StopReason}))
	}
	return appendTexts(attributes, text{ownSource, string(resp.Source)}, text{responseModel, resp.Model})
}

type exchangeCaller struct {
	*Telemetry
	next llm.Caller
}

// Call implements [llm.Caller].
func (c *exchangeCaller) Call(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
	began := c.now()
	ctx, span := c.start(ctx, operationChat, req.Model, trace.SpanKindClient, began, c.exchangeAttributes(ctx, req))
	resp, err := c.next.Call(ctx, req, emit)
	ended := c.now()
	failure := llm.AsError(err)
	if span.IsRecording() {
		c.finish(span, req, resp, failure)
	}
	span.End(trace.WithTimestamp(ended))
	answered := ""
	if resp != nil {
		answered = resp.Model
		c.instruments.answer(ctx, req.Model, resp, c.server)
	}
	c.instruments.operation(ctx, operationChat, req.Model, answered, failure, ended.Sub(began), c.server)
	return resp, err
}

func (c *exchangeCaller) finish(span trace.Span, req *llm.Request, resp *llm.Response, failure *llm.Error) {
	requestID := ""
	if resp != nil {
		span.SetAttributes(answeredExchange(resp)...)
		requestID = resp.RequestID
	}
	if failure != nil {
		c.fail(span, failure)
		if requestID == "" {
			requestID = failure.RequestID
		}
	}
	span.SetAttributes(appendTexts(nil, text{ownRequestID, requestID})...)
	if c.content {
		span.SetAttributes(content(req, resp)...)
	}
}

func (c *exchangeCaller) exchangeAttributes(ctx context.Context, req *llm.Request) []attribute.KeyValue {
	attributes := append([]attribute.KeyValue{
		attribute.String(operationName, operationChat),
		attribute.String(providerName, provider),
		attribute.String(requestModel, req.Model),
	}, c.server...)
	if n := nextAttempt(ctx); n > 0 {
		attributes = append(attributes, attribute.Int64(ownAttempt, n))
	}
	if req.MaxTokens > 0 {
		attributes = append(attributes, attribute.Int(requestMaxTokens, req.MaxTokens))
	}
	if req.Temperature != nil {
		attributes = append(attributes, attribute.Float64(requestTemperature, *req.Temperature))
	}
	if len(req.OutputFormat) > 0 {
		attributes = append(attributes, attribute.String(outputType, "json"))
	}
	if c.content && len(req.StopSequences) > 0 { // they are part of a prompt
		attributes = append(attributes, attribute.StringSlice(requestStopSequences, req.StopSequences))
	}
	return appendTexts(attributes, text{agentName, req.Agent}, text{conversationID, req.RunID})
}

func answeredExchange(resp *llm.Response) []attribute.KeyValue {
	var attributes []attribute.KeyValue
	if resp.StopReason != "" {
		attributes = append(attributes, attribute.StringSlice(responseFinishReasons, []string{resp.StopReason}))
	}
	if resp.FirstToken > 0 {
		attributes = append(attributes, attribute.Float64(responseFirstChunk, resp.FirstToken.Seconds()))
	}
	if u := resp.Usage; counted(u) {
		attributes = append(
			attributes,
			attribute.Int64(usageInput, u.Prompt()), attribute.Int64(usageOutput, u.Output),
			attribute.Int64(usageCacheRead, u.CacheRead), attribute.Int64(usageCacheCreation, u.CacheWrite()),
		)
		if u.Thinking > 0 {
			attributes = append(attributes, attribute.Int64(usageReasoning, u.Thinking))
		}
	}
	return appendTexts(attributes, text{responseID, resp.ID}, text{responseModel, resp.Model})
}

// counted reports whether the API told any tokens.
func counted(u llm.Usage) bool { return u.Prompt() != 0 || u.Output != 0 }

// text is an attribute that is left out where it is empty.
type text struct{ name, value string }

func appendTexts(attributes []attribute.KeyValue, texts ...text) []attribute.KeyValue {
	for _, t := range texts {
		if t.value != "" {
			attributes = append(attributes, attribute.String(t.name, t.value))
		}
	}
	return attributes
}
