package memory

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"time"
)

// The side file is a header and blocks of one size. A block is a header of its
// own and up to blockEntries entries in ascending order of their numbers; only
// the last one may have room left. Integers are little-endian.
//
//	file header   "cfmemory", version 4, words 4, store 16, space 16, CRC-32 4
//	block header  CRC-32 of what follows it 4, entries 4, number of the last 8
//	entry         sign bits 8 × words, number × 2 + succeeded 8,
//	              hashes of agent 4, project 4 and task 4, seconds since 1970 4
//
// Hashes of names let a few too many through, which the rows tell apart. That
// of a task that is not wanted leaves out another one in four billion.
const (
	formatVersion = 1
	headerSize    = 52
	blockHeader   = 16
	blockEntries  = 1024
	fieldsSize    = 24
)

var (
	errDamaged = errors.New("the side file of the memory is damaged")
	errNewer   = errors.New("the side file of the memory was made by a newer version of claude-force")
)

// layout is what follows from the dimensions.
type layout struct{ words int }

func (l layout) entry() int { return l.words*8 + fieldsSize }
func (l layout) block() int { return blockHeader + blockEntries*l.entry() }

// offset is where a block begins.
func (l layout) offset(block int) int64 { return headerSize + int64(block)*int64(l.block()) }

// origin is what a side file belongs to.
type origin struct {
	store [16]byte
	space string
}

func (o *origin) header(l layout) []byte {
	b := make([]byte, 0, headerSize)
	b = append(b, "cfmemory"...)
	b = binary.LittleEndian.AppendUint32(b, formatVersion)
	b = binary.LittleEndian.AppendUint32(b, uint32(l.words))
	b = append(b, o.store[:]...)
	space := sha256.Sum256([]byte(o.space))
	b = append(b, space[:16]...)
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// readHeader returns the layout of a file that belongs to o.
func (o *origin) readHeader(b []byte) (layout, error) {
	if len(b) != headerSize || string(b[:8]) != "cfmemory" {
		return layout{}, errDamaged
	}
	if binary.LittleEndian.Uint32(b[8:]) > formatVersion {
		return layout{}, errNewer // the rest may mean anything
	}
	l := layout{int(binary.LittleEndian.Uint32(b[12:]))}
	if l.words < 1 || l.words > maxDimensions/64 || !bytes.Equal(b, o.header(l)) {
		return layout{}, errDamaged
	}
	return l, nil
}

// appendEntry packs a vector.
func (l layout) appendEntry(b []byte, v *Vector) []byte {
	for _, w := range signs(v.Codes) {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	number := uint64(v.Number) << 1
	if v.Succeeded {
		number |= 1
	}
	b = binary.LittleEndian.AppendUint64(b, number)
	for _, hash := range []uint64{v.Agent, v.Project, v.Task} {
		b = binary.LittleEndian.AppendUint32(b, uint32(hash))
	}
	return binary.LittleEndian.AppendUint32(b, seconds(time.UnixMilli(v.At)))
}

// number is that of a packed entry.
func (l layout) number(entry []byte) int64 {
	return int64(binary.LittleEndian.Uint64(entry[l.words*8:]) >> 1)
}

// seconds rounds down, to what fits.
func seconds(t time.Time) uint32 { return uint32(min(max(t.Unix(), 0), math.MaxUint32)) }

// seal makes a block of packed entries: it fills in the header of b, which
// stands before them.
func (l layout) seal(b []byte) {
	count := (len(b) - blockHeader) / l.entry()
	binary.LittleEndian.PutUint32(b[4:], uint32(count))
	binary.LittleEndian.PutUint64(b[8:], uint64(l.number(b[len(b)-l.entry():])))
	binary.LittleEndian.PutUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// open returns the entries of a block, of which b may hold more than is used.
func (l layout) open(b []byte, verify bool) ([]byte, error) {
	if len(b) < blockHeader {
		return nil, errDamaged
	}
	count := binary.LittleEndian.Uint32(b[4:])
	if count == 0 || count > blockEntries || blockHeader+int(count)*l.entry() > len(b) {
		return nil, errDamaged
	}
	b = b[:blockHeader+int(count)*l.entry()]
	if verify && crc32.ChecksumIEEE(b[4:]) != binary.LittleEndian.Uint32(b) {
		return nil, errDamaged
	}
	return b[blockHeader:], nil
}
