package llm

import (
	"context"
	"errors"
	"time"
)

// Code classifies an [Error]. The values of the API are kept as it spells
// them; the others are this program's own.
type Code string

// The codes of the API.
const (
	CodeInvalidRequest Code = "invalid_request_error"
	CodeAuthentication Code = "authentication_error"
	CodeBilling        Code = "billing_error"
	CodePermission     Code = "permission_error"
	CodeNotFound       Code = "not_found_error"
	CodeConflict       Code = "conflict_error"
	CodeTooLarge       Code = "request_too_large"
	CodeRateLimit      Code = "rate_limit_error"
	CodeAPI            Code = "api_error"
	CodeTimeout        Code = "timeout_error"
	CodeOverloaded     Code = "overloaded_error"
)

// The program's own codes.
const (
	// CodeSpendLimit is the provider's own spend cap: waiting does not help.
	CodeSpendLimit Code = "spend_limit_error"
	// CodeConnection is a server that could not be reached or hung up before
	// it answered.
	CodeConnection Code = "connection_error"
	// CodeStreamCut is an answer that ended in the middle.
	CodeStreamCut Code = "stream_cut"
	// CodeBadResponse is an answer that is not the Messages API's.
	CodeBadResponse Code = "bad_response"
	// CodeCancelled is a caller who no longer wants the answer.
	CodeCancelled Code = "cancelled"
	// CodeDeadline is a total deadline that passed.
	CodeDeadline Code = "deadline_exceeded"
	// CodeUsage is wrong input to this program.
	CodeUsage Code = "usage_error"
	// CodeNoAgentFits is a task for which no agent was found.
	CodeNoAgentFits Code = "no_agent_fits"
	// CodeUnknownAgent is an agent that the project does not have.
	CodeUnknownAgent Code = "unknown_agent"
	// CodeBadAgent is an agent whose files cannot be used.
	CodeBadAgent Code = "bad_agent"
	// CodeConfig is a setting, project file or credential that is missing or
	// broken.
	CodeConfig Code = "configuration_error"
	// CodePromptTooLong is a prompt that is larger than the model's context.
	CodePromptTooLong Code = "prompt_too_long"
	// CodeRefusal is a model that declined to answer.
	CodeRefusal Code = "refusal"
	// CodeMaxTokens is an answer cut by max_tokens.
	CodeMaxTokens Code = "max_tokens"
	// CodeContextWindow is an answer cut by the model's context window.
	CodeContextWindow Code = "model_context_window_exceeded"
	// CodeCacheMiss is a run that may only take an answer that is kept, and
	// there is none.
	CodeCacheMiss Code = "cache_miss"
	// CodeBudget is a call that was not made: a budget or a cost cap is in the
	// way.
	CodeBudget Code = "budget_exceeded"
	// CodeSomeFailed is a file of tasks of which some failed.
	CodeSomeFailed Code = "some_failed"
	// CodeInternal is a fault of this program.
	CodeInternal Code = "internal_error"
)

// ReasonRamp is the reason of a rate limit that met calls which grew too fast.
const ReasonRamp = "ramp_limit_exceeded"

// Error is the one error that callers of claude-force meet. It is immutable
// once returned.
type Error struct {
	Code Code
	// Message is one sentence that is safe to show: it holds no secret.
	Message string
	// RequestID is the API's id of the failed exchange, or empty.
	RequestID string
	// Status is the HTTP status, or 0 where there was none. An error inside a
	// stream has status 200.
	Status int
	// Retryable says that the same call may succeed later.
	Retryable bool
	// Reason is the API's finer word for what Code says, or empty.
	Reason string
	// Hint says what to do about it, or is empty.
	Hint string
	// RetryAfter is how long the server asked to wait; it is 0 both for "at
	// once" and where the server did not say, which HasRetryAfter tells apart.
	RetryAfter    time.Duration
	HasRetryAfter bool
	// Rates are the rate limits that came with the error, or nil.
	Rates *Rates
	// Err is the cause, or nil.
	Err error
}

// Error returns the code and the message.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// AsError returns the *Error in err's chain. A bare context error becomes
// CodeCancelled or CodeDeadline, any other error CodeInternal; nil stays nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: CodeDeadline, Message: "the deadline passed before the answer was complete", Hint: "allow more time with --timeout", Err: err}
	case errors.Is(err, context.Canceled):
		return &Error{Code: CodeCancelled, Message: "the run was cancelled", Err: err}
	}
	return &Error{Code: CodeInternal, Message: err.Error(), Err: err}
}

// ContextError turns the end of ctx into an Error: its cause where that is
// one, else CodeCancelled or CodeDeadline. It returns nil while ctx is live.
func ContextError(ctx context.Context) *Error {
	if ctx.Err() == nil {
		return nil
	}
	return AsError(context.Cause(ctx))
}

// Sleep waits for d, or until ctx ends, and then returns its [ContextError].
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ContextError(ctx)
	}
}
