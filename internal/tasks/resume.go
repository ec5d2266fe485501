package tasks

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// Held is what a file of results holds already.
type Held struct {
	// IDs are the ids that have a result.
	IDs Seen
	// Lines are the numbers of broken lines without an id that have one.
	Lines map[int64]bool
	// Whole is how many results there are, Foreign how many lines that are no
	// results; both stay.
	Whole, Foreign int64
	// Torn is 1 where the last line was half a result and was cut off, Dropped
	// how many failed results were taken out; neither is held.
	Torn, Dropped int64
}

// Resume opens path to add results to those it holds; a file that is missing
// holds none. A last line that was cut in the middle goes, one that only lacks
// its newline gets it. With retryFailed, results that are no success are taken
// out as well, so that their tasks run again: the file is then written anew
// beside itself and put in its place whole. Memory grows with the ids only.
//
// A result is a JSON object with an id, or with a null id and a line. It failed
// where its success is not true or, without success, where it has an error.
// Whatever else the file holds is kept. Errors are *[llm.Error]; with one, the
// file has lost nothing that was whole.
func Resume(path string, retryFailed bool) (*Output, *Held, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return resumed(path, &Held{})
	case err != nil:
		return nil, nil, cannotOpen(err)
	case !info.Mode().IsRegular():
		return nil, nil, cannotOpen(fmt.Errorf("%s is no regular file, and only such a file can be resumed", path))
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // a link keeps pointing where it did
	}
	held, err := mend(path, info.Mode().Perm(), retryFailed)
	if err != nil {
		return nil, nil, cannotOpen(err)
	}
	return resumed(path, held)
}

func resumed(path string, held *Held) (*Output, *Held, error) {
	out, err := open(path, 0)
	if err != nil {
		return nil, nil, err
	}
	return out, held, nil
}

// mend makes path a file of whole lines and tells what it holds.
func mend(path string, mode fs.FileMode, retryFailed bool) (*Held, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	without := &rewrite{path: path, from: f}
	defer without.abandon()
	held := &Held{Lines: map[int64]bool{}}
	end, open, err := held.scan(f, retryFailed, without.drop)
	switch {
	case err != nil:
		return nil, err
	case held.Dropped > 0:
		if err := without.finish(end, open, mode); err != nil {
			return nil, err
		}
		_ = f.Close() // some systems rename no file that is open
		return held, without.replace()
	}
	if held.Torn > 0 {
		err = f.Truncate(end)
	}
	if err == nil && open {
		_, err = f.WriteAt([]byte("\n"), end)
	}
	return held, err
}

// scan reads results to their end. It returns the offset behind the last line
// that stays, and whether that line lacks its newline. Failed results are
// dropped where that is asked for.
func (h *Held) scan(r io.Reader, retryFailed bool, drop func(start, end int64) error) (end int64, open bool, err error) {
	lines := newLines(r, MaxLine)
	for {
		ln, err := lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return end, open, nil
		case err != nil:
			return 0, false, fmt.Errorf("read the results so far: %w", err)
		case ln.torn():
			h.Torn++
			return end, false, nil
		}
		if failed := h.take(ln, retryFailed); failed {
			h.Dropped++
			if err := drop(ln.start, ln.end); err != nil {
				return 0, false, err
			}
			open = false
		} else {
			open = ln.open
		}
		end = ln.end
	}
}

// torn reports whether the line is the beginning of a result that was never
// written to its end.
func (ln line) torn() bool {
	return ln.open && !ln.cut && bytes.HasPrefix(ln.text, []byte("{")) && !json.Valid(ln.text)
}

// take counts a line. With retryFailed it returns true for a failed result,
// which is then not held.
func (h *Held) take(ln line, retryFailed bool) (drop bool) {
	if ln.blank() {
		return false
	}
	r, ok := readResult(ln)
	switch {
	case !ok:
		h.Foreign++
		return false
	case retryFailed && r.failed:
		return true
	case r.id.Text != "":
		h.IDs.Add(r.id.Text)
	default:
		h.Lines[r.line] = true
	}
	h.Whole++
	return false
}

// result is what a line of the output says about its task.
type result struct {
	id ID
	// line is the number of a broken line, where there is no id.
	line   int64
	failed bool
}

// readResult reads a result, or reports that the line is none. Only what says
// so has failed: a line without "success" and "error" may be anything.
func readResult(ln line) (r result, ok bool) {
	if faultOf(ln) != "" {
		return r, false
	}
	var t Task
	success, failure := []byte(nil), []byte("null")
	for name, value := range members(ln.text) {
		switch string(name) {
		case "id":
			t.setID(value)
		case "line":
			r.line, _ = strconv.ParseInt(string(value), 10, 64) // what is no number is no line
		case "success":
			success = value
		case "error":
			failure = value
		}
	}
	r.id = t.ID
	if success != nil {
		r.failed = string(success) != "true"
	} else {
		r.failed = !isNull(failure)
	}
	return r, r.id.Text != "" || r.line > 0
}

// rewrite copies a file without some of its parts to a new one beside it.
type rewrite struct {
	path string
	from io.ReaderAt
	// at is the offset up to which from was copied or dropped.
	at int64
	// temp is the new file, nil until something is dropped.
	temp *os.File
	to   *bufio.Writer
}

// drop leaves out the bytes from start to end. Calls go up the file.
func (r *rewrite) drop(start, end int64) error {
	if r.temp == nil {
		temp, err := os.CreateTemp(filepath.Dir(r.path), ".claude-force-*")
		if err != nil {
			return err
		}
		r.temp, r.to = temp, bufio.NewWriterSize(temp, chunk)
	}
	err := r.copyTo(start)
	r.at = end
	return err
}

func (r *rewrite) copyTo(end int64) error {
	_, err := io.Copy(r.to, io.NewSectionReader(r.from, r.at, end-r.at))
	return err
}

// finish copies what is left up to end and makes the new file durable.
func (r *rewrite) finish(end int64, newline bool, mode fs.FileMode) error {
	err := r.copyTo(end)
	if err == nil && newline {
		err = r.to.WriteByte('\n')
	}
	if err == nil {
		err = r.to.Flush()
	}
	if err == nil {
		err = r.temp.Chmod(mode)
	}
	if err == nil {
		err = r.temp.Sync()
	}
	if closeErr := r.temp.Close(); err == nil {
		err = closeErr
	}
	return err
}

// replace puts the new file in the old one's place.
func (r *rewrite) replace() error {
	if err := os.Rename(r.temp.Name(), r.path); err != nil {
		return err
	}
	r.temp = nil
	if folder, err := os.Open(filepath.Dir(r.path)); err == nil {
		_ = folder.Sync() // not every system can; the rename holds all the same
		_ = folder.Close()
	}
	return nil
}

// abandon removes a new file that took nobody's place.
func (r *rewrite) abandon() {
	if r.temp != nil {
		_ = r.temp.Close()
		_ = os.Remove(r.temp.Name())
	}
}
