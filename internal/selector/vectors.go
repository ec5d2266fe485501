package selector

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
)

// Embedder turns texts into vectors of unit length, all of one length in
// numbers; that of an empty text is zero. It is safe for concurrent use.
type Embedder interface {
	Embed(ctx context.Context, texts []string) ([][]float32, error)
}

const (
	// mostVectors bounds the memory of a collection's vectors, and the time to
	// make them: half a kilobyte and half a millisecond each.
	mostVectors = 24_000
	// mostPassages of one agent are embedded.
	mostPassages = 24
	// batch is how many texts are embedded before progress is reported.
	batch = 256
)

// passage is a text that has a vector.
type passage struct {
	role role
	text string
}

// vectors are those of the passages of groups: of each area, then of each agent.
// They are kept as bytes, and as seen from the middle of all requests: what all
// talk about work has in common says nothing.
type vectors struct {
	length int     // of a vector
	areas  int     // the agents' groups come after so many
	start  []int32 // of a group's passages; one more than there are groups
	texts  []passage
	middle []float32
	flat   []int8
	scale  []float32
	mean   []float32 // of each agent
}

// passages returns an agent's texts to compare a task with, the most telling
// first.
func (d *document) passages(most int) []passage {
	var list []passage
	add := func(r role, texts ...string) {
		for _, text := range texts {
			if text = strings.TrimSpace(text); text != "" && len(list) < most {
				list = append(list, passage{r, cut(text, longestLine)})
			}
		}
	}
	name, domains, _ := strings.Cut(d.label, "\n")
	name = strings.NewReplacer("-", " ", "_", " ").Replace(name)
	if name+d.about != "" {
		add(about, strings.TrimSpace(name+". "+d.about))
	}
	add(plain, strings.ReplaceAll(strings.ReplaceAll(domains, "-", " "), "\n", ", "))
	add(example, d.use...)
	add(skill, d.skills...)
	return list
}

// layOut lists what has to be embedded.
func (s *Selector) layOut() *vectors {
	v := &vectors{areas: len(s.atlas.areas), start: []int32{0}}
	for _, a := range s.atlas.areas {
		for _, request := range a.requests {
			v.texts = append(v.texts, passage{example, request})
		}
		v.start = append(v.start, int32(len(v.texts)))
	}
	most := max(1, min(mostPassages, mostVectors/max(1, len(s.docs))))
	for i := range s.docs {
		v.texts = append(v.texts, s.docs[i].passages(most)...)
		v.start = append(v.start, int32(len(v.texts)))
	}
	return v
}

// embedAll makes the vectors of all areas and agents.
func (s *Selector) embedAll(ctx context.Context) (*vectors, error) {
	v := s.layOut()
	requests := int(v.start[v.areas])
	var known [][]float32
	for done := 0; done < len(v.texts); {
		end := min(done+batch, len(v.texts))
		if done < requests {
			end = min(end, requests)
		}
		if s.progress != nil {
			s.progress(done, len(v.texts))
		}
		made, err := v.embedTexts(ctx, s.embedder, v.texts[done:end])
		if err != nil {
			return nil, fmt.Errorf("embed the agents: %w", err)
		}
		if done = end; done <= requests {
			known = append(known, made...)
			made = nil
		}
		if done == requests {
			v.center(known)
			made = known
		}
		for _, vector := range made {
			v.add(vector)
		}
	}
	if s.progress != nil {
		s.progress(len(v.texts), len(v.texts))
	}
	v.average()
	return v, nil
}

// embedTexts makes vectors and checks them.
func (v *vectors) embedTexts(ctx context.Context, e Embedder, passages []passage) ([][]float32, error) {
	texts := make([]string, len(passages))
	for i, p := range passages {
		texts[i] = p.text
	}
	made, err := e.Embed(ctx, texts)
	if err != nil {
		return nil, err
	}
	if len(made) != len(texts) {
		return nil, fmt.Errorf("got %d vectors for %d texts", len(made), len(texts))
	}
	for _, vector := range made {
		if v.length == 0 {
			v.length = len(vector)
		}
		if len(vector) != v.length || v.length == 0 {
			return nil, fmt.Errorf("got a vector of %d numbers after one of %d", len(vector), v.length)
		}
		if _, ok := longest(vector); !ok {
			return nil, errors.New("got a vector with numbers that are none")
		}
	}
	return made, nil
}

