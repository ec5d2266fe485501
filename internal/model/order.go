package model

import (
	"slices"
	"strings"
)

// maxVersionDigits tells a version number in an id from a date.
const maxVersionDigits = 4

// version is the order of models within a line: the numbers in their ids, then
// the day in the id.
type version struct {
	numbers []int
	day     string
}

// versionOf reads the version from an id: "claude-opus-4-5-20251101" is
// {4, 5} of 20251101, "claude-3-haiku-20240307" is {3} of 20240307.
func versionOf(id string) version {
	var v version
	for part := range strings.FieldsFuncSeq(id, func(r rune) bool { return r == '-' || r == '.' }) {
		switch n, ok := digitsValue(part); {
		case !ok:
		case len(part) <= maxVersionDigits:
			v.numbers = append(v.numbers, n)
		default:
			v.day = part
		}
	}
	return v
}

// digitsValue returns the value of decimal digits, and false for other text.
func digitsValue(s string) (int, bool) {
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' || i == 8 {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, s != ""
}

// compareVersions orders ids from the oldest to the newest. Ids without a
// number are older than all others.
func compareVersions(a, b string) int {
	va, vb := versionOf(a), versionOf(b)
	if c := slices.Compare(va.numbers, vb.numbers); c != 0 {
		return c
	}
	if c := strings.Compare(va.day, vb.day); c != 0 {
		return c
	}
	return strings.Compare(a, b)
}

// undated returns an id without the day at its end, and whether it had one.
func undated(id string) (string, bool) {
	base, day, found := cutLast(id, "-")
	_, digits := digitsValue(day)
	return base, found && digits && len(day) == len("20060102")
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
