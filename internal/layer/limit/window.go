package limit

// The bounds of a window that finds its size by itself.
const (
	firstWindow = 10
	widest      = 10_000
)

// window bounds the calls in flight of one limit group in this process. One of
// fixed size begins at it; the other begins at ten and doubles with each round
// of answers, as far as it is used, until something speaks against it. An
// overload halves either, and then they grow by one a round.
type window struct {
	size, ceiling float64
	// brake is the size from which growth is slow.
	brake float64
	// epoch counts the cuts: a call that was sent before the last one says
	// nothing new.
	epoch int
}

// newWindow returns a window of at most n calls; 0 means that it shall find
// its size.
func newWindow(n int) window {
	if n > 0 {
		return window{size: float64(n), ceiling: float64(n), brake: float64(n)}
	}
	return window{size: firstWindow, ceiling: widest, brake: widest}
}

func (w *window) open(inFlight int) bool { return float64(inFlight) < max(w.size, 1) }

// grow takes note of a success with so many calls in flight. steered says that
// headers tell the limits, so that the window need not find them.
func (w *window) grow(inFlight int, steered bool) {
	if float64(inFlight) < w.size/2 {
		return // not what holds the calls up
	}
	step := 1 / w.size
	if steered && w.size < w.brake {
		step = 1
	}
	w.size = min(w.size+step, w.ceiling)
}

// cut halves the window for a call of an epoch that met an overload, and
// reports whether it did.
func (w *window) cut(epoch int) bool {
	if epoch != w.epoch {
		return false
	}
	w.epoch++
	w.size = max(1, w.size/2)
	w.brake = w.size
	return true
}

// calm ends the fast growth: limits are near.
func (w *window) calm() { w.brake = min(w.brake, w.size) }
