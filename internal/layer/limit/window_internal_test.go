package limit

import "testing"

// round lets a full window of calls succeed.
func (w *window) round(steered bool) {
	for range int(w.size) {
		w.grow(int(w.size), steered)
	}
}

func TestWindow(t *testing.T) {
	sizes := func(w *window, do ...func()) []int {
		got := []int{int(w.size)}
		for _, f := range do {
			f()
			got = append(got, int(w.size+1e-9))
		}
		return got
	}
	for name, c := range map[string]struct {
		most int
		do   func(w *window) []func()
		want []int
	}{
		"auto begins at ten and doubles with headers": {0, func(w *window) []func() {
			r := func() { w.round(true) }
			return []func(){r, r, r, r}
		}, []int{10, 20, 40, 80, 160}},
		"auto grows by one a round without": {0, func(w *window) []func() {
			r := func() { w.round(false) }
			return []func(){r, r, r}
		}, []int{10, 10, 11, 12}},
		"a number is a ceiling from the beginning": {7, func(w *window) []func() {
			r := func() { w.round(true) }
			return []func(){r, r}
		}, []int{7, 7, 7}},
		"an overload halves, one is the least": {0, func(w *window) []func() {
			cut := func() { w.cut(w.epoch) }
			return []func(){cut, cut, cut, cut, cut}
		}, []int{10, 5, 2, 1, 1, 1}},
		"growth is slow after a cut": {100, func(w *window) []func() {
			return []func(){func() { w.cut(w.epoch) }, func() { w.round(true) }, func() { w.round(true) }, func() { w.round(true) }}
		}, []int{100, 50, 50, 51, 52}},
		"near a limit growth is slow": {0, func(w *window) []func() {
			return []func(){func() { w.round(true) }, w.calm, func() { w.round(true) }, func() { w.round(true) }}
		}, []int{10, 20, 20, 20, 21}},
		"calls of one wave cut once": {0, func(w *window) []func() {
			sent := w.epoch
			cut := func() { w.cut(sent) }
			return []func(){cut, cut, cut}
		}, []int{10, 5, 5, 5}},
		"a window that is not used does not grow": {0, func(w *window) []func() {
			return []func(){func() {
				for range 100 {
					w.grow(4, true)
				}
			}}
		}, []int{10, 10}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWindow(c.most)
			got := sizes(&w, c.do(&w)...)
			for i := range c.want {
				// A round of a fractional window is a little less than one.
				if d := got[i] - c.want[i]; d < 0 || d > 1 {
					t.Fatalf("sizes %v, want %v", got, c.want)
				}
			}
		})
	}
}