// center finds the middle of vectors.
func (v *vectors) center(list [][]float32) {
	v.middle = make([]float32, v.length)
	for _, vector := range list {
		for i, x := range vector {
			v.middle[i] += x / float32(len(list))
		}
	}
}

// fromMiddle returns a vector as seen from the middle, of length 1 or 0.
func (v *vectors) fromMiddle(vector []float32) []float32 {
	seen := make([]float32, len(vector))
	var squares float64
	for i, x := range vector {
		seen[i] = x - v.middle[i]
		squares += float64(seen[i]) * float64(seen[i])
	}
	if squares > 0 {
		length := float32(math.Sqrt(squares))
		for i := range seen {
			seen[i] /= length
		}
	}
	return seen
}

// add appends a vector as bytes.
func (v *vectors) add(vector []float32) {
	vector = v.fromMiddle(vector)
	largest, _ := longest(vector)
	scale := largest / math.MaxInt8
	if scale == 0 {
		scale = 1
	}
	for _, x := range vector {
		v.flat = append(v.flat, int8(math.RoundToEven(float64(x/scale))))
	}
	v.scale = append(v.scale, scale)
}

// longest returns the largest number of a vector, without its sign, and whether
// all are numbers.
func longest(vector []float32) (largest float32, ok bool) {
	for _, x := range vector {
		largest = max(largest, x, -x)
	}
	return largest, !math.IsNaN(float64(largest)) && !math.IsInf(float64(largest), 1)
}

// average makes the mean vectors of the agents.
func (v *vectors) average() {
	agents := len(v.start) - 1 - v.areas
	v.mean = make([]float32, agents*v.length)
	for a := range agents {
		mean := v.meanOf(int32(a))
		first, end := v.start[v.areas+a], v.start[v.areas+a+1]
		for p := first; p < end; p++ {
			weight := v.scale[p] / float32(end-first)
			for i, x := range v.row(p) {
				mean[i] += float32(float32(x) * weight)
			}
		}
	}
}

// meanOf is the mean vector of an agent.
func (v *vectors) meanOf(agent int32) []float32 {
	return v.mean[int(agent)*v.length : (int(agent)+1)*v.length]
}

func (v *vectors) row(p int32) []int8 { return v.flat[int(p)*v.length : (int(p)+1)*v.length] }

// nearest returns the cosines of a task to the three passages of a group that
// are nearest, and which the first is; -1 for those that a group does not have.
func (v *vectors) nearest(task []float32, group int) (top [3]float32, first int32) {
	top, first = [3]float32{-1, -1, -1}, -1
	for p := v.start[group]; p < v.start[group+1]; p++ {
		switch c := v.cosine(task, p); {
		case c > top[0]:
			top, first = [3]float32{c, top[0], top[1]}, p
		case c > top[1]:
			top = [3]float32{top[0], c, top[1]}
		case c > top[2]:
			top[2] = c
		}
	}
	return top, first
}

// The products below are rounded before they are added, so that all machines
// come to the same sums.

// cosine is that of a task and a passage.
func (v *vectors) cosine(task []float32, p int32) float32 {
	row := v.row(p)
	task = task[:len(row)]
	var a, b, c, d float32
	i := 0
	for ; i+4 <= len(row); i += 4 {
		a += float32(task[i] * float32(row[i]))
		b += float32(task[i+1] * float32(row[i+1]))
		c += float32(task[i+2] * float32(row[i+2]))
		d += float32(task[i+3] * float32(row[i+3]))
	}
	for ; i < len(row); i++ {
		a += float32(task[i] * float32(row[i]))
	}
	return (a + b + c + d) * v.scale[p]
}

// dot is the product of two vectors.
func dot(one, other []float32) float32 {
	other = other[:len(one)]
	var a, b, c, d float32
	i := 0
	for ; i+4 <= len(one); i += 4 {
		a += float32(one[i] * other[i])
		b += float32(one[i+1] * other[i+1])
		c += float32(one[i+2] * other[i+2])
		d += float32(one[i+3] * other[i+3])
	}
	for ; i < len(one); i++ {
		a += float32(one[i] * other[i])
	}
	return a + b + c + d
}

// embedTask makes the vector of a task.
func (v *vectors) embedTask(ctx context.Context, e Embedder, task string) ([]float32, error) {
	made, err := v.embedTexts(ctx, e, []passage{{text: task}})
	if err != nil {
		return nil, fmt.Errorf("embed the task: %w", err)
	}
	return v.fromMiddle(made[0]), nil
}
