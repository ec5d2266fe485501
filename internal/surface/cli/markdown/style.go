package markdown

import (
	"bytes"
	"strings"
)

// style is a set of text attributes.
type style uint8

const (
	bold style = 1 << iota
	dim
	italic
	underline
	// tint marks code. Of the sixteen colours, magenta is the one that is
	// about as easy to read on black as on white.
	tint
)

const reset = "\x1b[0m"

// sequence returns the escape sequence that turns the style on.
func (s style) sequence() string {
	var codes []string
	for i, code := range [...]string{"1", "2", "3", "4", "35"} {
		if s&(1<<i) != 0 {
			codes = append(codes, code)
		}
	}
	return "\x1b[" + strings.Join(codes, ";") + "m"
}

// writer collects lines of styled text. Every line ends without style and
// without trailing spaces.
type writer struct {
	out   []byte
	lines int // that have ended
	start int // of the open line in out
	style style
	gap   *string // the margin of an empty line that is due before the next one
}

// begin opens a line with its margin, which brings its own style.
func (w *writer) begin(margin string) {
	if w.gap != nil {
		w.out = append(w.out, *w.gap...)
		w.gap = nil
		w.end()
	}
	w.out = append(w.out, margin...)
}

// put adds text without line ends to the open line.
func (w *writer) put(s style, text string) {
	if text == "" {
		return
	}
	if s != w.style {
		w.unstyle()
		if s != 0 {
			w.out = append(w.out, s.sequence()...)
		}
		w.style = s
	}
	w.out = append(w.out, text...)
}

// end closes the open line.
func (w *writer) end() {
	w.unstyle()
	line := bytes.TrimRight(w.out[w.start:], " ")
	w.out = append(w.out[:w.start+len(line)], '\n')
	w.start = len(w.out)
	w.lines++
}

func (w *writer) unstyle() {
	if w.style != 0 {
		w.out = append(w.out, reset...)
		w.style = 0
	}
}
