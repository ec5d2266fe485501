package memory

// ParseForeign reads a row of another program, whose fields are these.
var (
	ParseForeign   = parseForeign
	ForeignColumns = foreignColumns
)
