package project

import (
	"io/fs"
	"time"
)

// How long after its last change a file is trusted to get another stamp when it
// changes again: more than the tick of the file system's clock. That of FAT
// ticks every two seconds; the clocks that count finer than milliseconds are
// moved on by the kernel every ten milliseconds at most.
const (
	coarseTick = 3 * time.Second
	fineTick   = 100 * time.Millisecond
)

// stamp tells cheaply whether a file or folder was touched. The zero stamp is
// that of something which is not there.
type stamp struct {
	mode     fs.FileMode
	size     int64
	modified int64 // nanoseconds since 1970
	changed  int64 // the same; 0 where the system does not tell
	device   uint64
	inode    uint64
}

func stampOf(info fs.FileInfo) stamp {
	s := stamp{mode: info.Mode(), size: info.Size(), modified: info.ModTime().UnixNano()}
	s.identify(info)
	return s
}

// settled reports whether a stamp vouches for what is read at a time or later:
// any change after that must show in the stamp.
func (s stamp) settled(at time.Time) bool {
	last, tick := max(s.modified, s.changed), coarseTick
	if last%int64(time.Millisecond) != 0 {
		tick = fineTick
	}
	return at.UnixNano()-last > int64(tick)
}
