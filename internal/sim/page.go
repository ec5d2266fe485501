package sim

import (
	"net/url"
	"slices"
	"strconv"
)

// Bounds of a page.
const (
	defaultPage = 20
	maxPage     = 1000
)

// page is a part of a list.
type page[T any] struct {
	items       []T
	first, last string // ids; "" of an empty page
	more        bool
}

// pageOf returns the part of a list that a query asks for with limit, after_id
// and before_id.
func pageOf[T any](query url.Values, items []T, id func(T) string) (page[T], *apiError) {
	var p page[T]
	limit, err := pageLimit(query.Get("limit"))
	if err != nil {
		return p, err
	}
	at := func(id2 string) int {
		return slices.IndexFunc(items, func(item T) bool { return id(item) == id2 })
	}
	from, to := 0, len(items)
	switch after, before := query.Get("after_id"), query.Get("before_id"); {
	case after != "" && before != "":
		return p, invalid("only one of after_id and before_id may be given")
	case before != "":
		if to = at(before); to < 0 {
			return p, invalid("before_id: %.100s is not in the list", before)
		}
		from = max(0, to-limit)
		p.more = from > 0
	default:
		if after != "" {
			if from = at(after) + 1; from == 0 {
				return p, invalid("after_id: %.100s is not in the list", after)
			}
		}
		to = min(to, from+limit)
		p.more = to < len(items)
	}
	p.items = items[from:to]
	if len(p.items) > 0 {
		p.first, p.last = id(p.items[0]), id(p.items[len(p.items)-1])
	}
	return p, nil
}

// pageLimit reads the length of a page.
func pageLimit(text string) (int, *apiError) {
	if text == "" {
		return defaultPage, nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return 0, invalid("limit: Input should be a valid integer")
	case n < 1:
		return 0, invalid("limit: Input should be greater than or equal to 1")
	case n > maxPage:
		return 0, invalid("limit: Input should be less than or equal to %d", maxPage)
	}
	return n, nil
}

// append appends the page as JSON.
func (p page[T]) append(b []byte, item func([]byte, T) []byte) []byte {
	b = append(b, `{"data":[`...)
	for i, one := range p.items {
		if i > 0 {
			b = append(b, ',')
		}
		b = item(b, one)
	}
	b = append(b, ']')
	b = appendMember(b, "first_id", p.first)
	b = appendMember(b, "last_id", p.last)
	b = append(b, `,"has_more":`...)
	return append(strconv.AppendBool(b, p.more), '}')
}
