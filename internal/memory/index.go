package memory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

const (
	// pageSize is how many vectors are read at a time.
	pageSize = 4096
	// flushAt is how many vectors are worth a write to the side file.
	flushAt = 64
	// mostKept bounds the blocks that stay in memory, in bytes: those of some
	// 1.4 million sessions.
	mostKept = 128 << 20
)

// index finds what is near by its signs. The rows are the truth: what the side
// file does not hold yet is read from them and kept in memory until it is worth
// a write. A file that is missing, damaged or another database's is made again
// from the rows; one that cannot be used is left alone, and memory holds all.
type index struct {
	layout
	store Store
	space string
	path  string // empty: in memory only
	warn  func(error)
	now   func() time.Time

	// turn is held by whoever uses what follows.
	turn   chan struct{}
	origin *origin     // nil until it was asked for
	file   *os.File    // nil: there is none
	info   fs.FileInfo // of the file as it was read last
	blocks int         // of the file
	// verified is how many of the blocks were found sound. They do not change
	// any more.
	verified int
	seen     int64  // the last number in the file or the tail
	tail     []byte // packed entries that follow those of the file
	// kept are full blocks of the file that were read before, from the second
	// search on: who searches once is better off without them.
	kept     kept
	searched bool
	used     time.Time
	idle     time.Duration // after which kept is given back; 0: never
	alarm    *time.Timer   // nil while nothing is kept
}

// kept are the entries of blocks by the blocks' places, nil for those that are
// not in memory.
type kept [][]byte

func (k kept) at(block int) []byte {
	if block < len(k) {
		return k[block]
	}
	return nil
}

// newIndex returns the index of a space. The files' names begin with prefix; an
// empty one keeps everything in memory.
func newIndex(store Store, space, prefix string, words int) *index {
	x := &index{layout: layout{words}, store: store, space: space, turn: make(chan struct{}, 1)}
	if prefix != "" {
		sum := sha256.Sum256([]byte(space))
		x.path = prefix + "-" + hex.EncodeToString(sum[:4]) + ".index"
	}
	return x
}

