package model

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// maxDecimalLen bounds the text of one decimal number, in bytes. JSON allows
// numbers of any length; none that means something here is longer.
const maxDecimalLen = 64

var (
	errNotDecimal = errors.New("not a decimal number")
	errTooFine    = errors.New("more decimal places than can be kept exactly")
	errTooLarge   = errors.New("too large")
	errNegative   = errors.New("negative")
)

// parseDecimal reads decimal text such as "12.5", "-0.25" or "1e-7" and
// returns its value times 10^places. The result is exact or an error: digits
// are never rounded away.
func parseDecimal(text string, places int) (int64, error) {
	if len(text) > maxDecimalLen {
		return 0, errTooLarge
	}
	rest, negative := text, false
	if rest != "" && rest[0] == '-' {
		rest, negative = rest[1:], true
	}
	digits, exponent, ok := splitDecimal(rest)
	if !ok {
		return 0, errNotDecimal
	}
	value, err := scaleDigits(digits, places+exponent)
	if negative {
		value = -value
	}
	return value, err
}

// splitDecimal separates unsigned decimal text into its digits, without
// leading and trailing zeros, and the power of ten they are multiplied by.
func splitDecimal(text string) (digits string, exponent int, ok bool) {
	if e := strings.IndexAny(text, "eE"); e >= 0 {
		power, err := strconv.ParseInt(text[e+1:], 10, 16)
		if err != nil {
			return "", 0, false
		}
		text, exponent = text[:e], int(power)
	}
	whole, fraction, _ := strings.Cut(text, ".")
	digits = whole + fraction
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return "", 0, false
	}
	trimmed := strings.TrimRight(digits, "0")
	exponent += len(digits) - len(trimmed) - len(fraction)
	return strings.TrimLeft(trimmed, "0"), exponent, true
}

// scaleDigits returns digits times 10^shift.
func scaleDigits(digits string, shift int) (int64, error) {
	if digits == "" {
		return 0, nil
	}
	if shift < 0 {
		return 0, errTooFine
	}
	if len(digits)+shift > 19 {
		return 0, errTooLarge
	}
	value, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, errTooLarge
	}
	for ; shift > 0; shift-- {
		if value > math.MaxInt64/10 {
			return 0, errTooLarge
		}
		value *= 10
	}
	return value, nil
}

// formatDecimal returns value / 10^places in decimal, with no more decimal
// places than it needs but at least minPlaces.
func formatDecimal(value int64, places, minPlaces int) string {
	sign, magnitude := "", uint64(value)
	if value < 0 {
		sign, magnitude = "-", -magnitude
	}
	digits := strconv.FormatUint(magnitude, 10)
	if missing := places + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	point := len(digits) - places
	end := len(digits)
	for end > point+minPlaces && digits[end-1] == '0' {
		end--
	}
	if end == point {
		return sign + digits[:point]
	}
	return sign + digits[:point] + "." + digits[point:end]
}
