package model_test

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/claude-force/claude-force/internal/model"
)

func TestMoneyText(t *testing.T) {
	for _, test := range []struct {
		money      model.Money
		text, json string
	}{
		{0, "0.00", "0"},
		{1, "0.000000001", "0.000000001"},
		{123_456, "0.000123456", "0.000123456"},
		{1_234_500, "0.0012345", "0.0012345"},
		{model.Dollar + model.Dollar/2, "1.50", "1.5"},
		{100 * model.Dollar, "100.00", "100"},
		{-model.Dollar / 4, "-0.25", "-0.25"},
		{math.MaxInt64, "9223372036.854775807", "9223372036.854775807"},
		{math.MinInt64, "-9223372036.854775808", "-9223372036.854775808"},
	} {
		if got := test.money.String(); got != test.text {
			t.Errorf("Money(%d).String() = %q, want %q", int64(test.money), got, test.text)
		}
		got, err := json.Marshal(test.money)
		if err != nil || string(got) != test.json {
			t.Errorf("Marshal(%d) = %s, %v, want %s", int64(test.money), got, err, test.json)
		}
	}
}

func TestMoneyUnmarshal(t *testing.T) {
	for _, test := range []struct {
		json string
		want model.Money
		ok   bool
	}{
		{"0", 0, true},
		{"0.000123456", 123_456, true},
		{"0.1230000000000000", 123_000_000, true},
		{"1e-7", 100, true},
		{"1.5E1", 15 * model.Dollar, true},
		{"-0.25", -model.Dollar / 4, true},
		{"null", 7, true},
		{"1e-10", 0, false},
		{"0.0000000001", 0, false},
		{"1e300", 0, false},
		{"1e99999999999", 0, false},
		{"9223372036.854775808", 0, false},
		{`"1.50"`, 0, false},
		{"true", 0, false},
		{"[1]", 0, false},
	} {
		got := model.Money(7)
		err := json.Unmarshal([]byte(test.json), &got)
		if (err == nil) != test.ok || test.ok && got != test.want {
			t.Errorf("Unmarshal(%s) = %d, %v, want %d, ok %t", test.json, int64(got), err, int64(test.want), test.ok)
		}
	}
}

func TestParseUSD(t *testing.T) {
	for _, test := range []struct {
		text string
		want model.Money
		err  string // part of it
	}{
		{"0", 0, ""},
		{"1.50", 1_500_000_000, ""},
		{"0.000000001", 1, ""},
		{"0.0000000010000", 1, ""},
		{".5", model.Dollar / 2, ""},
		{"007", 7 * model.Dollar, ""},
		{"9223372036.854775807", math.MaxInt64, ""},
		{"9223372036.854775808", 0, "more dollars"},
		{"99999999999999999999999999", 0, "more dollars"},
		{strings.Repeat("9", 1000), 0, "more dollars"},
		{"0.0000000001", 0, "nine decimal places"},
		{"", 0, "not an amount"},
		{".", 0, "not an amount"},
		{"-1", 0, "not an amount"},
		{"+1", 0, "not an amount"},
		{"1e3", 0, "not an amount"},
		{"1.2.3", 0, "not an amount"},
		{"1,50", 0, "not an amount"},
		{"$1", 0, "not an amount"},
		{" 1", 0, "not an amount"},
		{"0x10", 0, "not an amount"},
		{"1_000", 0, "not an amount"},
		{"٣", 0, "not an amount"},
	} {
		got, err := model.ParseUSD(test.text)
		if got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("ParseUSD(%q) = %d, %v, want %d, error %q", test.text, int64(got), err, int64(test.want), test.err)
		}
	}
}

func FuzzParseUSD(f *testing.F) {
	for _, seed := range []string{"0", "1.50", "0.000000001", "9223372036.854775807", "-1", "1e5", ".", "00.10"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		money, err := model.ParseUSD(text)
		if err != nil {
			return
		}
		want, ok := new(big.Rat).SetString(text)
		got := big.NewRat(int64(money), int64(model.Dollar))
		if !ok || want.Cmp(got) != 0 {
			t.Fatalf("ParseUSD(%q) = %s, exactly it is %v", text, money, want)
		}
		again, err := model.ParseUSD(money.String())
		if err != nil || again != money {
			t.Fatalf("%q reads back as %s, %v", money.String(), again, err)
		}
	})
}