func (x *index) take(ctx context.Context) error {
	select {
	case x.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (x *index) close(ctx context.Context) error {
	if err := x.take(ctx); err != nil {
		return err
	}
	defer func() { <-x.turn }()
	x.drop()
	if x.alarm != nil {
		x.alarm.Stop()
	}
	return nil
}

// keepBlocks makes room for what is read from now on.
func (x *index) keepBlocks(now time.Time) {
	x.used = now
	if !x.searched {
		x.searched = true
		return
	}
	most := min(max(x.blocks-1, 0), mostKept/x.block())
	for len(x.kept) < most {
		x.kept = append(x.kept, nil)
	}
	if x.idle > 0 && x.alarm == nil && most > 0 {
		x.alarm = time.AfterFunc(x.idle, x.giveBack)
	}
}

// giveBack lets go of the blocks where no search has used them for long
// enough. A search that is under way uses them.
func (x *index) giveBack() {
	select {
	case x.turn <- struct{}{}:
	default:
		x.alarm.Reset(x.idle)
		return
	}
	defer func() { <-x.turn }()
	if left := x.idle - x.now().Sub(x.used); left > 0 {
		x.alarm.Reset(left)
		return
	}
	x.kept, x.searched, x.alarm = nil, false, nil
}

// nearest returns the entries that are nearest to words, at most so many.
func (x *index) nearest(ctx context.Context, words []uint64, s sieve, most int) ([]candidate, error) {
	if err := x.take(ctx); err != nil {
		return nil, err
	}
	defer func() { <-x.turn }()
	const tries = 3 // another process may be writing the last block
	for try := 0; ; try++ {
		if err := x.sync(ctx); err != nil {
			return nil, err
		}
		x.keepBlocks(x.now())
		n := newNearest(words, s, most)
		err := n.scanFile(x.file, x.blocks, x.verified, x.kept)
		if err == nil {
			x.verified = max(x.blocks-1, 0) // the last one will change
			n.scan(x.tail)
			return n.cut(), nil
		}
		switch {
		case try < tries:
			x.drop()
		case try == tries && errors.Is(err, errDamaged):
			if err := x.rebuild(ctx, true); err != nil {
				return nil, err
			}
		default:
			x.abandon(err)
		}
	}
}

// again makes the side file from the rows, whatever it holds.
func (x *index) again(ctx context.Context) error {
	if err := x.take(ctx); err != nil {
		return err
	}
	defer func() { <-x.turn }()
	if err := x.identify(ctx); err != nil {
		return err
	}
	return x.rebuild(ctx, true)
}

// identify finds out what database this is.
func (x *index) identify(ctx context.Context) error {
	if x.origin != nil {
		return nil
	}
	store, _, err := x.store.Origin(ctx)
	if err == nil {
		x.origin = &origin{store, x.space}
	}
	return err
}

// sync follows the file and the rows.
func (x *index) sync(ctx context.Context) error {
	if err := x.identify(ctx); err != nil {
		return err
	}
	if _, err := x.follow(ctx); err != nil {
		if !errors.Is(err, errDamaged) {
			return err
		}
		if err := x.rebuild(ctx, false); err != nil {
			return err
		}
	}
	for {
		list, err := x.store.VectorsAfter(ctx, x.space, x.seen, pageSize)
		if err != nil {
			return err
		}
		x.pack(list)
		overtaken := false
		if x.path != "" && len(x.tail) >= flushAt*x.entry() {
			overtaken, err = x.flush(ctx)
			if errors.Is(err, errDamaged) {
				err = x.rebuild(ctx, false)
			}
			if err != nil {
				return err
			}
		}
		if len(list) < pageSize && !overtaken {
			return nil
		}
	}
}

// pack adds rows to the tail. What has other dimensions cannot be compared.
func (x *index) pack(list []Vector) {
	for i := range list {
		v := &list[i]
		x.seen = v.Number
		if (len(v.Codes)+63)/64 == x.words {
			x.tail = x.appendEntry(x.tail, v)
		}
	}
}

// follow notices that the file has grown, was replaced or is gone, and then
// begins after what it holds now. It returns errDamaged for one that must be
// made again.
func (x *index) follow(ctx context.Context) (changed bool, err error) {
	if x.path == "" {
		return false, nil
	}
	info, err := os.Stat(x.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if x.file == nil {
			return false, nil
		}
		x.drop()
		return true, nil
	case err == nil && x.file != nil && os.SameFile(info, x.info) && info.Size() == x.info.Size() && info.ModTime().Equal(x.info.ModTime()):
		return false, nil
	case err == nil:
		grown := x.kept // a block that is full stays as it is
		if x.file == nil || !os.SameFile(info, x.info) {
			grown = nil
		}
		x.drop()
		err = x.open(ctx)
		x.kept = grown[:min(len(grown), max(x.blocks-1, 0))]
	}
	if err != nil && !errors.Is(err, errDamaged) && ctx.Err() == nil {
		x.abandon(err)
		err = nil
	}
	return true, err
}

// open reads the ends of the file.
func (x *index) open(ctx context.Context) error {
	f, err := os.OpenFile(x.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	x.file = f
	header := make([]byte, headerSize)
	if n, _ := f.ReadAt(header, 0); n < headerSize {
		return errDamaged
	}
	l, err := x.origin.readHeader(header)
	if err != nil {
		return err
	}
	if l != x.layout {
		return errDamaged
	}
	if x.info, err = f.Stat(); err != nil {
		return err
	}
	size := x.info.Size() - headerSize
	x.blocks = int((size + int64(x.block()) - 1) / int64(x.block()))
	if x.blocks == 0 {
		return nil
	}
	entries, err := x.readBlock(f, x.blocks-1, make([]byte, x.block()), true)
	if err != nil {
		return err
	}
	x.seen = x.number(entries[len(entries)-x.entry():])
	// A database that was put back from a copy has not given these numbers yet.
	_, highest, err := x.store.Origin(ctx)
	if err == nil && x.seen > highest {
		err = errDamaged
	}
	return err
}

// drop lets go of the file and begins anew.
func (x *index) drop() {
	if x.file != nil {
		_ = x.file.Close()
	}
	x.file, x.info, x.blocks, x.verified, x.seen, x.tail, x.kept = nil, nil, 0, 0, 0, nil, nil
}

// abandon goes on in memory alone.
func (x *index) abandon(err error) {
	x.warn(fmt.Errorf("the search in past sessions works without its side file, which costs memory and time: %w", err))
	x.drop()
	x.path = ""
}

// errLocked says that another process is writing the file.
var errLocked = errors.New("another process is writing the side file of the memory")

// flush writes the tail to the file, unless another process is writing; then
// it stays in memory. overtaken says that another process has written before,
// so that the tail begins after that.
func (x *index) flush(ctx context.Context) (overtaken bool, err error) {
	unlock, err := lockFile(x.path + ".lock")
	switch {
	case errors.Is(err, errLocked):
		return false, nil
	case err != nil:
		x.abandon(err)
		return true, nil
	}
	defer unlock()
	if changed, err := x.follow(ctx); changed || err != nil {
		return true, err
	}
	if x.file == nil {
		if x.file, err = x.create(x.path); err != nil {
			x.abandon(err)
			return true, nil
		}
	}
	blocks, err := x.write(x.file, x.blocks, x.tail)
	if err == nil {
		x.info, err = x.file.Stat()
	}
	if err != nil {
		x.restore()
		x.abandon(err)
		return true, nil
	}
	x.blocks, x.tail = blocks, nil
	return false, nil
}

// restore takes back a write that failed half-way.
func (x *index) restore() {
	if x.info != nil {
		_ = x.file.Truncate(x.info.Size()) // what is cut wrong is found damaged
		return
	}
	_ = os.Remove(x.path)
}

// create makes a file without entries, and replaces one that is there.
func (x *index) create(path string) (*os.File, error) {
	_ = os.Remove(path) // what cannot be removed is met next
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(x.origin.header(x.layout)); err != nil {
		_, _ = f.Close(), os.Remove(path)
		return nil, err
	}
	return f, nil
}

// write adds packed entries to a file of so many blocks, and returns of how
// many it is then.
func (x *index) write(f *os.File, blocks int, entries []byte) (int, error) {
	buf := make([]byte, blockHeader, x.block())
	if blocks > 0 {
		last, err := x.readBlock(f, blocks-1, make([]byte, x.block()), true)
		if err != nil {
			return 0, err
		}
		if len(last) < blockEntries*x.entry() {
			buf = append(buf, last...)
			blocks--
		}
	}
	for len(entries) > 0 {
		n := min(len(entries), x.block()-len(buf))
		buf, entries = append(buf, entries[:n]...), entries[n:]
		x.seal(buf)
		if _, err := f.WriteAt(buf, x.offset(blocks)); err != nil {
			return 0, err
		}
		blocks++
		buf = buf[:blockHeader]
	}
	return blocks, nil
}

// rebuild makes the file from the rows and puts it in the place of the other.
// One whose ends are sound may have been written to while it was read: it
// stays, unless always is set.
func (x *index) rebuild(ctx context.Context, always bool) error {
	x.drop()
	if x.path == "" {
		return nil // the next search reads the rows
	}
	unlock, err := x.lock(ctx)
	if err == nil {
		defer unlock()
		if err = x.open(ctx); !errors.Is(err, errNewer) && (always || err != nil) {
			x.drop()
			err = x.replace(ctx)
		}
	}
	if err != nil && ctx.Err() == nil {
		x.abandon(err)
		err = nil
	}
	return err
}

// lock waits for another process, for a while.
func (x *index) lock(ctx context.Context) (unlock func(), err error) {
	for range 200 {
		unlock, err = lockFile(x.path + ".lock")
		if !errors.Is(err, errLocked) {
			return unlock, err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return nil, err
}

func (x *index) replace(ctx context.Context) error {
	path := x.path + ".new"
	f, err := x.create(path)
	if err != nil {
		return err
	}
	err = errors.Join(x.writeAll(ctx, f), f.Close())
	if err == nil {
		err = os.Rename(path, x.path)
	}
	if err != nil {
		_ = os.Remove(path)
		return err
	}
	x.drop()
	return x.open(ctx)
}

func (x *index) writeAll(ctx context.Context, f *os.File) error {
	blocks := 0
	for {
		list, err := x.store.VectorsAfter(ctx, x.space, x.seen, pageSize)
		if err != nil {
			return err
		}
		x.tail = x.tail[:0]
		x.pack(list)
		if len(x.tail) > 0 {
			if blocks, err = x.write(f, blocks, x.tail); err != nil {
				return err
			}
		}
		if len(list) < pageSize {
			return nil
		}
	}
}
