package tokens

// weights are what the pieces of a text cost, in hundredths of a token. Tables
// are by length; what is longer than a table costs more for each character.
type weights struct {
	spaced  [17]uint16 // letters after one space, all small or with a capital first
	bare    [17]uint16 // the same after anything else, or inside a word: theCatSat
	capital [17]uint16 // capitals only
	letter  uint16     // each further letter
	foreign uint16     // each letter beyond shortWord where words are not English
	garbled uint16     // each part of a word after many

	digits [10]uint16
	digit  uint16

	marks [9]uint16 // ASCII punctuation, by the marks that differ from the one before
	mark  uint16
	ruler uint16 // each repeated mark of a ruler: ------

	blank   uint16 // a run of white space
	blanks  uint16 // one that does not end in the space of the next piece
	breaks  uint16 // each tab or line break beyond longBreak in one
	indent  uint16 // each space beyond longIndent in one
	control uint16
	invalid uint16 // a byte that is not UTF-8
	joined  uint16 // what letters cost less after a letter beyond ASCII
	script  [scripts]uint16
}

const (
	longBreak    = 4  // tabs and line breaks that one token holds
	longIndent   = 32 // spaces that one token holds
	shortWord    = 3  // letters
	foreignWords = 12 // words after a letter with an accent that are taken for foreign ones too
	manyParts    = 5  // parts of a word from which on it looks like no word
)

// likely are average costs.
var likely = weights{
	spaced:  [17]uint16{0, 100, 100, 102, 104, 106, 108, 110, 112, 116, 122, 128, 136, 140, 150, 180, 230},
	bare:    [17]uint16{0, 100, 100, 104, 108, 112, 120, 122, 132, 150, 165, 160, 205, 215, 230, 250, 330},
	capital: [17]uint16{0, 100, 103, 138, 140, 155, 200, 215, 240, 250, 290, 330, 400, 450, 480, 500, 600},
	letter:  45,

	digits: [10]uint16{0, 100, 100, 102, 150, 195, 210, 260, 290, 320},
	digit:  42,

	marks: [9]uint16{0, 100, 102, 120, 180, 230, 290, 360, 430},
	mark:  75,
	ruler: 6,

	blank:   100,
	blanks:  200,
	breaks:  12,
	indent:  3,
	garbled: 35,
	foreign: 34,
	control: 100,
	invalid: 200,
	joined:  50,
	script: [scripts]uint16{
		latin: 90, cyrillic: 48, greek: 85, semitic: 85, indic: 180, otherScript: 150,
		kana: 105, han: 110, hangul: 105, symbol: 110, emoji: 230,
	},
}

// least are costs that hardly any vocabulary goes under: whole words, long
// runs and scripts at the best rate that is known of.
var least = weights{
	spaced:  [17]uint16{0, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100},
	bare:    [17]uint16{},
	capital: [17]uint16{},
}
