package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The bounds of a catalogue that comes from outside.
const (
	maxCatalogueBytes = 1 << 20
	maxModels         = 1_000
	maxListed         = 64 // aliases, efforts, cards or bands of one model
	maxTextBytes      = 100
)

// catalogueVersion is the version of the form that Parse reads.
const catalogueVersion = 1

// Parse reads a catalogue in the product's own form,
//
//	{"version": 1, "updated": "2026-11-12", "models": [{"id": …}, …]}
//
// or as a bare JSON array of models, in which a model's aliases are rows of
// their own. Fields it does not know are ignored. Its errors name the model
// and the field, and bad JSON by line and column. It refuses ids that are
// given twice and whatever exceeds its bounds (1 MiB, 1,000 models).
func Parse(data []byte) (*Catalogue, error) {
	if len(data) > maxCatalogueBytes {
		return nil, fmt.Errorf("a catalogue of models can have at most %d bytes, this one has %d", maxCatalogueBytes, len(data))
	}
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\ufeff")))
	bare := len(data) > 0 && data[0] == '['
	updated, rows, err := parseDocument(data, bare)
	if err != nil {
		return nil, err
	}
	if len(rows) > maxModels {
		return nil, fmt.Errorf("a catalogue can have at most %d models, this one has %d", maxModels, len(rows))
	}
	fields := modelFields()
	entries := make([]entry, 0, len(rows))
	for i, values := range rows {
		e, err := parseEntry(fields, i, values)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	if err := checkNames(entries); err != nil {
		return nil, err
	}
	if bare {
		entries = foldAliases(entries)
	}
	return newCatalogue(updated, entries), nil
}

// row is a model as its source writes it, field by field.
type row map[string]json.RawMessage

// parseDocument reads the frame around the models.
func parseDocument(data []byte, bare bool) (updated string, rows []row, err error) {
	var document struct {
		Version *json.Number    `json:"version"`
		Updated json.RawMessage `json:"updated"`
		Models  []row           `json:"models"`
	}
	if bare {
		err = json.Unmarshal(data, &document.Models)
		return "", document.Models, placed(data, err)
	}
	if err := json.Unmarshal(data, &document); err != nil {
		return "", nil, placed(data, err)
	}
	switch {
	case document.Version == nil:
		return "", nil, errors.New(`the catalogue of models has no "version": it must be 1`)
	case document.Version.String() != fmt.Sprint(catalogueVersion):
		return "", nil, fmt.Errorf("the catalogue of models has version %.20s, and only version %d is understood: update claude-force",
			document.Version, catalogueVersion)
	case document.Models == nil:
		return "", nil, errors.New(`the catalogue of models has no "models"`)
	}
	if document.Updated != nil && !isNull(document.Updated) {
		if updated, err = parseDay(document.Updated); err != nil {
			return "", nil, fmt.Errorf(`catalogue of models: field "updated": %w`, err)
		}
	}
	return updated, document.Models, nil
}

// placed says where in data a JSON error is and, for a value of the wrong
// type, which.
func placed(data []byte, err error) error {
	offset := int64(len(data))
	var syntax *json.SyntaxError
	var mismatch *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &mismatch):
		offset = mismatch.Offset
		what := "a model"
		if mismatch.Field != "" {
			what = strconv.Quote(mismatch.Field)
		}
		err = fmt.Errorf("%s cannot be a JSON %s", what, mismatch.Value)
	}
	before := data[:min(max(offset-1, 0), int64(len(data)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return fmt.Errorf("catalogue of models, line %d, column %d: %w", line, column, err)
}

// parseEntry reads one model.
func parseEntry(fields []field, index int, values row) (entry, error) {
	id, err := parseName(values["id"])
	if err != nil {
		return entry{}, fmt.Errorf(`model %d of the catalogue: field "id": %w`, index+1, err)
	}
	m := &Model{ID: id, Lifecycle: Active}
	if m.Aliases, err = parseNames(values["aliases"]); err != nil {
		return entry{}, fmt.Errorf(`model %s: field "aliases": %w`, id, err)
	}
	e := entry{m, make([]bool, len(fields))}
	for i, f := range fields {
		name, value := f.in(values)
		if value == nil {
			continue
		}
		if err := f.set(m, value); err != nil {
			return entry{}, fmt.Errorf("model %s: field %q: %w", id, name, err)
		}
		e.stated[i] = true
	}
	return e, nil
}

// checkNames refuses ids and aliases that are given twice.
func checkNames(entries []entry) error {
	owner := make(map[string]string, 2*len(entries))
	claim := func(name, id string) error {
		if other, taken := owner[name]; taken {
			return fmt.Errorf("model %s: %q is already an id or alias of %s", id, name, other)
		}
		owner[name] = id
		return nil
	}
	for _, e := range entries {
		if err := claim(e.model.ID, e.model.ID); err != nil {
			return err
		}
	}
	for _, e := range entries {
		for _, alias := range e.model.Aliases {
			if err := claim(alias, e.model.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// foldAliases joins rows that repeat a dated model under a name without its
// date with the row of that model.
func foldAliases(entries []entry) []entry {
	dated := make(map[string][]*Model)
	for _, e := range entries {
		if base, ok := undated(e.model.ID); ok {
			dated[base] = append(dated[base], e.model)
		}
	}
	for _, models := range dated {
		slices.SortFunc(models, func(a, b *Model) int { return compareVersions(b.ID, a.ID) })
	}
	return slices.DeleteFunc(entries, func(e entry) bool {
		base := strings.TrimSuffix(strings.TrimSuffix(e.model.ID, "-latest"), "-0")
		for _, name := range []string{e.model.ID, base} {
			for _, m := range dated[name] {
				if sameFacts(m, e.model) {
					m.Aliases = append(m.Aliases, e.model.ID)
					return true
				}
			}
		}
		return false
	})
}

// sameFacts reports whether two models differ in nothing but their names.
func sameFacts(a, b *Model) bool {
	x, y := *a, *b
	x.ID, x.Aliases, y.ID, y.Aliases = "", nil, "", nil
	return reflect.DeepEqual(x, y)
}

func isNull(value json.RawMessage) bool { return string(value) == "null" }

// parseText reads a short string without control characters.
func parseText(value json.RawMessage) (string, error) {
	s, plain := plainText(value)
	if !plain {
		if err := json.Unmarshal(value, &s); err != nil || isNull(value) {
			return "", errors.New("not a string")
		}
	}
	if len(s) > maxTextBytes {
		return "", fmt.Errorf("longer than %d bytes", maxTextBytes)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "", errors.New("holds a character that cannot be printed")
	}
	return s, nil
}

// plainText returns what stands between the quotes of a JSON string that has
// neither escapes nor bytes beyond ASCII in it: nearly all there are, read
// several times faster than by the general decoder.
func plainText(value json.RawMessage) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	inner := value[1 : len(value)-1]
	for _, c := range inner {
		if c == '\\' || c >= utf8.RuneSelf {
			return "", false
		}
	}
	return string(inner), true
}

// parseName reads an id: text that is not empty and has no space in it.
func parseName(value json.RawMessage) (string, error) {
	if value == nil || isNull(value) {
		return "", errors.New("missing")
	}
	s, err := parseText(value)
	switch {
	case err != nil:
		return "", err
	case s == "":
		return "", errors.New("empty")
	case strings.ContainsFunc(s, unicode.IsSpace):
		return "", fmt.Errorf("%q holds a space", s)
	}
	return s, nil
}

// parseNames reads a list of ids; nil and null are an empty one.
func parseNames(value json.RawMessage) ([]string, error) {
	if value == nil {
		return nil, nil
	}
	return parseList(value, parseName)
}

// parseList reads a JSON array item by item.
func parseList[T any](value json.RawMessage, item func(json.RawMessage) (T, error)) ([]T, error) {
	var values []json.RawMessage
	if err := json.Unmarshal(value, &values); err != nil {
		return nil, errors.New("not a list")
	}
	if len(values) > maxListed {
		return nil, fmt.Errorf("more than %d items", maxListed)
	}
	list := make([]T, 0, len(values))
	for i, v := range values {
		parsed, err := item(v)
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i+1, err)
		}
		list = append(list, parsed)
	}
	return list, nil
}
