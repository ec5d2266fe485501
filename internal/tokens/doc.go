// Package tokens estimates offline how many tokens a text is.
//
// The real tokenizers of the current models are not published. All of them
// are byte-pair encoders: a text is first cut into pieces (a word with the
// space before it, a run of digits, of punctuation, of white space), then each
// piece into the longest parts that the vocabulary knows. This package cuts
// likewise and looks up what a piece of its kind and length costs on average.
//
// # Where the figures come from
//
// The costs were measured with the one Claude tokenizer that Anthropic has
// published, that of Claude 2 (64,739 entries), over 350 files of English
// documentation, ten programming and markup languages, JSON and YAML, and over
// 30 translations of one text: 75,000 distinct pieces, averaged by kind and
// length and smoothed. The sums are raised by a margin of 5 %, because an
// estimate that is too low breaks limits and budgets, and one that is a little
// too high costs nothing. Over those files and 350 others, of 3 to 30 KB each,
// 95 of 100 estimates lie between 2 % under and 16 % over the count, half of
// them over 8 % above it. Worse are base64 (up to 18 % under) and languages
// with Latin letters but few accents, such as Dutch (up to 22 % under).
// No [Floor] was above nine tenths of the count, be it of that tokenizer or of
// another vendor's with three times the entries.
//
// The older models ([Claude3]) are taken to count as Claude 2 did. Models from
// 4.7 on ([Claude47]) are documented to count about 30 % more, and so they do
// here.
//
// An estimate is of a text alone. A request has more in it: a few tokens for
// each message, a few hundred where there are tools.
//
// All functions are pure, allocate nothing and are safe for concurrent use.
package tokens
