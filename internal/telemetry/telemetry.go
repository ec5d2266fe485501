// Package telemetry tells other systems what a process does: traces and
// metrics of OpenTelemetry, configured by the standard OTEL_* variables, and
// metrics for Prometheus. Both are layers around calls to a model.
//
// It owns the names of what is told, the encoding of the OpenTelemetry
// protocol over HTTP, and the rule that nothing leaves the process unless it
// was configured, and no prompt or answer unless that was asked for as well.
// What cannot be delivered is dropped: telemetry neither slows nor fails a run.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/claude-force/claude-force/internal/llm"
)

const (
	scopeName = "github.com/claude-force/claude-force"
	// schemaURL is the release of the semantic conventions that has the names
	// in use; see names.go.
	schemaURL = "https://opentelemetry.io/schemas/1.41.0"
	// flushTime bounds Shutdown.
	flushTime = 5 * time.Second
	// maxMetricSeries bounds what metrics keep in memory: more combinations of
	// attributes are counted together.
	maxMetricSeries = 2000
)

// Options configure telemetry. The zero value is ready to use.
type Options struct {
	// Getenv reads the environment; nil means os.Getenv.
	Getenv func(string) string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Version is that of this program; it may be empty.
	Version string
	// BaseURL is where the models are; its host and port are told as
	// server.address and server.port. It may be empty.
	BaseURL string
	// Transport carries what is sent to a collector; nil means a transport of
	// its own.
	Transport http.RoundTripper
	// Console is what the exporter named "console" writes to, a JSON document
	// a line; nil means os.Stderr, since results go to os.Stdout.
	Console io.Writer
	// OnError is told what went wrong while it was sent: the first time only,
	// as a collector that is away stays away for a while. It may be called
	// from any goroutine, and must not call back. Nil tells nobody. The error
	// never holds a header or an address.
	OnError func(error)
}

func (o Options) withDefaults() Options {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Console == nil {
		o.Console = os.Stderr
	}
	if o.OnError == nil {
		o.OnError = func(error) {}
	}
	return o
}

// Telemetry sends traces and metrics of OpenTelemetry. A nil *Telemetry is
// what is not configured: it has no layers and costs nothing. It is safe for
// concurrent use.
type Telemetry struct {
	now     func() time.Time
	content bool
	// server is the attributes that name the API's host.
	server []attribute.KeyValue
	// parent is the span of another process, from TRACEPARENT, if any.
	parent trace.SpanContext

	tracer      trace.Tracer
	instruments instruments
	spans       *sdktrace.TracerProvider
	meters      *sdkmetric.MeterProvider
	end         func() // of deliveries under way
	idle        func()
}

// New reads the variables and starts what they ask for. It returns nil without
// an error where they ask for nothing, and one sentence about the first
// variable that is wrong. ctx bounds the start alone; nothing is sent yet.
func New(ctx context.Context, o Options) (*Telemetry, error) {
	o = o.withDefaults()
	s, on, err := readSettings(o.Getenv)
	if err != nil || !on {
		return nil, err
	}
	who, err := newResource(ctx, s, o.Version)
	if err != nil {
		return nil, err
	}
	var once sync.Once
	failed := func(err error) { once.Do(func() { o.OnError(err) }) }
	closed := make(chan struct{})
	transport, idle := o.transport()
	lock := &sync.Mutex{}
	to := func(d destination) outlet {
		if d.exporter == exportConsole {
			return outlet{sink: console{lock, o.Console}, json: true, failed: failed}
		}
		agent := "claude-force/" + o.Version
		return outlet{sink: newCollector(d, transport, agent, closed), json: d.json, failed: failed}
	}
	t := &Telemetry{
		now: o.Now, content: s.content, server: serverAttributes(o.BaseURL),
		end: sync.OnceFunc(func() { close(closed) }), idle: idle,
	}
	t.parent = remoteParent(o.Getenv, failed)
	t.spans = newSpans(s, who, to)
	t.meters = newMeters(s, who, to)
	t.tracer = t.spans.Tracer(scopeName, trace.WithInstrumentationVersion(o.Version), trace.WithSchemaURL(schemaURL))
	meter := t.meters.Meter(scopeName, metric.WithInstrumentationVersion(o.Version), metric.WithSchemaURL(schemaURL))
	if t.instruments, err = newInstruments(meter); err != nil {
		return nil, fmt.Errorf("start telemetry: %w", err)
	}
	return t, nil
}

// transport returns what carries requests, and what frees its connections.
func (o Options) transport() (http.RoundTripper, func()) {
	if o.Transport != nil {
		return o.Transport, func() {}
	}
	own := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
		MaxIdleConns: 4, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
	}
	return own, own.CloseIdleConnections
}

