package telemetry

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// maxNames is how many names of agents, of models or of errors are told
	// apart; those that come later are the name "other".
	maxNames = 200
	// maxSeries is how many combinations of labels one metric has at most.
	maxSeries = 5000
	other     = "other"
)

// names are the values that a label has taken. It is safe for concurrent use.
type names struct {
	mu    sync.Mutex
	known map[string]struct{}
}

// bound returns a name as valid UTF-8, or "other" where there are too many
// already.
func (n *names) bound(name string) string {
	name = strings.ToValidUTF8(name, "\uFFFD")
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.known[name]; ok {
		return name
	}
	if len(n.known) >= maxNames {
		return other
	}
	if n.known == nil {
		n.known = map[string]struct{}{}
	}
	n.known[strings.Clone(name)] = struct{}{}
	return name
}

// kind is a metric's type, as the exposition format spells it.
type kind string

const (
	counter   kind = "counter"
	gauge     kind = "gauge"
	histogram kind = "histogram"
)

// family is one metric with all its combinations of labels. Amounts are
// integers of a unit that divisor turns into the metric's own, so that no cent
// is lost by adding. It is safe for concurrent use.
type family struct {
	name, help string
	kind       kind
	labels     []string
	divisor    int64   // a power of ten; 0 where units are the same
	buckets    []int64 // upper bounds, of histograms only

	mu     sync.Mutex
	series map[string]*series
}

// series is the value of one combination of labels.
type series struct {
	values []string
	sum    int64
	count  int64
	counts []int64 // by bucket, not cumulative
}

// increase adds; what a broken server counts may be absurd, and stays at the
// largest number.
func (s *series) increase(n int64) {
	if n > 0 && s.sum > math.MaxInt64-n {
		s.sum = math.MaxInt64
		return
	}
	s.sum += n
}

// at returns the series of some values of labels. Where there are too many
// series it is the one whose values are all "other". f.mu is held.
func (f *family) at(values []string) *series {
	key := strings.Join(values, "\xff") // which is in no UTF-8
	if s, ok := f.series[key]; ok {
		return s
	}
	if len(f.series) >= maxSeries {
		values = slices.Repeat([]string{other}, len(values))
		key = strings.Join(values, "\xff")
		if s, ok := f.series[key]; ok {
			return s
		}
	}
	if f.series == nil {
		f.series = map[string]*series{}
	}
	s := &series{values: slices.Clone(values), counts: make([]int64, len(f.buckets))}
	f.series[key] = s
	return s
}

// add adds to a counter or a gauge.
func (f *family) add(n int64, values ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at(values).increase(n)
}

// observe counts a duration into a histogram, whose divisor is that of
// nanoseconds. A negative one, of a clock that was set back, counts as 0.
func (f *family) observe(d time.Duration, values ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d = max(d, 0)
	s := f.at(values)
	s.count++
	s.increase(int64(d))
	if i, _ := slices.BinarySearch(f.buckets, int64(d)); i < len(f.buckets) {
		s.counts[i]++
	}
}

// write appends the family in Prometheus' text format, series in the order of
// their labels.
func (f *family) write(b []byte) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	b = append(b, "# HELP "+f.name+" "+f.help+"\n# TYPE "+f.name+" "+string(f.kind)+"\n"...)
	for _, key := range slices.Sorted(maps.Keys(f.series)) {
		b = f.writeSeries(b, f.series[key])
	}
	return b
}

func (f *family) writeSeries(b []byte, s *series) []byte {
	if f.kind != histogram {
		b = f.writeLabels(append(b, f.name...), s, "")
		return append(f.writeAmount(b, s.sum), '\n')
	}
	total := int64(0)
	for i, bound := range f.buckets {
		total += s.counts[i]
		b = f.writeLabels(append(b, f.name+"_bucket"...), s, string(f.appendAmount(nil, bound)))
		b = append(strconv.AppendInt(append(b, ' '), total, 10), '\n')
	}
	b = f.writeLabels(append(b, f.name+"_bucket"...), s, "+Inf")
	b = append(strconv.AppendInt(append(b, ' '), s.count, 10), '\n')
	b = f.writeLabels(append(b, f.name+"_sum"...), s, "")
	b = append(f.writeAmount(b, s.sum), '\n')
	b = f.writeLabels(append(b, f.name+"_count"...), s, "")
	return append(strconv.AppendInt(append(b, ' '), s.count, 10), '\n')
}

func (f *family) writeLabels(b []byte, s *series, le string) []byte {
	sign := byte('{')
	label := func(name, value string) {
		b = append(append(b, sign), name...)
		b = appendLabelValue(append(b, `="`...), value)
		b = append(b, '"')
		sign = ','
	}
	for i, name := range f.labels {
		label(name, s.values[i])
	}
	if le != "" {
		label("le", le)
	}
	if sign == ',' {
		b = append(b, '}')
	}
	return b
}

func (f *family) writeAmount(b []byte, n int64) []byte { return f.appendAmount(append(b, ' '), n) }

// appendAmount writes n units as a decimal number of the metric's own unit,
// exactly.
func (f *family) appendAmount(b []byte, n int64) []byte {
	if f.divisor == 0 {
		return strconv.AppendInt(b, n, 10)
	}
	b = strconv.AppendInt(b, n/f.divisor, 10)
	rest := n % f.divisor
	if rest == 0 {
		return b
	}
	// The first digit is there to keep zeros behind the point.
	digits := strconv.FormatInt(f.divisor+rest, 10)[1:]
	return append(append(b, '.'), strings.TrimRight(digits, "0")...)
}

// appendLabelValue writes a value with the escapes of the text format.
func appendLabelValue(b []byte, s string) []byte {
	for i := range len(s) {
		switch s[i] {
		case '\\':
			b = append(b, `\\`...)
		case '"':
			b = append(b, `\"`...)
		case '\n':
			b = append(b, `\n`...)
		default:
			b = append(b, s[i])
		}
	}
	return b
}
