package project

import "time"

// SetClock replaces the clock that decides which stamps are trusted.
func (p *Project) SetClock(now func() time.Time) { p.src.now = now }