func newResource(ctx context.Context, s settings, version string) (*resource.Resource, error) {
	var attributes []attribute.KeyValue
	for _, p := range s.attributes {
		attributes = append(attributes, attribute.String(p.name, p.value))
	}
	if version != "" {
		attributes = append(attributes, attribute.String("service.version", version))
	}
	attributes = append(attributes, attribute.String("service.name", s.service)) // the last of a name wins
	r, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(attributes...))
	if err != nil {
		return nil, fmt.Errorf("start telemetry: %w", err)
	}
	return r, nil
}

func newSpans(s settings, who *resource.Resource, to func(destination) outlet) *sdktrace.TracerProvider {
	if s.traces.exporter == exportNone {
		return sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
	}
	return sdktrace.NewTracerProvider(
		sdktrace.WithResource(who), sdktrace.WithSampler(s.sampler),
		sdktrace.WithBatcher(
			spanExporter{to(s.traces)},
			sdktrace.WithBatchTimeout(s.batch.delay), sdktrace.WithExportTimeout(s.batch.timeout),
			sdktrace.WithMaxQueueSize(s.batch.queue), sdktrace.WithMaxExportBatchSize(s.batch.size),
		),
	)
}

func newMeters(s settings, who *resource.Resource, to func(destination) outlet) *sdkmetric.MeterProvider {
	if s.metrics.exporter == exportNone {
		return sdkmetric.NewMeterProvider()
	}
	reader := sdkmetric.NewPeriodicReader(
		metricExporter{to(s.metrics), s.temporality},
		sdkmetric.WithInterval(s.interval), sdkmetric.WithTimeout(s.intervalTimeout),
	)
	return sdkmetric.NewMeterProvider(
		sdkmetric.WithResource(who), sdkmetric.WithReader(reader),
		sdkmetric.WithCardinalityLimit(maxMetricSeries), sdkmetric.WithExemplarFilter(exemplar.AlwaysOffFilter),
	)
}

// remoteParent reads TRACEPARENT and TRACESTATE, by which whoever started this
// process names its span.
func remoteParent(getenv func(string) string, failed func(error)) trace.SpanContext {
	parent := getenv("TRACEPARENT")
	if parent == "" {
		return trace.SpanContext{}
	}
	carrier := propagation.MapCarrier{"traceparent": parent, "tracestate": getenv("TRACESTATE")}
	sc := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
	if !sc.IsValid() {
		failed(errTraceParent)
	}
	return sc
}

// serverAttributes names the host of an address; it is empty where there is
// none.
func serverAttributes(base string) []attribute.KeyValue {
	u, err := url.Parse(base)
	if err != nil || u.Hostname() == "" {
		return nil
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		port = 443
		if u.Scheme == "http" {
			port = 80
		}
	}
	return []attribute.KeyValue{attribute.String(serverAddress, u.Hostname()), attribute.Int(serverPort, port)}
}

// RunLayer is the outermost layer: one span for a run, hits and failures
// included. Tokens are on the spans of its exchanges alone, so that a sum over
// all spans counts them once. A nil *Telemetry gives a nil layer.
func (t *Telemetry) RunLayer() llm.Layer {
	if t == nil {
		return nil
	}
	return func(next llm.Caller) llm.Caller { return &runCaller{t, next} }
}

// ExchangeLayer is the innermost layer: one span for an exchange over the
// wire, with its tokens. The trace goes no further: the API is sent no
// traceparent. A nil *Telemetry gives a nil layer.
func (t *Telemetry) ExchangeLayer() llm.Layer {
	if t == nil {
		return nil
	}
	return func(next llm.Caller) llm.Caller { return &exchangeCaller{t, next} }
}

// Shutdown sends what is pending, for as long as ctx allows and for five
// seconds at most, and drops the rest: deliveries that are under way then are
// cancelled, and every goroutine ends. The error says that something was
// dropped for lack of time; what a collector did not take is told to
// Options.OnError. Calls must have ended. Shutting down again, or a nil
// *Telemetry, does nothing.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	var both sync.WaitGroup
	var spansErr, metersErr error
	both.Go(func() { spansErr = t.spans.Shutdown(ctx) })
	both.Go(func() {
		if metersErr = t.meters.Shutdown(ctx); errors.Is(metersErr, sdkmetric.ErrReaderShutdown) {
			metersErr = nil
		}
	})
	both.Wait()
	t.end()
	t.idle()
	if err := errors.Join(spansErr, metersErr); err != nil {
		return fmt.Errorf("send the last telemetry: %w", err)
	}
	return nil
}
