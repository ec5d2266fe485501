package tokens

// The tokenizer families, as the Tokenizer of a model in the catalogue names
// them.
const (
	Claude3  = "claude-3"   // models older than 4.7
	Claude47 = "claude-4.7" // 4.7 and later
)

// perToken is the unit of all costs here: hundredths of a token.
const perToken = 100

// What a sum of costs is multiplied by, in thousandths.
const (
	marginClaude3  = 1050
	marginClaude47 = marginClaude3 * 130 / 100
)

// Estimate returns about how many tokens the text is to the models of a
// tokenizer family, rather too many than too few. A family that is not known
// is taken for the one that counts most. The estimate of an empty text is 0.
func Estimate(family, text string) int {
	margin := int64(marginClaude47)
	if family == Claude3 {
		margin = marginClaude3
	}
	return roundUp(likely.cost(text), margin)
}

// Floor returns a number of tokens that the text will hardly be under, for
// refusing a text that cannot fit before it is sent. It is never above
// [Estimate] and the same for all families: that a newer one counts more is
// true on average, not of every text.
func Floor(_, text string) int {
	return int(least.cost(text) / perToken)
}

// roundUp returns the tokens of so many hundredths at so many thousandths.
func roundUp(hundredths, thousandths int64) int {
	const whole = perToken * 1000
	return int((hundredths*thousandths + whole - 1) / whole)
}
