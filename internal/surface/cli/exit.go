package cli

import (
	"errors"

	claudeforce "github.com/claude-force/claude-force"
)

// The exit codes. Scripts rely on them.
const (
	exitDone          = 0
	exitFailed        = 1
	exitUsage         = 2
	exitSomeFailed    = 3
	exitBudget        = 4
	exitNotConfigured = 5
	exitRateLimited   = 6
	exitDeadline      = 9
	exitInterrupted   = 130
)

// ExitCode is the exit code for an error of a command; nil gives 0.
func ExitCode(err error) int {
	if err == nil {
		return exitDone
	}
	var known *claudeforce.Error
	if !errors.As(err, &known) {
		return ExitCode(claudeforce.AsError(asUsage(err)))
	}
	switch known.Code {
	case claudeforce.CodeUsage, claudeforce.CodeUnknownAgent, claudeforce.CodeNoAgentFits, claudeforce.CodeBadAgent,
		claudeforce.CodePromptTooLong, claudeforce.CodeNotFound, claudeforce.CodeInvalidRequest,
		claudeforce.CodeTooLarge:
		return exitUsage
	case claudeforce.CodeConfig, claudeforce.CodeAuthentication, claudeforce.CodePermission,
		claudeforce.CodeBilling, claudeforce.CodeSpendLimit:
		return exitNotConfigured
	case claudeforce.CodeRateLimit, claudeforce.CodeOverloaded:
		return exitRateLimited
	case claudeforce.CodeBudget:
		return exitBudget
	case claudeforce.CodeSomeFailed:
		return exitSomeFailed
	case claudeforce.CodeDeadline:
		return exitDeadline
	case claudeforce.CodeCancelled:
		return exitInterrupted
	}
	return exitFailed
}

// shownError is an error whose command has printed all there is to say.
type shownError struct{ err error }

func (e *shownError) Error() string { return e.err.Error() }
func (e *shownError) Unwrap() error { return e.err }
