package tasks_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/claude-force/claude-force/internal/tasks"
)

func BenchmarkReader(b *testing.B) {
	const lines = 10_000
	var file bytes.Buffer
	for i := range lines {
		fmt.Fprintf(&file, `{"id":"task-%d","agent":"code-reviewer","task":"Review the change number %d of the parser.","model":"haiku"}`+"\n", i, i)
	}
	b.SetBytes(int64(file.Len() / lines))
	b.ReportAllocs()
	n := 0
	for n < b.N {
		r := tasks.NewReader(bytes.NewReader(file.Bytes()))
		for ; ; n++ {
			line, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || line.Err != nil {
				b.Fatal(err, line.Err)
			}
		}
	}
}

func BenchmarkSeen(b *testing.B) {
	ids := make([]string, 1<<16)
	for i := range ids {
		ids[i] = fmt.Sprintf("task-%d", i)
	}
	var seen tasks.Seen
	b.ReportAllocs()
	for i := range b.N {
		seen.Add(ids[i%len(ids)])
	}
}

func BenchmarkResume(b *testing.B) {
	const lines = 10_000
	var file bytes.Buffer
	for i := range lines {
		fmt.Fprintf(&file, `{"id":"task-%d","run_id":"01a","agent":"code-reviewer","success":%v,"output":"%s","usage":{"input_tokens":1,"output_tokens":2},"error":null}`+"\n", i, i%2 == 0, strings.Repeat("An answer of some length.\\n", 20))
	}
	for name, retry := range map[string]bool{"held": false, "retried": true} {
		b.Run(name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "out.jsonl")
			b.SetBytes(int64(file.Len()))
			for b.Loop() {
				b.StopTimer()
				if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				out, _, err := tasks.Resume(path, retry)
				if err != nil {
					b.Fatal(err)
				}
				out.Close()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/lines, "ns/line")
		})
	}
}
