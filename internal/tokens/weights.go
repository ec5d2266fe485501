package tokens

// weights are what the pieces of a text cost, in hundredths of a token. Tables
// are by length; what is longer than its table costs more for each character.
type weights struct {
	word    uint16            // a word, beside what its parts cost
	spaced  [partTable]uint16 // letters after one space, small or with a capital first
	bare    [partTable]uint16 // the same after anything else, or inside a word: the|Cat
	capital [partTable]uint16 // capitals only
	letter  uint16            // each further letter
	joined  uint16            // what a word costs less right after a letter with an accent
	garbled uint16            // each part of a word after manyParts, and one right after a digit

	accented uint16 // each letter after shortWord in a word near letters with accents
	extended uint16 // the same near letters of the extended Latin blocks

	digits [10]uint16
	digit  uint16 // each further digit

	marks [9]uint16 // ASCII punctuation, by the marks that differ from the one before
	mark  uint16    // each further mark
	ruler uint16    // each repeated mark of a ruler: ------

	blank  uint16 // a run of white space
	blanks uint16 // one that does not end in the space of the next piece
	breaks uint16 // each tab or line break after longBreak in one
	indent uint16 // each space after longIndent in one

	script [scripts]uint16 // a character of a script
}

const (
	partTable    = 17 // lengths of a part that the tables list, 0 to 16
	manyParts    = 5  // parts after which a word is none, but base64 or the like
	shortWord    = 3  // letters of a word that costs the same in most languages
	foreignWords = 12 // words after a letter with an accent that are taken for foreign ones too
	longBreak    = 4  // tabs and line breaks that one token holds
	longIndent   = 32 // spaces that one token holds
)

// likely are the average costs.
var likely = weights{
	spaced:  [partTable]uint16{0, 100, 100, 102, 104, 106, 108, 110, 112, 116, 122, 128, 136, 140, 150, 180, 230},
	bare:    [partTable]uint16{0, 100, 100, 104, 108, 112, 120, 122, 132, 150, 165, 168, 205, 215, 230, 250, 330},
	capital: [partTable]uint16{0, 100, 103, 138, 140, 155, 200, 215, 240, 250, 290, 330, 400, 450, 480, 500, 600},
	letter:  45,
	joined:  50,
	garbled: 35,

	accented: 38,
	extended: 55,

	digits: [10]uint16{0, 100, 100, 102, 150, 195, 210, 260, 290, 320},
	digit:  42,

	marks: [9]uint16{0, 100, 102, 120, 180, 230, 290, 360, 430},
	mark:  75,
	ruler: 6,

	blank:  100,
	blanks: 200,
	breaks: 12,
	indent: 3,

	script: [scripts]uint16{
		control: 100, invalid: 200, symbol: 110, latin: 95, latinExtended: 125, greek: 122, cyrillic: 62, semitic: 85, indic: 180,
		kana: 105, han: 110, hangul: 124, emoji: 230, otherScript: 150,
	},
}

// least are costs that hardly any vocabulary goes under. A word is a token,
// however well the vocabulary knows it; one mark can join the word after it;
// white space can join what is before it; long runs and other scripts are at
// the best rates known of any published vocabulary.
var least = weights{
	word:   100,
	letter: 6,
	joined: 100,

	digits: [10]uint16{0, 100, 100, 100, 100, 100, 100, 100, 100, 100},
	digit:  3,

	marks: [9]uint16{0, 0, 100, 100, 100, 100, 100, 100, 100},
	mark:  10,

	breaks: 3,

	script: [scripts]uint16{
		invalid: 30, symbol: 10, greek: 15, cyrillic: 15, semitic: 15, indic: 15,
		kana: 35, han: 45, hangul: 35, emoji: 60, otherScript: 15,
	},
}
