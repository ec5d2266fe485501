package telemetry

import (
	"context"
	"net/http"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

// The units of families: durations are nanoseconds and shown in seconds, money
// is nano-dollars and shown in dollars.
const nano = int64(time.Second)

// Metrics counts what a process does, for Prometheus. It needs no collector:
// it answers who asks. A nil *Metrics has no layers. It is safe for concurrent
// use.
type Metrics struct {
	now                   func() time.Time
	agents, models, codes names

	build             *family
	runs              *family
	runDuration       *family
	runsInFlight      *family
	queueWait         *family
	retries           *family
	cost              *family
	saved             *family
	unpriced          *family
	exchanges         *family
	exchangeDuration  *family
	exchangesInFlight *family
	firstToken        *family
	tokens            *family
	thinking          *family
}

// NewMetrics returns metrics that have counted nothing. Of the options it uses
// Now and Version.
func NewMetrics(o Options) *Metrics {
	o = o.withDefaults()
	m := &Metrics{
		now:               o.Now,
		build:             &family{name: "claude_force_build_info", help: "Always 1; the labels say which version runs.", kind: gauge, labels: []string{"version"}},
		runs:              counts("runs_total", "Runs that ended, by how they ended and where the answer came from.", "agent", "model", "outcome", "source"),
		runDuration:       durations("run_duration_seconds", "Duration of runs, waiting and retries included.", "agent"),
		runsInFlight:      level("runs_in_flight", "Runs under way."),
		queueWait:         durations("queue_wait_seconds", "Time that runs waited for rate limits, of runs that made an exchange.", "model"),
		retries:           counts("retries_total", "Exchanges beyond the first one of a run.", "model"),
		cost:              money("cost_usd_total", "Dollars spent, as far as prices are known.", "agent", "model"),
		saved:             money("saved_usd_total", "Dollars that answers would have cost which were not bought again.", "source"),
		unpriced:          counts("unpriced_runs_total", "Runs whose cost is not known.", "model"),
		exchanges:         counts("exchanges_total", "Exchanges with the API, by the error they ended with or ok.", "model", "outcome"),
		exchangeDuration:  durations("exchange_duration_seconds", "Duration of exchanges with the API.", "model"),
		exchangesInFlight: level("exchanges_in_flight", "Exchanges under way."),
		firstToken:        durations("time_to_first_token_seconds", "Time from sending a request to the first event of its answer.", "model"),
		tokens:            counts("tokens_total", "Tokens by kind; the kinds do not overlap.", "model", "kind"),
		thinking:          counts("thinking_tokens_total", "The part of the output tokens that was thinking.", "model"),
	}
	m.build.add(1, o.Version)
	m.runsInFlight.add(0) // a gauge is there before the first run
	m.exchangesInFlight.add(0)
	return m
}

func counts(name, help string, labels ...string) *family {
	return &family{name: "claude_force_" + name, help: help, kind: counter, labels: labels}
}

func money(name, help string, labels ...string) *family {
	return &family{name: "claude_force_" + name, help: help, kind: counter, labels: labels, divisor: nano}
}

func level(name, help string) *family {
	return &family{name: "claude_force_" + name, help: help, kind: gauge}
}

// durations has buckets from what a hit takes to what a long answer does.
func durations(name, help, label string) *family {
	var buckets []int64
	for _, d := range []time.Duration{
		time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
		time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute,
	} {
		buckets = append(buckets, int64(d))
	}
	return &family{name: "claude_force_" + name, help: help, kind: histogram, labels: []string{label}, divisor: nano, buckets: buckets}
}

// ServeHTTP answers with all metrics in Prometheus' text format, version
// 0.0.4.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "metrics are read with GET", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(m.exposition()) // who went away needs no answer
}

func (m *Metrics) exposition() []byte {
	var b []byte
	for _, f := range []*family{
		m.build, m.runs, m.runDuration, m.runsInFlight, m.queueWait, m.retries, m.cost, m.saved, m.unpriced,
		m.exchanges, m.exchangeDuration, m.exchangesInFlight, m.firstToken, m.tokens, m.thinking,
	} {
		b = f.write(b)
	}
	return b
}

// RunLayer is the outermost layer: it counts runs, and what they cost and
// saved. A nil *Metrics gives a nil layer.
func (m *Metrics) RunLayer() llm.Layer {
	if m == nil {
		return nil
	}
	return m.around(m.runsInFlight, m.countRun)
}

// ExchangeLayer is the innermost layer: it counts exchanges over the wire and
// their tokens. A nil *Metrics gives a nil layer.
func (m *Metrics) ExchangeLayer() llm.Layer {
	if m == nil {
		return nil
	}
	return m.around(m.exchangesInFlight, m.countExchange)
}

// count is told of a call that ended; resp may be nil.
type count func(req *llm.Request, resp *llm.Response, err error, took time.Duration)

func (m *Metrics) around(inFlight *family, ended count) llm.Layer {
	return func(next llm.Caller) llm.Caller {
		return llm.CallerFunc(func(ctx context.Context, req *llm.Request, emit func(llm.Event)) (*llm.Response, error) {
			began := m.now()
			inFlight.add(1)
			defer inFlight.add(-1)
			resp, err := next.Call(ctx, req, emit)
			ended(req, resp, err, m.now().Sub(began))
			return resp, err
		})
	}
}

func (m *Metrics) countRun(req *llm.Request, resp *llm.Response, err error, took time.Duration) {
	agent, model := m.agents.bound(req.Agent), m.models.bound(req.Model)
	if resp == nil {
		resp = &llm.Response{}
	}
	m.runs.add(1, agent, model, ending(outcome(resp, err)), sourceOf(resp))
	m.runDuration.observe(took, agent)
	if resp.Attempts > 0 {
		m.queueWait.observe(resp.Waited, model)
		m.retries.add(int64(resp.Attempts-1), model)
	}
	if resp.Cost.Unknown {
		m.unpriced.add(1, model)
	}
	m.cost.add(resp.Cost.Nano, agent, model)
	if resp.Saved > 0 {
		m.saved.add(resp.Saved, sourceOf(resp))
	}
}

// ending is how a run ended, in the words of the ledger.
func ending(failure *llm.Error) string {
	switch {
	case failure == nil:
		return "succeeded"
	case failure.Code == llm.CodeCancelled:
		return "cancelled"
	}
	return "failed"
}

// sourceOf is where an answer came from; "off" says that no cache was asked.
func sourceOf(resp *llm.Response) string {
	if resp.Source == "" {
		return "off"
	}
	return string(resp.Source)
}

func (m *Metrics) countExchange(req *llm.Request, resp *llm.Response, err error, took time.Duration) {
	model, result := m.models.bound(req.Model), "ok"
	if failure := llm.AsError(err); failure != nil {
		result = m.codes.bound(string(failure.Code))
	}
	m.exchanges.add(1, model, result)
	m.exchangeDuration.observe(took, model)
	if resp == nil {
		return
	}
	if resp.FirstToken > 0 {
		m.firstToken.observe(resp.FirstToken, model)
	}
	for _, t := range []struct {
		kind string
		n    int64
	}{
		{"input", resp.Usage.Input},
		{"output", resp.Usage.Output},
		{"cache_read", resp.Usage.CacheRead},
		{"cache_write_5m", resp.Usage.CacheWrite5m},
		{"cache_write_1h", resp.Usage.CacheWrite1h},
	} {
		if t.n > 0 {
			m.tokens.add(t.n, model, t.kind)
		}
	}
	if resp.Usage.Thinking > 0 {
		m.thinking.add(resp.Usage.Thinking, model)
	}
}
