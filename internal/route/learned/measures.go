package learned

// The measures. Their order is the order in a file of weights.
const (
	length = iota
	wordCount
	sentenceCount
	sentenceLength
	wordLength
	longWords
	shortWords
	numbers
	differentNumbers
	numberShare
	bigNumbers
	digitShare
	names
	nameShare
	capitals
	capitalShare
	letters
	variety
	differentWords
	punctuation
	operators
	formulas
	foreign
	quotes
	brackets
	commas
	commaShare
	colons
	queries
	noQuery
	lines
	latex
	dollars
	percents
	blanks
	whichOf
	exception
	statements
	roman
	passage
	howMany
	howMuch
	rarity
	rarest
	rareWords
	rareShare
	optionMean
	optionLongest
	optionShortest
	optionSpread
	optionNumbers
	optionCapitals
	optionNegatives
	optionAbove
	optionSome
	optionLikeness
	optionFormulas
	optionShared
	optionWords
	optionVerdicts
	optionSums
	firstKind // one for each kind of word follows

	// Measures is how many there are.
	Measures = firstKind + wordKinds - 1
)

// MeasureName returns what a measure says of a text, as a few words.
func MeasureName(measure int) string {
	if measure >= firstKind {
		return kindNames[measure-firstKind+1]
	}
	return measureNames[measure]
}

// OfOptions reports whether a measure is one of the answers that are offered,
// and so the same for every task that offers none.
func OfOptions(measure int) bool { return optionMean <= measure && measure <= optionSums }

var measureNames = [firstKind]string{
	length: "length of the text", wordCount: "number of words", sentenceCount: "number of sentences",
	sentenceLength: "length of the sentences", wordLength: "length of the words", longWords: "share of long words",
	shortWords: "share of short words", numbers: "numbers in the text", differentNumbers: "different numbers",
	numberShare: "share of numbers", bigNumbers: "large numbers", digitShare: "share of digits", names: "names",
	nameShare: "share of names", capitals: "words in capitals", capitalShare: "share of capitals", letters: "single letters",
	variety: "variety of the words", differentWords: "different words", punctuation: "punctuation", operators: "operators",
	formulas: "formulas", foreign: "characters beyond ASCII", quotes: "quotes", brackets: "brackets", commas: "commas",
	commaShare: "share of commas", colons: "colons and semicolons", queries: "share of questions", noQuery: "no question mark",
	lines: "lines", latex: "LaTeX", dollars: "amounts of money", percents: "percentages", blanks: "a blank to fill",
	whichOf: "which of the following", exception: "asks for the exception", statements: "compares statements",
	roman: "numbered claims", passage: "refers to a passage", howMany: "asks how many", howMuch: "asks how much",
	rarity: "rarity of the words", rarest: "rarest word", rareWords: "rare words", rareShare: "share of rare words",
	optionMean: "length of the answers offered", optionLongest: "longest answer offered", optionShortest: "shortest answer offered",
	optionSpread: "unlike lengths of the answers", optionNumbers: "answers that are numbers", optionCapitals: "answers with capitals",
	optionNegatives: "answers that deny", optionAbove: "all or none of the answers", optionSome: "answers that combine claims",
	optionLikeness: "likeness of the answers", optionFormulas: "answers that are formulas", optionShared: "answers that repeat the question",
	optionWords: "answers of one word", optionVerdicts: "answers true or false", optionSums: "answers to be computed",
}

// The kinds of words that are counted.
const (
	kindNone = iota
	kindCondition
	kindComparison
	kindFraction
	kindRate
	kindTime
	kindRest
	kindDenial
	kindLogic
	kindReason
	kindAsk
	kindJudgement
	kindPerson
	kindLaw
	kindMath
	kindCode
	kindModal
	wordKinds
)

var kindNames = [wordKinds]string{
	kindCondition: "conditions", kindComparison: "comparisons", kindFraction: "fractions and multiples", kindRate: "rates and totals",
	kindTime: "times", kindRest: "what is left", kindDenial: "denials", kindLogic: "words of logic", kindReason: "asks why or how",
	kindAsk: "asks what or who", kindJudgement: "asks for the best", kindPerson: "persons", kindLaw: "words of law",
	kindMath: "words of mathematics", kindCode: "words of computing", kindModal: "may, should, must",
}

// kindOf returns the kind of a word in small letters. It is one switch, since
// that costs nothing when the program starts.
func kindOf(word string) int {
	switch word {
	case "if", "suppose", "assume", "assuming", "given", "unless", "whether", "let", "provided":
		return kindCondition
	case "more", "less", "than", "fewer", "greater", "larger", "smaller", "least", "higher", "lower":
		return kindComparison
	case "half", "third", "thirds", "quarter", "quarters", "twice", "thrice", "double", "doubled", "triple", "tripled", "percent",
		"fraction", "ratio", "halves", "times":
		return kindFraction
	case "per", "each", "every", "rate", "average", "total", "altogether", "apiece", "daily", "hourly", "weekly":
		return kindRate
	case "day", "days", "hour", "hours", "minute", "minutes", "week", "weeks", "month", "months", "year", "years", "second", "seconds":
		return kindTime
	case "left", "remaining", "rest", "remain", "remained", "after", "before", "then", "instead", "originally", "initially":
		return kindRest
	case "not", "no", "never", "none", "neither", "nor", "without", "cannot", "except":
		return kindDenial
	case "all", "some", "any", "only", "implies", "therefore", "because", "true", "false", "valid", "argument", "statement",
		"statements", "follows", "prove", "proof":
		return kindLogic
	case "why", "how":
		return kindReason
	case "what", "who", "when", "where", "which":
		return kindAsk
	case "best", "most", "likely", "primary", "primarily", "main", "major", "important", "correct":
		return kindJudgement
	case "he", "she", "they", "his", "her", "their", "him", "my", "me", "we", "our":
		return kindPerson
	case "court", "plaintiff", "defendant", "statute", "law", "liable", "contract", "damages", "action", "motion":
		return kindLaw
	case "equation", "function", "integer", "polynomial", "matrix", "vector", "probability", "derivative", "integral", "triangle",
		"prime", "graph", "group", "ring", "field", "set", "sum", "product", "number", "value", "compute", "calculate", "determine", "solve":
		return kindMath
	case "algorithm", "code", "program", "array", "list", "memory", "class", "method", "loop", "bit", "binary", "processor", "pointer", "hash":
		return kindCode
	case "may", "might", "could", "would", "should", "must", "can":
		return kindModal
	}
	return kindNone
}
