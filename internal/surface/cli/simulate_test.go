package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/claude-force/claude-force/internal/surface/cli"
)

// The simulator as a server of its own: it says where it is, answers, injects
// its fault, and ends in order.
func TestSimulateServe(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	read, write := io.Pipe()
	var stderr bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- cli.Main(ctx, []string{"simulate", "serve", "--addr", "127.0.0.1:0", "--fault", "status=529,first=1", "--json"}, cli.Streams{In: strings.NewReader(""), Out: write, Err: &stderr})
		_ = write.Close()
	}()
	line, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var said struct{ URL string }
	if err := json.Unmarshal([]byte(line), &said); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	for _, want := range []int{529, http.StatusOK} {
		body := `{"model":"claude-haiku-5-5","max_tokens":50,"messages":[{"role":"user","content":"[[say hi]]"}]}`
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, said.URL+"/v1/messages", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Api-Key", "any")
		req.Header.Set("Anthropic-Version", "2023-06-01")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		data, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("status %d, want %d: %s", res.StatusCode, want, data)
		}
	}
	cancel()
	if got := <-code; got != 0 || stderr.Len() > 0 {
		t.Errorf("exit %d, stderr %q", got, stderr.String())
	}
}
