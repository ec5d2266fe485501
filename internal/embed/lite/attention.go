package lite

import "math"

// attention is the part of a workspace in which tokens look at each other.
type attention struct {
	queries, shares rows
	keys, values    matrix
	scores          []float32
}

// widest is the length of a head's vectors in the wider layer; that in the
// other one is a multiple of panel too.
const widest = Dimensions / Heads

// attend sets to, rows of width, to what each token takes from all. The rows
// of from hold queries, keys and values, each of width, of all heads.
func (a *attention) attend(k kernel, from, to []float32, count, width int) {
	size := width / Heads
	for head := range Heads {
		h := columns{from: from, stride: 3 * width, count: count, size: size}
		a.queries.resize(count, size)
		for i := range count {
			query := h.row(i, head*size)
			a.queries.round(i, query, 0, largest(query), 1)
		}
		a.setKeys(h, width+head*size)
		a.setValues(h, 2*width+head*size)
		a.scores = resize(a.scores, count*a.keys.out)
		a.keys.multiply(k, &a.queries, a.scores, a.keys.out, false)
		a.share(count)
		a.values.multiply(k, &a.shares, to[head*size:], width, false)
	}
}

// columns are some columns of the rows of all tokens.
type columns struct {
	from                []float32
	stride, count, size int
}

func (c columns) row(i, at int) []float32 { return c.from[i*c.stride+at:][:c.size] }

// setKeys makes a matrix with an output for each token.
func (a *attention) setKeys(h columns, at int) {
	a.keys.reshape(h.size, h.count)
	for i := range h.count {
		key := h.row(i, at)
		most := largest(key)
		a.keys.scale[i] = most / 127
		to := a.keys.codes[place(h.size, 0, i):]
		by := inverse(most)
		for j, v := range key {
			to[j/group*group*panel+j%group] = encode(v, by)
		}
	}
}

// setValues makes a matrix with an input for each token.
func (a *attention) setValues(h columns, at int) {
	a.values.reshape(h.count, h.size)
	var most [widest]uint32
	for i := range h.count {
		for j, v := range h.row(i, at) {
			most[j] = max(most[j], magnitude(v))
		}
	}
	var by [widest]float32
	for j := range h.size {
		m := math.Float32frombits(most[j])
		a.values.scale[j], by[j] = m/127, inverse(m)
	}
	for i := range h.count {
		row := h.row(i, at)
		for left := 0; left < h.size; left += panel {
			to := a.values.codes[place(a.values.in, i, left):]
			for j, v := range row[left:][:panel] {
				to[j*group] = encode(v, by[left+j])
			}
		}
	}
}

// reshape makes room for a matrix of at least so many inputs and outputs,
// without a bias.
func (m *matrix) reshape(in, out int) {
	m.in = (in + group - 1) / group * group
	m.out = (out + panel - 1) / panel * panel
	m.codes = resize(m.codes, m.in*m.out)
	m.scale = resize(m.scale, m.out)
	m.bias = resize(m.bias, m.out) // which nothing writes
}

// share turns the scores of each token into its shares in all: their exponents
// (softmax), rounded so that the largest is 127. The rounded ones add up to one.
func (a *attention) share(count int) {
	a.shares.resize(count, a.values.in)
	for i := range count {
		scores := a.scores[i*a.keys.out:][:count]
		most := scores[0]
		for _, v := range scores {
			most = max(most, v)
		}
		codes := a.shares.codes[i*a.values.in:][:a.values.in]
		clear(codes[count:])
		var sum int32
		for j, v := range scores {
			c := int32(float32(127*exp(v-most)) + 0.5)
			codes[j] = int8(c)
			sum += c
		}
		a.shares.sum[i] = sum
		a.shares.scale[i] = 1 / float32(sum)
	}
}

// inverse is what numbers are multiplied with for the largest to become 127.
func inverse(most float32) float32 {
	if most == 0 {
		return 0
	}
	return 127 / most
}

// encode rounds a number to the byte of a weight.
func encode(v, by float32) byte { return byte(float32(v*by) + (zero + 0.5)) }
