package telemetry

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// maxQueue bounds what may wait in memory to be sent.
const maxQueue = 1 << 20

// The values of the variables that choose an exporter.
const (
	exportNone    = "none"
	exportOTLP    = "otlp"
	exportConsole = "console"
)

// settings are the variables of OpenTelemetry, read and checked.
type settings struct {
	traces, metrics destination
	service         string
	attributes      []pair
	sampler         sdktrace.Sampler
	batch           batchSettings
	interval        time.Duration
	intervalTimeout time.Duration
	temporality     sdkmetric.TemporalitySelector
	content         bool
}

// destination is where one signal goes. exporter is one of the constants.
type destination struct {
	exporter string
	endpoint *url.URL
	json     bool
	gzip     bool
	headers  http.Header
	timeout  time.Duration
}

type batchSettings struct {
	delay, timeout time.Duration
	queue, size    int
}

// environment reads variables and keeps the first error.
type environment struct {
	getenv func(string) string
	err    error
}

// get is the value of a variable; an empty one is the same as none.
func (e *environment) get(name string) string { return strings.TrimSpace(e.getenv(name)) }

func (e *environment) fail(name, what string) {
	if e.err == nil {
		e.err = fmt.Errorf("%s %s", name, what)
	}
}

// first returns the first of the variables that is set, and its name.
func (e *environment) first(names ...string) (name, value string) {
	for _, name := range names {
		if value := e.get(name); value != "" {
			return name, value
		}
	}
	return names[len(names)-1], ""
}

// number reads a whole number within bounds.
func (e *environment) number(name string, fallback, low, high int) int {
	text := e.get(name)
	if text == "" {
		return fallback
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		e.fail(name, fmt.Sprintf("must be a whole number from %d to %d", low, high))
		return fallback
	}
	return n
}

// milliseconds reads a time of at most a day.
func (e *environment) milliseconds(name string, fallback time.Duration) time.Duration {
	const day = 24 * 60 * 60 * 1000
	return time.Duration(e.number(name, int(fallback.Milliseconds()), 1, day)) * time.Millisecond
}

// choice reads one of a few words.
func (e *environment) choice(name, value string, words ...string) string {
	value = strings.ToLower(value)
	for _, word := range words {
		if value == word {
			return word
		}
	}
	e.fail(name, "must be one of "+strings.Join(words, ", "))
	return words[0]
}

// readSettings reads all variables. on is false where nothing is to be sent;
// the settings then mean nothing.
func readSettings(getenv func(string) string) (s settings, on bool, err error) {
	e := &environment{getenv: getenv}
	if strings.EqualFold(e.get("OTEL_SDK_DISABLED"), "true") {
		return settings{}, false, nil
	}
	s.traces = e.destination("TRACES")
	s.metrics = e.destination("METRICS")
	if e.err != nil {
		return settings{}, false, e.err
	}
	if s.traces.exporter == exportNone && s.metrics.exporter == exportNone {
		return settings{}, false, nil
	}
	s.service, s.attributes = e.resource()
	s.sampler = e.sampler()
	s.batch = e.batch()
	s.interval = e.milliseconds("OTEL_METRIC_EXPORT_INTERVAL", time.Minute)
	s.intervalTimeout = e.milliseconds("OTEL_METRIC_EXPORT_TIMEOUT", 30*time.Second)
	s.temporality = e.temporality()
	s.content = e.content()
	return s, true, e.err
}

// destination reads where a signal ("TRACES" or "METRICS") goes. What is
// particular to the signal wins over what is meant for all. A signal for which
// neither an exporter nor an endpoint is named goes nowhere.
func (e *environment) destination(signal string) destination {
	exporterName := "OTEL_" + signal + "_EXPORTER"
	exporter := e.get(exporterName)
	endpointName, endpoint := e.first("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
	switch {
	case exporter == "" && endpoint == "":
		return destination{exporter: exportNone}
	case exporter == "":
		exporter = exportOTLP
	}
	exporter = e.choice(exporterName, exporter, exportNone, exportOTLP, exportConsole)
	d := destination{exporter: exporter, json: exporter == exportConsole, timeout: 10 * time.Second}
	if exporter != exportOTLP {
		return d
	}
	d.endpoint = e.endpoint(endpointName, endpoint, "v1/"+strings.ToLower(signal))
	d.json = e.protocol(signal)
	if name, value := e.first("OTEL_EXPORTER_OTLP_"+signal+"_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"); value != "" {
		d.gzip = e.choice(name, value, "none", "gzip") == "gzip"
	}
	d.headers = e.headers(signal)
	name, _ := e.first("OTEL_EXPORTER_OTLP_"+signal+"_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
	d.timeout = e.milliseconds(name, d.timeout)
	return d
}

// endpoint reads the address of a collector. The one for all signals is a base
// to which the signal's path is added; the one of a signal is used as it is.
// The error does not repeat the address: it may hold a key.
func (e *environment) endpoint(name, text, path string) *url.URL {
	if text == "" {
		text = "http://localhost:4318"
	}
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		e.fail(name, "must be an address such as http://localhost:4318")
		return nil
	}
	if name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
		u = u.JoinPath(path)
	} else if u.Path == "" {
		u.Path = "/"
	}
	return u
}

