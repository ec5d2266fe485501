package sim

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// apiError is an answer that is an error, in the API's terms.
type apiError struct {
	status     int
	kind       string        // error.type
	message    string        // error.message
	code       string        // error.details.error_code; empty: no details
	retryAfter time.Duration // the retry-after header, in whole seconds; 0: none
}

// invalid returns a 400 with a formatted message.
func invalid(format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, kind: "invalid_request_error", message: fmt.Sprintf(format, args...)}
}

// notFound returns a 404 with a formatted message.
func notFound(format string, args ...any) *apiError {
	return &apiError{status: http.StatusNotFound, kind: "not_found_error", message: fmt.Sprintf(format, args...)}
}

// unauthenticated returns a 401.
func unauthenticated(message string) *apiError {
	return &apiError{status: http.StatusUnauthorized, kind: "authentication_error", message: message}
}

// statusOverloaded is the API's own status for "too busy".
const statusOverloaded = 529

// kindOf returns the error type that the API sends with an HTTP status, and a
// message for it.
func kindOf(status int) (kind, message string) {
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error", "invalid x-api-key"
	case http.StatusPaymentRequired:
		return "billing_error", "There is a problem with the billing of your organization."
	case http.StatusForbidden:
		return "permission_error", "Your API key does not have permission to use the specified resource."
	case http.StatusNotFound:
		return "not_found_error", "Not found"
	case http.StatusConflict:
		return "conflict_error", "The request conflicts with another one. Try again once that one is done."
	case http.StatusRequestEntityTooLarge:
		return "request_too_large", "Request exceeds the maximum size"
	case http.StatusTooManyRequests:
		return "rate_limit_error", "This request would exceed your organization's rate limit. Please try again later."
	case http.StatusGatewayTimeout:
		return "timeout_error", "The request timed out while processing."
	case statusOverloaded:
		return "overloaded_error", "Overloaded"
	}
	if status >= http.StatusInternalServerError {
		return "api_error", "Internal server error"
	}
	return "invalid_request_error", "The request was refused."
}

// statusOf returns the HTTP status that the API sends with an error type, or
// 0 where there is no such type.
func statusOf(kind string) int {
	switch kind {
	case "invalid_request_error":
		return http.StatusBadRequest
	case "authentication_error":
		return http.StatusUnauthorized
	case "billing_error":
		return http.StatusPaymentRequired
	case "permission_error":
		return http.StatusForbidden
	case "not_found_error":
		return http.StatusNotFound
	case "conflict_error":
		return http.StatusConflict
	case "request_too_large":
		return http.StatusRequestEntityTooLarge
	case "rate_limit_error":
		return http.StatusTooManyRequests
	case "api_error":
		return http.StatusInternalServerError
	case "timeout_error":
		return http.StatusGatewayTimeout
	case "overloaded_error":
		return statusOverloaded
	}
	return 0
}

// retryable reports whether the API asks its clients to try again. A spend cap
// does not go away by waiting a while.
func (e *apiError) retryable() bool {
	if e.code == codeSpendCap {
		return false
	}
	return e.status == http.StatusTooManyRequests || e.status == http.StatusConflict || e.status >= http.StatusInternalServerError
}

// appendError appends the body of an error answer; an empty request id is
// null, as in the results of a batch.
func appendError(b []byte, e *apiError, requestID string) []byte {
	b = append(b, `{"type":"error","error":{"type":`...)
	b = appendString(b, e.kind)
	b = append(b, `,"message":`...)
	b = appendString(b, e.message)
	if e.code != "" {
		b = append(b, `,"details":{"error_code":`...)
		b = appendString(b, e.code)
		b = append(b, '}')
	}
	b = append(b, `},"request_id":`...)
	if requestID == "" {
		return append(b, `null}`...)
	}
	b = appendString(b, requestID)
	return append(b, '}')
}

// writeError answers with e.
func writeError(w http.ResponseWriter, e *apiError, requestID string) {
	h := w.Header()
	if e.retryAfter > 0 {
		seconds := (e.retryAfter + time.Second - 1) / time.Second
		h.Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	h.Set("X-Should-Retry", strconv.FormatBool(e.retryable()))
	writeJSON(w, e.status, appendError(nil, e, requestID))
}

// writeJSON answers with a JSON body.
func writeJSON(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	// A client that has left does not read its answer, and nobody else can.
	_, _ = w.Write(body)
}
