package lite

import "math"

// Products are assigned, or converted, before they are added to something: that
// rounds them, where a compiler could fuse both steps on some processors only.

// square is exact.
func square(v float32) float64 { return float64(v) * float64(v) }

// magnitude is the bits of |v|, which compare as their numbers do.
func magnitude(v float32) uint32 { return math.Float32bits(v) &^ (1 << 31) }

// largest returns the largest magnitude of some numbers.
func largest(numbers []float32) float32 {
	var a, b, c, d uint32
	for ; len(numbers) >= 4; numbers = numbers[4:] {
		a = max(a, magnitude(numbers[0]))
		b = max(b, magnitude(numbers[1]))
		c = max(c, magnitude(numbers[2]))
		d = max(d, magnitude(numbers[3]))
	}
	for _, v := range numbers {
		a = max(a, magnitude(v))
	}
	return math.Float32frombits(max(a, b, c, d))
}

// quantize sets the rows to those of from, rounded so that the largest number
// of a row becomes 127.
func (r *rows) quantize(from []float32, count, width int) {
	r.resize(count, width)
	for i := range count {
		row := from[i*width:][:width]
		r.round(i, row, 0, largest(row), 1)
	}
}

// rectify is quantize with zeros in the place of negative numbers.
func (r *rows) rectify(from []float32, count, width int) {
	for i, v := range from[:count*width] {
		bits := math.Float32bits(v)
		bits &^= uint32(int32(bits) >> 31) // without a branch, which nothing could predict
		from[i] = math.Float32frombits(bits)
	}
	r.quantize(from, count, width)
}

// normalize is quantize of rows that are shifted and scaled to have a mean of
// zero and a variance of one.
func (r *rows) normalize(from []float32, count, width int) {
	r.resize(count, width)
	for i := range count {
		row := from[i*width:][:width]
		mean, deviation := moments(row)
		var most uint32
		for _, v := range row {
			most = max(most, magnitude(v-mean))
		}
		r.round(i, row, mean, math.Float32frombits(most), deviation)
	}
}

// moments returns the mean and the standard deviation of a row whose length is
// a multiple of four.
func moments(row []float32) (mean, deviation float32) {
	var a, b, c, d float64
	for v := row; len(v) >= 4; v = v[4:] {
		a += float64(v[0])
		b += float64(v[1])
		c += float64(v[2])
		d += float64(v[3])
	}
	n := float64(len(row))
	mean = float32((a + b + c + d) / n)
	a, b, c, d = 0, 0, 0, 0
	for v := row; len(v) >= 4; v = v[4:] {
		a += square(v[0] - mean)
		b += square(v[1] - mean)
		c += square(v[2] - mean)
		d += square(v[3] - mean)
	}
	return mean, float32(math.Sqrt((a+b+c+d)/n + 1e-6))
}

// round writes row i: the numbers less shift, of which most is the largest
// magnitude, divided by unit.
func (r *rows) round(i int, row []float32, shift, most, unit float32) {
	codes := r.codes[i*r.width:][:r.width]
	by := inverse(most)
	var sum int32
	for j, v := range row {
		scaled := float32((v - shift) * by)
		code := int32(scaled+(zero+0.5)) - zero // truncation rounds what is positive
		codes[j] = int8(code)
		sum += code
	}
	r.sum[i] = sum
	r.scale[i] = most / 127 / unit
}

// exp returns e^x for x up to zero, to within two units of the last place;
// nothing, where that is less than 10^-37.
func exp(x float32) float32 {
	const (
		log2e = 1.44269504
		// ln2 in two parts, of which multiples of the upper are exact.
		upper = 0.693359375
		lower = -2.12194440e-4
	)
	if !(x > -85) {
		return 0
	}
	n := float32(int32(float32(x*log2e) - 0.5))
	r := x - float32(n*upper)
	r -= float32(n * lower)
	p := float32(r*(1.0/720)) + 1.0/120
	p = float32(p*r) + 1.0/24
	p = float32(p*r) + 1.0/6
	p = float32(p*r) + 0.5
	p = float32(p*r) + 1
	p = float32(p*r) + 1
	return p * math.Float32frombits(uint32(127+int32(n))<<23)
}

// tanh returns the hyperbolic tangent.
func tanh(x float32) float32 {
	e := exp(-2 * math.Float32frombits(magnitude(x)))
	return float32(math.Copysign(float64((1-e)/(1+e)), float64(x)))
}
