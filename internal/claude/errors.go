package claude

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/claude-force/claude-force/internal/llm"
)

// spendCaps are the error codes of limits on money: their 429 has no
// retry-after, and waiting does not help.
func spendCaps(code string) bool {
	return code == "enforced_spend_limit_reached" || code == "contract_spend_limit_reached"
}

// wireError is the API's error object.
type wireError struct {
	Type    llm.Code `json:"type"`
	Message string   `json:"message"`
	Details struct {
		ErrorCode string `json:"error_code"`
	} `json:"details"`
}

// statusError reads an answer other than 200, to a request that was sent at a
// time, and classifies it.
func (c *Client) statusError(res *http.Response, sent time.Time) *llm.Error {
	body, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	var doc struct {
		Error     wireError `json:"error"`
		RequestID string    `json:"request_id"`
	}
	known := json.Unmarshal(body, &doc) == nil && doc.Error.Type != ""
	if !known {
		doc.Error.Type = codeOfStatus(res.StatusCode)
		doc.Error.Message = foreignMessage(res, body)
	}
	e := c.classify(doc.Error, res.StatusCode)
	if e.RequestID = requestID(res.Header); e.RequestID == "" {
		e.RequestID = clean(doc.RequestID, 100)
	}
	now := time.Now()
	e.RetryAfter, e.HasRetryAfter = retryAfter(res.Header, now)
	e.Rates = ratesOf(res.Header, sent, now)
	switch res.Header.Get("X-Should-Retry") {
	case "true":
		e.Retryable = e.Code != llm.CodeSpendLimit
	case "false":
		e.Retryable = false
	}
	return e
}

// foreignMessage is the sentence for an answer that is not the API's own.
func foreignMessage(res *http.Response, body []byte) string {
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		return "the server redirects elsewhere (" + res.Status + "), which is not followed, so that the key stays here"
	}
	if text := clean(string(body), 200); text != "" && !strings.HasPrefix(text, "<") {
		return "the server answered " + res.Status + ": " + text
	}
	return "the server answered " + res.Status
}

// classify turns the API's error into ours. status is 200 for an error event
// inside a stream, whose type alone decides.
func (c *Client) classify(w wireError, status int) *llm.Error {
	e := &llm.Error{Code: w.Type, Message: clean(c.redact(w.Message), 1000), Status: status}
	if e.Message == "" {
		e.Message = "the server gave no reason"
	}
	e.Reason = clean(w.Details.ErrorCode, 100)
	lower := strings.ToLower(w.Message)
	switch {
	case spendCaps(w.Details.ErrorCode),
		w.Type == llm.CodeInvalidRequest && strings.Contains(lower, "usage limits"):
		e.Code = llm.CodeSpendLimit
	case w.Type == llm.CodeInvalidRequest && strings.Contains(lower, "credit balance"):
		e.Code = llm.CodeBilling
	}
	e.Retryable = retryable(e.Code, status)
	e.Hint = hint(e.Code)
	return e
}

func retryable(code llm.Code, status int) bool {
	switch code {
	case llm.CodeRateLimit, llm.CodeAPI, llm.CodeTimeout, llm.CodeOverloaded, llm.CodeConflict:
		return true
	case llm.CodeInvalidRequest, llm.CodeAuthentication, llm.CodeBilling, llm.CodePermission,
		llm.CodeNotFound, llm.CodeTooLarge, llm.CodeSpendLimit:
		return false
	}
	switch status { // of a type that only a gateway knows
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return true
	}
	return status >= 500
}

func codeOfStatus(status int) llm.Code {
	switch status {
	case http.StatusUnauthorized:
		return llm.CodeAuthentication
	case http.StatusPaymentRequired:
		return llm.CodeBilling
	case http.StatusForbidden:
		return llm.CodePermission
	case http.StatusNotFound:
		return llm.CodeNotFound
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return llm.CodeTimeout
	case http.StatusConflict:
		return llm.CodeConflict
	case http.StatusRequestEntityTooLarge:
		return llm.CodeTooLarge
	case http.StatusTooManyRequests:
		return llm.CodeRateLimit
	case 529:
		return llm.CodeOverloaded
	}
	switch {
	case status >= 500:
		return llm.CodeAPI
	case status >= 400:
		return llm.CodeInvalidRequest
	}
	return llm.CodeBadResponse
}

func hint(code llm.Code) string {
	switch code {
	case llm.CodeAuthentication:
		return "check ANTHROPIC_API_KEY (or ANTHROPIC_AUTH_TOKEN); `claude-force doctor` tests it"
	case llm.CodePermission:
		return "the key may not do this: check its workspace and the model it asks for"
	case llm.CodeBilling:
		return "check the billing of the account this key belongs to"
	case llm.CodeSpendLimit:
		return "the provider's own spend cap is reached: raise it in the account, or wait for the next period"
	case llm.CodeNotFound:
		return "`claude-force list models` shows the models; check --model and ANTHROPIC_BASE_URL"
	case llm.CodeTooLarge:
		return "a request may have 32 MB: shorten the task"
	case llm.CodeRateLimit, llm.CodeOverloaded:
		return "try again later, or allow more time with --timeout"
	}
	return ""
}

// transportError classifies a failure below HTTP.
func (c *Client) transportError(ctx context.Context, err error) error {
	if cause := llm.ContextError(ctx); cause != nil {
		return cause
	}
	e := &llm.Error{
		Code: llm.CodeConnection, Retryable: true, Err: err,
		Message: "cannot reach " + c.base + ": " + clean(c.redact(err.Error()), 300),
		Hint:    "check the network, the proxy variables and ANTHROPIC_BASE_URL",
	}
	var cert *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	if errors.As(err, &cert) || errors.As(err, &authority) {
		e.Retryable = false
		e.Hint = "the server's certificate is not trusted: SSL_CERT_FILE names the authorities to trust"
	}
	return e
}

// retryAfter reads how long a server asks to wait, from milliseconds, seconds
// or a date. Nonsense counts as not said.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil {
		return wait(ms / 1000)
	}
	v := h.Get("Retry-After")
	if s, err := strconv.ParseFloat(v, 64); err == nil {
		return wait(s)
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(at.Sub(now), 0), true
	}
	return 0, false
}

func wait(seconds float64) (time.Duration, bool) {
	const most = 366 * 24 * 3600
	if math.IsNaN(seconds) || seconds < 0 || seconds > most {
		return 0, false
	}
	return time.Duration(seconds * float64(time.Second)), true
}

// redact takes the credential out of a text that comes from elsewhere.
func (c *Client) redact(s string) string {
	if len(c.secret) < 8 {
		return s
	}
	return strings.ReplaceAll(s, c.secret, "[key]")
}

// clean makes a foreign text fit for a terminal: one line, no control
// characters, at most limit runes.
func clean(s string, limit int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n == limit {
			b.WriteString("…")
			break
		}
		if unicode.IsSpace(r) {
			r = ' '
		}
		if !unicode.IsPrint(r) {
			continue
		}
		b.WriteRune(r)
		n++
	}
	return strings.TrimSpace(b.String())
}
