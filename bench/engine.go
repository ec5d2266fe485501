package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	claudeforce "github.com/claude-force/claude-force"
)

// settle is how long after its last change a file's time stamp is trusted
// where the file system's clock is fine. A project that was written a moment
// ago is read again and again until then; the projects of users are older.
const settle = 150 * time.Millisecond

// EngineOptions say what an engine is measured with.
type EngineOptions struct {
	// URL is the server's; Transport, where set, answers in its place.
	URL       string
	Transport http.RoundTripper
	Question  *Question
	// Ledger keeps runs and exchanges, in a file; Cache keeps answers.
	Ledger, Cache bool
	// Memory brings past work into the prompts, and keeps the answers for it.
	Memory bool
}

// OpenEngine returns an engine on a project of one agent as a peer. Both the
// project and the state are in a folder that goes when the peer is closed.
func OpenEngine(o EngineOptions) (*Peer, error) {
	dir, err := os.MkdirTemp("", "claude-force-bench-")
	if err != nil {
		return nil, err
	}
	remove := func() error { return os.RemoveAll(dir) }
	if err := writeAgents(dir, 1, o.Question.System); err != nil {
		return nil, errors.Join(err, remove())
	}
	<-time.After(settle)
	environment := map[string]string{
		"HOME": filepath.Join(dir, "home"), "CLAUDE_FORCE_HOME": filepath.Join(dir, "home"), "ANTHROPIC_API_KEY": "bench",
	}
	settings := map[string]string{
		"tracking": strconv.FormatBool(o.Ledger), "cache.enabled": strconv.FormatBool(o.Cache), "memory": "off",
		// What is compared makes its calls at once; auto would begin with ten.
		"concurrency": "20000",
	}
	if o.URL != "" {
		settings["api.base_url"] = o.URL
	}
	if o.Memory {
		settings["memory"] = "on"
	}
	engine, err := claudeforce.Open(claudeforce.Options{
		Dir: dir, Settings: settings, Transport: o.Transport,
		Getenv: func(name string) string { return environment[name] },
	})
	if err != nil {
		return nil, errors.Join(err, remove())
	}
	var asked atomic.Uint64
	call := func(ctx context.Context) (string, error) {
		task := o.Question.Task()
		if o.Cache { // short windows on the text repeat
			task = strconv.FormatUint(asked.Add(1), 10) + ". " + task
		}
		result, err := engine.Run(ctx, claudeforce.Run{Agent: agentName(1), Task: task})
		if err != nil {
			return "", err
		}
		if len(result.Warnings) > 0 && !o.Memory || result.Attempts != 1 {
			return "", fmt.Errorf("%d exchanges were made; warnings: %q", result.Attempts, result.Warnings)
		}
		return result.Output, nil
	}
	return &Peer{Name: Engine, Call: call, Close: func() error { return errors.Join(engine.Close(), remove()) }}, nil
}

func agentName(i int) string { return fmt.Sprintf("reviewer-%02d", i) }

// writeAgents makes dir a project of n agents with this definition.
func writeAgents(dir string, n int, definition string) error {
	agents := filepath.Join(dir, ".claude", "agents")
	if err := os.MkdirAll(agents, 0o700); err != nil {
		return err
	}
	for i := 1; i <= n; i++ {
		name := agentName(i)
		text := "---\nname: " + name + "\ndescription: Reviews Go code, module " + strconv.Itoa(i) +
			" of the service. Use it after every change.\nmodel: " + Model + "\ntools: Read, Grep, Glob\n---\n" + definition
		if err := os.WriteFile(filepath.Join(agents, name+".md"), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Memory is a transport that answers from memory, at once.
func Memory() http.RoundTripper { return &memory{body: stream()} }

type memory struct{ body string }

// RoundTrip implements [http.RoundTripper].
func (m *memory) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		if err := req.Body.Close(); err != nil {
			return nil, err
		}
	}
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK",
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"text/event-stream"}, "Request-Id": {"req_018EeWyXxfu5pfWkrYcMdjWG"}},
		Body:          io.NopCloser(strings.NewReader(m.body)),
		ContentLength: int64(len(m.body)), Request: req,
	}, nil
}

// OpenMemory returns bare net/http over [Memory], the peer of an engine
// without a network.
func OpenMemory(q *Question) *Peer {
	return openNetHTTP(NetHTTP, Memory(), "http://memory.invalid", q)
}
