package llm_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/claude-force/claude-force/internal/llm"
)

func TestBatchWriter(t *testing.T) {
	for n := range 4 {
		var buf bytes.Buffer
		w := llm.NewBatchWriter(&buf)
		for i := range n {
			item := llm.BatchItem{ID: fmt.Sprintf("cf-%d", i), Request: llm.New(llm.Params{Model: "m", MaxTokens: 9}, llm.Labels{})}
			before := w.Bytes()
			if err := w.Add(item); err != nil {
				t.Fatal(err)
			}
			if more := w.Bytes() - before; more > item.Size() || more < item.Size()-1 {
				t.Errorf("item %d has %d bytes, Size says %d", i, more, item.Size())
			}
		}
		said := w.Bytes()
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if w.Count() != n || w.Bytes() != int64(buf.Len()) || said != w.Bytes() {
			t.Errorf("%d items: Count %d, Bytes %d and then %d, %d were written", n, w.Count(), said, w.Bytes(), buf.Len())
		}
		var got struct {
			Requests []struct {
				ID     string          `json:"custom_id"`
				Params json.RawMessage `json:"params"`
			} `json:"requests"`
		}
		if err := json.Unmarshal(buf.Bytes(), &got); err != nil || len(got.Requests) != n {
			t.Fatalf("%s: %v", buf.Bytes(), err)
		}
		for i, r := range got.Requests {
			if r.ID != fmt.Sprintf("cf-%d", i) || string(r.Params) != `{"model":"m","max_tokens":9,"messages":[]}` {
				t.Errorf("item %d is %s %s", i, r.ID, r.Params)
			}
		}
	}
}

type failing struct{ after int }

func (f *failing) Write(p []byte) (int, error) {
	if f.after -= len(p); f.after < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestBatchWriterReportsErrors(t *testing.T) {
	item := llm.BatchItem{ID: "a", Request: llm.New(llm.Params{Model: strings.Repeat("m", 100)}, llm.Labels{})}
	w := llm.NewBatchWriter(&failing{after: 200})
	if err := errors.Join(w.Add(item), w.Add(item)); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("Add = %v", err)
	}
	if err := llm.NewBatchWriter(&failing{}).Close(); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("Close = %v", err)
	}
}
