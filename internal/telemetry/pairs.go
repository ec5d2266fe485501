package telemetry

import (
	"errors"
	"net/url"
	"strings"
)

// maxPairs is the most pairs that one variable may hold. It is far above what
// anybody writes.
const maxPairs = 128

// pair is one name with its value.
type pair struct{ name, value string }

// Errors of parsePairs. They do not repeat what was read: it may be a secret.
var (
	errPairForm = errors.New("is not a list of name=value pairs, separated by commas")
	errPairCode = errors.New("has a percent sign that begins no escape such as %20")
	errPairs    = errors.New("holds more than 128 pairs")
)

// parsePairs reads the form that the variables of OpenTelemetry give to lists:
// name=value, separated by commas, values percent-encoded. Spaces around names
// and values do not count. Empty members are left out.
func parsePairs(text string) ([]pair, error) {
	var pairs []pair
	for member := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(member) == "" {
			continue
		}
		name, value, found := strings.Cut(member, "=")
		name = strings.TrimSpace(name)
		if !found || name == "" {
			return nil, errPairForm
		}
		name, nameErr := url.PathUnescape(name)
		value, valueErr := url.PathUnescape(strings.TrimSpace(value))
		if nameErr != nil || valueErr != nil {
			return nil, errPairCode
		}
		if len(pairs) == maxPairs {
			return nil, errPairs
		}
		pairs = append(pairs, pair{name, value})
	}
	return pairs, nil
}
