package route

import "testing"

func TestHintsAreSorted(t *testing.T) {
	for i, h := range hints {
		if i > 0 && hints[i-1].word[0] > h.word[0] {
			t.Errorf("%q stands after %q: the search goes by the first letter", h.word, hints[i-1].word)
		}
		if h.weight == 0 || hintNames[h.kind] == "" {
			t.Errorf("%q says nothing", h.word)
		}
	}
}
