package model

import (
	"cmp"
	"strings"
)

// maxSuggestLen bounds what is compared, in characters: nobody mistypes a
// longer name.
const maxSuggestLen = 100

// Suggest returns the name among the given ones that is nearest to a mistyped
// one, and "" where nothing is near. Near is a few characters inserted, left
// out, replaced or swapped, depending on the length of the name; upper and
// lower case are the same. Of names that are equally near it returns the one
// that is the same up to the first mistake for longest, then the first in the
// alphabet.
func Suggest(name string, among []string) string {
	typed := []rune(strings.ToLower(strings.TrimSpace(name)))
	if len(typed) == 0 || len(typed) > maxSuggestLen {
		return ""
	}
	allowed := tolerance(len(typed))
	best, bestDistance, bestPrefix := "", allowed+1, 0
	for _, candidate := range among {
		known := []rune(strings.ToLower(candidate))
		if len(known) > maxSuggestLen || abs(len(known)-len(typed)) > bestDistance {
			continue
		}
		distance, prefix := editDistance(typed, known), commonPrefix(typed, known)
		if distance >= max(len(typed), len(known)) {
			continue // nothing in common
		}
		nearer := cmp.Or(cmp.Compare(bestDistance, distance), cmp.Compare(prefix, bestPrefix), cmp.Compare(best, candidate))
		if distance <= allowed && nearer > 0 {
			best, bestDistance, bestPrefix = candidate, distance, prefix
		}
	}
	return best
}

// tolerance is how many mistakes a name of so many characters may hold.
func tolerance(length int) int {
	return min(max(1, length/4), 3)
}

func commonPrefix(a, b []rune) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func abs(n int) int { return max(n, -n) }

// editDistance counts the insertions, deletions, replacements and swaps of
// neighbours that turn a into b.
func editDistance(a, b []rune) int {
	before := make([]int, len(b)+1) // the row before the previous one
	previous := make([]int, len(b)+1)
	current := make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current[0] = i
		for j := 1; j <= len(b); j++ {
			replace := previous[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			current[j] = min(replace, previous[j]+1, current[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
		before, previous, current = previous, current, before
	}
	return previous[len(b)]
}
