package limit_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/claude"
	"github.com/claude-force/claude-force/internal/layer/limit"
	"github.com/claude-force/claude-force/internal/sim"
	"github.com/claude-force/claude-force/internal/store/sqlite"
)

// processEnv makes the test binary a process that shares its limits: its name,
// the API's address and the file, one a line.
const processEnv = "LIMIT_PROCESS"

// TestProcess is not a test: it is one process of the next one. It calls until
// it is interrupted.
func TestProcess(t *testing.T) {
	spec := os.Getenv(processEnv)
	if spec == "" {
		t.Skip("it is a process of another test")
	}
	words := strings.Split(spec, "\n")
	store, err := sqlite.OpenShared(t.Context(), words[2])
	if err != nil {
		t.Fatal(err)
	}
	api, err := claude.New(claude.Options{BaseURL: words[1], Credential: "key"})
	if err != nil {
		t.Fatal(err)
	}
	l := limit.New(limit.Options{Shared: store, Holder: words[0], Attempts: 100, Warn: func(err error) { t.Error(err) }})
	ctx, cancel := context.WithCancel(t.Context())
	wg := flood(ctx, l.Layer()(api), 40, words[0])
	_, _ = fmt.Scanln() // until the input ends
	cancel()
	wg.Wait()
	l.Close()
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}

// member is a process that runs.
type member struct {
	*exec.Cmd
	out strings.Builder
	end func() error // closes its input
}

func start(t *testing.T, name, url, path string) *member {
	t.Helper()
	m := &member{Cmd: exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProcess$", "-test.v")}
	m.Env = append(os.Environ(), processEnv+"="+strings.Join([]string{name, url, path}, "\n"))
	m.Stdout, m.Stderr = &m.out, &m.out
	in, err := m.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	m.end = in.Close
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	return m
}

// readShared is what a file keeps of the limit group of a model.
func readShared(t *testing.T, store *sqlite.Shared, modelID string) (k kept) {
	t.Helper()
	var data []byte
	key := sha256.Sum256(append(make([]byte, 32), modelID...)) // of no account in particular
	err := store.UpdateLimits(t.Context(), key, func(b []byte) []byte {
		data = append(data[:0], b...)
		return b
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &k); err != nil {
		t.Fatalf("%v in %q", err, data)
	}
	return k
}

// Three processes with a file between them, over real sockets and in real
// time, stay within the limits; what a killed one holds returns.
func TestThreeProcesses(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	const rpm, burst = 1200, 1.0 / 12
	server := newAPI(t, sim.Options{Limits: sim.Limits{RPM: rpm, Burst: burst}, Latency: 50 * time.Millisecond})
	web := httptest.NewServer(server.Server)
	defer web.Close()
	path := filepath.Join(t.TempDir(), "shared.db")
	store, err := sqlite.OpenShared(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	began := time.Now()
	members := make([]*member, 3)
	for i := range members {
		members[i] = start(t, fmt.Sprint("p", i), web.URL, path)
	}
	<-time.After(3 * time.Second)
	if err := members[0].Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = members[0].Wait() // it was killed
	killed := time.Now()
	if k := readShared(t, store, sonnet); len(k.Holders) != 3 {
		t.Errorf("%d processes shared the limits: %+v", len(k.Holders), k)
	}
	<-time.After(6500 * time.Millisecond)
	k := readShared(t, store, sonnet)
	if lease := k.Holders["p0"].Lease; len(lease) != 3 || lease[0]+lease[1]+lease[2] != 0 {
		t.Errorf("%v after its end the killed process holds %v", time.Since(killed), lease)
	}
	stats, lasted := server.Stats(), time.Since(began)
	for _, m := range members[1:] {
		if err := m.end(); err != nil {
			t.Error(err)
		}
		if err := m.Wait(); err != nil {
			t.Errorf("%v\n%s", err, m.out.String())
		}
	}
	if k := readShared(t, store, sonnet); k.leased() != 0 {
		t.Errorf("when all have ended they hold %+v", k.Holders)
	}
	// The time that processes need to start is not theirs to use.
	used := float64(stats.Answered) / (rpm * (burst + (lasted - time.Second).Minutes()))
	refused := float64(stats.RateLimited) / float64(stats.Messages)
	t.Logf("%d calls in %v: %.1f %% used, %.2f %% refused", stats.Messages, lasted, used*100, refused*100)
	if used < 0.8 || refused > 0.05 {
		t.Errorf("%.1f %% of the limit was used, and %.2f %% of %d requests were refused", used*100, refused*100, stats.Messages)
	}
}
