package batch

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"

	"github.com/claude-force/claude-force/internal/llm"
)

const spoolPrefix = "batch-"

// spool is the file of the batch that is being filled: the body that will
// create it.
type spool struct {
	record Record
	file   *os.File
	buf    *bufio.Writer
	body   *llm.BatchWriter
}

func createSpool(dir string, r Record) (*spool, error) {
	f, err := os.OpenFile(filepath.Join(dir, r.Spool), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	buf := bufio.NewWriterSize(f, 256<<10)
	return &spool{record: r, file: f, buf: buf, body: llm.NewBatchWriter(buf)}, nil
}

// fits reports whether an item has room beside those that are there.
func (s *spool) fits(item llm.BatchItem, maxRequests int, maxBytes int64) bool {
	return s.body.Count() < maxRequests && s.body.Bytes()+item.Size() <= maxBytes
}

// seal ends the file. When it returns without an error the file is on disk,
// whatever happens to the machine.
func (s *spool) seal() error {
	err := s.body.Close()
	if err == nil {
		err = s.buf.Flush()
	}
	if err == nil {
		err = s.file.Sync()
	}
	if err = errors.Join(err, s.file.Close()); err != nil {
		return err
	}
	return syncDir(filepath.Dir(s.file.Name()))
}

// abandon closes a file that will not be used.
func (s *spool) abandon() { _ = s.file.Close() }

// syncDir makes the names in a folder durable. Systems that cannot do that to
// a folder do it by themselves.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	_ = d.Sync()
	return nil
}

// spoolIsWhole reports whether the file of a prepared batch is all there.
func spoolIsWhole(dir string, r Record) bool {
	info, err := os.Lstat(filepath.Join(dir, filepath.Base(r.Spool)))
	return err == nil && info.Mode().IsRegular() && info.Size() == r.Bytes
}

// openSpool opens the file of a prepared batch, or returns nil where it is
// gone or not whole.
func openSpool(dir string, r Record) *os.File {
	if !spoolIsWhole(dir, r) {
		return nil
	}
	f, err := os.Open(filepath.Join(dir, filepath.Base(r.Spool)))
	if err != nil {
		return nil
	}
	return f
}

// removeSpool removes a file that is of no use any more. One that stays is
// removed by a later session.
func removeSpool(dir, name string) { _ = os.Remove(filepath.Join(dir, filepath.Base(name))) }
