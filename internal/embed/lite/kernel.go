package lite

// Lanes of the plain kernel: three signed sums of 21 bits share a word.
const (
	lane = 21
	// chunk is how many products a lane holds: 32·127·255 is less than 2^20.
	chunk = 32
)

// plain is the kernel in Go. One multiplication makes the products of three
// rows, which share a word.
func plain(t *tile, codes []int8, width int, weights []byte) {
	clear(t[:])
	var upper, lower [chunk]int64
	for start := 0; start < width; start += chunk {
		n := min(chunk, width-start)
		for i := range n {
			at := codes[start+i:]
			upper[i] = int64(at[0]) + int64(at[width])<<lane + int64(at[2*width])<<(2*lane)
			lower[i] = int64(at[3*width]) + int64(at[4*width])<<lane + int64(at[5*width])<<(2*lane)
		}
		for j := range panel {
			var u, l int64
			at := weights[start*panel+j*group:]
			for i := 0; i < n; i += group {
				w := (*[group]byte)(at[i*panel:])
				x, y := (*[group]int64)(upper[i:]), (*[group]int64)(lower[i:])
				u += x[0]*int64(w[0]) + x[1]*int64(w[1]) + x[2]*int64(w[2]) + x[3]*int64(w[3])
				l += y[0]*int64(w[0]) + y[1]*int64(w[1]) + y[2]*int64(w[2]) + y[3]*int64(w[3])
			}
			split(t[j:], u)
			split(t[3*panel+j:], l)
		}
	}
}

// split adds the three sums in a word to three rows of a tile.
func split(t []int32, word int64) {
	const above = 64 - lane
	first := word << above >> above
	word = (word - first) >> lane
	second := word << above >> above
	third := (word - second) >> lane
	t[0] += int32(first)
	t[panel] += int32(second)
	t[2*panel] += int32(third)
}

// namedKernel is a kernel of some processors.
type namedKernel struct {
	name string
	kernel
}
