package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// maxModelTokens bounds a model's context and output, in tokens.
const maxModelTokens = 1_000_000_000

// field is one fact of a model's entry in a catalogue.
type field struct {
	name     string
	inArray  string // its name in a bare array of models, "" where that is the same
	ofLine   bool   // likely to hold for a newer model of the same line too
	nullable bool   // null states that there is none; elsewhere it states nothing

	set  func(*Model, json.RawMessage) error
	copy func(to, from *Model)
}

// in returns the field's value in a row and the name it has there. The value
// is nil where the row states nothing.
func (f field) in(r row) (name string, value json.RawMessage) {
	name = f.name
	if _, ok := r[name]; !ok && f.inArray != "" {
		name = f.inArray
	}
	value = r[name]
	switch {
	case value == nil || isNull(value) && !f.nullable:
		return name, nil
	case name == "rates":
		return name, asCards(value)
	}
	return name, value
}

// modelFields returns the table of all fields but the id and the aliases.
func modelFields() []field {
	return []field{
		fact("line", func(m *Model) *string { return &m.Line }, parseText),
		fact("lifecycle", func(m *Model) *Lifecycle { return &m.Lifecycle }, oneOf(Active, Deprecated, Retired)),
		fact("context", func(m *Model) *int { return &m.Context }, parseTokens).forLine(),
		fact("max_output", func(m *Model) *int { return &m.MaxOutput }, parseTokens).forLine(),
		fact("min_cache_tokens", func(m *Model) *int { return &m.MinCacheTokens }, parseTokens).forLine(),
		fact("sampling", func(m *Model) *bool { return &m.Sampling }, parseBool).forLine(),
		fact("sampling_one", func(m *Model) *bool { return &m.SamplingOne }, parseBool).forLine(),
		fact("prefill", func(m *Model) *bool { return &m.Prefill }, parseBool).forLine(),
		fact("efforts", func(m *Model) *[]string { return &m.Efforts }, parseNames).forLine().or("effort"),
		fact("default_effort", func(m *Model) *string { return &m.DefaultEffort }, parseText).forLine(),
		fact("thinking", func(m *Model) *Thinking { return &m.Thinking }, parseThinking).forLine(),
		fact("forced_tools", func(m *Model) *bool { return &m.ForcedTools }, parseBool).forLine(),
		fact("structured_output", func(m *Model) *bool { return &m.StructuredOutput }, parseBool).forLine(),
		fact("tokenizer", func(m *Model) *string { return &m.Tokenizer }, parseText).forLine(),
		fact("limit_group", func(m *Model) *string { return &m.LimitGroup }, parseText).forLine(),
		fact("cards", func(m *Model) *[]Card { return &m.Cards }, parseCards).or("rates"),
		fact("batch", func(m *Model) *Factor { return &m.Batch }, parseFactor).forLine().orNone().or("batch_multiplier"),
		fact("fast", func(m *Model) *Factor { return &m.Fast }, parseFactor).forLine().orNone(),
		fact("geo_us", func(m *Model) *Factor { return &m.GeoUS }, parseFactor).forLine().orNone(),
		fact("successor", func(m *Model) *string { return &m.Successor }, parseTextOrNone).orNone(),
		fact("deprecated", func(m *Model) *string { return &m.Deprecated }, parseDay).orNone(),
		fact("retires", func(m *Model) *string { return &m.Retires }, parseDay).orNone(),
	}
}

// fact makes the field whose value is kept where at points.
func fact[T any](name string, at func(*Model) *T, parse func(json.RawMessage) (T, error)) field {
	return field{
		name: name,
		set: func(m *Model, value json.RawMessage) (err error) {
			*at(m), err = parse(value)
			return err
		},
		copy: func(to, from *Model) { *at(to) = *at(from) },
	}
}

func (f field) forLine() field { f.ofLine = true; return f }

func (f field) orNone() field { f.nullable = true; return f }

func (f field) or(inArray string) field { f.inArray = inArray; return f }

func parseBool(value json.RawMessage) (bool, error) {
	switch string(value) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, errors.New("neither true nor false")
}

