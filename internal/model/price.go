package model

import (
	"encoding/json"
	"fmt"
	"time"
)

// Rate is a price in pico-dollars per token, which is the usual dollars per
// million tokens times 1,000,000. Zero is free; [UnknownRate] is not known.
type Rate int64

// UnknownRate says that nobody has told what a kind of token costs.
const UnknownRate Rate = -1

const (
	ratePlaces   = 6
	factorPlaces = 4
	factorOne    = 10_000

	maxRate   = 1_000_000 * 1_000_000 // a million dollars per million tokens
	maxFactor = 100 * factorOne
	maxTokens = 1_000_000_000_000 // of one kind in one exchange
)

// Known reports whether the rate is a price.
func (r Rate) Known() bool { return r >= 0 }

// String returns the rate in dollars per million tokens, exact, with at least
// two decimal places, or "unknown".
func (r Rate) String() string {
	if !r.Known() {
		return "unknown"
	}
	return formatDecimal(int64(r), ratePlaces, 2)
}

// MarshalJSON returns the rate in dollars per million tokens as an exact JSON
// number, or null where it is unknown.
func (r Rate) MarshalJSON() ([]byte, error) {
	if !r.Known() {
		return []byte("null"), nil
	}
	return []byte(formatDecimal(int64(r), ratePlaces, 0)), nil
}

// UnmarshalJSON reads dollars per million tokens from a JSON number, exactly;
// null is [UnknownRate].
func (r *Rate) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*r = UnknownRate
		return nil
	}
	value, err := parseDecimal(string(data), ratePlaces)
	if err == nil && value > maxRate {
		err = errTooLarge
	}
	if err == nil && value < 0 {
		err = errNegative
	}
	if err != nil {
		return fmt.Errorf("rate %.40s: %w", data, err)
	}
	*r = Rate(value)
	return nil
}

// Factor is what a price is multiplied by under some terms, in
// ten-thousandths: 5000 is half the price. The zero Factor says that the model
// is not offered on those terms.
type Factor int64

// ParseFactor reads a factor from decimal text such as "0.5", exactly. It
// refuses what is not above 0 and at most 100, and more than four decimal
// places.
func ParseFactor(s string) (Factor, error) {
	value, err := parseDecimal(s, factorPlaces)
	if err != nil {
		return 0, fmt.Errorf("factor %.40q: %w", s, err)
	}
	if value <= 0 || value > maxFactor {
		return 0, fmt.Errorf("factor %.40q: not above 0 and at most 100", s)
	}
	return Factor(value), nil
}

// Offered reports whether the model is offered on these terms.
func (f Factor) Offered() bool { return f != 0 }

// String returns the factor in decimal, exact, or "" where the terms are not
// offered.
func (f Factor) String() string {
	if !f.Offered() {
		return ""
	}
	return formatDecimal(int64(f), factorPlaces, 0)
}

// MarshalJSON returns the factor as a string of decimal text, or null where
// the terms are not offered.
func (f Factor) MarshalJSON() ([]byte, error) {
	if !f.Offered() {
		return []byte("null"), nil
	}
	return []byte(`"` + f.String() + `"`), nil
}

// UnmarshalJSON reads a factor from a JSON string of decimal text or a JSON
// number, exactly; null means not offered.
func (f *Factor) UnmarshalJSON(data []byte) error {
	text := string(data)
	if text == "null" {
		*f = 0
		return nil
	}
	if n := len(text); n >= 2 && text[0] == '"' && text[n-1] == '"' {
		text = text[1 : n-1]
	}
	value, err := ParseFactor(text)
	if err != nil {
		return err
	}
	*f = value
	return nil
}

// Card is what a model costs from one day to another.
type Card struct {
	From  string `json:"from,omitempty"`  // first day, YYYY-MM-DD in UTC; "" from the start
	Until string `json:"until,omitempty"` // first day after it; "" still valid
	Bands []Band `json:"bands"`           // by prompt length, shortest first
}

// covers reports whether the card is valid on day, YYYY-MM-DD.
func (c Card) covers(day string) bool {
	return c.From <= day && (c.Until == "" || day < c.Until)
}

// Band is what the tokens of an exchange cost whose whole prompt (input, cache
// reads and cache writes) has at most UpToPromptTokens tokens. Output is
// charged by the same band. The rates of a Band built in code must be set to
// [UnknownRate] where they are not known: zero is free.
type Band struct {
	UpToPromptTokens int64 `json:"up_to_prompt_tokens"` // tokens; 0: any length
	Input            Rate  `json:"input"`
	Output           Rate  `json:"output"`
	CacheWrite5m     Rate  `json:"cache_write_5m"`
	CacheWrite1h     Rate  `json:"cache_write_1h"`
	CacheRead        Rate  `json:"cache_read"`
}

