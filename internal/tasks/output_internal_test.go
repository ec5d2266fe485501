package tasks

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

// disk is a file on a disk with room for so many bytes.
type disk struct {
	bytes.Buffer
	room int
	// stuck fails Truncate, sync and closed fail those.
	stuck, sync, closed error
	writes, syncs       int
}

func (d *disk) Write(p []byte) (int, error) {
	d.writes++
	fits := min(len(p), d.room-d.Len())
	d.Buffer.Write(p[:fits])
	if fits < len(p) {
		return fits, syscall.ENOSPC
	}
	return fits, nil
}

func (d *disk) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekEnd {
		return 0, errors.ErrUnsupported
	}
	return int64(d.Len()), nil
}

func (d *disk) Truncate(size int64) error {
	if d.stuck == nil {
		d.Buffer.Truncate(int(size))
	}
	return d.stuck
}

func (d *disk) Sync() error { d.syncs++; return d.sync }

func (d *disk) close() error { return d.closed }

func TestFullDisk(t *testing.T) {
	d := &disk{room: 25}
	o := newOutput("out.jsonl", d, d, d.close)
	for _, line := range []string{`{"id":"a"}`, `{"id":"b"}`} {
		if err := o.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	first := o.Write([]byte(`{"id":"c"}`))
	if !errors.Is(first, syscall.ENOSPC) || !strings.Contains(first.Error(), "results cannot be written to out.jsonl: no space left") {
		t.Errorf("error = %v", first)
	}
	if later := o.Write([]byte(`1`)); !errors.Is(later, first) || d.writes != 3 {
		t.Errorf("a later write: %v, %d writes", later, d.writes)
	}
	if err := o.Close(); !errors.Is(err, first) || d.syncs != 1 {
		t.Errorf("Close = %v, %d syncs", err, d.syncs)
	}
	if got, want := d.String(), "{\"id\":\"a\"}\n{\"id\":\"b\"}\n"; got != want {
		t.Errorf("the file holds %q, want %q", got, want)
	}
}

func TestHalfALineThatCannotBeTakenBack(t *testing.T) {
	d := &disk{room: 4, stuck: errors.New("read-only now")}
	err := newOutput("out.jsonl", d, d, nil).Write([]byte(`{"id":"a"}`))
	if !errors.Is(err, syscall.ENOSPC) || !errors.Is(err, d.stuck) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error = %v", err)
	}
}

func TestAStreamIsNeverCut(t *testing.T) {
	d := &disk{room: 4}
	o := To(d)
	if err := o.Write([]byte(`{"id":"a"}`)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("error = %v", err)
	}
	if d.String() != `{"id` {
		t.Errorf("the stream got %q", d.String())
	}
	if _ = o.Close(); d.syncs != 0 {
		t.Error("a stream was synced")
	}
}

func TestClose(t *testing.T) {
	fault := errors.New("lost the server")
	for name, d := range map[string]*disk{"sync": {room: 100, sync: fault}, "close": {room: 100, closed: fault}} {
		o := newOutput("out.jsonl", d, d, d.close)
		if err := o.Write([]byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		first := o.Close()
		var e *llm.Error
		if !errors.As(first, &e) || e.Code != llm.CodeInternal || !errors.Is(first, fault) {
			t.Errorf("%s: Close = %v", name, first)
		}
		if err := o.Close(); !errors.Is(err, first) || d.syncs != 1 {
			t.Errorf("%s: Close again = %v", name, err)
		}
	}
	o := To(io.Discard)
	if err := errors.Join(o.Close(), o.Close()); err != nil {
		t.Error(err)
	}
	if err := o.Write([]byte(`{}`)); err == nil {
		t.Error("a write after Close is no error")
	}
}

// short writes less than it was given and sees nothing wrong with that.
type short struct{}

func (short) Write(p []byte) (int, error) { return len(p) - 1, nil }

func TestShortWriteIsAnError(t *testing.T) {
	if err := To(short{}).Write([]byte(`{}`)); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("error = %v", err)
	}
}

func TestALongLineKeepsNoBuffer(t *testing.T) {
	o := To(io.Discard)
	if err := o.Write(make([]byte, 2*keep)); err != nil || o.line != nil {
		t.Errorf("%v; %d bytes are kept", err, cap(o.line))
	}
}

// TestASlowReader has writers wait for a pipe in a bubble: none of them may
// wait on a lock.
func TestASlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		o := To(w)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if err := o.Write([]byte(`{"id":"a"}`)); err != nil {
					t.Error(err)
				}
			})
		}
		got := 0
		for range 10 {
			time.Sleep(time.Second)
			line := make([]byte, 100)
			n, err := r.Read(line)
			if err != nil || string(line[:n]) != "{\"id\":\"a\"}\n" {
				t.Fatalf("read %q, %v", line[:n], err)
			}
			got++
		}
		wg.Wait()
		if got != 10 {
			t.Errorf("%d lines", got)
		}
	})
}