func parseTokens(value json.RawMessage) (int, error) {
	n, err := parseDecimal(string(value), 0)
	if err != nil || n < 0 || n > maxModelTokens {
		return 0, fmt.Errorf("not a whole number of tokens from 0 to %d", maxModelTokens)
	}
	return int(n), nil
}

func parseTextOrNone(value json.RawMessage) (string, error) {
	if isNull(value) {
		return "", nil
	}
	return parseText(value)
}

// parseDay reads a day, YYYY-MM-DD; null and "" are none.
func parseDay(value json.RawMessage) (string, error) {
	s, err := parseTextOrNone(value)
	if err != nil {
		return "", err
	}
	return s, checkDay(s)
}

// checkDay refuses text that is neither a day, YYYY-MM-DD, nor empty.
func checkDay(s string) error {
	if s == "" {
		return nil
	}
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		return fmt.Errorf("%.40q is not a day: write it like 2026-11-30", s)
	}
	return nil
}

// oneOf returns a reader of one of the given words.
func oneOf[T ~string](words ...T) func(json.RawMessage) (T, error) {
	return func(value json.RawMessage) (T, error) {
		s, err := parseText(value)
		if err != nil {
			return "", err
		}
		if !slices.Contains(words, T(s)) {
			return "", fmt.Errorf("%q is none of %q", s, words)
		}
		return T(s), nil
	}
}

func parseThinking(value json.RawMessage) (Thinking, error) {
	var t Thinking
	if err := json.Unmarshal(value, &t); err != nil {
		return Thinking{}, errors.New("not an object of strings")
	}
	if !slices.Contains([]ThinkingDefault{"", ThinkingOn, ThinkingOff, ThinkingAlways}, t.Default) {
		return Thinking{}, fmt.Errorf("default %.40q is not known", t.Default)
	}
	for _, rule := range []ThinkingRule{t.Adaptive, t.Disabled, t.BetweenTools, t.Enabled} {
		switch rule {
		case "", ThinkingAccepted, ThinkingUpToHigh, ThinkingDeprecated, ThinkingRefused:
		default:
			return Thinking{}, fmt.Errorf("rule %.40q is not known", rule)
		}
	}
	return t, nil
}

func parseFactor(value json.RawMessage) (Factor, error) {
	var f Factor
	err := f.UnmarshalJSON(value)
	return f, err
}

// asCards turns the bands of a bare array into the one card that they are,
// valid on every day.
func asCards(bands json.RawMessage) json.RawMessage {
	return slices.Concat(json.RawMessage(`[{"bands":`), bands, json.RawMessage(`}]`))
}

// parseCards reads dated price cards.
func parseCards(value json.RawMessage) ([]Card, error) {
	var cards []Card
	if err := json.Unmarshal(value, &cards); err != nil {
		if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return nil, fmt.Errorf("%q cannot be a JSON %s", mismatch.Field, mismatch.Value)
		}
		return nil, err
	}
	if len(cards) > maxListed {
		return nil, fmt.Errorf("more than %d price cards", maxListed)
	}
	for i, card := range cards {
		if err := card.check(); err != nil {
			return nil, fmt.Errorf("card %d: %w", i+1, err)
		}
		if i > 0 && (cards[i-1].Until == "" || cards[i-1].Until > card.From) {
			return nil, fmt.Errorf("card %d begins before the one above it ends", i+1)
		}
	}
	return slices.DeleteFunc(cards, func(c Card) bool { return len(c.Bands) == 0 }), nil
}

// check refuses a card whose days or bands are out of order.
func (c Card) check() error {
	for _, day := range []string{c.From, c.Until} {
		if err := checkDay(day); err != nil {
			return err
		}
	}
	if c.Until != "" && c.Until <= c.From {
		return errors.New("it ends before it begins")
	}
	if len(c.Bands) > maxListed {
		return fmt.Errorf("more than %d bands", maxListed)
	}
	below := int64(0)
	for i, band := range c.Bands {
		bound := band.UpToPromptTokens
		if bound == 0 && i < len(c.Bands)-1 || bound != 0 && bound <= below {
			return errors.New("its bands must go from the shortest prompts to the longest")
		}
		below = bound
	}
	return nil
}
