package claudeforce

import (
	"context"

	"github.com/claude-force/claude-force/internal/telemetry"
)

// newTelemetry is what the OTEL_* variables ask for, or nil where they ask for
// nothing. A demo tells nobody.
func (e *Engine) newTelemetry() (*telemetry.Telemetry, error) {
	if e.options.Demo {
		return nil, nil
	}
	t, err := telemetry.New(context.Background(), telemetry.Options{
		Getenv: e.options.Getenv, Now: e.options.Now, Version: Version(), BaseURL: e.baseURL(),
		OnError: func(err error) {
			e.options.Logger.Warn("telemetry was not delivered", "error", err)
			e.trouble.warn("telemetry was not delivered: " + err.Error())
		},
	})
	if err != nil {
		return nil, configError("the variables of OpenTelemetry make no sense", "correct it, or set OTEL_SDK_DISABLED=true", err)
	}
	e.telling.Store(t != nil)
	return t, nil
}

// endTelemetry sends what is pending, for a few seconds at most: what a
// collector does not take in that time is lost, and the run is not.
func (e *Engine) endTelemetry() {
	if !e.telling.Load() {
		return
	}
	t, err := e.telemetry()
	if err != nil {
		return
	}
	if err := t.Shutdown(context.Background()); err != nil {
		e.options.Logger.Warn("telemetry was not delivered", "error", err)
	}
}
