package claudeforce

import (
	"errors"

	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/project"
)

// Error is the one error of this package: a code for programs, a sentence for
// people, and a hint what to do. Every error that an [Engine] returns is one.
type Error = llm.Error

// Code classifies an [Error].
type Code = llm.Code

// The codes, the API's own first.
const (
	CodeInvalidRequest = llm.CodeInvalidRequest
	CodeAuthentication = llm.CodeAuthentication
	CodeBilling        = llm.CodeBilling
	CodePermission     = llm.CodePermission
	CodeNotFound       = llm.CodeNotFound
	CodeConflict       = llm.CodeConflict
	CodeTooLarge       = llm.CodeTooLarge
	CodeRateLimit      = llm.CodeRateLimit
	CodeAPI            = llm.CodeAPI
	CodeTimeout        = llm.CodeTimeout
	CodeOverloaded     = llm.CodeOverloaded
	CodeSpendLimit     = llm.CodeSpendLimit
	CodeConnection     = llm.CodeConnection
	CodeStreamCut      = llm.CodeStreamCut
	CodeBadResponse    = llm.CodeBadResponse
	CodeCancelled      = llm.CodeCancelled
	CodeDeadline       = llm.CodeDeadline
	CodeUsage          = llm.CodeUsage
	CodeUnknownAgent   = llm.CodeUnknownAgent
	CodeNoAgentFits    = llm.CodeNoAgentFits
	CodeBadAgent       = llm.CodeBadAgent
	CodeConfig         = llm.CodeConfig
	CodePromptTooLong  = llm.CodePromptTooLong
	CodeRefusal        = llm.CodeRefusal
	CodeMaxTokens      = llm.CodeMaxTokens
	CodeContextWindow  = llm.CodeContextWindow
	CodeCacheMiss      = llm.CodeCacheMiss
	CodeBudget         = llm.CodeBudget
	CodeSomeFailed     = llm.CodeSomeFailed
	CodeInternal       = llm.CodeInternal
)

// AsError returns the *Error in err's chain, or makes one of a foreign error;
// nil stays nil.
func AsError(err error) *Error { return llm.AsError(err) }

// ErrorJSON writes err as the object that every command prints with --json.
func ErrorJSON(err error) ([]byte, error) {
	return marshal(struct {
		Error *errorJSON `json:"error"`
	}{errorDocument(llm.AsError(err))})
}

type errorJSON struct {
	Type      Code   `json:"type"`
	Message   string `json:"message"`
	RequestID string `json:"request_id"`
	Retryable bool   `json:"retryable"`
	Hint      string `json:"hint"`
}

func errorDocument(e *Error) *errorJSON {
	if e == nil {
		return nil
	}
	return &errorJSON{e.Code, e.Message, e.RequestID, e.Retryable, e.Hint}
}

func configError(message, hint string, cause error) *Error {
	if cause != nil {
		message += ": " + cause.Error()
	}
	return &Error{Code: CodeConfig, Message: message, Hint: hint, Err: cause}
}

func usageError(message, hint string) *Error {
	return &Error{Code: CodeUsage, Message: message, Hint: hint}
}

// projectError gives an error of the project room its public form.
func projectError(err error) error {
	var e *project.Error
	if !errors.As(err, &e) {
		return llm.AsError(err)
	}
	out := &Error{Code: CodeBadAgent, Message: e.Summary(), Hint: e.Hint, Err: err}
	switch e.Code {
	case project.UnknownAgent:
		out.Code = CodeUnknownAgent
	case project.BadProject:
		out.Code = CodeConfig
	}
	return out
}