// UnmarshalJSON reads a band. A rate that is not given is unknown, not free.
func (b *Band) UnmarshalJSON(data []byte) error {
	type plain Band
	p := plain{Input: UnknownRate, Output: UnknownRate, CacheWrite5m: UnknownRate, CacheWrite1h: UnknownRate, CacheRead: UnknownRate}
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	*b = Band(p)
	return nil
}

// Usage is the tokens of one exchange, by the way they are charged. Input is
// what was neither read from nor written to the prompt cache.
type Usage struct {
	Input, Output, CacheWrite5m, CacheWrite1h, CacheRead int64
}

// Prompt returns the tokens of the whole prompt: input, cache reads and cache
// writes.
func (u Usage) Prompt() int64 {
	return u.Input + u.CacheWrite5m + u.CacheWrite1h + u.CacheRead
}

// plausible reports whether every count is one that a bill could state.
func (u Usage) plausible() bool {
	for _, n := range [...]int64{u.Input, u.Output, u.CacheWrite5m, u.CacheWrite1h, u.CacheRead} {
		if n < 0 || n > maxTokens {
			return false
		}
	}
	return true
}

// Terms are the conditions of an exchange that change its price. The zero
// value is an ordinary call.
type Terms struct {
	Batch bool   // sent through the Message Batches API
	Fast  bool   // speed: "fast"
	Geo   string // inference_geo: "" or "global", or "us"
}

// CardAt returns the price card that is valid at the given time, and false
// where none is known.
func (m *Model) CardAt(at time.Time) (Card, bool) {
	if m == nil {
		return Card{}, false
	}
	day := dayOf(at)
	for _, card := range m.Cards {
		if card.covers(day) {
			return card, true
		}
	}
	return Card{}, false
}

// Price returns what one exchange costs, in nano-dollars: each kind of token
// at the rate of the card valid at the given time and of the band of the whole
// prompt, times the factors of the terms, rounded half-even once at the end.
//
// It returns false where the price is not known: a nil model, no card for the
// time, a rate that is needed and unknown, terms that the model is not offered
// on, counts that are negative or absurd, or an amount that Money cannot hold.
func (m *Model) Price(u Usage, t Terms, at time.Time) (Money, bool) {
	return m.PriceMany(u, u.Prompt(), t, at)
}

// PriceMany is [Model.Price] for the sum of many exchanges whose prompts all
// fall into the band of one of so many tokens. It rounds once, so that it
// differs from the sum of their prices by less than half a nano-dollar each.
func (m *Model) PriceMany(u Usage, prompt int64, t Terms, at time.Time) (Money, bool) {
	card, ok := m.CardAt(at)
	if !ok || !u.plausible() {
		return 0, false
	}
	band, ok := card.band(prompt)
	if !ok {
		return 0, false
	}
	pico, ok := band.sum(u)
	if !ok {
		return 0, false
	}
	divisor := uint64(1_000) // pico-dollars per nano-dollar
	for _, f := range m.factors(t) {
		if f <= 0 || f > maxFactor {
			return 0, false
		}
		if pico, ok = pico.times(uint64(f)); !ok {
			return 0, false
		}
		divisor *= factorOne
	}
	nano, ok := pico.overHalfEven(divisor)
	return Money(nano), ok
}

// band returns the band that a prompt of so many tokens falls into.
func (c Card) band(prompt int64) (Band, bool) {
	for _, b := range c.Bands {
		if b.UpToPromptTokens == 0 || prompt <= b.UpToPromptTokens {
			return b, true
		}
	}
	return Band{}, false
}

// sum returns the pico-dollars of the exchange before any factor.
func (b Band) sum(u Usage) (wide, bool) {
	var total wide
	for _, part := range [...]struct {
		tokens int64
		rate   Rate
	}{
		{u.Input, b.Input},
		{u.Output, b.Output},
		{u.CacheWrite5m, b.CacheWrite5m},
		{u.CacheWrite1h, b.CacheWrite1h},
		{u.CacheRead, b.CacheRead},
	} {
		if part.tokens == 0 {
			continue
		}
		if !part.rate.Known() {
			return wide{}, false
		}
		var ok bool
		if total, ok = total.plus(wideProduct(uint64(part.tokens), uint64(part.rate))); !ok {
			return wide{}, false
		}
	}
	return total, true
}

// factors returns what the terms multiply a price by. A term that the model is
// not offered on contributes the zero Factor.
func (m *Model) factors(t Terms) [3]Factor {
	factors := [3]Factor{factorOne, factorOne, factorOne}
	if t.Batch {
		factors[0] = m.Batch
	}
	if t.Fast {
		factors[1] = m.Fast
	}
	switch t.Geo {
	case "", "global":
	case "us":
		factors[2] = m.GeoUS
	default:
		factors[2] = 0
	}
	return factors
}

// dayOf returns the day of t in UTC as YYYY-MM-DD, which orders as text.
func dayOf(t time.Time) string {
	return t.UTC().Format(time.DateOnly)
}
