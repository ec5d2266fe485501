package model

import (
	"errors"
	"fmt"
	"strings"
)

// Money is an amount in nano-dollars (billionths of a US dollar). The zero
// value is nothing spent. The largest amount is a little over nine billion
// dollars.
type Money int64

// Dollar is one US dollar.
const Dollar Money = 1_000_000_000

// moneyPlaces is the number of decimal places of a dollar that Money keeps.
const moneyPlaces = 9

// String returns the amount in dollars, exact, with as many decimal places as
// it needs and at least two: "0.00", "0.0012345", "1.50".
func (m Money) String() string {
	return formatDecimal(int64(m), moneyPlaces, 2)
}

// MarshalJSON returns the amount in dollars as an exact JSON number without
// trailing zeros, such as 0.000123456.
func (m Money) MarshalJSON() ([]byte, error) {
	return []byte(formatDecimal(int64(m), moneyPlaces, 0)), nil
}

// UnmarshalJSON reads an amount in dollars from a JSON number, exactly. It
// refuses what nano-dollars cannot hold; null leaves the amount as it is.
func (m *Money) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	value, err := parseDecimal(string(data), moneyPlaces)
	if err != nil {
		return fmt.Errorf("amount in dollars: %w", err)
	}
	*m = Money(value)
	return nil
}

// ParseUSD reads an amount of dollars written in plain decimal digits, such as
// "1.50", exactly. It refuses signs, exponents, more than nine decimal places
// and amounts that Money cannot hold. Its error is a sentence for the person
// who typed the amount.
func ParseUSD(s string) (Money, error) {
	if strings.ContainsAny(s, "+-eE") {
		return 0, usdError(s, errNotDecimal)
	}
	value, err := parseDecimal(s, moneyPlaces)
	if err != nil {
		return 0, usdError(s, err)
	}
	return Money(value), nil
}

func usdError(s string, err error) error {
	if len(s) > maxDecimalLen {
		s = strings.ToValidUTF8(s[:maxDecimalLen], "") + "…"
	}
	switch {
	case errors.Is(err, errTooFine):
		return fmt.Errorf("%q has more than nine decimal places of a dollar: shorten it", s)
	case errors.Is(err, errTooLarge):
		return fmt.Errorf("%q is more dollars than can be counted here: write a smaller amount", s)
	}
	return fmt.Errorf("%q is not an amount in dollars: write it like 1.50", s)
}
