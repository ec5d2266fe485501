package lite

// How a matrix lies in memory, and what the kernels work on: panels of 64
// outputs; in a panel, for each four inputs, four bytes of each output.
const (
	panel = 64
	group = 4
	// block is how many rows of activations a kernel takes at once.
	block = 6
	// zero is the byte that stands for no weight.
	zero = 128
)

// place is where the byte for an input and an output is.
func place(in, input, output int) int {
	return output/panel*panel*in + input/group*group*panel + output%panel*group + input%group
}

// matrix is a product and a sum. A byte b of codes is the weight
// (b-zero)·scale of its output. in is a multiple of group, out of panel.
type matrix struct {
	in, out     int
	codes       []byte
	scale, bias []float32
}

// rows are activations, rounded to bytes row by row, in whole blocks: what is
// behind the last row belongs to nobody.
type rows struct {
	count, width int
	codes        []int8
	// scale is what a one means, and sum what the codes add up to, by row.
	scale []float32
	sum   []int32
	// tile is where kernels write.
	tile tile
}

// resize makes room for count rows of width.
func (r *rows) resize(count, width int) {
	padded := (count + block - 1) / block * block
	r.count, r.width = count, width
	r.codes = resize(r.codes, padded*width)
	r.scale = resize(r.scale, count)
	r.sum = resize(r.sum, count)
}

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// tile is what a kernel computes: for block rows and the outputs of a panel,
// the sums of codes times bytes.
type tile [block * panel]int32

// kernel fills a tile. The activations are block rows of width codes, the
// weights one panel of a matrix with as many inputs.
type kernel func(t *tile, codes []int8, width int, weights []byte)

// multiply sets to, or adds to it, the rows times the matrix; to is as wide as
// the matrix or, with a stride, wider.
func (m *matrix) multiply(k kernel, r *rows, to []float32, stride int, add bool) {
	t := &r.tile
	for left := 0; left < m.out; left += panel {
		weights := m.codes[left*m.in:][:panel*m.in]
		scale := (*[panel]float32)(m.scale[left:])
		bias := (*[panel]float32)(m.bias[left:])
		for top := 0; top < r.count; top += block {
			k(t, r.codes[top*r.width:][:block*r.width], r.width, weights)
			for i := top; i < min(top+block, r.count); i++ {
				line := to[i*stride+left:]
				sums := (*[panel]int32)(t[(i-top)*panel:])
				finish((*[panel]float32)(line), sums, zero*r.sum[i], r.scale[i], scale, bias, add)
			}
		}
	}
}

// finish turns sums into numbers: the part of the zero goes, the scales of the
// row and the output come in.
func finish(to *[panel]float32, sums *[panel]int32, offset int32, row float32, scale, bias *[panel]float32, add bool) {
	if add {
		for j, sum := range sums {
			product := float32(float32(float32(sum-offset)*row) * scale[j])
			to[j] += product + bias[j]
		}
		return
	}
	for j, sum := range sums {
		product := float32(float32(float32(sum-offset)*row) * scale[j])
		to[j] = product + bias[j]
	}
}