// protocol reports whether messages are spelled in JSON.
func (e *environment) protocol(signal string) bool {
	name, value := e.first("OTEL_EXPORTER_OTLP_"+signal+"_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
	switch strings.ToLower(value) {
	case "", "http/protobuf":
		return false
	case "http/json":
		return true
	case "grpc":
		e.fail(name, "is grpc, which claude-force does not speak: use http/protobuf or http/json, and the collector's HTTP port (usually 4318)")
	default:
		e.fail(name, "must be http/protobuf or http/json")
	}
	return false
}

func (e *environment) headers(signal string) http.Header {
	name, value := e.first("OTEL_EXPORTER_OTLP_"+signal+"_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
	pairs, err := parsePairs(value)
	if err != nil {
		e.fail(name, err.Error())
	}
	headers := http.Header{}
	for _, p := range pairs {
		if !validHeader(p) {
			e.fail(name, "holds a name or a value that no HTTP header may have")
			continue
		}
		headers.Set(p.name, p.value)
	}
	return headers
}

// validHeader reports whether a pair can be sent as a header: the name a token
// of HTTP, the value without control characters.
func validHeader(p pair) bool {
	for i := range len(p.name) {
		c := p.name[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	for i := range len(p.value) {
		if c := p.value[i]; (c < ' ' && c != '\t') || c == 0x7f {
			return false
		}
	}
	return p.name != ""
}

// resource reads who is speaking. OTEL_SERVICE_NAME wins over a service.name
// among the attributes.
func (e *environment) resource() (service string, attributes []pair) {
	attributes, err := parsePairs(e.get("OTEL_RESOURCE_ATTRIBUTES"))
	if err != nil {
		e.fail("OTEL_RESOURCE_ATTRIBUTES", err.Error())
	}
	service = e.get("OTEL_SERVICE_NAME")
	for _, p := range attributes {
		if p.name == "service.name" && service == "" {
			service = p.value
		}
	}
	if service == "" {
		service = "claude-force"
	}
	return service, attributes
}

func (e *environment) sampler() sdktrace.Sampler {
	const name = "OTEL_TRACES_SAMPLER"
	value := e.get(name)
	if value == "" {
		value = "parentbased_always_on"
	}
	value = e.choice(
		name, value, "parentbased_always_on", "always_on", "always_off", "traceidratio",
		"parentbased_always_off", "parentbased_traceidratio",
	)
	word, parent := strings.CutPrefix(value, "parentbased_")
	var sampler sdktrace.Sampler
	switch word {
	case "always_off":
		sampler = sdktrace.NeverSample()
	case "traceidratio":
		sampler = sdktrace.TraceIDRatioBased(e.ratio("OTEL_TRACES_SAMPLER_ARG"))
	default:
		sampler = sdktrace.AlwaysSample()
	}
	if parent {
		sampler = sdktrace.ParentBased(sampler)
	}
	return sampler
}

func (e *environment) ratio(name string) float64 {
	text := e.get(name)
	if text == "" {
		return 1
	}
	ratio, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(ratio) || ratio < 0 || ratio > 1 {
		e.fail(name, "must be a number from 0 to 1")
		return 1
	}
	return ratio
}

func (e *environment) batch() batchSettings {
	b := batchSettings{
		delay:   e.milliseconds("OTEL_BSP_SCHEDULE_DELAY", 5*time.Second),
		timeout: e.milliseconds("OTEL_BSP_EXPORT_TIMEOUT", 30*time.Second),
		queue:   e.number("OTEL_BSP_MAX_QUEUE_SIZE", 2048, 1, maxQueue),
	}
	b.size = e.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", min(512, b.queue), 1, maxQueue)
	if b.size > b.queue {
		e.fail("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "must not be more than OTEL_BSP_MAX_QUEUE_SIZE")
	}
	return b
}

func (e *environment) temporality() sdkmetric.TemporalitySelector {
	const name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
	chosen := metricdata.CumulativeTemporality
	if value := e.get(name); value != "" {
		// The only instruments are histograms, for which lowmemory is delta.
		if e.choice(name, value, "cumulative", "delta", "lowmemory") != "cumulative" {
			chosen = metricdata.DeltaTemporality
		}
	}
	return func(sdkmetric.InstrumentKind) metricdata.Temporality { return chosen }
}

// content reports whether prompts and answers are part of spans. The words are
// those of OpenTelemetry's own instrumentations; this program has no events.
func (e *environment) content() bool {
	const name = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
	value := e.get(name)
	if value == "" {
		return false
	}
	switch e.choice(name, value, "false", "true", "no_content", "span_only", "event_only", "span_and_event") {
	case "true", "span_only", "span_and_event":
		return true
	}
	return false
}

// errTraceParent is what is said of a TRACEPARENT that is none.
var errTraceParent = errors.New("TRACEPARENT is not of the form 00-<trace id>-<span id>-<flags>, so the traces of this process begin anew")
