package memory

// ParseForeign reads a row of another program, whose fields are these.
var (
	ParseForeign   = parseForeign
	ForeignColumns = foreignColumns
)

// KeptBlocks is how many blocks of the side file are in memory.
func (m *Memory) KeptBlocks() int {
	m.mu.Lock()
	x := m.index
	m.mu.Unlock()
	if x == nil {
		return 0
	}
	x.turn <- struct{}{}
	defer func() { <-x.turn }()
	n := 0
	for _, b := range x.kept {
		if b != nil {
			n++
		}
	}
	return n
}

// GiveBack does what the timer would.
func (m *Memory) GiveBack() { m.index.giveBack() }
